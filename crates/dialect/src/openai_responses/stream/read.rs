//! Reads a stream.
//!
//! Whatever an event `*.done` repeats is taken only if its deltas did not come: there are hosts
//! that send the one and not the other, and some that say all in the last event.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use weir_framing::Frame;
use weir_types::Usage;

use super::slots::{Shape, Slots};
use crate::fault::Garbage;
use crate::format::StreamReader;
use crate::ir::{Delta, Event, PartStart};
use crate::json;
use crate::openai_responses::answer::{self, seconds};
use crate::openai_responses::{error, items, usage};

/// Reads one stream.
#[derive(Debug, Default)]
pub(in crate::openai_responses) struct Reader {
    has_started: bool,
    end: End,
    pub(super) slots: Slots,
    /// Items that are complete, by `output_index`.
    done: BTreeSet<u64>,
    /// The item that was spoken of last, for hosts that do not number.
    output: u64,
    pub(super) has_calls: bool,
    pub(super) has_refusal: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum End {
    #[default]
    NotYet,
    Finished,
    Failed,
}

/// An event, taken apart.
pub(super) struct Said {
    members: Map<String, Value>,
}

impl Said {
    pub(super) fn text(&self, name: &str) -> &str {
        self.members.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name).filter(|value| !value.is_null())
    }

    pub(super) fn index(&self, name: &str) -> Option<u64> {
        self.members.get(name).and_then(Value::as_u64)
    }
}

impl StreamReader for Reader {
    fn read(&mut self, frame: &Frame<'_>, events: &mut Vec<Event>) -> Result<(), Garbage> {
        let data = frame.data.as_deref().unwrap_or_default().trim_ascii();
        if data.is_empty() || data == b"[DONE]" || self.end != End::NotYet {
            return Ok(());
        }
        let is_error = frame.name == b"error";
        let members = match json::read::<Value>(data) {
            Ok(Value::Object(members)) => members,
            _ if is_error => {
                let words = String::from_utf8_lossy(data).into_owned();
                let said = serde_json::json!({ "message": words });
                self.failed(&said, events);
                return Ok(());
            }
            _ => return Err(Garbage::NOT_AN_OBJECT),
        };
        let kind = match members.get("type").and_then(Value::as_str) {
            Some(kind) => kind.to_owned(),
            None => String::from_utf8_lossy(frame.name).into_owned(),
        };
        let error = members.get("error");
        let has_error = error.is_some_and(|error| error.is_object() || error.is_string());
        if kind == "error" || is_error || (has_error && !kind.starts_with("response.")) {
            self.failed(&Value::Object(members), events);
            return Ok(());
        }
        self.event(&kind, Said { members }, events)
    }

    fn finish(&mut self, events: &mut Vec<Event>) -> Result<(), Garbage> {
        match self.end {
            End::NotYet => Err(Garbage::ENDS_EARLY),
            End::Finished => {
                events.push(Event::End);
                Ok(())
            }
            End::Failed => Ok(()),
        }
    }
}

impl Reader {
    fn event(
        &mut self,
        kind: &str,
        mut said: Said,
        events: &mut Vec<Event>,
    ) -> Result<(), Garbage> {
        let Some(kind) = kind.strip_prefix("response.") else { return Ok(()) };
        let response = said.take("response").unwrap_or_default();
        self.start(&response, events);
        self.output = said.index("output_index").unwrap_or(self.output);
        match kind {
            "output_item.added" => {
                let item = said.take("item").unwrap_or_default();
                self.item_added(self.output, &item, events)
            }
            "output_item.done" => {
                let item = said.take("item").unwrap_or_default();
                self.item_done(self.output, &item, events)
            }
            "content_part.done" => {
                let part = said.take("part").unwrap_or_default();
                let at = said.index("content_index").unwrap_or(0);
                self.part_done((self.output, at), &part, events)
            }
            "function_call_arguments.delta" | "custom_tool_call_input.delta" => {
                let place = (self.output, 0);
                let Some(at) = self.slots.find_shaped(place, Shape::Call) else { return Ok(()) };
                let text = said.text("delta");
                let delta = Delta::Arguments(text.to_owned());
                if text.is_empty() { Ok(()) } else { self.slots.delta(at, delta, None, events) }
            }
            "function_call_arguments.done" => self.arguments(&said, "arguments", events),
            "custom_tool_call_input.done" => self.arguments(&said, "input", events),
            "failed" => {
                self.failed(&response, events);
                Ok(())
            }
            "completed" | "incomplete" | "cancelled" => self.ended(kind, response, events),
            other => self.words(other, said, events),
        }
    }

    /// The item that is spoken of.
    pub(super) const fn output(&self) -> u64 {
        self.output
    }

    fn start(&mut self, response: &Value, events: &mut Vec<Event>) {
        if std::mem::replace(&mut self.has_started, true) {
            return;
        }
        let text = |name: &str| response.get(name).and_then(Value::as_str).unwrap_or_default();
        events.push(Event::Start {
            id: text("id").to_owned(),
            model: text("model").to_owned(),
            created: response.get("created_at").and_then(seconds),
            usage: Usage::default(),
        });
    }

