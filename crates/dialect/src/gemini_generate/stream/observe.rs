//! What an event means for the commit point and for the end.
//!
//! Before the commit point every event is looked through. After it [`skim`] looks for a few member
//! names in the bytes; the tokens, which Google repeats with every event, are read on their own.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::finish;
use crate::fault::Garbage;
use crate::format::{Kind, Observed};
use crate::json::Members;

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow, default)]
    candidates: Option<Vec<Candidate<'a>>>,
    #[serde(borrow, default, rename = "promptFeedback", alias = "prompt_feedback")]
    feedback: Option<Feedback<'a>>,
    #[serde(borrow, default, rename = "usageMetadata", alias = "usage_metadata")]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Candidate<'a> {
    #[serde(default)]
    index: Option<u32>,
    #[serde(borrow, default)]
    content: Option<Content<'a>>,
    #[serde(borrow, default, rename = "finishReason", alias = "finish_reason")]
    finish: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Content<'a> {
    #[serde(borrow, default)]
    parts: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
struct Feedback<'a> {
    #[serde(borrow, default, rename = "blockReason", alias = "block_reason")]
    reason: Option<&'a RawValue>,
}

/// Reads an event in full.
///
/// # Errors
/// It is not an event of this format.
pub(in super::super) fn observe(data: &[u8]) -> Result<Observed, Garbage> {
    let data = data.trim_ascii();
    if data == b"[DONE]" {
        return Ok(Observed::plain(Kind::Done));
    }
    if data.first() == Some(&b'[') {
        let list: Vec<Chunk<'_>> =
            serde_json::from_slice(data).map_err(|_| Garbage::NOT_AN_OBJECT)?;
        let is_error = list.iter().any(|chunk| chunk.error.is_some());
        return if is_error {
            Ok(Observed::plain(Kind::Error))
        } else {
            Err(Garbage::NOT_AN_OBJECT)
        };
    }
    let chunk: Chunk<'_> = serde_json::from_slice(data).map_err(|_| Garbage::NOT_AN_OBJECT)?;
    if chunk.error.is_some_and(|error| error.get() != "null") {
        return Ok(Observed::plain(Kind::Error));
    }
    let candidates = chunk.candidates.unwrap_or_default();
    let has_content = candidates.iter().any(|candidate| {
        let parts = candidate.content.as_ref().and_then(|content| content.parts.as_ref());
        parts.into_iter().flatten().any(|part| says_something(part.get().as_bytes()))
    });
    let mut choices: Vec<_> = candidates
        .iter()
        .enumerate()
        .map(|(at, one)| (one.index.unwrap_or(at as u32), word(one.finish)))
        .collect();
    if let (true, Some(reason)) =
        (choices.is_empty(), chunk.feedback.and_then(|feedback| word(feedback.reason)))
    {
        choices.push((0, Some(reason)));
    }
    Ok(Observed {
        kind: if has_content { Kind::Content } else { Kind::Preamble },
        choices,
        usage: chunk.usage.and_then(|raw| usage(raw.get().as_bytes())),
        id: None,
    })
}

fn word(raw: Option<&RawValue>) -> Option<String> {
    let text: String = serde_json::from_str(raw?.get()).ok()?;
    (!text.is_empty() && text != "FINISH_REASON_UNSPECIFIED").then_some(text)
}

fn usage(raw: &[u8]) -> Option<weir_types::Usage> {
    let metadata: Value = serde_json::from_slice(raw).ok()?;
    let usage = finish::usage(&metadata);
    (!usage.is_empty()).then_some(usage)
}

fn says_something(part: &[u8]) -> bool {
    let Ok(members) = Members::scan(part) else { return true };
    members.iter().any(|member| {
        let value = part.get(member.value.clone()).unwrap_or_default();
        !matches!(value, b"null" | b"\"\"" | b"true" | b"false")
    })
}

/// Members that end a stream, or that hold what could look like one of the others.
static MARKS: LazyLock<[Finder<'static>; 7]> = LazyLock::new(|| {
    [
        "\"finishReason\"",
        "\"finish_reason\"",
        "\"blockReason\"",
        "\"block_reason\"",
        "\"error\"",
        "\"functionCall\"",
        "\"function_call\"",
    ]
    .map(Finder::new)
});
static USAGE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"usageMetadata\""));

