//! Reads a stream.
//!
//! Blocks of one message follow each other, each begun, filled and ended. A block that only
//! Anthropic knows is collected and given whole; so are signatures, which are set and not added to.

use serde_json::{Map, Value};
use weir_framing::Frame;

use crate::anthropic_messages::usage::Counts;
use crate::anthropic_messages::{OWN, citation, error, words};
use crate::fault::Garbage;
use crate::format::StreamReader;
use crate::ir::{self, Delta, Event, PartStart, Sealed};
use crate::json;

/// No block that is collected is longer.
const COLLECTED_BYTES_MAX: usize = 4 << 20;

const NO_BLOCK: Garbage = Garbage("a piece of a content block came without its block");
const TOO_LONG: Garbage = Garbage("a content block is too long");
const NO_START: Garbage = Garbage("a content block came before the start of its message");

/// Reads one stream.
#[derive(Debug, Default)]
pub(in super::super) struct Reader {
    has_started: bool,
    parts: u32,
    open: Option<Open>,
    counts: Counts,
    has_calls: bool,
    has_finished: bool,
    /// [`Event::End`] or [`Event::Error`] was given.
    is_over: bool,
}

/// The block that is being filled.
#[derive(Debug)]
struct Open {
    /// Anthropic's number of it.
    index: u64,
    /// Our number of it; unused by blocks that are collected.
    part: u32,
    block: Block,
}

#[derive(Debug)]
enum Block {
    Text { chars: usize },
    Thinking { signature: String },
    Redacted,
    Call { begun: Value, has_arguments: bool },
    Foreign { raw: Map<String, Value>, json: String },
}

impl StreamReader for Reader {
    fn read(&mut self, frame: &Frame<'_>, events: &mut Vec<Event>) -> Result<(), Garbage> {
        let data = frame.data.as_deref().unwrap_or_default().trim_ascii();
        if data.is_empty() || self.is_over {
            return Ok(());
        }
        let mut event = match json::read(data) {
            Ok(Value::Object(event)) => event,
            // An error in words, not in JSON.
            Err(_) if frame.name == b"error" => {
                let message = String::from_utf8_lossy(data).into_owned();
                self.fail(ir::Error::new(500, message), events);
                return Ok(());
            }
            _ => return Err(Garbage::NOT_AN_OBJECT),
        };
        let kind = event.get("type").and_then(Value::as_str).map(str::to_owned);
        let kind = kind.unwrap_or_else(|| String::from_utf8_lossy(frame.name).into_owned());
        // Hosts that relay others leave out the type.
        let has_error = event.get("error").is_some_and(|error| !error.is_null());
        match if has_error { "error" } else { kind.as_str() } {
            "message_start" => self.start(event.get("message").unwrap_or(&Value::Null), events),
            "content_block_start" => self.begin(&mut event, events)?,
            "content_block_delta" => self.fill(&mut event, events)?,
            "content_block_stop" => self.end_block(events),
            "message_delta" => self.message_delta(&event, events),
            "message_stop" => self.stop(events)?,
            "error" => {
                let (body, kind) = (error::read(data), event.get("error"));
                let kind = kind.and_then(|error| error.get("type")).and_then(Value::as_str);
                let kind = error::kind(kind.unwrap_or_default());
                let mut fault = ir::Error::new(error::status(kind), body.message);
                fault.kind = kind;
                fault.label = body.kind;
                fault.code = Some(body.code).filter(|code| !code.is_empty());
                let id = event.get("request_id").and_then(Value::as_str).unwrap_or_default();
                id.clone_into(&mut fault.context.request_id);
                self.fail(fault, events);
            }
            // `ping`, and whatever comes to be.
            _ => {}
        }
        Ok(())
    }

    fn finish(&mut self, events: &mut Vec<Event>) -> Result<(), Garbage> {
        if self.is_over { Ok(()) } else { self.stop(events) }
    }
}

impl Reader {
    fn fail(&mut self, fault: ir::Error, events: &mut Vec<Event>) {
        self.is_over = true;
        events.push(Event::Error(fault));
    }

