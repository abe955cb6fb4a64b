//! What can be asked of a provider, as one table: a row per kind of request.
//!
//! Everything that depends on the kind of a request alone is a column here, so that no other place
//! matches on [`Operation`]. Which of them a vendor offers, and where, is the vendor's row; which
//! paths lead to them is the edge's. The names are those of the configuration format
//! (`custom_provider_config.allowed_requests`).

/// What a request is addressed to. It decides how a provider and a key are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addressee {
    /// A model: the keys that serve it.
    Model,
    /// A provider as a whole: any of its keys.
    Provider,
    /// Something that one key of one provider has stored: that key.
    Resource,
}

/// What a body holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Nothing.
    Empty,
    /// One JSON document.
    Json,
    /// `multipart/form-data`: fields and files.
    Multipart,
    /// Bytes that are not looked at.
    Bytes,
}

/// A row: what is true of every request of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperationFacts {
    /// For metrics, traces and the wire between our services.
    pub label: &'static str,
    /// The configuration's name of it.
    pub config_name: &'static str,
    /// The configuration's name of it where the answer is streamed, which may be the same; `None`: it is
    /// never streamed.
    pub config_name_stream: Option<&'static str>,
    /// What it is addressed to.
    pub addressee: Addressee,
    /// What its request holds.
    pub request: Content,
    /// What its answer holds if it is not a stream.
    pub answer: Content,
    /// Whether only keys with `use_for_batch_api` may serve it.
    pub batch_keys_only: bool,
}

macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident: $label:literal, $config:literal, $stream:expr, $to:ident,
       $request:ident => $answer:ident $(, $batch:ident)?;)*) => {
        /// What a request asks a provider to do. Whether the answer is streamed is told apart.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Operation {
            $($(#[$doc])* $name,)*
        }

        impl Operation {
            /// Every operation, in the order of the table.
            pub const ALL: [Self; { 0 $(+ { let _ = Self::$name; 1 })* }] = [$(Self::$name,)*];
        }

        const FACTS: [OperationFacts; Operation::COUNT] = [$(OperationFacts {
            label: $label,
            config_name: $config,
            config_name_stream: $stream,
            addressee: Addressee::$to,
            request: Content::$request,
            answer: Content::$answer,
            batch_keys_only: operations!(@batch $($batch)?),
        },)*];
    };
    (@batch) => { false };
    (@batch batch) => { true };
}

