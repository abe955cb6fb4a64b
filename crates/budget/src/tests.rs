//! A crowd in a room that is too small for it: how many come through, and how long they wait.

use std::future::ready;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::{Budget, Hold, NoRoom};

const MIB: usize = 1024 * 1024;

/// 8 MiB, 7 of them for large bodies.
fn budget() -> Budget {
    Budget::new(8 * MIB)
}

/// Sends bodies of `bytes` at the same speed, each of which then runs on for `seconds`; how many
/// came to their end, and how long it took until the last one knew.
async fn crowd(budget: Budget, count: usize, bytes: usize, seconds: u64) -> (usize, Duration) {
    let says = |name: usize| name.is_multiple_of(2).then_some(bytes);
    let send = |name| send(budget.hold(says(name)).within(bytes), bytes, seconds);
    let tasks: Vec<_> = (0..count).map(|name| tokio::spawn(send(name))).collect();
    let (mut come, mut last) = (0, Duration::ZERO);
    for task in tasks {
        if let Ok(known) = task.await.unwrap() {
            (come, last) = (come + 1, last.max(known));
        }
    }
    (come, last)
}

async fn send(mut hold: Hold, bytes: usize, seconds: u64) -> Result<Duration, NoRoom> {
    let (begun, mut sent) = (Instant::now(), 0);
    while sent < bytes {
        sent = bytes.min(sent + 48 * 1024);
        hold.grow_to(sent).await?;
        tokio::task::yield_now().await;
    }
    let known = begun.elapsed();
    sleep(Duration::from_secs(seconds)).await;
    Ok(known)
}

#[tokio::test(start_paused = true)]
async fn too_many_at_once_do_not_starve_each_other() {
    for (count, bytes, fit) in [(10, 3 * MIB, 2), (3, 3 * MIB, 2), (50, 2 * MIB, 3)] {
        let budget = budget();
        let (come, last) = crowd(budget, count, bytes, 3600).await;
        assert_eq!((come, budget.used()), (fit, 0), "{count} of {bytes}");
        assert_eq!(last, Duration::ZERO, "nobody who goes had to be waited for");
    }
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_for_others_make_room_before_all_are_refused() {
    let budget = budget();
    let mut other = budget.hold(Some(4 * MIB));
    other.grow_to(4 * MIB).await.unwrap();
    // They would fit without it, and it does not end.
    assert_eq!(crowd(budget, 2, 2 * MIB, 3600).await, (1, Duration::from_millis(250)));
    // It ends in time for both.
    let leave = async {
        sleep(Duration::from_millis(125)).await;
        drop(other);
    };
    assert_eq!(tokio::join!(crowd(budget, 2, 2 * MIB, 3600), leave).0.0, 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_made_of_others_does_not_wait_for_those() {
    let budget = budget();
    let work = async |bytes: usize| {
        let mut text = budget.hold(Some(bytes));
        text.grow_to(bytes).await.unwrap();
        tokio::task::yield_now().await;
        let mut made = budget.hold(Some(2 * bytes)).made_of(bytes);
        made.grow_to(2 * bytes).await.is_ok()
    };
    let begun = Instant::now();
    let made = tokio::join!(work(2 * MIB), work(2 * MIB), work(2 * MIB));
    assert_eq!([made.0, made.1, made.2].into_iter().filter(|is_made| *is_made).count(), 1);
    assert_eq!((begun.elapsed(), budget.used()), (Duration::ZERO, 0));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_with_those_who_stop_waiting() {
    let budget = budget();
    let mut first = budget.hold(Some(6 * MIB));
    first.grow_to(6 * MIB).await.unwrap();
    for millis in [1, 100, 249, 250, 251, 999] {
        let mut second = budget.hold(Some(2 * MIB));
        let waited = timeout(Duration::from_millis(millis), second.grow_to(2 * MIB)).await;
        assert!(waited.is_err());
    }
    // Called, and gone before it hears it.
    let mut second = budget.hold(Some(2 * MIB));
    let mut waiting = Box::pin(second.grow_to(2 * MIB));
    tokio::select! {
        biased;
        grown = &mut waiting => panic!("{grown:?}"),
        () = ready(()) => {}
    }
    drop(first);
    assert_eq!(budget.used(), 2 * MIB);
    drop(waiting);
    assert_eq!((second.bytes(), budget.used()), (0, 0));
}
