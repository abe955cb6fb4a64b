//! InvokeModel: a body in the words of the model's maker, an answer in the same, and streams whose
//! events stand in base64 within Amazon's frames.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{answer, error, frame, rerank};
use crate::answer::events::{Events, Kind};
use crate::answer::reply::{Content, Reply, Stop};
use crate::answer::{Done, text, tokens_of, vector};
use crate::ask::{Ask, Chat, Embed, Encoding, LastWords, Task, Words};
use crate::call::Call;
use crate::refusal::Refusal;
use crate::shape::{
    COUNT, FILLED, FLAG, NUMBER, OBJECT, Reading, Shape, TEXT, TEXTS, UNIT, may, must,
};
use crate::wire::{Asked, Route, anthropic, count, items, text as member};

/// Who made a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Maker {
    Claude,
    CohereEmbed,
    Llama,
    Mistral,
    Nova,
    Rerank,
    TitanEmbed,
    TitanText,
}

const MAKERS: [(&str, Maker); 9] = [
    ("anthropic.claude", Maker::Claude),
    ("titan-embed", Maker::TitanEmbed),
    ("titan-text", Maker::TitanText),
    ("cohere.embed", Maker::CohereEmbed),
    ("cohere.rerank", Maker::Rerank),
    ("amazon.rerank", Maker::Rerank),
    ("amazon.nova", Maker::Nova),
    ("meta.llama", Maker::Llama),
    ("mistral.", Maker::Mistral),
];

/// Names that say nothing are taken for Claude's.
fn maker(model: &str) -> Maker {
    let found = MAKERS.iter().find(|(part, _)| model.contains(part));
    found.map_or(Maker::Claude, |(_, maker)| *maker)
}

static TITAN_EMBED: Shape = Shape::Members(&[
    must("inputText", &FILLED),
    may("dimensions", &COUNT),
    may("normalize", &FLAG),
    may("embeddingTypes", &TEXTS),
]);
static COHERE_EMBED: Shape = Shape::Members(&[
    must("input_type", &FILLED),
    may("texts", &TEXTS),
    may("images", &TEXTS),
    may("truncate", &TEXT),
    may("embedding_types", &TEXTS),
    may("output_dimension", &COUNT),
]);
static TITAN_TEXT: Shape =
    Shape::Members(&[must("inputText", &FILLED), may("textGenerationConfig", &TITAN_CONFIG)]);
static TITAN_CONFIG: Shape = Shape::Members(&[
    may("maxTokenCount", &COUNT),
    may("temperature", &UNIT),
    may("topP", &UNIT),
    may("stopSequences", &TEXTS),
]);
static LLAMA: Shape = Shape::Members(&[
    must("prompt", &FILLED),
    may("max_gen_len", &COUNT),
    may("temperature", &UNIT),
    may("top_p", &UNIT),
]);
static MISTRAL: Shape = Shape::Members(&[
    must("prompt", &FILLED),
    may("max_tokens", &COUNT),
    may("stop", &TEXTS),
    may("temperature", &UNIT),
    may("top_p", &UNIT),
    may("top_k", &NUMBER),
]);
static NOVA: Shape = Shape::Members(&[
    must("messages", &Shape::List(&OBJECT)),
    may("schemaVersion", &TEXT),
    may("system", &Shape::List(&OBJECT)),
    may("inferenceConfig", &OBJECT),
    may("toolConfig", &OBJECT),
]);

/// What a model is for.
pub(super) fn asked(model: &str) -> Asked {
    match maker(model) {
        Maker::TitanEmbed | Maker::CohereEmbed => Asked::Embeddings,
        Maker::Rerank => Asked::Rerank,
        _ => Asked::Chat,
    }
}

