//! Writes the conversation: the system prompt apart, results of tools first in the user's turn.
//!
//! System messages within the conversation stay there for models that take them, at the nearest
//! place where they are legal: after a user's turn, and at the end or before an answer, never two
//! in a row. Where there is none, and for other models, they join the system prompt.

use serde_json::{Value, json};

use super::block;
use super::read::has_results;
use super::write::Draft;
use crate::fault::RequestFault;
use crate::ir::{Message, Role};

/// A conversation as it is written.
#[derive(Debug, Default)]
pub(super) struct Turns {
    pub(super) system: Vec<Value>,
    list: Vec<Turn>,
}

#[derive(Debug)]
struct Turn {
    role: &'static str,
    blocks: Vec<Value>,
    /// How many of the first blocks are results of tools.
    results: usize,
}

/// Writes the messages of `draft`'s request.
///
/// # Errors
/// Something in it cannot be said to Claude, or there is nothing to answer.
pub(super) fn write(draft: &mut Draft<'_>) -> Result<Turns, RequestFault> {
    let chat = draft.chat;
    let mut turns = Turns::default();
    let mut system = Vec::new();
    for message in &chat.messages {
        let why = "Anthropic has no names of participants";
        draft.losses.add_if(message.name.is_some(), "messages.name", why);
        let blocks = write_parts(draft, message)?;
        match message.role {
            Role::System | Role::Developer if turns.list.is_empty() => turns.system.extend(blocks),
            Role::System | Role::Developer if draft.claude.system_turns => system.extend(blocks),
            Role::System | Role::Developer => turns.system.extend(blocks),
            Role::User | Role::Tool => turns.push_user(blocks),
            Role::Assistant => {
                turns.push_system(&mut system);
                turns.push("assistant", blocks);
            }
        }
    }
    turns.push_system(&mut system);
    if turns.list.is_empty() {
        let text = "there is no message of the user, and Anthropic takes no request without one";
        return Err(RequestFault::unsupported("messages", text));
    }
    turns.check_end(draft)?;
    Ok(turns)
}

fn write_parts(draft: &mut Draft<'_>, message: &Message) -> Result<Vec<Value>, RequestFault> {
    let mut blocks = Vec::with_capacity(message.parts.len());
    for part in &message.parts {
        blocks.extend(block::write(draft, part)?);
    }
    // Whatever else the user says comes after the results that were waited for.
    if has_results(&message.parts) {
        blocks.sort_by_key(|block| !is_result(block));
    }
    Ok(blocks)
}

fn is_result(block: &Value) -> bool {
    block.get("type").is_some_and(|kind| kind == "tool_result")
}

impl Turns {
    /// What is said in the conversation.
    pub(super) fn messages(self) -> Vec<Value> {
        let messages = self.list.into_iter();
        messages
            .map(|turn| json!({ "role": turn.role, "content": block::or_text(turn.blocks) }))
            .collect()
    }

    /// Whether the last answer, or the one whose calls have just been answered, begins otherwise
    /// than with a thought.
    pub(super) fn is_thoughtless(&self) -> bool {
        let mut turns = self.list.iter().rev();
        let is_open = |turn: &&Turn| turn.role == "assistant" || turn.results == 0;
        let last = turns.find(|turn| turn.role != "system");
        let answer = match last {
            Some(turn) if turn.role == "user" && turn.results > 0 => turns.find(is_open),
            other => other,
        };
        let Some(answer) = answer.filter(|turn| turn.role == "assistant") else { return false };
        let first = answer.blocks.first().and_then(|block| block.get("type"));
        !first.is_some_and(|kind| kind == "thinking" || kind == "redacted_thinking")
    }

    /// Turns in which nothing is said are refused.
    fn push(&mut self, role: &'static str, blocks: Vec<Value>) {
        if !blocks.is_empty() {
            let results = blocks.iter().filter(|block| is_result(block)).count();
            self.list.push(Turn { role, blocks, results });
        }
    }

    /// All results that belong to one answer must be in the turn after it.
    fn push_user(&mut self, mut blocks: Vec<Value>) {
        let results = blocks.iter().filter(|block| is_result(block)).count();
        match self.list.last_mut() {
            Some(last) if last.role == "user" && (results > 0 || last.results > 0) => {
                let others = blocks.split_off(results);
                last.blocks.splice(last.results..last.results, blocks);
                last.blocks.extend(others);
                last.results += results;
            }
            _ => self.push("user", blocks),
        }
    }

    fn push_system(&mut self, system: &mut Vec<Value>) {
        let system = std::mem::take(system);
        match self.list.last() {
            Some(last) if last.role == "user" => self.push("system", system),
            _ => self.system.extend(system),
        }
    }

    /// Looks at a conversation that ends with an answer.
    fn check_end(&mut self, draft: &Draft<'_>) -> Result<(), RequestFault> {
        let Some(last) = self.list.last_mut().filter(|turn| turn.role == "assistant") else {
            return Ok(());
        };
        // An answer that was paused is sent back to be gone on with: server tools are in it.
        let is_paused = last.blocks.iter().any(|block| {
            let kind = block.get("type").and_then(Value::as_str).unwrap_or_default();
            kind == "server_tool_use" || kind.ends_with("_tool_result")
        });
        if !draft.claude.prefill && !is_paused {
            let text = "this model refuses conversations that end with the beginning of its answer";
            return Err(RequestFault::unsupported("messages", text));
        }
        // Blanks at the end of such a beginning are refused.
        if let Some(Value::String(text)) = last.blocks.last_mut().and_then(|at| at.get_mut("text"))
            && !text.trim_end().is_empty()
        {
            text.truncate(text.trim_end().len());
        }
        Ok(())
    }
}
