//! Fixtures, and how each is to be read: a fixture is its bytes and its file's name, so the
//! operation is guessed from what stands in it.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::Value;
use weir_framing::{Decoder, Framing, Writer};
use weir_types::{Dialect, Form, Operation};

use crate::fit::{Fitted, Fitting};
use crate::{Asked, Format, PathFacts, RequestFault, Target, format, ir};

/// Wire bytes of one format.
#[derive(Debug, Clone)]
pub(crate) struct Fixture {
    /// Whose they are.
    pub(crate) dialect: Dialect,
    /// `requests`, `answers`, `streams` or `errors`.
    pub(crate) kind: &'static str,
    /// The file's name without its ending.
    pub(crate) name: String,
    /// The file.
    pub(crate) bytes: Bytes,
    is_json: bool,
}

/// The name of a format's folder.
pub(crate) fn folder(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::OpenAiChat => "openai_chat",
        other => other.label(),
    }
}

/// A model and a vendor that a request of this format may be written for.
pub(crate) fn served_by(dialect: Dialect) -> (&'static str, &'static str) {
    match dialect {
        Dialect::OpenAiChat => ("gpt-4o", "openai"),
        Dialect::OpenAiResponses => ("gpt-5", "openai"),
        Dialect::AnthropicMessages => ("claude-sonnet-4-5", "anthropic"),
        Dialect::GeminiGenerate => ("gemini-2.5-pro", "gemini"),
        Dialect::BedrockConverse => ("anthropic.claude-sonnet-4-5-20250929-v1:0", "bedrock"),
        Dialect::BedrockInvoke => ("amazon.titan-embed-text-v2:0", "bedrock"),
        Dialect::CohereChat => ("command-a-03-2025", "cohere"),
        Dialect::ReplicatePredictions => ("meta/meta-llama-3-70b-instruct", "replicate"),
        #[cfg(feature = "probe")]
        Dialect::Probe => ("a", "probe"),
    }
}

/// Who reads what a client of `dialect` is told: where a format's answers are not translated, because
/// its providers are asked for them by its own clients alone, the format in whose words they are.
pub(crate) fn reader(dialect: Dialect, operation: Operation) -> &'static dyn Format {
    match (dialect, operation) {
        (Dialect::BedrockInvoke, Operation::Embedding) => format(dialect),
        (Dialect::BedrockInvoke, _) => format(Dialect::AnthropicMessages),
        _ => format(dialect),
    }
}

/// The formats that have fixtures and clients.
pub(crate) fn formats() -> Vec<&'static dyn Format> {
    with_folder("requests")
}

/// The formats that have fixtures in `folder`.
fn with_folder(folder: &str) -> Vec<&'static dyn Format> {
    let all = Dialect::ALL.iter().filter(|dialect| root(**dialect).join(folder).is_dir());
    all.map(|dialect| format(*dialect)).collect()
}

/// A format's fixtures of one kind, by name; none if the folder is not there.
pub(crate) fn fixtures(dialect: Dialect, kind: &'static str) -> Vec<Fixture> {
    let Ok(entries) = fs::read_dir(root(dialect).join(kind)) else { return Vec::new() };
    let mut found: Vec<Fixture> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| ending(path) == "json" || ending(path) == "sse")
        .map(|path| Fixture {
            dialect,
            kind,
            name: path.file_stem().unwrap().to_str().unwrap().to_owned(),
            bytes: Bytes::from(fs::read(&path).unwrap()),
            is_json: ending(&path) == "json",
        })
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// Every fixture of one kind, with its format.
pub(crate) fn every(kind: &'static str) -> Vec<(&'static dyn Format, Fixture)> {
    let of = |format: &'static dyn Format| {
        fixtures(format.dialect(), kind).into_iter().map(move |fixture| (format, fixture))
    };
    with_folder(kind).into_iter().flat_map(of).collect()
}

fn root(dialect: Dialect) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(folder(dialect))
}

fn ending(path: &Path) -> &str {
    path.extension().and_then(|ending| ending.to_str()).unwrap_or_default()
}

impl Fixture {
    /// `gemini_generate/requests/tools`.
    pub(crate) fn label(&self) -> String {
        format!("{}/{}/{}", folder(self.dialect), self.kind, self.name)
    }

    /// The file as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|error| {
            panic!("{}: {error}", self.label());
        })
    }

    /// What a request asks for.
    pub(crate) fn operation(&self) -> Operation {
        request_operation(self.dialect, &self.name, &self.json())
    }

    /// What the client of a request said beside the body.
    pub(crate) fn path(&self) -> PathFacts<'static> {
        path(self.dialect, self.operation(), &self.json(), self.name.contains("stream"))
    }

    /// Whether it is a stream that is read, and not only passed on.
    pub(crate) fn is_read(&self) -> bool {
        let has = |text: &str| memchr::memmem::find(&self.bytes, text.as_bytes()).is_some();
        match self.dialect {
            Dialect::BedrockInvoke => has("\"message_start\""),
            _ => !has("\"text_completion\""),
        }
    }

    /// A stream's bytes. Where the framing is binary, the fixture is an array of names and data.
    pub(crate) fn stream(&self) -> (Framing, Bytes) {
        if !self.is_json {
            return (Framing::Sse, self.bytes.clone());
        }
        let framing = format(self.dialect).framing();
        if !matches!(framing, Framing::EventStream | Framing::EventChunks) {
            return (Framing::JsonArray, self.bytes.clone());
        }
        let mut writer = Writer::new(framing);
        for event in self.json().as_array().unwrap() {
            let data = event["data"].to_string();
            writer.event(event["name"].as_str().unwrap(), data.as_bytes());
        }
        (framing, writer.take())
    }
}