/// Looks at an event after the commit point, as cheaply as an honest end allows: texts stay unread,
/// finish reason, tokens and errors are found. A plain event is [`Kind::Content`].
///
/// # Errors
/// It cannot be an event of this format.
pub(in super::super) fn skim(data: &[u8]) -> Result<Observed, Garbage> {
    let data = data.trim_ascii();
    let is_object = data.first() == Some(&b'{') && data.last() == Some(&b'}');
    // The names cannot match inside a string: quotes are escaped there.
    if !is_object || MARKS.iter().any(|mark| mark.find(data).is_some()) {
        return observe(data);
    }
    let mut found = USAGE.find_iter(data).map(|at| at + USAGE.needle().len());
    let usage = match (found.next(), found.next()) {
        (None, _) => None,
        (Some(after), None) => {
            let raw = data.get(after..).unwrap_or_default().trim_ascii_start();
            raw.strip_prefix(b":").and_then(first_value).and_then(usage)
        }
        (Some(_), Some(_)) => return observe(data),
    };
    Ok(Observed { usage, ..Observed::plain(Kind::Content) })
}

/// The JSON value at the start of `raw`.
fn first_value(raw: &[u8]) -> Option<&[u8]> {
    let mut values = serde_json::Deserializer::from_slice(raw).into_iter::<&RawValue>();
    values.next()?.ok().map(|value| value.get().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(data: &str) -> Kind {
        observe(data.as_bytes()).unwrap().kind
    }

    #[test]
    fn preambles_content_and_errors_are_told_apart() {
        let with = |part: &str| format!(r#"{{"candidates":[{{"content":{{"parts":[{part}]}}}}]}}"#);
        assert_eq!(kind(&with(r#"{"text":""}"#)), Kind::Preamble);
        assert_eq!(kind(&with(r#"{"text":"","thought":true}"#)), Kind::Preamble);
        assert_eq!(kind(&with(r#"{"text":"a"}"#)), Kind::Content);
        assert_eq!(kind(&with(r#"{"text":"","thoughtSignature":"s"}"#)), Kind::Content);
        assert_eq!(kind(&with(r#"{"functionCall":{"name":"f"}}"#)), Kind::Content);
        assert_eq!(kind(r#"{"usageMetadata":{"promptTokenCount":1}}"#), Kind::Preamble);
        assert_eq!(kind(r#"{"error":{"code":503}}"#), Kind::Error);
        assert_eq!(kind(r#"[{"error":{"code":503}}]"#), Kind::Error);
        assert_eq!(observe(b"oops"), Err(Garbage::NOT_AN_OBJECT));
        let blocked = observe(br#"{"promptFeedback":{"blockReason":"SAFETY"}}"#).unwrap();
        assert_eq!(blocked.choices, [(0, Some("SAFETY".to_owned()))]);
    }

    #[test]
    fn skimming_finds_what_reading_finds() {
        let plain = r#"{"candidates":[{"content":{"parts":[{"text":"\"error\" \"usageMetadata\":{"}]
            }}],"usageMetadata": {"promptTokenCount":3,"candidatesTokenCount":2},"x":"m"}"#;
        let seen = skim(plain.as_bytes()).unwrap();
        assert_eq!((seen.kind, seen.choices.len()), (Kind::Content, 0));
        assert_eq!(seen.usage, observe(plain.as_bytes()).unwrap().usage);
        assert_eq!(seen.usage.unwrap().input_tokens, 3);
        for data in [
            r#"{"candidates":[{"index":1,"finishReason":"STOP"}],"usageMetadata":{}}"#,
            r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":
                {"usageMetadata":{"promptTokenCount":9}}}}]}}]}"#,
            r#"{"error":{"code":500}}"#,
            r#"{"promptFeedback":{"block_reason":"OTHER"}}"#,
        ] {
            assert_eq!(skim(data.as_bytes()), observe(data.as_bytes()), "{data}");
        }
        for garbage in ["oops", "", "{]", "[1]"] {
            assert_eq!(skim(garbage.as_bytes()), Err(Garbage::NOT_AN_OBJECT), "{garbage}");
        }
    }
}
