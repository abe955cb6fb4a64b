//! SIGTERM and SIGINT against a real process: this one. A file of its own, with one test, because
//! signals reach every test of a process.

#![expect(clippy::unwrap_used, reason = "the helpers of tests")]

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use weir_runtime::{Cores, Stop};

fn raise(signal: &str) {
    let target = std::process::id().to_string();
    assert!(
        Command::new("sh")
            .args(["-c", &format!("kill -{signal} {target}")])
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn signals_drain_then_end() {
    // The first signal: every core is told, finishes and returns.
    let drained = AtomicUsize::new(0);
    let cores = Cores { count: 2, drain_limit: Duration::from_secs(30) };
    let stop = cores.run(|index, mut drain| {
        let drained = &drained;
        async move {
            if index == 0 {
                raise("TERM");
            }
            drain.draining().await;
            drained.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
    });
    assert_eq!(stop.unwrap(), Stop::Finished);
    assert_eq!(drained.load(Ordering::Relaxed), 2);

    // A core that does not finish: cut off at the limit.
    let cores = Cores { count: 2, drain_limit: Duration::from_millis(50) };
    let stop = cores.run(|index, _| async move {
        if index == 0 {
            raise("INT");
        }
        std::future::pending().await
    });
    assert_eq!(stop.unwrap(), Stop::LimitPassed);

    // Or at once by a second signal.
    let begun = Instant::now();
    let cores = Cores { count: 2, drain_limit: Duration::from_secs(30) };
    let stop = cores.run(|index, mut drain| async move {
        if index == 0 {
            raise("TERM");
            drain.draining().await;
            raise("TERM");
        }
        std::future::pending().await
    });
    assert_eq!(stop.unwrap(), Stop::SecondSignal);
    assert!(begun.elapsed() < Duration::from_secs(20));
}
