//! What an event means for the commit point and for the end.
//!
//! Before the commit point every event is parsed. After it [`skim`] looks for a few names in the
//! bytes and parses only where one of them stands.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use weir_framing::Frame;

use crate::anthropic_messages::usage::Counts;
use crate::fault::Garbage;
use crate::format::{Kind, Observed};

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, rename = "type", default)]
    kind: Option<&'a RawValue>,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
    #[serde(borrow, default)]
    content_block: Option<&'a RawValue>,
    #[serde(borrow, default)]
    delta: Option<&'a RawValue>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

/// An event's name: SDKs skip those without one, and its data says it as well.
pub(in super::super) fn name<'f>(frame: &'f Frame<'_>) -> Cow<'f, str> {
    if !frame.name.is_empty() {
        return String::from_utf8_lossy(frame.name);
    }
    let event = serde_json::from_slice::<Event<'_>>(frame.data.as_deref().unwrap_or_default());
    let kind = event.ok().and_then(|event| event.kind).map(unquoted).unwrap_or_default();
    String::from_utf8_lossy(kind)
}

/// Looks at an event in full. `name` is its SSE name, `data` its data.
///
/// # Errors
/// It is not an event of this format.
pub(in super::super) fn observe(name: &[u8], data: &[u8]) -> Result<Observed, Garbage> {
    let data = data.trim_ascii();
    if data.is_empty() {
        return Ok(Observed::plain(Kind::Preamble));
    }
    let event: Event<'_> = match serde_json::from_slice(data) {
        Ok(event) => event,
        // An error in words, not in JSON.
        Err(_) if name == b"error" => return Ok(Observed::plain(Kind::Error)),
        Err(_) => return Err(Garbage::NOT_AN_OBJECT),
    };
    let kind = event.kind.map_or(name, unquoted);
    let has_error = event.error.is_some_and(|error| error.get() != "null");
    if kind == b"error" || name == b"error" || has_error {
        return Ok(Observed::plain(Kind::Error));
    }
    Ok(match kind {
        b"message_start" => Observed { usage: usage_within(event.message), ..preamble() },
        b"content_block_start" => of_block(event.content_block),
        b"content_block_delta" => of_delta(event.delta),
        b"message_delta" => {
            let reason = value(event.delta).and_then(|delta| text(&delta, "stop_reason"));
            let usage = value(event.usage).map(|counts| Counts::of(&counts).usage());
            let usage = usage.filter(|usage| !usage.is_empty());
            Observed { choices: vec![(0, reason)], usage, ..preamble() }
        }
        b"message_stop" => Observed::plain(Kind::Done),
        _ => preamble(),
    })
}

/// A raw word without its quotes.
fn unquoted(raw: &RawValue) -> &[u8] {
    let raw = raw.get().as_bytes();
    raw.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(raw)
}

const fn preamble() -> Observed {
    Observed::plain(Kind::Preamble)
}

fn content(says_something: bool) -> Observed {
    let kind = if says_something { Kind::Content } else { Kind::Preamble };
    Observed { choices: vec![(0, None)], ..Observed::plain(kind) }
}

fn value(raw: Option<&RawValue>) -> Option<Value> {
    serde_json::from_str(raw?.get()).ok()
}

