//! Streams: server-sent events whose JSON has a `type`. What passes is watched, the rest is read
//! and written by the files beside. <https://docs.cohere.com/docs/streaming>
//!
//! `message-end` ends a stream: it has the finish reason, the usage, and an error if one happened.

mod observe;
mod read;
mod write;

use serde_json::Value;

use super::error;
use crate::ir::{self, ErrorKind};

pub(super) use observe::observe;
pub(super) use read::Reader;
pub(super) use write::{EventWriter, write_error};

/// What an event is; its name in the framing stands in for a missing `type`.
fn kind<'a>(name: &'a [u8], event: &'a Value) -> &'a str {
    let named = || std::str::from_utf8(name).unwrap_or_default();
    event.get("type").and_then(Value::as_str).unwrap_or_else(named)
}

/// The error that `event` reports: in `message-end`, or as an error body in place of an event.
fn failure(kind: &str, event: &Value) -> Option<ir::Error> {
    if kind == "message-end" {
        let delta = event.get("delta")?;
        let message = match delta.get("error")? {
            Value::Null => return None,
            Value::String(text) if text.is_empty() => return None,
            Value::String(text) => text.clone(),
            other => error::read_value(other).message,
        };
        let mut error = ir::Error::new(0, message);
        if delta.get("finish_reason").and_then(Value::as_str) == Some("TIMEOUT") {
            error.kind = ErrorKind::Timeout;
        }
        return Some(error);
    }
    let is_body = kind.is_empty() && ["message", "error"].iter().any(|m| event.get(m).is_some());
    if !is_body && kind != "error" {
        return None;
    }
    let body = error::read_value(event);
    let status = body.status.unwrap_or(0);
    let mut error = ir::Error::new(status, body.message);
    error.label = body.kind;
    error.code = (!body.code.is_empty()).then_some(body.code);
    error.param = (!body.param.is_empty()).then_some(body.param);
    Some(error)
}

/// The member at `path`, below `delta.message`.
fn said<'a>(event: &'a Value, path: &[&str]) -> Option<&'a Value> {
    let message = event.get("delta")?.get("message")?;
    path.iter().try_fold(message, |value, name| value.get(name))
}
