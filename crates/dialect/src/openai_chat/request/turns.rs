//! Writes messages: who speaks when, and what each role may say.
//!
//! Tool messages are text and follow the calls at once, whatever the source mixes them with; images
//! of results are lifted to the user message that comes next.

use serde_json::{Map, Value, json};
use weir_types::Dialect;

use super::write::Draft;
use super::write_parts as parts;
use crate::fault::RequestFault;
use crate::ir::{Media, Message, Part, PartBody, Role, Source, Thinking, ToolResult};
use crate::openai_chat::hosts::Replay;
use crate::openai_chat::{call, reasoning};

/// Why a signature is lost.
const SEALED: &str = "only the provider that made it takes it back";

/// Writes all messages.
pub(super) fn write(draft: &mut Draft<'_>) -> Result<Vec<Value>, RequestFault> {
    let mut turns = Turns { done: Vec::new(), lifted: Vec::new() };
    let chat = draft.chat;
    let is_system = |message: &&Message| matches!(message.role, Role::System | Role::Developer);
    let (first, then): (Vec<_>, Vec<_>) = if draft.host.system_first {
        chat.messages.iter().partition(is_system)
    } else {
        (Vec::new(), chat.messages.iter().collect())
    };
    let are_first = chat.messages.iter().take(first.len()).all(|message| is_system(&message));
    let why = "the target's system message stands first";
    draft.losses.add_if(!are_first, "messages.system", why);
    if !first.is_empty() {
        let blocks = first.iter().flat_map(|message| &message.parts);
        let blocks = texts(blocks, draft)?;
        turns.done.push(json!({"role": "system", "content": parts::content(blocks)}));
    }
    for message in then {
        turns.message(message, draft)?;
    }
    turns.settle();
    let begins_answer = chat.messages.last().is_some_and(|last| last.role == Role::Assistant);
    let is_lost = begins_answer && chat.source != Dialect::OpenAiChat;
    draft.losses.add_if(is_lost, "messages.prefill", "the target answers it and does not go on");
    Ok(turns.done)
}

/// Messages that are written, and images that wait for a user message.
struct Turns {
    done: Vec<Value>,
    lifted: Vec<Value>,
}

impl Turns {
    fn message(&mut self, message: &Message, draft: &mut Draft<'_>) -> Result<(), RequestFault> {
        match message.role {
            Role::System | Role::Developer => self.system(message, draft),
            Role::User | Role::Tool => self.user(message, draft),
            Role::Assistant => {
                self.settle();
                self.done.push(assistant(message, draft)?);
                Ok(())
            }
        }
    }

    fn system(&mut self, message: &Message, draft: &mut Draft<'_>) -> Result<(), RequestFault> {
        self.settle();
        let is_developer = message.role == Role::Developer && draft.host.developer;
        let role = if is_developer { "developer" } else { "system" };
        let blocks = texts(message.parts.iter(), draft)?;
        let said = json!({"role": role, "content": parts::content(blocks)});
        self.done.push(named(said, message));
        Ok(())
    }

    fn user(&mut self, message: &Message, draft: &mut Draft<'_>) -> Result<(), RequestFault> {
        let mut has_results = false;
        for part in &message.parts {
            if let PartBody::ToolResult(result) = &part.body {
                has_results = true;
                let written = self.result(part, result, draft)?;
                self.done.push(written);
            }
        }
        let mut blocks = Vec::new();
        for part in &message.parts {
            blocks.extend(parts::block(part, draft)?);
        }
        if blocks.is_empty() && (has_results || message.role == Role::Tool) {
            // Lifted images wait: another tool message may follow.
            return Ok(());
        }
        let mut all = std::mem::take(&mut self.lifted);
        all.extend(blocks);
        self.done.push(named(json!({"role": "user", "content": parts::content(all)}), message));
        Ok(())
    }

    fn result(
        &mut self,
        part: &Part,
        result: &ToolResult,
        draft: &mut Draft<'_>,
    ) -> Result<Value, RequestFault> {
        let mut blocks = Vec::new();
        let mut is_lifted = false;
        for inner in &result.parts {
            match &inner.body {
                PartBody::Text { .. } | PartBody::Json(_) | PartBody::Refusal(_) => {
                    blocks.extend(parts::block(inner, draft)?);
                }
                _ => match parts::block(inner, draft)? {
                    Some(block) if block.get("type") == Some(&json!("text")) => blocks.push(block),
                    Some(block) => {
                        self.lifted.push(block);
                        is_lifted = true;
                    }
                    None => {}
                },
            }
        }
        if blocks.is_empty() && is_lifted {
            let note = "The result of this call is in the user message that follows.";
            blocks.push(json!({"type": "text", "text": note}));
        }
        if let Some(last) = blocks.last_mut() {
            draft.marks.put(part.cache.as_ref(), last);
        }
        let why = "the target's tool messages are text alone";
        draft.losses.add_if(result.is_error == Some(true), "messages.tool_result.is_error", why);
        let content = parts::content(blocks);
        Ok(json!({"role": "tool", "tool_call_id": result.call_id, "content": content}))
    }

