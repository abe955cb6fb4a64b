//! Reads a stream.
//!
//! Blocks of text and of reasoning begin with their first delta. A block ends with its stop, or
//! with the first event of another, so that parts never overlap whatever a host leaves out.

use serde_json::{Value, json};
use weir_framing::Frame;
use weir_types::{Dialect, Usage};

use super::super::answer::stop_sequence;
use super::super::{blocks, error, words};
use super::is_exception;
use crate::fault::Garbage;
use crate::format::StreamReader;
use crate::ir::{Delta, Error, Event, Finish, Media, PartStart, Sealed, Source};
use crate::json;

const OWN: Dialect = Dialect::BedrockConverse;
/// More than any image or sealed reasoning that is sent in pieces.
const GATHERED_BYTES_MAX: usize = 32 << 20;

/// Reads one stream.
#[derive(Debug, Default)]
pub(in crate::bedrock_converse) struct Reader {
    has_started: bool,
    /// The block that is open: its index, and what it is.
    open: Option<(u64, Open)>,
    parts: u32,
    has_calls: bool,
    has_finished: bool,
    /// An error has come: nothing follows.
    has_failed: bool,
}

#[derive(Debug)]
enum Open {
    Text,
    Thinking,
    Call { has_arguments: bool },
    Redacted { data: String },
    Image { media_type: Option<String>, data: String },
    Foreign { raw: Value, bytes: usize },
}

impl StreamReader for Reader {
    fn read(&mut self, frame: &Frame<'_>, events: &mut Vec<Event>) -> Result<(), Garbage> {
        if self.has_failed {
            return Ok(());
        }
        let name = String::from_utf8_lossy(frame.name);
        let data = frame.data.as_deref().unwrap_or_default();
        if frame.is_exception || is_exception(frame.name) {
            self.fail(error::exception_read(&name, data), events);
            return Ok(());
        }
        if frame.data.is_none() {
            return Ok(());
        }
        let event: Value = json::read(data).map_err(|_| Garbage::NOT_AN_OBJECT)?;
        if !event.is_object() {
            return Err(Garbage::NOT_AN_OBJECT);
        }
        match &*name {
            "messageStart" => self.start(events),
            "contentBlockStart" => self.block_start(&event, events)?,
            "contentBlockDelta" => self.block_delta(event, events)?,
            "contentBlockStop" => {
                let index = index(&event);
                if self.open.as_ref().is_some_and(|(open, _)| *open == index) {
                    self.close(events);
                }
            }
            "messageStop" => self.finish_reason(&event, events),
            "metadata" => {
                self.start(events);
                let usage = event.get("usage").map(words::usage).unwrap_or_default();
                if !usage.is_empty() {
                    events.push(Event::Usage(usage));
                }
            }
            // A host that relays others may fail in its own way.
            _ if event.get("error").is_some_and(|error| !error.is_null()) => {
                self.fail(error::exception_read("", data), events);
            }
            // What a later version adds is of no concern.
            _ => {}
        }
        Ok(())
    }

    fn finish(&mut self, events: &mut Vec<Event>) -> Result<(), Garbage> {
        if !self.has_finished || self.has_failed {
            return Err(Garbage::ENDS_EARLY);
        }
        events.push(Event::End);
        Ok(())
    }
}

fn index(event: &Value) -> u64 {
    event.get("contentBlockIndex").and_then(Value::as_u64).unwrap_or(0)
}

fn text(of: &Value, pointer: &str) -> Option<String> {
    of.pointer(pointer).and_then(Value::as_str).map(str::to_owned)
}

impl Reader {
    fn fail(&mut self, error: Error, events: &mut Vec<Event>) {
        self.has_failed = true;
        events.push(Event::Error(error));
    }

    fn start(&mut self, events: &mut Vec<Event>) {
        if !self.has_started {
            self.has_started = true;
            let (id, model) = (String::new(), String::new());
            events.push(Event::Start { id, model, created: None, usage: Usage::default() });
        }
    }

    fn block_start(&mut self, event: &Value, events: &mut Vec<Event>) -> Result<(), Garbage> {
        self.start(events);
        let at = index(event);
        self.close(events);
        let start = event.get("start").cloned().unwrap_or_default();
        if let Some(call) = start.get("toolUse") {
            // With a type it is a tool that the provider runs itself.
            if call.get("type").is_some_and(Value::is_string) {
                self.open = Some((at, foreign(&start)));
                return Ok(());
            }
            let (Some(id), Some(name)) = (text(call, "/toolUseId"), text(call, "/name")) else {
                return Err(Garbage("a tool call has no id or no name"));
            };
            self.has_calls = true;
            let start = PartStart::ToolCall { id, name, is_custom: false };
            self.begin(at, Open::Call { has_arguments: false }, start, events);
        } else if let Some(image) = start.get("image") {
            let format = image.get("format").and_then(Value::as_str).unwrap_or_default();
            let row = blocks::IMAGES.iter().find(|(known, _)| *known == format);
            let media_type = row.map(|(_, media_type)| (*media_type).to_owned());
            self.open = Some((at, Open::Image { media_type, data: String::new() }));
        } else if start.get("toolResult").is_some() {
            self.open = Some((at, foreign(&start)));
        }
        Ok(())
    }

    fn begin(&mut self, at: u64, open: Open, start: PartStart, events: &mut Vec<Event>) {
        self.open = Some((at, open));
        events.push(Event::PartStart { choice: 0, part: self.parts, start });
    }

    fn delta(&self, delta: Delta, events: &mut Vec<Event>) {
        events.push(Event::Delta { choice: 0, part: self.parts, delta, logprobs: None });
    }

