//! Input items: what may stand in which message, and what belongs to what.

use serde_json::Value;

use crate::answer::text as words;
use crate::ask::LastWords;
use crate::refusal::Refusal;
use crate::wire::{items, text};

/// What seals the reasoning that a key was given.
pub(super) fn seal(key: &str) -> String {
    words::id("gAAAAAsim", words::hash(&[b"reasoning", key.as_bytes()]))
}

/// Checks the items and reads the end of the conversation. `continues`: there is an earlier
/// response that calls may stand in.
///
/// # Errors
/// The first item that is out of place.
pub(super) fn check(input: &[Value], key: &str, continues: bool) -> Result<(), Refusal> {
    let mut open: Vec<&str> = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for (nth, item) in input.iter().enumerate() {
        match text(item, "type") {
            "" | "message" => check_message(item, nth)?,
            "function_call" => {
                open.push(text(item, "call_id"));
                seen.push(text(item, "call_id"));
            }
            "function_call_output" => {
                let id = text(item, "call_id");
                if !continues && !seen.contains(&id) {
                    let message =
                        format!("No tool call found for function call output with call_id {id}.");
                    return Err(Refusal::bad_request(message).about("input"));
                }
                open.retain(|call| *call != id);
                check_parts(item, "output", nth, &["input_text", "input_image", "input_file"])?;
            }
            "reasoning" => check_reasoning(input, nth, key)?,
            "item_reference" => {
                let id = text(item, "id");
                let message = format!(
                    "Item with id '{id}' not found. Items are not persisted when `store` is set \
                     to false."
                );
                return Err(Refusal::bad_request(message).about("input"));
            }
            _ => {}
        }
    }
    match open.first() {
        None => Ok(()),
        Some(id) => {
            let message = format!("No tool output found for function call {id}.");
            Err(Refusal::bad_request(message).about("input"))
        }
    }
}

fn check_message(item: &Value, nth: usize) -> Result<(), Refusal> {
    let allowed: &[&str] = match text(item, "role") {
        "assistant" => &["output_text", "refusal"],
        _ => &["input_text", "input_image", "input_file", "input_audio"],
    };
    check_parts(item, "content", nth, allowed)
}

fn check_parts(item: &Value, member: &str, nth: usize, allowed: &[&str]) -> Result<(), Refusal> {
    for (at, part) in items(item, member).iter().enumerate() {
        let kind = text(part, "type");
        if !allowed.contains(&kind) {
            let names: Vec<String> = allowed.iter().map(|name| format!("'{name}'")).collect();
            let message =
                format!("Invalid value: '{kind}'. Supported values are: {}.", names.join(" and "));
            let place = format!("input[{nth}].{member}[{at}]");
            return Err(Refusal::bad_request(message).with_code("invalid_value").about(&place));
        }
        let has = |names: &[&str]| names.iter().any(|name| !text(part, name).is_empty());
        let lacks = match kind {
            "input_image" => !has(&["image_url", "file_id"]),
            "input_file" => !has(&["file_data", "file_id", "file_url"]),
            _ => false,
        };
        if lacks {
            let why = "it names neither data nor a file";
            return Err(Refusal::bad_member(&format!("input[{nth}].{member}[{at}]"), why));
        }
    }
    Ok(())
}

/// Reasoning belongs to the item after it, and to whom it was given.
fn check_reasoning(input: &[Value], nth: usize, key: &str) -> Result<(), Refusal> {
    let Some(item) = input.get(nth) else {
        return Ok(());
    };
    let sealed = text(item, "encrypted_content");
    if !sealed.is_empty() && sealed != seal(key) {
        let message = "The encrypted content could not be verified. Reason: Encrypted content \
                       could not be decrypted or parsed.";
        return Err(Refusal::bad_request(message).with_code("invalid_encrypted_content"));
    }
    let led_to = input.get(nth + 1).is_some_and(|next| match text(next, "type") {
        "" | "message" => text(next, "role") == "assistant",
        "function_call_output" => false,
        _ => true,
    });
    if led_to {
        return Ok(());
    }
    let id = text(item, "id");
    let message = format!(
        "Item '{id}' of type 'reasoning' was provided without its required following item."
    );
    Err(Refusal::bad_request(message).about("input"))
}

/// The end of a conversation.
pub(super) fn last_words(input: &Value) -> LastWords {
    if let Some(said) = input.as_str() {
        return LastWords { user: said.to_owned(), after_tool: false };
    }
    let mut said = LastWords::default();
    for item in input.as_array().into_iter().flatten() {
        let kind = text(item, "type");
        said.after_tool = kind.ends_with("_output");
        if matches!(kind, "" | "message") && text(item, "role") == "user" {
            let parts = items(item, "content").iter().map(|part| text(part, "text"));
            let joined = parts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ");
            let whole = item.get("content").and_then(Value::as_str);
            said.user = whole.map_or(joined, str::to_owned);
        }
    }
    said
}
