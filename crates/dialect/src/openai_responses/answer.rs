//! Whole answers: the object `response`, and the count of a prompt's tokens.
//! <https://platform.openai.com/docs/api-reference/responses/object>

mod envelope;
mod output;
mod read;
mod write;

pub(super) use envelope::{Envelope, State};
pub(super) use output::{
    finish, image, image_item, logprobs_in, logprobs_out, message_item, refusal, text_part,
};
pub(super) use read::{read, seconds};
pub(super) use write::write;

use std::borrow::Cow;

use serde_json::Value;

use super::usage;
use crate::fault::AnswerFault;
use crate::format::AnswerFacts;
use crate::whole;

/// What a whole answer says about itself. What is JSON but has an unknown shape says nothing and is
/// no error.
pub(super) fn observe(body: &[u8]) -> Result<AnswerFacts, AnswerFault> {
    whole::observe(body, |document| {
        let status = document.text("status");
        let details = document.value("incomplete_details");
        AnswerFacts {
            usage: document.raw("usage").and_then(usage::read_raw).unwrap_or_default(),
            finish: ended_by(status.as_deref(), details.as_ref()),
            is_error: status.as_deref() == Some("failed"),
            id: document.text("id").map(Cow::into_owned),
        }
    })
}

/// Why a response ended, in the provider's words: the reason where it is incomplete, else the
/// status, unless that says that it has not ended.
pub(super) fn ended_by(status: Option<&str>, details: Option<&Value>) -> Option<String> {
    let reason = details.and_then(|details| details.get("reason")).and_then(Value::as_str);
    let status = status.filter(|status| !matches!(*status, "" | "queued" | "in_progress"));
    reason.or(status).map(str::to_owned)
}
