//! Writes what messages are made of.

use serde_json::{Map, Value, json};
use weir_types::Dialect;

use super::write::Draft;
use crate::fault::RequestFault;
use crate::format::Place;
use crate::ir::{Document, Image, Media, Part, PartBody, Source};
use crate::media;
use crate::openai_chat::hosts;

/// Parts as content: one plain text as a string, anything else as an array.
pub(super) fn content(mut blocks: Vec<Value>) -> Value {
    let is_plain = |block: &Value| {
        block.as_object().is_some_and(|members| members.len() == 2 && members.contains_key("text"))
    };
    match blocks.as_mut_slice() {
        [] => json!(""),
        [one] if is_plain(one) => one.get_mut("text").map(Value::take).unwrap_or_default(),
        _ => Value::Array(blocks),
    }
}

/// A text block.
pub(super) fn text(part: &Part, text: &str, draft: &mut Draft<'_>) -> Value {
    let mut block = json!({"type": "text", "text": text});
    draft.marks.put(part.cache.as_ref(), &mut block);
    block
}

/// A block of what a user says; `None` for what is written elsewhere.
pub(super) fn block(part: &Part, draft: &mut Draft<'_>) -> Result<Option<Value>, RequestFault> {
    let mut block = match &part.body {
        PartBody::Text { text: words, .. } => return Ok(Some(text(part, words, draft))),
        PartBody::Refusal(words) => return Ok(Some(text(part, words, draft))),
        PartBody::Json(value) => json!({"type": "text", "text": value.to_string()}),
        PartBody::Image(picture) => image(picture)?,
        PartBody::Document(paper) => document(paper, draft)?,
        PartBody::Audio(sound) => audio(sound, draft)?,
        PartBody::Video(film) => video(film, draft)?,
        PartBody::Foreign { raw, .. } => raw.clone(),
        PartBody::ToolCall(_) | PartBody::ToolResult(_) | PartBody::Thinking(_) => return Ok(None),
    };
    draft.marks.put(part.cache.as_ref(), &mut block);
    Ok(Some(block))
}

/// Whether a medium has a member where it stands: of the model's own turns only sound that the host
/// keeps, of the system's only text.
pub(in crate::openai_chat) fn takes(medium: &PartBody, place: Place, vendor: &str) -> bool {
    match (medium, place) {
        (PartBody::Document(document), Place::System) => {
            matches!(document.source, Source::Text(_))
        }
        (PartBody::Audio(sound), Place::Assistant) => {
            matches!(sound.source, Source::File { dialect: Dialect::OpenAiChat, .. })
        }
        (_, Place::System | Place::Assistant) => false,
        (PartBody::Video(_), _) => hosts::of(vendor).media_urls,
        _ => true,
    }
}

fn refused(member: &'static str, what: &str) -> RequestFault {
    RequestFault::unsupported(member, format!("chat completions take no {what}"))
}

fn image(image: &Image) -> Result<Value, RequestFault> {
    let url = match &image.source {
        Source::Url(url) if !url.starts_with("gs:") && !url.starts_with("s3:") => url.clone(),
        Source::Base64 { media_type, data } if media_type.is_empty() => {
            format!("data:{};base64,{data}", media::image_type(data).unwrap_or("image/png"))
        }
        source @ Source::Base64 { .. } => source.to_url().unwrap_or_default(),
        Source::Url(_) => return Err(refused("messages.image", "images in a cloud's own storage")),
        Source::Text(_) | Source::File { .. } => {
            return Err(refused("messages.image", "images by a file's id"));
        }
    };
    let mut image_url = json!({"url": url});
    if let (Some(detail), Some(members)) = (&image.detail, image_url.as_object_mut()) {
        members.insert("detail".to_owned(), json!(detail));
    }
    Ok(json!({"type": "image_url", "image_url": image_url}))
}

fn audio(sound: &Media, draft: &Draft<'_>) -> Result<Value, RequestFault> {
    match &sound.source {
        Source::Base64 { media_type, data } => {
            let media_type = sound.media_type.as_deref().unwrap_or(media_type);
            let format = match media_type.strip_prefix("audio/").unwrap_or("wav") {
                "mpeg" | "mp3" => "mp3",
                "wav" | "x-wav" | "wave" | "vnd.wave" => "wav",
                other => other.strip_prefix("x-").unwrap_or(other),
            };
            let input = json!({"data": data, "format": format});
            Ok(json!({"type": "input_audio", "input_audio": input}))
        }
        Source::Url(url) if draft.host.media_urls => {
            Ok(json!({"type": "audio_url", "audio_url": {"url": url}}))
        }
        _ => Err(refused("messages.audio", "sound but in the request itself")),
    }
}

fn video(film: &Media, draft: &Draft<'_>) -> Result<Value, RequestFault> {
    match film.source.to_url() {
        Some(url) if draft.host.media_urls => {
            Ok(json!({"type": "video_url", "video_url": {"url": url}}))
        }
        _ => Err(refused("messages.video", "films")),
    }
}

fn document(paper: &Document, draft: &mut Draft<'_>) -> Result<Value, RequestFault> {
    let lost = paper.citations == Some(true);
    draft.losses.add_if(lost, "messages.document.citations", "the target cites nothing");
    let mut file = Map::new();
    match &paper.source {
        Source::Base64 { .. } | Source::Url(_) if draft.host.document_urls => {
            let mut part = Map::new();
            part.insert("type".to_owned(), json!("document_url"));
            part.insert("document_url".to_owned(), json!(paper.source.to_url()));
            part.extend(paper.title.iter().map(|title| ("document_name".to_owned(), json!(title))));
            return Ok(Value::Object(part));
        }
        Source::Text(text) => {
            let head = [&paper.title, &paper.context].into_iter().flatten();
            let lines = head.map(String::as_str).chain([text.as_str()]);
            let text = lines.collect::<Vec<_>>().join("\n\n");
            return Ok(json!({"type": "text", "text": text}));
        }
        source @ Source::Base64 { media_type, .. } => {
            let named = || format!("document.{}", ending(media_type));
            file.insert("filename".to_owned(), json!(paper.title.clone().unwrap_or_else(named)));
            file.insert("file_data".to_owned(), json!(source.to_url()));
        }
        Source::Url(url) if draft.host.file_urls => {
            let named = || url.rsplit('/').next().unwrap_or("document").to_owned();
            file.insert("filename".to_owned(), json!(paper.title.clone().unwrap_or_else(named)));
            file.insert("file_data".to_owned(), json!(url));
        }
        // The two formats share OpenAI's files.
        Source::File { dialect: Dialect::OpenAiChat | Dialect::OpenAiResponses, id } => {
            file.insert("file_id".to_owned(), json!(id));
            if let Some(title) = &paper.title {
                file.insert("filename".to_owned(), json!(title));
            }
        }
        Source::Url(_) => return Err(refused("messages.document", "documents by their address")),
        Source::File { .. } => {
            return Err(refused("messages.document", "files that another provider keeps"));
        }
    }
    draft.losses.add_if(
        paper.context.is_some(),
        "messages.document.context",
        super::write::NO_MEMBER,
    );
    Ok(json!({"type": "file", "file": file}))
}

/// How the name of a file of this type ends.
fn ending(media_type: &str) -> &str {
    match media_type {
        "text/plain" => "txt",
        "text/markdown" => "md",
        _ => match media_type.rsplit_once('/').map_or("pdf", |(_, kind)| kind) {
            kind if kind.len() <= 5 && kind.bytes().all(|b| b.is_ascii_alphanumeric()) => kind,
            _ => "pdf",
        },
    }
}
