//! Messages, their streams, and the list of models.

use serde_json::{Value, json};

use crate::answer::events::{Events, Kind};
use crate::answer::reply::{Content, Reply, Stop, Tokens, seal};
use crate::answer::text;
use crate::wire::{Asked, Route};

fn stop_reason(stop: Stop) -> &'static str {
    match stop {
        Stop::End => "end_turn",
        Stop::Length => "max_tokens",
        Stop::Calls => "tool_use",
    }
}

fn usage(tokens: Tokens, output: usize) -> Value {
    json!({
        "input_tokens": tokens.prompt - tokens.cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": tokens.cached,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": output,
        "service_tier": "standard",
    })
}

fn message(model: &str, reply: &Reply, content: &[Value], stop: &Value, usage: &Value) -> Value {
    json!({
        "id": text::id("msg_", reply.hash),
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": stop,
        "stop_sequence": null,
        "usage": usage,
    })
}

/// The body of the answer that is not streamed.
pub(in super::super) fn whole(model: &str, reply: &Reply) -> Vec<u8> {
    let mut content = Vec::new();
    if let Some(thought) = &reply.thought {
        let signature = seal(thought);
        content.push(json!({"type": "thinking", "thinking": thought, "signature": signature}));
    }
    match &reply.content {
        Content::Text(text) if text.is_empty() => {}
        Content::Text(text) => content.push(json!({"type": "text", "text": text})),
        Content::Calls(calls) => content.extend(calls.iter().enumerate().map(|(nth, call)| {
            let id = reply.id("toolu_", 0, nth);
            json!({"type": "tool_use", "id": id, "name": call.name, "input": call.arguments})
        })),
    }
    let usage = usage(reply.tokens, reply.tokens.completion);
    let stop = json!(stop_reason(reply.stop));
    message(model, reply, &content, &stop, &usage).to_string().into_bytes()
}

/// A stream that is being written: blocks are numbered without gaps.
struct Writer {
    events: Events,
    index: usize,
}

impl Writer {
    fn send(&mut self, kind: Kind, data: &Value) {
        let name = data.get("type").and_then(Value::as_str).unwrap_or_default();
        self.events.named(kind, name, data);
    }

    fn open(&mut self, block: &Value) {
        let kind = if self.index == 0 { Kind::Role } else { Kind::Part };
        let index = self.index;
        self.send(
            kind,
            &json!({"type": "content_block_start", "index": index, "content_block": block}),
        );
        if index == 0 {
            self.send(Kind::Role, &json!({"type": "ping"}));
        }
    }

    fn delta(&mut self, delta: &Value) {
        let index = self.index;
        self.send(
            Kind::Content,
            &json!({"type": "content_block_delta", "index": index, "delta": delta}),
        );
    }

    fn close(&mut self) {
        let index = self.index;
        self.send(Kind::Part, &json!({"type": "content_block_stop", "index": index}));
        self.index += 1;
    }
}

/// The events of the streamed answer.
pub(in super::super) fn events(model: &str, reply: &Reply, chunks: u32) -> Events {
    let mut to = Writer { events: Events::default(), index: 0 };
    let begun = message(model, reply, &[], &Value::Null, &usage(reply.tokens, 1));
    to.send(Kind::Role, &json!({"type": "message_start", "message": begun}));
    if let Some(thought) = &reply.thought {
        to.open(&json!({"type": "thinking", "thinking": "", "signature": ""}));
        if !thought.is_empty() {
            to.delta(&json!({"type": "thinking_delta", "thinking": thought}));
        }
        to.delta(&json!({"type": "signature_delta", "signature": seal(thought)}));
        to.close();
    }
    match &reply.content {
        Content::Text(text) => {
            to.open(&json!({"type": "text", "text": ""}));
            for piece in text::split(text, chunks) {
                to.delta(&json!({"type": "text_delta", "text": piece}));
            }
            to.close();
        }
        Content::Calls(calls) => {
            for (nth, call) in calls.iter().enumerate() {
                let id = reply.id("toolu_", 0, nth);
                to.open(&json!({"type": "tool_use", "id": id, "name": call.name, "input": {}}));
                // A call without arguments sends one empty piece and nothing else.
                to.delta(&json!({"type": "input_json_delta", "partial_json": ""}));
                if call.text != "{}" {
                    for piece in text::split(&call.text, chunks) {
                        to.delta(&json!({"type": "input_json_delta", "partial_json": piece}));
                    }
                }
                to.close();
            }
        }
    }
    let stop = stop_reason(reply.stop);
    to.send(
        Kind::Finish,
        &json!({"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": null},
            "usage": usage(reply.tokens, reply.tokens.completion)}),
    );
    to.send(Kind::Done, &json!({"type": "message_stop"}));
    to.events
}

pub(super) fn models(route: &Route<'_>, names: &[String]) -> Vec<u8> {
    let model = |name: &str| {
        json!({"type": "model", "id": name, "display_name": name,
            "created_at": "2025-06-15T15:06:40Z", "lifecycle": "active"})
    };
    if route.asked == Asked::Model {
        return model(&route.model).to_string().into_bytes();
    }
    let data: Vec<Value> = names.iter().map(|name| model(name)).collect();
    json!({"data": data, "has_more": false, "first_id": names.first(), "last_id": names.last()})
        .to_string()
        .into_bytes()
}
