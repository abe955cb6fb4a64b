//! Text completions, the older prompt form.

use super::{Told, push_head, push_usage};
use crate::answer::events::{Events, Kind};
use crate::answer::reply::{Content, Reply, Stop};
use crate::answer::{push, push_number, push_string, text};
use crate::ask::Chat;

fn text_and_finish(reply: &Reply) -> (&str, &'static str) {
    let finish = if reply.stop == Stop::Length { "length" } else { "stop" };
    match &reply.content {
        Content::Text(text) => (text, finish),
        // A prompt offers no tools.
        Content::Calls(_) => ("", finish),
    }
}

/// The body of the answer that is not streamed.
pub(super) fn whole(model: &str, chat: &Chat<'_>, reply: &Reply) -> Vec<u8> {
    let (text, finish) = text_and_finish(reply);
    let mut out = Vec::with_capacity(640 + text.len());
    push_head(&mut out, &text::id("cmpl-", reply.hash), "text_completion", model);
    for index in 0..chat.choices {
        push(&mut out, if index == 0 { "" } else { "," });
        push_choice(&mut out, index, text, Some(finish));
    }
    push(&mut out, "],");
    push_usage(&mut out, reply.tokens);
    push(&mut out, "}");
    out
}

/// The events of the streamed answer, its text in `chunks` pieces.
pub(super) fn events(model: &str, told: Told<'_>) -> Events {
    let Told { chat, reply, chunks } = told;
    let (text, finish) = text_and_finish(reply);
    let mut head = Vec::with_capacity(192);
    push_head(&mut head, &text::id("cmpl-", reply.hash), "text_completion", model);
    let mut events = Events::with_capacity(256 * (chunks as usize + 2), chunks as usize + 3);
    let mut chunk = |kind, index, piece: &str, finish| {
        events.add(kind, |out| {
            out.extend_from_slice(&head);
            push_choice(out, index, piece, finish);
            push(out, if chat.usage { "],\"usage\":null}" } else { "]}" });
        });
    };
    for index in 0..chat.choices {
        for piece in text::split(text, chunks) {
            chunk(Kind::Content, index, piece, None);
        }
        chunk(Kind::Finish, index, "", Some(finish));
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

fn push_choice(out: &mut Vec<u8>, index: u32, text: &str, finish: Option<&str>) {
    push(out, "{\"text\":");
    push_string(out, text);
    push(out, ",\"index\":");
    push_number(out, index as usize);
    push(out, ",\"logprobs\":null,\"finish_reason\":");
    match finish {
        Some(reason) => push_string(out, reason),
        None => push(out, "null"),
    }
    push(out, "}");
}
