//! Reads a stream: chunks in, parts out.
//!
//! Chunks say what is added and not where a part begins or ends; [`super::choice`] works that out
//! for each of the answers. Finish reasons and usage are held to the end, because hosts repeat and
//! mend them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use weir_framing::Frame;
use weir_types::Usage;

use super::choice::Choice;
use crate::fault::Garbage;
use crate::format::{ErrorBody, StreamReader};
use crate::ir::{Error, ErrorKind, Event};
use crate::json;
use crate::openai_chat::{error, usage};

/// More answers than any host gives.
const CHOICES_MAX: u32 = 256;

/// A reader at the start of a stream.
#[derive(Debug, Default)]
pub(in crate::openai_chat) struct Reader {
    has_begun: bool,
    has_failed: bool,
    choices: BTreeMap<u32, Choice>,
    usage: Option<Usage>,
}

impl StreamReader for Reader {
    fn read(&mut self, frame: &Frame<'_>, events: &mut Vec<Event>) -> Result<(), Garbage> {
        let data = frame.data.as_deref().unwrap_or_default().trim_ascii();
        if data.is_empty() || data == b"[DONE]" || self.has_failed {
            return Ok(());
        }
        let is_error = frame.is_exception || frame.name == b"error";
        if !is_error && self.has_begun && self.text(data, events)? {
            return Ok(());
        }
        let document = match json::read(data) {
            Ok(Value::Object(document)) => document,
            _ if is_error => {
                self.fail(ErrorBody::default(), String::from_utf8_lossy(data).into_owned(), events);
                return Ok(());
            }
            _ => return Err(Garbage::NOT_AN_OBJECT),
        };
        let says = |name: &str| document.get(name).is_some_and(|value| !is_nothing(value));
        let is_error =
            is_error || says("error") || document.get("object").is_some_and(|o| o == "error");
        if is_error {
            self.fail(error::read(data), String::new(), events);
            return Ok(());
        }
        self.chunk(document, events)
    }

    fn finish(&mut self, events: &mut Vec<Event>) -> Result<(), Garbage> {
        if self.has_failed {
            return Ok(());
        }
        if self.choices.is_empty() || !self.choices.values().all(Choice::has_finished) {
            return Err(Garbage::ENDS_EARLY);
        }
        for choice in self.choices.values_mut() {
            choice.settle(events);
        }
        for (index, choice) in &mut self.choices {
            let Some(finish) = choice.take_finish() else { continue };
            events.push(Event::ending(*index, finish));
            if matches!(events.last(), Some(Event::Error(_))) {
                self.has_failed = true;
                return Ok(());
            }
        }
        events.extend(self.usage.take().map(Event::Usage));
        events.push(Event::End);
        Ok(())
    }
}

/// Whether a value is there but says nothing.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}

impl Reader {
    fn fail(&mut self, body: ErrorBody, words: String, events: &mut Vec<Event>) {
        self.has_failed = true;
        let status = body.status.unwrap_or(0);
        let kind = match body.kind.as_str() {
            "rate_limit_error" | "rate_limit_exceeded" => ErrorKind::RateLimited,
            "insufficient_quota" => ErrorKind::QuotaExhausted,
            "invalid_request_error" => ErrorKind::InvalidRequest,
            "authentication_error" => ErrorKind::Authentication,
            "overloaded_error" => ErrorKind::Overloaded,
            _ => ErrorKind::of_status(status),
        };
        let said = |text: String| Some(text).filter(|text| !text.is_empty());
        events.push(Event::Error(Error {
            kind,
            label: body.kind,
            code: said(body.code),
            param: said(body.param),
            ..Error::new(status, if body.message.is_empty() { words } else { body.message })
        }));
    }

    /// Reads a chunk that does nothing but add text, without building values; whether it was one.
    fn text(&mut self, data: &[u8], events: &mut Vec<Event>) -> Result<bool, Garbage> {
        let chunk: Option<super::Chunk<'_>> = json::read(data).ok();
        let Some((index, text)) = chunk.and_then(|chunk| chunk.plain_text()) else {
            return Ok(false);
        };
        let Some(choice) = self.choices.get_mut(&index) else { return Ok(false) };
        choice.text(text, events)?;
        Ok(true)
    }

    fn chunk(
        &mut self,
        mut document: Map<String, Value>,
        events: &mut Vec<Event>,
    ) -> Result<(), Garbage> {
        let list = match document.shift_remove("choices") {
            Some(Value::Array(list)) => list,
            _ => Vec::new(),
        };
        let counts = document.get("usage").and_then(usage::of);
        if let Some(counts) = counts {
            self.usage.get_or_insert_default().update(&counts);
        }
        if list.is_empty() {
            return Ok(());
        }
        if !self.has_begun {
            self.has_begun = true;
            events.push(start(&document));
        }
        for (at, entry) in list.into_iter().enumerate() {
            let Value::Object(entry) = entry else { continue };
            let said = entry.get("index").and_then(Value::as_u64);
            let index = said.unwrap_or_else(|| u64::try_from(at).unwrap_or(u64::MAX));
            let index = u32::try_from(index).ok().filter(|index| *index < CHOICES_MAX);
            let index = index.ok_or(Garbage("a stream has more answers than any host gives"))?;
            self.choices.entry(index).or_insert_with(|| Choice::new(index)).read(entry, events)?;
        }
        Ok(())
    }
}

fn start(document: &Map<String, Value>) -> Event {
    let text = |name: &str| document.get(name).and_then(Value::as_str).unwrap_or_default();
    Event::Start {
        id: text("id").to_owned(),
        model: text("model").to_owned(),
        created: document.get("created").and_then(Value::as_u64),
        usage: Usage::default(),
    }
}
