//! Cuts a byte stream into frames, whatever frames it.

use std::borrow::Cow;

use bytes::Bytes;

use crate::cut::Cut;
use crate::{FRAME_BYTES_MAX, Frame, Framing, event_chunks, event_stream, json_array, ndjson, sse};

/// Bytes that cannot be cut into frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A frame is longer than is allowed.
    #[error("an event is too long")]
    TooLong,
    /// The bytes are not of this framing.
    #[error("the stream is not framed as it should be: {0}")]
    Malformed(&'static str),
}

/// Cuts a byte stream into frames.
#[derive(Debug)]
pub struct Decoder {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Sse(sse::Decoder),
    EventStream(event_stream::Decoder),
    EventChunks(event_stream::Decoder),
    JsonArray(json_array::Decoder),
    Ndjson(ndjson::Decoder),
}

impl Decoder {
    /// A decoder at the start of a stream whose frames are no longer than [`FRAME_BYTES_MAX`].
    #[must_use]
    pub fn new(framing: Framing) -> Self {
        Self::limited(framing, FRAME_BYTES_MAX)
    }

    /// A decoder at the start of a stream whose frames are no longer than `max` bytes.
    #[must_use]
    pub fn limited(framing: Framing, max: usize) -> Self {
        let cut = Cut::new(max);
        let kind = match framing {
            Framing::Sse => Kind::Sse(sse::Decoder::limited(max)),
            Framing::EventStream => Kind::EventStream(event_stream::Decoder { cut }),
            Framing::EventChunks => Kind::EventChunks(event_stream::Decoder { cut }),
            Framing::JsonArray => Kind::JsonArray(json_array::Decoder::new(cut)),
            Framing::Ndjson => Kind::Ndjson(ndjson::Decoder { cut }),
        };
        Self { kind }
    }

    /// Gives the next chunk. Take all frames before the next one, or bytes are copied.
    pub fn push(&mut self, chunk: Bytes) {
        match &mut self.kind {
            Kind::Sse(decoder) => decoder.push(chunk),
            Kind::EventStream(decoder) | Kind::EventChunks(decoder) => decoder.cut.push(chunk),
            Kind::JsonArray(decoder) => decoder.cut.push(chunk),
            Kind::Ndjson(decoder) => decoder.cut.push(chunk),
        }
    }

    /// How many bytes of the next frame came with earlier chunks.
    #[must_use]
    pub fn carried(&self) -> usize {
        match &self.kind {
            Kind::Sse(decoder) => decoder.carried(),
            Kind::EventStream(decoder) | Kind::EventChunks(decoder) => decoder.cut.carried(),
            Kind::JsonArray(decoder) => decoder.cut.carried(),
            Kind::Ndjson(decoder) => decoder.cut.carried(),
        }
    }

    /// The bytes of the next whole frame; `None` until more are pushed.
    ///
    /// # Errors
    /// The decoder is of no further use then.
    pub fn next_frame(&mut self) -> Result<Option<Bytes>, FrameError> {
        match &mut self.kind {
            Kind::Sse(decoder) => decoder.next_frame().map_err(|_| FrameError::TooLong),
            Kind::EventStream(decoder) | Kind::EventChunks(decoder) => decoder.next_frame(),
            Kind::JsonArray(decoder) => decoder.next_frame(),
            Kind::Ndjson(decoder) => decoder.next_frame(),
        }
    }

    /// What is left when the stream has ended: a frame without its end, if anything. Of a JSON array
    /// that was closed in good order, blanks.
    #[must_use]
    pub fn finish(&mut self) -> Option<Bytes> {
        match &mut self.kind {
            Kind::Sse(decoder) => decoder.finish(),
            Kind::EventStream(decoder) | Kind::EventChunks(decoder) => decoder.cut.finish(),
            Kind::JsonArray(decoder) => decoder.finish(),
            Kind::Ndjson(decoder) => decoder.cut.finish(),
        }
    }

    /// Reads a frame that [`Decoder::next_frame`] gave.
    ///
    /// # Errors
    /// The frame is not of this framing.
    pub fn parse<'a>(&self, raw: &'a [u8]) -> Result<Frame<'a>, FrameError> {
        let plain = |data: Option<&'a [u8]>| {
            let data = data.map(Cow::Borrowed);
            Frame { raw, name: b"", data, is_exception: false }
        };
        match &self.kind {
            Kind::Sse(_) => {
                let event = sse::Event::parse(raw);
                let sse::Event { raw, event: name, data, .. } = event;
                let data = data.filter(|data| !data.is_empty());
                Ok(Frame { raw, name, data, is_exception: false })
            }
            Kind::EventStream(_) => {
                let message = event_stream::Message::parse(raw)?;
                let event_stream::Message { name, data, is_exception } = message;
                Ok(Frame { name, is_exception, ..plain(data) })
            }
            Kind::EventChunks(_) => event_chunks::parse(raw),
            Kind::JsonArray(_) => Ok(plain(json_array::element(raw))),
            Kind::Ndjson(_) => Ok(plain(ndjson::document(raw))),
        }
    }
}