    fn start(&mut self, message: &Value, events: &mut Vec<Event>) {
        if let Some(usage) = message.get("usage") {
            self.counts.set(&Counts::of(usage));
        }
        if std::mem::replace(&mut self.has_started, true) {
            return;
        }
        let text = |name| message.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (id, model, usage) = (text("id"), text("model"), self.counts.usage());
        events.push(Event::Start { id, model, created: None, usage });
    }

    fn begin(
        &mut self,
        event: &mut Map<String, Value>,
        events: &mut Vec<Event>,
    ) -> Result<(), Garbage> {
        if !self.has_started {
            return Err(NO_START);
        }
        // A host that forgets to end blocks is forgiven.
        self.end_block(events);
        let index = event.get("index").and_then(Value::as_u64).unwrap_or(0);
        let Some(Value::Object(mut raw)) = event.shift_remove("content_block") else {
            return Err(NO_BLOCK);
        };
        let take = |raw: &mut Map<String, Value>, name: &str| match raw.shift_remove(name) {
            Some(Value::String(text)) => text,
            _ => String::new(),
        };
        let kind = raw.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        let part = self.parts;
        let mut deltas = Vec::new();
        let (block, start) = match kind.as_str() {
            "text" => {
                deltas.push(Delta::Text(take(&mut raw, "text")));
                (Block::Text { chars: 0 }, PartStart::Text)
            }
            "thinking" => {
                deltas.push(Delta::Text(take(&mut raw, "thinking")));
                let signature = take(&mut raw, "signature");
                let start = PartStart::Thinking { id: None, is_summary: false };
                (Block::Thinking { signature }, start)
            }
            "redacted_thinking" => {
                let data = take(&mut raw, "data");
                (Block::Redacted, PartStart::Redacted(Sealed { origin: OWN, data }))
            }
            "tool_use" => {
                let (id, name) = (take(&mut raw, "id"), take(&mut raw, "name"));
                self.has_calls = true;
                let begun = raw.shift_remove("input").unwrap_or_default();
                let start = PartStart::ToolCall { id, name, is_custom: false };
                (Block::Call { begun, has_arguments: false }, start)
            }
            _ => {
                let block = Block::Foreign { raw, json: String::new() };
                self.open = Some(Open { index, part, block });
                return Ok(());
            }
        };
        self.parts = self.parts.saturating_add(1);
        events.push(Event::PartStart { choice: 0, part, start });
        self.open = Some(Open { index, part, block });
        for delta in deltas {
            if let Delta::Text(text) = &delta
                && !text.is_empty()
            {
                self.give(delta, events);
            }
        }
        Ok(())
    }

    fn give(&mut self, delta: Delta, events: &mut Vec<Event>) {
        let Some(Open { part, block, .. }) = &mut self.open else { return };
        if let (Block::Text { chars }, Delta::Text(text)) = (block, &delta) {
            *chars += text.chars().count();
        }
        events.push(Event::Delta { choice: 0, part: *part, delta, logprobs: None });
    }

    fn fill(
        &mut self,
        event: &mut Map<String, Value>,
        events: &mut Vec<Event>,
    ) -> Result<(), Garbage> {
        let index = event.get("index").and_then(Value::as_u64).unwrap_or(0);
        let Some(open) = self.open.as_mut().filter(|open| open.index == index) else {
            return Err(NO_BLOCK);
        };
        let Some(Value::Object(mut raw)) = event.shift_remove("delta") else {
            return Err(NO_BLOCK);
        };
        if let Block::Foreign { raw: block, json } = &mut open.block {
            return collect(block, json, raw);
        }
        let kind = raw.get("type").and_then(Value::as_str).unwrap_or_default();
        let member = match kind {
            "text_delta" => "text",
            "input_json_delta" => "partial_json",
            "thinking_delta" => "thinking",
            "signature_delta" => "signature",
            "citations_delta" => "citation",
            // Whatever comes to be.
            _ => return Ok(()),
        };
        let delta = match (&mut open.block, raw.shift_remove(member)) {
            (Block::Text { .. } | Block::Thinking { .. } | Block::Call { .. }, None) => None,
            (Block::Text { chars }, Some(raw)) if member == "citation" => {
                Some(Delta::Annotation(citation::read(raw, *chars)))
            }
            (Block::Thinking { signature }, Some(Value::String(set))) if member == "signature" => {
                *signature = set;
                None
            }
            (Block::Call { has_arguments, .. }, Some(Value::String(piece))) => {
                *has_arguments |= !piece.is_empty();
                Some(Delta::Arguments(piece))
            }
            (Block::Text { .. } | Block::Thinking { .. }, Some(Value::String(piece))) => {
                Some(Delta::Text(piece))
            }
            _ => None,
        };
        match delta {
            Some(Delta::Text(text) | Delta::Arguments(text)) if text.is_empty() => {}
            Some(delta) => self.give(delta, events),
            None => {}
        }
        Ok(())
    }

