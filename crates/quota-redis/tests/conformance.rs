//! The Redis store, held to the suite that every store is held to.

#![cfg(test)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use support::Server;
use weir_quota::Timing;
use weir_quota::conformance::{CASES, Case, GRACE_CASES, Rig};
use weir_quota_redis::RedisStore;

/// A rig on pools that no other case has, whose clock starts anywhere.
fn rig(server: &Server, name: &str, timing: Timing) -> Rig {
    let clock = Arc::new(AtomicU64::new(1_700_000_000_000_000));
    let reading = Arc::clone(&clock);
    let settings = server.settings(name, timing);
    let read = move || reading.load(Ordering::SeqCst);
    let store = RedisStore::with_clock(settings, read).unwrap();
    let shift = move |by: i64| {
        clock.fetch_add(by.cast_unsigned(), Ordering::SeqCst);
    };
    Rig::new(Arc::new(store), shift, timing)
}

async fn hold(cases: &[Case], timing: Timing) {
    let server = Server::start();
    let mut failed = Vec::new();
    for case in cases {
        if let Err(found) = (case.run)(rig(&server, case.name, timing)).await {
            failed.push(format!("{}: {found}", case.name));
        }
    }
    assert!(failed.is_empty(), "{} of {}: {failed:#?}", failed.len(), cases.len());
}

#[tokio::test]
async fn every_case_holds_without_a_grace() {
    hold(CASES, Timing { grace: false, ..Timing::default() }).await;
}

#[tokio::test]
async fn every_case_holds_with_a_grace() {
    hold(GRACE_CASES, Timing::default()).await;
}

/// At a tenth of every time, as tests of whole processes run.
#[tokio::test]
async fn every_case_holds_at_other_times() {
    let timing = Timing {
        lease_ttl: 1_000_000,
        claim_limit: 100_000,
        max_cooldown: 60_000_000,
        grace: true,
    };
    hold(GRACE_CASES, timing).await;
}
