//! What the framings beside server-sent events share: the part of the present frame that came with
//! earlier chunks, and the chunk that is being looked at.
//!
//! A frame that lies inside one chunk is a slice of it; only one that lies in several is copied.
//! Knows nothing of where frames end.

use bytes::{Bytes, BytesMut};

use crate::{FRAME_BYTES_MAX, FrameError};

#[derive(Debug)]
pub(crate) struct Cut {
    /// No frame is longer.
    max: usize,
    /// The part of the present frame that came with earlier chunks.
    carry: BytesMut,
    chunk: Bytes,
    /// How much of `chunk` belongs to the present frame for certain.
    at: usize,
}

impl Default for Cut {
    fn default() -> Self {
        Self::new(FRAME_BYTES_MAX)
    }
}

impl Cut {
    pub(crate) fn new(max: usize) -> Self {
        Self { max, carry: BytesMut::new(), chunk: Bytes::new(), at: 0 }
    }

    /// Gives the next chunk; copied if there is something left of the one before.
    pub(crate) fn push(&mut self, chunk: Bytes) {
        if self.chunk.is_empty() {
            self.chunk = chunk;
            return;
        }
        let mut joined = BytesMut::from(&self.chunk[..]);
        joined.extend_from_slice(&chunk);
        self.chunk = joined.freeze();
    }

    /// No frame is longer.
    pub(crate) const fn max(&self) -> usize {
        self.max
    }

    /// How many bytes of the present frame came with earlier chunks.
    pub(crate) fn carried(&self) -> usize {
        self.carry.len()
    }

    /// How many bytes there are, those of frames after the present one included.
    pub(crate) fn available(&self) -> usize {
        self.carry.len() + self.chunk.len()
    }

    /// The first bytes of the present frame, once there are so many.
    pub(crate) fn head<const N: usize>(&self) -> Option<[u8; N]> {
        let mut bytes = self.carry.iter().chain(&self.chunk);
        let mut head = [0; N];
        for place in &mut head {
            *place = *bytes.next()?;
        }
        Some(head)
    }

    /// What has not been looked at.
    pub(crate) fn unseen(&self) -> &[u8] {
        self.chunk.get(self.at..).unwrap_or_default()
    }

    /// The next `count` bytes of [`Cut::unseen`] belong to the present frame.
    pub(crate) fn advance(&mut self, count: usize) {
        self.at = self.chunk.len().min(self.at + count);
    }

    /// Whether the present frame is too long, as far as it has been looked at.
    pub(crate) fn is_too_long(&self) -> bool {
        self.carry.len() + self.at > self.max
    }

    /// Takes the present frame: all that has been looked at.
    pub(crate) fn take(&mut self) -> Result<Bytes, FrameError> {
        if self.is_too_long() {
            return Err(FrameError::TooLong);
        }
        let part = self.chunk.split_to(self.at);
        self.at = 0;
        if self.carry.is_empty() {
            return Ok(part);
        }
        self.carry.extend_from_slice(&part);
        Ok(self.carry.split().freeze())
    }

    /// Keeps what there is of the present frame until more is pushed.
    pub(crate) fn keep(&mut self) -> Result<(), FrameError> {
        if self.available() > self.max {
            return Err(FrameError::TooLong);
        }
        self.carry.extend_from_slice(&self.chunk);
        self.chunk = Bytes::new();
        self.at = 0;
        Ok(())
    }

    /// Takes all that there is; `None` if there is nothing.
    pub(crate) fn finish(&mut self) -> Option<Bytes> {
        let Self { mut carry, chunk, .. } = std::mem::replace(self, Self::new(self.max));
        if carry.is_empty() {
            return (!chunk.is_empty()).then_some(chunk);
        }
        carry.extend_from_slice(&chunk);
        Some(carry.freeze())
    }

    /// How much memory the bytes of earlier chunks take.
    #[cfg(test)]
    pub(crate) fn allocated(&self) -> usize {
        self.carry.capacity()
    }
}
