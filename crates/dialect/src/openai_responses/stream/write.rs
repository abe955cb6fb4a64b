//! Writes a stream: every item added, told and done before the next, every event numbered, the
//! whole response in the last.
//!
//! Texts that follow one another are parts of one message, which stays open until something else
//! begins or the answer ends.

mod deltas;
mod ends;

use serde_json::{Map, Value, json};
use weir_framing::Writer as Out;
use weir_types::{Dialect, Usage};

use crate::format::{Asked, StreamWriter};
use crate::ir::{Event, Finish, Losses, PartStart, Sealed, ToolCall, block_name};
use crate::json;
use crate::openai_responses::answer::{
    Envelope, State, image_item, message_item, refusal, text_part,
};
use crate::openai_responses::items;

/// Writes one stream.
pub(in crate::openai_responses) struct EventWriter {
    envelope: Envelope,
    /// The number of the next event.
    sequence: u64,
    has_started: bool,
    /// Items that are done.
    items: Vec<Value>,
    open: Open,
    finish: Option<Finish>,
    usage: Usage,
    losses: Losses,
}

/// What is being told.
enum Open {
    Nothing,
    Message {
        id: String,
        content: Vec<Value>,
        part: Option<Words>,
    },
    Thinking {
        id: String,
        has_begun: bool,
        text: String,
        encrypted: Option<String>,
    },
    /// `is_held`: the tool takes plain text and is called with JSON; both are told at the end.
    Call {
        id: String,
        call: ToolCall,
        is_held: bool,
    },
}

/// A part of a message.
struct Words {
    is_refusal: bool,
    text: String,
    annotations: Vec<Value>,
    logprobs: Vec<Value>,
}

impl Words {
    fn written(&self) -> Value {
        if self.is_refusal {
            refusal(&self.text)
        } else {
            text_part(&self.text, &self.annotations, &self.logprobs)
        }
    }
}

impl StreamWriter for EventWriter {
    fn write(&mut self, event: Event, out: &mut Out) {
        match event {
            Event::Start { model, created, usage, .. } => {
                self.envelope.is_of(&model, created);
                self.usage.update(&usage);
                self.begin(out);
            }
            Event::PartStart { choice: 0, start, .. } => {
                self.begin(out);
                self.part_start(start, out);
            }
            Event::Delta { choice: 0, delta, logprobs, .. } => {
                self.delta(delta, logprobs.as_ref(), out);
            }
            Event::PartEnd { choice: 0, .. } => self.part_end(out),
            Event::Finish { choice: 0, finish } => {
                let lost = finish.stop_sequence.is_some();
                self.losses.add_if(lost, "stop_sequence", "the client's format does not say it");
                self.finish = Some(finish);
            }
            Event::PartStart { .. }
            | Event::Delta { .. }
            | Event::PartEnd { .. }
            | Event::Finish { .. } => {
                self.losses.add("choices", "the client's format has one answer only");
            }
            Event::Usage(usage) => self.usage.update(&usage),
            Event::Error(_) => {}
            Event::End => self.end(out),
        }
    }

    fn losses(&mut self) -> Losses {
        std::mem::take(&mut self.losses)
    }
}

impl EventWriter {
    /// A writer for the client that asked as `asked` says.
    pub(in crate::openai_responses) fn new(asked: &Asked<'_>) -> Self {
        Self {
            envelope: Envelope::new(asked),
            sequence: 0,
            has_started: false,
            items: Vec::new(),
            open: Open::Nothing,
            finish: None,
            usage: Usage::default(),
            losses: Losses::default(),
        }
    }

    /// Writes one event with its number.
    fn tell(&mut self, kind: &str, members: Value, out: &mut Out) {
        let name = format!("response.{kind}");
        let mut event = Map::new();
        event.insert("type".to_owned(), json!(name));
        event.insert("sequence_number".to_owned(), json!(self.sequence));
        if let Value::Object(members) = members {
            event.extend(members);
        }
        self.sequence += 1;
        out.event(&name, &json::object(&event));
    }

    /// The place of the item that is being told.
    fn at(&self) -> usize {
        self.items.len()
    }

    fn id(&self, prefix: &str) -> String {
        self.envelope.item_id(prefix, self.at())
    }

    fn begin(&mut self, out: &mut Out) {
        if std::mem::replace(&mut self.has_started, true) {
            return;
        }
        for kind in ["created", "in_progress"] {
            let response = self.envelope.document(State::InProgress, &[], &Usage::default());
            self.tell(kind, json!({ "response": response }), out);
        }
    }

