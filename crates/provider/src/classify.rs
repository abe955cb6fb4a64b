//! What a vendor's error answer means for the plan: retry, rotate, fall back or give up.
//!
//! The first rule that matches wins: codes before words, words only where they cannot mean
//! something else. Statuses that say "not now" are never read as anything else.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use weir_types::FailureClass;

use crate::phrases::{self, any_in, is_one_of};
use crate::retry_after::retry_after;

/// What an error body says, where it could be read; empty where it says nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ErrorFacts<'a> {
    /// `error.code`.
    pub code: &'a str,
    /// `error.type`.
    pub kind: &'a str,
    /// `error.message`.
    pub message: &'a str,
    /// `error.param`.
    pub param: &'a str,
    /// The model that was asked for, as the vendor writes it.
    pub model: &'a str,
}

/// A class, and when trying again makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Classified {
    /// What the failure means.
    pub class: FailureClass,
    /// What the vendor asks to wait; not capped.
    pub retry_after: Option<Duration>,
}

/// Classifies an error answer with this HTTP status. `body` is the raw body, for what stands
/// outside of the facts; `now` turns dates into durations.
#[must_use]
pub fn classify(
    status: u16,
    facts: &ErrorFacts<'_>,
    headers: &HeaderMap,
    body: &[u8],
    now: SystemTime,
) -> Classified {
    let class = class(status, facts);
    let may_wait = matches!(
        class,
        FailureClass::Transient
            | FailureClass::RateLimited
            | FailureClass::Credential
            | FailureClass::QuotaExhausted
    );
    let retry_after = may_wait.then(|| retry_after(class, headers, body, now)).flatten();
    Classified { class, retry_after }
}

/// Classifies an error that came inside an answer whose status says success: as the first event
/// of a stream, or as the body. `status` is what the error itself names.
///
/// Without a status only what a code or a text makes clear is believed; the rest may work again.
#[must_use]
pub fn classify_in_band(
    status: Option<u16>,
    facts: &ErrorFacts<'_>,
    body: &[u8],
    now: SystemTime,
) -> Classified {
    let none = HeaderMap::new();
    if let Some(status) = status {
        return classify(status, facts, &none, body, now);
    }
    let classified = classify(400, facts, &none, body, now);
    let is_callers = is_one_of(facts.kind, &["invalid_request_error", "bad_request"])
        || any_in(&facts.message.to_lowercase(), phrases::CONTENT)
        || any_in(&facts.code.to_lowercase(), phrases::CONTENT);
    if classified.class != FailureClass::Caller || is_callers {
        return classified;
    }
    let retry_after = retry_after(FailureClass::Transient, &none, body, now);
    Classified { class: FailureClass::Transient, retry_after }
}

/// Whether a provider refuses what is sealed in a request (a signature, encrypted reasoning) and not
/// the request itself.
#[must_use]
pub fn refuses_sealed(code: &str, message: &str) -> bool {
    if is_one_of(code, phrases::SEALED_CODES) {
        return true;
    }
    let mut message = message.to_lowercase();
    message.retain(|letter| !matches!(letter, '`' | '\'' | '"' | '\\'));
    // OpenAI's, which names the item in between.
    any_in(&message, phrases::SEALED)
        || (message.contains("encrypted content") && message.contains("could not be verified"))
}

fn class(status: u16, facts: &ErrorFacts<'_>) -> FailureClass {
    if matches!(status, 408 | 425 | 500 | 502..=504 | 520..=530) || status < 400 {
        return FailureClass::Transient;
    }
    let message = facts.message.to_lowercase();
    let code_in = |codes: &[&str]| is_one_of(facts.code, codes) || is_one_of(facts.kind, codes);
    let said = |phrases: &[&str]| {
        any_in(&message, phrases)
            || any_in(&facts.code.to_lowercase(), phrases)
            || any_in(&facts.kind.to_lowercase(), phrases)
    };
    if status == 402 || code_in(phrases::QUOTA_CODES) || said(phrases::QUOTA) {
        return FailureClass::QuotaExhausted;
    }
    if status == 429 {
        return FailureClass::RateLimited;
    }
    if status == 401 {
        return FailureClass::Credential;
    }
    if said(phrases::CONTENT) {
        return FailureClass::Caller;
    }
    let is_elsewhere = || code_in(phrases::ELSEWHERE_CODES) || any_in(&message, phrases::ELSEWHERE);
    if status == 403 {
        return match code_in(phrases::CREDENTIAL_CODES) || said(phrases::CREDENTIAL) {
            true => FailureClass::Credential,
            false if is_elsewhere() => FailureClass::Elsewhere,
            false => FailureClass::ModelMissing,
        };
    }
    if matches!(status, 400 | 413 | 422)
        && (code_in(phrases::CONTEXT_CODES) || said(phrases::CONTEXT))
        // A limit per minute is a matter of time, not of the model.
        && !message.contains("per minute")
    {
        return FailureClass::ContextLength;
    }
    if said(phrases::RATE) {
        return FailureClass::RateLimited;
    }
    if code_in(phrases::CREDENTIAL_CODES) || (status == 400 && said(phrases::CREDENTIAL)) {
        return FailureClass::Credential;
    }
    if names_the_model(status, facts, &message) {
        return FailureClass::ModelMissing;
    }
    match status {
        // An address or a method that is not there is not the caller's doing: he sees neither.
        404 | 405 | 451 | 501 => FailureClass::Elsewhere,
        500.. => FailureClass::Transient,
        400 | 422 if is_elsewhere() => FailureClass::Elsewhere,
        _ => FailureClass::Caller,
    }
}

/// Whether the answer says that the model is not there for this key.
fn names_the_model(status: u16, facts: &ErrorFacts<'_>, message: &str) -> bool {
    if is_one_of(facts.code, phrases::MODEL_CODES) || is_one_of(facts.kind, phrases::MODEL_CODES) {
        return true;
    }
    match status {
        410 => true,
        404 if any_in(message, phrases::ELSEWHERE) => any_in(message, phrases::MODEL),
        404 => {
            let named = !facts.model.is_empty() && message.contains(&facts.model.to_lowercase());
            let other_param = !facts.param.is_empty() && facts.param != "model";
            !other_param && (named || message.contains("model") || message.contains("deployment"))
        }
        400 | 422 => any_in(message, phrases::MODEL),
        _ => false,
    }
}
