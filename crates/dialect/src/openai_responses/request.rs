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

/// The entry of `include` that asks for the tokens' probabilities.
const INCLUDE_LOGPROBS: &str = "message.output_text.logprobs";

/// Members that refer to something the provider keeps, or makes it keep something, by name.
const STATE: [&str; 4] = ["previous_response_id", "conversation", "prompt", "background"];
