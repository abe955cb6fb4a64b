//! Reads blocks. What the form between formats has no place for stays as it is, as a foreign part.

use serde_json::{Value, json};
use weir_types::Dialect;

use super::citations::{annotation, guarded};
use super::media::{self, DOCUMENTS, IMAGES, SOUNDS, VIDEOS};
use crate::fault::RequestFault;
use crate::fields::Fields;
use crate::ir::{
    CacheMark, Document, Image, Media, Part, PartBody, Sealed, Source, Thinking, ToolCall,
    ToolResult,
};

const OWN: Dialect = Dialect::BedrockConverse;

/// The parts that `blocks`, which stand at `path`, are. Cache points become marks of the part
/// before them; one with nothing before it caches nothing.
///
/// # Errors
/// A block, or a member of one, is of the wrong type.
pub(in crate::bedrock_converse) fn parts(
    blocks: Vec<Value>,
    path: &str,
) -> Result<Vec<Part>, RequestFault> {
    let mut parts: Vec<Part> = Vec::with_capacity(blocks.len());
    for (at, block) in blocks.into_iter().enumerate() {
        if let Some(point) = block.get("cachePoint") {
            if let Some(last) = parts.last_mut() {
                last.cache = Some(mark(point));
            }
            continue;
        }
        parts.push(Part::new(body(block, format!("{path}[{at}]"))?));
    }
    Ok(parts)
}

/// What a `cachePoint` says.
pub(in crate::bedrock_converse) fn mark(point: &Value) -> CacheMark {
    CacheMark { ttl: point.get("ttl").and_then(Value::as_str).map(str::to_owned) }
}

fn body(block: Value, path: String) -> Result<PartBody, RequestFault> {
    let mut fields = Fields::new(block, path)?;
    let names = ["text", "json", "image", "document", "video", "audio", "toolUse", "toolResult"];
    let more = ["reasoningContent", "citationsContent", "guardContent"];
    let Some(name) = names.into_iter().chain(more).find(|name| fields.has(name)) else {
        return Ok(foreign(Value::Object(fields.rest())));
    };
    let at = fields.at(name);
    if name == "text" {
        let text = fields.required_text(name)?;
        return Ok(PartBody::Text { text, annotations: Vec::new() });
    }
    let value = fields.any(name).unwrap_or_default();
    let is_plain = |formats| media::is_plain(formats, &value);
    Ok(match name {
        "json" => PartBody::Json(value),
        "image" if is_plain(IMAGES) => {
            PartBody::Image(Image { source: media::source(IMAGES, value), detail: None })
        }
        "video" if is_plain(VIDEOS) => PartBody::Video(medium(media::source(VIDEOS, value))),
        "audio" if is_plain(SOUNDS) => PartBody::Audio(medium(media::source(SOUNDS, value))),
        "document" => document(value, at)?,
        // A tool that runs at the provider; its calls and results mean nothing elsewhere.
        "toolUse" | "toolResult" if value.get("type").is_some_and(Value::is_string) => {
            foreign(json!({ name: value }))
        }
        "toolUse" => PartBody::ToolCall(tool_call(value, at)?),
        "toolResult" => PartBody::ToolResult(tool_result(value, at)?),
        "reasoningContent" => reasoning(value, at)?,
        "citationsContent" => cited(value, at)?,
        "guardContent" if value.pointer("/text/text").is_some_and(Value::is_string) => {
            guard_text(value)
        }
        _ => foreign(json!({ name: value })),
    })
}

fn foreign(raw: Value) -> PartBody {
    PartBody::Foreign { dialect: OWN, raw }
}

fn medium(source: Source) -> Media {
    let media_type = match &source {
        Source::Base64 { media_type, .. } => Some(media_type.clone()),
        _ => None,
    };
    Media { source, media_type }
}

