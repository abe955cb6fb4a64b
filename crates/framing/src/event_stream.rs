//! Amazon's event stream: binary messages with headers, a payload and two checksums.
//!
//! Follows <https://docs.aws.amazon.com/lexv2/latest/dg/event-stream-encoding.html> and
//! <https://smithy.io/2.0/aws/amazon-eventstream.html>. A frame is one message. Lengths are believed
//! only after the checksum of the prelude, and never beyond the decoder's limit; a frame is given
//! out only after the checksum of the message. Knows nothing of what events mean.

#[cfg(test)]
mod tests;

use bytes::{BufMut, Bytes, BytesMut};

use crate::FrameError;
use crate::cut::Cut;

/// Length of the message, length of its headers, checksum of the two.
const PRELUDE_BYTES: usize = 12;
/// The checksum at the end.
const CHECKSUM_BYTES: usize = 4;
/// The type of a header whose value is text.
const TEXT: u8 = 7;
/// No text in a header is longer.
const TEXT_BYTES_MAX: usize = i16::MAX as usize;
const JSON: &str = "application/json";

/// Cuts a byte stream into messages.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    pub(crate) cut: Cut,
}

impl Decoder {
    /// The next whole message.
    pub(crate) fn next_frame(&mut self) -> Result<Option<Bytes>, FrameError> {
        let Some(prelude) = self.cut.head::<PRELUDE_BYTES>() else {
            return self.cut.keep().map(|()| None);
        };
        let length = Prelude::checked(&prelude)?.length;
        if length > self.cut.max() {
            return Err(FrameError::TooLong);
        }
        let missing = length.saturating_sub(self.cut.carried());
        if self.cut.unseen().len() < missing {
            return self.cut.keep().map(|()| None);
        }
        self.cut.advance(missing);
        let message = self.cut.take()?;
        let at = message.len().saturating_sub(CHECKSUM_BYTES);
        let (checked, checksum) = message.split_at(at);
        if crc32fast::hash(checked).to_be_bytes() != checksum {
            return Err(FrameError::Malformed("the checksum of a message is wrong"));
        }
        Ok(Some(message))
    }
}

/// What a message says of itself.
struct Prelude {
    /// Of the whole message.
    length: usize,
    /// Of its headers.
    headers: usize,
}

impl Prelude {
    /// Reads the lengths; both are within bounds.
    fn read(prelude: &[u8; PRELUDE_BYTES]) -> Result<Self, FrameError> {
        let [a, b, c, d, e, f, g, h, ..] = *prelude;
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let headers = u32::from_be_bytes([e, f, g, h]) as usize;
        match length.checked_sub(PRELUDE_BYTES + CHECKSUM_BYTES) {
            Some(body) if headers <= body => Ok(Self { length, headers }),
            _ => Err(FrameError::Malformed("the lengths of a message contradict each other")),
        }
    }

    /// The same, after a look at the checksum.
    fn checked(prelude: &[u8; PRELUDE_BYTES]) -> Result<Self, FrameError> {
        let (lengths, checksum) = prelude.split_at(PRELUDE_BYTES - CHECKSUM_BYTES);
        if crc32fast::hash(lengths).to_be_bytes() != checksum {
            return Err(FrameError::Malformed("the checksum of a message's lengths is wrong"));
        }
        Self::read(prelude)
    }
}

/// What a message says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    /// `:event-type`; of an exception `:exception-type`, of an error `:error-code`.
    pub(crate) name: &'a [u8],
    /// The payload; `None` if it is empty. An exception or error always has one, and an error
    /// without a payload has its `:error-message` here.
    pub(crate) data: Option<&'a [u8]>,
    /// `:message-type` is not `event`.
    pub(crate) is_exception: bool,
}

/// The headers that say what a message is.
#[derive(Default)]
struct Names<'a> {
    message_type: &'a [u8],
    event_type: &'a [u8],
    exception_type: &'a [u8],
    error_code: &'a [u8],
    error_message: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads a message whose checksums have been looked at.
    pub(crate) fn parse(raw: &'a [u8]) -> Result<Self, FrameError> {
        let Some((prelude, rest)) = raw.split_first_chunk::<PRELUDE_BYTES>() else {
            return Err(FrameError::Malformed("a message is cut short"));
        };
        let Prelude { length, headers } = Prelude::read(prelude)?;
        let inside = rest.split_last_chunk::<CHECKSUM_BYTES>().filter(|_| raw.len() == length);
        let split = inside.and_then(|(inside, _)| inside.split_at_checked(headers));
        let Some((headers, payload)) = split else {
            return Err(FrameError::Malformed("a message is cut short"));
        };
        let names = Names::read(headers)?;
        let data = (!payload.is_empty()).then_some(payload);
        Ok(match names.message_type {
            b"exception" => {
                Self { name: names.exception_type, data: Some(payload), is_exception: true }
            }
            b"error" => Self {
                name: names.error_code,
                data: data.or(Some(names.error_message)),
                is_exception: true,
            },
            _ => Self { name: names.event_type, data, is_exception: false },
        })
    }
}

