//! Content of messages and of tool results, both ways. Knows nothing of the items that hold it.
//! <https://platform.openai.com/docs/api-reference/responses/create#responses-create-input>

use serde_json::{Map, Value, json};
use weir_types::Dialect;

use crate::fault::RequestFault;
use crate::fields::Fields;
use crate::ir::{CacheMark, Chat, Document, Image, Losses, Media, Part, PartBody, Source};
use crate::media::{PDF, document_ending, document_type};

/// Citations that this format has in one flat object.
const FLAT_ANNOTATIONS: [&str; 3] = ["file_citation", "container_file_citation", "file_path"];

/// Reads one block of content.
pub(super) fn read(mut fields: Fields) -> Result<Part, RequestFault> {
    let kind = fields.peek("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let body = match kind.as_str() {
        "input_text" | "output_text" | "text" => {
            let annotations = fields.list("annotations")?.into_iter().map(nested).collect();
            PartBody::Text { text: fields.required_text("text")?, annotations }
        }
        "refusal" => PartBody::Refusal(fields.required_text("refusal")?),
        "input_image" => PartBody::Image(image(&mut fields)?),
        "input_file" => PartBody::Document(document(&mut fields)?),
        "input_audio" => PartBody::Audio(audio(&mut fields)?),
        "" => return Err(fields.missing("type", "the kind of content")),
        _ => {
            let raw = Value::Object(fields.rest());
            return Ok(Part::new(PartBody::Foreign { dialect: Dialect::OpenAiResponses, raw }));
        }
    };
    let cache = match fields.object("prompt_cache_breakpoint")? {
        Some(mut mark) => Some(CacheMark { ttl: mark.text("ttl")? }),
        None => None,
    };
    Ok(Part { body, cache })
}

fn file(id: String) -> Source {
    Source::File { dialect: Dialect::OpenAiResponses, id }
}

fn image(fields: &mut Fields) -> Result<Image, RequestFault> {
    let source = match (fields.text("image_url")?, fields.text("file_id")?) {
        (Some(url), _) => Source::from_url(&url),
        (None, Some(id)) => file(id),
        (None, None) => return Err(fields.missing("image_url", "a URL, or `file_id`")),
    };
    Ok(Image { source, detail: fields.text("detail")? })
}

fn document(fields: &mut Fields) -> Result<Document, RequestFault> {
    let title = fields.label("filename")?;
    let source = if let Some(id) = fields.text("file_id")? {
        file(id)
    } else if let Some(url) = fields.text("file_url")? {
        Source::from_url(&url)
    } else if let Some(data) = fields.text("file_data")? {
        match Source::from_url(&data) {
            taken @ Source::Base64 { .. } => taken,
            // Base64 without the head of a `data:` URL is taken, too.
            _ => Source::Base64 {
                media_type: title.as_deref().and_then(document_type).unwrap_or_default().to_owned(),
                data,
            },
        }
    } else {
        return Err(fields.missing("file_data", "a file, or `file_id` or `file_url`"));
    };
    Ok(Document { source, title, context: None, citations: None })
}

fn audio(fields: &mut Fields) -> Result<Media, RequestFault> {
    let Some(mut audio) = fields.object("input_audio")? else {
        return Err(fields.missing("input_audio", "an object with `data` and `format`"));
    };
    let format = audio.required_text("format")?;
    let media_type = match format.as_str() {
        "mp3" => "audio/mpeg".to_owned(),
        other => format!("audio/{other}"),
    };
    let data = audio.required_text("data")?;
    let source = Source::Base64 { media_type: media_type.clone(), data };
    Ok(Media { source, media_type: Some(media_type) })
}

/// Writes one block as input: of users, of system messages, of tool results. `None`: it cannot be
/// carried, and the loss is noted.
pub(super) fn write(
    part: &Part,
    chat: &Chat,
    losses: &mut Losses,
) -> Result<Option<Value>, RequestFault> {
    let mut written = match &part.body {
        PartBody::Text { text, .. } | PartBody::Refusal(text) => input_text(text),
        PartBody::Json(value) => input_text(&value.to_string()),
        PartBody::Image(image) => write_image(image)?,
        PartBody::Document(document) => {
            let is_own = chat.source == Dialect::OpenAiResponses;
            write_document(document, is_own, losses)?
        }
        PartBody::Audio(audio) => write_audio(audio)?,
        PartBody::Foreign { raw, .. } => return Ok(Some(raw.clone())),
        // Films have no member, the others are items of their own: whoever asks has taken them out.
        PartBody::Video(_)
        | PartBody::ToolCall(_)
        | PartBody::ToolResult(_)
        | PartBody::Thinking(_) => return Ok(None),
    };
    if let (Some(mark), Value::Object(members)) = (&part.cache, &mut written) {
        if matches!(chat.source, Dialect::OpenAiResponses | Dialect::OpenAiChat) {
            members.insert("prompt_cache_breakpoint".to_owned(), breakpoint(mark, losses));
        } else {
            losses.add("cache_control", "the target keeps prompts by itself");
        }
    }
    Ok(Some(written))
}

/// How long a breakpoint may ask for; what else marks of other hosts say is left to the default.
const BREAKPOINT_TTLS: [&str; 2] = ["30m", "12h"];

