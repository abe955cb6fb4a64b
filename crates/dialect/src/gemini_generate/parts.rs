//! Parts, of messages and of answers alike, both ways.

mod read;
mod write;

pub(super) use read::{read, seal};
pub(super) use write::{Parts, arguments};
