//! Writes content blocks of a conversation.

use serde_json::{Map, Value, json};
use weir_types::Dialect;

use super::write::{Draft, mark};
use crate::anthropic_messages::{OWN, citation};
use crate::custom;
use crate::fault::RequestFault;
use crate::ir::{Document, Image, Part, PartBody, Sealed, Source, Thinking, ToolCall, ToolResult};
use crate::media;

/// Images in other forms are refused.
const IMAGE_TYPES: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];

/// Writes `part`; nothing where it says nothing or cannot be carried.
///
/// # Errors
/// The model would not see what it is meant to see.
pub(super) fn write(draft: &mut Draft<'_>, part: &Part) -> Result<Option<Value>, RequestFault> {
    let written = match &part.body {
        PartBody::Text { text, annotations } => write_text(draft, text, annotations),
        PartBody::Refusal(text) => write_text(draft, text, &[]),
        PartBody::Json(value) => write_text(draft, &value.to_string(), &[]),
        PartBody::Image(image) => Some(write_image(draft, image)?),
        PartBody::Document(document) => Some(write_document(document)?),
        PartBody::ToolCall(call) => Some(write_call(draft, call)),
        PartBody::ToolResult(result) => Some(write_result(draft, result)?),
        PartBody::Thinking(thinking) => write_thinking(draft, thinking),
        PartBody::Foreign { raw, .. } => raw.as_object().cloned(),
        // There are no such members, so none comes this far.
        PartBody::Audio(_) | PartBody::Video(_) => None,
    };
    let Some(mut written) = written else { return Ok(None) };
    if let Some(cache) = &part.cache {
        let is_thought = matches!(part.body, PartBody::Thinking(_));
        let why = "a thought cannot be marked";
        draft.losses.add_if(is_thought, "messages.cache_control", why);
        if !is_thought {
            written.insert("cache_control".into(), mark(cache, &mut draft.losses));
        }
    }
    Ok(Some(Value::Object(written)))
}

