//! Writes a stream.

use serde_json::{Value, json};
use weir_framing::Writer;
use weir_types::Usage;

use super::super::{answer, citation, error, usage};
use crate::format::{Asked, StreamWriter};
use crate::ir::{self, Delta, Event, Finish, Losses, PartStart};

/// One stream.
#[derive(Debug)]
pub(in super::super) struct EventWriter {
    id: String,
    /// The client has given tools: summaries of thinking are plans.
    has_tools: bool,
    has_started: bool,
    is_over: bool,
    open: Open,
    /// Blocks of content, calls and citations begun so far.
    blocks: usize,
    calls: usize,
    citations: usize,
    finish: Option<Finish>,
    usage: Usage,
    losses: Losses,
}

/// The part that is being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    /// None, or one that cannot be said.
    Nothing,
    Text(usize),
    Thinking(usize),
    Plan,
    Call(usize),
}

/// Ends a stream that has begun with an error.
pub(in super::super) fn write_error(failed: &ir::Error, out: &mut Writer) {
    let delta = json!({ "error": error::message(failed), "finish_reason": "ERROR" });
    let mut end = json!({ "type": "message-end", "delta": delta });
    if !failed.context.request_id.is_empty() {
        end["id"] = json!(failed.context.request_id);
    }
    out.event("message-end", end.to_string().as_bytes());
}

impl EventWriter {
    /// A stream for the client that asked as `asked` says.
    pub(in super::super) fn new(asked: &Asked<'_>) -> Self {
        let has_tools = match asked.request {
            ir::Request::Chat(chat) => !chat.tools.is_empty(),
            _ => false,
        };
        Self {
            id: asked.id.to_owned(),
            has_tools,
            has_started: false,
            is_over: false,
            open: Open::Nothing,
            blocks: 0,
            calls: 0,
            citations: 0,
            finish: None,
            usage: Usage::default(),
            losses: Losses::default(),
        }
    }

    fn start(&mut self, out: &mut Writer) {
        if std::mem::replace(&mut self.has_started, true) {
            return;
        }
        let message = json!({
            "role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": [],
        });
        let start = json!({
            "id": self.id, "type": "message-start", "delta": { "message": message },
        });
        out.event("message-start", start.to_string().as_bytes());
    }

    fn begin(&mut self, start: PartStart, out: &mut Writer) {
        self.close(out);
        match start {
            // What is said in a sound is written as text; the sound itself cannot be.
            PartStart::Text | PartStart::Refusal | PartStart::Audio { .. } => {
                self.open = Open::Text(self.blocks);
                self.begin_block("text", out);
            }
            PartStart::Thinking { is_summary: true, .. } if self.has_tools => {
                self.open = Open::Plan;
            }
            PartStart::Thinking { .. } => {
                self.open = Open::Thinking(self.blocks);
                self.begin_block("thinking", out);
            }
            PartStart::ToolCall { id, name, .. } => {
                let index = self.calls;
                self.calls += 1;
                self.open = Open::Call(index);
                let function = json!({ "name": name, "arguments": "" });
                let call = json!({ "id": id, "type": "function", "function": function });
                event("tool-call-start", Some(index), &json!({ "tool_calls": call }), out);
            }
            PartStart::Redacted(_) => {
                self.losses.add("thinking.signature", "Cohere has no signatures");
            }
            PartStart::Image(_) | PartStart::Foreign { .. } => {
                self.losses.add("message.content", "Cohere's answers are text and calls");
            }
        }
    }

    fn begin_block(&mut self, kind: &str, out: &mut Writer) {
        let index = self.blocks;
        self.blocks += 1;
        let mut content = json!({ "type": kind });
        content[kind] = json!("");
        event("content-start", Some(index), &json!({ "content": content }), out);
    }

