//! Reads one answer of a stream: which parts its deltas make.
//!
//! Parts come one after the other, although hosts mix the pieces of parallel calls: one part is
//! open and the others wait in a queue. A call is complete when its arguments are a whole JSON
//! value and something else follows; any other part when something else follows.

use std::collections::VecDeque;

use serde_json::{Map, Value};

use super::part::{Key, Waiting};
use crate::fault::Garbage;
use crate::ir::{Delta, Event, Finish, FinishReason, PartStart};
use crate::openai_chat::answer::read::{Chunk, chunk, picture};
use crate::openai_chat::{call, finish, reasoning};

/// Parts of one answer, more than any model makes.
const PARTS_MAX: u32 = 16_384;
/// Calls of one answer, more than any host gives.
const CALLS_MAX: usize = 1024;
/// Bytes that may wait for an earlier part to end.
const HELD_BYTES_MAX: usize = 8 << 20;

/// One answer of a stream.
#[derive(Debug)]
pub(super) struct Choice {
    index: u32,
    /// The number of the part at the head of the queue.
    number: u32,
    /// The first is open, the others wait.
    queue: VecDeque<Waiting>,
    /// Calls that are complete.
    closed: Vec<Key>,
    has_calls: bool,
    held: usize,
    has_refusal: bool,
    finish: Option<Finish>,
}

impl Choice {
    pub(super) const fn new(index: u32) -> Self {
        Self {
            index,
            number: 0,
            queue: VecDeque::new(),
            closed: Vec::new(),
            has_calls: false,
            held: 0,
            has_refusal: false,
            finish: None,
        }
    }

    pub(super) const fn has_finished(&self) -> bool {
        self.finish.is_some()
    }

    pub(super) fn take_finish(&mut self) -> Option<Finish> {
        let mut finish = self.finish.take()?;
        finish.reason = finish.reason.with_calls(self.has_calls);
        if finish.reason == FinishReason::Stop && self.has_refusal {
            finish.reason = FinishReason::Refusal;
        }
        Some(finish)
    }

    /// Reads what a chunk says of this answer.
    pub(super) fn read(
        &mut self,
        mut entry: Map<String, Value>,
        events: &mut Vec<Event>,
    ) -> Result<(), Garbage> {
        let logprobs = entry.shift_remove("logprobs").filter(|found| !found.is_null());
        // Some hosts end a stream with a whole message; it repeats what the deltas have said.
        if let Some(Value::Object(delta)) = entry.shift_remove("delta") {
            self.delta(delta, logprobs, events);
        }
        let word = entry.get("finish_reason").and_then(Value::as_str);
        if let Some(word) = word.filter(|word| !word.is_empty()) {
            let stop_text = entry.get("stop_reason").and_then(Value::as_str);
            let read = finish::read(word, stop_text);
            // A later plain stop takes nothing back.
            if self.finish.is_none() || read.reason != FinishReason::Stop {
                self.finish = Some(read);
            }
        }
        self.check()
    }

    /// Takes more of the text, where a chunk says nothing else of this answer.
    pub(super) fn text(&mut self, text: String, events: &mut Vec<Event>) -> Result<(), Garbage> {
        self.add(Key::Text, Delta::Text(text), None, events);
        self.check()
    }

    fn check(&self) -> Result<(), Garbage> {
        if self.number > PARTS_MAX || self.held > HELD_BYTES_MAX || self.has_too_many() {
            return Err(Garbage("a stream mixes more parts than can be put in order"));
        }
        Ok(())
    }

    fn has_too_many(&self) -> bool {
        self.queue.len() + self.closed.len() > CALLS_MAX
    }

