//! What an event means for a stream that is passed on. Its name says nearly all: only the two last
//! events are ever parsed once content is flowing.

use memchr::memmem;
use serde_json::Value;
use weir_framing::Frame;

use super::super::words;
use super::is_exception;
use crate::fault::Garbage;
use crate::format::{Depth, Kind, Observed};

pub(in crate::bedrock_converse) fn observe(
    frame: &Frame<'_>,
    depth: Depth,
) -> Result<Observed, Garbage> {
    if frame.is_exception || is_exception(frame.name) {
        return Ok(Observed::plain(Kind::Error));
    }
    let Some(data) = frame.data.as_deref().map(<[u8]>::trim_ascii) else {
        return Ok(Observed::plain(Kind::Preamble));
    };
    if data.first() != Some(&b'{') || data.last() != Some(&b'}') {
        return Err(Garbage::NOT_AN_OBJECT);
    }
    match frame.name {
        // Only blocks other than text begin with an event that says something.
        b"contentBlockDelta" | b"contentBlockStart" if depth == Depth::Skim => {
            Ok(Observed::plain(Kind::Content))
        }
        b"contentBlockDelta" | b"contentBlockStart" => {
            let event = parsed(data)?;
            let said = event.get("delta").or_else(|| event.get("start"));
            let is_content = said.is_some_and(says_something);
            let kind = if is_content { Kind::Content } else { Kind::Preamble };
            Ok(Observed { choices: vec![(0, None)], ..Observed::plain(kind) })
        }
        b"messageStop" => {
            let event = parsed(data)?;
            let word = event.get("stopReason").and_then(Value::as_str).unwrap_or("end_turn");
            let choices = vec![(0, Some(word.to_owned()))];
            Ok(Observed { choices, ..Observed::plain(Kind::Preamble) })
        }
        b"metadata" => {
            let has_usage = memmem::find(data, b"\"usage\"").is_some();
            let event = if has_usage { parsed(data)? } else { Value::Null };
            let usage = event.get("usage").map(words::usage).filter(|usage| !usage.is_empty());
            Ok(Observed { usage, ..Observed::plain(Kind::Done) })
        }
        // A host that relays others may fail in its own way.
        _ if memmem::find(data, b"\"error\"").is_some() => {
            let event = parsed(data)?;
            let is_error = event.get("error").is_some_and(|error| !error.is_null());
            Ok(Observed::plain(if is_error { Kind::Error } else { Kind::Preamble }))
        }
        _ => Ok(Observed::plain(Kind::Preamble)),
    }
}

fn parsed(data: &[u8]) -> Result<Value, Garbage> {
    serde_json::from_slice(data).map_err(|_| Garbage::NOT_AN_OBJECT)
}

/// Whether a delta adds anything.
fn says_something(delta: &Value) -> bool {
    match delta {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => list.iter().any(says_something),
        Value::Object(members) => members.values().any(says_something),
        Value::Bool(_) | Value::Number(_) => true,
    }
}
