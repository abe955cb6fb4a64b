//! The routes, as data: which paths lead to which operation, in which wire format. Adding a path is
//! adding a row; no other place knows a format or a path.

mod stored;

use http::Method;
use weir_types::{Dialect, Form, Framing, Operation};

/// One path that clients may call.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// Method and path, as spans and logs show it. One `{parameter}` may stand in the path, for a
    /// whole segment or up to what follows it there; the value may hold slashes.
    pub name: &'static str,
    /// The format of body and answer.
    pub dialect: Dialect,
    /// What it asks for.
    pub operation: Operation,
    /// Whether the path itself asks for a stream; `None`: the body says it.
    pub stream: Option<bool>,
    /// How streams are framed.
    pub framing: Framing,
    /// A query that asks for another framing: `(name, value, framing)`.
    pub framing_by_query: Option<(&'static str, &'static str, Framing)>,
    /// In which form of the format its clients send and read.
    pub form: Form,
    /// The provider that the prefix implies for a bare model.
    pub preferred: Option<&'static str>,
    /// What its parameter may be.
    pub(crate) value: Value,
}

/// What a parameter may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value {
    /// A name, which may hold slashes.
    Name,
    /// One segment of a path.
    Segment,
    /// Anything.
    Path,
}

impl Route {
    /// `name`, with what most routes have in common.
    #[must_use]
    pub const fn new(name: &'static str, dialect: Dialect, operation: Operation) -> Self {
        Self {
            name,
            dialect,
            operation,
            stream: None,
            framing: Framing::Sse,
            framing_by_query: None,
            form: Form::Usual,
            preferred: None,
            value: Value::Name,
        }
    }

    /// With a parameter that may be this.
    const fn taking(mut self, value: Value) -> Self {
        self.value = value;
        self
    }

    /// With the provider that a bare model means.
    #[must_use]
    pub const fn of(mut self, provider: &'static str) -> Self {
        self.preferred = Some(provider);
        self
    }

    /// A path that itself says whether a stream is asked for.
    #[must_use]
    pub const fn streamed(mut self, stream: bool) -> Self {
        self.stream = Some(stream);
        self
    }

    /// With streams that are framed so.
    #[must_use]
    pub const fn framed(mut self, framing: Framing) -> Self {
        self.framing = framing;
        self
    }

    /// With streams that are framed so if the query says `name=value`.
    #[must_use]
    pub const fn framed_if(
        mut self,
        name: &'static str,
        value: &'static str,
        framing: Framing,
    ) -> Self {
        self.framing_by_query = Some((name, value, framing));
        self
    }

    /// For clients of this form of the format.
    #[must_use]
    pub const fn in_form(mut self, form: Form) -> Self {
        self.form = form;
        self
    }

    /// The method alone.
    pub(crate) fn method(&self) -> Method {
        let method = self.name.split(' ').next().unwrap_or_default();
        Method::from_bytes(method.as_bytes()).unwrap_or(Method::POST)
    }

    /// Whether `method` is its own.
    pub(crate) fn is_by(&self, method: &Method) -> bool {
        self.name.strip_prefix(method.as_str()).is_some_and(|rest| rest.starts_with(' '))
    }

