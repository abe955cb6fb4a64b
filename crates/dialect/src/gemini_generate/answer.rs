//! Whole answers, both ways.

mod citations;
mod logprobs;
mod observe;
mod read;
mod write;

pub(super) use citations::{annotations, grounding};
pub(super) use logprobs::{read as read_logprobs, write as write_logprobs};
pub(super) use observe::observe;
pub(super) use read::{is_blocked, read};
pub(super) use write::write;
