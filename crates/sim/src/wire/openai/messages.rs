//! Chat messages: who spoke last, what the user said, whether calls and results belong together.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::error;
use crate::ask::LastWords;
use crate::refusal::Refusal;

const ROLES: [&str; 6] = ["system", "assistant", "user", "function", "tool", "developer"];
const PARTS: [&str; 6] = ["text", "image_url", "input_audio", "refusal", "audio", "file"];

/// One chat message, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Message<'a> {
    #[serde(default, borrow)]
    role: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    content: Option<&'a RawValue>,
    #[serde(default, borrow)]
    tool_calls: Option<Vec<Call<'a>>>,
    #[serde(default, borrow)]
    tool_call_id: Option<Cow<'a, str>>,
    #[serde(default)]
    function_call: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    audio: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    refusal: Option<serde::de::IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct Call<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(default, borrow)]
    function: Option<Function<'a>>,
}

#[derive(Debug, Deserialize)]
struct Function<'a> {
    #[serde(rename = "name", borrow)]
    _name: Cow<'a, str>,
    #[serde(rename = "arguments", borrow)]
    _arguments: Cow<'a, str>,
}

#[derive(Debug, Deserialize)]
struct Part<'a> {
    #[serde(default, borrow)]
    r#type: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    text: Option<Cow<'a, str>>,
}

/// Reads a conversation.
///
/// # Errors
/// The 400 for messages that OpenAI would not take.
pub(super) fn last_words(raw: &str) -> Result<LastWords, Refusal> {
    let messages: Vec<Message<'_>> = serde_json::from_str(raw).map_err(|error| {
        let refusal = Refusal::bad_request(format!("Invalid type for 'messages': {error}"));
        refusal.with_code("invalid_type").about("messages")
    })?;
    let mut said = LastWords::default();
    // Calls of the last assistant message that have no result yet; `None` outside of results.
    let mut open: Option<Vec<&str>> = None;
    for (nth, message) in messages.iter().enumerate() {
        let place = format!("messages[{nth}]");
        let role =
            message.role.as_deref().ok_or_else(|| error::missing(&format!("{place}.role")))?;
        if role == "tool" {
            answer_call(&mut open, message, &place)?;
        } else {
            all_answered(open.take(), &place)?;
        }
        check_content(role, message, &place)?;
        said.after_tool = role == "tool" || role == "function";
        match role {
            "user" => {
                said.user = message.content.map_or_else(String::new, |raw| text_of(raw.get()));
            }
            "assistant" => {
                let calls = message.tool_calls.iter().flatten();
                open = message.tool_calls.as_ref().map(|_| calls.map(|call| &*call.id).collect());
            }
            _ => {}
        }
    }
    all_answered(open, &format!("messages[{}]", messages.len()))?;
    Ok(said)
}

fn answer_call(
    open: &mut Option<Vec<&str>>,
    message: &Message<'_>,
    place: &str,
) -> Result<(), Refusal> {
    let Some(id) = message.tool_call_id.as_deref() else {
        return Err(error::missing(&format!("{place}.tool_call_id")));
    };
    let known = open.as_ref().and_then(|open| open.iter().position(|call| *call == id));
    let (Some(open), Some(at)) = (open, known) else {
        let why = "messages with role 'tool' must be a response to a preceeding message with \
                   'tool_calls'";
        return Err(Refusal::bad_member(&format!("{place}.role"), why));
    };
    open.swap_remove(at);
    Ok(())
}

fn all_answered(open: Option<Vec<&str>>, place: &str) -> Result<(), Refusal> {
    let open = open.unwrap_or_default();
    if open.is_empty() {
        return Ok(());
    }
    let message = format!(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to \
         each 'tool_call_id'. The following tool_call_ids did not have response messages: {}",
        open.join(", ")
    );
    Err(Refusal::bad_request(message).about(&format!("{place}.role")))
}

fn check_content(role: &str, message: &Message<'_>, place: &str) -> Result<(), Refusal> {
    if !ROLES.contains(&role) {
        let why = format!(
            "'{role}' is none of 'system', 'assistant', 'user', 'function', 'tool' \
                           and 'developer'"
        );
        return Err(Refusal::bad_member(&format!("{place}.role"), &why));
    }
    let content = message.content.map_or("null", RawValue::get);
    let member = format!("{place}.content");
    match content.as_bytes().first() {
        Some(b'"') => Ok(()),
        Some(b'[') => check_parts(role, content, &member),
        Some(b'n') if role == "assistant" => {
            let says = message.tool_calls.is_some()
                || message.function_call.is_some()
                || message.refusal.is_some()
                || message.audio.is_some();
            if !says {
                return Err(Refusal::bad_member(&member, "expected a string, got null"));
            }
            let calls = message.tool_calls.iter().flatten();
            match calls.into_iter().all(|call| call.function.is_some() || !call.id.is_empty()) {
                true => Ok(()),
                false => Err(Refusal::bad_member(&member, "a call has no id")),
            }
        }
        Some(b'n') if message.content.is_none() => Err(error::missing(&member)),
        _ => Err(Refusal::bad_member(&member, "expected a string or an array of objects")),
    }
}

fn check_parts(role: &str, content: &str, member: &str) -> Result<(), Refusal> {
    let parts: Vec<Part<'_>> = serde_json::from_str(content)
        .map_err(|error| Refusal::bad_member(member, &error.to_string()))?;
    for (nth, part) in parts.iter().enumerate() {
        let place = format!("{member}[{nth}]");
        let kind = part.r#type.as_deref();
        let kind = kind.ok_or_else(|| error::missing(&format!("{place}.type")))?;
        let fits = if role == "tool" { kind == "text" } else { PARTS.contains(&kind) };
        if !fits {
            let why = format!("'{kind}' is not supported in a message of '{role}'");
            return Err(Refusal::bad_member(&format!("{place}.type"), &why));
        }
        if kind == "text" && part.text.is_none() {
            return Err(error::missing(&format!("{place}.text")));
        }
    }
    Ok(())
}

/// The text of a string, or of an array of strings or content parts, joined by blanks.
pub(super) fn text_of(raw: &str) -> String {
    if let Ok(text) = serde_json::from_str::<String>(raw) {
        return text;
    }
    if let Ok(texts) = serde_json::from_str::<Vec<String>>(raw) {
        return texts.join(" ");
    }
    let parts: Vec<Part<'_>> = serde_json::from_str(raw).unwrap_or_default();
    parts.into_iter().filter_map(|part| part.text).collect::<Vec<_>>().join(" ")
}