    fn block_delta(&mut self, mut event: Value, events: &mut Vec<Event>) -> Result<(), Garbage> {
        self.start(events);
        let at = index(&event);
        if self.open.as_ref().is_some_and(|(open, _)| *open != at) {
            self.close(events);
        }
        let mut delta = event.get_mut("delta").map(Value::take).unwrap_or_default();
        if let Some((_, Open::Foreign { raw, bytes })) = &mut self.open {
            *bytes = bytes.saturating_add(event_size(&delta));
            if *bytes > GATHERED_BYTES_MAX {
                return Err(Garbage("a block is too long"));
            }
            if let Some(list) = raw.as_array_mut() {
                list.push(delta);
            }
            return Ok(());
        }
        if let Some(words) = text(&delta, "/text") {
            self.text(at, words, events);
        } else if let Some(citation) = delta.get_mut("citation").map(Value::take) {
            self.open_text(at, events);
            self.delta(Delta::Annotation(blocks::annotation(citation)), events);
        } else if let Some(piece) = text(&delta, "/toolUse/input") {
            self.arguments(piece, events)?;
        } else if let Some(reasoning) = delta.get("reasoningContent") {
            self.reasoning(at, reasoning, events)?;
        } else if let Some(piece) = text(&delta, "/image/source/bytes")
            && let Some((_, Open::Image { data, .. })) = &mut self.open
        {
            gather(data, &piece)?;
        }
        Ok(())
    }

    fn open_text(&mut self, at: u64, events: &mut Vec<Event>) {
        if !matches!(self.open, Some((_, Open::Text))) {
            self.close(events);
            self.begin(at, Open::Text, PartStart::Text, events);
        }
    }

    fn text(&mut self, at: u64, words: String, events: &mut Vec<Event>) {
        if words.is_empty() {
            return;
        }
        self.open_text(at, events);
        self.delta(Delta::Text(words), events);
    }

    fn arguments(&mut self, piece: String, events: &mut Vec<Event>) -> Result<(), Garbage> {
        let Some((_, Open::Call { has_arguments })) = &mut self.open else {
            return Err(Garbage("arguments of a tool call that has not begun"));
        };
        // A call without arguments has one empty piece.
        if !piece.is_empty() {
            *has_arguments = true;
            self.delta(Delta::Arguments(piece), events);
        }
        Ok(())
    }

    fn reasoning(
        &mut self,
        at: u64,
        reasoning: &Value,
        events: &mut Vec<Event>,
    ) -> Result<(), Garbage> {
        if let Some(piece) = text(reasoning, "/redactedContent") {
            if !matches!(self.open, Some((_, Open::Redacted { .. }))) {
                self.close(events);
                self.open = Some((at, Open::Redacted { data: String::new() }));
            }
            return match &mut self.open {
                Some((_, Open::Redacted { data })) => gather(data, &piece),
                _ => Ok(()),
            };
        }
        if !matches!(self.open, Some((_, Open::Thinking))) {
            self.close(events);
            let start = PartStart::Thinking { id: None, is_summary: false };
            self.begin(at, Open::Thinking, start, events);
        }
        if let Some(words) = text(reasoning, "/text").filter(|words| !words.is_empty()) {
            self.delta(Delta::Text(words), events);
        }
        if let Some(data) = text(reasoning, "/signature").filter(|data| !data.is_empty()) {
            self.delta(Delta::Signature(Sealed { origin: OWN, data }), events);
        }
        Ok(())
    }

    /// Ends the block that is open; what was gathered is given now.
    fn close(&mut self, events: &mut Vec<Event>) {
        let Some((_, open)) = self.open.take() else { return };
        let whole = match open {
            Open::Text | Open::Thinking | Open::Call { has_arguments: true } => None,
            Open::Call { has_arguments: false } => {
                self.delta(Delta::Arguments("{}".to_owned()), events);
                None
            }
            Open::Redacted { data } => Some(PartStart::Redacted(Sealed { origin: OWN, data })),
            Open::Image { data, .. } if data.is_empty() => return,
            Open::Image { media_type, data } => {
                let source =
                    Source::Base64 { media_type: media_type.clone().unwrap_or_default(), data };
                Some(PartStart::Image(Media { source, media_type }))
            }
            Open::Foreign { raw, .. } => {
                Some(PartStart::Foreign { dialect: OWN, raw: json!({ "events": raw }) })
            }
        };
        if let Some(start) = whole {
            events.push(Event::PartStart { choice: 0, part: self.parts, start });
        }
        events.push(Event::PartEnd { choice: 0, part: self.parts });
        self.parts = self.parts.saturating_add(1);
    }

    fn finish_reason(&mut self, event: &Value, events: &mut Vec<Event>) {
        self.start(events);
        self.close(events);
        if self.has_finished {
            return;
        }
        self.has_finished = true;
        let word = event.get("stopReason").and_then(Value::as_str).unwrap_or("end_turn");
        let reason = words::finish(word).with_calls(self.has_calls);
        let finish = Finish {
            reason,
            stop_sequence: stop_sequence(event.get("additionalModelResponseFields")),
        };
        match Event::ending(0, finish) {
            Event::Error(error) => self.fail(error, events),
            ending => events.push(ending),
        }
    }
}

/// A block that only this format knows: its start, then its deltas.
fn foreign(start: &Value) -> Open {
    let bytes = event_size(start);
    Open::Foreign { raw: json!([start]), bytes }
}

fn event_size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(list) => list.iter().map(event_size).sum::<usize>() + list.len(),
        Value::Object(members) => members.values().map(event_size).sum::<usize>() + members.len(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
    }
}

fn gather(data: &mut String, piece: &str) -> Result<(), Garbage> {
    if data.len().saturating_add(piece.len()) > GATHERED_BYTES_MAX {
        return Err(Garbage("a block is too long"));
    }
    data.push_str(piece);
    Ok(())
}