impl<'a> Names<'a> {
    fn read(mut headers: &'a [u8]) -> Result<Self, FrameError> {
        let mut names = Self::default();
        while !headers.is_empty() {
            let (name, text) = next_header(&mut headers)?;
            let place = match name {
                b":message-type" => &mut names.message_type,
                b":event-type" => &mut names.event_type,
                b":exception-type" => &mut names.exception_type,
                b":error-code" => &mut names.error_code,
                b":error-message" => &mut names.error_message,
                _ => continue,
            };
            *place = text.unwrap_or_default();
        }
        Ok(names)
    }
}

/// Takes one header from the front: its name, and its value if that is text.
fn next_header<'a>(from: &mut &'a [u8]) -> Result<(&'a [u8], Option<&'a [u8]>), FrameError> {
    const CUT: FrameError = FrameError::Malformed("a header is cut short");
    let [length] = *take_array::<1>(from).ok_or(CUT)?;
    let name = from.split_off(..usize::from(length)).ok_or(CUT)?;
    let [kind] = *take_array::<1>(from).ok_or(CUT)?;
    let length = match kind {
        // True and false, which have no more to say; numbers of 1, 2, 4 and 8 bytes.
        0 | 1 => 0,
        2 => 1,
        3 => 2,
        4 => 4,
        5 => 8,
        // Bytes and text.
        6 | TEXT => usize::from(u16::from_be_bytes(*take_array(from).ok_or(CUT)?)),
        // A time and a UUID.
        8 => 8,
        9 => 16,
        _ => return Err(FrameError::Malformed("a header is of an unknown type")),
    };
    let value = from.split_off(..length).ok_or(CUT)?;
    Ok((name, (kind == TEXT).then_some(value)))
}

fn take_array<'a, const N: usize>(from: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (taken, rest) = from.split_first_chunk::<N>()?;
    *from = rest;
    Some(taken)
}

/// Writes an event with a JSON payload; an exception if its name says that it is one.
pub(crate) fn write(out: &mut BytesMut, name: &str, payload: &[u8]) {
    let (message_type, key) = match name.ends_with("Exception") {
        true => ("exception", ":exception-type"),
        false => ("event", ":event-type"),
    };
    let headers = [(key, name), (":content-type", JSON), (":message-type", message_type)];
    let headers = if name.is_empty() { headers.get(1..) } else { headers.get(..) };
    write_message(out, headers.unwrap_or_default(), payload);
}

fn write_message(out: &mut BytesMut, headers: &[(&str, &str)], payload: &[u8]) {
    let value = |text: &str| text.floor_char_boundary(TEXT_BYTES_MAX);
    // The name's length, the type, the value's length.
    let sizes = headers.iter().map(|(name, text)| 1 + name.len() + 1 + 2 + value(text));
    let headers_length: usize = sizes.sum();
    let length = PRELUDE_BYTES + headers_length + payload.len() + CHECKSUM_BYTES;
    let (Ok(length_field), Ok(headers_field)) =
        (u32::try_from(length), u32::try_from(headers_length))
    else {
        // No reader could be told its length; bodies are bounded far below this.
        return;
    };
    let start = out.len();
    out.reserve(length);
    out.put_u32(length_field);
    out.put_u32(headers_field);
    put_checksum(out, start);
    for (name, text) in headers {
        // Our own names and bounded text: neither length is cut here.
        out.put_u8(name.len().try_into().unwrap_or(u8::MAX));
        out.put_slice(name.as_bytes());
        out.put_u8(TEXT);
        let text = text.get(..value(text)).unwrap_or_default();
        out.put_u16(text.len().try_into().unwrap_or(u16::MAX));
        out.put_slice(text.as_bytes());
    }
    out.put_slice(payload);
    put_checksum(out, start);
}

/// Writes the checksum of all that stands in `out` from `start` on.
fn put_checksum(out: &mut BytesMut, start: usize) {
    let checksum = crc32fast::hash(out.get(start..).unwrap_or_default());
    out.put_u32(checksum);
}