fn block<const N: usize>(kind: &str, members: [(&str, Value); N]) -> Map<String, Value> {
    let kind = [("type", json!(kind))];
    let members = kind.into_iter().chain(members);
    members.map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Empty texts are refused, and say nothing.
fn write_text(draft: &mut Draft<'_>, text: &str, of: &[Value]) -> Option<Map<String, Value>> {
    if text.is_empty() {
        return None;
    }
    let mut written = block("text", [("text", json!(text))]);
    let citations: Vec<_> = of.iter().filter_map(citation::own).collect();
    let why = "what another provider refers to cannot be cited";
    draft.losses.add_if(citations.len() < of.len(), "messages.annotations", why);
    if !citations.is_empty() {
        written.insert("citations".into(), citations.into());
    }
    Some(written)
}

fn write_image(draft: &mut Draft<'_>, image: &Image) -> Result<Map<String, Value>, RequestFault> {
    let has_detail = image.detail.as_deref().is_some_and(|detail| detail != "auto");
    draft.losses.add_if(has_detail, "messages.image.detail", "Claude has one way to see images");
    let source = match &image.source {
        Source::Base64 { media_type, data } => {
            let media_type = match media_type.as_str() {
                "image/jpg" => "image/jpeg",
                "" | "application/octet-stream" | "image/*" => {
                    media::image_type(data).unwrap_or("image/jpeg")
                }
                other => other,
            };
            if !IMAGE_TYPES.contains(&media_type) {
                let text = format!("Claude sees jpeg, png, gif and webp, not {media_type}");
                return Err(RequestFault::unsupported("messages.image", text));
            }
            json!({ "type": "base64", "media_type": media_type, "data": data })
        }
        other => write_source(other, "messages.image")?,
    };
    Ok(block("image", [("source", source)]))
}

fn write_document(document: &Document) -> Result<Map<String, Value>, RequestFault> {
    let source = match &document.source {
        Source::Base64 { media_type, data } if media_type.starts_with("text/") => {
            let Some(text) = media::text_of(data) else {
                let text = "a document of text must be UTF-8 in base64";
                return Err(RequestFault::unsupported("messages.document", text));
            };
            json!({ "type": "text", "media_type": "text/plain", "data": text })
        }
        Source::Base64 { media_type, data } => {
            if !matches!(media_type.as_str(), "application/pdf" | "" | "application/octet-stream") {
                let text = format!("Claude reads PDF and plain text, not {media_type}");
                return Err(RequestFault::unsupported("messages.document", text));
            }
            json!({ "type": "base64", "media_type": "application/pdf", "data": data })
        }
        other => write_source(other, "messages.document")?,
    };
    let mut written = block("document", [("source", source)]);
    for (name, text) in [("title", &document.title), ("context", &document.context)] {
        if let Some(text) = text {
            written.insert(name.into(), json!(text));
        }
    }
    if let Some(enabled) = document.citations {
        written.insert("citations".into(), json!({ "enabled": enabled }));
    }
    Ok(written)
}

fn write_source(source: &Source, param: &'static str) -> Result<Value, RequestFault> {
    match source {
        Source::Url(url) if url.starts_with("https://") || url.starts_with("http://") => {
            Ok(json!({ "type": "url", "url": url }))
        }
        Source::Url(_) => {
            let text = "Anthropic fetches https: only; send the bytes in place of the address";
            Err(RequestFault::unsupported(param, text))
        }
        Source::Text(text) => {
            Ok(json!({ "type": "text", "media_type": "text/plain", "data": text }))
        }
        Source::File { dialect: OWN, id } => Ok(json!({ "type": "file", "file_id": id })),
        Source::File { dialect, .. } => Err(file_of(*dialect, param)),
        // Both callers have taken bytes already.
        Source::Base64 { .. } => Err(RequestFault::unsupported(param, "bytes without a form")),
    }
}

fn file_of(dialect: Dialect, param: &'static str) -> RequestFault {
    let owner = dialect.label();
    let text = format!("the file is kept by a provider of {owner}, and Anthropic cannot read it");
    RequestFault::unsupported(param, text)
}

fn write_call(draft: &mut Draft<'_>, call: &ToolCall) -> Map<String, Value> {
    let why = "only the provider that made a signature can read it";
    let is_signed = call.signature.is_some();
    draft.losses.add_if(is_signed, "thinking.signature", why);
    let input = input(&call.arguments, call.is_custom);
    block("tool_use", [("id", json!(call.id)), ("name", json!(call.name)), ("input", input)])
}

/// The arguments as an object; what is none is put into one.
pub(in crate::anthropic_messages) fn input(arguments: &str, is_custom: bool) -> Value {
    if is_custom {
        return custom::wrapped(arguments);
    }
    if arguments.trim().is_empty() {
        return json!({});
    }
    match serde_json::from_str(arguments) {
        Ok(object @ Value::Object(_)) => object,
        Ok(Value::Null) => json!({}),
        Ok(other) => json!({ "input": other }),
        Err(_) => json!({ "input": arguments }),
    }
}

fn write_result(
    draft: &mut Draft<'_>,
    result: &ToolResult,
) -> Result<Map<String, Value>, RequestFault> {
    let mut content = Vec::with_capacity(result.parts.len());
    for part in &result.parts {
        content.extend(write(draft, part)?);
    }
    let mut written = block("tool_result", [("tool_use_id", json!(result.call_id))]);
    if !content.is_empty() {
        written.insert("content".into(), or_text(content));
    }
    if let Some(is_error) = result.is_error {
        written.insert("is_error".into(), json!(is_error));
    }
    Ok(written)
}

/// One plain text is written as such.
pub(super) fn or_text(mut content: Vec<Value>) -> Value {
    if let [Value::Object(only)] = content.as_mut_slice()
        && only.len() == 2
        && only.get("type").is_some_and(|kind| kind == "text")
        && let Some(text) = only.shift_remove("text")
    {
        return text;
    }
    Value::Array(content)
}

/// Thoughts that this provider did not sign are refused.
fn write_thinking(draft: &mut Draft<'_>, thinking: &Thinking) -> Option<Map<String, Value>> {
    let own = |sealed: &Option<Sealed>| {
        sealed.as_ref().filter(|sealed| sealed.origin == OWN).map(|sealed| json!(sealed.data))
    };
    if let Some(data) = own(&thinking.redacted) {
        return Some(block("redacted_thinking", [("data", data)]));
    }
    if let Some(signature) = own(&thinking.signature) {
        let members = [("thinking", json!(thinking.text)), ("signature", signature)];
        return Some(block("thinking", members));
    }
    let has_seal = thinking.signature.is_some() || thinking.redacted.is_some();
    let why = "only the provider that made a signature can read it";
    draft.losses.add_if(has_seal, "thinking.signature", why);
    let why = "Anthropic refuses thoughts that it did not sign";
    draft.losses.add_if(!thinking.text.is_empty(), "messages.thinking", why);
    None
}
