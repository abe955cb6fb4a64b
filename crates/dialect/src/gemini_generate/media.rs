//! Bytes and where they are: `inlineData` and `fileData`, both ways.
//!
//! Google fetches only what it keeps itself: files of its Files API, objects of Cloud Storage (on
//! Vertex AI) and videos of YouTube. An address elsewhere is refused here and not sent on to fail.

use serde_json::{Value, json};
use weir_types::Dialect;

use super::camel;
use crate::fault::RequestFault;
use crate::fields::Fields;
use crate::ir::{Document, Image, Media, PartBody, Source};

/// File extensions whose type Google knows.
const TYPES: [(&str, &str); 24] = [
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("webp", "image/webp"),
    ("gif", "image/gif"),
    ("heic", "image/heic"),
    ("heif", "image/heif"),
    ("pdf", "application/pdf"),
    ("txt", "text/plain"),
    ("md", "text/markdown"),
    ("html", "text/html"),
    ("csv", "text/csv"),
    ("json", "application/json"),
    ("mp3", "audio/mpeg"),
    ("wav", "audio/wav"),
    ("flac", "audio/flac"),
    ("ogg", "audio/ogg"),
    ("aac", "audio/aac"),
    ("m4a", "audio/m4a"),
    ("mp4", "video/mp4"),
    ("mov", "video/quicktime"),
    ("webm", "video/webm"),
    ("mpeg", "video/mpeg"),
    ("avi", "video/x-msvideo"),
];

/// Reads `inlineData`.
pub(super) fn blob(mut blob: Fields) -> Result<PartBody, RequestFault> {
    let media_type = blob.text("mimeType")?.unwrap_or_default();
    let data = standard(blob.required_text("data")?);
    let title = blob.label("displayName")?;
    let source = Source::Base64 { media_type: media_type.clone(), data };
    Ok(body(source, media_type, title))
}

/// Reads `fileData`.
pub(super) fn file(mut file: Fields) -> Result<PartBody, RequestFault> {
    let uri = file.required_text("fileUri")?;
    let stated = file.text("mimeType")?;
    let title = file.label("displayName")?;
    let guessed = || if is_youtube(&uri) { Some("video/*") } else { guess(&uri) };
    let media_type = stated.or_else(|| guessed().map(str::to_owned)).unwrap_or_default();
    let source = if is_kept(&uri) {
        Source::File { dialect: Dialect::GeminiGenerate, id: uri }
    } else {
        Source::from_url(&uri)
    };
    Ok(body(source, media_type, title))
}

fn body(source: Source, media_type: String, title: Option<String>) -> PartBody {
    let kind = media_type.split('/').next().unwrap_or_default();
    match kind {
        "image" => PartBody::Image(Image { source, detail: None }),
        "audio" => PartBody::Audio(Media { source, media_type: Some(media_type) }),
        "video" => PartBody::Video(Media { source, media_type: Some(media_type) }),
        _ => PartBody::Document(Document { source, title, context: None, citations: None }),
    }
}

/// Base64 of either alphabet, padded or not, in the standard form.
fn standard(data: String) -> String {
    let is_standard =
        data.len().is_multiple_of(4) && !data.bytes().any(|byte| matches!(byte, b'-' | b'_'));
    if is_standard {
        return data;
    }
    let mut data = data.trim_end_matches('=').replace('-', "+").replace('_', "/");
    while !data.len().is_multiple_of(4) {
        data.push('=');
    }
    data
}

/// Where a medium is written for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Vertex AI, which fetches addresses itself.
    pub(super) is_vertex: bool,
    /// What was read is of this format: the client knows what it may name.
    pub(super) is_own: bool,
}

impl Place {
    /// Where a client reads it: whatever the provider names.
    pub(super) const CLIENT: Self = Self { is_vertex: false, is_own: true };
}

/// Writes the part that holds `source`. `media_type` is what is known of its type, `or` the type of
/// most media of its kind.
///
/// # Errors
/// Google cannot have it.
pub(super) fn part(
    source: &Source,
    media_type: Option<&str>,
    or: &str,
    place: Place,
) -> Result<Value, RequestFault> {
    let known = media_type.filter(|known| !known.is_empty());
    match source {
        Source::Base64 { media_type, data } => {
            let stated = Some(media_type.as_str()).filter(|stated| !stated.is_empty());
            let media_type = stated.or(known).unwrap_or(or);
            Ok(json!({ "inlineData": { "mimeType": media_type, "data": data } }))
        }
        Source::Text(text) => Ok(json!({ "text": text })),
        Source::File { dialect: Dialect::GeminiGenerate, .. } if place.is_vertex => {
            let text = "Vertex AI does not have the files of the Gemini API; \
                        send the content, or an object of Cloud Storage";
            Err(RequestFault::unsupported("messages", text))
        }
        Source::File { dialect: Dialect::GeminiGenerate, id } => {
            Ok(match known.or_else(|| guess(id)) {
                Some(known) => json!({ "fileData": { "mimeType": known, "fileUri": id } }),
                None => json!({ "fileData": { "fileUri": id } }),
            })
        }
        Source::File { dialect, .. } => {
            let text = format!(
                "a file that is kept at a provider of the format {} cannot be sent to Gemini; \
                 send its content in the request",
                dialect.label()
            );
            Err(RequestFault::unsupported("messages", text))
        }
        Source::Url(url) => address(url, known, or, place),
    }
}

