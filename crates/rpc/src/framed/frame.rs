//! Frames of a link as bytes and back (`proto/weir/link/v1/link.proto`): gRPC messages, each of them one
//! protobuf message of two fields, which is written and read by hand so that no payload is copied.
//!
//! Knows neither requests nor their order. A payload that arrives in pieces is passed on in pieces;
//! what has to be read as a whole is gathered, and nothing is reserved for what has not come.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::link::MESSAGE_BYTES_MAX;

/// The longest payload of one frame: what a small frame of another request may have to wait for.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 64 * 1024;
/// A payload costs its sender this much beside its length: crowds of small ones are bounded as well.
pub(crate) const PAYLOAD_COST: usize = 32;
/// Flags and length of a gRPC message.
const PREFIX_BYTES: usize = 5;
/// The prefix, a request's number, and the length of a part, each with its tag.
const HEADER_BYTES_MAX: usize = PREFIX_BYTES + 11 + 11;

/// The tag of a request's number.
const REQUEST: u8 = 1 << 3;
const WIRE_NUMBER: u8 = 0;
const WIRE_BYTES: u8 = 2;

/// One part of a request, or of the link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// An encoded `Opening`.
    Open(Bytes),
    /// An encoded `ReplyHead`.
    Head(Bytes),
    /// Bytes as they are.
    Payload {
        /// All of a frame's, or the next of them.
        bytes: Bytes,
        /// Nothing of the same frame follows.
        is_last: bool,
    },
    /// An encoded `End`.
    End(Bytes),
    /// Nothing more comes, and what came is not all.
    Cut,
    /// What may be sent besides.
    Credit(u32),
    /// The sender has let the request go.
    Cancel,
    /// The sender wants no further requests.
    Leaving,
}

/// Bytes that are no frames of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    /// The message is compressed, which was not agreed on.
    #[error("a frame is compressed")]
    Compressed,
    /// A number is longer than any may be, or a field is where none should be.
    #[error("a frame is malformed")]
    Malformed,
    /// It is longer than any may be.
    #[error("a frame is longer than {MESSAGE_BYTES_MAX} bytes")]
    TooLong,
}

/// The number of a part's field in `Frame`.
const fn field(part: &Part) -> u8 {
    match part {
        Part::Open(_) => 2,
        Part::Head(_) => 3,
        Part::Payload { .. } => 4,
        Part::End(_) => 5,
        Part::Cut => 6,
        Part::Credit(_) => 7,
        Part::Cancel => 8,
        Part::Leaving => 9,
    }
}

/// Writes all of a frame.
pub(crate) fn put(buffer: &mut BytesMut, request: u64, part: &Part) {
    match part {
        Part::Open(bytes) | Part::Head(bytes) | Part::End(bytes) | Part::Payload { bytes, .. } => {
            put_header(buffer, request, part, bytes.len());
            buffer.extend_from_slice(bytes);
        }
        Part::Cut | Part::Cancel | Part::Leaving => put_number(buffer, request, part, 1),
        Part::Credit(credit) => put_number(buffer, request, part, u64::from(*credit)),
    }
}

/// Writes what comes before the `length` bytes of a part.
pub(crate) fn put_header(buffer: &mut BytesMut, request: u64, part: &Part, length: usize) {
    let tag = field(part) << 3 | WIRE_BYTES;
    let count = u64::try_from(length).unwrap_or(u64::MAX);
    let fields = 2 + varint_len(request) + varint_len(count);
    put_prefix(buffer, fields + length, request);
    buffer.put_u8(tag);
    put_varint(buffer, count);
}

fn put_number(buffer: &mut BytesMut, request: u64, part: &Part, number: u64) {
    put_prefix(buffer, 2 + varint_len(request) + varint_len(number), request);
    buffer.put_u8(field(part) << 3 | WIRE_NUMBER);
    put_varint(buffer, number);
}

fn put_prefix(buffer: &mut BytesMut, length: usize, request: u64) {
    buffer.put_u8(0);
    buffer.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    buffer.put_u8(REQUEST);
    put_varint(buffer, request);
}

