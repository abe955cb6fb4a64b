//! Reads the conversation.
//!
//! A `tool_plan` is thinking that stands between what is said and the calls; it is marked as a
//! summary, which tells it from the blocks of type `thinking` on the way back.

use serde_json::Value;
use weir_types::Dialect;

use super::super::{citation, document};
use crate::fault::RequestFault;
use crate::fields::Fields;
use crate::ir::{
    Extra, Image, Message, Part, PartBody, Role, Source, Thinking, ToolCall, ToolResult,
};

/// Reads `messages`. What a message or block has beyond what is known goes to `extra`, under a
/// name with a dot in it: no member of a request is called so.
pub(super) fn read(fields: &mut Fields, extra: &mut Extra) -> Result<Vec<Message>, RequestFault> {
    let messages = fields.objects("messages")?.into_iter();
    messages.map(|message| one(message, extra)).collect()
}

fn one(mut message: Fields, extra: &mut Extra) -> Result<Message, RequestFault> {
    let role = message.required_text("role")?;
    let (role, parts) = match role.as_str() {
        "system" => (Role::System, content(&mut message, extra)?),
        "user" => (Role::User, content(&mut message, extra)?),
        "assistant" => (Role::Assistant, assistant(&mut message, extra)?),
        "tool" => {
            let call_id = message.required_text("tool_call_id")?;
            let parts = content(&mut message, extra)?;
            let result = ToolResult { call_id, name: None, parts, is_error: None };
            (Role::Tool, vec![Part::new(PartBody::ToolResult(result))])
        }
        _ => {
            let why = "must be \"system\", \"user\", \"assistant\" or \"tool\"";
            return Err(message.wrong("role", why));
        }
    };
    keep(message, "messages", extra);
    Ok(Message { role, parts, name: None })
}

fn assistant(message: &mut Fields, extra: &mut Extra) -> Result<Vec<Part>, RequestFault> {
    let mut parts = content(message, extra)?;
    citation::attach(message.list("citations")?, &mut parts);
    if let Some(plan) = message.text("tool_plan")?.filter(|plan| !plan.is_empty()) {
        let thinking = Thinking { text: plan, is_summary: true, ..Thinking::default() };
        parts.push(Part::new(PartBody::Thinking(thinking)));
    }
    for mut call in message.objects("tool_calls")? {
        let id = call.text("id")?.unwrap_or_default();
        let Some(mut function) = call.object("function")? else {
            return Err(call.missing("function", "an object with `name` and `arguments`"));
        };
        let name = function.required_text("name")?;
        let arguments = arguments(function.any("arguments"));
        let call = ToolCall { id, name, arguments, is_custom: false, signature: None };
        parts.push(Part::new(PartBody::ToolCall(call)));
    }
    Ok(parts)
}

/// Arguments as JSON text. A call without any has `null`, `"null"` or `""` here.
pub(in crate::cohere_chat) fn arguments(value: Option<Value>) -> String {
    let text = match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text,
        Some(other) => other.to_string(),
    };
    if matches!(text.trim(), "" | "null") { "{}".to_owned() } else { text }
}

fn content(message: &mut Fields, extra: &mut Extra) -> Result<Vec<Part>, RequestFault> {
    let at = message.at("content");
    let blocks = match message.any("content") {
        None => Vec::new(),
        Some(Value::Array(blocks)) => blocks,
        Some(one @ (Value::String(_) | Value::Object(_))) => vec![one],
        Some(_) => return Err(message.wrong("content", "must be a string or an array of blocks")),
    };
    let parts = blocks.into_iter().enumerate().map(|(index, block)| match block {
        Value::String(text) => Ok(Part::text(text)),
        block => part(Fields::new(block, format!("{at}[{index}]"))?, extra),
    });
    parts.collect()
}

fn part(mut block: Fields, extra: &mut Extra) -> Result<Part, RequestFault> {
    let kind = block.peek("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let body = match kind.as_str() {
        "text" => PartBody::Text { text: block.required_text("text")?, annotations: Vec::new() },
        "thinking" => {
            let text = block.required_text("thinking")?;
            PartBody::Thinking(Thinking { text, ..Thinking::default() })
        }
        "image_url" => PartBody::Image(image(&mut block)?),
        "document" => match block.any("document") {
            Some(value) => PartBody::Document(document::read(value, None)),
            None => return Err(block.missing("document", "an object")),
        },
        "" => return Err(block.missing("type", "a string")),
        _ => {
            let raw = Value::Object(block.rest());
            return Ok(Part::new(PartBody::Foreign { dialect: Dialect::CohereChat, raw }));
        }
    };
    block.any("type");
    keep(block, "messages.content", extra);
    Ok(Part::new(body))
}

fn image(block: &mut Fields) -> Result<Image, RequestFault> {
    if block.peek("image_url").is_some_and(Value::is_string) {
        let url = block.required_text("image_url")?;
        return Ok(Image { source: Source::from_url(&url), detail: None });
    }
    let Some(mut image) = block.object("image_url")? else {
        return Err(block.missing("image_url", "an object with `url`"));
    };
    let source = Source::from_url(&image.required_text("url")?);
    Ok(Image { source, detail: image.text("detail")? })
}

fn keep(rest: Fields, at: &str, extra: &mut Extra) {
    for (name, value) in rest.rest() {
        extra.entry(format!("{at}.{name}")).or_insert(value);
    }
}
