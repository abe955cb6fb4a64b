//! Errors. Over HTTP the kind comes in the header `x-amzn-errortype`, which is not seen here, and
//! in most bodies as `__type` too; within a stream it is the name of the exception.
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html>

use bytes::Bytes;
use serde_json::{Map, Value, json};
use weir_framing::Writer;

use crate::format::ErrorBody;
use crate::ir::{Error, ErrorKind};
use crate::json;
use crate::openai_error;

/// Exceptions, the status that each has, and what it means. 408 and 424 are the model's fault and
/// not the caller's, whatever their numbers say.
const KINDS: [(&str, u16, ErrorKind); 16] = [
    ("ValidationException", 400, ErrorKind::InvalidRequest),
    ("ServiceQuotaExceededException", 400, ErrorKind::QuotaExhausted),
    ("UnrecognizedClientException", 403, ErrorKind::Authentication),
    ("InvalidSignatureException", 403, ErrorKind::Authentication),
    ("ExpiredTokenException", 403, ErrorKind::Authentication),
    ("MissingAuthenticationTokenException", 403, ErrorKind::Authentication),
    ("AccessDeniedException", 403, ErrorKind::Permission),
    ("ResourceNotFoundException", 404, ErrorKind::NotFound),
    ("ModelTimeoutException", 408, ErrorKind::Timeout),
    ("ConflictException", 409, ErrorKind::InvalidRequest),
    ("ModelErrorException", 424, ErrorKind::Internal),
    ("ModelStreamErrorException", 424, ErrorKind::Internal),
    ("ThrottlingException", 429, ErrorKind::RateLimited),
    ("ModelNotReadyException", 429, ErrorKind::Overloaded),
    ("InternalServerException", 500, ErrorKind::Internal),
    ("ServiceUnavailableException", 503, ErrorKind::Overloaded),
];

/// Reads an error body.
pub(super) fn read(body: &[u8]) -> ErrorBody {
    let Ok(document) = serde_json::from_slice::<Value>(body) else { return ErrorBody::default() };
    // As hosts write it that relay others.
    if document.get("error").is_some_and(|error| error.is_object() || error.is_string())
        || document.get("object").is_some_and(|kind| kind == "error")
    {
        return openai_error::read(body);
    }
    let text = |name: &str| ErrorBody::text(&document, name);
    let first = |names: &[&str]| {
        names.iter().map(|name| text(name)).find(|text| !text.is_empty()).unwrap_or_default()
    };
    // Requests for no known operation: `{"Output": {"__type": …}}`.
    let outer = document.pointer("/Output/__type").and_then(Value::as_str).unwrap_or_default();
    let kind = first(&["__type", "type"]);
    let kind = if kind.is_empty() { outer } else { &kind };
    ErrorBody {
        code: plain(&text("code")).to_owned(),
        kind: plain(kind).to_owned(),
        message: first(&["message", "Message", "originalMessage"]),
        param: String::new(),
        status: None,
    }
}

/// A kind without its namespace (`…#Kind`) and without what may follow it (`Kind:http://…`).
fn plain(kind: &str) -> &str {
    let kind = kind.rsplit_once('#').map_or(kind, |(_, kind)| kind);
    kind.split(':').next().unwrap_or_default()
}

/// `body` with `__type`, where SDKs look when the header is missing. What is no object stays.
pub(super) fn with_kind(body: Bytes, kind: &str) -> Bytes {
    match serde_json::from_slice(&body) {
        Ok(Value::Object(mut members)) => {
            members.insert("__type".to_owned(), json!(kind));
            json::object(&members)
        }
        _ => body,
    }
}

/// Writes an error body. The header `x-amzn-errortype` would say the same as `__type`.
pub(super) fn write(error: &Error) -> Bytes {
    json::text(&json!({ "message": message(error), "__type": exception(error) }))
}

fn exception(error: &Error) -> &'static str {
    let known = KINDS.iter().map(|(name, ..)| *name).find(|name| *name == error.label);
    if let Some(name) = known {
        return name;
    }
    match error.kind {
        ErrorKind::InvalidRequest | ErrorKind::TooLarge => "ValidationException",
        ErrorKind::Authentication => "UnrecognizedClientException",
        ErrorKind::Permission => "AccessDeniedException",
        ErrorKind::NotFound => "ResourceNotFoundException",
        ErrorKind::RateLimited => "ThrottlingException",
        ErrorKind::QuotaExhausted => "ServiceQuotaExceededException",
        ErrorKind::Timeout => "ModelTimeoutException",
        ErrorKind::Overloaded => "ServiceUnavailableException",
        ErrorKind::Internal => "InternalServerException",
    }
}

fn message(error: &Error) -> &str {
    if error.message.is_empty() { exception(error) } else { &error.message }
}

/// Writes an error as an exception of a stream; streams know five.
pub(super) fn event(error: &Error, out: &mut Writer) {
    let name = match error.kind {
        ErrorKind::InvalidRequest
        | ErrorKind::TooLarge
        | ErrorKind::Authentication
        | ErrorKind::Permission
        | ErrorKind::NotFound => "validationException",
        ErrorKind::RateLimited | ErrorKind::QuotaExhausted => "throttlingException",
        ErrorKind::Overloaded => "serviceUnavailableException",
        ErrorKind::Timeout => "modelStreamErrorException",
        ErrorKind::Internal if error.label.eq_ignore_ascii_case("modelStreamErrorException") => {
            "modelStreamErrorException"
        }
        ErrorKind::Internal => "internalServerException",
    };
    let mut data = Map::new();
    data.insert("message".to_owned(), json!(message(error)));
    if name == "modelStreamErrorException" && (100..600).contains(&error.status) {
        data.insert("originalStatusCode".to_owned(), json!(error.status));
    }
    out.event(name, &json::object(&data));
}

/// Reads an exception of a stream.
pub(super) fn exception_read(name: &str, data: &[u8]) -> Error {
    let mut body = read(data);
    if body.message.is_empty() {
        name.clone_into(&mut body.message);
    }
    let name = if name.is_empty() { body.kind.as_str() } else { name };
    let row = KINDS.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name));
    let stated = body.status.unwrap_or(500);
    let unknown = (stated, ErrorKind::of_status(stated));
    let (status, kind) = row.map_or(unknown, |(_, status, kind)| (*status, *kind));
    let mut error = Error::new(status, body.message);
    error.kind = kind;
    // As in error bodies, where the first letter is a capital one.
    row.map_or(name, |(known, ..)| *known).clone_into(&mut error.label);
    error
}
