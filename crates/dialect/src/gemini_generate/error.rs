//! Errors in the shape of `google.rpc.Status`, both ways.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::format::ErrorBody;
use crate::ir::{self, ErrorKind};
use crate::json;

const BAD_REQUEST: &str = "type.googleapis.com/google.rpc.BadRequest";
const ERROR_INFO: &str = "type.googleapis.com/google.rpc.ErrorInfo";

/// Google's words for statuses, with the HTTP status of each.
/// <https://cloud.google.com/apis/design/errors#handling_errors>
const WORDS: [(&str, u16, ErrorKind); 16] = [
    ("INVALID_ARGUMENT", 400, ErrorKind::InvalidRequest),
    ("FAILED_PRECONDITION", 400, ErrorKind::InvalidRequest),
    ("OUT_OF_RANGE", 400, ErrorKind::InvalidRequest),
    ("UNAUTHENTICATED", 401, ErrorKind::Authentication),
    ("PERMISSION_DENIED", 403, ErrorKind::Permission),
    ("NOT_FOUND", 404, ErrorKind::NotFound),
    ("ABORTED", 409, ErrorKind::InvalidRequest),
    ("ALREADY_EXISTS", 409, ErrorKind::InvalidRequest),
    ("RESOURCE_EXHAUSTED", 429, ErrorKind::RateLimited),
    ("CANCELLED", 499, ErrorKind::InvalidRequest),
    ("INTERNAL", 500, ErrorKind::Internal),
    ("UNKNOWN", 500, ErrorKind::Internal),
    ("DATA_LOSS", 500, ErrorKind::Internal),
    ("UNIMPLEMENTED", 501, ErrorKind::Internal),
    ("UNAVAILABLE", 503, ErrorKind::Overloaded),
    ("DEADLINE_EXCEEDED", 504, ErrorKind::Timeout),
];

/// Reads an error body. A body that is not JSON, or has no known shape, gives an empty result.
pub(super) fn read(body: &[u8]) -> ErrorBody {
    serde_json::from_slice::<Value>(body)
        .map_or_else(|_| ErrorBody::default(), |body| read_value(&body))
}

/// `{"error": {…}}`, the same in a list of one, or what Google's token service says.
fn read_value(document: &Value) -> ErrorBody {
    let document = match document.as_array() {
        Some(list) => match list.iter().find(|one| one.get("error").is_some()) {
            Some(one) => one,
            None => return ErrorBody::default(),
        },
        None => document,
    };
    let text = ErrorBody::text;
    let error = match document.get("error") {
        Some(Value::String(code)) => {
            let described = text(document, "error_description");
            let message = if described.is_empty() { code.clone() } else { described };
            return ErrorBody { code: code.clone(), message, ..ErrorBody::default() };
        }
        Some(error @ Value::Object(_)) => error,
        _ => document,
    };
    let number = text(error, "code");
    let kind = text(error, "status");
    let stated = ErrorBody::status_of(&number);
    let worded = || WORDS.iter().find(|(word, ..)| kind == *word).map(|(_, status, _)| *status);
    let reason = detail(error, ERROR_INFO).map(|info| text(info, "reason")).unwrap_or_default();
    let violated = detail(error, BAD_REQUEST).and_then(|bad| bad.pointer("/fieldViolations/0"));
    ErrorBody {
        code: if reason.is_empty() { number } else { reason },
        status: stated.or_else(worded),
        message: text(error, "message"),
        param: violated.map(|violated| text(violated, "field")).unwrap_or_default(),
        kind,
    }
}

fn detail<'a>(error: &'a Value, kind: &str) -> Option<&'a Value> {
    let details = error.get("details").and_then(Value::as_array)?;
    details.iter().find(|detail| detail.get("@type").and_then(Value::as_str) == Some(kind))
}

/// An error that a stream has brought.
pub(super) fn of_event(document: &Value) -> ir::Error {
    let body = read_value(document);
    let word = WORDS.iter().find(|(word, ..)| body.kind == *word);
    let status = body.status.unwrap_or(500);
    let some = |text: String| (!text.is_empty()).then_some(text);
    ir::Error {
        status,
        kind: word.map_or_else(|| ErrorKind::of_status(status), |(.., kind)| *kind),
        label: body.kind,
        code: some(body.code),
        param: some(body.param),
        ..ir::Error::new(status, body.message)
    }
}

/// Writes an error body.
pub(super) fn write(error: &ir::Error) -> Bytes {
    let (word, usual) = word(error);
    let code = if error.status == 0 { usual } else { error.status };
    let message = if error.message.is_empty() { word } else { &error.message };
    let mut details = Vec::new();
    if let Some(field) = &error.param {
        let violation = json!({ "field": field, "description": message });
        details.push(json!({ "@type": BAD_REQUEST, "fieldViolations": [violation] }));
    }
    if let Some(info) = info(error) {
        details.push(info);
    }
    let mut status = Map::new();
    status.insert("code".to_owned(), json!(code));
    status.insert("message".to_owned(), json!(message));
    status.insert("status".to_owned(), json!(word));
    if !details.is_empty() {
        status.insert("details".to_owned(), Value::Array(details));
    }
    json::text(&json!({ "error": status }))
}

/// The finer code, and what the request was.
fn info(error: &ir::Error) -> Option<Value> {
    let context = &error.context;
    let is_worded = WORDS.iter().any(|(word, ..)| error.label == *word);
    let label = (!error.label.is_empty() && !is_worded).then_some(error.label.as_str());
    let reason = error.code.as_deref().or(label)?;
    let facts = [
        ("request_id", context.request_id.as_str()),
        ("provider", &context.provider),
        ("model", &context.model),
        ("operation", context.operation),
    ];
    let facts: Map<_, _> = facts
        .into_iter()
        .filter(|(_, fact)| !fact.is_empty())
        .map(|(name, fact)| (name.to_owned(), json!(fact)))
        .collect();
    let domain = if context.is_gateways { "gateway" } else { "provider" };
    Some(json!({ "@type": ERROR_INFO, "reason": reason, "domain": domain, "metadata": facts }))
}

/// Google's word for an error and its usual status.
fn word(error: &ir::Error) -> (&'static str, u16) {
    let own = WORDS.iter().find(|(word, status, _)| {
        error.label == *word && (error.status == 0 || error.status == *status)
    });
    if let Some((word, status, _)) = own {
        return (word, *status);
    }
    match (error.kind, error.status) {
        (_, 499) => ("CANCELLED", 499),
        (_, 501) => ("UNIMPLEMENTED", 501),
        (_, 409) => ("ABORTED", 409),
        (ErrorKind::InvalidRequest, _) => ("INVALID_ARGUMENT", 400),
        (ErrorKind::TooLarge, _) => ("INVALID_ARGUMENT", 413),
        (ErrorKind::Authentication, _) => ("UNAUTHENTICATED", 401),
        (ErrorKind::Permission, _) => ("PERMISSION_DENIED", 403),
        (ErrorKind::NotFound, _) => ("NOT_FOUND", 404),
        (ErrorKind::RateLimited | ErrorKind::QuotaExhausted, _) => ("RESOURCE_EXHAUSTED", 429),
        (ErrorKind::Timeout, _) => ("DEADLINE_EXCEEDED", 504),
        (ErrorKind::Overloaded, _) => ("UNAVAILABLE", 503),
        (ErrorKind::Internal, _) => ("INTERNAL", 500),
    }
}
