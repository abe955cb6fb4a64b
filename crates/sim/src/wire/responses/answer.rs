//! Response objects and their streams.

use serde_json::{Value, json};

use crate::answer::events::{Events, Kind};
use crate::answer::reply::{Content, Reply, Stop};
use crate::answer::{CREATED, text};
use crate::ask::Chat;
use crate::tool::ToolCall;
use crate::wire::Told;

/// The body of the answer that is not streamed.
pub(super) fn whole(model: &str, chat: &Chat<'_>, reply: &Reply) -> Vec<u8> {
    let output = output(chat, reply);
    response(model, chat, reply, Some(&output)).to_string().into_bytes()
}

/// A response object; without an output it has only begun.
fn response(model: &str, chat: &Chat<'_>, reply: &Reply, output: Option<&[Value]>) -> Value {
    let cut = reply.stop == Stop::Length;
    let status = match output {
        None => "in_progress",
        Some(_) if cut => "incomplete",
        Some(_) => "completed",
    };
    let tokens = reply.tokens;
    let usage = output.map(|_| {
        json!({
            "input_tokens": tokens.prompt,
            "input_tokens_details": {"cached_tokens": tokens.cached, "cache_write_tokens": 0},
            "output_tokens": tokens.completion,
            "output_tokens_details": {"reasoning_tokens": tokens.thought},
            "total_tokens": tokens.prompt + tokens.completion,
        })
    });
    let incomplete = output.filter(|_| cut).map(|_| json!({"reason": "max_output_tokens"}));
    let mut response = json!({
        "id": text::id("resp_", reply.hash),
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "background": false,
        "error": null,
        "incomplete_details": incomplete,
        "instructions": null,
        "max_output_tokens": chat.tokens_max,
        "metadata": {},
        "model": model,
        "output": output.unwrap_or_default(),
        "parallel_tool_calls": chat.parallel,
        "previous_response_id": null,
        "reasoning": {"effort": null, "summary": null},
        "service_tier": "default",
        "store": false,
        "temperature": 1.0,
        "text": {"format": format(chat)},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": usage,
        "user": null,
    });
    for (name, value) in chat.echo.as_ref().and_then(|echo| echo.as_object()).into_iter().flatten()
    {
        response[name] = value.clone();
    }
    response
}

/// A conversation made short: what the user said, and the rest sealed.
pub(super) fn compacted(body: &Value, bytes: usize, seal: &str) -> Value {
    let said = match body.get("input") {
        Some(Value::String(said)) => {
            vec![json!({"role": "user", "content": [{"type": "input_text", "text": said}]})]
        }
        Some(Value::Array(items)) => {
            items.iter().filter(|item| item["role"] == "user").cloned().collect()
        }
        _ => Vec::new(),
    };
    let hash = text::hash(&[b"compaction", body.to_string().as_bytes()]);
    let message = |(at, mut item): (usize, Value)| {
        item["id"] = json!(text::id("msg_", hash.wrapping_add(at as u64)));
        item["type"] = json!("message");
        item["status"] = json!("completed");
        if let Some(text) = item["content"].as_str() {
            item["content"] = json!([{"type": "input_text", "text": text}]);
        }
        item
    };
    let mut output: Vec<Value> = said.into_iter().enumerate().map(message).collect();
    output.push(
        json!({"id": text::id("cmp_", hash), "type": "compaction", "encrypted_content": seal}),
    );
    let tokens = crate::answer::tokens_of(bytes);
    json!({
        "id": text::id("resp_", hash),
        "object": "response.compaction",
        "created_at": CREATED,
        "output": output,
        "usage": {
            "input_tokens": tokens,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": 1,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": tokens + 1,
        },
    })
}

/// The form that was asked for, which clients read answers by. Its name is not kept.
fn format(chat: &Chat<'_>) -> Value {
    match &chat.form {
        None => json!({"type": "text"}),
        Some(Value::Null) => json!({"type": "json_object"}),
        Some(schema) => json!({"type": "json_schema", "name": "answer", "schema": schema}),
    }
}

fn output(chat: &Chat<'_>, reply: &Reply) -> Vec<Value> {
    let mut output: Vec<Value> =
        reply.thought.iter().map(|thought| reasoning(chat, reply, Some(thought))).collect();
    match &reply.content {
        Content::Text(text) => output.push(message(reply, Some(text))),
        Content::Calls(calls) => {
            let call = |(nth, call)| function_call(reply, nth, call, true);
            output.extend(calls.iter().enumerate().map(call));
        }
    }
    output
}

/// A reasoning item; without a thought it has only begun.
fn reasoning(chat: &Chat<'_>, reply: &Reply, thought: Option<&String>) -> Value {
    let summary: Vec<Value> = thought
        .filter(|thought| !thought.is_empty())
        .map(|thought| json!({"type": "summary_text", "text": thought}))
        .into_iter()
        .collect();
    let mut item = json!({"id": reply.id("rs_", 0, 0), "type": "reasoning", "summary": summary});
    if let Some(seal) = &chat.seal {
        item["encrypted_content"] = json!(seal);
    }
    item
}

fn message(reply: &Reply, text: Option<&str>) -> Value {
    let cut = reply.stop == Stop::Length;
    let status = match text {
        None => "in_progress",
        Some(_) if cut => "incomplete",
        Some(_) => "completed",
    };
    let content: Vec<Value> = text.map(text_part).into_iter().collect();
    json!({"id": reply.id("msg_", 0, 0), "type": "message", "status": status, "content": content,
        "role": "assistant"})
}