fn request_operation(dialect: Dialect, name: &str, body: &Value) -> Operation {
    let has = |member: &str| body.get(member).is_some();
    let counts = name.contains("count") || name.contains("input-tokens");
    if counts && (name.contains("token") || name.starts_with("count")) {
        return Operation::CountTokens;
    }
    if (has("query") && has("documents")) || has("rerankingConfiguration") {
        return Operation::Rerank;
    }
    let is_chat = has("messages") || has("contents");
    let inputs = ["input", "inputs", "texts", "images", "inputText", "content", "requests"];
    match dialect {
        Dialect::OpenAiResponses => Operation::Responses,
        // Nothing but the model tells what is asked for.
        Dialect::BedrockInvoke => Operation::Chat,
        _ if has("generateContentRequest") => Operation::CountTokens,
        Dialect::BedrockConverse if has("input") => Operation::CountTokens,
        _ if is_chat => Operation::Chat,
        _ if has("prompt") => Operation::Completion,
        _ if inputs.into_iter().any(has) => Operation::Embedding,
        _ => Operation::Chat,
    }
}

/// What an answer answers; `None` for what is no answer of a translatable operation.
pub(crate) fn answer_operation(dialect: Dialect, body: &Value) -> Option<Operation> {
    let has = |member: &str| body.get(member).is_some();
    let first = |list: &str, member: &str| body[list][0].get(member).is_some();
    let is_chat = ["choices", "content", "output", "candidates", "message", "promptFeedback"]
        .into_iter()
        .any(has);
    if first("choices", "text") {
        return Some(Operation::Completion);
    }
    if has("embeddings") || has("embedding") || first("data", "embedding") {
        return Some(Operation::Embedding);
    }
    if first("results", "relevance_score") || first("results", "relevanceScore") {
        return Some(Operation::Rerank);
    }
    if dialect == Dialect::BedrockInvoke {
        // Those of other makers are only passed on.
        return has("content").then_some(Operation::Chat);
    }
    if is_chat {
        return Some(route(dialect, Operation::Chat));
    }
    let counts = ["input_tokens", "totalTokens", "inputTokens"].into_iter().any(has);
    counts.then_some(Operation::CountTokens)
}

/// What a client of `dialect` says beside `body`.
pub(crate) fn path(
    dialect: Dialect,
    operation: Operation,
    body: &Value,
    stream: bool,
) -> PathFacts<'static> {
    let model = body.get("model").is_none().then_some(served_by(dialect).0);
    PathFacts { operation, model, stream: is_in_path(dialect).then_some(stream) }
}

/// Whether the path says which model is asked, and whether for a stream.
pub(crate) const fn is_in_path(dialect: Dialect) -> bool {
    matches!(dialect, Dialect::GeminiGenerate | Dialect::BedrockConverse | Dialect::BedrockInvoke)
}

/// The operation of the route to a provider that speaks `dialect`.
pub(crate) fn route(dialect: Dialect, operation: Operation) -> Operation {
    match operation {
        Operation::Chat | Operation::Responses if dialect == Dialect::OpenAiResponses => {
            Operation::Responses
        }
        Operation::Responses => Operation::Chat,
        other => other,
    }
}

/// The operation that a request is.
pub(crate) fn operation_of(request: &ir::Request) -> Operation {
    match request {
        ir::Request::Chat(_) => Operation::Chat,
        ir::Request::CountTokens(_) => Operation::CountTokens,
        ir::Request::Embedding(_) => Operation::Embedding,
        ir::Request::Rerank(_) => Operation::Rerank,
    }
}

/// Where a request for `operation` is written for in `dialect`.
pub(crate) fn target(dialect: Dialect, operation: Operation) -> Target<'static> {
    let (model, vendor) = served_by(dialect);
    Target { operation: route(dialect, operation), model, known_as: model, vendor }
}

/// Makes `request` one that `to` can say, as whoever translates does.
pub(crate) fn fit(
    to: &'static dyn Format,
    request: &mut ir::Request,
    target: &Target<'_>,
    losses: &mut ir::Losses,
) -> Result<Fitted, RequestFault> {
    let fitting = Fitting { format: to, target, call_ids: None, is_unsealed: false };
    fitting.apply(request, losses)
}

/// A request of `dialect` that asks for nothing in particular, streamed, with its usage.
pub(crate) fn plain_request(dialect: Dialect) -> ir::Request {
    let mut chat = ir::Chat::new(dialect);
    served_by(dialect).0.clone_into(&mut chat.model);
    chat.stream = true;
    chat.stream_usage = Some(true);
    ir::Request::Chat(Box::new(chat))
}

/// A client that asked for `operation` in `dialect`.
pub(crate) fn asked(dialect: Dialect, operation: Operation, request: &ir::Request) -> Asked<'_> {
    Asked {
        operation: route(dialect, operation),
        form: Form::Usual,
        model: "provider/model",
        request,
        now: 1_700_000_000,
        id: "0192f3c1-7a5b-7c3d-8e4f-a1b2c3d4e5f6",
    }
}

/// The frames of a stream that comes in pieces of `sizes` bytes, again and again; of one piece if
/// there are no sizes. What is left at the end is a frame, too.
pub(crate) fn frames(framing: Framing, stream: &Bytes, sizes: &[usize]) -> Vec<Bytes> {
    let mut decoder = Decoder::new(framing);
    let mut found = Vec::new();
    let mut rest = stream.clone();
    let mut sizes = sizes.iter().map(|size| (*size).max(1)).cycle();
    while !rest.is_empty() {
        let size = sizes.next().unwrap_or(rest.len()).min(rest.len());
        decoder.push(rest.split_to(size));
        while let Some(frame) = decoder.next_frame().unwrap() {
            found.push(frame);
        }
    }
    found.extend(decoder.finish());
    found
}