    fn end(&mut self, out: &mut Out) {
        self.begin(out);
        self.part_end(out);
        let finish = self.finish.take();
        let state = State::Ended(finish.as_ref());
        self.close(state.item(), out);
        let response = self.envelope.document(state, &self.items, &self.usage);
        self.tell(state.word(), json!({ "response": response }), out);
    }

    fn part_start(&mut self, start: PartStart, out: &mut Out) {
        if !matches!(start, PartStart::Text | PartStart::Refusal) {
            self.close("completed", out);
        }
        match start {
            PartStart::Text => self.words(false, out),
            PartStart::Refusal => self.words(true, out),
            PartStart::Thinking { id, .. } => {
                let id = id.filter(|id| id.starts_with("rs_")).unwrap_or_else(|| self.id("rs"));
                self.open =
                    Open::Thinking { id, has_begun: false, text: String::new(), encrypted: None };
            }
            PartStart::Redacted(sealed) => {
                if let Some(data) = self.own(sealed) {
                    let item = items::reasoning(Some(&self.id("rs")), "", Some(&data));
                    self.whole(item, out);
                }
            }
            PartStart::ToolCall { id, name, is_custom } => self.call(id, name, is_custom, out),
            PartStart::Audio { .. } => {
                self.losses.add("audio", "the client's format has no such output");
            }
            PartStart::Image(media) => {
                let id = self.id("ig");
                if let Some(item) = image_item(&id, &media.source, &mut self.losses) {
                    self.whole(item, out);
                }
            }
            PartStart::Foreign { dialect: Dialect::OpenAiResponses, raw } => self.whole(raw, out),
            PartStart::Foreign { raw, .. } => {
                self.losses
                    .add(block_name(&raw).to_owned(), "the client's format has no such block");
            }
        }
    }

    /// What was encrypted by this format's provider; a loss if it was another.
    fn own(&mut self, sealed: Sealed) -> Option<String> {
        let is_own = sealed.origin == Dialect::OpenAiResponses;
        self.losses.add_if(!is_own, "thinking.signature", "only its maker can read it");
        is_own.then_some(sealed.data)
    }

    /// An item that is complete at once.
    fn whole(&mut self, item: Value, out: &mut Out) {
        let at = self.at();
        self.tell("output_item.added", json!({ "output_index": at, "item": item }), out);
        self.done(item, out);
    }

    fn done(&mut self, item: Value, out: &mut Out) {
        let at = self.at();
        self.tell("output_item.done", json!({ "output_index": at, "item": item }), out);
        self.items.push(item);
    }

    /// Begins a part of a message, and the message if none is open.
    fn words(&mut self, is_refusal: bool, out: &mut Out) {
        if !matches!(self.open, Open::Message { .. }) {
            self.close("completed", out);
            let id = self.id("msg");
            let item = message_item(&id, "in_progress", &[]);
            let at = self.at();
            self.tell("output_item.added", json!({ "output_index": at, "item": item }), out);
            self.open = Open::Message { id, content: Vec::new(), part: None };
        }
        let Open::Message { id, content, part } = &mut self.open else { return };
        let words = Words {
            is_refusal,
            text: String::new(),
            annotations: Vec::new(),
            logprobs: Vec::new(),
        };
        let members = json!({
            "item_id": id, "output_index": self.items.len(), "content_index": content.len(),
            "part": words.written(),
        });
        *part = Some(words);
        self.tell("content_part.added", members, out);
    }

    fn call(&mut self, call_id: String, name: String, is_custom: bool, out: &mut Out) {
        let is_held = !is_custom && self.envelope.is_custom(&name);
        let is_custom = is_custom || is_held;
        let call_id = if call_id.is_empty() { self.id("call") } else { call_id };
        let call =
            ToolCall { id: call_id, name, arguments: String::new(), is_custom, signature: None };
        let id = self.id(if is_custom { "ctc" } else { "fc" });
        let status = (!is_custom).then_some("in_progress");
        let item = items::write_call(Some(&id), &call, status);
        let at = self.at();
        self.tell("output_item.added", json!({ "output_index": at, "item": item }), out);
        self.open = Open::Call { id, call, is_held };
    }
}

/// What the events and the member are called that hold a call's arguments.
const fn argument_names(is_custom: bool) -> (&'static str, &'static str) {
    if is_custom {
        ("custom_tool_call_input", "input")
    } else {
        ("function_call_arguments", "arguments")
    }
}
