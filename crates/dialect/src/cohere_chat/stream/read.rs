//! Reads a stream.
//!
//! Cohere gives one part after the other and says where each ends. A text stays open beyond its
//! end until something else begins, because citations may follow it. Calls without arguments come
//! with none, or with `null`: what could become that is held back until it is clear.

use serde_json::Value;
use weir_framing::Frame;

use super::super::{answer, citation, usage};
use super::{failure, kind, said};
use crate::fault::Garbage;
use crate::format::StreamReader;
use crate::ir::{Delta, Error, Event, PartStart};
use crate::json;

const NOT_OPEN: Garbage = Garbage("a tool call goes on that has not begun or is over");

/// One stream.
#[derive(Debug, Default)]
pub(in super::super) struct Reader {
    has_started: bool,
    id: String,
    /// Parts begun so far.
    parts: u32,
    open: Option<Open>,
    has_calls: bool,
    /// `message-end` has come, with a reason.
    is_finished: bool,
    /// An error or `message-end` has come: nothing else counts.
    is_over: bool,
}

/// The part that is being read.
#[derive(Debug)]
struct Open {
    part: u32,
    /// Cohere's number: one series for content, another for calls.
    index: Option<u64>,
    block: Block,
}

#[derive(Debug, PartialEq, Eq)]
enum Block {
    Text,
    Thinking,
    Plan,
    /// What has come of the arguments, while it may still be `null`.
    Call(Option<String>),
}

impl StreamReader for Reader {
    fn read(&mut self, frame: &Frame<'_>, events: &mut Vec<Event>) -> Result<(), Garbage> {
        let data = frame.data.as_deref().unwrap_or_default().trim_ascii();
        if self.is_over || data.is_empty() || data == b"[DONE]" {
            return Ok(());
        }
        let event: Value = match json::read(data) {
            Ok(event @ Value::Object(_)) => event,
            _ if frame.name == b"error" => {
                self.fail(Error::new(0, String::from_utf8_lossy(data)), events);
                return Ok(());
            }
            _ => return Err(Garbage::NOT_AN_OBJECT),
        };
        let kind = kind(frame.name, &event);
        if let Some(error) = failure(kind, &event) {
            self.fail(error, events);
            return Ok(());
        }
        self.event(kind, &event, events)
    }

    fn finish(&mut self, events: &mut Vec<Event>) -> Result<(), Garbage> {
        if !self.is_finished {
            return Err(Garbage::ENDS_EARLY);
        }
        events.push(Event::End);
        Ok(())
    }
}

impl Reader {
    fn event(&mut self, kind: &str, event: &Value, events: &mut Vec<Event>) -> Result<(), Garbage> {
        let index = event.get("index").and_then(Value::as_u64);
        match kind {
            "message-start" => self.start(event, events),
            "content-start" => {
                let content = said(event, &["content"]);
                let block = block(content);
                self.begin(block, index, events);
                self.content(content, event, events);
            }
            "content-delta" => {
                let content = said(event, &["content"]);
                self.resume(block(content), index, events);
                self.content(content, event, events);
            }
            "content-end" if self.is_open(|block| *block == Block::Thinking) => {
                self.close(events);
            }
            "tool-plan-delta" => {
                self.resume(Block::Plan, None, events);
                self.say(said(event, &["tool_plan"]), None, events);
            }
            "tool-call-start" => self.call(index, event, events),
            "tool-call-delta" => {
                let open = self.open.as_ref();
                let is_open = open.is_some_and(|open| {
                    matches!(open.block, Block::Call(_)) && (index.is_none() || open.index == index)
                });
                if !is_open {
                    return Err(NOT_OPEN);
                }
                let pieces = said(event, &["tool_calls"]).map(first);
                self.arguments(pieces.and_then(|call| call.get("function")), events);
            }
            "tool-call-end" if self.is_open(|block| matches!(block, Block::Call(_))) => {
                self.close(events);
            }
            "citation-start" => self.cite(event, events),
            "message-end" => self.end(event, events),
            // The end of a text, `citation-end`, `debug`, and whatever is added to the format.
            _ => {}
        }
        Ok(())
    }

    fn start(&mut self, event: &Value, events: &mut Vec<Event>) {
        if std::mem::replace(&mut self.has_started, true) {
            return;
        }
        self.id = event.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        let (id, usage) = (self.id.clone(), weir_types::Usage::default());
        events.push(Event::Start { id, model: String::new(), created: None, usage });
    }

    fn is_open(&self, is_meant: impl FnOnce(&Block) -> bool) -> bool {
        self.open.as_ref().is_some_and(|open| is_meant(&open.block))
    }

    /// Begins a part, and ends the one that is open.
    fn begin(&mut self, block: Block, index: Option<u64>, events: &mut Vec<Event>) {
        let start = match block {
            Block::Text => PartStart::Text,
            Block::Thinking => PartStart::Thinking { id: None, is_summary: false },
            Block::Plan => PartStart::Thinking { id: None, is_summary: true },
            Block::Call(_) => return,
        };
        self.begin_as(start, Open { part: 0, index, block }, events);
    }

