//! Anthropic's errors: their shape, and the type and words of a status.

use serde_json::{Value, json};

use crate::answer::text;
use crate::refusal::Refusal;
use crate::shape::{Flaw, What};

fn words(status: u16) -> (&'static str, &'static str) {
    match status {
        401 => ("authentication_error", "invalid x-api-key"),
        402 => ("billing_error", "Your credit balance is too low to access the API."),
        403 => ("permission_error", "Your API key does not have permission for this resource."),
        404 => ("not_found_error", "model: "),
        409 => ("conflict_error", "The resource was changed at the same time."),
        413 => ("request_too_large", "Request exceeds the maximum size"),
        429 => ("rate_limit_error", "This request would exceed your rate limit."),
        408 | 504 => ("timeout_error", "The request timed out."),
        529 => ("overloaded_error", "Overloaded"),
        500.. => ("api_error", "Internal server error"),
        _ => ("invalid_request_error", "The request was refused."),
    }
}

/// The body of the answer, and of an error event.
pub(super) fn json(refusal: &Refusal) -> Value {
    let (kind, usual) = words(refusal.status);
    let kind = refusal.code.as_deref().unwrap_or(kind);
    let message = match (refusal.message.as_str(), refusal.status) {
        ("", 404) => format!("{usual}{}", refusal.model),
        ("", _) => usual.to_owned(),
        (said, _) => said.to_owned(),
    };
    let id = text::id("req_", text::hash(&[kind.as_bytes(), message.as_bytes()]));
    json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": id})
}

/// What the table says is wrong, in Anthropic's words.
pub(super) fn invalid(flaw: &Flaw) -> Refusal {
    let dot = if flaw.path.is_empty() { "" } else { "." };
    let path = &flaw.path;
    Refusal::bad_request(match &flaw.what {
        What::Unknown(name) => format!("{path}{dot}{name}: Extra inputs are not permitted"),
        What::Missing(name) => format!("{path}{dot}{name}: Field required"),
        What::Wrong(expected) if expected.starts_with("String should") => {
            format!("{path}: {expected}")
        }
        What::Wrong(expected) => format!("{path}: Input should be {expected}"),
        What::Union(_) => format!("{path}: Input should have exactly one member"),
    })
}
