//! Many threads at one pool.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

#[test]
fn eight_slots_are_reached_and_never_exceeded_under_two_hundred_tasks_on_four_threads() {
    let start = Instant::now();
    let clock = move || u64::try_from(start.elapsed().as_micros()).unwrap();
    let store = Arc::new(MemoryStore::new(Timing::default(), clock));
    let pool = pool_of(store.clone(), &provider(8, 1000, &["a", "b", "c"]));
    let running = AtomicU32::new(0);
    let most = AtomicU32::new(0);
    let served = AtomicU32::new(0);
    let one = async || {
        for _ in 0..20 {
            let deadline = Instant::now() + Duration::from_secs(60);
            let lease = pool.acquire(ask(&["a", "b", "c"]), deadline).await.unwrap();
            let now = running.fetch_add(1, Ordering::SeqCst) + 1;
            most.fetch_max(now, Ordering::SeqCst);
            tokio::task::yield_now().await;
            running.fetch_sub(1, Ordering::SeqCst);
            lease.settle(Outcome::default());
            served.fetch_add(1, Ordering::SeqCst);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let runtime =
                    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                runtime.block_on(futures_util::future::join_all((0..50).map(|_| one())));
            });
        }
    });
    assert_eq!(served.into_inner(), 4 * 50 * 20);
    assert_eq!(most.into_inner(), 8);
    assert_eq!(held(&store), (0, 0));
}

#[tokio::test]
async fn with_a_clock_that_runs_the_keeper_says_hello_and_answers_the_bell() {
    let start = Instant::now();
    let clock = move || u64::try_from(start.elapsed().as_micros()).unwrap();
    let store = Arc::new(MemoryStore::new(Timing::default(), clock));
    let pool = pool_of(store.clone(), &provider(1, 10, &["a"]));
    let keeper = keep(&pool);
    let heard = || store.snapshot(&"openai".into()).map_or(0, |pool| pool.now);
    let in_time = Duration::from_secs(30);
    let reached = async {
        while !pool.is_ready() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(in_time, reached).await.expect("hello is said at once");
    let before = heard();
    pool.ring();
    let rung = async {
        while heard() == before {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(in_time, rung).await.expect("the bell is a reason to poll");
    assert!(heard() - before < 2_000_000, "long before the next poll is due");
    keeper.abort();
}
