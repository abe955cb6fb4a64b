//! Counts what is allocated, so that an input whose reading takes memory out of proportion is found.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// A byte of input may cost this much at a time: a digit and a comma of a list are a value of 32
/// bytes, in a list that has just been doubled, and that is copied for a writer.
const BYTES_PER_BYTE: usize = 1000;
/// What any input may cost.
const BYTES_AT_LEAST: usize = 4 << 20;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

struct Counting;

#[global_allocator]
static HEAP: Counting = Counting;

fn took(bytes: usize) {
    let now = NOW.fetch_add(bytes, Relaxed) + bytes;
    PEAK.fetch_max(now, Relaxed);
}

// SAFETY: every call is the system's own; the counters do not touch memory that is handed out.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(at, layout) }
    }
}

/// Runs `feed`.
///
/// # Panics
/// It took more memory at a time than an input of `bytes` may.
pub(crate) fn bounded(bytes: usize, feed: impl FnOnce()) {
    let before = NOW.load(Relaxed);
    PEAK.store(before, Relaxed);
    feed();
    let peak = PEAK.load(Relaxed) - before;
    let most = BYTES_AT_LEAST + BYTES_PER_BYTE * bytes;
    assert!(peak <= most, "{peak} bytes at a time for an input of {bytes}");
}