/// # Errors
/// What Amazon, or the model behind it, would refuse.
pub(super) fn read<'a>(
    call: &Call<'a>,
    route: &Route<'a>,
    body: &[u8],
) -> Result<Ask<'a>, Refusal> {
    let body: Value = serde_json::from_slice(body).map_err(|_| {
        Refusal::bad_request("Malformed input request, please reformat your input and try again.")
    })?;
    let check = |shape: &Shape| {
        let reading = Reading { lenient: call.lenient, snake: false };
        shape.check(&body, reading).map_err(|flaw| error::invalid(&flaw))
    };
    let prompted = |shape: &Shape, prompt: &str, most: Option<usize>| {
        check(shape)?;
        let said = LastWords { user: member(&body, prompt).to_owned(), after_tool: false };
        let asked = member(&body, prompt).to_owned();
        let chat = Chat::new(asked.into(), Words::Known(said));
        Ok::<_, Refusal>(Task::Chat(Chat { tokens_max: most, ..chat }))
    };
    let task = match maker(&route.model) {
        Maker::Claude => Task::Chat(anthropic::at_amazons(&body, &route.model, call.lenient)?),
        Maker::TitanEmbed => {
            check(&TITAN_EMBED)?;
            let one = Cow::Owned(member(&body, "inputText").to_owned());
            embed(vec![one], count(&body, "dimensions"), items(&body, "embeddingTypes"))
        }
        Maker::CohereEmbed => {
            check(&COHERE_EMBED)?;
            let given = items(&body, "texts").iter().chain(items(&body, "images"));
            let inputs: Vec<_> =
                given.filter_map(Value::as_str).map(|text| Cow::Owned(text.to_owned())).collect();
            if inputs.is_empty() || inputs.len() > 96 {
                return Err(Refusal::bad_request("texts: 1 to 96 are expected"));
            }
            embed(inputs, count(&body, "output_dimension"), items(&body, "embedding_types"))
        }
        Maker::Rerank => rerank::invoked(call, &route.model, &body)?,
        Maker::TitanText => {
            let config = body.get("textGenerationConfig").unwrap_or(&Value::Null);
            prompted(&TITAN_TEXT, "inputText", count(config, "maxTokenCount"))?
        }
        Maker::Llama => prompted(&LLAMA, "prompt", count(&body, "max_gen_len"))?,
        Maker::Mistral => prompted(&MISTRAL, "prompt", count(&body, "max_tokens"))?,
        Maker::Nova => {
            check(&NOVA)?;
            let last = items(&body, "messages").last();
            let blocks = last.map_or(&[][..], |last| items(last, "content"));
            let user =
                blocks.iter().map(|block| member(block, "text")).collect::<Vec<_>>().join(" ");
            let said = LastWords { user, after_tool: false };
            Task::Chat(Chat::new(body.to_string().into(), Words::Known(said)))
        }
    };
    Ok(Ask { model: route.model.clone(), stream: route.stream, task })
}

fn embed(
    inputs: Vec<Cow<'static, str>>,
    dimensions: Option<usize>,
    types: &[Value],
) -> Task<'static> {
    let encoding = |name: &Value| match name.as_str() {
        Some("int8") => Encoding::Int8,
        Some("uint8") => Encoding::Uint8,
        Some("binary") => Encoding::Binary,
        Some("ubinary") => Encoding::Ubinary,
        _ => Encoding::Float,
    };
    Task::Embed(Embed { inputs, dimensions, encodings: types.iter().map(encoding).collect() })
}

/// The body of the answer that is not streamed.
pub(super) fn whole(ask: &Ask<'_>, done: &Done) -> Vec<u8> {
    match (done, &ask.task) {
        (Done::Vectors(vectors), Task::Embed(embed)) => vectors_of(&ask.model, embed, vectors),
        (Done::Scores(scores), Task::Rerank(asked)) => rerank::told(&ask.model, asked, scores),
        (Done::Reply(reply), _) => match maker(&ask.model) {
            Maker::Claude => return anthropic::whole(&ask.model, reply),
            Maker::Nova => return answer::whole(reply),
            maker => spoken(maker, reply, said(reply)),
        },
        _ => Value::Null,
    }
    .to_string()
    .into_bytes()
}

fn vectors_of(model: &str, embed: &Embed<'_>, vectors: &[Vec<f32>]) -> Value {
    if maker(model) == Maker::TitanEmbed {
        let bytes = embed.inputs.first().map_or(0, |input| input.len());
        let float = vectors.first().map(|one| vector::encoded(one, Encoding::Float));
        return json!({"embedding": float, "embeddingsByType": {"float": float},
            "inputTextTokenCount": tokens_of(bytes)});
    }
    let list = |encoding: Encoding| {
        vectors.iter().map(|one| vector::encoded(one, encoding)).collect::<Vec<_>>()
    };
    if embed.encodings.is_empty() {
        return json!({"id": "sim-embedding", "response_type": "embeddings_floats",
            "embeddings": list(Encoding::Float), "texts": embed.inputs});
    }
    let by_type: serde_json::Map<_, _> = embed
        .encodings
        .iter()
        .map(|encoding| (format!("{encoding:?}").to_lowercase(), Value::from(list(*encoding))))
        .collect();
    json!({"id": "sim-embedding", "response_type": "embeddings_by_type", "embeddings": by_type,
        "texts": embed.inputs})
}

fn said(reply: &Reply) -> &str {
    match &reply.content {
        Content::Text(text) => text,
        Content::Calls(_) => "",
    }
}

