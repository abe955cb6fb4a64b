//! Streams: every event is a whole answer that holds only what is new.

mod observe;
mod partial;
mod read;
mod write;

pub(super) use observe::{observe, skim};
pub(super) use read::Reader;
pub(super) use write::EventWriter;
