//! The order of turns: who may speak when, and that every call is answered at once.

use serde_json::Value;

use super::family;
use crate::answer::reply::seal;
use crate::refusal::Refusal;
use crate::wire::{items, text};

/// Consecutive messages of one role, taken together as Anthropic does.
struct Turn<'v> {
    role: &'v str,
    /// Each with its place.
    blocks: Vec<(String, &'v Value)>,
}

/// # Errors
/// The first turn that is out of order, or block that is where it must not be.
pub(super) fn check(messages: &[Value], model: &str, thinks: bool) -> Result<(), Refusal> {
    if messages.is_empty() {
        return refuse("messages: at least one message is required");
    }
    check_system_turns(messages, model)?;
    let mut turns: Vec<Turn<'_>> = Vec::new();
    for (nth, message) in messages.iter().enumerate() {
        let role = text(message, "role");
        check_content(message, nth, nth + 1 == messages.len())?;
        let content = items(message, "content").iter().enumerate();
        let blocks = content.map(|(at, block)| (format!("messages.{nth}.content.{at}"), block));
        match turns.last_mut().filter(|turn| turn.role == role) {
            Some(turn) => turn.blocks.extend(blocks),
            None => turns.push(Turn { role, blocks: blocks.collect() }),
        }
    }
    turns.retain(|turn| turn.role != "system");
    if turns.first().is_some_and(|turn| turn.role != "user") {
        return refuse("messages: first message must use the \"user\" role");
    }
    for turn in &turns {
        check_blocks(turn)?;
    }
    let mut before = None;
    for turn in &turns {
        check_results(before, turn)?;
        before = Some(turn);
    }
    if let Some(last) = turns.last() {
        unanswered(last, &[])?;
        let unsampled = family::is_unsampled(model);
        if last.role == "assistant" && unsampled {
            return refuse(
                "This model does not support assistant message prefill. The conversation must end \
                 with a user message.",
            );
        }
    }
    if thinks { check_thoughts(&turns) } else { Ok(()) }
}

fn refuse<T>(message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::bad_request(message))
}

/// Newer models take `system` after a user's turn, before an assistant's or at the end.
fn check_system_turns(messages: &[Value], model: &str) -> Result<(), Refusal> {
    let role = |nth: usize| messages.get(nth).map_or("", |message| text(message, "role"));
    for nth in (0..messages.len()).filter(|nth| role(*nth) == "system") {
        if !family::takes_system_turns(model) {
            return refuse(
                "messages: Unexpected role \"system\". The Messages API accepts a top-level \
                 `system` parameter, not \"system\" as an input message role.",
            );
        }
        let after_user = nth > 0 && role(nth - 1) == "user";
        if !after_user || !matches!(role(nth + 1), "" | "assistant") {
            return refuse(format!(
                "messages.{nth}: `system` messages must follow a `user` message and be last or \
                 precede an `assistant` message"
            ));
        }
    }
    Ok(())
}

/// Texts must not be empty; only the last word of the assistant may be.
fn check_content(message: &Value, nth: usize, last: bool) -> Result<(), Refusal> {
    let assistant = text(message, "role") == "assistant";
    let content = message.get("content");
    let empty = match content {
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Array(blocks)) => blocks.is_empty(),
        _ => true,
    };
    if empty && !(last && assistant) {
        return refuse(format!(
            "messages.{nth}: all messages must have non-empty content except for the optional \
             final assistant message"
        ));
    }
    for block in items(message, "content") {
        check_text(block)?;
        items(block, "content").iter().try_for_each(check_text)?;
    }
    let words = match content {
        Some(Value::String(text)) => Some(text.as_str()),
        _ => items(message, "content").last().map(|block| text(block, "text")),
    };
    if last && assistant && words.is_some_and(|words| words.ends_with(char::is_whitespace)) {
        return refuse("messages: final assistant content cannot end with trailing whitespace");
    }
    if words.is_some_and(|words| !words.is_empty() && words.trim().is_empty()) {
        return refuse("messages: text content blocks must contain non-whitespace text");
    }
    Ok(())
}