    /// The path alone.
    pub(crate) fn path(&self) -> &'static str {
        self.name.split_once(' ').map_or(self.name, |(_, path)| path)
    }

    /// What stands before the parameter, and what follows it; `None`: there is none.
    pub(crate) fn parameter(&self) -> Option<(&'static str, &'static str)> {
        let (before, rest) = self.path().split_once('{')?;
        let (_, after) = rest.split_once('}')?;
        Some((before, after))
    }

    /// Whether a part of the path is a parameter.
    pub(crate) fn has_parameter(&self) -> bool {
        self.path().as_bytes().contains(&b'{')
    }

    /// Whether no path but one that ends with its parameter goes on from `prefix` here.
    pub(crate) fn is_alone_at(&self, prefix: &str) -> bool {
        self.ends_with_parameter() || self.parameter().is_none_or(|(own, _)| own != prefix)
    }

    /// Whether nothing follows the parameter.
    pub(crate) fn ends_with_parameter(&self) -> bool {
        self.parameter().is_some_and(|(_, after)| after.is_empty())
    }

    /// The model that is asked about, where it is a list of models in which it is looked for.
    pub(crate) fn wanted<'a>(&self, parameter: &'a str) -> Option<&'a str> {
        let is_listed = self.operation == Operation::ListModels && self.has_parameter();
        is_listed.then_some(parameter)
    }

    /// The parameter's value in `tail`, the part of the path from the parameter on.
    pub(crate) fn value_in<'a>(&self, tail: &'a str) -> Option<&'a str> {
        let (_, after) = self.parameter()?;
        let value = tail.strip_suffix(after).filter(|value| !value.is_empty())?;
        match self.value {
            Value::Name => Some(value).filter(|value| !value.ends_with('/')),
            Value::Segment => {
                let segment = value.strip_suffix('/').unwrap_or(value);
                Some(segment).filter(|segment| !segment.is_empty() && !segment.contains('/'))
            }
            Value::Path => Some(value),
        }
    }
}

const CHAT: Dialect = Dialect::OpenAiChat;
const RESPONSES: Dialect = Dialect::OpenAiResponses;
const ANTHROPIC: Dialect = Dialect::AnthropicMessages;
const GEMINI: Dialect = Dialect::GeminiGenerate;
const BEDROCK: Dialect = Dialect::BedrockConverse;
const INVOKE: Dialect = Dialect::BedrockInvoke;
const COHERE: Dialect = Dialect::CohereChat;

const fn media(name: &'static str, operation: Operation) -> Route {
    Route::new(name, CHAT, operation)
}

const fn openai(name: &'static str, operation: Operation) -> Route {
    Route::new(name, CHAT, operation).of("openai")
}

const fn azure(name: &'static str, operation: Operation) -> Route {
    Route::new(name, CHAT, operation).of("azure")
}

const fn mistral(name: &'static str, operation: Operation) -> Route {
    Route::new(name, CHAT, operation).of("mistral").in_form(Form::Mistral)
}

const fn gemini(name: &'static str, operation: Operation) -> Route {
    Route::new(name, GEMINI, operation).of("gemini")
}

/// Every inference route.
pub static ROUTES: &[Route] = &stored::behind::<{ MAIN.len() + stored::COUNT }>(MAIN);

