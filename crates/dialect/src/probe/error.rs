//! Errors: `{"oops": "text", "n": 400}`, as a body and as the last line of a stream.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::format::ErrorBody;
use crate::ir;

/// Reads an error body; empty where it says nothing.
pub(super) fn read(body: &[u8]) -> ErrorBody {
    let document: Value = serde_json::from_slice(body).unwrap_or_default();
    let message = document.get("oops").and_then(Value::as_str).unwrap_or_default().to_owned();
    let status = document.get("n").and_then(Value::as_u64);
    let status = status.and_then(|status| u16::try_from(status).ok());
    ErrorBody {
        message,
        status: status.filter(|status| (400..600).contains(status)),
        ..ErrorBody::default()
    }
}

pub(super) fn write(error: &ir::Error) -> Bytes {
    Bytes::from(json!({ "oops": error.message, "n": error.status }).to_string())
}