    fn delta(
        &mut self,
        mut delta: Map<String, Value>,
        logprobs: Option<Value>,
        events: &mut Vec<Event>,
    ) {
        self.thoughts(&mut delta, events);
        let mut logprobs = logprobs;
        match delta.shift_remove("content") {
            Some(Value::String(text)) if !text.is_empty() || logprobs.is_some() => {
                self.add(Key::Text, Delta::Text(text), logprobs.take(), events);
            }
            Some(Value::Array(chunks)) => {
                for said in chunks.iter().filter_map(chunk) {
                    let (key, text) = match said {
                        Chunk::Text(text) => (Key::Text, text),
                        Chunk::Thinking(text) => (Key::words(), text),
                    };
                    self.add(key, Delta::Text(text), None, events);
                }
            }
            _ => {}
        }
        for annotation in list(delta.shift_remove("annotations")) {
            self.add(Key::Text, Delta::Annotation(annotation), None, events);
        }
        if let Some(Value::String(words)) = delta.shift_remove("refusal")
            && !words.is_empty()
        {
            self.has_refusal = true;
            self.add(Key::Refusal, Delta::Text(words), logprobs.take(), events);
        }
        if let Some(Value::Object(sound)) = delta.shift_remove("audio") {
            self.sound(sound, events);
        }
        for image in list(delta.shift_remove("images")).iter().filter_map(picture) {
            let media = crate::ir::Media { source: image.source, media_type: None };
            self.push(Waiting::whole(PartStart::Image(media)), events);
        }
        for called in list(delta.shift_remove("tool_calls")) {
            if let Value::Object(called) = called
                && !self.has_too_many()
            {
                self.call(called, events);
            }
        }
        if let Some(function @ Value::Object(_)) = delta.shift_remove("function_call") {
            // The older form: there is one, and it has no id.
            let index = Value::from(u32::MAX);
            let members = [("index".to_owned(), index), ("function".to_owned(), function)];
            self.call(Map::from_iter(members), events);
        }
    }

    fn thoughts(&mut self, delta: &mut Map<String, Value>, events: &mut Vec<Event>) {
        let words = ["reasoning_content", "reasoning"].map(|name| delta.shift_remove(name));
        let mut has_words = false;
        let details = list(delta.shift_remove("reasoning_details"));
        for detail in details {
            let at = detail.get("index").and_then(Value::as_u64);
            let Some(block) = reasoning::block(detail) else { continue };
            if let Some(sealed) = block.redacted {
                self.push(Waiting::whole(PartStart::Redacted(sealed)), events);
                continue;
            }
            let key = Key::Thinking { at, is_summary: block.is_summary };
            if !block.text.is_empty() {
                has_words = true;
                self.add(key.clone(), Delta::Text(block.text), None, events);
            } else if !has_words {
                // Only the signature: the words may stand beside it.
                has_words = self.plain_words(&words, events);
            }
            if let Some(sealed) = block.signature {
                let open = self.queue.back_mut().filter(|part| part.takes_signature());
                let key = open.map_or(key, |part| part.key.clone());
                self.add(key, Delta::Signature(sealed), None, events);
            }
        }
        if !has_words {
            self.plain_words(&words, events);
        }
    }

    fn plain_words(&mut self, words: &[Option<Value>], events: &mut Vec<Event>) -> bool {
        let said = words.iter().flatten().find_map(|words| match words {
            Value::String(text) if !text.is_empty() => Some(text),
            _ => None,
        });
        if let Some(text) = said {
            self.add(Key::words(), Delta::Text(text.clone()), None, events);
        }
        said.is_some()
    }

    fn sound(&mut self, mut sound: Map<String, Value>, events: &mut Vec<Event>) {
        let mut take = |name: &str| match sound.shift_remove(name) {
            Some(Value::String(text)) if !text.is_empty() => Some(text),
            _ => None,
        };
        let (id, data, transcript) = (take("id"), take("data"), take("transcript"));
        if let Some(data) = data {
            self.add(Key::Audio { id: id.clone() }, Delta::Audio(data), None, events);
        }
        if let Some(transcript) = transcript {
            self.add(Key::Audio { id }, Delta::Transcript(transcript), None, events);
        }
    }