const fn varint_len(number: u64) -> usize {
    // Seven bits a byte, one for zero.
    (64 - (number | 1).leading_zeros() as usize).div_ceil(7)
}

fn put_varint(buffer: &mut BytesMut, mut number: u64) {
    while number >= 0x80 {
        buffer.put_u8(number as u8 | 0x80);
        number >>= 7;
    }
    buffer.put_u8(number as u8);
}

/// Reads frames from bytes as they come.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    input: Bytes,
    /// A header or a part of which not all has come.
    held: BytesMut,
    reading: Reading,
}

#[derive(Debug, Clone, Copy, Default)]
enum Reading {
    #[default]
    Header,
    /// A part that is read as a whole, and how much of it is missing.
    Whole(Header, usize),
    /// Of a payload this much is missing.
    Payload(u64, usize),
    /// Of a part of a later version this much is missing.
    Skipped(usize),
}

/// What comes before the bytes of a part.
#[derive(Debug, Clone, Copy)]
struct Header {
    /// Its own length.
    bytes: usize,
    request: u64,
    field: u64,
    wire: u8,
    /// The number, or the length of the bytes that follow.
    value: u64,
}

impl Decoder {
    /// What came next; everything before has been read.
    pub(crate) fn push(&mut self, data: Bytes) {
        debug_assert!(self.input.is_empty());
        self.input = data;
    }

    /// The next part and its request, if all of it, or a piece of a payload, has come.
    ///
    /// # Errors
    /// What came is no frame; nothing after it can be read.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, Part)>, FrameError> {
        loop {
            match self.reading {
                Reading::Header => {
                    let Some(header) = self.header()? else { return Ok(None) };
                    if let Some(part) = self.begin(header)? {
                        return Ok(Some((header.request, part)));
                    }
                }
                Reading::Payload(request, missing) => {
                    if self.input.is_empty() && missing > 0 {
                        return Ok(None);
                    }
                    let bytes = self.input.split_to(missing.min(self.input.len()));
                    let missing = missing - bytes.len();
                    let is_last = missing == 0;
                    self.reading =
                        if is_last { Reading::Header } else { Reading::Payload(request, missing) };
                    return Ok(Some((request, Part::Payload { bytes, is_last })));
                }
                Reading::Whole(header, missing) => {
                    let more = self.input.split_to(missing.min(self.input.len()));
                    if more.len() < missing {
                        self.held.extend_from_slice(&more);
                        self.reading = Reading::Whole(header, missing - more.len());
                        return Ok(None);
                    }
                    self.reading = Reading::Header;
                    let bytes = if self.held.is_empty() {
                        more
                    } else {
                        self.held.extend_from_slice(&more);
                        std::mem::take(&mut self.held).freeze()
                    };
                    return Ok(Some((header.request, whole(header.field, bytes)?)));
                }
                Reading::Skipped(missing) => {
                    let skipped = missing.min(self.input.len());
                    self.input.advance(skipped);
                    if skipped < missing {
                        self.reading = Reading::Skipped(missing - skipped);
                        return Ok(None);
                    }
                    self.reading = Reading::Header;
                }
            }
        }
    }

    fn header(&mut self) -> Result<Option<Header>, FrameError> {
        let before = self.held.len();
        if before == 0 {
            if let Some(header) = parse(&self.input)? {
                self.input.advance(header.bytes);
                return Ok(Some(header));
            }
            self.held.extend_from_slice(&self.input);
            self.input.clear();
            return Ok(None);
        }
        let more = self.input.len().min(HEADER_BYTES_MAX - before);
        self.held.extend_from_slice(self.input.get(..more).unwrap_or_default());
        let Some(header) = parse(&self.held)? else {
            self.input.advance(more);
            return Ok(None);
        };
        self.held.clear();
        // What was looked at beyond the header is still to be read.
        self.input.advance(header.bytes - before);
        Ok(Some(header))
    }

    /// The part of which `header` is all.
    fn begin(&mut self, header: Header) -> Result<Option<Part>, FrameError> {
        match (header.field, header.wire) {
            (6, WIRE_NUMBER) => return Ok(Some(Part::Cut)),
            (7, WIRE_NUMBER) => {
                let credit = u32::try_from(header.value).map_err(|_| FrameError::Malformed)?;
                return Ok(Some(Part::Credit(credit)));
            }
            (8, WIRE_NUMBER) => return Ok(Some(Part::Cancel)),
            (9, WIRE_NUMBER) => return Ok(Some(Part::Leaving)),
            (2..=9, wire) if wire != WIRE_BYTES => return Err(FrameError::Malformed),
            (6..=9, _) => return Err(FrameError::Malformed),
            _ => {}
        }
        let length = usize::try_from(header.value).map_err(|_| FrameError::TooLong)?;
        self.reading = match (header.field, header.wire) {
            (4, _) if length > PAYLOAD_BYTES_MAX => return Err(FrameError::TooLong),
            (4, _) => Reading::Payload(header.request, length),
            (2 | 3 | 5, _) => Reading::Whole(header, length),
            (_, WIRE_BYTES) => Reading::Skipped(length),
            _ => Reading::Header,
        };
        Ok(None)
    }
}

