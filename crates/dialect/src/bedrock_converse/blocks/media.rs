//! Images, documents, films and sounds: Converse has short words for their types, other formats
//! have media types.

use serde_json::{Value, json};

use crate::fault::RequestFault;
use crate::ir::Source;

/// Converse's words beside media types. Of rows with one word the first is what it is read as; of
/// rows with one media type the first is what it is written as.
pub(in crate::bedrock_converse) type Formats = &'static [(&'static str, &'static str)];

pub(in crate::bedrock_converse) const IMAGES: Formats = &[
    ("png", "image/png"),
    ("jpeg", "image/jpeg"),
    ("jpeg", "image/jpg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
];

pub(super) const DOCUMENTS: Formats = &[
    ("pdf", "application/pdf"),
    ("csv", "text/csv"),
    ("csv", "application/csv"),
    ("doc", "application/msword"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("xls", "application/vnd.ms-excel"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("html", "text/html"),
    ("txt", "text/plain"),
    ("md", "text/markdown"),
    ("md", "text/x-markdown"),
    ("txt", "application/json"),
    ("txt", "text/xml"),
];

pub(super) const VIDEOS: Formats = &[
    ("mp4", "video/mp4"),
    ("mov", "video/quicktime"),
    ("mkv", "video/x-matroska"),
    ("webm", "video/webm"),
    ("flv", "video/x-flv"),
    ("mpeg", "video/mpeg"),
    ("mpg", "video/mpeg"),
    ("wmv", "video/x-ms-wmv"),
    ("three_gp", "video/3gpp"),
];

pub(super) const SOUNDS: Formats = &[
    ("mp3", "audio/mpeg"),
    ("mp3", "audio/mp3"),
    ("wav", "audio/wav"),
    ("wav", "audio/x-wav"),
    ("wav", "audio/wave"),
    ("flac", "audio/flac"),
    ("opus", "audio/opus"),
    ("ogg", "audio/ogg"),
    ("aac", "audio/aac"),
    ("m4a", "audio/m4a"),
    ("m4a", "audio/x-m4a"),
    ("mp4", "audio/mp4"),
    ("webm", "audio/webm"),
    ("pcm", "audio/pcm"),
    ("pcm", "audio/l16"),
    ("mkv", "audio/x-matroska"),
];

/// The word for a media type.
pub(in crate::bedrock_converse) fn format_of(
    formats: Formats,
    media_type: &str,
) -> Option<&'static str> {
    let plain = media_type.split(';').next().unwrap_or_default().trim();
    let row = formats.iter().find(|(_, known)| known.eq_ignore_ascii_case(plain));
    row.map(|(format, _)| *format)
}

/// The media type that a word stands for.
pub(super) fn media_type(formats: Formats, format: &str) -> Option<&'static str> {
    formats.iter().find(|(known, _)| *known == format).map(|(_, media_type)| *media_type)
}

/// The word that the end of a name or an address says: `report.PDF` is `pdf`.
pub(super) fn format_of_name(formats: Formats, name: &str) -> Option<&'static str> {
    let (_, end) = name.rsplit_once('.')?;
    let end = end.to_ascii_lowercase();
    let end = match end.as_str() {
        "jpg" => "jpeg",
        "htm" => "html",
        "markdown" => "md",
        other => other,
    };
    formats.iter().find(|(known, _)| *known == end).map(|(known, _)| *known)
}

/// What the first bytes of an image say, in base64, for formats that leave the type out.
pub(super) fn sniffed(data: &str) -> Option<&'static str> {
    let starts = [("iVBOR", "png"), ("/9j/", "jpeg"), ("R0lGOD", "gif"), ("UklGR", "webp")];
    starts.into_iter().find(|(start, _)| data.starts_with(start)).map(|(_, format)| format)
}

/// Whether `block` has no more than what the form between formats can hold: a format that is known
/// and either bytes or an address from which the format can be told.
pub(super) fn is_plain(formats: Formats, block: &Value) -> bool {
    let only = |value: &Value, names: &[&str]| {
        value.as_object().is_some_and(|all| all.keys().all(|name| names.contains(&name.as_str())))
    };
    let format = block.get("format").and_then(Value::as_str).unwrap_or_default();
    let Some(source) = block.get("source") else { return false };
    if !only(block, &["format", "source"]) || media_type(formats, format).is_none() {
        return false;
    }
    match (source.get("bytes"), source.get("s3Location")) {
        (Some(Value::String(_)), None) => true,
        (None, Some(place)) => {
            let uri = place.get("uri").and_then(Value::as_str).unwrap_or_default();
            only(place, &["uri"]) && format_of_name(formats, uri) == Some(format)
        }
        _ => false,
    }
}

/// The source of a block that [`is_plain`].
pub(super) fn source(formats: Formats, mut block: Value) -> Source {
    let format = block.get("format").and_then(Value::as_str).unwrap_or_default();
    let media_type = media_type(formats, format).unwrap_or_default().to_owned();
    let mut taken = |pointer: &str| match block.pointer_mut(pointer).map(Value::take) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    match taken("/source/bytes") {
        Some(data) => Source::Base64 { media_type, data },
        None => Source::Url(taken("/source/s3Location/uri").unwrap_or_default()),
    }
}

/// What kind of medium is written, for [`written`].
#[derive(Clone, Copy)]
pub(super) struct Medium {
    /// Its formats.
    pub formats: Formats,
    /// The member at fault.
    pub param: &'static str,
    /// For people.
    pub noun: &'static str,
}

/// `format` and `source` of a medium.
///
/// # Errors
/// Bedrock fetches nothing from the web and keeps no files, and knows only some types.
pub(super) fn written(
    source: &Source,
    named_type: Option<&str>,
    medium: Medium,
) -> Result<(&'static str, Value), RequestFault> {
    let Medium { formats, param, noun } = medium;
    let unknown = |what: &str| {
        let known: Vec<_> = formats.iter().map(|(format, _)| *format).collect();
        let known = known.join(", ");
        let text = format!("Bedrock takes no {noun} of type {what:?}, only {known}");
        RequestFault::unsupported(param, text)
    };
    let named = named_type.filter(|name| !name.is_empty());
    match source {
        Source::Base64 { media_type, data } => {
            let stated = if media_type.is_empty() { named.unwrap_or("") } else { media_type };
            let format = match format_of(formats, stated) {
                Some(format) => format,
                None if stated.is_empty() => {
                    let sniffed = sniffed(data)
                        .filter(|found| formats.iter().any(|(format, _)| format == found));
                    sniffed.ok_or_else(|| unknown(stated))?
                }
                None => return Err(unknown(stated)),
            };
            Ok((format, json!({ "bytes": data })))
        }
        Source::Url(url) if url.starts_with("s3://") => {
            let format = named.and_then(|name| format_of(formats, name));
            let format = format.or_else(|| format_of_name(formats, url));
            let format = format.ok_or_else(|| unknown(url))?;
            Ok((format, json!({ "s3Location": { "uri": url } })))
        }
        Source::Url(_) => {
            let text = format!(
                "Bedrock does not fetch the {noun} from the web; \
                 send it inline as base64 or as an s3:// address"
            );
            Err(RequestFault::unsupported(param, text))
        }
        Source::Text(_) => Err(unknown("text")),
        Source::File { .. } => {
            let text = format!("the {noun} is a file kept by another provider; send it inline");
            Err(RequestFault::unsupported(param, text))
        }
    }
}
