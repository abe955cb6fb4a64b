//! The order of turns: the user begins, roles alternate, and calls are answered at once.

use serde_json::Value;

use crate::answer::reply::seal;
use crate::refusal::Refusal;
use crate::wire::{items, text};

fn refuse<T>(message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::bad_request(message))
}

/// # Errors
/// The first turn or block that Converse would not take.
pub(super) fn check(messages: &[Value]) -> Result<(), Refusal> {
    let talking: Vec<(usize, &Value)> = messages
        .iter()
        .enumerate()
        .filter(|(_, message)| text(message, "role") != "system")
        .collect();
    for (nth, message) in messages.iter().enumerate() {
        check_blocks(message, nth)?;
    }
    if talking.first().is_none_or(|(_, message)| text(message, "role") != "user") {
        return refuse(
            "A conversation must start with a user message. Try again with a conversation that \
             starts with a user message.",
        );
    }
    let mut before: Option<&Value> = None;
    for (nth, message) in &talking {
        if before.is_some_and(|before| text(before, "role") == text(message, "role")) {
            return refuse(
                "A conversation must alternate between user and assistant roles. Make sure the \
                 conversation alternates between user and assistant roles and try again.",
            );
        }
        check_results(before, message, *nth)?;
        before = Some(*message);
    }
    check_results(before, &Value::Null, messages.len())?;
    check_documents(messages)
}

fn check_blocks(message: &Value, nth: usize) -> Result<(), Refusal> {
    let (role, blocks) = (text(message, "role"), items(message, "content"));
    if blocks.is_empty() {
        return refuse(format!(
            "The content field in the Message object at messages.{nth} is empty. Add a \
             ContentBlock object to the content field and try again."
        ));
    }
    for (at, block) in blocks.iter().enumerate() {
        let place = format!("messages.{nth}.content.{at}");
        let has = |names: &[&str]| names.iter().any(|name| block.get(*name).is_some());
        if has(&["text"]) && text(block, "text").trim().is_empty() {
            return refuse(format!(
                "The text field in the ContentBlock object at {place} is blank. Add text to the \
                 text field, and try again."
            ));
        }
        let changes = has(&["toolAddition", "toolRemoval"]);
        let allowed = match role {
            "user" => !changes && !has(&["toolUse", "reasoningContent", "citationsContent"]),
            "assistant" => !changes && !has(&["toolResult", "image", "document", "video", "audio"]),
            _ => changes,
        };
        if !allowed {
            return refuse(format!(
                "The ContentBlock object at {place} is not allowed in a message of the role {role}."
            ));
        }
        if at > 0 && has(&["cachePoint"]) {
            let before = blocks.get(at - 1).is_some_and(|before| before.get("document").is_some());
            if before {
                return refuse(format!(
                    "{place}: a cachePoint block cannot directly follow a document block"
                ));
            }
        }
        let Some(thought) = block.pointer("/reasoningContent/reasoningText") else {
            continue;
        };
        if text(thought, "signature") != seal(text(thought, "text")) {
            return refuse(format!("{place}: Invalid `signature` in `thinking` block"));
        }
    }
    Ok(())
}

fn ids<'v>(message: &'v Value, kind: &str) -> Vec<&'v str> {
    let blocks = items(message, "content").iter().filter_map(|block| block.get(kind));
    blocks.map(|block| text(block, "toolUseId")).collect()
}

fn check_results(before: Option<&Value>, message: &Value, nth: usize) -> Result<(), Refusal> {
    let calls = before.map(|before| ids(before, "toolUse")).unwrap_or_default();
    let results = ids(message, "toolResult");
    let missing: Vec<&str> = calls.iter().filter(|id| !results.contains(id)).copied().collect();
    if !missing.is_empty() {
        return refuse(format!(
            "Expected toolResult blocks at messages.{nth}.content for the following Ids: {}",
            missing.join(", ")
        ));
    }
    let doubled = |(at, id): (usize, &&str)| results.iter().take(at).any(|other| other == id);
    if results.iter().enumerate().any(doubled)
        || calls.iter().enumerate().any(|(at, id)| calls.iter().take(at).any(|other| other == id))
    {
        return refuse(format!(
            "messages.{nth}.content contains duplicate toolUse or toolResult Ids"
        ));
    }
    if results.iter().any(|id| !calls.contains(id)) {
        return refuse(format!(
            "The number of toolResult blocks at messages.{nth}.content exceeds the number of \
             toolUse blocks of previous turn."
        ));
    }
    Ok(())
}

/// A document needs a text beside it and a name of its own.
fn check_documents(messages: &[Value]) -> Result<(), Refusal> {
    let mut names: Vec<&str> = Vec::new();
    for (nth, message) in messages.iter().enumerate() {
        let blocks = items(message, "content");
        let documents = blocks.iter().filter_map(|block| block.get("document"));
        for document in documents {
            let name = text(document, "name");
            if names.contains(&name) {
                return refuse(format!("Your request contains duplicate document names: {name}"));
            }
            names.push(name);
            if !blocks.iter().any(|block| block.get("text").is_some()) {
                return refuse(format!(
                    "messages.{nth}: a message with a document block must include a text block"
                ));
            }
        }
    }
    Ok(())
}
