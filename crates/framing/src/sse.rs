//! Server-sent events: where one event ends and the next begins, without copying where an event
//! lies inside one chunk.
//!
//! Follows <https://html.spec.whatwg.org/multipage/server-sent-events.html>: lines end with LF,
//! CRLF or CR, an empty line ends an event. A frame is all of an event's bytes, the empty line
//! included, so frames put together are the input again.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use memchr::memchr2;

use crate::FRAME_BYTES_MAX;

/// The event that ends a stream of the OpenAI family.
pub const DONE: &[u8] = b"data: [DONE]\n\n";

/// A frame is longer than is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event is too long")]
pub struct TooLong;

/// Cuts a byte stream into frames.
#[derive(Debug)]
pub struct Decoder {
    /// No frame is longer.
    max: usize,
    /// The part of the present frame that came with earlier chunks.
    carry: BytesMut,
    chunk: Bytes,
    /// How much of `chunk` has been looked at.
    at: usize,
    line_is_empty: bool,
    /// The last byte was a CR; whether it ended an empty line.
    after_cr: Option<bool>,
    /// The last line of this frame ended with a CR alone.
    is_bare_cr: bool,
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            max: FRAME_BYTES_MAX,
            carry: BytesMut::new(),
            chunk: Bytes::new(),
            at: 0,
            line_is_empty: true,
            after_cr: None,
            is_bare_cr: false,
        }
    }
}

impl Decoder {
    /// A decoder at the start of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, for frames of at most `max` bytes.
    #[must_use]
    pub fn limited(max: usize) -> Self {
        Self { max, ..Self::default() }
    }

    /// Gives the next chunk. Take all frames before the next one, or bytes are copied.
    pub fn push(&mut self, chunk: Bytes) {
        if self.chunk.is_empty() {
            self.chunk = chunk;
            return;
        }
        let mut joined = BytesMut::from(&self.chunk[..]);
        joined.extend_from_slice(&chunk);
        self.chunk = joined.freeze();
    }

    /// How many bytes of the next frame came with earlier chunks.
    #[must_use]
    pub fn carried(&self) -> usize {
        self.carry.len()
    }

    /// The next whole frame; `None` until more bytes are pushed.
    ///
    /// # Errors
    /// The frame is too long; the decoder is of no further use then.
    pub fn next_frame(&mut self) -> Result<Option<Bytes>, TooLong> {
        match self.scan() {
            true => self.take().map(Some),
            false => {
                if self.carry.len() + self.chunk.len() > self.max {
                    return Err(TooLong);
                }
                self.carry.extend_from_slice(&self.chunk);
                self.chunk = Bytes::new();
                self.at = 0;
                Ok(None)
            }
        }
    }

    /// What is left when the stream has ended: an event without its empty line, if anything.
    #[must_use]
    pub fn finish(&mut self) -> Option<Bytes> {
        let rest = if self.carry.is_empty() {
            std::mem::take(&mut self.chunk)
        } else {
            self.carry.extend_from_slice(&self.chunk);
            self.carry.split().freeze()
        };
        *self = Self::limited(self.max);
        (!rest.is_empty()).then_some(rest)
    }

    /// Looks for the end of the frame; if it is found, it is at `self.at`.
    fn scan(&mut self) -> bool {
        loop {
            let rest = self.chunk.get(self.at..).unwrap_or_default();
            let Some(&first) = rest.first() else { return false };
            if let Some(ended_frame) = self.after_cr.take() {
                let is_crlf = first == b'\n';
                self.is_bare_cr = !is_crlf;
                self.at += usize::from(is_crlf);
                if ended_frame {
                    return true;
                }
                continue;
            }
            let Some(found) = memchr2(b'\n', b'\r', rest) else {
                self.line_is_empty = false;
                self.at = self.chunk.len();
                return false;
            };
            let is_empty = self.line_is_empty && found == 0;
            self.line_is_empty = true;
            self.at += found + 1;
            if rest.get(found) == Some(&b'\n') {
                self.is_bare_cr = false;
                if is_empty {
                    return true;
                }
                // Most frames end so; the empty line is not searched for again.
                if rest.get(found + 1) == Some(&b'\n') {
                    self.at += 1;
                    return true;
                }
            } else if is_empty && self.is_bare_cr {
                // Lines of this frame end with CR alone: do not wait for a LF that never comes.
                return true;
            } else {
                self.after_cr = Some(is_empty);
            }
        }
    }

