//! Writes the deltas of one answer of a stream: what each event adds to its message.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::custom;
use crate::ir::{Delta, Losses, PartStart, Sealed, block_name};
use crate::openai_chat::answer::write::picture;
use crate::openai_chat::finish::Holds;
use crate::openai_chat::{call, citation, reasoning};

/// How far an answer is.
#[derive(Debug)]
pub(super) struct Deltas {
    choice: u32,
    request_id: String,
    is_legacy: bool,
    /// Calls are written when they are complete.
    whole_calls: bool,
    /// The client's tools that take plain text.
    custom: Arc<[String]>,
    has_refusal: bool,
    open: Open,
    /// Calls and blocks of thoughts so far.
    calls: usize,
    thoughts: usize,
    /// Characters of text so far.
    chars: usize,
}

/// A call that waits for its end.
#[derive(Debug, Default)]
struct Held {
    arguments: String,
    /// They are those of a function that stands for a tool of plain text: the text in them is known
    /// at their end.
    is_wrapped: bool,
    /// The call so far, where the client wants all of it in one piece.
    begun: Option<Value>,
}

/// The part that is open.
#[derive(Debug)]
enum Open {
    /// None, or one that has no deltas.
    Nothing,
    /// Text before which so many characters stand.
    Text {
        offset: usize,
    },
    Refusal,
    Thinking {
        at: usize,
        is_summary: bool,
        id: Option<String>,
    },
    Call {
        at: usize,
        is_custom: bool,
        has_arguments: bool,
        /// What is written at the end of the call.
        held: Option<Held>,
    },
    Audio {
        id: Option<String>,
    },
}

type Members = Map<String, Value>;

/// Where the arguments of a call of a function stand.
const FUNCTION: (&str, &str) = ("function", "arguments");

/// What an event adds to a message.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Said {
    /// A piece of text, as most are: without a map of its own.
    Text { content: String },
    /// Anything.
    Members(Members),
}

fn one(name: &str, value: Value) -> Option<Members> {
    Some(Map::from_iter([(name.to_owned(), value)]))
}

impl Deltas {
    pub(super) fn new(
        choice: u32,
        request_id: &str,
        is_legacy: bool,
        whole_calls: bool,
        custom: Arc<[String]>,
    ) -> Self {
        Self {
            choice,
            request_id: request_id.to_owned(),
            is_legacy,
            whole_calls,
            custom,
            has_refusal: false,
            open: Open::Nothing,
            calls: 0,
            thoughts: 0,
            chars: 0,
        }
    }

    pub(super) const fn holds(&self) -> Holds {
        Holds { calls: self.calls > 0, refusal: self.has_refusal, legacy: self.is_legacy }
    }

    pub(super) fn part_start(&mut self, start: PartStart, losses: &mut Losses) -> Option<Members> {
        self.open = Open::Nothing;
        match start {
            PartStart::Text => self.open = Open::Text { offset: self.chars },
            PartStart::Refusal => {
                self.has_refusal = true;
                self.open = Open::Refusal;
            }
            PartStart::Thinking { id, is_summary } => {
                self.open = Open::Thinking { at: self.thoughts, is_summary, id };
                self.thoughts += 1;
            }
            PartStart::Redacted(sealed) => {
                let detail = self.sealed(&sealed, "reasoning.encrypted", true, self.thoughts);
                self.thoughts += 1;
                return one("reasoning_details", json!([detail]));
            }
            PartStart::ToolCall { id, name, is_custom } => {
                return self.call(id, &name, is_custom, losses);
            }
            PartStart::Audio { id } => {
                let id = id.unwrap_or_else(|| format!("audio_{}", self.request_id));
                self.open = Open::Audio { id: Some(id) };
            }
            PartStart::Image(media) => match media.source.to_url() {
                Some(url) => return one("images", json!([picture(&url)])),
                None => losses.add("image", "an image that only its provider can show"),
            },
            PartStart::Foreign { raw, .. } => {
                losses.add(
                    block_name(&raw).to_owned(),
                    "a block that only the source's clients know",
                );
            }
        }
        None
    }

    fn call(
        &mut self,
        id: String,
        name: &str,
        is_custom: bool,
        losses: &mut Losses,
    ) -> Option<Members> {
        let at = self.calls;
        self.calls += 1;
        if self.is_legacy && at > 0 {
            losses.add("tool_calls", "the client takes one call at a time");
            return None;
        }
        let is_wrapped = !is_custom && self.custom.iter().any(|custom| custom == name);
        let is_custom = is_custom || is_wrapped;
        let made = || call::made_id(&self.request_id, self.choice, at);
        let id = if id.is_empty() { made() } else { id };
        let called = if is_custom {
            let custom = json!({"name": name, "input": ""});
            json!({"index": at, "id": id, "type": "custom", "custom": custom})
        } else {
            let function = json!({"name": name, "arguments": ""});
            json!({"index": at, "id": id, "type": "function", "function": function})
        };
        let (begun, said) = match (self.is_legacy, self.whole_calls) {
            (true, _) => (None, one("function_call", json!({"name": name, "arguments": ""}))),
            (false, true) => (Some(called), None),
            (false, false) => (None, one("tool_calls", json!([called]))),
        };
        let is_held = is_wrapped || begun.is_some();
        let held = is_held.then(|| Held { is_wrapped, begun, ..Held::default() });
        self.open = Open::Call { at, is_custom, has_arguments: false, held };
        said
    }

