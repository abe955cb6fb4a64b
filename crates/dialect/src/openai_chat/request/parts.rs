//! Reads what messages are made of: content in one string, or in parts.

use serde_json::{Value, json};
use weir_types::Dialect;

use crate::fault::RequestFault;
use crate::fields::Fields;
use crate::ir::{CacheMark, Document, Image, Media, Part, PartBody, Source, Thinking};
use crate::media::{PDF, document_type};

/// Takes `content`; absent: nothing is said.
pub(super) fn content(fields: &mut Fields) -> Result<Vec<Part>, RequestFault> {
    match fields.peek("content") {
        None => Ok(Vec::new()),
        Some(Value::String(_)) => Ok(fields.text("content")?.map(Part::text).into_iter().collect()),
        Some(Value::Array(_)) => fields.objects("content")?.into_iter().map(part).collect(),
        Some(_) => Err(fields.wrong("content", "must be a string or an array of parts")),
    }
}

/// Takes a mark: OpenAI's `prompt_cache_breakpoint`, or Anthropic's `cache_control`, which hosts
/// that relay to Anthropic take here.
pub(super) fn mark(fields: &mut Fields) -> Result<Option<CacheMark>, RequestFault> {
    if let Some(mut control) = fields.object("cache_control")? {
        return Ok(Some(CacheMark { ttl: control.text("ttl")? }));
    }
    let Some(mut breakpoint) = fields.object("prompt_cache_breakpoint")? else { return Ok(None) };
    // Half an hour is what OpenAI does by itself.
    let ttl = breakpoint.text("ttl")?.filter(|ttl| ttl != "30m");
    Ok(Some(CacheMark { ttl }))
}

fn part(mut fields: Fields) -> Result<Part, RequestFault> {
    let kind = fields.required_text("type")?;
    let cache = mark(&mut fields)?;
    let body = match kind.as_str() {
        "text" => PartBody::Text { text: fields.required_text("text")?, annotations: Vec::new() },
        "refusal" => PartBody::Refusal(fields.required_text("refusal")?),
        "image_url" => PartBody::Image(image(&mut fields)?),
        "input_audio" => PartBody::Audio(audio(&mut fields)?),
        "audio_url" => PartBody::Audio(media(&mut fields, "audio_url")?),
        "video_url" => PartBody::Video(media(&mut fields, "video_url")?),
        "file" => PartBody::Document(file(&mut fields)?),
        "document_url" => PartBody::Document(document_url(&mut fields)?),
        "thinking" => PartBody::Thinking(thinking(fields.any("thinking"))),
        _ => {
            let mut raw = fields.rest();
            raw.insert("type".to_owned(), json!(kind));
            PartBody::Foreign { dialect: Dialect::OpenAiChat, raw: Value::Object(raw) }
        }
    };
    Ok(Part { body, cache })
}

/// `{"url": …}`, or the address alone.
fn url(fields: &mut Fields, name: &str) -> Result<(String, Option<Fields>), RequestFault> {
    if let Some(Value::String(_)) = fields.peek(name) {
        return Ok((fields.required_text(name)?, None));
    }
    let Some(mut object) = fields.object(name)? else {
        return Err(fields.missing(name, "an object with `url`"));
    };
    Ok((object.required_text("url")?, Some(object)))
}

fn image(fields: &mut Fields) -> Result<Image, RequestFault> {
    let (url, rest) = url(fields, "image_url")?;
    let detail = rest.map(|mut rest| rest.text("detail")).transpose()?.flatten();
    Ok(Image { source: Source::from_url(&url), detail })
}

fn media(fields: &mut Fields, name: &str) -> Result<Media, RequestFault> {
    let (url, _) = url(fields, name)?;
    Ok(Media { source: Source::from_url(&url), media_type: None })
}

fn audio(fields: &mut Fields) -> Result<Media, RequestFault> {
    let Some(mut input) = fields.object("input_audio")? else {
        return Err(fields.missing("input_audio", "an object"));
    };
    let media_type = match input.required_text("format")?.as_str() {
        "mp3" => "audio/mpeg".to_owned(),
        other => format!("audio/{other}"),
    };
    let data = input.required_text("data")?;
    let source = Source::Base64 { media_type: media_type.clone(), data };
    Ok(Media { source, media_type: Some(media_type) })
}

fn file(fields: &mut Fields) -> Result<Document, RequestFault> {
    let Some(mut file) = fields.object("file")? else {
        return Err(fields.missing("file", "an object"));
    };
    let title = file.label("filename")?;
    let source = match (file.text("file_id")?, file.text("file_data")?) {
        (Some(id), _) => Source::File { dialect: Dialect::OpenAiChat, id },
        (None, Some(data)) => match Source::from_url(&data) {
            Source::Url(url) if !url.contains(':') => Source::Base64 {
                // OpenAI's first files were PDF alone.
                media_type: title.as_deref().and_then(document_type).unwrap_or(PDF).to_owned(),
                data: url,
            },
            source => source,
        },
        (None, None) => return Err(file.missing("file_data", "a data URL, or `file_id`")),
    };
    Ok(Document { source, title, context: None, citations: None })
}

/// Mistral's document: its address, which may be a data URL.
fn document_url(fields: &mut Fields) -> Result<Document, RequestFault> {
    let (url, _) = url(fields, "document_url")?;
    let title = fields.label("document_name")?;
    Ok(Document { source: Source::from_url(&url), title, context: None, citations: None })
}

/// Mistral's chunk: the thoughts in text chunks of their own.
fn thinking(chunks: Option<Value>) -> Thinking {
    let text = match chunks {
        Some(Value::String(text)) => text,
        Some(Value::Array(chunks)) => {
            chunks.iter().filter_map(|chunk| chunk.get("text")?.as_str()).collect()
        }
        _ => String::new(),
    };
    Thinking { text, ..Thinking::default() }
}
