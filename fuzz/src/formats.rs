//! Bytes of a format, read in every way there is, and written in every format.

use bytes::Bytes;
use weir_dialect::ir::{Chat, Error, Event, Losses, Request};
use weir_dialect::fit::Fitting;
use weir_dialect::{Asked, Depth, Format, Patch, PathFacts, Quirks, Target, format};
use weir_framing::{Decoder, Framing, Writer};
use weir_types::{Dialect, Form, Operation};

const OPERATIONS: [Operation; 5] = [
    Operation::Chat,
    Operation::Responses,
    Operation::CountTokens,
    Operation::Embedding,
    Operation::Rerank,
];
/// Models that rules differ for.
const MODELS: [(Dialect, &str, &str); 12] = [
    (Dialect::OpenAiChat, "gpt-4o", "openai"),
    (Dialect::OpenAiChat, "mistral-large", "mistral"),
    (Dialect::OpenAiResponses, "gpt-5", "openai"),
    (Dialect::AnthropicMessages, "claude-sonnet-4-5", "anthropic"),
    (Dialect::AnthropicMessages, "claude-opus-5-5", "anthropic"),
    (Dialect::GeminiGenerate, "gemini-3-pro", "gemini"),
    (Dialect::BedrockConverse, "anthropic.claude-sonnet-4-5-20250929-v1:0", "bedrock"),
    (Dialect::BedrockInvoke, "amazon.titan-embed-text-v2:0", "bedrock"),
    (Dialect::BedrockInvoke, "cohere.embed-v4:0", "bedrock"),
    (Dialect::CohereChat, "command-a-03-2025", "cohere"),
    (Dialect::ReplicatePredictions, "meta/meta-llama-3-70b-instruct", "replicate"),
    (Dialect::ReplicatePredictions, "openai/gpt-5", "replicate"),
];

/// The operation of the route to a provider that speaks `dialect`.
fn route(dialect: Dialect, operation: Operation) -> Operation {
    match operation {
        Operation::Chat | Operation::Responses if dialect == Dialect::OpenAiResponses => {
            Operation::Responses
        }
        Operation::Responses => Operation::Chat,
        other => other,
    }
}

fn asked<'a>(dialect: Dialect, operation: Operation, request: &'a Request) -> Asked<'a> {
    let operation = route(dialect, operation);
    let (form, model) = (Form::Usual, "provider/model");
    Asked { operation, form, model, request, now: 1_700_000_000, id: "0192f3c1" }
}

fn plain_request(dialect: Dialect) -> Request {
    let mut chat = Chat::new(dialect);
    "m".clone_into(&mut chat.model);
    Request::Chat(Box::new(chat))
}

pub(crate) fn request(dialect: Dialect, data: &[u8]) {
    let (from, body) = (format(dialect), Bytes::copy_from_slice(data));
    for operation in OPERATIONS {
        let path = PathFacts { operation, model: Some("m"), stream: Some(true) };
        let _ = from.peek(body.clone(), &path);
        let Ok(request) = from.read_request(&body, &path) else { continue };
        for (dialect, model, vendor) in MODELS {
            let (to, operation) = (format(dialect), route(dialect, operation));
            let target = Target { operation, model, known_as: model, vendor };
            let fitting =
                Fitting { format: to, target: &target, call_ids: None, is_unsealed: false };
            let mut request = request.clone();
            let fitted = fitting.apply(&mut request, &mut Losses::default());
            let written = fitted.and_then(|_| to.write_request(&request, &target));
            let Ok(written) = written else { continue };
            assert!(serde_json::from_slice::<serde_json::Value>(&written.body).is_ok());
        }
    }
    let _ = from.patch(&body, &Patch { model: "m", quirks: &Quirks::NONE, features: &[], outline: None });
    for vendor in ["openai", "openrouter"] {
        let Ok(Some(stripped)) = from.strip_foreign(&body, vendor) else { continue };
        let again = from.strip_foreign(&stripped.body, vendor);
        assert!(matches!(again, Ok(None)), "{:?} became {again:?}", stripped.body);
    }
    if let Ok(Some(stripped)) = from.strip_sealed(&body) {
        let again = from.strip_sealed(&stripped.body);
        assert!(matches!(again, Ok(None)), "{:?} became {again:?}", stripped.body);
    }
}

