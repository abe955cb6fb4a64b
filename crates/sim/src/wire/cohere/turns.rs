//! The order of messages: results answer the calls of the assistant's last message.

use serde_json::Value;

use crate::refusal::Refusal;
use crate::wire::{items, text};

/// # Errors
/// The first message that is out of place.
pub(super) fn check(messages: &[Value]) -> Result<(), Refusal> {
    let refuse = |message: String| Err(Refusal::bad_request(message));
    if messages.is_empty() {
        return refuse("invalid request: messages must not be empty".to_owned());
    }
    let mut open: Vec<&str> = Vec::new();
    let mut answering = false;
    for (nth, message) in messages.iter().enumerate() {
        let role = text(message, "role");
        if role == "tool" {
            let id = text(message, "tool_call_id");
            if !open.contains(&id) {
                return refuse(format!(
                    "invalid request: messages[{nth}].tool_call_id: no tool call found with id \
                     '{id}' in the previous assistant message"
                ));
            }
            open.retain(|call| *call != id);
            answering = true;
            continue;
        }
        if !open.is_empty() {
            return refuse(format!(
                "invalid request: messages[{nth}]: all tool calls must have a corresponding tool \
                 result; missing: {}",
                open.join(", ")
            ));
        }
        let calls = items(message, "tool_calls").iter().map(|call| text(call, "id"));
        open = calls.collect();
        let silent = message.get("content").is_none_or(Value::is_null);
        if role == "assistant" && silent && open.is_empty() {
            return refuse(format!(
                "invalid request: messages[{nth}]: content or tool_calls must be specified"
            ));
        }
        answering = false;
    }
    if !open.is_empty() {
        return refuse(format!(
            "invalid request: all tool calls must have a corresponding tool result; missing: {}",
            open.join(", ")
        ));
    }
    let last = messages.last().map_or("", |message| text(message, "role"));
    if last == "user" || answering {
        return Ok(());
    }
    refuse("invalid request: the last message must be from the user or a tool".to_owned())
}