fn address(url: &str, known: Option<&str>, or: &str, place: Place) -> Result<Value, RequestFault> {
    if is_youtube(url) || is_kept(url) {
        let known = known.filter(|known| !known.ends_with("/*")).or_else(|| guess(url));
        let known = known.or_else(|| place.is_vertex.then_some("video/mp4"));
        return Ok(match known {
            Some(known) => json!({ "fileData": { "mimeType": known, "fileUri": url } }),
            None => json!({ "fileData": { "fileUri": url } }),
        });
    }
    if place.is_vertex || place.is_own {
        let known = known.or_else(|| guess(url)).unwrap_or(or);
        return Ok(json!({ "fileData": { "mimeType": known, "fileUri": url } }));
    }
    let scheme = url.split(':').next().unwrap_or_default();
    let text = format!(
        "the Gemini API does not fetch {scheme} addresses; \
         send the content as base64, or a file of its Files API"
    );
    Err(RequestFault::unsupported("messages", text))
}

fn host_and_path(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    Some(rest.split_once('/').unwrap_or((rest, "")))
}

/// A file of the Files API.
fn is_kept(uri: &str) -> bool {
    uri.starts_with("files/")
        || host_and_path(uri).is_some_and(|(host, path)| {
            host == "generativelanguage.googleapis.com" && path.contains("files/")
        })
}

fn is_youtube(url: &str) -> bool {
    const HOSTS: [&str; 4] = ["youtube.com", "www.youtube.com", "m.youtube.com", "youtu.be"];
    host_and_path(url).is_some_and(|(host, _)| HOSTS.contains(&host))
}

/// What the end of an address says of the type.
pub(super) fn guess(url: &str) -> Option<&'static str> {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let (_, extension) = path.rsplit('/').next().unwrap_or_default().rsplit_once('.')?;
    let row = TYPES.iter().find(|(known, _)| extension.eq_ignore_ascii_case(known));
    row.map(|(_, media_type)| *media_type)
}

/// `detail` of the part `mediaResolution` and back: `auto` is said by leaving it out.
const DETAILS: [(&str, &str); 4] = [
    ("MEDIA_RESOLUTION_LOW", "low"),
    ("MEDIA_RESOLUTION_HIGH", "high"),
    ("MEDIA_RESOLUTION_ULTRA_HIGH", "high"),
    ("MEDIA_RESOLUTION_MEDIUM", "auto"),
];

/// Reads `mediaResolution` of a part.
pub(super) fn detail(part: &mut Fields) -> Result<Option<String>, RequestFault> {
    let Some(mut resolution) = camel::object(part, "mediaResolution")? else { return Ok(None) };
    let level = resolution.text("level")?.unwrap_or_default();
    let row = DETAILS.iter().find(|(word, _)| level == *word);
    Ok(row.map(|(_, detail)| (*detail).to_owned()))
}

/// `mediaResolution` of a part for `detail`.
pub(super) fn resolution(detail: &str) -> Option<Value> {
    let row = DETAILS.iter().find(|(_, known)| detail == *known && detail != "auto")?;
    Some(json!({ "level": row.0 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place { is_vertex: false, is_own: false };

    #[test]
    fn addresses_that_google_cannot_fetch_are_refused() {
        let url = |url: &str| Source::Url(url.to_owned());
        let fault = part(&url("https://example.com/a.png"), None, "image/jpeg", PLACE).unwrap_err();
        assert!(fault.is_targets && fault.message.contains("https"), "{fault}");
        assert!(part(&url("gs://b/a.png"), None, "image/jpeg", PLACE).is_err());
        let vertex = Place { is_vertex: true, ..PLACE };
        let written = part(&url("gs://b/a.png"), None, "image/jpeg", vertex).unwrap();
        assert_eq!(written["fileData"]["mimeType"], "image/png");
        let film = part(&url("https://youtu.be/x"), Some("video/*"), "video/mp4", PLACE).unwrap();
        assert_eq!(film, json!({ "fileData": { "fileUri": "https://youtu.be/x" } }));
        let other = Source::File { dialect: Dialect::OpenAiChat, id: "file-1".into() };
        assert!(part(&other, None, "application/pdf", PLACE).unwrap_err().is_targets);
    }

    #[test]
    fn types_are_guessed_and_base64_is_brought_into_one_form() {
        assert_eq!(guess("https://x/a.b/c.PDF?x=.png"), Some("application/pdf"));
        assert_eq!(guess("https://x/a.b/c"), None);
        assert_eq!(standard("a-_".into()), "a+/=");
        assert_eq!(standard("abcd".into()), "abcd");
        assert!(is_kept("https://generativelanguage.googleapis.com/v1beta/files/abc"));
        assert!(!is_kept("https://example.com/files/abc") && is_youtube("https://youtu.be/x"));
    }
}
