//! The machine itself, held to the suite of the stores, with its grace on and off.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::support::OnePool;
use crate::Timing;
use crate::conformance::{CASES, Case, GRACE_CASES, Rig, play};

fn rig(timing: Timing) -> Rig {
    let clock = Arc::new(AtomicU64::new(5_000_000));
    let reading = Arc::clone(&clock);
    let store = Arc::new(OnePool::new(timing, move || reading.load(Ordering::SeqCst)));
    let shift = move |by: i64| {
        clock.fetch_add(by.cast_unsigned(), Ordering::SeqCst);
    };
    Rig::new(store, shift, timing)
}

fn hold(cases: &[Case], timing: Timing) {
    let failed: Vec<_> = cases.iter().filter_map(|case| play(case, rig(timing)).err()).collect();
    assert!(failed.is_empty(), "{} of {}: {failed:#?}", failed.len(), cases.len());
}

#[test]
fn every_case_holds_without_a_grace() {
    hold(CASES, Timing { grace: false, ..Timing::default() });
}

#[test]
fn every_case_holds_with_a_grace() {
    hold(GRACE_CASES, Timing::default());
}

/// At a tenth of every time, as tests of whole processes run.
#[test]
fn every_case_holds_at_other_times() {
    let timing = Timing {
        lease_ttl: 1_000_000,
        claim_limit: 100_000,
        max_cooldown: 60_000_000,
        grace: true,
    };
    hold(GRACE_CASES, timing);
}
