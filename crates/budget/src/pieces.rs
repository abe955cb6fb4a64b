//! A body that is kept in the pieces that it comes in, for whoever passes it on and never looks at it: no
//! run of bytes is made of them. They take of the budget until the last reference to any is gone.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::gather::counted;
use crate::{Budget, Hold, NoRoom};

/// Shorter pieces are put together: a crowd of them would take more than the bytes in it.
const SHORT_BYTES: usize = 16 * 1024;
/// So many of them are one piece.
const JOINED_BYTES: usize = 64 * 1024;

/// A body that is arriving.
#[derive(Debug)]
pub struct Pieces {
    hold: Hold,
    pieces: Vec<Bytes>,
    /// Short ones that came last.
    short: BytesMut,
    len: usize,
}

impl Pieces {
    /// Nothing yet of a body that says it will be `announced` bytes long; the caller gives it no
    /// more than `bytes_max`.
    #[must_use]
    pub fn new(budget: Budget, announced: Option<usize>, bytes_max: usize) -> Self {
        let hold = budget.hold(announced).within(bytes_max);
        Self { hold, pieces: Vec::new(), short: BytesMut::new(), len: 0 }
    }

    /// How many bytes have come.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing has come.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds what came next; waits for a moment if there is no room for it.
    ///
    /// # Errors
    /// There was none; what came before is still held.
    pub async fn push(&mut self, piece: Bytes) -> Result<(), NoRoom> {
        let after = self.len + piece.len();
        self.hold.grow_to(after).await?;
        self.len = after;
        let is_short = piece.len() < SHORT_BYTES;
        if is_short {
            self.short.extend_from_slice(&piece);
        }
        if !is_short || self.short.len() >= JOINED_BYTES {
            self.end_short();
        }
        if !is_short {
            self.pieces.push(piece);
        }
        Ok(())
    }

    /// All that has come, in order.
    #[must_use]
    pub fn finish(mut self) -> Vec<Bytes> {
        self.end_short();
        let hold = Arc::new(self.hold);
        self.pieces.into_iter().map(|piece| counted(piece, Arc::clone(&hold))).collect()
    }

    fn end_short(&mut self) {
        if !self.short.is_empty() {
            self.pieces.push(std::mem::take(&mut self.short).freeze());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    async fn kept(budget: Budget, sizes: &[usize]) -> (Vec<Bytes>, Vec<Bytes>) {
        let mut kept = Pieces::new(budget, None, 64 * MIB);
        let whole: Bytes = (0..sizes.iter().sum()).map(|at| (at / 7) as u8).collect();
        let mut rest = whole;
        let pieces: Vec<_> = sizes.iter().map(|size| rest.split_to(*size)).collect();
        for piece in &pieces {
            kept.push(piece.clone()).await.unwrap();
        }
        assert_eq!(kept.len(), sizes.iter().sum::<usize>());
        (pieces, kept.finish())
    }

    #[tokio::test]
    async fn long_pieces_are_not_copied_and_crowds_of_short_ones_are_few() {
        let budget = Budget::new(64 * MIB);
        let (sent, found) = kept(budget, &[65_536, 65_536, 20_000]).await;
        let places = |pieces: &[Bytes]| pieces.iter().map(|one| one.as_ptr()).collect::<Vec<_>>();
        assert_eq!(places(&found), places(&sent));
        let (sent, found) = kept(budget, &[70_000, 1, 2, 70_000, 0, 3]).await;
        assert_eq!((found.concat(), found.len()), (sent.concat(), 4));
        let (sent, found) = kept(budget, &[100; 5000]).await;
        assert_eq!((found.concat(), found.len()), (sent.concat(), 8));
        assert!(kept(budget, &[]).await.1.is_empty());
    }

    #[tokio::test]
    async fn they_count_until_the_last_reference_to_any_is_gone() {
        let budget = Budget::new(64 * MIB);
        let (_, mut found) = kept(budget, &[2 * MIB, 2 * MIB]).await;
        let used = budget.used();
        assert!((4 * MIB..5 * MIB).contains(&used), "{used}");
        let last = found.pop().map(|piece| piece.slice(5..7));
        drop(found);
        assert_eq!(budget.used(), used);
        drop(last);
        assert_eq!(budget.used(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_refused_gives_back_what_it_took() {
        let budget = Budget::new(4 * MIB);
        let mut kept = Pieces::new(budget, Some(6 * MIB), 64 * MIB);
        let piece = Bytes::from(vec![7; MIB]);
        let mut refused = 0;
        while kept.push(piece.clone()).await.is_ok() {
            refused += 1;
        }
        assert_eq!(kept.len(), refused * MIB);
        drop(kept);
        assert_eq!(budget.used(), 0);
    }
}