fn document(value: Value, path: String) -> Result<PartBody, RequestFault> {
    let is_odd = value.pointer("/source/s3Location/bucketOwner").is_some();
    if is_odd {
        return Ok(foreign(json!({ "document": value })));
    }
    let mut fields = Fields::new(value, path)?;
    let title = fields.label("name")?;
    let context = fields.text("context")?;
    let citations = match fields.object("citations")? {
        Some(mut citations) => citations.flag("enabled")?,
        None => None,
    };
    let format = fields.text("format")?.unwrap_or_default();
    let mut source =
        fields.object("source")?.ok_or_else(|| fields.missing("source", "an object"))?;
    let read = if let Some(text) = source.text("text")? {
        Source::Text(text)
    } else if let Some(data) = source.text("bytes")? {
        let media_type = media::media_type(DOCUMENTS, &format).unwrap_or_default().to_owned();
        Source::Base64 { media_type, data }
    } else if let Some(mut place) = source.object("s3Location")? {
        Source::Url(place.required_text("uri")?)
    } else {
        Source::Text(joined(&mut source, "content")?)
    };
    Ok(PartBody::Document(Document { source: read, title, context, citations }))
}

/// The texts of a list of `{"text": …}`.
fn joined(fields: &mut Fields, name: &str) -> Result<String, RequestFault> {
    let mut texts = Vec::new();
    for mut part in fields.objects(name)? {
        texts.extend(part.text("text")?);
    }
    Ok(texts.join("\n"))
}

fn tool_call(value: Value, path: String) -> Result<ToolCall, RequestFault> {
    let mut fields = Fields::new(value, path)?;
    let arguments = match fields.any("input") {
        None => "{}".to_owned(),
        Some(Value::String(text)) if text.trim().is_empty() => "{}".to_owned(),
        Some(Value::String(text)) => text,
        Some(input) => input.to_string(),
    };
    Ok(ToolCall {
        id: fields.required_text("toolUseId")?,
        name: fields.required_text("name")?,
        arguments,
        is_custom: false,
        signature: None,
    })
}

fn tool_result(value: Value, path: String) -> Result<ToolResult, RequestFault> {
    let mut fields = Fields::new(value, path)?;
    let content = fields.at("content");
    let is_error = match fields.text("status")?.as_deref() {
        Some("error") => Some(true),
        Some("success") => Some(false),
        _ => None,
    };
    Ok(ToolResult {
        call_id: fields.required_text("toolUseId")?,
        name: None,
        parts: parts(fields.list("content")?, &content)?,
        is_error,
    })
}

fn reasoning(value: Value, path: String) -> Result<PartBody, RequestFault> {
    let mut fields = Fields::new(value, path)?;
    let sealed = |data| Sealed { origin: OWN, data };
    if let Some(data) = fields.text("redactedContent")? {
        let redacted = Some(sealed(data));
        return Ok(PartBody::Thinking(Thinking { redacted, ..Thinking::default() }));
    }
    let Some(mut words) = fields.object("reasoningText")? else {
        return Ok(foreign(json!({ "reasoningContent": fields.rest() })));
    };
    let text = words.text("text")?.unwrap_or_default();
    let signature = words.text("signature")?.map(sealed);
    Ok(PartBody::Thinking(Thinking { text, signature, ..Thinking::default() }))
}

fn cited(value: Value, path: String) -> Result<PartBody, RequestFault> {
    let mut fields = Fields::new(value, path)?;
    let text = joined(&mut fields, "content")?;
    let annotations = fields.list("citations")?.into_iter().map(annotation).collect();
    Ok(PartBody::Text { text, annotations })
}

fn guard_text(mut value: Value) -> PartBody {
    let qualifiers = value.pointer_mut("/text/qualifiers").map(Value::take);
    let text = match value.pointer_mut("/text/text").map(Value::take) {
        Some(Value::String(text)) => text,
        _ => String::new(),
    };
    PartBody::Text { text, annotations: vec![guarded(qualifiers)] }
}
