//! A file that is sent in parts: its bytes are gathered into them, and each is sent when it is full and
//! more has come; so the last is known to be the last.

use bytes::Bytes;
use weir_budget::Gather;
use weir_types::Fault;

use super::wire::Wire;

/// This much is held of a file. S3 takes parts of 5 MiB and more, Google multiples of 256 KiB.
pub(super) const PART_BYTES: usize = 8 * 1024 * 1024;

/// Takes a file's parts.
pub(super) trait Taker: Send {
    /// What comes of the last.
    type Done: Send;

    /// Takes `part`, which follows `offset` bytes.
    fn take(&mut self, part: Bytes, offset: u64) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Takes the last.
    fn last(
        self,
        part: Bytes,
        offset: u64,
    ) -> impl Future<Output = Result<Self::Done, Fault>> + Send;
}

/// A file in the making.
pub(super) struct Parts<T> {
    taker: T,
    part: Gather,
    /// How much was sent.
    sent: u64,
}

impl<T: Taker> Parts<T> {
    pub(super) fn new(wire: &Wire, taker: T) -> Self {
        let part = Gather::new(wire.shared.memory.budget(), None, PART_BYTES);
        Self { taker, part, sent: 0 }
    }

    /// Takes more of it.
    pub(super) async fn push(&mut self, wire: &Wire, mut bytes: Bytes) -> Result<(), Fault> {
        while !bytes.is_empty() {
            if self.part.len() == PART_BYTES {
                let empty = Gather::new(wire.shared.memory.budget(), None, PART_BYTES);
                let part = std::mem::replace(&mut self.part, empty).finish();
                let length = part.len() as u64;
                self.taker.take(part, self.sent).await?;
                self.sent += length;
            }
            let room = PART_BYTES - self.part.len();
            self.part.push(bytes.split_to(room.min(bytes.len()))).await?;
        }
        Ok(())
    }

    /// All of it has come: what came of it, and how long it is.
    pub(super) async fn finish(self) -> Result<(T::Done, u64), Fault> {
        let length = self.sent + self.part.len() as u64;
        let part = self.part.finish();
        Ok((self.taker.last(part, self.sent).await?, length))
    }
}
