//! Writes a stream.
//!
//! One message: its start, blocks that follow each other with numbers of their own, and at the end
//! why it ended and what it cost. Answers beside the first have no place in a message.

use serde::Serialize;
use serde_json::{Map, Value, json};
use weir_framing::Writer;
use weir_types::Usage;

use crate::anthropic_messages::{OWN, answer, citation, usage, words};
use crate::custom;
use crate::format::{Asked, StreamWriter};
use crate::ir::{self, Delta, Event, Finish, FinishReason, Losses, PartBody, PartStart, Sealed};
use crate::json;

/// Characters that stand for one token, roughly.
const CHARS_PER_TOKEN: usize = 4;
const SEALED: &str = "only the provider that made a signature can read it";

/// Writes one stream.
#[derive(Debug)]
pub(in super::super) struct EventWriter {
    /// The beginning of the message, for a provider that says nothing of it.
    head: Map<String, Value>,
    /// What the request's tokens are guessed to be, where the provider counts them at the end.
    guess: u64,
    has_started: bool,
    /// The number of the next block.
    next: u32,
    open: Option<Open>,
    has_calls: bool,
    finish: Option<Finish>,
    usage: Usage,
    losses: Losses,
}

/// The block that is being filled.
#[derive(Debug)]
struct Open {
    part: u32,
    index: u32,
    kind: Kind,
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Thinking,
    Call {
        is_custom: bool,
        has_arguments: bool,
    },
    /// All was said at its start.
    Whole,
}

/// A piece of a block, by far the most frequent event.
#[derive(Serialize)]
struct BlockDelta<'a> {
    r#type: &'static str,
    index: u32,
    delta: Piece<'a>,
}

