//! Error bodies: `{"detail", "status", "title"}`, and predictions that failed.
//! <https://replicate.com/docs/reference/http#errors>

use bytes::Bytes;
use serde_json::{Map, Value};

use super::answer::{self, Status};
use crate::format::ErrorBody;
use crate::ir::{self, ErrorKind};
use crate::json;

/// Reads an error body. One that is not JSON, or has no known shape, gives an empty result.
pub(super) fn read(body: &[u8]) -> ErrorBody {
    let document: Value = json::read(body).unwrap_or_default();
    read_value(&document)
}

/// Replicate's own shapes, and those of hosts in front of it.
pub(super) fn read_value(document: &Value) -> ErrorBody {
    if answer::status(document) == Some(Status::Failed) {
        let message = answer::failure(document);
        return ErrorBody { code: code_in(&message).to_owned(), message, ..ErrorBody::default() };
    }
    if let Some(inner) = document.get("error").filter(|error| error.is_object()) {
        return read_value(inner);
    }
    let text = |name: &str| ErrorBody::text(document, name);
    let detail = document.get("detail").map(detail).unwrap_or_default();
    let said = || ["message", "error", "title"].into_iter().map(text).find(|t| !t.is_empty());
    let message = if detail.is_empty() { said().unwrap_or_default() } else { detail };
    let own = match text("code") {
        // What is asked for is a model's.
        none if none.is_empty() && message == NOTHING => "model_not_found".to_owned(),
        none if none.is_empty() => code_in(&message).to_owned(),
        own => own,
    };
    let status = ErrorBody::status_of(&text("status")).or_else(|| ErrorBody::status_of(&own));
    let field = document.pointer("/invalid_fields/0/field").and_then(Value::as_str);
    let kind = text("title");
    ErrorBody {
        kind: if kind.is_empty() { text("type") } else { kind },
        param: field.unwrap_or_default().to_owned(),
        message,
        status,
        code: own,
    }
}

/// What Replicate says of a path that leads to nothing.
const NOTHING: &str = "The requested resource could not be found.";

/// A detail is a text, or a list of what is wrong with the input.
fn detail(value: &Value) -> String {
    match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Array(list) => {
            let told = list.iter().filter_map(|one| one.get("msg").and_then(Value::as_str));
            told.collect::<Vec<_>>().join("; ")
        }
        _ => String::new(),
    }
}

/// The code in a message, as in `Prediction failed. (E1001)`; empty if there is none.
/// <https://replicate.com/docs/reference/error-codes>
fn code_in(message: &str) -> &str {
    let is_code = |word: &&str| {
        word.strip_prefix('E').is_some_and(|digits| {
            (3..=4).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    message.split(|letter: char| !letter.is_ascii_alphanumeric()).find(is_code).unwrap_or_default()
}

/// Writes an error body.
pub(super) fn write(error: &ir::Error) -> Bytes {
    let title = if error.label.is_empty() { title(error.kind) } else { &error.label };
    let mut members = Map::new();
    let detail = if error.message.is_empty() { title } else { &error.message };
    members.insert("detail".to_owned(), Value::from(detail));
    if error.status > 0 {
        members.insert("status".to_owned(), Value::from(error.status));
    }
    members.insert("title".to_owned(), Value::from(title));
    if let Some(code) = &error.code {
        members.insert("code".to_owned(), Value::from(code.as_str()));
    }
    json::object(&members)
}

const fn title(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidRequest => "Input validation failed",
        ErrorKind::Authentication => "Unauthenticated",
        ErrorKind::Permission => "Forbidden",
        ErrorKind::NotFound => "Not found",
        ErrorKind::TooLarge => "Payload too large",
        ErrorKind::RateLimited => "Too many requests",
        ErrorKind::QuotaExhausted => "Insufficient credit",
        ErrorKind::Timeout => "Timeout",
        ErrorKind::Overloaded => "Service unavailable",
        ErrorKind::Internal => "Internal server error",
    }
}