pub(crate) fn answer(dialect: Dialect, data: &[u8]) {
    let from = format(dialect);
    let _ = (from.observe_answer(data), from.read_error(data), from.read_models(data));
    for operation in OPERATIONS {
        let Ok(answer) = from.read_answer(operation, data) else { continue };
        for dialect in Dialect::ALL {
            let request = plain_request(*dialect);
            let asked = asked(*dialect, operation, &request);
            let Ok(written) = format(*dialect).write_answer(&answer, &asked) else { continue };
            assert!(serde_json::from_slice::<serde_json::Value>(&written.body).is_ok());
        }
    }
}

pub(crate) fn error(dialect: Dialect, data: &[u8]) {
    let from = format(dialect);
    let said = from.read_error(data);
    let error = Error {
        code: Some(said.code),
        param: Some(said.param),
        ..Error::new(said.status.unwrap_or(400), said.message)
    };
    let _ = from.error_with_kind(Bytes::copy_from_slice(data), &said.kind);
    for dialect in Dialect::ALL {
        let to = format(*dialect);
        assert!(serde_json::from_slice::<serde_json::Value>(&to.write_error(&error)).is_ok());
        to.error_event(&error, &mut Writer::new(to.framing()));
    }
}

/// All that a stream says up to its end or its fault.
fn events(from: &dyn Format, framing: Framing, stream: &[u8], split: usize) -> Vec<Event> {
    let mut decoder = Decoder::new(framing);
    let mut reader = from.stream_reader();
    let mut events = Vec::new();
    let (one, two) = stream.split_at(split.min(stream.len()));
    let mut feed = |raw: &[u8], decoder: &Decoder, events: &mut Vec<Event>| {
        let Ok(frame) = decoder.parse(raw) else { return };
        let _ = (from.observe(&frame, Depth::Full), from.observe(&frame, Depth::Skim));
        if reader.as_mut().is_some_and(|reader| reader.read(&frame, events).is_err()) {
            reader = None;
        }
    };
    for part in [one, two] {
        decoder.push(Bytes::copy_from_slice(part));
        while let Ok(Some(raw)) = decoder.next_frame() {
            feed(&raw, &decoder, &mut events);
        }
    }
    if let Some(raw) = decoder.finish() {
        feed(&raw, &decoder, &mut events);
    }
    if let Some(mut reader) = reader {
        let _ = reader.finish(&mut events);
    }
    events
}

pub(crate) fn stream(dialect: Dialect, data: &[u8]) {
    let from = format(dialect);
    let framing = from.framing();
    let stream = match framing {
        Framing::EventStream | Framing::EventChunks => framed(framing, data),
        Framing::Sse | Framing::JsonArray | Framing::Ndjson => data.to_vec(),
    };
    let whole = events(from, framing, &stream, 0);
    let split = data.first().map_or(0, |first| usize::from(*first) * 7 % (stream.len() + 1));
    assert_eq!(whole, events(from, framing, &stream, split), "split at {split}");
    for dialect in Dialect::ALL {
        let to = format(*dialect);
        let request = plain_request(*dialect);
        let mut out = Writer::new(to.framing());
        let asked = asked(*dialect, Operation::Chat, &request);
        let Some(mut writer) = to.stream_writer(&asked) else { continue };
        for event in whole.iter().filter(|event| !matches!(event, Event::Error(_))) {
            writer.write(event.clone(), &mut out);
        }
        let _ = writer.losses();
    }
}

/// Frames with their checksums, which no fuzzer guesses: a name, a tab and data on every line.
fn framed(framing: Framing, lines: &[u8]) -> Vec<u8> {
    let mut writer = Writer::new(framing);
    for line in lines.split(|byte| *byte == b'\n') {
        let Some(tab) = line.iter().position(|byte| *byte == b'\t') else { continue };
        let (name, data) = line.split_at(tab);
        let name = String::from_utf8_lossy(name.get(..60.min(tab)).unwrap_or_default());
        writer.event(&name, data.get(1..).unwrap_or_default());
    }
    writer.take().to_vec()
}
