//! Writes a stream: a chunk with the role, chunks with what is added, one with the finish reason,
//! one with usage if the client asked for it, and `[DONE]`.
//!
//! What the deltas of one answer look like is [`super::deltas`]'s; here is what stands around them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value, json};
use weir_framing::Writer as Frames;
use weir_types::Usage;

use super::deltas::{Deltas, Said};
use crate::custom;
use crate::format::{Asked, StreamWriter};
use crate::ir::{Event, Losses, Request};
use crate::openai_chat::answer::write::{answer_id, is_legacy};
use crate::openai_chat::clients::Client;
use crate::openai_chat::{finish, usage};

/// A chunk, in the order in which OpenAI writes it.
#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    system_fingerprint: Option<&'a str>,
    choices: &'a [Choice<'a>],
    /// Left out if the client did not ask for it; else `null` in all chunks but the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Value>,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u32,
    delta: &'a Said,
    logprobs: Option<Value>,
    finish_reason: Option<&'static str>,
}

/// A writer of one stream.
#[derive(Debug)]
pub(in crate::openai_chat) struct EventWriter {
    request_id: String,
    id: String,
    model: String,
    created: u64,
    wants_usage: bool,
    is_legacy: bool,
    whole_calls: bool,
    /// The client's tools that take plain text.
    custom: Arc<[String]>,
    usage: Usage,
    choices: BTreeMap<u32, Deltas>,
    losses: Losses,
}

impl EventWriter {
    pub(in crate::openai_chat) fn new(asked: &Asked<'_>) -> Self {
        let client = Client::of(asked.form);
        let asks_usage =
            matches!(asked.request, Request::Chat(chat) if chat.stream_usage == Some(true));
        Self {
            request_id: asked.id.to_owned(),
            id: answer_id("", asked),
            model: asked.model.to_owned(),
            created: asked.now,
            wants_usage: asks_usage || client.always_counted,
            is_legacy: is_legacy(asked),
            whole_calls: client.whole_calls,
            custom: custom::names(asked.request).into(),
            usage: Usage::default(),
            choices: BTreeMap::new(),
            losses: Losses::default(),
        }
    }

    fn chunk(&self, choices: &[Choice<'_>], usage: Value, out: &mut Frames) {
        let chunk = Chunk {
            id: &self.id,
            object: "chat.completion.chunk",
            created: self.created,
            model: &self.model,
            system_fingerprint: None,
            choices,
            usage: self.wants_usage.then_some(usage),
        };
        // Text and numbers only: there is nothing in it that could fail to be written.
        if let Ok(data) = serde_json::to_vec(&chunk) {
            out.event("", &data);
        }
    }

    fn delta(&self, index: u32, delta: &Said, logprobs: Option<Value>, out: &mut Frames) {
        let choice = Choice { index, delta, logprobs, finish_reason: None };
        self.chunk(&[choice], Value::Null, out);
    }

    /// The first chunk of an answer says who speaks.
    fn begin(&mut self, index: u32, out: &mut Frames) {
        if self.choices.contains_key(&index) {
            return;
        }
        let custom = Arc::clone(&self.custom);
        let deltas = Deltas::new(index, &self.request_id, self.is_legacy, self.whole_calls, custom);
        self.choices.insert(index, deltas);
        let delta = Said::Members(Map::from_iter([
            ("role".to_owned(), json!("assistant")),
            ("content".to_owned(), json!("")),
            ("refusal".to_owned(), Value::Null),
        ]));
        self.delta(index, &delta, None, out);
    }

    /// Writes what an event is to the answer `index`.
    fn say(
        &mut self,
        index: u32,
        logprobs: Option<Value>,
        out: &mut Frames,
        said: impl FnOnce(&mut Deltas, &mut Losses) -> Option<Said>,
    ) {
        self.begin(index, out);
        let Some(choice) = self.choices.get_mut(&index) else { return };
        if let Some(delta) = said(choice, &mut self.losses) {
            self.delta(index, &delta, logprobs, out);
        }
    }

    fn start(&mut self, id: &str, model: String, created: Option<u64>, out: &mut Frames) {
        if !id.is_empty() {
            id.clone_into(&mut self.id);
        }
        if !model.is_empty() {
            self.model = model;
        }
        self.created = created.unwrap_or(self.created);
        self.begin(0, out);
    }

    fn end(&self, out: &mut Frames) {
        // Zeros would pass for a count.
        if self.wants_usage && !self.usage.is_empty() {
            self.chunk(&[], usage::write(&self.usage), out);
        }
        out.event("", b"[DONE]");
        out.end();
    }
}

impl StreamWriter for EventWriter {
    fn write(&mut self, event: Event, out: &mut Frames) {
        match event {
            Event::Start { id, model, created, usage } => {
                self.usage.update(&usage);
                self.start(&id, model, created, out);
            }
            Event::PartStart { choice, start, .. } => {
                self.say(choice, None, out, |deltas, losses| {
                    deltas.part_start(start, losses).map(Said::Members)
                });
            }
            Event::Delta { choice, delta, logprobs, .. } => {
                self.say(choice, logprobs, out, |deltas, losses| deltas.add(delta, losses));
            }
            Event::PartEnd { choice, .. } => {
                self.say(choice, None, out, |deltas, _| deltas.part_end().map(Said::Members));
            }
            Event::Finish { choice, finish } => {
                self.begin(choice, out);
                let has_text = finish.stop_sequence.is_some();
                self.losses.add_if(has_text, "stop_sequence", finish::NO_TEXT);
                let holds = self.choices.get(&choice).map(Deltas::holds).unwrap_or_default();
                let reason = finish::write(&finish.reason, holds);
                let ended = Choice {
                    index: choice,
                    delta: &Said::Members(Map::new()),
                    logprobs: None,
                    finish_reason: Some(reason),
                };
                self.chunk(&[ended], Value::Null, out);
            }
            Event::Usage(usage) => self.usage.update(&usage),
            Event::End => self.end(out),
            Event::Error(_) => {}
        }
    }

    fn losses(&mut self) -> Losses {
        std::mem::take(&mut self.losses)
    }
}
