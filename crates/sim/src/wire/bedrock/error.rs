//! Amazon's exceptions: their names and words by status.

use crate::refusal::Refusal;
use crate::shape::{Flaw, What};

fn words(status: u16) -> (&'static str, &'static str) {
    match status {
        401 => ("UnrecognizedClientException", "The security token is invalid."),
        402 => ("ServiceQuotaExceededException", "Your account has no quota for this."),
        403 => ("AccessDeniedException", "You don't have access to the model with this ID."),
        404 => ("ResourceNotFoundException", "Could not resolve the foundation model "),
        408 => ("ModelTimeoutException", "The model took too long to answer."),
        409 => ("ConflictException", "The resource was changed at the same time."),
        424 => ("ModelErrorException", "The model failed to answer."),
        429 => ("ThrottlingException", "Too many requests, please wait before trying again."),
        503 | 529 => ("ServiceUnavailableException", "Bedrock is unable to process your request."),
        500.. => ("InternalServerException", "The service had an internal error."),
        _ => ("ValidationException", "The request was refused."),
    }
}

/// The exception's name and message.
pub(super) fn said(refusal: &Refusal) -> (String, String) {
    let (name, usual) = words(refusal.status);
    let name = refusal.code.as_deref().unwrap_or(name).to_owned();
    let message = match (refusal.message.as_str(), refusal.status) {
        ("", 404) => format!("{usual}{}", refusal.model),
        ("", _) => usual.to_owned(),
        (said, _) => said.to_owned(),
    };
    (name, message)
}

/// The name as events have it: its first letter is small.
pub(super) fn event_name(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| {
        let mut name = String::from(first.to_ascii_lowercase());
        name.push_str(letters.as_str());
        name
    })
}

/// What the table says is wrong, in Amazon's words.
pub(crate) fn invalid(flaw: &Flaw) -> Refusal {
    let dot = if flaw.path.is_empty() { "" } else { "." };
    let path = &flaw.path;
    Refusal::bad_request(match &flaw.what {
        What::Unknown(name) => format!(
            "The model returned the following errors: {path}{dot}{name}: extraneous key \
                 [{name}] is not permitted"
        ),
        What::Missing(name) => format!(
            "1 validation error detected: Value at '{path}{dot}{name}' failed to satisfy \
             constraint: Member must not be null"
        ),
        What::Wrong(expected) => format!(
            "1 validation error detected: Value at '{path}' failed to satisfy constraint: Member \
             must be {expected}"
        ),
        What::Union(count) => {
            format!("The union at '{path}' must have exactly one member set, but {count} are set")
        }
    })
}
