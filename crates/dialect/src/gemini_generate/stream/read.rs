//! A stream, read. Google has no parts that begin and end: a part goes on while pieces of its kind
//! come. What ends the answer is said when the stream is over, because pieces may follow the finish
//! reason.

use serde_json::Value;
use weir_framing::Frame;
use weir_types::Usage;

use super::super::answer::{annotations, is_blocked, read_logprobs};
use super::super::calls::Calls;
use super::super::{camel, error, finish, parts};
use super::partial::Partial;
use crate::fault::{Garbage, RequestFault};
use crate::fields::Fields;
use crate::format::StreamReader;
use crate::ir::{Delta, Event, Finish, FinishReason, Part, PartBody, PartStart};
use crate::json;

/// More answers at once than Google gives.
const CHOICES_MAX: usize = 128;
/// Of a text, as much is kept as is needed to say which characters a citation speaks of.
const TEXT_BYTES_MAX: usize = 1 << 20;

const ODD_SHAPE: Garbage = Garbage("an event is not an answer of Gemini");

/// The reader.
#[derive(Debug, Default)]
pub(in super::super) struct Reader {
    has_begun: bool,
    has_failed: bool,
    calls: Calls,
    usage: Usage,
    choices: Vec<Choice>,
}

#[derive(Debug, Default)]
struct Choice {
    index: u32,
    /// The number of the next part.
    next: u32,
    open: Option<Open>,
    has_calls: bool,
    partial: Option<Partial>,
    /// Google's word for the end.
    word: String,
    is_blocked: bool,
    /// The text so far.
    text: String,
}

/// What the part is that goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Text,
    Thinking,
}

impl StreamReader for Reader {
    fn read(&mut self, frame: &Frame<'_>, events: &mut Vec<Event>) -> Result<(), Garbage> {
        let Some(data) = frame.data.as_deref() else { return Ok(()) };
        if self.has_failed || data.trim_ascii() == b"[DONE]" {
            return Ok(());
        }
        let document: Value = json::read(data).map_err(|_| Garbage::NOT_AN_OBJECT)?;
        let document = match document {
            Value::Array(list) => list.into_iter().next().ok_or(Garbage::NOT_AN_OBJECT)?,
            other => other,
        };
        if document.get("error").is_some_and(|error| !error.is_null()) {
            self.has_failed = true;
            events.push(Event::Error(error::of_event(&document)));
            return Ok(());
        }
        let fields = camel::fields(document, "").map_err(|_| Garbage::NOT_AN_OBJECT)?;
        self.document(fields, events).map_err(|_| ODD_SHAPE)
    }

    fn finish(&mut self, events: &mut Vec<Event>) -> Result<(), Garbage> {
        if self.has_failed {
            return Ok(());
        }
        let mut finishes = Vec::new();
        for choice in &mut self.choices {
            choice.end_partial(&mut self.calls, events);
            choice.close(events);
            let Some(finish) = choice.finish() else { return Err(Garbage::ENDS_EARLY) };
            finishes.push(Event::ending(choice.index, finish));
        }
        let failure = finishes.iter().position(|event| matches!(event, Event::Error(_)));
        if let Some(at) = failure {
            self.has_failed = true;
            events.push(finishes.swap_remove(at));
            return Ok(());
        }
        if finishes.is_empty() {
            return Err(Garbage::ENDS_EARLY);
        }
        events.extend(finishes);
        if !self.usage.is_empty() {
            events.push(Event::Usage(self.usage));
        }
        events.push(Event::End);
        Ok(())
    }
}