/// But for those of what is stored. SDKs append to a base URL that may or may not end in a version, so the
/// drop-in prefixes serve both.
const MAIN: &[Route] = &[
    Route::new("POST /v1/chat/completions", CHAT, Operation::Chat),
    Route::new("POST /v1/completions", CHAT, Operation::Completion),
    Route::new("POST /v1/embeddings", CHAT, Operation::Embedding),
    Route::new("POST /v1/rerank", CHAT, Operation::Rerank),
    Route::new("GET /v1/models", CHAT, Operation::ListModels),
    Route::new("GET /v1/models/{model}", CHAT, Operation::ListModels),
    Route::new("POST /v1/responses", RESPONSES, Operation::Responses),
    Route::new("POST /v1/responses/input_tokens", RESPONSES, Operation::CountTokens),
    Route::new("POST /v1/messages", ANTHROPIC, Operation::Chat),
    Route::new("POST /v1/messages/count_tokens", ANTHROPIC, Operation::CountTokens),
    // For a base URL without a version.
    Route::new("POST /chat/completions", CHAT, Operation::Chat),
    Route::new("POST /completions", CHAT, Operation::Completion),
    Route::new("POST /embeddings", CHAT, Operation::Embedding),
    Route::new("POST /rerank", CHAT, Operation::Rerank),
    Route::new("GET /models", CHAT, Operation::ListModels),
    Route::new("GET /models/{model}", CHAT, Operation::ListModels),
    Route::new("POST /responses", RESPONSES, Operation::Responses),
    Route::new("POST /responses/input_tokens", RESPONSES, Operation::CountTokens),
    Route::new("POST /openai/v1/chat/completions", CHAT, Operation::Chat).of("openai"),
    Route::new("POST /openai/v1/completions", CHAT, Operation::Completion).of("openai"),
    Route::new("POST /openai/v1/embeddings", CHAT, Operation::Embedding).of("openai"),
    Route::new("GET /openai/v1/models", CHAT, Operation::ListModels).of("openai"),
    Route::new("GET /openai/v1/models/{model}", CHAT, Operation::ListModels).of("openai"),
    Route::new("POST /openai/v1/responses", RESPONSES, Operation::Responses).of("openai"),
    Route::new("POST /openai/v1/responses/input_tokens", RESPONSES, Operation::CountTokens)
        .of("openai"),
    Route::new("POST /openai/chat/completions", CHAT, Operation::Chat).of("openai"),
    Route::new("POST /openai/completions", CHAT, Operation::Completion).of("openai"),
    Route::new("POST /openai/embeddings", CHAT, Operation::Embedding).of("openai"),
    Route::new("GET /openai/models", CHAT, Operation::ListModels).of("openai"),
    Route::new("GET /openai/models/{model}", CHAT, Operation::ListModels).of("openai"),
    Route::new("POST /openai/responses", RESPONSES, Operation::Responses).of("openai"),
    Route::new("POST /openai/responses/input_tokens", RESPONSES, Operation::CountTokens)
        .of("openai"),
    azure("POST /openai/deployments/{model}/chat/completions", Operation::Chat),
    azure("POST /openai/deployments/{model}/completions", Operation::Completion),
    azure("POST /openai/deployments/{model}/embeddings", Operation::Embedding),
    Route::new("POST /anthropic/v1/messages", ANTHROPIC, Operation::Chat).of("anthropic"),
    Route::new("POST /anthropic/v1/messages/count_tokens", ANTHROPIC, Operation::CountTokens)
        .of("anthropic"),
    Route::new("GET /anthropic/v1/models", ANTHROPIC, Operation::ListModels).of("anthropic"),
    Route::new("GET /anthropic/v1/models/{model}", ANTHROPIC, Operation::ListModels)
        .of("anthropic"),
    gemini("POST /genai/v1beta/models/{model}:generateContent", Operation::Chat).streamed(false),
    gemini("POST /genai/v1beta/models/{model}:streamGenerateContent", Operation::Chat)
        .streamed(true)
        .framed(Framing::JsonArray)
        .framed_if("alt", "sse", Framing::Sse),
    gemini("POST /genai/v1beta/models/{model}:countTokens", Operation::CountTokens),
    gemini("POST /genai/v1beta/models/{model}:embedContent", Operation::Embedding)
        .in_form(Form::Single),
    gemini("POST /genai/v1beta/models/{model}:batchEmbedContents", Operation::Embedding),
    gemini("GET /genai/v1beta/models", Operation::ListModels),
    gemini("GET /genai/v1beta/models/{model}", Operation::ListModels),
    gemini("POST /genai/v1/models/{model}:generateContent", Operation::Chat).streamed(false),
    gemini("POST /genai/v1/models/{model}:streamGenerateContent", Operation::Chat)
        .streamed(true)
        .framed(Framing::JsonArray)
        .framed_if("alt", "sse", Framing::Sse),
    gemini("POST /genai/v1/models/{model}:countTokens", Operation::CountTokens),
    gemini("POST /genai/v1/models/{model}:embedContent", Operation::Embedding)
        .in_form(Form::Single),
    gemini("POST /genai/v1/models/{model}:batchEmbedContents", Operation::Embedding),
    gemini("GET /genai/v1/models", Operation::ListModels),
    gemini("GET /genai/v1/models/{model}", Operation::ListModels),
    // Clients that are told the address of another service leave its version out.
    gemini("POST /genai/models/{model}:generateContent", Operation::Chat).streamed(false),
    gemini("POST /genai/models/{model}:streamGenerateContent", Operation::Chat)
        .streamed(true)
        .framed(Framing::JsonArray)
        .framed_if("alt", "sse", Framing::Sse),
    gemini("POST /genai/models/{model}:countTokens", Operation::CountTokens),
    gemini("POST /genai/models/{model}:embedContent", Operation::Embedding).in_form(Form::Single),
    gemini("POST /genai/models/{model}:batchEmbedContents", Operation::Embedding),
    gemini("GET /genai/models", Operation::ListModels),
    gemini("GET /genai/models/{model}", Operation::ListModels),
    Route::new("POST /bedrock/model/{model}/converse", BEDROCK, Operation::Chat)
        .of("bedrock")
        .streamed(false),
    Route::new("POST /bedrock/model/{model}/converse-stream", BEDROCK, Operation::Chat)
        .of("bedrock")
        .streamed(true)
        .framed(Framing::EventStream),
    Route::new("POST /bedrock/model/{model}/invoke", INVOKE, Operation::Chat)
        .of("bedrock")
        .streamed(false),
    Route::new("POST /bedrock/model/{model}/invoke-with-response-stream", INVOKE, Operation::Chat)
        .of("bedrock")
        .streamed(true)
        .framed(Framing::EventChunks),
    Route::new("POST /bedrock/model/{model}/count-tokens", BEDROCK, Operation::CountTokens)
        .of("bedrock"),
    Route::new("GET /bedrock/foundation-models", BEDROCK, Operation::ListModels).of("bedrock"),
    mistral("POST /mistral/v1/chat/completions", Operation::Chat),
    mistral("POST /mistral/v1/embeddings", Operation::Embedding),
    mistral("GET /mistral/v1/models", Operation::ListModels),
    mistral("GET /mistral/v1/models/{model}", Operation::ListModels),
    Route::new("POST /bedrock/rerank", BEDROCK, Operation::Rerank).of("bedrock"),
    Route::new("POST /cohere/v2/chat", COHERE, Operation::Chat).of("cohere"),
    Route::new("POST /cohere/v2/embed", COHERE, Operation::Embedding).of("cohere"),
    Route::new("POST /cohere/v2/rerank", COHERE, Operation::Rerank).of("cohere"),
    Route::new("GET /cohere/v1/models", COHERE, Operation::ListModels).of("cohere"),
    Route::new("GET /cohere/v1/models/{model}", COHERE, Operation::ListModels).of("cohere"),
    // Sound, images, judgements, and the text of documents.
    media("POST /v1/audio/speech", Operation::Speech),
    media("POST /v1/audio/transcriptions", Operation::Transcription),
    media("POST /v1/audio/translations", Operation::Translation),
    media("POST /v1/images/generations", Operation::ImageGeneration),
    media("POST /v1/images/edits", Operation::ImageEdit),
    media("POST /v1/images/variations", Operation::ImageVariation),
    media("POST /v1/moderations", Operation::Moderation),
    media("POST /v1/ocr", Operation::Ocr),
    media("POST /audio/speech", Operation::Speech),
    media("POST /audio/transcriptions", Operation::Transcription),
    media("POST /audio/translations", Operation::Translation),
    media("POST /images/generations", Operation::ImageGeneration),
    media("POST /images/edits", Operation::ImageEdit),
    media("POST /images/variations", Operation::ImageVariation),
    media("POST /moderations", Operation::Moderation),
    media("POST /ocr", Operation::Ocr),
    openai("POST /openai/v1/audio/speech", Operation::Speech),
    openai("POST /openai/v1/audio/transcriptions", Operation::Transcription),
    openai("POST /openai/v1/audio/translations", Operation::Translation),
    openai("POST /openai/v1/images/generations", Operation::ImageGeneration),
    openai("POST /openai/v1/images/edits", Operation::ImageEdit),
    openai("POST /openai/v1/images/variations", Operation::ImageVariation),
    openai("POST /openai/v1/moderations", Operation::Moderation),
    openai("POST /openai/audio/speech", Operation::Speech),
    openai("POST /openai/audio/transcriptions", Operation::Transcription),
    openai("POST /openai/audio/translations", Operation::Translation),
    openai("POST /openai/images/generations", Operation::ImageGeneration),
    openai("POST /openai/images/edits", Operation::ImageEdit),
    openai("POST /openai/images/variations", Operation::ImageVariation),
    openai("POST /openai/moderations", Operation::Moderation),
    azure("POST /openai/deployments/{model}/audio/speech", Operation::Speech),
    azure("POST /openai/deployments/{model}/audio/transcriptions", Operation::Transcription),
    azure("POST /openai/deployments/{model}/audio/translations", Operation::Translation),
    azure("POST /openai/deployments/{model}/images/generations", Operation::ImageGeneration),
    azure("POST /openai/deployments/{model}/images/edits", Operation::ImageEdit),
    mistral("POST /mistral/v1/audio/speech", Operation::Speech),
    mistral("POST /mistral/v1/audio/transcriptions", Operation::Transcription),
    mistral("POST /mistral/v1/moderations", Operation::Moderation),
    mistral("POST /mistral/v1/ocr", Operation::Ocr),
    gemini("POST /genai/v1beta/models/{model}:predict", Operation::ImageGeneration).streamed(false),
    gemini("POST /genai/v1/models/{model}:predict", Operation::ImageGeneration).streamed(false),
    gemini("POST /genai/models/{model}:predict", Operation::ImageGeneration).streamed(false),
];