fn breakpoint(mark: &CacheMark, losses: &mut Losses) -> Value {
    match mark.ttl.as_deref().filter(|ttl| BREAKPOINT_TTLS.contains(ttl)) {
        Some(ttl) => json!({ "mode": "explicit", "ttl": ttl }),
        None => {
            let why = "the target keeps prompts for 30m or 12h";
            losses.add_if(mark.ttl.is_some(), "cache_control.ttl", why);
            json!({ "mode": "explicit" })
        }
    }
}

pub(super) fn input_text(text: &str) -> Value {
    json!({ "type": "input_text", "text": text })
}

/// The name of a file at this provider; files of another provider are not there.
fn file_id<'a>(
    dialect: Dialect,
    id: &'a str,
    member: &'static str,
) -> Result<&'a str, RequestFault> {
    if matches!(dialect, Dialect::OpenAiResponses | Dialect::OpenAiChat) {
        return Ok(id);
    }
    Err(RequestFault::unsupported(
        member,
        "the file is kept at another provider; send its bytes or a URL instead",
    ))
}

/// A URL that the provider can fetch, or `data:`.
fn url(source: &Source, member: &'static str) -> Result<String, RequestFault> {
    let url = source.to_url().unwrap_or_default();
    if ["https:", "http:", "data:"].iter().any(|scheme| url.starts_with(scheme)) {
        return Ok(url);
    }
    Err(RequestFault::unsupported(
        member,
        "the target fetches http: and https: URLs only; send one of these, or the bytes",
    ))
}

fn write_image(image: &Image) -> Result<Value, RequestFault> {
    // The API reference calls `detail` required.
    let detail = image.detail.as_deref().unwrap_or("auto");
    match &image.source {
        Source::File { dialect, id } => {
            let id = file_id(*dialect, id, "messages.image")?;
            Ok(json!({ "type": "input_image", "file_id": id, "detail": detail }))
        }
        source => {
            let url = url(source, "messages.image")?;
            Ok(json!({ "type": "input_image", "image_url": url, "detail": detail }))
        }
    }
}

fn write_document(
    document: &Document,
    is_own: bool,
    losses: &mut Losses,
) -> Result<Value, RequestFault> {
    let why = "the target has no such member";
    losses.add_if(document.context.is_some(), "document.context", why);
    losses.add_if(document.citations == Some(true), "document.citations", why);
    let mut members = Map::new();
    members.insert("type".to_owned(), json!("input_file"));
    match &document.source {
        Source::Text(text) => {
            let title = document.title.as_deref().filter(|title| !title.is_empty());
            return Ok(match title {
                Some(title) => input_text(&format!("{title}\n\n{text}")),
                None => input_text(text),
            });
        }
        Source::File { dialect, id } => {
            members.insert("file_id".to_owned(), json!(file_id(*dialect, id, "messages.file")?));
        }
        Source::Base64 { media_type, data } => {
            let known = match media_type.as_str() {
                "" => document.title.as_deref().and_then(document_type).unwrap_or(PDF),
                known => known,
            };
            members.insert("file_data".to_owned(), json!(format!("data:{known};base64,{data}")));
            let name = document
                .title
                .clone()
                .unwrap_or_else(|| format!("document.{}", document_ending(known).unwrap_or("bin")));
            members.insert("filename".to_owned(), json!(name));
        }
        source @ Source::Url(_) => {
            members.insert("file_url".to_owned(), json!(url(source, "messages.file")?));
        }
    }
    // Beside an id or a URL a name is not needed, and refused by some.
    if let Some(title) = &document.title
        && !members.contains_key("filename")
    {
        losses.add_if(!is_own, "document.title", "the target names files by their addresses");
        if is_own {
            members.insert("filename".to_owned(), json!(title));
        }
    }
    Ok(Value::Object(members))
}

fn write_audio(audio: &Media) -> Result<Value, RequestFault> {
    let Source::Base64 { media_type, data } = &audio.source else {
        return Err(RequestFault::unsupported(
            "messages.audio",
            "sound must stand in the request itself, as base64",
        ));
    };
    let format = match audio.media_type.as_deref().unwrap_or(media_type) {
        "audio/mpeg" | "audio/mp3" => "mp3",
        "audio/wav" | "audio/x-wav" | "audio/wave" => "wav",
        other => {
            return Err(RequestFault::unsupported(
                "messages.audio",
                format!("the target takes mp3 and wav, not {other}"),
            ));
        }
    };
    Ok(json!({ "type": "input_audio", "input_audio": { "data": data, "format": format } }))
}

/// A citation in the form between formats: that of OpenAI chat.
pub(super) fn nested(annotation: Value) -> Value {
    let Value::Object(mut members) = annotation else { return annotation };
    let is_url = members.get("type").and_then(Value::as_str) == Some("url_citation");
    if !is_url || members.contains_key("url_citation") {
        return Value::Object(members);
    }
    members.shift_remove("type");
    json!({ "type": "url_citation", "url_citation": members })
}

/// A citation in this format; `None` if it has no such citation.
pub(super) fn flat(annotation: &Value) -> Option<Value> {
    let kind = annotation.get("type").and_then(Value::as_str)?;
    if FLAT_ANNOTATIONS.contains(&kind) {
        return Some(annotation.clone());
    }
    let cited = annotation.get("url_citation").filter(|_| kind == "url_citation")?;
    let number = |name: &str| cited.get(name).and_then(Value::as_u64).unwrap_or(0);
    Some(json!({
        "type": "url_citation",
        "start_index": number("start_index"),
        "end_index": number("end_index"),
        "url": cited.get("url").and_then(Value::as_str)?,
        "title": cited.get("title").and_then(Value::as_str).unwrap_or_default(),
    }))
}