    /// `said` is a failed response or an event `error`.
    fn failed(&mut self, said: &Value, events: &mut Vec<Event>) {
        self.end = End::Failed;
        events.push(Event::Error(error::of_event(said)));
    }

    fn item_added(
        &mut self,
        output: u64,
        item: &Value,
        events: &mut Vec<Event>,
    ) -> Result<(), Garbage> {
        if self.slots.find((output, 0)).is_some() {
            return Ok(());
        }
        let text = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default();
        let shape = match text("type") {
            "message" | "" => return Ok(()),
            "reasoning" => Shape::Thinking,
            "function_call" | "custom_tool_call" => Shape::Call,
            _ => Shape::Block,
        };
        let at = self.slots.add((output, 0), shape)?;
        if let Some(slot) = self.slots.get(at) {
            slot.id = Some(text("id").to_owned()).filter(|id| !id.is_empty());
        }
        if shape == Shape::Call {
            self.has_calls = true;
            let id = if text("call_id").is_empty() { text("id") } else { text("call_id") };
            let start = PartStart::ToolCall {
                id: id.to_owned(),
                name: text("name").to_owned(),
                is_custom: text("type") == "custom_tool_call",
            };
            self.slots.start(at, start, events)?;
        }
        Ok(())
    }

    fn arguments(
        &mut self,
        said: &Said,
        name: &str,
        events: &mut Vec<Event>,
    ) -> Result<(), Garbage> {
        let place = (self.output, 0);
        let Some(at) = self.slots.find_shaped(place, Shape::Call) else { return Ok(()) };
        let text = said.text(name);
        let is_news = self.slots.get(at).is_some_and(|slot| !slot.has_words);
        if is_news && !text.is_empty() {
            self.slots.delta(at, Delta::Arguments(text.to_owned()), None, events)?;
        }
        Ok(())
    }

    pub(super) fn item_done(
        &mut self,
        output: u64,
        item: &Value,
        events: &mut Vec<Event>,
    ) -> Result<(), Garbage> {
        if !self.done.insert(output) {
            return Ok(());
        }
        self.item_added(output, item, events)?;
        let kind = item.get("type").and_then(Value::as_str).unwrap_or_default();
        match kind {
            "message" => {
                let content = item.get("content").and_then(Value::as_array);
                for (index, part) in (0..).zip(content.into_iter().flatten()) {
                    self.part_done((output, index), part, events)?;
                }
            }
            "reasoning" => self.reasoning_done(output, item, events)?,
            "function_call" | "custom_tool_call" => {
                let name = if kind == "function_call" { "arguments" } else { "input" };
                let arguments = item.get(name).and_then(Value::as_str).unwrap_or_default();
                let arguments = items::arguments_of(arguments.to_owned(), name == "input");
                let found = self.slots.find_shaped((output, 0), Shape::Call);
                let news = found.filter(|at| self.slots.get(*at).is_some_and(|s| !s.has_words));
                if let Some(at) = news.filter(|_| !arguments.is_empty()) {
                    self.slots.delta(at, Delta::Arguments(arguments), None, events)?;
                }
            }
            _ => self.block_done(output, item, events)?,
        }
        for at in self.slots.of_item(output) {
            self.slots.end(at, events)?;
        }
        Ok(())
    }

    fn block_done(
        &mut self,
        output: u64,
        item: &Value,
        events: &mut Vec<Event>,
    ) -> Result<(), Garbage> {
        let found = self.slots.find_shaped((output, 0), Shape::Block);
        let Some(at) = found else { return Ok(()) };
        let kind = item.get("type").and_then(Value::as_str).unwrap_or_default();
        let image = answer::image(item).filter(|_| kind == "image_generation_call");
        let start = image.map_or_else(
            || PartStart::Foreign {
                dialect: weir_types::Dialect::OpenAiResponses,
                raw: item.clone(),
            },
            PartStart::Image,
        );
        self.slots.start(at, start, events)
    }

    fn ended(
        &mut self,
        kind: &str,
        mut response: Value,
        events: &mut Vec<Event>,
    ) -> Result<(), Garbage> {
        let output = response.get_mut("output").map(Value::take).unwrap_or_default();
        let list = output.as_array().map(Vec::as_slice).unwrap_or_default();
        for (index, item) in (0..).zip(list) {
            self.item_done(index, item, events)?;
        }
        for at in 0..self.slots.len() {
            let is_bare = self
                .slots
                .get(at)
                .is_some_and(|slot| slot.shape == Shape::Call && !slot.has_words && !slot.is_over);
            if is_bare {
                self.slots.delta(at, Delta::Arguments("{}".to_owned()), None, events)?;
            }
            self.slots.end(at, events)?;
        }
        // The type of the event says more than a status that a host forgot to change.
        if let Value::Object(members) = &mut response {
            members.insert("status".to_owned(), kind.into());
        }
        let finish = answer::finish(&response, self.has_calls, self.has_refusal);
        let ending = Event::ending(0, finish);
        let is_error = matches!(ending, Event::Error(_));
        self.end = if is_error { End::Failed } else { End::Finished };
        events.push(ending);
        if is_error {
            return Ok(());
        }
        if let Some(usage) = response.get("usage").and_then(usage::read) {
            events.push(Event::Usage(usage));
        }
        Ok(())
    }
}