fn whole(field: u64, bytes: Bytes) -> Result<Part, FrameError> {
    match field {
        2 => Ok(Part::Open(bytes)),
        3 => Ok(Part::Head(bytes)),
        5 => Ok(Part::End(bytes)),
        _ => Err(FrameError::Malformed),
    }
}

/// The header at the beginning of `bytes`; `None` if not all of it is there.
fn parse(bytes: &[u8]) -> Result<Option<Header>, FrameError> {
    let Some((&[flags, ref length @ ..], fields)) = bytes.split_first_chunk::<PREFIX_BYTES>()
    else {
        return Ok(None);
    };
    if flags != 0 {
        return Err(FrameError::Compressed);
    }
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    if length > MESSAGE_BYTES_MAX {
        return Err(FrameError::TooLong);
    }
    // A frame ends where its message does, whatever follows.
    let mut rest = fields.get(..length).unwrap_or(fields);
    let begun = rest.len();
    let Some(header) = fields_of(&mut rest)? else {
        return if begun == length { Err(FrameError::Malformed) } else { Ok(None) };
    };
    let [request, tag, value] = header;
    let wire = (tag & 7) as u8;
    let bytes = PREFIX_BYTES + begun - rest.len();
    let follows = if wire == WIRE_BYTES { value } else { 0 };
    let ends_at = (bytes - PREFIX_BYTES) as u64;
    if ends_at.checked_add(follows) != u64::try_from(length).ok() {
        return Err(FrameError::Malformed);
    }
    Ok(Some(Header { bytes, request, field: tag >> 3, wire, value }))
}

/// A request's number, the tag of its part, and that part's number or length.
fn fields_of(rest: &mut &[u8]) -> Result<Option<[u64; 3]>, FrameError> {
    match rest.split_first() {
        None => return Ok(None),
        Some((&REQUEST, after)) => *rest = after,
        Some(_) => return Err(FrameError::Malformed),
    }
    let mut found = [0; 3];
    for number in &mut found {
        let Some(read) = varint(rest)? else { return Ok(None) };
        *number = read;
    }
    Ok(Some(found))
}

fn varint(rest: &mut &[u8]) -> Result<Option<u64>, FrameError> {
    let mut number = 0_u64;
    for at in 0..10 {
        let Some((&byte, after)) = rest.split_first() else { return Ok(None) };
        *rest = after;
        let bits = u64::from(byte & 0x7f);
        if at == 9 && bits > 1 {
            return Err(FrameError::Malformed);
        }
        number |= bits << (7 * at);
        if byte < 0x80 {
            return Ok(Some(number));
        }
    }
    Err(FrameError::Malformed)
}

#[cfg(test)]
mod tests;
