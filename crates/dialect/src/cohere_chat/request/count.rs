//! Counting tokens: `/v1/tokenize`, which takes a text and a model.
//! <https://docs.cohere.com/reference/tokenize>
//!
//! The count is of the words of the conversation and of the tools' definitions. What the model's
//! template puts around them is not in it, which is reported; what is no text is refused, for it
//! would count as nothing.

use bytes::Bytes;
use serde_json::json;

use crate::custom::{self, Simple};
use crate::fault::RequestFault;
use crate::format::{Target, Written};
use crate::ir::{Chat, Losses, Part, PartBody, Source};

/// The longest text that is taken, in characters.
const CHARACTERS_MAX: usize = 65_536;

/// Writes a request to count the tokens of `chat`.
pub(super) fn write(chat: &Chat, target: &Target<'_>) -> Result<Written, RequestFault> {
    let mut text = String::new();
    let mut losses = Losses::default();
    for part in chat.messages.iter().flat_map(|message| &message.parts) {
        add_part(part, &mut text)?;
    }
    for tool in &chat.tools {
        match custom::simple(&tool.body, &mut losses) {
            Simple::Function(function) => {
                add(function.name, &mut text);
                add(function.description.unwrap_or_default(), &mut text);
                let parameters = function.parameters.map(|schema| schema.to_string());
                add(parameters.as_deref().unwrap_or_default(), &mut text);
            }
            Simple::Hosted { name, .. } => {
                let why = format!("tool \"{name}\" is none that Cohere has; it cannot be counted");
                return Err(RequestFault::unsupported("tools", why));
            }
        }
    }
    if text.is_empty() {
        return Err(RequestFault::unsupported("messages", "there is no text to be counted"));
    }
    if text.chars().count() > CHARACTERS_MAX {
        let why = format!("Cohere counts no texts over {CHARACTERS_MAX} characters");
        return Err(RequestFault::unsupported("messages", why));
    }
    losses.add("messages", "counted as plain text, without the model's template");
    let body = json!({ "model": target.model, "text": text });
    Ok(Written { body: Bytes::from(body.to_string()), losses })
}

fn add(piece: &str, text: &mut String) {
    if !text.is_empty() && !piece.is_empty() {
        text.push('\n');
    }
    text.push_str(piece);
}

fn add_part(part: &Part, text: &mut String) -> Result<(), RequestFault> {
    match &part.body {
        PartBody::Text { text: piece, .. } | PartBody::Refusal(piece) => add(piece, text),
        PartBody::Json(value) => add(&value.to_string(), text),
        PartBody::Thinking(thinking) => add(&thinking.text, text),
        PartBody::ToolCall(call) => {
            add(&call.name, text);
            add(&call.arguments, text);
        }
        PartBody::ToolResult(result) => {
            for part in &result.parts {
                add_part(part, text)?;
            }
        }
        PartBody::Document(document) => {
            let Source::Text(piece) = &document.source else { return Err(not_text()) };
            add(document.title.as_deref().unwrap_or_default(), text);
            add(document.context.as_deref().unwrap_or_default(), text);
            add(piece, text);
        }
        PartBody::Image(_) | PartBody::Audio(_) | PartBody::Video(_) | PartBody::Foreign { .. } => {
            return Err(not_text());
        }
    }
    Ok(())
}

fn not_text() -> RequestFault {
    RequestFault::unsupported("messages", "Cohere counts the tokens of text only")
}