    /// A piece of a call: most hosts number calls, some name them, some do neither.
    fn call(&mut self, mut called: Map<String, Value>, events: &mut Vec<Event>) {
        let index = called.get("index").and_then(Value::as_u64);
        let text = |of: &Map<String, Value>, name: &str| match of.get(name) {
            Some(Value::String(text)) => text.clone(),
            _ => String::new(),
        };
        let id = text(&called, "id");
        let (body, is_custom) =
            match (called.shift_remove("custom"), called.shift_remove("function")) {
                (Some(Value::Object(custom)), _) => (custom, true),
                (_, Some(Value::Object(function))) => (function, false),
                _ => (Map::new(), false),
            };
        let name = text(&body, "name");
        let piece = match body.get(if is_custom { "input" } else { "arguments" }) {
            Some(Value::String(piece)) => piece.clone(),
            None | Some(Value::Null) => String::new(),
            Some(whole) => whole.to_string(),
        };
        let known = self.known(index, &id, &name, !piece.is_empty());
        if known.is_none() && name.is_empty() && (index.is_none() || self.is_closed(index, &id)) {
            // A complete call needs no more: some hosts repeat the whole at the end.
            return;
        }
        let at = known.unwrap_or_else(|| {
            self.queue.push_back(Waiting::call(index, is_custom));
            self.queue.len() - 1
        });
        let is_open = at == 0;
        let Some(part) = self.queue.get_mut(at) else { return };
        part.name_call(id, name);
        let mut pieces = Vec::new();
        if !piece.is_empty() {
            pieces.push(Delta::Arguments(piece));
        }
        let sealed = called.get("extra_content").and_then(call::signature);
        pieces.extend(sealed.map(Delta::Signature));
        for piece in pieces {
            self.held += if is_open { 0 } else { part.weight(&piece) };
            part.hold(piece, None);
        }
        self.advance(events);
    }

    /// Where in the queue the call is that a piece belongs to.
    fn known(&self, index: Option<u64>, id: &str, name: &str, has_piece: bool) -> Option<usize> {
        let calls = || self.queue.iter().enumerate().filter(|(_, part)| part.is_call()).rev();
        let Some(index) = index else {
            if !id.is_empty() {
                return calls().find(|(_, part)| part.has_id(id)).map(|(at, _)| at);
            }
            // A name begins a call; a piece without either goes on with the last.
            return calls().next().filter(|_| name.is_empty()).map(|(at, _)| at);
        };
        let (at, part) = calls().find(|(_, part)| part.has_index(index))?;
        // One number for every call: a new id with a name, or a name after whole arguments.
        let is_another = !name.is_empty()
            && part.is_named()
            && if id.is_empty() { has_piece && part.is_whole() } else { !part.has_id(id) };
        (!is_another).then_some(at)
    }

    fn is_closed(&self, index: Option<u64>, id: &str) -> bool {
        self.closed.iter().any(|key| match key {
            Key::Call { index: Some(other), .. } if index.is_some() => Some(*other) == index,
            Key::Call { id: named, .. } => !id.is_empty() && named == id,
            _ => false,
        })
    }

    /// Adds to the last part, if it is of this kind, or begins another.
    fn add(&mut self, key: Key, delta: Delta, logprobs: Option<Value>, events: &mut Vec<Event>) {
        if self.queue.back().is_none_or(|part| !part.goes_on_with(&key, &delta)) {
            self.queue.push_back(Waiting::new(key));
        }
        let is_open = self.queue.len() == 1;
        if let Some(part) = self.queue.back_mut() {
            self.held += if is_open { 0 } else { part.weight(&delta) };
            part.hold(delta, logprobs);
        }
        self.advance(events);
    }

    fn push(&mut self, part: Waiting, events: &mut Vec<Event>) {
        self.queue.push_back(part);
        self.advance(events);
    }

    /// Says what the open part holds; ends it if another waits and it is complete.
    fn advance(&mut self, events: &mut Vec<Event>) {
        loop {
            let others = self.queue.len().saturating_sub(1);
            let Some(open) = self.queue.front_mut() else { return };
            open.say(self.index, self.number, events);
            if others == 0 || !open.may_end() {
                return;
            }
            self.end(events);
        }
    }

    fn end(&mut self, events: &mut Vec<Event>) {
        let Some(mut part) = self.queue.pop_front() else { return };
        let has_been = part.end(self.index, self.number, events);
        if has_been {
            self.number = self.number.saturating_add(1);
        }
        if part.is_call() {
            self.has_calls |= has_been;
            self.closed.push(part.key);
        }
        if self.queue.len() <= 1 {
            self.held = 0;
        }
    }

    /// The stream has ended: every part does.
    pub(super) fn settle(&mut self, events: &mut Vec<Event>) {
        while let Some(open) = self.queue.front_mut() {
            open.say(self.index, self.number, events);
            self.end(events);
        }
    }
}

fn list(value: Option<Value>) -> Vec<Value> {
    match value {
        Some(Value::Array(list)) => list,
        _ => Vec::new(),
    }
}
