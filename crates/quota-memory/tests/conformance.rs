//! The memory store, held to the suite that every store is held to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use weir_quota::Timing;
use weir_quota::conformance::{CASES, Case, Rig, play};
use weir_quota_memory::MemoryStore;

/// A rig on a fresh store whose clock starts anywhere.
fn rig() -> Rig {
    let clock = Arc::new(AtomicU64::new(1_700_000_000_000_000));
    let timing = Timing { grace: false, ..Timing::default() };
    let reading = Arc::clone(&clock);
    let store = Arc::new(MemoryStore::new(timing, move || reading.load(Ordering::SeqCst)));
    let shift = move |by: i64| {
        clock.fetch_add(by.cast_unsigned(), Ordering::SeqCst);
    };
    Rig::new(store, shift, timing)
}

#[test]
fn every_case_holds() {
    let failed: Vec<_> = CASES.iter().filter_map(|case| play(case, rig()).err()).collect();
    assert!(failed.is_empty(), "{} of {}: {failed:#?}", failed.len(), CASES.len());
}

/// The suite can fail: a store whose clock stands still keeps no cooldown's end.
#[test]
fn a_store_that_is_wrong_is_found_out() {
    let timing = Timing { grace: false, ..Timing::default() };
    let broken = || {
        let store = Arc::new(MemoryStore::new(timing, || 7));
        Rig::new(store, |_| {}, timing)
    };
    let fails = |case: &&Case| play(case, broken()).is_err();
    assert!(CASES.iter().filter(fails).count() > 10);
}
