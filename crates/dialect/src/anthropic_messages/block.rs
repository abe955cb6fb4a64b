//! Reads content blocks, which are the same in requests and in answers.
//!
//! A block that only Anthropic knows (server tools and their results, search results, containers)
//! stays as it is.

use serde_json::Value;

use super::{OWN, citation};
use crate::fault::RequestFault;
use crate::fields::Fields;
use crate::ir::{
    CacheMark, Document, Image, Part, PartBody, Sealed, Source, Thinking, ToolCall, ToolResult,
};

/// Reads `content`: blocks, or a text in place of one block of text.
pub(super) fn read_content(content: Value, path: &str) -> Result<Vec<Part>, RequestFault> {
    match content {
        Value::String(text) => Ok(vec![Part::text(text)]),
        Value::Array(blocks) => {
            let blocks = blocks.into_iter().enumerate();
            blocks.map(|(at, block)| read(block, &format!("{path}[{at}]"))).collect()
        }
        _ => {
            let text = format!("`{path}` must be a string or an array of blocks");
            Err(RequestFault::invalid(path.to_owned(), text))
        }
    }
}

/// Reads one block.
pub(super) fn read(raw: Value, path: &str) -> Result<Part, RequestFault> {
    let kind = raw.get("type").and_then(Value::as_str).unwrap_or_default();
    let reader = match kind {
        "text" => text,
        "image" => image,
        "document" if !has_blocks(&raw) => document,
        "tool_use" if is_direct(&raw) => tool_use,
        "tool_result" if raw.get("toolset_name").is_none_or(Value::is_null) => tool_result,
        "thinking" => thinking,
        "redacted_thinking" => redacted_thinking,
        _ => foreign,
    };
    let mut fields = Fields::new(raw, path)?;
    if !fields.has("type") {
        return Err(fields.missing("type", "the kind of the block"));
    }
    let cache = cache_mark(&mut fields)?;
    Ok(Part { body: reader(fields)?, cache })
}

/// Takes the member `cache_control`.
pub(super) fn cache_mark(fields: &mut Fields) -> Result<Option<CacheMark>, RequestFault> {
    let mark = fields.object("cache_control")?;
    mark.map(|mut mark| Ok(CacheMark { ttl: mark.text("ttl")? })).transpose()
}

/// A document that is itself made of blocks has no counterpart elsewhere.
fn has_blocks(raw: &Value) -> bool {
    raw.pointer("/source/type").and_then(Value::as_str) == Some("content")
}

/// Calls that a server tool makes, or that are of a toolset, are not the client's to make again.
fn is_direct(raw: &Value) -> bool {
    let caller = raw.pointer("/caller/type").and_then(Value::as_str);
    caller.is_none_or(|caller| caller == "direct")
        && raw.get("toolset_name").is_none_or(Value::is_null)
}

fn foreign(fields: Fields) -> Result<PartBody, RequestFault> {
    Ok(PartBody::Foreign { dialect: OWN, raw: Value::Object(fields.rest()) })
}

fn text(mut fields: Fields) -> Result<PartBody, RequestFault> {
    let text = fields.required_text("text")?;
    let chars = text.chars().count();
    let citations = fields.list("citations")?.into_iter();
    let annotations = citations.map(|raw| citation::read(raw, chars)).collect();
    Ok(PartBody::Text { text, annotations })
}

fn image(mut fields: Fields) -> Result<PartBody, RequestFault> {
    let source = source(&mut fields)?;
    Ok(PartBody::Image(Image { source, detail: None }))
}

fn document(mut fields: Fields) -> Result<PartBody, RequestFault> {
    let source = source(&mut fields)?;
    let citations = fields.object("citations")?;
    Ok(PartBody::Document(Document {
        source,
        title: fields.label("title")?,
        context: fields.label("context")?,
        citations: citations.map(|mut of| of.flag("enabled")).transpose()?.flatten(),
    }))
}

fn source(fields: &mut Fields) -> Result<Source, RequestFault> {
    let Some(mut source) = fields.object("source")? else {
        return Err(fields.missing("source", "an object"));
    };
    match source.required_text("type")?.as_str() {
        "base64" => Ok(Source::Base64 {
            media_type: source.text("media_type")?.unwrap_or_default(),
            data: source.required_text("data")?,
        }),
        "text" => Ok(Source::Text(source.required_text("data")?)),
        "url" => Ok(Source::Url(source.required_text("url")?)),
        "file" => Ok(Source::File { dialect: OWN, id: source.required_text("file_id")? }),
        other => Err(source.wrong("type", format!("is \"{other}\", which is no known source"))),
    }
}

fn tool_use(mut fields: Fields) -> Result<PartBody, RequestFault> {
    let input = match fields.any("input") {
        None => "{}".to_owned(),
        // Where a host hands the model's text on as it is.
        Some(Value::String(text)) if text.trim().is_empty() => "{}".to_owned(),
        Some(Value::String(text)) => text,
        Some(input) => input.to_string(),
    };
    Ok(PartBody::ToolCall(ToolCall {
        id: fields.required_text("id")?,
        name: fields.required_text("name")?,
        arguments: input,
        is_custom: false,
        signature: None,
    }))
}

fn tool_result(mut fields: Fields) -> Result<PartBody, RequestFault> {
    let path = fields.at("content");
    let content = fields.any("content").map(|content| read_content(content, &path));
    Ok(PartBody::ToolResult(ToolResult {
        call_id: fields.required_text("tool_use_id")?,
        name: None,
        parts: content.transpose()?.unwrap_or_default(),
        is_error: fields.flag("is_error")?,
    }))
}

fn thinking(mut fields: Fields) -> Result<PartBody, RequestFault> {
    let text = fields.text("thinking")?.unwrap_or_default();
    let signature = fields.text("signature")?.filter(|signature| !signature.is_empty());
    let signature = signature.map(|data| Sealed { origin: OWN, data });
    Ok(PartBody::Thinking(Thinking { text, signature, ..Thinking::default() }))
}

fn redacted_thinking(mut fields: Fields) -> Result<PartBody, RequestFault> {
    let redacted = Some(Sealed { origin: OWN, data: fields.required_text("data")? });
    Ok(PartBody::Thinking(Thinking { redacted, ..Thinking::default() }))
}
