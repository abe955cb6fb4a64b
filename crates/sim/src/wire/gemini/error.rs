//! Google's errors: a status in words, and details that machines read.

use serde_json::{Value, json};

use crate::refusal::Refusal;
use crate::shape::{Flaw, What};

/// Stands for the key where a refusal names what it is about.
pub(super) const KEY: &str = "API_KEY_INVALID";

fn words(status: u16) -> (&'static str, &'static str) {
    match status {
        401 => ("UNAUTHENTICATED", "Request had invalid authentication credentials."),
        403 => ("PERMISSION_DENIED", "The caller does not have permission"),
        404 => ("NOT_FOUND", "is not found for API version v1beta"),
        408 | 504 => ("DEADLINE_EXCEEDED", "Deadline expired before operation could complete."),
        409 => ("ABORTED", "The operation was aborted."),
        429 => ("RESOURCE_EXHAUSTED", "You exceeded your current quota."),
        499 => ("CANCELLED", "The operation was cancelled."),
        501 => ("UNIMPLEMENTED", "Operation is not implemented."),
        503 | 529 => ("UNAVAILABLE", "The model is overloaded. Please try again later."),
        500.. => ("INTERNAL", "An internal error has occurred."),
        _ => ("INVALID_ARGUMENT", "Request contains an invalid argument."),
    }
}

/// The body of the answer, and of an error event.
pub(super) fn json(refusal: &Refusal) -> Value {
    let (status, usual) = words(refusal.status);
    let status = refusal.code.as_deref().unwrap_or(status);
    let message = match (refusal.message.as_str(), refusal.status) {
        ("", 404) => format!("models/{} {usual}", refusal.model),
        ("", _) => usual.to_owned(),
        (said, _) => said.to_owned(),
    };
    let mut details = Vec::new();
    match refusal.param.as_deref() {
        Some(KEY) => details.push(json!({"@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": KEY, "domain": "googleapis.com"})),
        Some(field) => details.push(json!({"@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": [{"field": field, "description": message}]})),
        None => {}
    }
    if let Some(seconds) = &refusal.retry {
        details.push(json!({"@type": "type.googleapis.com/google.rpc.RetryInfo",
            "retryDelay": format!("{seconds}s")}));
    }
    let mut error = json!({"code": refusal.status, "message": message, "status": status});
    if !details.is_empty() {
        error["details"] = json!(details);
    }
    json!({"error": error})
}

/// What the table says is wrong, in the words of protobuf's JSON.
pub(super) fn invalid(flaw: &Flaw) -> Refusal {
    let place = place_of(&flaw.path);
    let (message, field) = match &flaw.what {
        What::Unknown(name) => {
            let at = if place.is_empty() { String::new() } else { format!(" at '{place}'") };
            let what = format!("Unknown name \"{name}\"{at}: Cannot find field.");
            (format!("Invalid JSON payload received. {what}"), place)
        }
        What::Missing(name) => {
            let inside = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
            (format!("* {inside}: {name} is not specified"), inside)
        }
        What::Wrong(expected) => {
            (format!("Invalid value at '{place}': expected {expected}"), place)
        }
        What::Union(0) => {
            (format!("{place}: required oneof field must have one initialized field"), place)
        }
        What::Union(_) => (format!("{place}: oneof field is already set"), place),
    };
    Refusal::bad_request(message).about(&field)
}

/// `contents.0.parts` as `contents[0].parts`.
fn place_of(path: &str) -> String {
    let mut place = String::with_capacity(path.len() + 4);
    for step in path.split('.') {
        let is_index = !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit());
        match (is_index, place.is_empty()) {
            (true, _) => place.extend(["[", step, "]"]),
            (false, true) => place.push_str(step),
            (false, false) => place.extend([".", step]),
        }
    }
    place
}