operations! {
    /// The list of models.
    ListModels: "list_models", "list_models", None, Provider, Empty => Json;
    /// Text completions (the older prompt form).
    Completion: "text_completion", "text_completion", Some("text_completion_stream"), Model,
        Json => Json;
    /// A turn of a conversation, in whichever format has one; OpenAI's Responses apart.
    Chat: "chat", "chat_completion", Some("chat_completion_stream"), Model, Json => Json;
    /// A turn of a conversation in OpenAI's Responses format, whose answers a provider may keep.
    Responses: "responses", "responses", Some("responses_stream"), Model, Json => Json;
    /// A kept response.
    ResponsesRetrieve: "responses_retrieve", "responses_retrieve", Some("responses_retrieve"), Resource,
        Empty => Json;
    /// Deletes a kept response.
    ResponsesDelete: "responses_delete", "responses_delete", None, Resource, Empty => Json;
    /// Stops a response that is made in the background.
    ResponsesCancel: "responses_cancel", "responses_cancel", None, Resource, Empty => Json;
    /// What a kept response was made from.
    ResponsesInputItems: "responses_input_items", "responses_input_items", None, Resource,
        Empty => Json;
    /// How many tokens a prompt has.
    CountTokens: "count_tokens", "count_tokens", None, Model, Json => Json;
    /// A long conversation made short.
    Compaction: "compaction", "compaction", None, Model, Json => Json;
    /// Embedding vectors.
    Embedding: "embeddings", "embedding", None, Model, Json => Json;
    /// Documents in the order of their relevance.
    Rerank: "rerank", "rerank", None, Model, Json => Json;
    /// The text in an image or a document.
    Ocr: "ocr", "ocr", None, Model, Json => Json;
    /// Text to speech.
    Speech: "speech", "speech", Some("speech_stream"), Model, Json => Bytes;
    /// Speech to text.
    Transcription: "transcription", "transcription", Some("transcription_stream"), Model,
        Multipart => Json;
    /// Speech in any language to English text.
    Translation: "translation", "translation", None, Model, Multipart => Json;
    /// Whether texts or images are harmful.
    Moderation: "moderation", "moderation", None, Model, Json => Json;
    /// Images from text.
    ImageGeneration: "image_generation", "image_generation", Some("image_generation_stream"),
        Model, Json => Json;
    /// Images from images and text.
    ImageEdit: "image_edit", "image_edit", Some("image_edit_stream"), Model, Multipart => Json;
    /// Images like an image.
    ImageVariation: "image_variation", "image_variation", None, Model, Multipart => Json;
    /// Starts the making of a video.
    VideoGeneration: "video_generation", "video_generation", None, Model, Multipart => Json;
    /// How far a video is.
    VideoRetrieve: "video_retrieve", "video_retrieve", None, Resource, Empty => Json;
    /// A video's bytes.
    VideoDownload: "video_download", "video_download", None, Resource, Empty => Bytes;
    /// Deletes a video.
    VideoDelete: "video_delete", "video_delete", None, Resource, Empty => Json;
    /// The videos there are.
    VideoList: "video_list", "video_list", None, Provider, Empty => Json;
    /// A video made from a video.
    VideoRemix: "video_remix", "video_remix", None, Resource, Json => Json;
    /// Starts a batch.
    BatchCreate: "batch_create", "batch_create", None, Provider, Json => Json, batch;
    /// The batches there are.
    BatchList: "batch_list", "batch_list", None, Provider, Empty => Json, batch;
    /// How far a batch is.
    BatchRetrieve: "batch_retrieve", "batch_retrieve", None, Resource, Empty => Json, batch;
    /// Stops a batch.
    BatchCancel: "batch_cancel", "batch_cancel", None, Resource, Empty => Json, batch;
    /// Deletes a batch.
    BatchDelete: "batch_delete", "batch_delete", None, Resource, Empty => Json, batch;
    /// What came of a batch, line by line.
    BatchResults: "batch_results", "batch_results", None, Resource, Empty => Bytes, batch;
    /// Uploads a file.
    FileUpload: "file_upload", "file_upload", None, Provider, Multipart => Json, batch;
    /// The files there are.
    FileList: "file_list", "file_list", None, Provider, Empty => Json, batch;
    /// What is known of a file.
    FileRetrieve: "file_retrieve", "file_retrieve", None, Resource, Empty => Json, batch;
    /// Deletes a file.
    FileDelete: "file_delete", "file_delete", None, Resource, Empty => Json, batch;
    /// A file's bytes.
    FileContent: "file_content", "file_content", None, Resource, Empty => Bytes, batch;
    /// Makes a container.
    ContainerCreate: "container_create", "container_create", None, Provider, Json => Json;
    /// The containers there are.
    ContainerList: "container_list", "container_list", None, Provider, Empty => Json;
    /// What is known of a container.
    ContainerRetrieve: "container_retrieve", "container_retrieve", None, Resource, Empty => Json;
    /// Deletes a container.
    ContainerDelete: "container_delete", "container_delete", None, Resource, Empty => Json;
    /// Puts a file into a container.
    ContainerFileCreate: "container_file_create", "container_file_create", None, Resource,
        Multipart => Json;
    /// The files of a container.
    ContainerFileList: "container_file_list", "container_file_list", None, Resource,
        Empty => Json;
    /// What is known of a container's file.
    ContainerFileRetrieve: "container_file_retrieve", "container_file_retrieve", None, Resource,
        Empty => Json;
    /// The bytes of a container's file.
    ContainerFileContent: "container_file_content", "container_file_content", None, Resource,
        Empty => Bytes;
    /// Deletes a container's file.
    ContainerFileDelete: "container_file_delete", "container_file_delete", None, Resource,
        Empty => Json;
    /// Whatever a provider's own interface has, unread.
    Passthrough: "passthrough", "passthrough", Some("passthrough_stream"), Provider,
        Bytes => Bytes;
    /// Responses over a WebSocket.
    WebsocketResponses: "websocket_responses", "websocket_responses", None, Model,
        Bytes => Bytes;
    /// A spoken conversation.
    Realtime: "realtime", "realtime", None, Model, Bytes => Bytes;
    /// Stores the beginning of prompts.
    CachedContentCreate: "cached_content_create", "cached_content_create", None, Provider,
        Json => Json;
    /// The stored beginnings there are.
    CachedContentList: "cached_content_list", "cached_content_list", None, Provider,
        Empty => Json;
    /// What is known of a stored beginning.
    CachedContentRetrieve: "cached_content_retrieve", "cached_content_retrieve", None, Resource,
        Empty => Json;
    /// Changes how long a beginning is stored.
    CachedContentUpdate: "cached_content_update", "cached_content_update", None, Resource,
        Json => Json;
    /// Deletes a stored beginning.
    CachedContentDelete: "cached_content_delete", "cached_content_delete", None, Resource,
        Empty => Json;
}

