//! Calls of tools, as requests and answers of this format have them.
//!
//! A thought signature travels in `extra_content: {google: {thought_signature}}`, which is the form
//! of Google's own OpenAI-compatible endpoint; one of another format stands under that format's
//! name. <https://ai.google.dev/gemini-api/docs/thought-signatures#openai>

use std::borrow::Cow;

use serde_json::{Map, Value, json};
use weir_types::Dialect;

use crate::custom;
use crate::ir::{Sealed, ToolCall};

/// What signatures of Gemini stand under.
pub(super) const GOOGLE: &str = "google";
const SIGNATURE: &str = "thought_signature";

/// Reads a call of an answer. What is missing is empty; `None` if it calls nothing.
pub(super) fn read(call: &Value) -> Option<ToolCall> {
    let text = |of: &Value, name: &str| of.get(name).and_then(Value::as_str).map(str::to_owned);
    let id = text(call, "id").unwrap_or_default();
    let signature = call.get("extra_content").and_then(signature);
    if let Some(custom) = call.get("custom").filter(|custom| custom.is_object()) {
        let name = text(custom, "name")?;
        let arguments = text(custom, "input").unwrap_or_default();
        return Some(ToolCall { id, name, arguments, is_custom: true, signature });
    }
    let function = call.get("function")?;
    let name = text(function, "name")?;
    let arguments = arguments(function.get("arguments"));
    Some(ToolCall { id, name, arguments, is_custom: false, signature })
}

/// Arguments as JSON text, never empty. Some hosts give an object in place of its text.
pub(super) fn arguments(raw: Option<&Value>) -> String {
    match raw {
        None | Some(Value::Null) => "{}".to_owned(),
        Some(Value::String(text)) if text.trim().is_empty() => "{}".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// Reads `extra_content`.
pub(super) fn signature(extra: &Value) -> Option<Sealed> {
    let (owner, members) = extra.as_object()?.iter().next()?;
    let origin = match owner.as_str() {
        GOOGLE => Dialect::GeminiGenerate,
        other => Dialect::from_label(other)?,
    };
    let data = members.get(SIGNATURE)?.as_str()?;
    (!data.is_empty()).then(|| Sealed { origin, data: data.to_owned() })
}

/// Writes `extra_content`.
pub(super) fn extra_content(sealed: &Sealed) -> Value {
    let owner = match sealed.origin {
        Dialect::GeminiGenerate => GOOGLE,
        other => other.label(),
    };
    let signature = Map::from_iter([(SIGNATURE.to_owned(), json!(sealed.data))]);
    Value::Object(Map::from_iter([(owner.to_owned(), Value::Object(signature))]))
}

/// A call as its client knows it, whose tools called `custom` take plain text.
pub(super) fn for_client<'a>(call: &'a ToolCall, custom: &[String]) -> Cow<'a, ToolCall> {
    if call.is_custom || !custom.contains(&call.name) {
        return Cow::Borrowed(call);
    }
    let arguments = custom::unwrapped(&call.arguments);
    Cow::Owned(ToolCall { arguments, is_custom: true, ..call.clone() })
}

/// Writes a call, whole; `id` in place of its own, which may be empty.
pub(super) fn write(call: &ToolCall, id: &str, with_signature: bool) -> Value {
    let ToolCall { name, arguments, .. } = call;
    let mut written = if call.is_custom {
        json!({"id": id, "type": "custom", "custom": {"name": name, "input": arguments}})
    } else {
        let function = json!({"name": name, "arguments": arguments});
        json!({"id": id, "type": "function", "function": function})
    };
    if with_signature
        && let (Some(sealed), Some(members)) = (&call.signature, written.as_object_mut())
    {
        members.insert("extra_content".to_owned(), extra_content(sealed));
    }
    written
}

/// An id for a call of a provider that has none: the `at`th call of the request `request_id`.
pub(super) fn made_id(request_id: &str, choice: u32, at: usize) -> String {
    // OpenAI takes 40 characters: the end of the request's id tells more than its beginning.
    const TAIL: usize = 24;
    let plain: Vec<char> = request_id.chars().filter(char::is_ascii_alphanumeric).collect();
    let tail: String = plain.iter().skip(plain.len().saturating_sub(TAIL)).collect();
    if choice == 0 { format!("call_{tail}_{at}") } else { format!("call_{tail}_{choice}_{at}") }
}
