//! Converse's answers, their streams, and the lists of models.

use serde_json::{Value, json};

use super::frame;
use crate::answer::events::{Events, Kind};
use crate::answer::reply::{Content, Reply, Stop, seal};
use crate::answer::text;
use crate::wire::{Asked, Route};

/// What fills events up so that their length says nothing of their content.
const PADDING: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

fn stop_reason(stop: Stop) -> &'static str {
    match stop {
        Stop::End => "end_turn",
        Stop::Length => "max_tokens",
        Stop::Calls => "tool_use",
    }
}

fn usage(reply: &Reply) -> Value {
    let tokens = reply.tokens;
    json!({
        "inputTokens": tokens.prompt - tokens.cached,
        "outputTokens": tokens.completion,
        "totalTokens": tokens.prompt + tokens.completion,
        "cacheReadInputTokens": tokens.cached,
        "cacheWriteInputTokens": 0,
    })
}

/// The body of the answer that is not streamed.
pub(super) fn whole(reply: &Reply) -> Vec<u8> {
    let mut content = Vec::new();
    if let Some(thought) = &reply.thought {
        let said = json!({"text": thought, "signature": seal(thought)});
        content.push(json!({"reasoningContent": {"reasoningText": said}}));
    }
    match &reply.content {
        Content::Text(text) => content.push(json!({"text": text})),
        Content::Calls(calls) => content.extend(calls.iter().enumerate().map(|(nth, call)| {
            let id = reply.id("tooluse_", 0, nth);
            json!({"toolUse": {"toolUseId": id, "name": call.name, "input": call.arguments}})
        })),
    }
    json!({
        "metrics": {"latencyMs": 1},
        "output": {"message": {"content": content, "role": "assistant"}},
        "stopReason": stop_reason(reply.stop),
        "usage": usage(reply),
    })
    .to_string()
    .into_bytes()
}

fn send(events: &mut Events, kind: Kind, name: &str, mut data: Value) {
    let nth = events.marks.len();
    let length = 1 + nth * 7 % PADDING.len();
    data["p"] = json!(PADDING.get(..length).unwrap_or_default());
    let payload = data.to_string();
    events.raw(kind, |out| out.extend_from_slice(&frame::event(name, payload.as_bytes())));
}

/// The events of the streamed answer. Only a call announces its block.
pub(super) fn events(reply: &Reply, chunks: u32) -> Events {
    let mut to = Events::default();
    let mut index = 0;
    let delta = |to: &mut Events, index: usize, delta: Value| {
        let data = json!({"contentBlockIndex": index, "delta": delta});
        send(to, Kind::Content, "contentBlockDelta", data);
    };
    let stop = |to: &mut Events, index: &mut usize| {
        send(to, Kind::Part, "contentBlockStop", json!({"contentBlockIndex": *index}));
        *index += 1;
    };
    send(&mut to, Kind::Role, "messageStart", json!({"role": "assistant"}));
    if let Some(thought) = &reply.thought {
        delta(&mut to, index, json!({"reasoningContent": {"text": thought}}));
        delta(&mut to, index, json!({"reasoningContent": {"signature": seal(thought)}}));
        stop(&mut to, &mut index);
    }
    match &reply.content {
        Content::Text(text) => {
            for piece in text::split(text, chunks) {
                delta(&mut to, index, json!({"text": piece}));
            }
            stop(&mut to, &mut index);
        }
        Content::Calls(calls) => {
            for (nth, call) in calls.iter().enumerate() {
                let id = reply.id("tooluse_", 0, nth);
                let start = json!({"toolUse": {"toolUseId": id, "name": call.name}});
                let kind = if index == 0 { Kind::Role } else { Kind::Part };
                let data = json!({"contentBlockIndex": index, "start": start});
                send(&mut to, kind, "contentBlockStart", data);
                for piece in text::split(&call.text, chunks) {
                    delta(&mut to, index, json!({"toolUse": {"input": piece}}));
                }
                stop(&mut to, &mut index);
            }
        }
    }
    let ended = json!({"stopReason": stop_reason(reply.stop)});
    send(&mut to, Kind::Finish, "messageStop", ended);
    let metadata = json!({"metrics": {"latencyMs": 1}, "usage": usage(reply)});
    send(&mut to, Kind::Usage, "metadata", metadata);
    to
}

fn model_arn(name: &str) -> String {
    format!("arn:aws:bedrock:us-east-1::foundation-model/{name}")
}

pub(super) fn models(route: &Route<'_>, names: &[String]) -> Vec<u8> {
    let model = |name: &str| {
        json!({
            "modelArn": model_arn(name),
            "modelId": name,
            "modelName": name,
            "providerName": "Weir",
            "inputModalities": ["TEXT"],
            "outputModalities": ["TEXT"],
            "responseStreamingSupported": true,
            "customizationsSupported": [],
            "inferenceTypesSupported": ["ON_DEMAND"],
            "modelLifecycle": {"status": "ACTIVE"},
        })
    };
    let profile = |name: &str| {
        let arn = format!("arn:aws:bedrock:us-east-1:000000000000:inference-profile/us.{name}");
        json!({"inferenceProfileId": format!("us.{name}"), "inferenceProfileName": name,
            "inferenceProfileArn": arn, "status": "ACTIVE", "type": "SYSTEM_DEFINED",
            "models": [{"modelArn": model_arn(name)}]})
    };
    let list = |one: &dyn Fn(&str) -> Value| names.iter().map(|name| one(name)).collect::<Vec<_>>();
    match route.asked {
        Asked::Model => json!({"modelDetails": model(&route.model)}),
        Asked::Profiles => json!({"inferenceProfileSummaries": list(&profile)}),
        _ => json!({"modelSummaries": list(&model)}),
    }
    .to_string()
    .into_bytes()
}