fn text_part(text: &str) -> Value {
    json!({"type": "output_text", "annotations": [], "logprobs": [], "text": text})
}

fn function_call(reply: &Reply, nth: usize, call: &ToolCall, done: bool) -> Value {
    json!({
        "id": reply.id("fc_", 0, nth),
        "type": "function_call",
        "status": if done { "completed" } else { "in_progress" },
        "arguments": if done { call.text.as_str() } else { "" },
        "call_id": reply.id("call_", 0, nth),
        "name": call.name,
    })
}

/// A stream that is being written: events and items are numbered.
struct Writer {
    events: Events,
    item: usize,
}

impl Writer {
    /// Adds an event; its members follow type and number.
    fn send(&mut self, kind: Kind, name: &str, members: &Value) {
        let number = self.events.marks.len();
        let mut data = json!({"type": name, "sequence_number": number});
        if let (Some(data), Some(members)) = (data.as_object_mut(), members.as_object()) {
            data.extend(members.clone());
        }
        self.events.named(kind, name, &data);
    }

    fn added(&mut self, kind: Kind, item: &Value) {
        let index = self.item;
        self.send(
            kind,
            "response.output_item.added",
            &json!({"output_index": index, "item": item}),
        );
    }

    fn done(&mut self, item: &Value) {
        let index = self.item;
        self.send(
            Kind::Part,
            "response.output_item.done",
            &json!({"output_index": index, "item": item}),
        );
        self.item += 1;
    }

    /// What comes before the first content says who speaks.
    fn opening(&self) -> Kind {
        if self.item == 0 { Kind::Role } else { Kind::Part }
    }
}

/// The events of the streamed answer.
pub(super) fn events(model: &str, told: Told<'_>) -> Events {
    let Told { chat, reply, chunks } = told;
    let mut to = Writer { events: Events::default(), item: 0 };
    let begun = json!({"response": response(model, chat, reply, None)});
    to.send(Kind::Role, "response.created", &begun);
    to.send(Kind::Role, "response.in_progress", &begun);
    if let Some(thought) = &reply.thought {
        tell_thought(&mut to, chat, reply, thought);
    }
    match &reply.content {
        Content::Text(text) => tell_text(&mut to, reply, text, chunks),
        Content::Calls(calls) => {
            for (nth, call) in calls.iter().enumerate() {
                tell_call(&mut to, reply, (nth, call), chunks);
            }
        }
    }
    let output = output(chat, reply);
    let cut = reply.stop == Stop::Length;
    let name = if cut { "response.incomplete" } else { "response.completed" };
    let ended = json!({"response": response(model, chat, reply, Some(&output))});
    to.send(Kind::Finish, name, &ended);
    to.events
}

fn tell_thought(to: &mut Writer, chat: &Chat<'_>, reply: &Reply, thought: &String) {
    to.added(to.opening(), &reasoning(chat, reply, None));
    if !thought.is_empty() {
        let place = json!({"item_id": reply.id("rs_", 0, 0), "output_index": to.item,
            "summary_index": 0});
        let with = |name: &str, value: Value| {
            let mut members = place.clone();
            members[name] = value;
            members
        };
        let part = |text: &str| json!({"type": "summary_text", "text": text});
        to.send(Kind::Role, "response.reasoning_summary_part.added", &with("part", part("")));
        let said = json!(thought);
        to.send(
            Kind::Content,
            "response.reasoning_summary_text.delta",
            &with("delta", said.clone()),
        );
        to.send(Kind::Part, "response.reasoning_summary_text.done", &with("text", said));
        let whole = with("part", part(thought));
        to.send(Kind::Part, "response.reasoning_summary_part.done", &whole);
    }
    to.done(&reasoning(chat, reply, Some(thought)));
}

fn tell_text(to: &mut Writer, reply: &Reply, text: &str, chunks: u32) {
    to.added(to.opening(), &message(reply, None));
    let place =
        json!({"item_id": reply.id("msg_", 0, 0), "output_index": to.item, "content_index": 0});
    let with = |more: Value| {
        let mut members = place.clone();
        if let (Some(members), Some(more)) = (members.as_object_mut(), more.as_object()) {
            members.extend(more.clone());
        }
        members
    };
    let opening = to.opening();
    to.send(opening, "response.content_part.added", &with(json!({"part": text_part("")})));
    for piece in text::split(text, chunks) {
        let delta = with(json!({"delta": piece, "logprobs": []}));
        to.send(Kind::Content, "response.output_text.delta", &delta);
    }
    let done = with(json!({"text": text, "logprobs": []}));
    to.send(Kind::Part, "response.output_text.done", &done);
    to.send(Kind::Part, "response.content_part.done", &with(json!({"part": text_part(text)})));
    to.done(&message(reply, Some(text)));
}

fn tell_call(to: &mut Writer, reply: &Reply, (nth, call): (usize, &ToolCall), chunks: u32) {
    to.added(to.opening(), &function_call(reply, nth, call, false));
    let place = json!({"item_id": reply.id("fc_", 0, nth), "output_index": to.item});
    for piece in text::split(&call.text, chunks) {
        let mut delta = place.clone();
        delta["delta"] = json!(piece);
        to.send(Kind::Content, "response.function_call_arguments.delta", &delta);
    }
    let mut done = place;
    done["arguments"] = json!(call.text);
    to.send(Kind::Part, "response.function_call_arguments.done", &done);
    to.done(&function_call(reply, nth, call, true));
}