/// The format in which errors are written for somebody whose format is not known.
pub(crate) const UNKNOWN: Dialect = CHAT;

/// The path of somebody who has an address and no idea.
pub(crate) const ROOT: &str = "/";

/// The path that load balancers ask.
pub(crate) const HEALTH: &str = "/health";

/// The format in which somebody who asked for `path` reads errors, and its form: those of the routes that
/// begin alike.
pub(crate) fn words_of(routes: &[Route], path: &str) -> (Dialect, Form) {
    let first = |path: &str| path.split('/').nth(1).unwrap_or_default().to_owned();
    let prefix = first(path);
    let is_below = |route: &&Route| {
        let before = route.parameter().map(|(before, _)| before.trim_end_matches('/'));
        let rest = before.and_then(|before| path.strip_prefix(before));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let mut places = routes.iter().filter(|route| route.value == Value::Path);
    if let Some(route) = places.find(is_below) {
        return (route.dialect, route.form);
    }
    let alike = routes.iter().find(|route| first(route.path()) == prefix);
    (alike.map_or(UNKNOWN, |route| route.dialect), Form::Usual)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_may_hold_slashes_and_end_where_the_rest_begins() {
        let route = gemini("POST /genai/v1beta/models/{model}:generateContent", Operation::Chat);
        assert_eq!(route.parameter(), Some(("/genai/v1beta/models/", ":generateContent")));
        assert_eq!(route.value_in("openai/gpt-4o:generateContent"), Some("openai/gpt-4o"));
        assert_eq!(route.value_in(":generateContent"), None);
        assert_eq!(route.value_in("m:streamGenerateContent"), None);
        assert_eq!(route.method(), Method::POST);
    }

    #[test]
    fn places_may_be_anything_and_buckets_are_one_segment() {
        let bucket =
            Route::new("GET /s3/{bucket}", BEDROCK, Operation::FileList).taking(Value::Segment);
        let object =
            Route::new("GET /s3/{object}", BEDROCK, Operation::FileContent).taking(Value::Path);
        for (tail, is_bucket) in
            [("b", Some("b")), ("b/", Some("b")), ("b/k", None), ("b/k/", None), ("/", None)]
        {
            assert_eq!(bucket.value_in(tail), is_bucket, "{tail}");
            assert_eq!(object.value_in(tail), Some(tail));
        }
        assert_eq!(object.value_in(""), None);
    }

    #[test]
    fn rows_are_unambiguous() {
        for (at, route) in ROUTES.iter().enumerate() {
            assert!(ROUTES[..at].iter().all(|other| other.name != route.name), "{}", route.name);
            assert!(route.stream.is_none() || route.operation.streams(), "{}", route.name);
        }
        assert_eq!(words_of(ROUTES, "/anthropic/v9/x"), (ANTHROPIC, Form::Usual));
        assert_eq!(words_of(ROUTES, "/nowhere"), (CHAT, Form::Usual));
        assert_eq!(words_of(ROUTES, "/bedrock/s3/b/k"), (BEDROCK, Form::Objects));
        assert_eq!(words_of(ROUTES, "/bedrock/s3"), (BEDROCK, Form::Objects));
        assert_eq!(words_of(ROUTES, "/bedrock/s3x"), (BEDROCK, Form::Usual));
    }
}
