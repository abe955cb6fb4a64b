//! The pieces of a body as one run of bytes, which takes of the budget until its last reference is
//! gone.
//!
//! A body of one piece is not copied. A large one is written into pages of its own, which the
//! kernel gives as they are written to and takes back at once, so that nothing is copied as it
//! grows and a crowd of large bodies leaves no hole.

use bytes::{Bytes, BytesMut};
use memmap2::{MmapMut, MmapOptions};

use crate::hold::SMALL_BYTES;
use crate::{Budget, Hold, NoRoom};

/// Longer bodies have pages of their own.
const HEAP_MAX: usize = 1024 * 1024;

/// A body that is arriving.
#[derive(Debug)]
pub struct Gather {
    hold: Hold,
    held: Held,
    announced: Option<usize>,
    bytes_max: usize,
}

#[derive(Debug)]
enum Held {
    One(Bytes),
    Heap(BytesMut),
    Pages { pages: MmapMut, len: usize },
}

/// Bytes, and what they take of the budget.
struct Counted<T, H> {
    bytes: T,
    len: usize,
    _hold: H,
}

impl<T: AsRef<[u8]>, H> AsRef<[u8]> for Counted<T, H> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref().get(..self.len).unwrap_or_default()
    }
}

impl Gather {
    /// Nothing yet of a body that says it will be `announced` bytes long; the caller gives it no
    /// more than `bytes_max`.
    #[must_use]
    pub const fn new(budget: Budget, announced: Option<usize>, bytes_max: usize) -> Self {
        let hold = budget.hold(announced).within(bytes_max);
        Self { hold, held: Held::One(Bytes::new()), announced, bytes_max }
    }

    /// A body that is there in one piece.
    ///
    /// # Errors
    /// It does not fit.
    pub async fn whole(budget: Budget, piece: Bytes) -> Result<Bytes, NoRoom> {
        if piece.is_empty() {
            return Ok(piece);
        }
        let mut hold = budget.hold(Some(piece.len()));
        hold.complete();
        hold.grow_to(piece.len()).await?;
        Ok(counted(piece, hold))
    }

    /// `bytes` that were made here and take as much as `hold` says.
    #[must_use]
    pub fn made(bytes: Bytes, hold: Hold) -> Bytes {
        if bytes.is_empty() { bytes } else { counted(bytes, hold) }
    }

    /// How many bytes have come.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.held {
            Held::One(piece) => piece.len(),
            Held::Heap(bytes) => bytes.len(),
            Held::Pages { len, .. } => *len,
        }
    }

    /// Whether nothing has come.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds what came next; waits for a moment if there is no room for it.
    ///
    /// # Errors
    /// There was none; what came before is still held.
    pub async fn push(&mut self, piece: Bytes) -> Result<(), NoRoom> {
        let before = self.len();
        let after = before + piece.len();
        self.hold.grow_to(after).await?;
        if before == 0 {
            self.held = Held::One(piece);
            return Ok(());
        }
        self.make_room(after).await?;
        match &mut self.held {
            Held::One(_) => {}
            Held::Heap(bytes) => bytes.extend_from_slice(&piece),
            Held::Pages { pages, len } => {
                if let Some(free) = pages.get_mut(before..after) {
                    free.copy_from_slice(&piece);
                    *len = after;
                }
            }
        }
        Ok(())
    }

    /// All that has come.
    #[must_use]
    pub fn finish(self) -> Bytes {
        if self.is_empty() {
            return Bytes::new();
        }
        match self.held {
            Held::One(piece) => counted(piece, self.hold),
            Held::Heap(bytes) => counted(bytes, self.hold),
            Held::Pages { pages, len } => {
                Bytes::from_owner(Counted { bytes: pages, len, _hold: self.hold })
            }
        }
    }

    /// Goes over to where `after` bytes have room.
    async fn make_room(&mut self, after: usize) -> Result<(), NoRoom> {
        let longest = self.announced.unwrap_or(self.bytes_max).max(after);
        let has_pages = matches!(&self.held, Held::Pages { pages, .. } if pages.len() >= after);
        let has_room = match &self.held {
            Held::One(_) => false,
            Held::Heap(bytes) => bytes.capacity() >= after && after <= HEAP_MAX,
            Held::Pages { .. } => has_pages,
        };
        if has_room {
            return Ok(());
        }
        let pages = if after > HEAP_MAX { pages(longest) } else { None };
        if let Some(mut pages) = pages {
            let so_far = self.so_far();
            let len = so_far.len();
            if let Some(begin) = pages.get_mut(..len) {
                begin.copy_from_slice(so_far);
            }
            self.held = Held::Pages { pages, len };
            return Ok(());
        }
        // Twice what has come, and at first as much as costs nothing; not more than will come.
        let room = (self.len() * 2).max(SMALL_BYTES).min(longest).max(after);
        self.hold.grow_to(room).await?;
        let mut bytes = match std::mem::replace(&mut self.held, Held::One(Bytes::new())) {
            Held::Heap(bytes) => bytes,
            other => BytesMut::from(&*other.bytes()),
        };
        bytes.reserve(room - bytes.len());
        self.held = Held::Heap(bytes);
        Ok(())
    }

    fn so_far(&self) -> &[u8] {
        match &self.held {
            Held::One(piece) => piece,
            Held::Heap(bytes) => bytes,
            Held::Pages { pages, len } => pages.get(..*len).unwrap_or_default(),
        }
    }
}