    fn take(&mut self) -> Result<Bytes, TooLong> {
        if self.carry.len() + self.at > self.max {
            return Err(TooLong);
        }
        let part = self.chunk.split_to(self.at);
        self.at = 0;
        self.line_is_empty = true;
        self.is_bare_cr = false;
        if self.carry.is_empty() {
            return Ok(part);
        }
        self.carry.extend_from_slice(&part);
        Ok(self.carry.split().freeze())
    }
}

/// What a frame says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event<'a> {
    /// The whole frame.
    pub raw: &'a [u8],
    /// The `event` field; empty if there is none.
    pub event: &'a [u8],
    /// The `data` fields, joined by LF; `None` if there is none (a comment, an empty frame).
    pub data: Option<Cow<'a, [u8]>>,
    /// The `id` field; empty if there is none.
    pub id: &'a [u8],
}

impl<'a> Event<'a> {
    /// Reads a frame. Never fails: what the format does not know is left out.
    #[must_use]
    pub fn parse(raw: &'a [u8]) -> Self {
        let mut event = Self { raw, event: b"", data: None, id: b"" };
        if let Some(data) = only_data(raw) {
            event.data = Some(Cow::Borrowed(data));
            return event;
        }
        let mut rest = raw.strip_prefix(b"\xef\xbb\xbf").unwrap_or(raw);
        while !rest.is_empty() {
            let (line, next) = split_line(rest);
            rest = next;
            let (name, value) = split_field(line);
            match name {
                b"data" => event.add(value),
                b"event" => event.event = value,
                b"id" => event.id = value,
                _ => {}
            }
        }
        event
    }

    fn add(&mut self, line: &'a [u8]) {
        let Some(data) = &mut self.data else {
            self.data = Some(Cow::Borrowed(line));
            return;
        };
        let data = data.to_mut();
        data.push(b'\n');
        data.extend_from_slice(line);
    }
}

/// The data of a frame that is one line of data, as most are.
fn only_data(raw: &[u8]) -> Option<&[u8]> {
    let data = raw.strip_prefix(b"data: ")?.strip_suffix(b"\n\n")?;
    memchr2(b'\n', b'\r', data).is_none().then_some(data)
}

fn split_line(text: &[u8]) -> (&[u8], &[u8]) {
    let Some(end) = memchr2(b'\n', b'\r', text) else { return (text, b"") };
    let (line, rest) = text.split_at(end);
    let length = if rest.starts_with(b"\r\n") { 2 } else { 1 };
    (line, rest.get(length..).unwrap_or_default())
}

fn split_field(line: &[u8]) -> (&[u8], &[u8]) {
    let Some(colon) = memchr::memchr(b':', line) else { return (line, b"") };
    let (name, value) = line.split_at(colon);
    let value = value.get(1..).unwrap_or_default();
    (name, value.strip_prefix(b" ").unwrap_or(value))
}

/// Writes an event; `event` may be empty. Line ends in `data` start a new `data` line, so what is
/// read back has them all as LF.
pub fn write(out: &mut BytesMut, event: &str, data: &[u8]) {
    out.reserve(event.len() + data.len() + 24);
    if !event.is_empty() {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(event.as_bytes());
        out.extend_from_slice(b"\n");
    }
    let mut rest = data;
    loop {
        out.extend_from_slice(b"data: ");
        if memchr2(b'\n', b'\r', rest).is_none() {
            out.extend_from_slice(rest);
            break;
        }
        let (line, next) = split_line(rest);
        out.extend_from_slice(line);
        if line.len() == rest.len() {
            break;
        }
        out.extend_from_slice(b"\n");
        rest = next;
    }
    out.extend_from_slice(b"\n\n");
}
