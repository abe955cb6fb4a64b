//! The budget itself: one part for large bodies, in which one waits, and one for small ones, in
//! which nobody does. So a crowd of large bodies keeps no small one out.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use weir_types::{Fault, FaultCode};

use crate::Hold;
use crate::room::Room;
use crate::waiter::Caller;

/// What large bodies are counted in.
pub(crate) const UNIT_BYTES: usize = 4096;
/// Every so many-th part of the budget is for small bodies.
const SMALL_PART: usize = 8;
/// When a refused client may try again.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// 1 GiB, for those who say nothing.
const DEFAULT_BYTES: usize = 1 << 30;

/// A bound for the bodies of a process. A copy is the same budget; it lives as long as the process.
#[derive(Clone, Copy)]
pub struct Budget(&'static Pools);

pub(crate) struct Pools {
    bytes: usize,
    small_max: usize,
    small: AtomicUsize,
    large: Mutex<Room<Caller>>,
    large_units: usize,
}

/// A body does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRoom {
    /// Others take too much at present.
    Now {
        /// The whole budget, in bytes.
        budget: usize,
    },
    /// It would not fit if it were alone.
    Ever {
        /// What it takes, as far as that is known, in bytes.
        needed: usize,
        /// What one body may take, in bytes.
        most: usize,
    },
}

// === impl Budget ===

impl Budget {
    /// Room for `bytes` in all.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        let small_max = bytes / SMALL_PART;
        let large_units = (bytes - small_max) / UNIT_BYTES;
        Self(Box::leak(Box::new(Pools {
            bytes,
            small_max,
            small: AtomicUsize::new(0),
            large: Mutex::new(Room::new(large_units)),
            large_units,
        })))
    }

    /// All of it, in bytes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        self.0.bytes
    }

    /// What is taken of it now, in bytes.
    #[must_use]
    pub fn used(self) -> usize {
        self.0.small.load(Ordering::Relaxed) + self.0.large().used() * UNIT_BYTES
    }

    /// Room for something that grows, none of it taken yet. `announced`: how long it says that it
    /// will be, which decides where it is counted and takes nothing.
    #[must_use]
    pub const fn hold(self, announced: Option<usize>) -> Hold {
        Hold::new(self, announced)
    }

    /// The most that one large body may take.
    pub(crate) const fn most(self) -> usize {
        self.0.large_units * UNIT_BYTES
    }

    pub(crate) const fn pools(self) -> &'static Pools {
        self.0
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(DEFAULT_BYTES)
    }
}

impl PartialEq for Budget {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl Eq for Budget {}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget").field("bytes", &self.0.bytes).field("used", &self.used()).finish()
    }
}

// === impl Pools ===

impl Pools {
    pub(crate) fn large(&self) -> MutexGuard<'_, Room<Caller>> {
        self.large.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives units back, to those who wait for them.
    pub(crate) fn give_large(&self, units: usize) {
        let mut room = self.large();
        room.give(units);
        serve(&mut room);
    }

    /// Takes `bytes` of the part for small bodies. One that is not complete may take of its first
    /// half only: whoever stops sending keeps no one out who has sent everything.
    pub(crate) fn take_small(&self, bytes: usize, is_complete: bool) -> bool {
        let max = if is_complete { self.small_max } else { self.small_max / 2 };
        let before = self.small.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > max {
            self.give_small(bytes);
            return false;
        }
        true
    }

    pub(crate) fn give_small(&self, bytes: usize) {
        self.small.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Calls those for whom there is room.
pub(crate) fn serve(room: &mut Room<Caller>) {
    while let Some(caller) = room.next_served() {
        caller.call(true);
    }
}

// === impl NoRoom ===

const MIB: usize = 1 << 20;

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Now { budget } => write!(
                f,
                "the bodies that are held here take as much as they may ({} MiB, \
                 --memory-budget); try again in a moment",
                budget / MIB
            ),
            Self::Ever { needed, most } => write!(
                f,
                "it takes {} MiB of memory or more here, and one body may take {} MiB \
                 (7/8 of --memory-budget)",
                needed.div_ceil(MIB),
                most / MIB
            ),
        }
    }
}

impl std::error::Error for NoRoom {}

impl From<NoRoom> for Fault {
    /// The fault of a request that does not fit.
    fn from(none: NoRoom) -> Self {
        match none {
            NoRoom::Now { .. } => Self::new(FaultCode::Overloaded, none.to_string())
                .with_retry_after(Some(RETRY_AFTER)),
            NoRoom::Ever { .. } => {
                Self::new(FaultCode::BodyTooLarge, format!("the request body is too large: {none}"))
            }
        }
    }
}
