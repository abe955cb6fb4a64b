//! Bytes in, frames out and back.
//!
//! Pure: no sockets, no clock, no meaning. One module per kind of framing; every one gives the
//! same frames however the input is split. [`Decoder`] and [`Writer`] are all that others need to
//! know: which framing it is they are told by a [`Framing`].

pub mod aws_chunks;
mod cut;
mod decoder;
mod event_chunks;
mod event_stream;
pub mod form;
mod json_array;
mod ndjson;
pub mod sse;
#[cfg(test)]
mod tests;
mod writer;

use std::borrow::Cow;

pub use decoder::{Decoder, FrameError};
pub use weir_types::Framing;
pub use writer::Writer;

/// No frame is longer, unless another limit is asked for.
pub const FRAME_BYTES_MAX: usize = 1 << 20;

/// One event of a stream, whatever frames it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame<'a> {
    /// All of its bytes, framing included: frames put together are the input again.
    pub raw: &'a [u8],
    /// What the framing calls it (`event:` of server-sent events, `:event-type`, or
    /// `:exception-type`); empty if it has no name.
    pub name: &'a [u8],
    /// What it carries; `None` if it only keeps the connection open.
    pub data: Option<Cow<'a, [u8]>>,
    /// The framing itself says that this is an error.
    pub is_exception: bool,
}
