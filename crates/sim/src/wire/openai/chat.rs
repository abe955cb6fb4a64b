//! Chat completions: text or tool calls, whole or as a stream.

use super::{Told, push_head, push_usage};
use crate::answer::events::{Events, Kind};
use crate::answer::reply::{Content, Reply, Stop};
use crate::answer::{push, push_number, push_string, text};
use crate::ask::Chat;
use crate::tool::ToolCall;

/// Appends the members of a delta.
type Delta<'d> = &'d dyn Fn(&mut Vec<u8>);

fn finish(stop: Stop) -> &'static str {
    match stop {
        Stop::End => "stop",
        Stop::Length => "length",
        Stop::Calls => "tool_calls",
    }
}

/// The body of the answer that is not streamed.
pub(super) fn whole(model: &str, chat: &Chat<'_>, reply: &Reply) -> Vec<u8> {
    let mut out = head(model, reply, "chat.completion", 640);
    for index in 0..chat.choices {
        choice(&mut out, reply, index, chat.whole_calls);
    }
    push(&mut out, "],");
    push_usage(&mut out, reply.tokens);
    push(&mut out, "}");
    out
}

fn choice(out: &mut Vec<u8>, reply: &Reply, index: u32, short: bool) {
    push(out, if index == 0 { "{\"index\":" } else { ",{\"index\":" });
    push_number(out, index as usize);
    push(out, ",\"message\":{\"role\":\"assistant\",\"content\":");
    match &reply.content {
        Content::Text(text) => push_string(out, text),
        Content::Calls(calls) => {
            push(out, "null,\"tool_calls\":[");
            for (nth, call) in calls.iter().enumerate() {
                push(out, if nth == 0 { "{" } else { ",{" });
                push_call(out, &id_of(reply, index, nth, short), call, &call.text);
                push(out, "}");
            }
            push(out, "]");
        }
    }
    push(out, ",\"refusal\":null,\"annotations\":[]},\"logprobs\":null,\"finish_reason\":\"");
    push(out, finish(reply.stop));
    push(out, "\"}");
}

/// The id of a call, `short` where a host wants it so.
fn id_of(reply: &Reply, index: u32, nth: usize, short: bool) -> String {
    let id = reply.id("call_", index, nth);
    match short {
        true => id.chars().rev().take(9).collect(),
        false => id,
    }
}

fn push_call(out: &mut Vec<u8>, id: &str, call: &ToolCall, arguments: &str) {
    push(out, "\"id\":\"");
    push(out, id);
    push(out, "\",\"type\":\"function\",\"function\":{\"name\":");
    push_string(out, &call.name);
    push(out, ",\"arguments\":");
    push_string(out, arguments);
    push(out, "}");
}

/// The events of the streamed answer.
pub(super) fn events(model: &str, told: Told<'_>) -> Events {
    let Told { chat, reply, chunks } = told;
    let head = head(model, reply, "chat.completion.chunk", 0);
    let room = (head.len() + 128) * (chunks as usize + 3) * chat.choices as usize;
    let finish = format!("\"{}\"", finish(reply.stop));
    let mut events = Events::with_capacity(room, chunks as usize + 4);
    let chunk = |events: &mut Events, kind, index, delta: Delta<'_>, finish| {
        events.add(kind, |out| {
            out.extend_from_slice(&head);
            push(out, "{\"index\":");
            push_number(out, index as usize);
            push(out, ",\"delta\":{");
            delta(out);
            push(out, "},\"logprobs\":null,\"finish_reason\":");
            push(out, finish);
            push(out, if chat.usage { "}],\"usage\":null}" } else { "}]}" });
        });
    };
    for index in 0..chat.choices {
        let role = |out: &mut Vec<u8>| match reply.content {
            Content::Text(_) => push(out, "\"role\":\"assistant\",\"content\":\"\""),
            Content::Calls(_) => push(out, "\"role\":\"assistant\",\"content\":null"),
        };
        chunk(&mut events, Kind::Role, index, &role, "null");
        pieces(reply, index, (chunks, chat.whole_calls), &mut |delta| {
            chunk(&mut events, Kind::Content, index, delta, "null");
        });
        chunk(&mut events, Kind::Finish, index, &|_| {}, &finish);
    }
    if chat.usage {
        events.add(Kind::Usage, |out| {
            out.extend_from_slice(&head);
            push(out, "],");
            push_usage(out, reply.tokens);
            push(out, "}");
        });
    }
    events.done()
}

/// Hands every content delta of one choice to `emit`, in order.
fn pieces(
    reply: &Reply,
    index: u32,
    (chunks, whole_calls): (u32, bool),
    emit: &mut dyn FnMut(Delta<'_>),
) {
    let calls = match &reply.content {
        Content::Calls(calls) => calls,
        Content::Text(text) => {
            for piece in text::split(text, chunks) {
                emit(&|out| {
                    push(out, "\"content\":");
                    push_string(out, piece);
                });
            }
            return;
        }
    };
    for (nth, call) in calls.iter().enumerate() {
        let open = |out: &mut Vec<u8>| {
            push(out, "\"tool_calls\":[{\"index\":");
            push_number(out, nth);
        };
        emit(&|out| {
            open(out);
            push(out, ",");
            let text = if whole_calls { &call.text } else { "" };
            push_call(out, &id_of(reply, index, nth, whole_calls), call, text);
            push(out, "}]");
        });
        if whole_calls {
            continue;
        }
        for piece in text::split(&call.text, chunks) {
            emit(&|out| {
                open(out);
                push(out, ",\"function\":{\"arguments\":");
                push_string(out, piece);
                push(out, "}}]");
            });
        }
    }
}

/// The members that come before the choices, which are left open.
fn head(model: &str, reply: &Reply, object: &str, room: usize) -> Vec<u8> {
    let text = match &reply.content {
        Content::Text(text) => text.len(),
        Content::Calls(_) => 0,
    };
    let mut out = Vec::with_capacity(192 + room + if room > 0 { text } else { 0 });
    push_head(&mut out, &text::id("chatcmpl-", reply.hash), object, model);
    out
}