/// What makers without tools say, whole or as the last event of a stream.
fn spoken(maker: Maker, reply: &Reply, said: &str) -> Value {
    let ended = reply.stop != Stop::Length;
    let (prompt, answered) = (reply.tokens.prompt, reply.tokens.completion);
    match maker {
        Maker::TitanText => {
            let reason = if ended { "FINISH" } else { "LENGTH" };
            json!({"inputTextTokenCount": prompt, "results": [
                {"tokenCount": answered, "outputText": said, "completionReason": reason}]})
        }
        Maker::Mistral => {
            let reason = if ended { "stop" } else { "length" };
            json!({"outputs": [{"text": said, "stop_reason": reason}]})
        }
        _ => {
            let reason = if ended { "stop" } else { "length" };
            json!({"generation": said, "prompt_token_count": prompt,
                "generation_token_count": answered, "stop_reason": reason})
        }
    }
}

/// An event's data in a frame.
pub(super) fn chunk(data: &[u8]) -> Vec<u8> {
    let payload = json!({"bytes": STANDARD.encode(data), "p": "abcdefgh"}).to_string();
    frame::event("chunk", payload.as_bytes())
}

/// The events of the streamed answer; the last one says what the host has counted.
pub(super) fn events(model: &str, reply: &Reply, chunks: u32) -> Events {
    let plain: Vec<(Kind, Value)> = match maker(model) {
        Maker::Claude => claudes(&anthropic::events(model, reply, chunks)),
        Maker::Nova => novas(reply, chunks),
        maker => {
            let pieces = text::split(said(reply), chunks);
            let piece = |text: &str| (Kind::Content, partly(maker, text));
            let mut all: Vec<_> = pieces.map(piece).collect();
            all.push((Kind::Done, ending(maker, reply)));
            all
        }
    };
    let last = plain.len().saturating_sub(1);
    let mut to = Events::default();
    for (nth, (kind, mut data)) in plain.into_iter().enumerate() {
        if nth == last {
            data["amazon-bedrock-invocationMetrics"] = json!({
                "inputTokenCount": reply.tokens.prompt, "outputTokenCount": reply.tokens.completion,
                "invocationLatency": 1, "firstByteLatency": 1});
        }
        to.raw(kind, |out| out.extend_from_slice(&chunk(data.to_string().as_bytes())));
    }
    to
}

fn partly(maker: Maker, text: &str) -> Value {
    match maker {
        Maker::TitanText => json!({"outputText": text, "index": 0, "completionReason": null}),
        Maker::Mistral => json!({"outputs": [{"text": text, "stop_reason": null}]}),
        _ => json!({"generation": text, "stop_reason": null}),
    }
}

fn ending(maker: Maker, reply: &Reply) -> Value {
    match maker {
        Maker::TitanText => json!({"outputText": "", "index": 0,
            "totalOutputTextTokenCount": reply.tokens.completion, "completionReason": "FINISH",
            "inputTextTokenCount": reply.tokens.prompt}),
        _ => spoken(maker, reply, ""),
    }
}

/// Claude's own events without their names, and without pings, which Amazon leaves out.
fn claudes(events: &Events) -> Vec<(Kind, Value)> {
    let mut start = 0;
    let mut all = Vec::new();
    for (end, kind) in &events.marks {
        let event = events.bytes.get(start..*end).unwrap_or_default();
        start = *end;
        let text = String::from_utf8_lossy(event);
        let data = text.lines().find_map(|line| line.strip_prefix("data: ")).unwrap_or("null");
        let data: Value = serde_json::from_str(data).unwrap_or_default();
        if member(&data, "type") != "ping" {
            all.push((*kind, data));
        }
    }
    all
}

/// Converse's events, each within a member that has its name.
fn novas(reply: &Reply, chunks: u32) -> Vec<(Kind, Value)> {
    let mut all = vec![(Kind::Role, json!({"messageStart": {"role": "assistant"}}))];
    for piece in text::split(said(reply), chunks) {
        let delta = json!({"contentBlockIndex": 0, "delta": {"text": piece}});
        all.push((Kind::Content, json!({"contentBlockDelta": delta})));
    }
    all.push((Kind::Part, json!({"contentBlockStop": {"contentBlockIndex": 0}})));
    all.push((Kind::Finish, json!({"messageStop": {"stopReason": "end_turn"}})));
    let usage =
        json!({"inputTokens": reply.tokens.prompt, "outputTokens": reply.tokens.completion});
    all.push((Kind::Usage, json!({"metadata": {"usage": usage}})));
    all
}