    fn begin_as(&mut self, start: PartStart, open: Open, events: &mut Vec<Event>) {
        self.start(&Value::Null, events);
        self.close(events);
        let part = self.parts;
        self.parts = self.parts.saturating_add(1);
        self.open = Some(Open { part, ..open });
        events.push(Event::PartStart { choice: 0, part, start });
    }

    /// Goes on with the open part if it is the one that is meant; begins one otherwise.
    fn resume(&mut self, block: Block, index: Option<u64>, events: &mut Vec<Event>) {
        let is_open = self
            .open
            .as_ref()
            .is_some_and(|open| open.block == block && (index.is_none() || open.index == index));
        if !is_open {
            self.begin(block, index, events);
        }
    }

    fn close(&mut self, events: &mut Vec<Event>) {
        let Some(open) = self.open.take() else { return };
        let part = open.part;
        if let Block::Call(Some(_)) = open.block {
            let delta = Delta::Arguments("{}".to_owned());
            events.push(Event::Delta { choice: 0, part, delta, logprobs: None });
        }
        events.push(Event::PartEnd { choice: 0, part });
    }

    fn content(&mut self, content: Option<&Value>, event: &Value, events: &mut Vec<Event>) {
        let text = content.and_then(|content| {
            let member = |name| content.get(name).filter(|text: &&Value| text.is_string());
            member("thinking").or_else(|| member("text"))
        });
        let logprobs = event.get("logprobs").and_then(answer::read_logprobs);
        self.say(text, logprobs, events);
    }

    fn say(&mut self, text: Option<&Value>, logprobs: Option<Value>, events: &mut Vec<Event>) {
        let text = text.and_then(Value::as_str).unwrap_or_default();
        if (!text.is_empty() || logprobs.is_some())
            && let Some(open) = &self.open
        {
            let delta = Delta::Text(text.to_owned());
            events.push(Event::Delta { choice: 0, part: open.part, delta, logprobs });
        }
    }

    fn call(&mut self, index: Option<u64>, event: &Value, events: &mut Vec<Event>) {
        self.has_calls = true;
        let call = said(event, &["tool_calls"]).map(first);
        let function = call.and_then(|call| call.get("function"));
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        let id = text(call.and_then(|call| call.get("id"))).filter(|id| !id.is_empty());
        let start = PartStart::ToolCall {
            id: id.unwrap_or_else(|| format!("{}_{}", self.id, self.parts)),
            name: text(function.and_then(|function| function.get("name"))).unwrap_or_default(),
            is_custom: false,
        };
        let open = Open { part: 0, index, block: Block::Call(Some(String::new())) };
        self.begin_as(start, open, events);
        self.arguments(function, events);
    }

    fn arguments(&mut self, function: Option<&Value>, events: &mut Vec<Event>) {
        let piece = match function.and_then(|function| function.get("arguments")) {
            None | Some(Value::Null) => return,
            Some(Value::String(text)) => text.clone(),
            Some(object) => object.to_string(),
        };
        let Some(Open { part, block: Block::Call(held), .. }) = &mut self.open else { return };
        let piece = match held.take() {
            None => piece,
            Some(mut so_far) => {
                so_far.push_str(&piece);
                // Blanks are not held: they could be without end.
                let may_be_null = so_far.len() <= 4 && "null".starts_with(so_far.trim());
                if may_be_null {
                    *held = Some(so_far);
                    return;
                }
                so_far
            }
        };
        if !piece.is_empty() {
            let delta = Delta::Arguments(piece);
            events.push(Event::Delta { choice: 0, part: *part, delta, logprobs: None });
        }
    }

    /// A citation of the text that is open; of anything else it has no place.
    fn cite(&mut self, event: &Value, events: &mut Vec<Event>) {
        let Some(Open { part, block: Block::Text, .. }) = self.open else { return };
        let citation = said(event, &["citations"]).map(first);
        if let Some(citation) = citation.filter(|citation| citation.is_object()) {
            let delta = Delta::Annotation(citation::read(citation.clone()));
            events.push(Event::Delta { choice: 0, part, delta, logprobs: None });
        }
    }

    fn end(&mut self, event: &Value, events: &mut Vec<Event>) {
        self.start(&Value::Null, events);
        self.close(events);
        self.is_over = true;
        let member = |name| event.get("delta").and_then(|delta| delta.get(name));
        if let Some(reason) = member("finish_reason").and_then(Value::as_str) {
            let ending = Event::ending(0, answer::finish(reason, self.has_calls));
            if let Event::Error(error) = ending {
                return self.fail(error, events);
            }
            self.is_finished = true;
            events.push(ending);
        }
        events.extend(member("usage").and_then(usage::read).map(Event::Usage));
    }

    fn fail(&mut self, error: Error, events: &mut Vec<Event>) {
        self.is_over = true;
        events.push(Event::Error(error));
    }
}

/// What a block of content is by its members; text if they do not say.
fn block(content: Option<&Value>) -> Block {
    let member = |name| content.and_then(|content| content.get(name)).and_then(Value::as_str);
    match member("type") {
        Some("thinking") => Block::Thinking,
        None if member("thinking").is_some() => Block::Thinking,
        _ => Block::Text,
    }
}

/// The one object that is in a list of one, as some hosts write it.
fn first(value: &Value) -> &Value {
    value.as_array().and_then(|list| list.first()).unwrap_or(value)
}
