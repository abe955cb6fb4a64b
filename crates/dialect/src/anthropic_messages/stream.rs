//! The way back, streams: looked at on the way through, read, written.

mod observe;
mod read;
mod write;

pub(super) use observe::{name, observe, skim};
pub(super) use read::Reader;
pub(super) use write::EventWriter;
