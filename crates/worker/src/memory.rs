//! How much all large answers of a process may take together while they are held.
//!
//! Small ones are not counted: as many as may be under way at once have room. All of them take of
//! what the bodies of the process may take together, too.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use weir_budget::{Budget, Hold};

/// What is held of one answer, or of one event, is counted only beyond this.
const FREE_BYTES: usize = 1 << 20;
/// 1 GiB.
const DEFAULT_BYTES: usize = 1 << 30;

/// A bound for all answers together; clones share it.
#[derive(Debug, Clone)]
pub struct Memory {
    bound: Arc<Bound>,
    budget: Budget,
}

#[derive(Debug)]
struct Bound {
    max: AtomicUsize,
    used: AtomicUsize,
}

/// What one answer takes of it; given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    memory: Memory,
    bytes: usize,
    /// For what is not counted where it is gathered.
    hold: Option<Hold>,
}

/// There is no room now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

impl Memory {
    /// Room for `max` bytes, within `budget`.
    #[must_use]
    pub fn new(max: usize, budget: Budget) -> Self {
        Self {
            bound: Arc::new(Bound { max: AtomicUsize::new(max), used: AtomicUsize::new(0) }),
            budget,
        }
    }

    /// From now on there is room for `max` bytes; what is held stays.
    pub fn resize(&self, max: usize) {
        self.bound.max.store(max, Ordering::Relaxed);
    }

    /// What the process has for bodies.
    pub(crate) const fn budget(&self) -> Budget {
        self.budget
    }

    /// Room for what is kept as it is.
    pub(crate) fn hold(&self) -> Held {
        Held { memory: self.clone(), bytes: 0, hold: Some(self.budget.hold(None)) }
    }

    /// Room for what takes of the budget by itself.
    pub(crate) fn counted(&self) -> Held {
        Held { memory: self.clone(), bytes: 0, hold: None }
    }
}

/// Whether the same bound is meant.
impl PartialEq for Memory {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.bound, &other.bound)
    }
}

impl Eq for Memory {}

impl Default for Memory {
    fn default() -> Self {
        Self::new(DEFAULT_BYTES, Budget::default())
    }
}

impl Held {
    /// From now on it takes `bytes`.
    ///
    /// # Errors
    /// The others take too much; it takes what it took before.
    pub(crate) fn resize(&mut self, bytes: usize) -> Result<(), Full> {
        if let Some(hold) = &mut self.hold {
            hold.resize(bytes).map_err(|_| Full)?;
        }
        let bytes = if bytes <= FREE_BYTES { 0 } else { bytes };
        if bytes == self.bytes {
            return Ok(());
        }
        let bound = &self.memory.bound;
        let max = bound.max.load(Ordering::Relaxed);
        if let Some(more) = bytes.checked_sub(self.bytes) {
            if more > 0 && bound.used.fetch_add(more, Ordering::Relaxed) + more > max {
                bound.used.fetch_sub(more, Ordering::Relaxed);
                return Err(Full);
            }
        } else {
            bound.used.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
        }
        self.bytes = bytes;
        Ok(())
    }

    /// Whether it counts.
    pub(crate) const fn is_large(&self) -> bool {
        self.bytes > 0
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.memory.bound.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_together_take_no_more_than_the_bound() {
        let memory = Memory::new(10 * FREE_BYTES, Budget::default());
        let (mut one, mut other) = (memory.hold(), memory.hold());
        assert_eq!((one.resize(6 * FREE_BYTES), other.resize(5 * FREE_BYTES)), (Ok(()), Err(Full)));
        // What is small has room in any case.
        assert_eq!(other.resize(FREE_BYTES), Ok(()));
        assert!(one.is_large() && !other.is_large());
        assert_eq!((other.resize(4 * FREE_BYTES), one.resize(7 * FREE_BYTES)), (Ok(()), Err(Full)));
        assert_eq!(one.resize(2 * FREE_BYTES), Ok(()));
        drop(other);
        assert_eq!(one.resize(10 * FREE_BYTES), Ok(()));
        memory.resize(9 * FREE_BYTES);
        assert_eq!(one.resize(11 * FREE_BYTES), Err(Full));
        assert_eq!((one.resize(8 * FREE_BYTES), one.resize(9 * FREE_BYTES)), (Ok(()), Ok(())));
        drop(one);
        assert_eq!(memory.bound.used.load(Ordering::Relaxed), 0);
    }
}
