//! Error bodies of OpenAI's formats, in every shape that hosts of this family use.
//!
//! Beside the folders, because chat and Responses have the same ones.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use weir_types::Attempt;

use crate::format::ErrorBody;
use crate::ir::{self, ErrorKind};

/// Reads an error body. A body that is not JSON, or has no known shape, gives an empty result.
#[must_use]
pub(crate) fn read(body: &[u8]) -> ErrorBody {
    let Ok(document) = serde_json::from_slice::<Value>(body) else {
        return ErrorBody::default();
    };
    read_value(&document)
}

/// `{"error": {…}}`, `{"error": "…"}`, `{"message": …}`, `{"detail": …}`, or a list.
fn read_value(document: &Value) -> ErrorBody {
    if let Some(first) = document.as_array().and_then(|list| list.first()) {
        return match first.get("error") {
            Some(_) => read_value(first),
            None => ErrorBody::default(),
        };
    }
    let inner = match document.get("error") {
        Some(Value::String(message)) => {
            let mut body = members(document);
            body.message.clone_from(message);
            return body;
        }
        Some(error @ Value::Object(_)) => error,
        _ => document,
    };
    let mut body = members(inner);
    if body.message.is_empty() {
        body.message = match document.get("detail") {
            Some(Value::String(detail)) => detail.clone(),
            Some(detail) if !detail.is_null() => detail.to_string(),
            _ => String::new(),
        };
    }
    body
}

fn members(document: &Value) -> ErrorBody {
    let text = |name: &str| ErrorBody::text(document, name);
    let code = text("code");
    let status = ErrorBody::status_of(&code);
    ErrorBody { status, kind: text("type"), message: text("message"), param: text("param"), code }
}

/// The gateway's error object, which OpenAI's SDKs read as theirs.
#[derive(Serialize)]
struct Native<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    event_id: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    is_bifrost_error: bool,
    status_code: u16,
    error: Detail<'a>,
    extra_fields: Extra<'a>,
}

/// What OpenAI's SDKs look at.
#[derive(Serialize)]
struct Detail<'a> {
    message: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    param: Option<&'a str>,
    code: Option<&'a str>,
}

/// What the request was.
#[derive(Serialize)]
struct Extra<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    provider: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    model_requested: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    request_type: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attempts: Vec<Try<'a>>,
}

/// Whom the gateway has asked.
#[derive(Serialize)]
struct Try<'a> {
    provider: &'a str,
    key: &'a str,
    outcome: Cow<'a, str>,
    ms: u64,
}

impl<'a> From<&'a Attempt> for Try<'a> {
    fn from(attempt: &'a Attempt) -> Self {
        let outcome = attempt.outcome();
        let ms = attempt.duration_us / 1000;
        Self { provider: &attempt.provider, key: &attempt.key, outcome, ms }
    }
}

/// Writes an error body.
pub(crate) fn write(error: &ir::Error) -> Bytes {
    let context = &error.context;
    let kind = if error.label.is_empty() { word(error.kind) } else { &error.label };
    let message = if error.message.is_empty() { kind } else { &error.message };
    let native = Native {
        event_id: &context.request_id,
        kind,
        is_bifrost_error: context.is_gateways,
        status_code: error.status,
        error: Detail { message, kind, param: error.param.as_deref(), code: error.code.as_deref() },
        extra_fields: Extra {
            provider: &context.provider,
            model_requested: &context.model,
            request_type: context.operation,
            attempts: context.attempts.iter().map(Try::from).collect(),
        },
    };
    // Strings and numbers only: there is nothing in it that could fail to be written.
    serde_json::to_vec(&native).map_or_else(|_| Bytes::from_static(b"{}"), Bytes::from)
}

/// OpenAI's word for a kind of error.
/// <https://platform.openai.com/docs/guides/error-codes>
pub(crate) const fn word(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidRequest | ErrorKind::TooLarge => "invalid_request_error",
        ErrorKind::Authentication => "authentication_error",
        ErrorKind::Permission => "permission_error",
        ErrorKind::NotFound => "not_found_error",
        ErrorKind::RateLimited => "rate_limit_error",
        ErrorKind::QuotaExhausted => "insufficient_quota",
        ErrorKind::Timeout => "timeout_error",
        ErrorKind::Overloaded | ErrorKind::Internal => "server_error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_shapes_are_read() {
        let openai = read(
            br#"{"error":{"message":"m","type":"t","param":"model","code":"model_not_found"}}"#,
        );
        assert_eq!(openai.code, "model_not_found");
        assert_eq!((openai.kind.as_str(), openai.param.as_str()), ("t", "model"));
        assert_eq!((openai.message.as_str(), openai.status), ("m", None));
        let relayed = read(br#"{"error":{"message":"m","code":502,"metadata":{}}}"#);
        assert_eq!((relayed.code.as_str(), relayed.status), ("502", Some(502)));
        assert_eq!(read(br#"{"error":"nope"}"#).message, "nope");
        assert_eq!(read(br#"{"object":"error","message":"m","code":400}"#).status, Some(400));
        assert_eq!(read(br#"{"detail":"Not Found"}"#).message, "Not Found");
        assert_eq!(read(br#"{"detail":[{"msg":"x"}]}"#).message, r#"[{"msg":"x"}]"#);
        assert_eq!(read(br#"[{"error":{"message":"g","code":429}}]"#).status, Some(429));
        assert_eq!(read(b"<html>"), ErrorBody::default());
        assert_eq!(read(br#"{"error":{"code":null}}"#), ErrorBody::default());
    }
}
