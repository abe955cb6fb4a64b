//! Requests: `POST /v1/responses` and `POST /v1/responses/input_tokens`.
//! <https://platform.openai.com/docs/api-reference/responses/create>
//!
//! Here is what reading and writing must agree on.

mod items;
mod read;
mod turns;
mod write;

pub(super) use items::plain_system;
pub(super) use read::read;
pub(super) use write::{format, summary, write};

use std::borrow::Cow;

use bytes::Bytes;

use crate::fault::RequestFault;
use crate::peek::{self, Keeping, PathFacts, Peeked};

/// Looks at `body`, and at what it says of responses that are kept.
///
/// # Errors
/// What is wrong and where.
pub(super) fn peek(body: Bytes, path: &PathFacts<'_>) -> Result<Peeked, RequestFault> {
    peek::peek_with(body, path, |members| {
        let refuse = |name: &'static str| move |fault| RequestFault::json(&fault, name);
        let earlier = members.text(EARLIER).map_err(refuse(EARLIER))?;
        let keeps = members.truth("store").map_err(refuse("store"))?;
        Ok(Keeping { earlier: earlier.map(Cow::into_owned), keeps: keeps.unwrap_or(true) })
    })
}

/// The member that says from which earlier response a conversation goes on.
const EARLIER: &str = "previous_response_id";

/// The entry of `include` that asks for the tokens' probabilities.
const INCLUDE_LOGPROBS: &str = "message.output_text.logprobs";

/// Members that refer to something the provider keeps, or makes it keep something, by name.
const STATE: [&str; 4] = [EARLIER, "conversation", "prompt", "background"];
