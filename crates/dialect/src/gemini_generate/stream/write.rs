//! A stream, written: every event an answer that holds what is new, the last with the finish
//! reasons and the tokens.

use serde_json::{Map, Value, json};
use weir_framing::Writer;
use weir_types::{Dialect, Usage};

use super::super::answer::{grounding, write_logprobs};
use super::super::finish;
use super::super::media::{self, Place};
use super::super::parts::arguments;
use crate::format::{Asked, StreamWriter};
use crate::ir::{Delta, Event, Finish, FinishReason, Losses, PartStart, Sealed, ToolCall};
use crate::json;

/// Arguments of one call that are longer are cut off; no event may be longer either.
const ARGUMENTS_BYTES_MAX: usize = 1 << 20;

/// The writer.
#[derive(Debug)]
pub(in super::super) struct EventWriter {
    id: String,
    model: String,
    usage: Usage,
    open: Vec<(u32, Open)>,
    finished: Vec<(u32, Finish)>,
    /// Sources of each answer's texts.
    sources: Vec<(u32, Vec<Value>)>,
    losses: Losses,
}

/// The part of a choice that goes on.
#[derive(Debug)]
enum Open {
    Text,
    Thinking {
        /// Some of it is in words.
        has_text: bool,
    },
    Call {
        call: ToolCall,
        /// Not all of its arguments are here.
        is_cut: bool,
    },
    Audio,
    /// Nothing is to be added to it.
    Whole,
}

impl EventWriter {
    /// The writer of a stream for the client that asked as `asked` says.
    pub(in super::super) fn new(asked: &Asked<'_>) -> Self {
        Self {
            id: asked.id.to_owned(),
            model: asked.model.to_owned(),
            usage: Usage::default(),
            open: Vec::new(),
            finished: Vec::new(),
            sources: Vec::new(),
            losses: Losses::default(),
        }
    }

    fn send(&self, candidates: Vec<Value>, usage: Option<Value>, out: &mut Writer) {
        let mut document = Map::new();
        document.insert("candidates".to_owned(), Value::Array(candidates));
        document.extend(usage.map(|usage| ("usageMetadata".to_owned(), usage)));
        document.insert("modelVersion".to_owned(), json!(self.model));
        document.insert("responseId".to_owned(), json!(self.id));
        out.event("", &json::object(&document));
    }

    fn part(&self, choice: u32, part: &Value, logprobs: Option<&Value>, out: &mut Writer) {
        let content = json!({ "role": "model", "parts": [part] });
        let mut candidate = Map::new();
        candidate.insert("content".to_owned(), content);
        candidate.insert("index".to_owned(), json!(choice));
        if let Some(result) = logprobs.and_then(write_logprobs) {
            candidate.insert("logprobsResult".to_owned(), result);
        }
        self.send(vec![Value::Object(candidate)], None, out);
    }

    fn start(&mut self, choice: u32, start: PartStart, out: &mut Writer) {
        let open = match start {
            PartStart::Text | PartStart::Refusal => Open::Text,
            PartStart::Thinking { .. } => Open::Thinking { has_text: false },
            PartStart::Redacted(_) => {
                self.losses.add("thinking.signature", "it is of use to its maker only");
                Open::Whole
            }
            PartStart::ToolCall { id, name, is_custom } => {
                let arguments = String::new();
                let call = ToolCall { id, name, arguments, is_custom, signature: None };
                Open::Call { call, is_cut: false }
            }
            PartStart::Audio { .. } => Open::Audio,
            PartStart::Image(image) => {
                let known = image.media_type.as_deref();
                match media::part(&image.source, known, "image/png", Place::CLIENT) {
                    Ok(part) => self.part(choice, &part, None, out),
                    Err(_) => self.losses.add("message.image", "a file of another provider"),
                }
                Open::Whole
            }
            PartStart::Foreign { dialect: Dialect::GeminiGenerate, raw } => {
                self.part(choice, &raw, None, out);
                Open::Whole
            }
            PartStart::Foreign { .. } => {
                self.losses.add("message.content", "a block that only its own format has");
                Open::Whole
            }
        };
        self.open.retain(|(of, _)| *of != choice);
        self.open.push((choice, open));
    }

