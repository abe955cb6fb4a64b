//! Writes a stream, as the service itself does: no start for text and reasoning, one index per
//! block without gaps, `messageStop` after the last block and `metadata` at the end.

use serde_json::{Value, json};
use weir_framing::Writer;
use weir_types::{Dialect, Usage};

use super::super::{blocks, words};
use crate::custom;
use crate::format::{Asked, StreamWriter};
use crate::ir::{
    Delta, Event, Finish, FinishReason, Losses, Media, PartStart, Sealed, Source, block_name,
};

const OWN: Dialect = Dialect::BedrockConverse;

/// Writes one stream.
#[derive(Debug)]
pub(in crate::bedrock_converse) struct Writing {
    /// What ids of calls are made from where there are none.
    seed: String,
    losses: Losses,
    has_started: bool,
    /// The index of the next block.
    next: u64,
    open: Open,
    calls_without_id: usize,
    has_calls: bool,
    finish: Option<Finish>,
    usage: Usage,
    has_ended: bool,
}

/// The part that is being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    /// None, or one that cannot be said.
    Nothing,
    /// Of which nothing is written yet, and nothing need be.
    Words { is_thinking: bool, is_written: bool },
    /// A call; of a custom tool, plain text that is written as a member of an object.
    Call { is_custom: bool },
}

impl StreamWriter for Writing {
    fn write(&mut self, event: Event, out: &mut Writer) {
        match event {
            Event::Start { usage, .. } => {
                self.usage.update(&usage);
                self.start(out);
            }
            Event::PartStart { choice: 0, start, .. } => self.part_start(start, out),
            Event::Delta { choice: 0, delta, logprobs, .. } => {
                let why = "streams of this format have no probabilities";
                self.losses.add_if(logprobs.is_some(), "choices.logprobs", why);
                self.delta(delta, out);
            }
            Event::PartEnd { choice: 0, .. } => self.part_end(out),
            Event::Finish { choice: 0, finish } => self.finish(finish, out),
            Event::Usage(usage) => self.usage.update(&usage),
            Event::End => self.end(out),
            Event::Error(_) => {}
            Event::PartStart { .. }
            | Event::Delta { .. }
            | Event::PartEnd { .. }
            | Event::Finish { .. } => {
                self.losses.add("choices", "streams of this format have one choice");
            }
        }
    }

    fn losses(&mut self) -> Losses {
        self.losses.clone()
    }
}

fn send(out: &mut Writer, name: &str, data: &Value) {
    out.event(name, data.to_string().as_bytes());
}

impl Writing {
    /// At the start of a stream.
    pub(in crate::bedrock_converse) fn new(asked: &Asked<'_>) -> Self {
        Self {
            seed: asked.id.to_owned(),
            losses: Losses::default(),
            has_started: false,
            next: 0,
            open: Open::Nothing,
            calls_without_id: 0,
            has_calls: false,
            finish: None,
            usage: Usage::default(),
            has_ended: false,
        }
    }

    fn start(&mut self, out: &mut Writer) {
        if !self.has_started {
            self.has_started = true;
            send(out, "messageStart", &json!({ "role": "assistant" }));
        }
    }

    fn block_start(&self, start: &Value, out: &mut Writer) {
        let data = json!({ "start": start, "contentBlockIndex": self.next });
        send(out, "contentBlockStart", &data);
    }

    fn block_delta(&self, delta: &Value, out: &mut Writer) {
        let data = json!({ "delta": delta, "contentBlockIndex": self.next });
        send(out, "contentBlockDelta", &data);
    }

    fn block_stop(&mut self, out: &mut Writer) {
        send(out, "contentBlockStop", &json!({ "contentBlockIndex": self.next }));
        self.next += 1;
    }

    fn part_start(&mut self, start: PartStart, out: &mut Writer) {
        self.start(out);
        self.part_end(out);
        match start {
            PartStart::Text | PartStart::Refusal | PartStart::Audio { .. } => {
                self.open = Open::Words { is_thinking: false, is_written: false };
            }
            PartStart::Thinking { .. } => {
                self.open = Open::Words { is_thinking: true, is_written: false };
            }
            PartStart::ToolCall { id, name, is_custom } => {
                self.has_calls = true;
                let id = if id.is_empty() {
                    self.calls_without_id += 1;
                    blocks::made_id(&self.seed, self.calls_without_id)
                } else {
                    id
                };
                let start = json!({ "toolUse": { "toolUseId": id, "name": name } });
                self.block_start(&start, out);
                self.open = Open::Call { is_custom };
                if is_custom {
                    self.block_delta(&json!({ "toolUse": { "input": custom::PIECES.0 } }), out);
                }
            }
            PartStart::Redacted(Sealed { origin: OWN, data }) => {
                let delta = json!({ "reasoningContent": { "redactedContent": data } });
                self.block_delta(&delta, out);
                self.block_stop(out);
            }
            PartStart::Redacted(_) => self.lose_signature(),
            PartStart::Image(image) => self.image(&image, out),
            PartStart::Foreign { dialect: OWN, raw } => self.foreign(&raw, out),
            PartStart::Foreign { raw, .. } => {
                let name = block_name(&raw);
                let why = "streams of this format have no such block";
                self.losses.add(format!("message.{name}"), why);
            }
        }
    }

