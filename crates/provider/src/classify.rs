//! What a vendor's error answer means for the plan: retry, rotate, fall back or give up.
//!
//! The first rule that matches wins: codes before words, words only where they cannot mean
//! something else. Statuses that say "not now" are never read as anything else.
//!
//! What is said of a key here is believed for all clients, so no client may have a say in it. Words
//! that the request says itself do not count: a role named "insufficient balance" comes back in the
//! reason why it is no role. Words about a key or an account count where the status fits, or as what
//! a reason begins with.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use weir_types::FailureClass;

use crate::asked::Asked;
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
    /// What the request said.
    pub asked: Asked<'a>,
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
    if status == 500 && Said::of(facts).anywhere(phrases::CONTEXT_AT_500) {
        return FailureClass::ContextLength;
    }
    if matches!(status, 408 | 425 | 500 | 502..=504 | 520..=530) || status < 400 {
        return FailureClass::Transient;
    }
    let said = Said::of(facts);
    if status == 402
        || said.code_in(phrases::QUOTA_CODES)
        || said.coded(phrases::QUOTA)
        || (matches!(status, 403 | 429) && said.any(phrases::QUOTA))
        || (status == 400 && said.first(phrases::QUOTA_OPENINGS))
    {
        return FailureClass::QuotaExhausted;
    }
    if status == 429 {
        return FailureClass::RateLimited;
    }
    if status == 401 {
        return FailureClass::Credential;
    }
    if said.anywhere(phrases::CONTENT) {
        return FailureClass::Caller;
    }
    if status == 403 {
        return forbidden(&said);
    }
    if matches!(status, 400 | 413 | 422)
        && (said.code_in(phrases::CONTEXT_CODES) || said.anywhere(phrases::CONTEXT))
        // A limit per minute is a matter of time, not of the model.
        && !said.message.contains("per minute")
    {
        return FailureClass::ContextLength;
    }
    if said.coded(phrases::RATE)
        || (status == 413 && said.any(phrases::RATE))
        || (status == 400 && said.first(phrases::RATE_OPENINGS))
    {
        return FailureClass::RateLimited;
    }
    if said.code_in(phrases::CREDENTIAL_CODES)
        || (status == 400 && said.coded(phrases::CREDENTIAL))
        || (status == 400 && said.first(phrases::CREDENTIAL_OPENINGS))
    {
        return FailureClass::Credential;
    }
    if names_the_model(status, &said) {
        return FailureClass::ModelMissing;
    }
    match status {
        // An address or a method that is not there is not the caller's doing: he sees neither.
        404 | 405 | 451 | 501 => FailureClass::Elsewhere,
        500.. => FailureClass::Transient,
        400 | 422 if said.is_elsewhere() => FailureClass::Elsewhere,
        _ => FailureClass::Caller,
    }
}

/// A 403: of the key, of the place, of the model, or of who knows what.
fn forbidden(said: &Said<'_>) -> FailureClass {
    let is_about_the_key = said.code_in(phrases::CREDENTIAL_CODES)
        || said.coded(phrases::CREDENTIAL)
        || said.any(phrases::CREDENTIAL);
    if is_about_the_key {
        FailureClass::Credential
    } else if said.coded(phrases::RATE) || said.any(phrases::RATE) {
        FailureClass::RateLimited
    } else if said.is_elsewhere() {
        FailureClass::Elsewhere
    } else if names_the_model(403, said) {
        FailureClass::ModelMissing
    } else {
        FailureClass::Refused
    }
}

/// Whether the answer says that the model is not there for this key.
fn names_the_model(status: u16, said: &Said<'_>) -> bool {
    if said.code_in(phrases::MODEL_CODES) {
        return true;
    }
    match status {
        410 => true,
        404 if any_in(&said.message, phrases::ELSEWHERE) => said.any(phrases::MODEL),
        403 | 404 => {
            let other_param = !said.facts.param.is_empty() && said.facts.param != "model";
            !other_param && (said.names_model() || said.any(phrases::MODEL))
        }
        400 | 422 => said.any(phrases::MODEL),
        _ => false,
    }
}

/// What an error says, in lower case.
struct Said<'a> {
    facts: &'a ErrorFacts<'a>,
    message: String,
}

// === impl Said ===

impl<'a> Said<'a> {
    fn of(facts: &'a ErrorFacts<'a>) -> Self {
        Self { facts, message: facts.message.to_lowercase() }
    }

    fn code_in(&self, codes: &[&str]) -> bool {
        is_one_of(self.facts.code, codes) || is_one_of(self.facts.kind, codes)
    }

    /// Words in the code or the type, which no request has a part in.
    fn coded(&self, phrases: &[&str]) -> bool {
        any_in(&self.facts.code.to_lowercase(), phrases)
            || any_in(&self.facts.kind.to_lowercase(), phrases)
    }

    /// Words of the vendor's own, in its message.
    fn any(&self, phrases: &[&str]) -> bool {
        let own = |phrase: &&&str| self.facts.asked.says(phrase) == 0;
        phrases.iter().filter(|phrase| self.message.contains(**phrase)).any(|phrase| own(&phrase))
    }

    /// Words that the message begins with.
    fn first(&self, phrases: &[&str]) -> bool {
        phrases.iter().any(|phrase| {
            self.message.trim_start().starts_with(phrase) && self.facts.asked.says(phrase) == 0
        })
    }

    /// Words that say something of the request alone, wherever they are from.
    fn anywhere(&self, phrases: &[&str]) -> bool {
        any_in(&self.message, phrases) || self.coded(phrases)
    }

    fn is_elsewhere(&self) -> bool {
        self.code_in(phrases::ELSEWHERE_CODES) || any_in(&self.message, phrases::ELSEWHERE)
    }

    /// Whether it names the model, which the request says nowhere but where it has to.
    fn names_model(&self) -> bool {
        let model = self.facts.model.to_lowercase();
        let deployment =
            self.message.contains("deployment") && self.facts.asked.says("deployment") == 0;
        deployment
            || (!model.is_empty()
                && self.message.contains(&model)
                && self.facts.asked.says(&model) < 2)
    }
}
