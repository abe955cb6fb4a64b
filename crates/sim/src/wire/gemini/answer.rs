//! Candidates, their streams, vectors, counts, and the list of models.

use serde_json::{Value, json};

use crate::answer::events::{Events, Kind};
use crate::answer::reply::{Content, Reply, Stop, seal};
use crate::answer::{text, tokens_of};
use crate::ask::{Chat, Embed};
use crate::wire::{Asked, Host, Route, Told};

fn usage(reply: &Reply) -> Value {
    let tokens = reply.tokens;
    let said = tokens.completion.saturating_sub(tokens.thought);
    let mut usage = json!({
        "promptTokenCount": tokens.prompt,
        "candidatesTokenCount": said,
        "totalTokenCount": tokens.prompt + said + tokens.thought,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens.prompt}],
    });
    if tokens.thought > 0 {
        usage["thoughtsTokenCount"] = json!(tokens.thought);
    }
    if tokens.cached > 0 {
        usage["cachedContentTokenCount"] = json!(tokens.cached);
    }
    usage
}

/// One body, or one event of a stream: `parts` of every candidate, the end if there is one.
fn response(route: &Route<'_>, told: (&Chat<'_>, &Reply), parts: &[Value], ends: bool) -> Value {
    let (chat, reply) = told;
    let candidate = |index| {
        let mut candidate = json!({"content": {"parts": parts, "role": "model"}, "index": index});
        if ends {
            let cut = reply.stop == Stop::Length;
            candidate["finishReason"] = json!(if cut { "MAX_TOKENS" } else { "STOP" });
        }
        candidate
    };
    let candidates: Vec<Value> = (0..chat.choices).map(candidate).collect();
    json!({
        "candidates": candidates,
        "usageMetadata": usage(reply),
        "modelVersion": route.model,
        "responseId": text::id("", reply.hash),
    })
}

/// Calls, each whole; the first is signed.
fn calls(route: &Route<'_>, reply: &Reply) -> Vec<Value> {
    let Content::Calls(calls) = &reply.content else {
        return Vec::new();
    };
    let part = |(nth, call): (usize, &crate::tool::ToolCall)| {
        let mut inner = json!({"name": call.name, "args": call.arguments});
        if route.host != Host::Vertex {
            inner["id"] = json!(reply.id("call-", 0, nth));
        }
        let mut part = json!({"functionCall": inner});
        if nth == 0 {
            part["thoughtSignature"] = json!(seal(&call.name));
        }
        part
    };
    calls.iter().enumerate().map(part).collect()
}

fn thoughts(reply: &Reply) -> Vec<Value> {
    let thought = reply.thought.iter();
    thought.map(|thought| json!({"text": thought, "thought": true})).collect()
}

/// The body of the answer that is not streamed.
pub(super) fn whole(route: &Route<'_>, chat: &Chat<'_>, reply: &Reply) -> Vec<u8> {
    let mut parts = thoughts(reply);
    if let Content::Text(text) = &reply.content {
        parts.push(json!({"text": text}));
    }
    parts.extend(calls(route, reply));
    response(route, (chat, reply), &parts, true).to_string().into_bytes()
}

/// An event of either framing, after `earlier` others.
pub(super) fn framed(route: &Route<'_>, json: &str, earlier: usize) -> String {
    match (route.array, earlier) {
        (false, _) => format!("data: {json}\r\n\r\n"),
        (true, 0) => format!("[{json}"),
        (true, _) => format!("\n,\r\n{json}"),
    }
}

/// The events of the streamed answer. Nothing says who speaks before there is something to say,
/// and the end comes with the last piece.
pub(super) fn events(route: &Route<'_>, told: Told<'_>) -> Events {
    let Told { chat, reply, chunks } = told;
    let mut pieces: Vec<Vec<Value>> = thoughts(reply).into_iter().map(|part| vec![part]).collect();
    if let Content::Text(text) = &reply.content {
        pieces.extend(text::split(text, chunks).map(|piece| vec![json!({"text": piece})]));
    }
    // Calls come whole, each in an event of its own.
    pieces.extend(calls(route, reply).into_iter().map(|part| vec![part]));
    pieces.push(vec![json!({"text": ""})]);
    let last = pieces.len() - 1;
    let mut events = Events::default();
    for (nth, parts) in pieces.iter().enumerate() {
        let event = response(route, (chat, reply), parts, nth == last).to_string();
        let kind = if nth == last { Kind::Finish } else { Kind::Content };
        events.raw(kind, |out| out.extend_from_slice(framed(route, &event, nth).as_bytes()));
    }
    if route.array {
        events.raw(Kind::Done, |out| out.extend_from_slice(b"\n]"));
    }
    events
}

pub(super) fn tokens(count: usize) -> Vec<u8> {
    json!({"totalTokens": count,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": count}]})
    .to_string()
    .into_bytes()
}

pub(super) fn vectors(route: &Route<'_>, embed: &Embed<'_>, vectors: &[Vec<f32>]) -> Vec<u8> {
    let body = match route.asked {
        Asked::Embedding => json!({"embedding": {"values": vectors.first()}}),
        Asked::Predict => {
            let made = vectors.iter().zip(&embed.inputs).map(|(values, input)| {
                let statistics = json!({"token_count": tokens_of(input.len()), "truncated": false});
                json!({"embeddings": {"values": values, "statistics": statistics}})
            });
            let characters: usize = embed.inputs.iter().map(|input| input.chars().count()).sum();
            json!({"predictions": made.collect::<Vec<_>>(),
                "metadata": {"billableCharacterCount": characters}})
        }
        _ => {
            let made = vectors.iter().map(|values| json!({"values": values}));
            json!({"embeddings": made.collect::<Vec<_>>()})
        }
    };
    body.to_string().into_bytes()
}

pub(super) fn models(route: &Route<'_>, names: &[String]) -> Vec<u8> {
    let vertex = route.host == Host::Vertex;
    let model = |name: &str| {
        if vertex {
            return json!({"name": format!("publishers/google/models/{name}"), "versionId": "001",
                "launchStage": "GA"});
        }
        json!({
            "name": format!("models/{name}"),
            "version": "001",
            "displayName": name,
            "description": "A simulated model.",
            "inputTokenLimit": 1_048_576,
            "outputTokenLimit": 65_536,
            "supportedGenerationMethods":
                ["generateContent", "countTokens", "embedContent", "batchEmbedContents"],
            "temperature": 1,
            "maxTemperature": 2,
        })
    };
    let body = match route.asked {
        Asked::Model => model(&route.model),
        _ => {
            let list: Vec<Value> = names.iter().map(|name| model(name)).collect();
            if vertex { json!({"publisherModels": list}) } else { json!({"models": list}) }
        }
    };
    body.to_string().into_bytes()
}