    fn end_block(&mut self, events: &mut Vec<Event>) {
        let Some(open) = &mut self.open else { return };
        let owed = match &mut open.block {
            Block::Text { .. } | Block::Redacted => None,
            Block::Thinking { signature } => {
                let data = Some(std::mem::take(signature)).filter(|data| !data.is_empty());
                data.map(|data| Delta::Signature(Sealed { origin: OWN, data }))
            }
            Block::Call { has_arguments: true, .. } => None,
            // Nothing was added to what the block began with, which is all of it then.
            Block::Call { begun: begun @ Value::Object(_), .. } => {
                Some(Delta::Arguments(begun.to_string()))
            }
            Block::Call { .. } => Some(Delta::Arguments("{}".to_owned())),
            Block::Foreign { raw, json } => {
                if let Ok(input) = serde_json::from_str::<Value>(json) {
                    raw.insert("input".into(), input);
                }
                let raw = Value::Object(std::mem::take(raw));
                let start = PartStart::Foreign { dialect: OWN, raw };
                open.part = self.parts;
                self.parts = self.parts.saturating_add(1);
                events.push(Event::PartStart { choice: 0, part: open.part, start });
                None
            }
        };
        if let Some(delta) = owed {
            self.give(delta, events);
        }
        if let Some(open) = self.open.take() {
            events.push(Event::PartEnd { choice: 0, part: open.part });
        }
    }

    fn message_delta(&mut self, event: &Map<String, Value>, events: &mut Vec<Event>) {
        if let Some(usage) = event.get("usage") {
            self.counts.set(&Counts::of(usage));
        }
        let Some(delta) = event.get("delta") else { return };
        let Some(reason) = delta.get("stop_reason").and_then(Value::as_str) else { return };
        self.end_block(events);
        if !std::mem::replace(&mut self.has_finished, true) {
            let stop_sequence = delta.get("stop_sequence").and_then(Value::as_str);
            let mut finish = words::finish(reason, stop_sequence);
            finish.reason = finish.reason.with_calls(self.has_calls);
            events.push(Event::Finish { choice: 0, finish });
        }
    }

    fn stop(&mut self, events: &mut Vec<Event>) -> Result<(), Garbage> {
        if !self.has_finished {
            return Err(Garbage::ENDS_EARLY);
        }
        self.is_over = true;
        let usage = self.counts.usage();
        if !usage.is_empty() {
            events.push(Event::Usage(usage));
        }
        events.push(Event::End);
        Ok(())
    }
}

/// Adds a piece to a block that is collected.
fn collect(
    block: &mut Map<String, Value>,
    json: &mut String,
    piece: Map<String, Value>,
) -> Result<(), Garbage> {
    for (name, value) in piece {
        match (name.as_str(), value) {
            ("type", _) => {}
            ("partial_json", Value::String(piece)) => {
                json.push_str(&piece);
                if json.len() > COLLECTED_BYTES_MAX {
                    return Err(TOO_LONG);
                }
            }
            (_, Value::String(piece)) => {
                let whole = block.entry(name).or_insert_with(|| Value::String(String::new()));
                match whole {
                    Value::String(whole) if whole.len() + piece.len() > COLLECTED_BYTES_MAX => {
                        return Err(TOO_LONG);
                    }
                    Value::String(whole) => whole.push_str(&piece),
                    other => *other = Value::String(piece),
                }
            }
            (_, value) => {
                block.insert(name, value);
            }
        }
    }
    Ok(())
}
