//! Items that requests and answers have alike: reasoning and calls of tools, both ways.

use serde_json::{Map, Value, json};
use weir_types::Dialect;

use crate::fault::RequestFault;
use crate::fields::Fields;
use crate::ir::{Part, PartBody, Sealed, Thinking, ToolCall};

/// What stands between the summary parts of one block of reasoning.
pub(super) const PARAGRAPH: &str = "\n\n";

/// Reads reasoning. Nothing of it is required: hosts leave out ids, summaries or both.
pub(super) fn thinking(fields: &mut Fields) -> Result<Thinking, RequestFault> {
    let id = fields.text("id")?.filter(|id| !id.is_empty());
    let content = texts(fields.objects("content")?)?;
    let summary = texts(fields.objects("summary")?)?;
    let sealed = fields
        .text("encrypted_content")?
        .map(|data| Sealed { origin: Dialect::OpenAiResponses, data });
    let is_summary = content.is_empty();
    let text = if is_summary { summary } else { content };
    // Without words there is nothing but what is encrypted.
    let (signature, redacted) = if text.is_empty() { (None, sealed) } else { (sealed, None) };
    Ok(Thinking { text, signature, redacted, id, is_summary })
}

fn texts(list: Vec<Fields>) -> Result<String, RequestFault> {
    let texts = list.into_iter().map(|mut part| part.required_text("text"));
    Ok(texts.collect::<Result<Vec<_>, _>>()?.join(PARAGRAPH))
}

/// What this provider encrypted of a block of reasoning.
pub(super) fn encrypted(thinking: &Thinking) -> Option<&str> {
    let sealed = [thinking.redacted.as_ref(), thinking.signature.as_ref()].into_iter().flatten();
    let mut own = sealed.filter(|sealed| sealed.origin == Dialect::OpenAiResponses);
    own.next().map(|sealed| sealed.data.as_str())
}

/// Writes reasoning; the words as a summary, the only form that every client shows.
pub(super) fn reasoning(id: Option<&str>, text: &str, encrypted: Option<&str>) -> Value {
    let mut members = Map::new();
    members.insert("type".to_owned(), json!("reasoning"));
    if let Some(id) = id {
        members.insert("id".to_owned(), json!(id));
    }
    let summary = if text.is_empty() { json!([]) } else { json!([summary_part(text)]) };
    members.insert("summary".to_owned(), summary);
    if let Some(data) = encrypted {
        members.insert("encrypted_content".to_owned(), json!(data));
    }
    Value::Object(members)
}

/// A part of a summary.
pub(super) fn summary_part(text: &str) -> Value {
    json!({ "type": "summary_text", "text": text })
}

/// Reads a call.
pub(super) fn call(fields: &mut Fields, is_custom: bool) -> Result<ToolCall, RequestFault> {
    let id = match fields.text("call_id")? {
        Some(id) => id,
        None => fields.required_text("id")?,
    };
    let arguments = fields.text(if is_custom { "input" } else { "arguments" })?;
    Ok(ToolCall {
        id,
        name: fields.required_text("name")?,
        arguments: arguments_of(arguments.unwrap_or_default(), is_custom),
        is_custom,
        signature: None,
    })
}

/// Arguments as they are between formats: never empty, unless they are a custom tool's text.
pub(super) fn arguments_of(arguments: String, is_custom: bool) -> String {
    if !is_custom && arguments.trim().is_empty() { "{}".to_owned() } else { arguments }
}

/// Writes a call; `id` is that of the item.
pub(super) fn write_call(id: Option<&str>, call: &ToolCall, status: Option<&str>) -> Value {
    let mut members = Map::new();
    let kind = if call.is_custom { "custom_tool_call" } else { "function_call" };
    members.insert("type".to_owned(), json!(kind));
    if let Some(id) = id {
        members.insert("id".to_owned(), json!(id));
    }
    members.insert("call_id".to_owned(), json!(call.id));
    members.insert("name".to_owned(), json!(call.name));
    let arguments = if call.is_custom { "input" } else { "arguments" };
    members.insert(arguments.to_owned(), json!(call.arguments));
    if let Some(status) = status {
        members.insert("status".to_owned(), json!(status));
    }
    Value::Object(members)
}

/// An item that only this format knows.
pub(super) fn foreign(raw: Value) -> Part {
    Part::new(PartBody::Foreign { dialect: Dialect::OpenAiResponses, raw })
}
