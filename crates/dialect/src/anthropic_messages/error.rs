//! Error bodies, of Anthropic and of the clouds that host it.

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;

use crate::format::ErrorBody;
use crate::ir::{self, ErrorKind};

/// Anthropic's own words for kinds of errors.
/// <https://platform.claude.com/docs/en/api/errors>
const KINDS: [&str; 10] = [
    "invalid_request_error",
    "authentication_error",
    "billing_error",
    "permission_error",
    "not_found_error",
    "request_too_large",
    "rate_limit_error",
    "timeout_error",
    "api_error",
    "overloaded_error",
];

/// Reads `{"type": "error", "error": {…}}`; also what Google and AWS say before a request has come
/// to the model: `{"error": {"code", "message", "status"}}` and `{"message": …}`.
pub(super) fn read(body: &[u8]) -> ErrorBody {
    let Ok(mut document) = serde_json::from_slice::<Value>(body) else {
        return ErrorBody::default();
    };
    if let Some(first) = document.as_array_mut().and_then(|list| list.first_mut()) {
        document = first.take();
    }
    let inner = match document.get("error") {
        Some(Value::String(message)) => {
            return ErrorBody { message: message.clone(), ..ErrorBody::default() };
        }
        Some(error @ Value::Object(_)) => error,
        _ => &document,
    };
    let text = |name: &str| ErrorBody::text(inner, name);
    let either = |first: &str, second: &str| {
        let found = text(first);
        if found.is_empty() { text(second) } else { found }
    };
    let fine = inner.pointer("/details/error_code").and_then(Value::as_str);
    let code = fine.map_or_else(|| text("code"), str::to_owned);
    let status = ErrorBody::status_of(&code);
    let message = either("message", "Message");
    // A bare `{"type": "error"}` says nothing of the kind.
    let kind = Some(either("type", "status")).filter(|kind| kind != "error");
    ErrorBody { status, kind: kind.unwrap_or_default(), message, param: text("param"), code }
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    error: Detail<'a>,
    #[serde(skip_serializing_if = "str::is_empty")]
    request_id: &'a str,
}

#[derive(Serialize)]
struct Detail<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    message: String,
}

/// Writes an error body. There is no member for a parameter: as Anthropic does, the message names
/// it.
pub(super) fn write(error: &ir::Error) -> Bytes {
    let kind = KINDS.iter().find(|kind| **kind == error.label).copied();
    let kind = kind.unwrap_or_else(|| word(error.kind));
    let message = if error.message.is_empty() { kind } else { &error.message };
    let message = match &error.param {
        Some(param) if !param.is_empty() && !message.contains(param.as_str()) => {
            format!("{param}: {message}")
        }
        _ => message.to_owned(),
    };
    let request_id = &error.context.request_id;
    let document = Document { kind: "error", error: Detail { kind, message }, request_id };
    // Strings only: there is nothing in it that could fail to be written.
    serde_json::to_vec(&document).map_or_else(|_| Bytes::from_static(b"{}"), Bytes::from)
}

/// The kind that Anthropic's word stands for.
pub(super) fn kind(word: &str) -> ErrorKind {
    match word {
        "invalid_request_error" => ErrorKind::InvalidRequest,
        "authentication_error" => ErrorKind::Authentication,
        "billing_error" => ErrorKind::QuotaExhausted,
        "permission_error" => ErrorKind::Permission,
        "not_found_error" => ErrorKind::NotFound,
        "request_too_large" => ErrorKind::TooLarge,
        "rate_limit_error" => ErrorKind::RateLimited,
        "timeout_error" => ErrorKind::Timeout,
        "overloaded_error" => ErrorKind::Overloaded,
        _ => ErrorKind::Internal,
    }
}

/// The status that Anthropic gives errors of this kind; streams have none to show.
pub(super) const fn status(kind: ErrorKind) -> u16 {
    match kind {
        ErrorKind::InvalidRequest => 400,
        ErrorKind::Authentication => 401,
        ErrorKind::QuotaExhausted => 402,
        ErrorKind::Permission => 403,
        ErrorKind::NotFound => 404,
        ErrorKind::TooLarge => 413,
        ErrorKind::RateLimited => 429,
        ErrorKind::Internal => 500,
        ErrorKind::Timeout => 504,
        ErrorKind::Overloaded => 529,
    }
}

/// Anthropic's word for a kind.
const fn word(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidRequest => "invalid_request_error",
        ErrorKind::Authentication => "authentication_error",
        ErrorKind::QuotaExhausted => "billing_error",
        ErrorKind::Permission => "permission_error",
        ErrorKind::NotFound => "not_found_error",
        ErrorKind::TooLarge => "request_too_large",
        ErrorKind::RateLimited => "rate_limit_error",
        ErrorKind::Timeout => "timeout_error",
        ErrorKind::Overloaded => "overloaded_error",
        ErrorKind::Internal => "api_error",
    }
}