    fn delta(&mut self, choice: u32, delta: Delta, logprobs: Option<&Value>, out: &mut Writer) {
        let at = self.open.iter().position(|(of, _)| *of == choice);
        let Some((_, mut open)) = at.map(|at| self.open.swap_remove(at)) else { return };
        match (&mut open, delta) {
            (Open::Text, Delta::Text(text)) if !text.is_empty() => {
                self.part(choice, &json!({ "text": text }), logprobs, out);
            }
            (Open::Thinking { has_text }, Delta::Text(text)) if !text.is_empty() => {
                *has_text = true;
                self.part(choice, &json!({ "text": text, "thought": true }), logprobs, out);
            }
            (Open::Thinking { has_text }, Delta::Signature(sealed)) => {
                if let Some(signature) = self.unseal(sealed) {
                    let mut part = json!({ "text": "", "thoughtSignature": signature });
                    if *has_text {
                        part["thought"] = json!(true);
                    }
                    self.part(choice, &part, None, out);
                }
            }
            (Open::Call { call, .. }, Delta::Signature(sealed)) => {
                if sealed.origin == Dialect::GeminiGenerate {
                    call.signature = Some(sealed);
                } else {
                    let _ = self.unseal(sealed);
                }
            }
            (Open::Call { call, is_cut }, Delta::Arguments(piece)) => {
                // A piece that fits after one that did not would make other arguments.
                *is_cut |= call.arguments.len() + piece.len() > ARGUMENTS_BYTES_MAX;
                if *is_cut {
                    self.losses.add("message.tool_calls.arguments", "they are too long");
                } else {
                    call.arguments.push_str(&piece);
                }
            }
            (Open::Audio, Delta::Audio(data)) => {
                let blob = json!({ "mimeType": "audio/pcm;rate=24000", "data": data });
                self.part(choice, &json!({ "inlineData": blob }), None, out);
            }
            (_, Delta::Annotation(found)) => self.source(choice, found),
            (_, Delta::Transcript(_)) => {
                self.losses.add("message.audio.transcript", "sounds of Gemini have none");
            }
            _ => {}
        }
        self.open.push((choice, open));
    }

    fn source(&mut self, choice: u32, found: Value) {
        // The text has been sent.
        self.losses.add("message.annotations", "sources are told without their places in the text");
        match self.sources.iter_mut().find(|(of, _)| *of == choice) {
            Some((_, sources)) => sources.push(found),
            None => self.sources.push((choice, vec![found])),
        }
    }

    fn end_part(&mut self, choice: u32, out: &mut Writer) {
        let at = self.open.iter().position(|(of, _)| *of == choice);
        let open = at.map(|at| self.open.swap_remove(at));
        let Some((_, Open::Call { call, .. })) = open else { return };
        let (args, is_wrapped) = arguments(&call);
        if is_wrapped {
            let why = "they are not an object, and are wrapped in one";
            self.losses.add("message.tool_calls.arguments", why);
        }
        let mut function = Map::new();
        if !call.id.is_empty() {
            function.insert("id".to_owned(), json!(call.id));
        }
        function.insert("name".to_owned(), json!(call.name));
        function.insert("args".to_owned(), args);
        let mut part = Map::new();
        part.insert("functionCall".to_owned(), Value::Object(function));
        if let Some(signature) = call.signature {
            part.insert("thoughtSignature".to_owned(), json!(signature.data));
        }
        self.part(choice, &Value::Object(part), None, out);
    }

    /// The last event: how each answer ends, and the tokens of all.
    fn end(&mut self, out: &mut Writer) {
        let finished = std::mem::take(&mut self.finished);
        let candidates = finished.iter().map(|(choice, ended)| {
            let mut candidate = Map::new();
            let content = json!({ "role": "model", "parts": [{ "text": "" }] });
            candidate.insert("content".to_owned(), content);
            candidate.insert("finishReason".to_owned(), json!(finish::write(&ended.reason)));
            if ended.reason == FinishReason::Refusal {
                candidate.insert("finishMessage".to_owned(), json!("the model declines"));
            }
            candidate.insert("index".to_owned(), json!(choice));
            let sources = self.sources.iter().find(|(of, _)| of == choice);
            let found = sources.and_then(|(_, sources)| grounding(&[(0, "", sources)]));
            candidate.extend(found.map(|found| ("groundingMetadata".to_owned(), found)));
            Value::Object(candidate)
        });
        let candidates = candidates.collect();
        self.send(candidates, finish::usage_metadata(&self.usage), out);
    }

    fn unseal(&mut self, sealed: Sealed) -> Option<String> {
        if sealed.origin == Dialect::GeminiGenerate {
            return Some(sealed.data);
        }
        self.losses.add("thinking.signature", "it is of use to its maker only");
        None
    }
}

impl StreamWriter for EventWriter {
    fn write(&mut self, event: Event, out: &mut Writer) {
        match event {
            Event::Start { id, model, usage, .. } => {
                if !id.is_empty() {
                    self.id = id;
                }
                if !model.is_empty() {
                    self.model = model;
                }
                self.usage.update(&usage);
            }
            Event::PartStart { choice, start, .. } => self.start(choice, start, out),
            Event::Delta { choice, delta, logprobs, .. } => {
                self.delta(choice, delta, logprobs.as_ref(), out);
            }
            Event::PartEnd { choice, .. } => self.end_part(choice, out),
            Event::Finish { choice, finish } => {
                let has_text = finish.stop_sequence.is_some();
                self.losses.add_if(has_text, "stop_sequence", "Gemini's answers do not say it");
                self.finished.push((choice, finish));
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
