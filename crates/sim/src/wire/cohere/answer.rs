//! Chats and their streams, vectors, scores, and the list of models.

use serde_json::{Map, Value, json};

use crate::answer::events::{Events, Kind};
use crate::answer::reply::{Content, Reply, Stop};
use crate::answer::{text, tokens_of, vector};
use crate::ask::{Embed, Encoding, Rerank};
use crate::tool::ToolCall;
use crate::wire::{Asked, Route};

/// What comes before calls.
const PLAN: &str = "I will use the tools that fit.";

fn finish(stop: Stop) -> &'static str {
    match stop {
        Stop::End => "COMPLETE",
        Stop::Length => "MAX_TOKENS",
        Stop::Calls => "TOOL_CALL",
    }
}

fn usage(reply: &Reply) -> Value {
    let counts = json!({"input_tokens": reply.tokens.prompt,
        "output_tokens": reply.tokens.completion});
    json!({"billed_units": counts, "tokens": counts, "cached_tokens": reply.tokens.cached})
}

fn call(reply: &Reply, nth: usize, call: &ToolCall, arguments: &str) -> Value {
    let id = reply.id(&format!("{}_", call.name), 0, nth);
    json!({"id": id, "type": "function",
        "function": {"name": call.name, "arguments": arguments}})
}

/// The body of the answer that is not streamed.
pub(super) fn whole(reply: &Reply) -> Vec<u8> {
    let mut message = json!({"role": "assistant"});
    let mut content: Vec<Value> = Vec::new();
    let thought = reply.thought.iter();
    content.extend(thought.map(|thought| json!({"type": "thinking", "thinking": thought})));
    match &reply.content {
        Content::Text(text) => content.push(json!({"type": "text", "text": text})),
        Content::Calls(calls) => {
            let calls = calls.iter().enumerate();
            let calls: Vec<Value> =
                calls.map(|(nth, one)| call(reply, nth, one, &one.text)).collect();
            message["tool_plan"] = json!(PLAN);
            message["tool_calls"] = json!(calls);
        }
    }
    if !content.is_empty() {
        message["content"] = json!(content);
    }
    json!({
        "id": text::id("", reply.hash),
        "finish_reason": finish(reply.stop),
        "message": message,
        "usage": usage(reply),
    })
    .to_string()
    .into_bytes()
}

fn send(events: &mut Events, kind: Kind, name: &str, index: Option<usize>, message: Option<Value>) {
    let mut data = json!({"type": name});
    if let Some(index) = index {
        data["index"] = json!(index);
    }
    if let Some(message) = message {
        data["delta"] = json!({"message": message});
    }
    events.named(kind, name, &data);
}

/// The events of the streamed answer.
pub(super) fn events(reply: &Reply, chunks: u32) -> Events {
    let mut to = Events::default();
    let begun = json!({"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [],
        "citations": []});
    let start = json!({"id": text::id("", reply.hash), "type": "message-start",
        "delta": {"message": begun}});
    to.named(Kind::Role, "message-start", &start);
    let mut index = 0;
    if let Some(thought) = &reply.thought {
        tell(&mut to, "thinking", index, std::iter::once(thought.as_str()));
        index += 1;
    }
    match &reply.content {
        Content::Text(text) => tell(&mut to, "text", index, text::split(text, chunks)),
        Content::Calls(calls) => {
            let plan = Some(json!({"tool_plan": PLAN}));
            send(&mut to, Kind::Content, "tool-plan-delta", None, plan);
            for (nth, one) in calls.iter().enumerate() {
                let opened = json!({"tool_calls": call(reply, nth, one, "")});
                send(&mut to, Kind::Part, "tool-call-start", Some(nth), Some(opened));
                for piece in text::split(&one.text, chunks) {
                    let piece = json!({"tool_calls": {"function": {"arguments": piece}}});
                    send(&mut to, Kind::Content, "tool-call-delta", Some(nth), Some(piece));
                }
                send(&mut to, Kind::Part, "tool-call-end", Some(nth), None);
            }
        }
    }
    let end = json!({"type": "message-end",
        "delta": {"finish_reason": finish(reply.stop), "usage": usage(reply)}});
    to.named(Kind::Finish, "message-end", &end);
    to.done()
}

/// A block of content: its start, its pieces, its end.
fn tell<'t>(to: &mut Events, member: &str, index: usize, pieces: impl Iterator<Item = &'t str>) {
    let content = |piece: &str| {
        let mut content = Map::new();
        content.insert(member.to_owned(), json!(piece));
        content
    };
    let mut opened = content("");
    opened.insert("type".to_owned(), json!(member));
    let kind = if index == 0 { Kind::Role } else { Kind::Part };
    send(to, kind, "content-start", Some(index), Some(json!({"content": opened})));
    for piece in pieces {
        let delta = json!({"content": content(piece)});
        send(to, Kind::Content, "content-delta", Some(index), Some(delta));
    }
    send(to, Kind::Part, "content-end", Some(index), None);
}

fn meta(units: &Value) -> Value {
    json!({"api_version": {"version": "2"}, "billed_units": units})
}

pub(super) fn vectors(model: &str, embed: &Embed<'_>, vectors: &[Vec<f32>]) -> Vec<u8> {
    let mut by_type = Map::new();
    for encoding in &embed.encodings {
        let name = match encoding {
            Encoding::Float => "float",
            Encoding::Base64 => "base64",
            Encoding::Int8 => "int8",
            Encoding::Uint8 => "uint8",
            Encoding::Binary => "binary",
            Encoding::Ubinary => "ubinary",
        };
        let made = vectors.iter().map(|vector| vector::encoded(vector, *encoding));
        by_type.insert(name.to_owned(), made.collect());
    }
    let hash = embed
        .inputs
        .iter()
        .fold(0, |hash, input| hash ^ text::hash(&[model.as_bytes(), input.as_bytes()]));
    let tokens: usize = embed.inputs.iter().map(|input| tokens_of(input.len())).sum();
    json!({
        "id": text::id("", hash),
        "embeddings": by_type,
        "texts": embed.inputs,
        "meta": meta(&json!({"input_tokens": tokens})),
        "response_type": "embeddings_by_type",
    })
    .to_string()
    .into_bytes()
}

pub(super) fn scores(model: &str, rerank: &Rerank, scores: &[(usize, f64)]) -> Vec<u8> {
    let result = |(nth, score): &(usize, f64)| json!({"index": nth, "relevance_score": score});
    let results: Vec<Value> = scores.iter().map(result).collect();
    let hash = text::hash(&[model.as_bytes(), rerank.query.as_bytes()]);
    json!({"id": text::id("", hash), "results": results,
        "meta": meta(&json!({"search_units": 1}))})
    .to_string()
    .into_bytes()
}

pub(super) fn models(route: &Route<'_>, names: &[String]) -> Vec<u8> {
    let model = |name: &str| {
        json!({"name": name, "is_deprecated": false, "endpoints": ["chat", "embed", "rerank"],
            "finetuned": false, "context_length": 256_000, "default_endpoints": []})
    };
    if route.asked == Asked::Model {
        return model(&route.model).to_string().into_bytes();
    }
    let list: Vec<Value> = names.iter().map(|name| model(name)).collect();
    json!({"models": list}).to_string().into_bytes()
}
