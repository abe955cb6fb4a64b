//! Writes events, whatever frames them.

use bytes::{Bytes, BytesMut};

use crate::json_array::Progress;
use crate::{Framing, event_chunks, event_stream, ndjson, sse};

/// Collects framed events. One per stream: some framings begin and end the stream, too.
#[derive(Debug)]
pub struct Writer {
    framing: Framing,
    /// Of a JSON array.
    progress: Progress,
    out: BytesMut,
}

impl Writer {
    /// A writer at the start of a stream.
    #[must_use]
    pub fn new(framing: Framing) -> Self {
        Self { framing, progress: Progress::default(), out: BytesMut::new() }
    }

    /// A writer that goes on with a stream that others have begun.
    #[must_use]
    pub fn continued(framing: Framing) -> Self {
        Self { progress: Progress::Open, ..Self::new(framing) }
    }

    /// How events are framed.
    #[must_use]
    pub const fn framing(&self) -> Framing {
        self.framing
    }

    /// Writes one event. `name` may be empty, and is left out where the framing has no names. Of an
    /// event stream, an event whose name ends in `Exception` says that the stream failed. What a
    /// JSON array would have after its end is not written.
    pub fn event(&mut self, name: &str, data: &[u8]) {
        match self.framing {
            Framing::Sse => sse::write(&mut self.out, name, data),
            Framing::EventStream => event_stream::write(&mut self.out, name, data),
            Framing::EventChunks => event_chunks::write(&mut self.out, name, data),
            Framing::JsonArray => self.progress.write(&mut self.out, data),
            Framing::Ndjson => ndjson::write(&mut self.out, data),
        }
    }

    /// Writes what ends the stream in good order, where the framing has such a thing: the bracket
    /// that closes a JSON array.
    pub fn end(&mut self) {
        match self.framing {
            Framing::JsonArray => self.progress.end(&mut self.out),
            Framing::Sse | Framing::EventStream | Framing::EventChunks | Framing::Ndjson => {}
        }
    }

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
