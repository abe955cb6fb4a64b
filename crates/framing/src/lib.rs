//! Bytes in, frames out and back.
//!
//! Pure: no sockets, no clock, no meaning. One module per kind of framing; every one gives the
//! same frames however the input is split.

pub mod sse;