    fn close(&mut self, out: &mut Writer) {
        let (kind, index) = match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Nothing | Open::Plan => return,
            Open::Text(index) | Open::Thinking(index) => ("content-end", index),
            Open::Call(index) => ("tool-call-end", index),
        };
        let end = json!({ "type": kind, "index": index });
        out.event(kind, end.to_string().as_bytes());
    }

    fn delta(&mut self, delta: Delta, logprobs: Option<&Value>, out: &mut Writer) {
        match (delta, self.open) {
            (Delta::Text(text) | Delta::Transcript(text), Open::Text(index)) => {
                let message = json!({ "content": { "text": text } });
                let mut written = json!({
                    "type": "content-delta", "index": index, "delta": { "message": message },
                });
                if let Some(logprobs) = logprobs.and_then(joined) {
                    written["logprobs"] = logprobs;
                }
                out.event("content-delta", written.to_string().as_bytes());
            }
            (Delta::Text(text), Open::Thinking(index)) => {
                let message = json!({ "content": { "thinking": text } });
                event("content-delta", Some(index), &message, out);
            }
            (Delta::Text(text), Open::Plan) => {
                event("tool-plan-delta", None, &json!({ "tool_plan": text }), out);
            }
            (Delta::Arguments(piece), Open::Call(index)) => {
                let message = json!({ "tool_calls": { "function": { "arguments": piece } } });
                event("tool-call-delta", Some(index), &message, out);
            }
            (Delta::Annotation(annotation), Open::Text(block)) => {
                self.cite(&annotation, block, out);
            }
            (Delta::Signature(_), _) => {
                self.losses.add("thinking.signature", "Cohere has no signatures");
            }
            (Delta::Audio(_), _) => {
                self.losses.add("message.audio", "Cohere's answers are text and calls");
            }
            _ => {}
        }
    }

    fn cite(&mut self, annotation: &Value, block: usize, out: &mut Writer) {
        // What was said is not kept, so a citation from elsewhere has places but no words.
        let Some(mut citation) = citation::write(annotation, "", block) else {
            self.losses.add("message.annotations", "not a citation");
            return;
        };
        if let Value::Object(members) = &mut citation
            && members.get("text").and_then(Value::as_str) == Some("")
        {
            members.shift_remove("text");
        }
        let index = self.citations;
        self.citations += 1;
        event("citation-start", Some(index), &json!({ "citations": citation }), out);
        let end = json!({ "type": "citation-end", "index": index });
        out.event("citation-end", end.to_string().as_bytes());
    }

    fn end(&mut self, out: &mut Writer) {
        self.start(out);
        self.close(out);
        self.is_over = true;
        let mut delta = json!({ "finish_reason": answer::reason(self.finish.as_ref()) });
        if let Some(usage) = usage::write(&self.usage) {
            delta["usage"] = usage;
        }
        let end = json!({ "type": "message-end", "id": self.id, "delta": delta });
        out.event("message-end", end.to_string().as_bytes());
    }
}

impl StreamWriter for EventWriter {
    fn write(&mut self, event: Event, out: &mut Writer) {
        if self.is_over {
            return;
        }
        match event {
            Event::Start { id, usage, .. } => {
                if !id.is_empty() && !self.has_started {
                    self.id = id;
                }
                self.usage.update(&usage);
                self.start(out);
            }
            Event::PartStart { choice, .. }
            | Event::Delta { choice, .. }
            | Event::PartEnd { choice, .. }
            | Event::Finish { choice, .. }
                if choice > 0 =>
            {
                self.losses.add("choices", "Cohere's answers have one choice");
            }
            Event::PartStart { start, .. } => {
                self.start(out);
                self.begin(start, out);
            }
            Event::Delta { delta, logprobs, .. } => self.delta(delta, logprobs.as_ref(), out),
            Event::PartEnd { .. } => self.close(out),
            Event::Finish { finish, .. } => {
                let has_text = answer::has_stop_text(&finish);
                self.losses.add_if(has_text, "stop_sequence", answer::NOT_SAID);
                self.finish = Some(finish);
            }
            Event::Usage(usage) => self.usage.update(&usage),
            Event::End => self.end(out),
            Event::Error(_) => {}
        }
    }

    fn losses(&mut self) -> Losses {
        std::mem::take(&mut self.losses)
    }
}

/// The probabilities of a piece of text as one item, which is all that an event has room for.
fn joined(logprobs: &Value) -> Option<Value> {
    let items = answer::write_logprobs(logprobs);
    let text: String = items.iter().filter_map(|item| item["text"].as_str()).collect();
    let values: Vec<&Value> =
        items.iter().filter_map(|item| item["logprobs"].as_array()).flatten().collect();
    (!items.is_empty()).then(|| json!({ "text": text, "token_ids": [], "logprobs": values }))
}

fn event(kind: &str, index: Option<usize>, message: &Value, out: &mut Writer) {
    let mut written = json!({ "type": kind });
    if let Some(index) = index {
        written["index"] = json!(index);
    }
    written["delta"] = json!({ "message": message });
    out.event(kind, written.to_string().as_bytes());
}
