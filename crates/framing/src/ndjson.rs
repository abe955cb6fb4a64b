//! One JSON document a line.
//!
//! Follows <https://github.com/ndjson/ndjson-spec>: lines end with LF, a CR before it is blank space
//! like any other, empty lines say nothing. Whether a line is JSON is for its reader to find out.

#[cfg(test)]
mod tests;

use bytes::{Bytes, BytesMut};
use memchr::{memchr, memchr2};

use crate::FrameError;
use crate::cut::Cut;

/// Cuts a byte stream into lines.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    pub(crate) cut: Cut,
}

impl Decoder {
    /// The next whole line, its end included.
    pub(crate) fn next_frame(&mut self) -> Result<Option<Bytes>, FrameError> {
        if let Some(end) = memchr(b'\n', self.cut.unseen()) {
            self.cut.advance(end + 1);
            return self.cut.take().map(Some);
        }
        self.cut.keep().map(|()| None)
    }
}

/// The document in a line; `None` if the line is empty.
pub(crate) fn document(raw: &[u8]) -> Option<&[u8]> {
    let text = raw.trim_ascii();
    (!text.is_empty()).then_some(text)
}

/// Writes a line. Line ends within `document` become spaces: JSON has them between tokens only.
pub(crate) fn write(out: &mut BytesMut, document: &[u8]) {
    out.reserve(document.len() + 1);
    let mut rest = document;
    while let Some(end) = memchr2(b'\n', b'\r', rest) {
        let (line, next) = rest.split_at(end);
        out.extend_from_slice(line);
        out.extend_from_slice(b" ");
        rest = next.get(1..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    out.extend_from_slice(b"\n");
}