    pub(super) fn add(&mut self, delta: Delta, losses: &mut Losses) -> Option<Said> {
        match (&self.open, delta) {
            (Open::Text { .. }, Delta::Text(content)) => {
                self.chars += content.chars().count();
                Some(Said::Text { content })
            }
            (_, delta) => self.add_members(delta, losses).map(Said::Members),
        }
    }

    fn add_members(&mut self, delta: Delta, losses: &mut Losses) -> Option<Members> {
        match (&mut self.open, delta) {
            (Open::Text { offset }, Delta::Annotation(annotation)) => {
                let moved = citation::moved(&annotation, *offset);
                losses.add_if(moved.is_none(), "citations", citation::NOT_OF_THE_WEB);
                moved.and_then(|annotation| one("annotations", json!([annotation])))
            }
            (Open::Refusal, Delta::Text(text)) => one("refusal", json!(text)),
            (Open::Thinking { at, is_summary, .. }, Delta::Text(text)) => {
                Some(thought(*at, *is_summary, &text))
            }
            (Open::Thinking { at, is_summary, .. }, Delta::Signature(sealed)) => {
                let at = *at;
                let kind = if *is_summary { "reasoning.summary" } else { "reasoning.text" };
                let detail = self.sealed(&sealed, kind, false, at);
                one("reasoning_details", json!([detail]))
            }
            (Open::Call { held: Some(held), .. }, Delta::Arguments(piece)) => {
                held.arguments.push_str(&piece);
                None
            }
            (Open::Call { at, is_custom, has_arguments, .. }, Delta::Arguments(piece)) => {
                *has_arguments |= !piece.trim().is_empty();
                let (at, is_custom) = (*at, *is_custom);
                Some(self.arguments(at, is_custom, &piece))
            }
            (
                Open::Call { held: Some(Held { begun: Some(called), .. }), .. },
                Delta::Signature(sealed),
            ) => {
                called["extra_content"] = call::extra_content(&sealed);
                None
            }
            (Open::Call { at, .. }, Delta::Signature(sealed)) if !self.is_legacy => {
                // OpenAI's SDK wants a function in every piece.
                let function = json!({"arguments": ""});
                let extra = call::extra_content(&sealed);
                let piece = json!({"index": *at, "function": function, "extra_content": extra});
                one("tool_calls", json!([piece]))
            }
            (Open::Audio { id }, Delta::Audio(data)) => sound(id, "data", &data),
            (Open::Audio { id }, Delta::Transcript(text)) => sound(id, "transcript", &text),
            (_, Delta::Signature(_)) => {
                losses.add("thinking.signature", "the target has no place for it");
                None
            }
            // Of a part that is itself lost.
            _ => None,
        }
    }

    fn arguments(&self, at: usize, is_custom: bool, piece: &str) -> Members {
        if self.is_legacy {
            return Map::from_iter([("function_call".to_owned(), json!({"arguments": piece}))]);
        }
        let called = if is_custom {
            json!({"index": at, "custom": {"input": piece}})
        } else {
            json!({"index": at, "function": {"arguments": piece}})
        };
        Map::from_iter([("tool_calls".to_owned(), json!([called]))])
    }

    /// A detail with what only its maker can read.
    fn sealed(&mut self, sealed: &Sealed, kind: &str, is_redacted: bool, at: usize) -> Members {
        let mut detail = reasoning::sealed_detail(sealed, is_redacted);
        detail.insert("type".to_owned(), json!(kind));
        // Clients put the pieces of a detail together by its number.
        detail.insert("index".to_owned(), json!(at));
        // Its own id is said once, or it would be put together with itself.
        if let Open::Thinking { id, .. } = &mut self.open
            && let Some(id) = id.take()
        {
            detail.entry("id").or_insert_with(|| json!(id));
        }
        detail
    }

    pub(super) fn part_end(&mut self) -> Option<Members> {
        let open = std::mem::replace(&mut self.open, Open::Nothing);
        match open {
            // "No arguments" is an empty object, and not nothing.
            Open::Call { at, is_custom, held: Some(held), .. } => {
                let text = match (held.is_wrapped, is_custom || !held.arguments.trim().is_empty()) {
                    (true, _) => custom::unwrapped(&held.arguments),
                    (false, true) => held.arguments,
                    (false, false) => "{}".to_owned(),
                };
                let Some(mut called) = held.begun else {
                    return (!text.is_empty()).then(|| self.arguments(at, is_custom, &text));
                };
                let (kind, name) = if is_custom { ("custom", "input") } else { FUNCTION };
                called[kind][name] = json!(text);
                one("tool_calls", json!([called]))
            }
            Open::Call { at, is_custom: false, has_arguments: false, .. } => {
                Some(self.arguments(at, false, "{}"))
            }
            _ => None,
        }
    }
}

/// A piece of thoughts: clients of one family of hosts know the one name, clients of another the
/// other, and the detail keeps blocks apart.
fn thought(at: usize, is_summary: bool, text: &str) -> Members {
    let detail = if is_summary {
        json!({"type": "reasoning.summary", "summary": text, "index": at})
    } else {
        json!({"type": "reasoning.text", "text": text, "index": at})
    };
    Map::from_iter([
        ("reasoning_content".to_owned(), json!(text)),
        ("reasoning".to_owned(), json!(text)),
        ("reasoning_details".to_owned(), json!([detail])),
    ])
}

/// A piece of sound; its id is said once.
fn sound(id: &mut Option<String>, member: &str, piece: &str) -> Option<Members> {
    let mut audio = Map::new();
    if let Some(id) = id.take() {
        audio.insert("id".to_owned(), json!(id));
    }
    audio.insert(member.to_owned(), json!(piece));
    one("audio", Value::Object(audio))
}