    fn lose_signature(&mut self) {
        let why = "only the provider that signed it can read it";
        self.losses.add("thinking.signature", why);
    }

    fn image(&mut self, image: &Media, out: &mut Writer) {
        let inline = match &image.source {
            Source::Base64 { media_type, data } => {
                let stated = image.media_type.as_deref().unwrap_or(media_type);
                blocks::format_of(blocks::IMAGES, stated).map(|format| (format, data))
            }
            _ => None,
        };
        let Some((format, data)) = inline else {
            self.losses.add("message.image", "streams of this format have no such image");
            return;
        };
        self.block_start(&json!({ "image": { "format": format } }), out);
        self.block_delta(&json!({ "image": { "source": { "bytes": data } } }), out);
        self.block_stop(out);
    }

    /// A block that a stream of this format has had: its start, then its deltas.
    fn foreign(&mut self, raw: &Value, out: &mut Writer) {
        let events = raw.get("events").and_then(Value::as_array);
        let Some((start, deltas)) = events.and_then(|events| events.split_first()) else {
            self.losses.add("message.block", "the block has no form in streams");
            return;
        };
        self.block_start(start, out);
        for delta in deltas {
            self.block_delta(delta, out);
        }
        self.block_stop(out);
    }

    fn delta(&mut self, delta: Delta, out: &mut Writer) {
        match (delta, self.open) {
            (Delta::Text(text) | Delta::Transcript(text), Open::Words { is_thinking, .. }) => {
                if text.is_empty() {
                    return;
                }
                let delta = if is_thinking {
                    json!({ "reasoningContent": { "text": text } })
                } else {
                    json!({ "text": text })
                };
                self.words(&delta, out);
            }
            (Delta::Signature(Sealed { origin, data }), Open::Words { is_thinking: true, .. }) => {
                if origin == OWN {
                    self.words(&json!({ "reasoningContent": { "signature": data } }), out);
                } else {
                    self.lose_signature();
                }
            }
            (Delta::Signature(_), _) => self.lose_signature(),
            (Delta::Arguments(piece), Open::Call { is_custom }) => {
                let piece = if is_custom { custom::piece(&piece) } else { piece };
                if !piece.is_empty() {
                    self.block_delta(&json!({ "toolUse": { "input": piece } }), out);
                }
            }
            (Delta::Annotation(annotation), Open::Words { is_thinking: false, .. }) => {
                match blocks::citation(&annotation) {
                    Some(citation) => self.words(&json!({ "citation": citation }), out),
                    None => {
                        let why = "the target knows no such citation";
                        self.losses.add("message.annotations", why);
                    }
                }
            }
            (Delta::Audio(_), _) => {
                self.losses.add("message.audio", "streams of this format have no sound");
            }
            _ => {}
        }
    }

    fn words(&mut self, delta: &Value, out: &mut Writer) {
        self.block_delta(delta, out);
        if let Open::Words { is_written, .. } = &mut self.open {
            *is_written = true;
        }
    }

    fn part_end(&mut self, out: &mut Writer) {
        match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Nothing | Open::Words { is_written: false, .. } => {}
            Open::Words { .. } | Open::Call { is_custom: false } => self.block_stop(out),
            Open::Call { is_custom: true } => {
                self.block_delta(&json!({ "toolUse": { "input": custom::PIECES.1 } }), out);
                self.block_stop(out);
            }
        }
    }

    fn finish(&mut self, finish: Finish, out: &mut Writer) {
        if self.finish.is_some() {
            return;
        }
        self.start(out);
        self.part_end(out);
        let word = words::stop_reason(&finish.reason.clone().with_calls(self.has_calls));
        let mut stop = json!({ "stopReason": word });
        if let (Some(text), Value::Object(members)) = (&finish.stop_sequence, &mut stop) {
            let fields = json!({ "stop_sequence": text });
            members.insert("additionalModelResponseFields".to_owned(), fields);
        }
        send(out, "messageStop", &stop);
        self.finish = Some(finish);
    }

    fn end(&mut self, out: &mut Writer) {
        if std::mem::replace(&mut self.has_ended, true) {
            return;
        }
        self.finish(Finish::new(FinishReason::Stop), out);
        // Required by the SDKs; how long the provider took is not known here.
        let metadata =
            json!({ "usage": words::token_usage(&self.usage), "metrics": { "latencyMs": 0 } });
        send(out, "metadata", &metadata);
    }
}