impl Held {
    fn bytes(self) -> Bytes {
        match self {
            Self::One(piece) => piece,
            Self::Heap(bytes) => bytes.freeze(),
            Self::Pages { pages, len } => Bytes::from_owner(pages).slice(..len),
        }
    }
}

/// Pages for `length` bytes, none of which takes memory before it is written to. `None`: the kernel
/// does not give them.
fn pages(length: usize) -> Option<MmapMut> {
    MmapOptions::new().len(length).no_reserve_swap().map_anon().ok()
}

/// `bytes`, which keep `hold` until their last reference is gone.
pub(crate) fn counted<T, H>(bytes: T, hold: H) -> Bytes
where
    T: AsRef<[u8]> + Send + 'static,
    H: Send + 'static,
{
    let len = bytes.as_ref().len();
    Bytes::from_owner(Counted { bytes, len, _hold: hold })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    async fn gathered(budget: Budget, announced: Option<usize>, pieces: &[Bytes]) -> Bytes {
        let mut gather = Gather::new(budget, announced, 64 * MIB);
        for piece in pieces {
            gather.push(piece.clone()).await.unwrap();
        }
        gather.finish()
    }

    #[tokio::test]
    async fn one_piece_is_not_copied_and_several_are_one_run() {
        let budget = Budget::new(64 * MIB);
        let one = Bytes::from_static(b"abc");
        assert_eq!(gathered(budget, None, std::slice::from_ref(&one)).await.as_ptr(), one.as_ptr());
        assert_eq!(Gather::whole(budget, one.clone()).await.unwrap().as_ptr(), one.as_ptr());
        assert!(gathered(budget, None, &[]).await.is_empty());
        for length in [3, 70_000, 300_000, 3 * MIB] {
            let bytes: Vec<u8> = (0..length).map(|at| (at / 7) as u8).collect();
            let bytes = Bytes::from(bytes);
            for size in [1.max(length / 900), 65_000, length] {
                let pieces: Vec<_> = bytes.chunks(size).map(Bytes::copy_from_slice).collect();
                for announced in [None, Some(length), Some(1)] {
                    assert!(gathered(budget, announced, &pieces).await == bytes, "{length} {size}");
                }
            }
        }
        assert_eq!(budget.used(), 0);
    }

    #[tokio::test]
    async fn it_counts_until_the_last_reference_is_gone_and_once() {
        let budget = Budget::new(64 * MIB);
        let piece = Bytes::from(vec![7; MIB]);
        let whole = gathered(budget, Some(4 * MIB), &[piece.clone(), piece.clone()]).await;
        let used = budget.used();
        assert!((2 * MIB..3 * MIB).contains(&used), "{used}");
        let (shared, part) = (whole.clone(), whole.slice(5..7));
        drop(whole);
        assert_eq!(budget.used(), used);
        drop(shared);
        assert_eq!((part.len(), budget.used()), (2, used));
        drop(part);
        assert_eq!(budget.used(), 0);
    }

    #[tokio::test]
    async fn nothing_is_taken_for_what_is_only_announced() {
        let budget = Budget::new(64 * MIB);
        let mut gather = Gather::new(budget, Some(50 * MIB), 64 * MIB);
        assert_eq!(budget.used(), 0);
        gather.push(Bytes::from_static(b"0123456789")).await.unwrap();
        assert_eq!(budget.used(), 10);
        gather.push(Bytes::from_static(b"0123456789")).await.unwrap();
        assert_eq!(budget.used(), 64 * 1024);
        let Held::Heap(bytes) = &gather.held else { unreachable!() };
        assert_eq!(bytes.capacity(), 64 * 1024);
        // And no more than this ahead of a small one that says how small it is.
        let mut gather = Gather::new(budget, Some(24), 64 * MIB);
        gather.push(Bytes::from_static(b"0123456789")).await.unwrap();
        gather.push(Bytes::from_static(b"0123456789")).await.unwrap();
        let Held::Heap(bytes) = &gather.held else { unreachable!() };
        assert_eq!(bytes.capacity(), 24);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_refused_gives_back_what_it_took() {
        let budget = Budget::new(8 * MIB);
        let piece = Bytes::from(vec![7; MIB]);
        let mut other = budget.hold(Some(3 * MIB));
        other.grow_to(3 * MIB).await.unwrap();
        let mut gather = Gather::new(budget, Some(6 * MIB), 64 * MIB);
        let refused = loop {
            if let Err(none) = gather.push(piece.clone()).await {
                break none;
            }
        };
        assert_eq!(refused, NoRoom::Now { budget: 8 * MIB });
        assert_eq!(gather.len(), 4 * MIB);
        drop(gather);
        assert_eq!(budget.used(), 3 * MIB);
    }
}
