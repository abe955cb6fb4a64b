//! What an answer may be called: a provider's `text/html` must not become a page of this origin in
//! somebody's browser. What is not of its operation's kinds is called by the kind that it should have.

use http::HeaderValue;
use weir_types::{Content, Framing, Operation};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// Kinds of text that no browser runs. Some operations give them instead of JSON, if they are asked to.
const PLAIN: [&str; 4] = ["text/plain", "text/vtt", "application/x-subrip", "text/srt"];
/// What a file may be.
const FILES: [&str; 7] = [
    "application/octet-stream",
    "application/jsonl",
    "application/x-ndjson",
    "application/pdf",
    "application/zip",
    "application/gzip",
    "text/csv",
];
/// How streams are called.
const STREAMS: [&str; 5] = [
    "text/event-stream",
    "application/vnd.amazon.eventstream",
    "application/x-ndjson",
    "application/stream+json",
    "application/json",
];

/// What a provider's answer to `operation` is called that it calls `said`. `stream`: how it is framed if
/// it is one.
pub(crate) fn of_answer(said: &str, operation: Operation, stream: Option<Framing>) -> HeaderValue {
    let content = operation.facts().answer;
    let usual = match (stream, content) {
        (Some(framing), _) => HeaderValue::from_static(framing.media_type()),
        (None, Content::Bytes | Content::Multipart) => BYTES,
        (None, Content::Json | Content::Empty) => JSON,
    };
    // As nearly all answers are called.
    if usual == said {
        return usual;
    }
    let kind = essence(said);
    let fits = match (stream, content) {
        (Some(_), Content::Bytes) => is_stream(&kind) || is_file(&kind),
        (Some(_), _) => is_stream(&kind),
        (None, Content::Bytes | Content::Multipart) => is_file(&kind),
        (None, Content::Json | Content::Empty) => is_json_kind(&kind) || PLAIN.contains(&&*kind),
    };
    HeaderValue::from_str(said).ok().filter(|_| fits).unwrap_or(usual)
}

/// Whether what is called `said` is JSON.
pub(crate) fn is_json(said: &str) -> bool {
    is_json_kind(&essence(said))
}

/// Type and subtype alone.
fn essence(said: &str) -> String {
    said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn is_json_kind(kind: &str) -> bool {
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

fn is_stream(kind: &str) -> bool {
    STREAMS.contains(&kind)
}

fn is_file(kind: &str) -> bool {
    // An image of this kind is a document that may hold scripts, as is anything of XML.
    let is_media = ["audio/", "image/", "video/"].iter().any(|of| kind.starts_with(of));
    (is_media && !kind.ends_with("xml"))
        || is_json_kind(kind)
        || FILES.contains(&kind)
        || PLAIN.contains(&kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_kinds_of_the_operation_pass() {
        let pages =
            ["text/html", "TEXT/HTML; charset=utf-8", "text/html; x=json", "text/xml", "", "?"];
        for said in pages {
            assert_eq!(of_answer(said, Operation::Chat, None), "application/json", "{said}");
            let stream = of_answer(said, Operation::Chat, Some(Framing::Sse));
            assert_eq!(stream, "text/event-stream", "{said}");
            let bytes = of_answer(said, Operation::FileContent, None);
            assert_eq!(bytes, "application/octet-stream", "{said}");
            assert!(!is_json(said));
        }
        for (said, operation) in [
            ("application/json; charset=utf-8", Operation::Chat),
            ("application/problem+json", Operation::Chat),
            ("text/vtt", Operation::Transcription),
            ("audio/mpeg", Operation::Speech),
            ("video/mp4", Operation::VideoDownload),
            ("image/png", Operation::ContainerFileContent),
            ("application/jsonl", Operation::BatchResults),
        ] {
            assert_eq!(of_answer(said, operation, None), said);
        }
        for said in ["image/svg+xml", "application/xhtml+xml", "text/javascript"] {
            let bytes = of_answer(said, Operation::FileContent, None);
            assert_eq!(bytes, "application/octet-stream", "{said}");
        }
        let said = "text/event-stream; charset=utf-8";
        assert_eq!(of_answer(said, Operation::Chat, Some(Framing::Sse)), said);
        let audio = of_answer("audio/wav", Operation::Speech, Some(Framing::Sse));
        assert_eq!(audio, "audio/wav");
    }
}