fn text(of: &Value, name: &str) -> Option<String> {
    of.get(name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn usage_within(message: Option<&RawValue>) -> Option<weir_types::Usage> {
    let message = value(message)?;
    let usage = Counts::of(message.get("usage")?).usage();
    (!usage.is_empty()).then_some(usage)
}

/// A block that begins empty says nothing yet; a call says its name.
fn of_block(block: Option<&RawValue>) -> Observed {
    let Some(block) = value(block) else { return content(false) };
    match block.get("type").and_then(Value::as_str) {
        Some("text") => content(text(&block, "text").is_some()),
        Some("thinking") => {
            content(text(&block, "thinking").is_some() || text(&block, "signature").is_some())
        }
        other => content(other.is_some()),
    }
}

fn of_delta(delta: Option<&RawValue>) -> Observed {
    let Some(delta) = value(delta) else { return content(false) };
    let members = ["text", "partial_json", "thinking", "signature"];
    let is_empty = members.iter().any(|name| delta.get(name).is_some_and(|text| text == ""));
    content(!is_empty)
}

static NAMES: LazyLock<[Finder<'static>; 4]> = LazyLock::new(|| {
    ["\"usage\"", "\"stop_reason\"", "\"error\"", "\"message_stop\""].map(Finder::new)
});

/// Looks at an event after the commit point, as cheaply as an honest end allows: content stays
/// unread, finish reason, usage, errors and the end are found. A plain event is [`Kind::Content`].
///
/// # Errors
/// It cannot be an event of this format.
pub(in super::super) fn skim(name: &[u8], data: &[u8]) -> Result<Observed, Garbage> {
    if name == b"ping" || data.is_empty() {
        return Ok(preamble());
    }
    let is_object = data.first() == Some(&b'{') && data.last() == Some(&b'}');
    if !is_object || name == b"error" {
        return observe(name, data);
    }
    // The names cannot match inside a string: quotes are escaped there.
    if NAMES.iter().any(|finder| finder.find(data).is_some()) {
        return observe(name, data);
    }
    Ok(Observed::plain(Kind::Content))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(data: &str) -> Kind {
        observe(b"", data.as_bytes()).unwrap().kind
    }

    #[test]
    fn preambles_and_content_are_told_apart() {
        for empty in [
            r#"{"type":"ping"}"#,
            r#"{"type":"message_start","message":{"usage":{"input_tokens":3,"output_tokens":1}}}"#,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
            r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":""}}"#,
            r#"{"type":"content_block_delta","delta":{"partial_json":""}}"#,
            r#"{"type":"content_block_stop","index":0}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{}}"#,
            r#"{"type":"something_new"}"#,
        ] {
            assert_eq!(kind(empty), Kind::Preamble, "{empty}");
        }
        for content in [
            r#"{"type":"content_block_start","content_block":{"type":"tool_use","name":"f"}}"#,
            r#"{"type":"content_block_start","content_block":{"type":"redacted_thinking"}}"#,
            r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"a"}}"#,
            r#"{"type":"content_block_delta","delta":{"type":"signature_delta","signature":"s"}}"#,
            r#"{"type":"content_block_delta","delta":{"type":"citations_delta","citation":{}}}"#,
        ] {
            assert_eq!(kind(content), Kind::Content, "{content}");
        }
        assert_eq!(kind(r#"{"type":"message_stop"}"#), Kind::Done);
    }

    #[test]
    fn errors_are_seen_in_every_shape() {
        assert_eq!(kind(r#"{"type":"error","error":{"type":"overloaded_error"}}"#), Kind::Error);
        assert_eq!(kind(r#"{"error":{"message":"x"}}"#), Kind::Error);
        assert_eq!(observe(b"error", b"overloaded").unwrap().kind, Kind::Error);
        assert_eq!(observe(b"", b"overloaded"), Err(Garbage::NOT_AN_OBJECT));
    }

    #[test]
    fn skimming_finds_what_reading_finds() {
        let plain = r#"{"type":"content_block_delta","delta":{"text":"\"usage\" \"error\""}}"#;
        assert_eq!(skim(b"", plain.as_bytes()), Ok(Observed::plain(Kind::Content)));
        for data in [
            r#"{"type":"message_delta","delta":{"stop_reason":"x"},"usage":{"output_tokens":9}}"#,
            r#"{"type":"message_start","message":{"usage":{"input_tokens":3}}}"#,
            r#"{"type":"error","error":{}}"#,
            r#"{"type":"message_stop"}"#,
        ] {
            assert_eq!(skim(b"", data.as_bytes()), observe(b"", data.as_bytes()), "{data}");
        }
        let data = br#"{"type":"message_delta","delta":{"stop_reason":"tool_use"}}"#;
        assert_eq!(skim(b"message_delta", data).unwrap().finish(), Some("tool_use"));
        assert_eq!(skim(b"ping", br#"{"type":"ping"}"#).unwrap().kind, Kind::Preamble);
        for garbage in [r#"{"type":"message_delta"#, "oops", "{]"] {
            assert_eq!(skim(b"", garbage.as_bytes()), Err(Garbage::NOT_AN_OBJECT), "{garbage}");
        }
    }
}
