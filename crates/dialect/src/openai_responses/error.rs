//! Errors: bodies as in OpenAI's other formats, and the flat event that ends a stream.
//! <https://platform.openai.com/docs/api-reference/responses-streaming/error>

use serde_json::{Value, json};
use weir_framing::Writer;

use crate::ir::{self, ErrorKind};
use crate::openai_error::word;
pub(super) use crate::openai_error::{read, write};

/// Later than any event of the stream that the error ends: numbers must rise, and what the stream
/// has counted up to is not known here.
const LAST: i32 = i32::MAX;

/// Writes the event `error`.
pub(super) fn event(error: &ir::Error, out: &mut Writer) {
    let label = if error.label.is_empty() { word(error.kind) } else { &error.label };
    let message = if error.message.is_empty() { label } else { &error.message };
    let event = json!({
        "type": "error",
        "code": error.code.as_deref().unwrap_or(label),
        "message": message,
        "param": error.param,
        "sequence_number": LAST,
    });
    out.event("error", event.to_string().as_bytes());
}

/// Reads what a failed response or an event `error` says: `code` and `message`, in an object
/// `error` or beside the type.
pub(super) fn of_event(said: &Value) -> ir::Error {
    if let Some(Value::String(message)) = said.get("error") {
        return ir::Error::new(0, message);
    }
    let said = said.get("error").filter(|error| error.is_object()).unwrap_or(said);
    let text = |name: &str| match said.get(name) {
        Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let code = text("code");
    let (status, kind) = meaning(code.as_deref().unwrap_or_default());
    let label = text("type").filter(|label| label != "error").unwrap_or_default();
    let message = text("message").unwrap_or_default();
    ir::Error { status, kind, label, param: text("param"), code, ..ir::Error::new(status, message) }
}

/// What a code means; the status is 0 where it says nothing.
fn meaning(code: &str) -> (u16, ErrorKind) {
    if let Some(status) = code.parse().ok().filter(|status| (400..600).contains(status)) {
        return (status, ErrorKind::of_status(status));
    }
    match code {
        "rate_limit_exceeded" => (429, ErrorKind::RateLimited),
        "insufficient_quota" => (429, ErrorKind::QuotaExhausted),
        "server_error" => (500, ErrorKind::Internal),
        "server_is_overloaded" | "slow_down" => (503, ErrorKind::Overloaded),
        "vector_store_timeout" => (504, ErrorKind::Timeout),
        "" => (0, ErrorKind::Internal),
        _ if ["invalid_", "image_", "empty_image", "unsupported_image", "context_length"]
            .iter()
            .any(|start| code.starts_with(start)) =>
        {
            (400, ErrorKind::InvalidRequest)
        }
        _ => (0, ErrorKind::Internal),
    }
}