/// A text block must say something.
pub(super) fn check_text(block: &Value) -> Result<(), Refusal> {
    if text(block, "type") != "text" {
        return Ok(());
    }
    let said = text(block, "text");
    if said.is_empty() && block.get("cache_control").is_some_and(|mark| !mark.is_null()) {
        return refuse("messages: cache_control cannot be set for empty text blocks");
    }
    if said.is_empty() {
        return refuse("messages: text content blocks must be non-empty");
    }
    if said.trim().is_empty() {
        return refuse("messages: text content blocks must contain non-whitespace text");
    }
    Ok(())
}

fn check_blocks(turn: &Turn<'_>) -> Result<(), Refusal> {
    for (place, block) in &turn.blocks {
        let kind = text(block, "type");
        let role = match kind {
            "tool_result" => "user",
            "tool_use" | "thinking" | "redacted_thinking" | "server_tool_use" => "assistant",
            _ => turn.role,
        };
        if role != turn.role {
            return refuse(format!("{place}: `{kind}` blocks can only be in `{role}` messages"));
        }
        let signed = || text(block, "signature") == seal(text(block, "thinking"));
        if kind == "thinking" && !signed() {
            return refuse(format!("{place}: Invalid `signature` in `thinking` block"));
        }
    }
    Ok(())
}

fn ids<'v>(turn: &Turn<'v>, kind: &str, member: &str) -> Vec<&'v str> {
    let blocks = turn.blocks.iter().filter(|(_, block)| text(block, "type") == kind);
    blocks.map(|(_, block)| text(block, member)).collect()
}

/// Results answer the calls of the turn before, all of them, and stand before anything else.
fn check_results(before: Option<&Turn<'_>>, turn: &Turn<'_>) -> Result<(), Refusal> {
    let calls = before.map(|before| ids(before, "tool_use", "id")).unwrap_or_default();
    for (nth, id) in calls.iter().enumerate() {
        if calls.iter().take(nth).any(|earlier| earlier == id) {
            return refuse("messages: `tool_use` ids must be unique");
        }
    }
    let mut first = Vec::new();
    let mut leading = true;
    for (place, block) in &turn.blocks {
        if text(block, "type") != "tool_result" {
            leading = false;
            continue;
        }
        let id = text(block, "tool_use_id");
        if !calls.contains(&id) {
            return refuse(format!(
                "{place}: unexpected `tool_use_id` found in `tool_result` blocks: {id}. Each \
                 `tool_result` block must have a corresponding `tool_use` block in the previous \
                 message."
            ));
        }
        if first.contains(&id) {
            return refuse(format!(
                "{place}: each tool_use must have a single result. Found multiple `tool_result` \
                 blocks with id: {id}"
            ));
        }
        if leading {
            first.push(id);
        }
    }
    match before {
        Some(before) => unanswered(before, &first),
        None => Ok(()),
    }
}

fn unanswered(turn: &Turn<'_>, results: &[&str]) -> Result<(), Refusal> {
    let mut calls = ids(turn, "tool_use", "id");
    calls.retain(|id| !results.contains(id));
    if calls.is_empty() {
        return Ok(());
    }
    let place = turn.blocks.first().map_or("messages", |(place, _)| place);
    let message = place.split(".content").next().unwrap_or(place);
    refuse(format!(
        "{message}: `tool_use` ids were found without `tool_result` blocks immediately after: {}. \
         Each `tool_use` block must have a corresponding `tool_result` block in the next message.",
        calls.join(", ")
    ))
}

/// A model that is told to think wants to see the thought that led to the calls it is answered on.
fn check_thoughts(turns: &[Turn<'_>]) -> Result<(), Refusal> {
    let [.., caller, answer] = turns else {
        return Ok(());
    };
    let loops = !ids(answer, "tool_result", "tool_use_id").is_empty();
    let Some((place, block)) = caller.blocks.first().filter(|_| loops) else {
        return Ok(());
    };
    let kind = text(block, "type");
    if matches!(kind, "thinking" | "redacted_thinking") {
        return Ok(());
    }
    refuse(format!(
        "{place}.type: Expected `thinking` or `redacted_thinking`, but found `{kind}`. When \
         `thinking` is enabled, a final `assistant` message must start with a thinking block \
         (preceeding the lastmost set of `tool_use` and `tool_result` blocks)."
    ))
}
