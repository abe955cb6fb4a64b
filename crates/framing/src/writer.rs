//! Writes events, whatever frames them.

use bytes::{Bytes, BytesMut};

use crate::{Framing, sse};

/// Collects framed events. One per stream: some framings begin and end the stream, too.
#[derive(Debug)]
pub struct Writer {
    framing: Framing,
    out: BytesMut,
}

impl Writer {
    /// A writer at the start of a stream.
    #[must_use]
    pub fn new(framing: Framing) -> Self {
        Self { framing, out: BytesMut::new() }
    }

    /// How events are framed.
    #[must_use]
    pub const fn framing(&self) -> Framing {
        self.framing
    }

    /// Writes one event. `name` may be empty, and is left out where the framing has no names.
    pub fn event(&mut self, name: &str, data: &[u8]) {
        match self.framing {
            Framing::Sse | Framing::EventStream | Framing::JsonArray | Framing::Ndjson => {
                sse::write(&mut self.out, name, data);
            }
        }
    }

    /// Writes what ends the stream in good order, where the framing has such a thing.
    pub fn end(&mut self) {}

    /// Takes what has been written since the last time.
    pub fn take(&mut self) -> Bytes {
        self.out.split().freeze()
    }

    /// Whether nothing has been written since the last [`Writer::take`].
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }
}
