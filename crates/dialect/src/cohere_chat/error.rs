//! Error bodies: `{"message": …, "id": …}`, whatever the status.
//! <https://docs.cohere.com/reference/errors>

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::format::ErrorBody;
use crate::ir::{self, ErrorKind};
use crate::json;

/// Reads an error body. One that is not JSON, or has no known shape, gives an empty result.
pub(super) fn read(body: &[u8]) -> ErrorBody {
    let document: Value = json::read(body).unwrap_or_default();
    read_value(&document)
}

/// Cohere's own shape, and those of hosts that serve its models.
pub(super) fn read_value(document: &Value) -> ErrorBody {
    if let Some(inner) = document.get("error").filter(|error| error.is_object()) {
        return read_value(inner);
    }
    let text = |name: &str| ErrorBody::text(document, name);
    let message = ["message", "error", "detail"].into_iter().map(text).find(|t| !t.is_empty());
    let code = text("code");
    let stated = text("status_code");
    let status = ErrorBody::status_of(if stated.is_empty() { &code } else { &stated });
    ErrorBody {
        kind: text("type"),
        message: message.unwrap_or_default(),
        param: text("param"),
        status,
        code,
    }
}

/// Writes an error body. `message` and `id` are Cohere's; `type`, `code` and `param` are there for
/// clients that look further.
pub(super) fn write(error: &ir::Error) -> Bytes {
    let mut members = Map::new();
    let mut put = |name: &str, text: &str| {
        if !text.is_empty() {
            members.insert(name.to_owned(), Value::from(text));
        }
    };
    put("id", &error.context.request_id);
    put("type", label(error));
    put("message", message(error));
    put("code", error.code.as_deref().unwrap_or_default());
    put("param", error.param.as_deref().unwrap_or_default());
    json::object(&members)
}

/// What people are told; never empty.
pub(super) fn message(error: &ir::Error) -> &str {
    if error.message.is_empty() { label(error) } else { &error.message }
}

fn label(error: &ir::Error) -> &str {
    if error.label.is_empty() { word(error.kind) } else { &error.label }
}

/// Cohere has statuses only; these words are those of its page of errors.
const fn word(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidRequest => "bad_request",
        ErrorKind::Authentication => "unauthorized",
        ErrorKind::Permission => "forbidden",
        ErrorKind::NotFound => "not_found",
        ErrorKind::TooLarge => "payload_too_large",
        ErrorKind::RateLimited => "too_many_requests",
        ErrorKind::QuotaExhausted => "payment_required",
        ErrorKind::Timeout => "gateway_timeout",
        ErrorKind::Overloaded => "service_unavailable",
        ErrorKind::Internal => "internal_server_error",
    }
}