impl Operation {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// Its row.
    #[must_use]
    pub const fn facts(self) -> &'static OperationFacts {
        &FACTS[self as usize]
    }

    /// Its place in [`Operation::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Stable label; the spelling of OpenTelemetry's `gen_ai.operation.name` where it has one.
    #[must_use]
    pub const fn label(self) -> &'static str {
        self.facts().label
    }

    /// The inverse of [`Operation::label`].
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.label() == label)
    }

    /// The configuration's name of it, such as `chat_completion_stream`. One that is never
    /// streamed has one name.
    #[must_use]
    pub const fn config_name(self, stream: bool) -> &'static str {
        let facts = self.facts();
        match (stream, facts.config_name_stream) {
            (true, Some(name)) => name,
            _ => facts.config_name,
        }
    }

    /// Every name of the configuration format, each once, in the order of the table.
    pub fn config_names() -> impl Iterator<Item = &'static str> {
        let streamed = |facts: &'static OperationFacts| {
            facts.config_name_stream.filter(|name| *name != facts.config_name)
        };
        FACTS.iter().flat_map(move |facts| [Some(facts.config_name), streamed(facts)]).flatten()
    }

    /// Whether it can be streamed.
    #[must_use]
    pub const fn streams(self) -> bool {
        self.facts().config_name_stream.is_some()
    }

    /// Whether requests and answers of this kind mean the same in every format that has it, so that
    /// one format can stand for another. The rest pass within one format only.
    #[must_use]
    pub const fn is_translated(self) -> bool {
        matches!(
            self,
            Self::ListModels
                | Self::Chat
                | Self::Responses
                | Self::CountTokens
                | Self::Embedding
                | Self::Rerank
        )
    }

    /// Whether an answer of this kind may be plain text where a document is usual: the client says so
    /// in a way that only the provider reads.
    #[must_use]
    pub const fn may_be_text(self) -> bool {
        matches!(self, Self::Transcription | Self::Translation)
    }

    /// Whether a request of this kind names a model.
    #[must_use]
    pub const fn has_model(self) -> bool {
        matches!(self.facts().addressee, Addressee::Model)
    }
}

/// A set of (operation, streamed or not).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperationSet(u128);

const _: () = assert!(OperationSet::PLACES <= u128::BITS as usize, "the set has a bit for each");

impl OperationSet {
    /// Everything.
    pub const ALL: Self = Self(u128::MAX);
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// How many members there may be: places are below it.
    pub const PLACES: usize = 2 * Operation::COUNT;

    /// This set and one more member.
    #[must_use]
    pub const fn with(self, operation: Operation, stream: bool) -> Self {
        Self(self.0 | Self::bit(operation, stream))
    }

    /// Whether `operation` is a member.
    #[must_use]
    pub const fn contains(self, operation: Operation, stream: bool) -> bool {
        self.0 & Self::bit(operation, stream) != 0
    }

    /// Its members, in the order of the table.
    pub fn iter(self) -> impl Iterator<Item = (Operation, bool)> {
        let pairs = Operation::ALL.into_iter().flat_map(|each| [(each, false), (each, true)]);
        pairs.filter(move |&(operation, stream)| self.contains(operation, stream))
    }

    /// The place of a member in lists that have one for each that there may be.
    #[must_use]
    pub const fn place(operation: Operation, stream: bool) -> usize {
        2 * operation.index() + stream as usize
    }

    const fn bit(operation: Operation, stream: bool) -> u128 {
        1 << Self::place(operation, stream)
    }
}

impl FromIterator<(Operation, bool)> for OperationSet {
    fn from_iter<I: IntoIterator<Item = (Operation, bool)>>(members: I) -> Self {
        members.into_iter().fold(Self::NONE, |set, (operation, stream)| set.with(operation, stream))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_found_by_its_names_and_no_name_stands_twice() {
        let mut labels = std::collections::HashSet::new();
        let mut names = std::collections::HashSet::new();
        for operation in Operation::ALL {
            assert_eq!(Operation::from_label(operation.label()), Some(operation));
            assert_eq!(Operation::ALL[operation.index()], operation);
            assert!(labels.insert(operation.label()), "{operation:?}");
            let has_name = operation.config_name(true).ends_with("_stream");
            assert_eq!(
                operation.streams(),
                has_name || operation == Operation::ResponsesRetrieve,
                "{operation:?}"
            );
        }
        for name in Operation::config_names() {
            assert!(names.insert(name), "{name}");
        }
        assert_eq!(names.len(), 62);
        assert_eq!(Operation::from_label("chat_completion"), None);
    }

    #[test]
    fn a_set_tells_all_operations_and_streams_apart() {
        for member in Operation::ALL {
            for stream in [false, true] {
                let set = OperationSet::from_iter([(member, stream)]);
                assert_eq!(set.iter().collect::<Vec<_>>(), [(member, stream)]);
                for other in Operation::ALL {
                    assert_eq!(set.contains(other, stream), other == member);
                    assert!(!set.contains(other, !stream));
                    assert!(OperationSet::ALL.contains(other, stream));
                    assert!(!OperationSet::NONE.contains(other, stream));
                }
            }
        }
    }
}