#[derive(Serialize)]
#[serde(tag = "type")]
enum Piece<'a> {
    #[serde(rename = "text_delta")]
    Text { text: &'a str },
    #[serde(rename = "thinking_delta")]
    Thinking { thinking: &'a str },
    #[serde(rename = "signature_delta")]
    Signature { signature: &'a str },
    #[serde(rename = "citations_delta")]
    Citation { citation: Value },
    #[serde(rename = "input_json_delta")]
    Input { partial_json: &'a str },
}

impl Piece<'_> {
    fn send(self, index: u32, out: &mut Writer) {
        const NAME: &str = "content_block_delta";
        // Text and values only: there is nothing in it that could fail to be written.
        if let Ok(data) = serde_json::to_vec(&BlockDelta { r#type: NAME, index, delta: self }) {
            out.event(NAME, &data);
        }
    }
}

impl EventWriter {
    /// A writer for the client that asked as `asked` says.
    pub(in super::super) fn new(asked: &Asked<'_>) -> Self {
        Self {
            head: answer::head("", "", asked),
            guess: guess(asked.request),
            has_started: false,
            next: 0,
            open: None,
            has_calls: false,
            finish: None,
            usage: Usage::default(),
            losses: Losses::default(),
        }
    }

    fn start(&mut self, id: &str, model: &str, known: &Usage, out: &mut Writer) {
        if std::mem::replace(&mut self.has_started, true) {
            return;
        }
        self.usage.update(known);
        let mut message = std::mem::take(&mut self.head);
        for (name, text) in [("id", id), ("model", model)] {
            if !text.is_empty() {
                message.insert(name.into(), json!(text));
            }
        }
        let mut first = *known;
        if first.input_tokens == 0 {
            // A zero would be taken for the truth; the end sets it right.
            first.input_tokens = self.guess;
        }
        message.insert("content".into(), json!([]));
        message.insert("stop_reason".into(), Value::Null);
        message.insert("stop_sequence".into(), Value::Null);
        message.insert("usage".into(), usage::write(&first, false).into());
        send("message_start", [("message", message.into())], out);
    }

    fn begin(&mut self, part: u32, start: PartStart, out: &mut Writer) {
        self.end_block(out);
        let (kind, block) = match start {
            PartStart::Text | PartStart::Refusal => {
                (Kind::Text, json!({ "type": "text", "text": "" }))
            }
            PartStart::Thinking { .. } => {
                let block = json!({ "type": "thinking", "thinking": "", "signature": "" });
                (Kind::Thinking, block)
            }
            PartStart::Redacted(Sealed { origin: OWN, data }) => {
                (Kind::Whole, json!({ "type": "redacted_thinking", "data": data }))
            }
            PartStart::ToolCall { id, name, is_custom } => {
                self.has_calls = true;
                let block = json!({ "type": "tool_use", "id": id, "name": name, "input": {} });
                (Kind::Call { is_custom, has_arguments: false }, block)
            }
            PartStart::Foreign { dialect: OWN, raw } => (Kind::Whole, raw),
            PartStart::Redacted(_) => return self.losses.add("thinking.signature", SEALED),
            PartStart::Audio { .. } => return self.lose("content.audio"),
            PartStart::Image(_) => return self.lose("content.image"),
            PartStart::Foreign { .. } => return self.lose("content"),
        };
        let index = self.next;
        self.next = self.next.saturating_add(1);
        self.open = Some(Open { part, index, kind });
        let members = [("index", json!(index)), ("content_block", block)];
        send("content_block_start", members, out);
    }

    fn lose(&mut self, member: &'static str) {
        self.losses.add(member, "a message answers in text and calls of tools");
    }

    fn fill(&mut self, part: u32, delta: Delta, out: &mut Writer) {
        let Some(open) = self.open.as_mut().filter(|open| open.part == part) else { return };
        let losses = &mut self.losses;
        let index = open.index;
        match (delta, &mut open.kind) {
            (Delta::Text(text), Kind::Text) => Piece::Text { text: &text }.send(index, out),
            (Delta::Text(text), Kind::Thinking) => {
                Piece::Thinking { thinking: &text }.send(index, out);
            }
            (Delta::Signature(Sealed { origin: OWN, data }), Kind::Thinking) => {
                Piece::Signature { signature: &data }.send(index, out);
            }
            (Delta::Signature(_), _) => losses.add("thinking.signature", SEALED),
            (Delta::Annotation(annotation), Kind::Text) => match citation::shown(&annotation) {
                Some(citation) => Piece::Citation { citation }.send(index, out),
                None => losses.add("annotations", "a message has no such citation"),
            },
            (Delta::Arguments(piece), Kind::Call { is_custom, has_arguments }) => {
                let begin = if *has_arguments { "" } else { custom::PIECES.0 };
                let piece = match is_custom {
                    true => format!("{begin}{}", custom::piece(&piece)),
                    false => piece,
                };
                *has_arguments |= !piece.is_empty();
                Piece::Input { partial_json: &piece }.send(index, out);
            }
            _ => {}
        }
    }

    fn end_block(&mut self, out: &mut Writer) {
        let Some(Open { index, kind, .. }) = self.open.take() else { return };
        let owed = match kind {
            Kind::Call { is_custom: true, has_arguments: true } => custom::PIECES.1.to_owned(),
            Kind::Call { is_custom: true, has_arguments: false } => custom::wrapped("").to_string(),
            Kind::Call { is_custom: false, has_arguments: false } => "{}".to_owned(),
            _ => String::new(),
        };
        if !owed.is_empty() {
            Piece::Input { partial_json: &owed }.send(index, out);
        }
        send("content_block_stop", [("index", json!(index))], out);
    }

    fn end(&mut self, out: &mut Writer) {
        self.end_block(out);
        let finish = self.finish.take().unwrap_or(Finish::new(FinishReason::Stop));
        let delta = json!({
            "stop_reason": words::stop_reason(&finish.reason, self.has_calls),
            "stop_sequence": finish.stop_sequence,
        });
        let counts = usage::write(&self.usage, true);
        send("message_delta", [("delta", delta), ("usage", counts.into())], out);
        send("message_stop", [], out);
        out.end();
    }
}

impl StreamWriter for EventWriter {
    fn write(&mut self, event: Event, out: &mut Writer) {
        if !self.has_started && !matches!(event, Event::Start { .. } | Event::Error(_)) {
            self.start("", "", &Usage::default(), out);
        }
        match event {
            Event::Start { id, model, usage, .. } => self.start(&id, &model, &usage, out),
            Event::PartStart { choice: 0, part, start } => self.begin(part, start, out),
            Event::Delta { choice: 0, part, delta, logprobs } => {
                self.losses.add_if(logprobs.is_some(), "logprobs", "a message has none");
                self.fill(part, delta, out);
            }
            Event::PartEnd { choice: 0, part } => {
                if self.open.as_ref().is_some_and(|open| open.part == part) {
                    self.end_block(out);
                }
            }
            Event::Finish { choice: 0, finish } => self.finish = Some(finish),
            Event::PartStart { .. }
            | Event::Delta { .. }
            | Event::PartEnd { .. }
            | Event::Finish { .. } => {
                self.losses.add("choices", "a message is one answer; the first stays");
            }
            Event::Usage(usage) => self.usage.update(&usage),
            Event::Error(_) => {}
            Event::End => self.end(out),
        }
    }

    fn losses(&mut self) -> Losses {
        self.losses.clone()
    }
}

/// Writes an event, whose name is its type.
fn send<const N: usize>(kind: &str, members: [(&str, Value); N], out: &mut Writer) {
    let mut event = Map::new();
    event.insert("type".into(), json!(kind));
    event.extend(members.map(|(name, value)| (name.to_owned(), value)));
    out.event(kind, &json::object(&event));
}

/// Roughly how many tokens the prompt has; at least one.
fn guess(request: &ir::Request) -> u64 {
    let chars = match request {
        ir::Request::Chat(chat) | ir::Request::CountTokens(chat) => {
            let parts = chat.messages.iter().flat_map(|message| &message.parts);
            parts.map(|part| length(&part.body)).fold(0, usize::saturating_add)
        }
        ir::Request::Embedding(_) | ir::Request::Rerank(_) => 0,
    };
    u64::try_from(chars / CHARS_PER_TOKEN).unwrap_or(u64::MAX).max(1)
}

fn length(body: &PartBody) -> usize {
    match body {
        PartBody::Text { text, .. } | PartBody::Refusal(text) => text.len(),
        PartBody::Thinking(thinking) => thinking.text.len(),
        PartBody::ToolCall(call) => call.arguments.len(),
        PartBody::ToolResult(result) => {
            let parts = result.parts.iter().map(|part| length(&part.body));
            parts.fold(0, usize::saturating_add)
        }
        _ => 0,
    }
}