    /// Writes what still waits for a user message.
    fn settle(&mut self) {
        if !self.lifted.is_empty() {
            let lifted = std::mem::take(&mut self.lifted);
            self.done.push(json!({"role": "user", "content": lifted}));
        }
    }
}

fn named(mut written: Value, message: &Message) -> Value {
    if let (Some(name), Some(members)) = (&message.name, written.as_object_mut()) {
        members.insert("name".to_owned(), json!(name));
    }
    written
}

/// Blocks of a message that takes text alone.
fn texts<'a>(
    list: impl IntoIterator<Item = &'a Part>,
    draft: &mut Draft<'_>,
) -> Result<Vec<Value>, RequestFault> {
    let mut blocks = Vec::new();
    for part in list {
        match &part.body {
            PartBody::Text { text, .. } => blocks.push(parts::text(part, text, draft)),
            _ => blocks.extend(parts::block(part, draft)?),
        }
    }
    Ok(blocks)
}

fn assistant(message: &Message, draft: &mut Draft<'_>) -> Result<Value, RequestFault> {
    let mut said = Said::default();
    for part in &message.parts {
        said.part(part, draft)?;
    }
    let mut members = Map::new();
    members.insert("role".to_owned(), json!("assistant"));
    let is_silent = said.blocks.is_empty();
    let has_other = !said.calls.is_empty() || said.audio.is_some() || !said.refusal.is_empty();
    let content = if is_silent && has_other { Value::Null } else { parts::content(said.blocks) };
    members.insert("content".to_owned(), content);
    if !said.refusal.is_empty() {
        members.insert("refusal".to_owned(), json!(said.refusal));
    }
    if let Some(id) = said.audio {
        members.insert("audio".to_owned(), json!({"id": id}));
    }
    if !said.calls.is_empty() {
        members.insert("tool_calls".to_owned(), Value::Array(said.calls));
    }
    thoughts(&said.thoughts, &mut members, draft);
    Ok(named(Value::Object(members), message))
}

/// What an assistant message says, sorted into the members that it has.
#[derive(Default)]
struct Said<'a> {
    blocks: Vec<Value>,
    refusal: String,
    calls: Vec<Value>,
    audio: Option<&'a str>,
    thoughts: Vec<&'a Thinking>,
}

impl<'a> Said<'a> {
    fn part(&mut self, part: &'a Part, draft: &mut Draft<'_>) -> Result<(), RequestFault> {
        match &part.body {
            PartBody::Text { text, annotations } => {
                let is_lost = !annotations.is_empty() && draft.chat.source != Dialect::OpenAiChat;
                draft.losses.add_if(is_lost, "messages.citations", super::write::NO_MEMBER);
                self.blocks.push(parts::text(part, text, draft));
            }
            PartBody::Refusal(words) if draft.host.is_openai => self.refusal.push_str(words),
            PartBody::Thinking(block) => self.thoughts.push(block),
            PartBody::ToolCall(called) => {
                let is_lost = called.signature.is_some() && !draft.host.extra_content;
                draft.losses.add_if(is_lost, "thinking.signature", SEALED);
                let mut written = call::write(called, &called.id, draft.host.extra_content);
                draft.marks.put_on_tool(part.cache.as_ref(), &mut written);
                self.calls.push(written);
            }
            PartBody::Audio(Media { source: Source::File { id, .. }, .. }) => self.audio = Some(id),
            _ => self.blocks.extend(parts::block(part, draft)?),
        }
        Ok(())
    }
}

/// Thoughts, as far as the host takes them back.
fn thoughts(blocks: &[&Thinking], members: &mut Map<String, Value>, draft: &mut Draft<'_>) {
    let seals = |block: &&Thinking| {
        block.redacted.clone().or_else(|| block.signature.clone()).map(|sealed| sealed.origin)
    };
    let takes = draft.host.replay != Replay::Nothing;
    let is_own = |block: &&&Thinking| seals(block) == Some(Dialect::OpenAiChat);
    let strange = blocks.iter().any(|block| seals(block).is_some() && !(takes && is_own(&block)));
    draft.losses.add_if(strange, "thinking.signature", SEALED);
    let words = reasoning::words(blocks.iter().copied());
    if !takes {
        let why = "the target takes no thoughts back";
        draft.losses.add_if(words.is_some(), "messages.thinking", why);
        return;
    }
    let is_details = draft.host.replay == Replay::Details;
    let member = if is_details { "reasoning" } else { "reasoning_content" };
    if let Some(words) = words {
        members.insert(member.to_owned(), json!(words));
    }
    let own = blocks.iter().filter(is_own).enumerate();
    let details: Vec<_> = own.map(|(at, block)| reasoning::detail(block, at)).collect();
    if !details.is_empty() {
        members.insert("reasoning_details".to_owned(), Value::Array(details));
    }
}