impl Reader {
    fn document(
        &mut self,
        mut fields: Fields,
        events: &mut Vec<Event>,
    ) -> Result<(), RequestFault> {
        if let Some(metadata) = fields.any("usageMetadata") {
            self.usage.update(&finish::usage(&metadata));
        }
        if !self.has_begun {
            self.has_begun = true;
            let id = fields.text("responseId")?.unwrap_or_default();
            let model = fields.text("modelVersion")?.unwrap_or_default();
            self.calls = Calls::of_answer(&id);
            events.push(Event::Start { id, model, created: None, usage: self.usage });
        }
        let candidates = camel::many(&mut fields, "candidates");
        if candidates.is_empty() && fields.peek("promptFeedback").is_some_and(is_blocked) {
            self.choice(0, &fields)?.is_blocked = true;
        }
        for (at, (path, value)) in candidates.into_iter().enumerate() {
            let mut candidate = camel::fields(value, path)?;
            let index = candidate.count("index")?.unwrap_or(at as u64);
            let index =
                u32::try_from(index).map_err(|_| candidate.wrong("index", "is too large"))?;
            let mut calls = std::mem::take(&mut self.calls);
            let result = self
                .choice(index, &candidate)
                .and_then(|choice| choice.read(candidate, &mut calls, events));
            self.calls = calls;
            result?;
        }
        Ok(())
    }

    /// The answer `index`.
    fn choice(&mut self, index: u32, fields: &Fields) -> Result<&mut Choice, RequestFault> {
        if let Some(at) = self.choices.iter().position(|choice| choice.index == index) {
            return self.choices.get_mut(at).ok_or_else(|| fields.wrong("index", "is odd"));
        }
        if self.choices.len() >= CHOICES_MAX {
            return Err(fields.wrong("index", "is one too many"));
        }
        self.choices.push(Choice { index, ..Choice::default() });
        self.choices.last_mut().ok_or_else(|| fields.wrong("index", "is odd"))
    }
}

impl Choice {
    fn read(
        &mut self,
        mut candidate: Fields,
        calls: &mut Calls,
        events: &mut Vec<Event>,
    ) -> Result<(), RequestFault> {
        if let Some(word) = candidate.text("finishReason")?.filter(|word| !word.is_empty()) {
            self.word = word;
        }
        let mut logprobs = candidate.any("logprobsResult").as_ref().and_then(read_logprobs);
        if let Some(mut content) = camel::object(&mut candidate, "content")? {
            for (path, value) in camel::many(&mut content, "parts") {
                if self.partial(&value, calls, events)? {
                    continue;
                }
                self.end_partial(calls, events);
                let mut out = Vec::new();
                parts::read(value, path, calls, &mut out)?;
                for part in out {
                    self.part(part, &mut logprobs, events);
                }
            }
        }
        let rest = candidate.rest();
        let has_sources =
            ["groundingMetadata", "citationMetadata"].iter().any(|name| rest.contains_key(*name));
        if has_sources && self.open == Some(Open::Text) {
            for found in annotations(&Value::Object(rest), &self.text, 0) {
                self.delta(Delta::Annotation(found), None, events);
            }
        }
        Ok(())
    }

    /// Takes a piece of a call that comes in pieces; false if it is none.
    fn partial(
        &mut self,
        value: &Value,
        calls: &mut Calls,
        events: &mut Vec<Event>,
    ) -> Result<bool, RequestFault> {
        let call = value.get("functionCall").or_else(|| value.get("function_call"));
        let Some(call) = call else { return Ok(false) };
        let mut call = camel::fields(call.clone(), "functionCall")?;
        let goes_on = call.flag("willContinue")? == Some(true);
        let pieces = call.list("partialArgs")?;
        let name = call.text("name")?.filter(|name| !name.is_empty());
        if !goes_on && pieces.is_empty() && (self.partial.is_none() || name.is_some()) {
            return Ok(false);
        }
        if name.is_some() {
            self.end_partial(calls, events);
        }
        let partial = self.partial.get_or_insert_default();
        partial.name.extend(name);
        partial.id = call.text("id")?.or_else(|| partial.id.take());
        let signature = value.get("thoughtSignature").and_then(Value::as_str);
        partial.signature = signature.map(str::to_owned).or_else(|| partial.signature.take());
        if let Some(args) = call.object("args")? {
            partial.merge(args.rest());
        }
        pieces.iter().for_each(|piece| partial.add(piece));
        if !goes_on {
            self.end_partial(calls, events);
        }
        Ok(true)
    }

