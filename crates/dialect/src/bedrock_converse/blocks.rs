//! What messages, answers and tool results are made of: blocks with one member each, whose name
//! says what it is. Requests and answers share them.

mod citations;
mod media;
mod read;
mod titles;
mod write;

pub(super) use citations::{annotation, citation};
pub(super) use media::{IMAGES, format_of};
pub(super) use read::{mark, parts};
pub(super) use write::{Answered, Asking, made_id};
