//! OpenAI's errors: their shape, and the words it uses per status.

use serde_json::json;

use super::Host;
use crate::refusal::Refusal;
use crate::shape::{Flaw, What};

/// Type, code and words of a status.
fn words(status: u16) -> (&'static str, &'static str, &'static str) {
    match status {
        401 => ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
        402 => ("insufficient_quota", "insufficient_quota", "You have run out of credits."),
        403 => ("permission_error", "permission_denied", "You may not do this."),
        404 => ("invalid_request_error", "model_not_found", ""),
        408 | 504 => ("server_error", "timeout", "The request timed out."),
        409 => ("conflict_error", "conflict", "The resource was changed at the same time."),
        413 => ("invalid_request_error", "request_too_large", "The request is too large."),
        429 => ("requests", "rate_limit_exceeded", "Rate limit reached. Please slow down."),
        503 | 529 => ("overloaded_error", "overloaded", "The engine is overloaded."),
        500.. => ("server_error", "server_error", "The server had an error."),
        _ => ("invalid_request_error", "invalid_value", "The request was refused."),
    }
}

/// Code and message of a refusal.
pub(crate) fn said(refusal: &Refusal) -> (&'static str, Option<String>, String) {
    let (kind, usual_code, usual) = words(refusal.status);
    if !refusal.message.is_empty() {
        return (kind, refusal.code.clone(), refusal.message.clone());
    }
    let message = match refusal.status {
        404 => {
            format!("The model `{}` does not exist or you do not have access to it.", refusal.model)
        }
        _ => usual.to_owned(),
    };
    let code = refusal.code.clone().unwrap_or_else(|| usual_code.to_owned());
    (kind, Some(code), message)
}

/// The body of the answer, and of an error event.
pub(super) fn json(host: Host, refusal: &Refusal) -> String {
    let (kind, code, message) = said(refusal);
    if host == Host::Azure && refusal.message.is_empty() && refusal.code.is_none() {
        // Azure repeats the status.
        return json!({"error": {"code": refusal.status.to_string(), "message": message}})
            .to_string();
    }
    let param = &refusal.param;
    json!({"error": {"message": message, "type": kind, "param": param, "code": code}}).to_string()
}

/// A member that must be there.
pub(crate) fn missing(member: &str) -> Refusal {
    let refusal = Refusal::bad_request(format!("Missing required parameter: '{member}'."));
    refusal.with_code("missing_required_parameter").about(member)
}

/// A member that must not be there.
pub(super) fn unknown(member: &str) -> Refusal {
    let refusal = Refusal::bad_request(format!("Unknown parameter: '{member}'."));
    refusal.with_code("unknown_parameter").about(member)
}

/// What the table of a format says is wrong, in OpenAI's words.
pub(crate) fn invalid(flaw: &Flaw) -> Refusal {
    let place = place_of(&flaw.path);
    let inside =
        |name: &str| if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") };
    match &flaw.what {
        What::Unknown(name) => unknown(&inside(name)),
        What::Missing(name) => missing(&inside(name)),
        What::Wrong(expected) if expected.starts_with('\'') => {
            let message = format!("Invalid value for '{place}'. Supported values are: {expected}.");
            Refusal::bad_request(message).with_code("invalid_value").about(&place)
        }
        What::Wrong(expected) => {
            let message = format!("Invalid type for '{place}': expected {expected}.");
            Refusal::bad_request(message).with_code("invalid_type").about(&place)
        }
        What::Union(_) => Refusal::bad_member(&place, "expected exactly one member"),
    }
}

/// `input.0.content` as `input[0].content`.
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

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_error_status_has_words() {
        for status in 400..600 {
            let refusal = Refusal::of_status(status, "gpt-x");
            let body: Value = serde_json::from_str(&json(Host::Own, &refusal)).unwrap();
            assert_ne!(body["error"]["message"], "", "{status}");
            assert_eq!(body["error"]["type"], words(status).0);
            let body: Value = serde_json::from_str(&json(Host::Azure, &refusal)).unwrap();
            assert_eq!(body["error"]["code"], status.to_string());
        }
        assert!(said(&Refusal::of_status(404, "gpt-x")).2.contains("`gpt-x`"));
        assert_eq!(place_of("input.0.content.12.text"), "input[0].content[12].text");
    }
}