    fn end_partial(&mut self, calls: &mut Calls, events: &mut Vec<Event>) {
        let Some(partial) = self.partial.take() else { return };
        let arguments = partial.arguments();
        let id = calls.call(partial.id, &partial.name);
        self.call(id, partial.name, arguments, partial.signature, events);
    }

    fn part(&mut self, part: Part, logprobs: &mut Option<Value>, events: &mut Vec<Event>) {
        match part.body {
            PartBody::Text { text, .. } => {
                self.open(Open::Text, PartStart::Text, events);
                if self.text.len() + text.len() <= TEXT_BYTES_MAX {
                    self.text.push_str(&text);
                }
                self.delta(Delta::Text(text), logprobs.take(), events);
            }
            PartBody::Thinking(thinking) => {
                let start = PartStart::Thinking { id: None, is_summary: true };
                if thinking.text.is_empty() && self.open == Some(Open::Text) {
                    // A signature alone belongs to the text before it and ends it.
                    self.close(events);
                }
                self.open(Open::Thinking, start, events);
                if !thinking.text.is_empty() {
                    self.delta(Delta::Text(thinking.text), None, events);
                }
                if let Some(signature) = thinking.signature {
                    self.delta(Delta::Signature(signature), None, events);
                    self.close(events);
                }
            }
            PartBody::ToolCall(call) => {
                let signature = call.signature.map(|sealed| sealed.data);
                self.call(call.id, call.name, call.arguments, signature, events);
            }
            PartBody::Image(image) => {
                let media_type = None;
                let media = crate::ir::Media { source: image.source, media_type };
                self.whole(PartStart::Image(media), None, events);
            }
            PartBody::Audio(media) => {
                let crate::ir::Source::Base64 { data, .. } = media.source else { return };
                self.whole(PartStart::Audio { id: None }, Some(Delta::Audio(data)), events);
            }
            PartBody::Foreign { dialect, raw } => {
                self.whole(PartStart::Foreign { dialect, raw }, None, events);
            }
            _ => {}
        }
    }

    fn call(
        &mut self,
        id: String,
        name: String,
        arguments: String,
        signature: Option<String>,
        events: &mut Vec<Event>,
    ) {
        self.has_calls = true;
        self.close(events);
        let (choice, part) = (self.index, self.next);
        let start = PartStart::ToolCall { id, name, is_custom: false };
        let delta = |delta| Event::Delta { choice, part, delta, logprobs: None };
        events.push(Event::PartStart { choice, part, start });
        events.extend(signature.map(|data| delta(Delta::Signature(parts::seal(data)))));
        events.push(delta(Delta::Arguments(arguments)));
        events.push(Event::PartEnd { choice, part });
        self.next += 1;
    }

    /// A part that comes in one piece.
    fn whole(&mut self, start: PartStart, delta: Option<Delta>, events: &mut Vec<Event>) {
        self.close(events);
        let (choice, part) = (self.index, self.next);
        events.push(Event::PartStart { choice, part, start });
        events.extend(delta.map(|delta| Event::Delta { choice, part, delta, logprobs: None }));
        events.push(Event::PartEnd { choice, part });
        self.next += 1;
    }

    /// Begins a part of this kind, unless one is going on.
    fn open(&mut self, kind: Open, start: PartStart, events: &mut Vec<Event>) {
        if self.open == Some(kind) {
            return;
        }
        self.close(events);
        self.text.clear();
        self.open = Some(kind);
        events.push(Event::PartStart { choice: self.index, part: self.next, start });
    }

    fn delta(&self, delta: Delta, logprobs: Option<Value>, events: &mut Vec<Event>) {
        events.push(Event::Delta { choice: self.index, part: self.next, delta, logprobs });
    }

    fn close(&mut self, events: &mut Vec<Event>) {
        if self.open.take().is_some() {
            events.push(Event::PartEnd { choice: self.index, part: self.next });
            self.next += 1;
        }
    }

    fn finish(&self) -> Option<Finish> {
        if self.is_blocked && self.word.is_empty() {
            return Some(Finish::new(FinishReason::ContentFilter));
        }
        finish::read(&self.word, self.has_calls)
    }
}
