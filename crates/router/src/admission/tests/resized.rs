//! Limits that change while several routers obey them.

use super::lost::{Store, routers};
use super::*;

fn router(store: &Arc<MemoryStore>, number: u64, settings: &ProviderSettings) -> Arc<Pool> {
    Pool::new(settings, store.clone(), Incarnation(number), Timing::default(), false)
}

fn in_force(store: &MemoryStore) -> (u64, u32) {
    let limits = store.snapshot(&"openai".into()).unwrap().limits;
    (limits.generation, limits.concurrency)
}

/// Says something.
fn speak(pool: &Arc<Pool>) {
    drop(at_once(pool, &["a"]).unwrap());
}

#[tokio::test(start_paused = true)]
async fn the_first_router_that_reads_it_changes_the_limit_for_all_once() {
    let store = memory();
    let (old, new) = (provider(1, 10, &["a"]), provider(3, 10, &["a"]));
    let routers = [1, 2, 3].map(|number| router(&store, number, &old));
    routers.iter().for_each(speak);
    assert_eq!(in_force(&store), (1, 1));
    routers[0].resize(&new);
    assert_eq!(in_force(&store), (2, 3));
    // The others obey, know it at their next word, and do not change it back.
    let held: Vec<_> = routers.iter().map(|pool| at_once(pool, &["a"]).unwrap()).collect();
    assert_eq!(held.len(), 3);
    assert!(!routers[0].is_skewed() && routers[1].is_skewed() && routers[2].is_skewed());
    drop(held);
    for pool in &routers {
        pool.resize(&new);
        speak(pool);
    }
    assert_eq!(in_force(&store), (2, 3));
    assert!(routers.iter().all(|pool| !pool.is_skewed()));
}

#[tokio::test(start_paused = true)]
async fn of_two_that_differ_the_one_that_was_read_last_stays() {
    let store = memory();
    let settings = [4, 5, 6].map(|concurrency| provider(concurrency, 10, &["a"]));
    let (one, two) = (router(&store, 1, &settings[0]), router(&store, 2, &settings[0]));
    [&one, &two].into_iter().for_each(speak);
    one.resize(&settings[1]);
    two.resize(&settings[2]);
    for _ in 0..5 {
        [&one, &two].into_iter().for_each(speak);
    }
    assert_eq!(in_force(&store), (3, 6));
    assert!(one.is_skewed() && !two.is_skewed());
    // Back and forth: each change is a generation of its own.
    one.resize(&settings[0]);
    one.resize(&settings[2]);
    assert_eq!(in_force(&store), (5, 6));
    assert!(!one.is_skewed());
}

#[tokio::test(start_paused = true)]
async fn what_was_read_last_stays_however_reads_and_batches_fall() {
    let draws = &mut fastrand::Rng::with_seed(7);
    for _ in 0..20 {
        let store = Store::new();
        let (pools, keepers) = routers(&store, 3, &provider(4, 100, &["a"])).await;
        let generation = store.limits().generation;
        for concurrency in 5..25 {
            pools[draws.usize(0..3)].resize(&provider(concurrency, 100, &["a"]));
            tokio::time::sleep(Duration::from_micros(draws.u64(0..3000))).await;
        }
        let last = provider(30, 100, &["a"]);
        for pool in &pools {
            pool.resize(&last);
            tokio::time::sleep(Duration::from_micros(draws.u64(0..3000))).await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        let limits = store.limits();
        assert_eq!(limits.concurrency, 30);
        // Each of the readings at most once.
        assert!(limits.generation <= generation + 21, "{limits:?}");
        assert!(pools.iter().all(|pool| !pool.is_skewed()));
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(store.limits(), limits);
        keepers.iter().for_each(tokio::task::JoinHandle::abort);
    }
}
