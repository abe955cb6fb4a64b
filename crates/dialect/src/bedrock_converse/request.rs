//! Requests: of chat and of counting tokens, whose body is the same one level deeper.

mod cache;
mod model;
mod read;
mod settings;
mod tools;
mod turns;
mod write;

pub(super) use read::read;
pub(super) use write::write;
