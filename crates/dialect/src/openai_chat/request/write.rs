//! Writes a chat request: the order of the document, and what became of members that only the
//! source knows.

use serde_json::{Map, Value, json};
use weir_types::Dialect;

use super::{turns, write_options, write_tools};
use crate::fault::RequestFault;
use crate::format::{Target, Written};
use crate::ir::{CacheMark, Chat, Losses, PartBody};
use crate::json;
use crate::openai_chat::gpt::{self, Gpt};
use crate::openai_chat::hosts::{self, Host, Marks};

/// Why a member is lost.
pub(super) const NO_MEMBER: &str = "the target has no such member";

/// A document that is being written.
pub(super) struct Draft<'a> {
    pub(super) chat: &'a Chat,
    pub(super) model: &'a str,
    pub(super) host: &'static Host,
    pub(super) marks: Marker,
    pub(super) losses: Losses,
    pub(super) members: Map<String, Value>,
}

impl Draft<'_> {
    /// What the model takes, if it is one of OpenAI's and the client may not know it.
    pub(super) fn gpt(&self) -> Option<&'static Gpt> {
        let is_translated = self.chat.source != Dialect::OpenAiChat;
        gpt::of(self.model).filter(|_| self.host.is_openai && is_translated)
    }

    /// Adds a member.
    pub(super) fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.members.insert(name.to_owned(), value.into());
    }

    /// Adds a member if there is something to say.
    pub(super) fn put_some<T: Into<Value>>(&mut self, name: &str, value: Option<T>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }
}

/// Writes `chat`.
pub(super) fn write(chat: &Chat, target: &Target<'_>) -> Result<Written, RequestFault> {
    let host = hosts::of(target.vendor);
    let mut draft = Draft {
        chat,
        model: target.known_as,
        host,
        marks: Marker::new(host.marks(target.known_as), chat),
        losses: Losses::default(),
        members: Map::new(),
    };
    draft.put("model", target.model);
    // Tools stand before messages in the prompt, and marks are counted in the prompt's order.
    let tools = write_tools::definitions(&mut draft);
    let messages = turns::write(&mut draft)?;
    draft.put("messages", messages);
    write_tools::write(&mut draft, tools);
    write_options::write(&mut draft);
    extra(&mut draft);
    let Draft { members, mut losses, marks, .. } = draft;
    let why = "the target marks no places worth keeping, or no more than four";
    losses.add_if(marks.is_lost, "cache_control", why);
    let why = "the target keeps prompts as long as it likes";
    losses.add_if(marks.is_shortened, "cache_control.ttl", why);
    losses.add_if(
        chat.cache.is_some(),
        "cache_control",
        "the target keeps whole prompts by itself",
    );
    Ok(Written { body: json::object(&members), losses })
}

/// Members that mean the same in OpenAI's Responses.
const SHARED: &[&str] = &[
    "moderation",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
];

fn extra(draft: &mut Draft<'_>) {
    let source = draft.chat.source;
    for (name, value) in &draft.chat.extra {
        let is_own = source == Dialect::OpenAiChat
            || (source == Dialect::OpenAiResponses && SHARED.contains(&name.as_str()));
        if is_own {
            match (draft.members.get_mut(name), value) {
                (None, value) => {
                    let value = shared(source, name, value, &mut draft.losses);
                    draft.put(name, value);
                }
                (Some(Value::Object(there)), Value::Object(more)) => {
                    there.extend(more.iter().map(|(name, value)| (name.clone(), value.clone())));
                }
                (Some(_), _) => {}
            }
        } else {
            draft.losses.add(name.clone(), NO_MEMBER);
        }
    }
}

/// How long prompts may be kept: Responses have longer times, too.
const CACHE_TTL: &str = "30m";

/// A member that means the same in both, but for the words that only Responses know.
fn shared(source: Dialect, name: &str, value: &Value, losses: &mut Losses) -> Value {
    let mut value = value.clone();
    if source == Dialect::OpenAiResponses
        && name == "prompt_cache_options"
        && let Some(options) = value.as_object_mut()
        && options.get("ttl").is_some_and(|ttl| ttl != CACHE_TTL)
    {
        options.remove("ttl");
        losses.add("prompt_cache_options.ttl", "chat completions know no such time");
    }
    value
}

/// Writes marks, at most as many as every host takes: the last ones, which cover the most.
pub(super) struct Marker {
    kind: Marks,
    skip: usize,
    is_lost: bool,
    /// A time was asked for that the host does not know.
    is_shortened: bool,
}

/// Anthropic and OpenAI take four alike.
const MARKS_MAX: usize = 4;

impl Marker {
    fn new(kind: Marks, chat: &Chat) -> Self {
        let tools = chat.tools.iter().filter(|tool| tool.cache.is_some()).count();
        let parts = chat.messages.iter().flat_map(|message| &message.parts);
        let marked = parts.map(|part| {
            let inner = match &part.body {
                PartBody::ToolResult(result) => {
                    result.parts.iter().filter(|part| part.cache.is_some()).count()
                }
                _ => 0,
            };
            inner + usize::from(part.cache.is_some())
        });
        let all = tools + marked.sum::<usize>();
        let skip = all.saturating_sub(MARKS_MAX);
        Self { kind, skip, is_lost: false, is_shortened: false }
    }

    /// Adds the mark to a tool or a call, which have breakpoints nowhere.
    pub(super) fn put_on_tool(&mut self, cache: Option<&CacheMark>, tool: &mut Value) {
        if self.kind != Marks::Breakpoints {
            self.put(cache, tool);
        } else if cache.is_some() {
            self.skip = self.skip.saturating_sub(1);
            self.is_lost = true;
        }
    }

    /// Adds the mark to a block.
    pub(super) fn put(&mut self, cache: Option<&CacheMark>, block: &mut Value) {
        let (Some(cache), Some(block)) = (cache, block.as_object_mut()) else { return };
        if self.skip > 0 || self.kind == Marks::Unknown {
            self.skip = self.skip.saturating_sub(1);
            self.is_lost = true;
            return;
        }
        let (name, mut mark) = match self.kind {
            Marks::Breakpoints => ("prompt_cache_breakpoint", json!({"mode": "explicit"})),
            _ => ("cache_control", json!({"type": "ephemeral"})),
        };
        let is_taken = |ttl: &&String| match self.kind {
            Marks::Breakpoints => ["30m", "12h"].contains(&ttl.as_str()),
            _ => ["5m", "1h"].contains(&ttl.as_str()),
        };
        match (cache.ttl.as_ref().filter(is_taken), mark.as_object_mut()) {
            (Some(ttl), Some(mark)) => {
                mark.insert("ttl".to_owned(), json!(ttl));
            }
            _ => self.is_shortened |= cache.ttl.is_some(),
        }
        block.insert(name.to_owned(), mark);
    }
}
