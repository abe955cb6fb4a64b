//! Limits that change while several routers obey them.

use weir_quota::NoKeyReason;

use super::lost::{Store, routers, take};
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
    // Back, by the first that reads it: it has had newer ones.
    one.resize(&settings[0]);
    speak(&two);
    assert_eq!(in_force(&store), (4, 4));
    assert!(!one.is_skewed() && two.is_skewed());
    two.resize(&settings[0]);
    assert_eq!(in_force(&store), (4, 4));
    assert!(!one.is_skewed() && !two.is_skewed());
}

/// Q15: with an older configuration it obeys, says so, takes its share of what is in force, and has its
/// way only when nobody is left with a newer one.
#[tokio::test(start_paused = true)]
async fn a_router_that_starts_again_with_an_older_configuration_does_not_bring_it_back() {
    let store = Store::new();
    let (old, new) = (provider(8, 100, &["a"]), provider(2, 100, &["a"]));
    let (mut pools, mut keepers) = routers(&store, 2, &old).await;
    pools[1].resize(&new);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(pools[0].is_skewed() && !pools[1].is_skewed());
    for number in 3..6 {
        keepers.swap_remove(0).abort();
        pools[0].leave().await;
        let again: Arc<dyn QuotaStore> = Arc::new(store.clone());
        pools[0] = Pool::new(&old, again, Incarnation(number), Timing::default(), true);
        keepers.insert(0, keep(&pools[0]));
        // Long enough for it to offer its own again.
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert_eq!(store.limits().concurrency, 2);
        assert!(pools[0].is_skewed() && !pools[1].is_skewed());
    }
    store.cut(&[2, 5]);
    assert_eq!((take(&pools[0], 9).await.len(), take(&pools[1], 9).await.len()), (1, 1));
    store.replace();
    store.cut(&[]);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(store.limits().concurrency, 2, "in an empty pool, too");
    assert!(pools[0].is_skewed() && !pools[1].is_skewed());
    keepers[1].abort();
    pools[1].leave().await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!((store.limits().concurrency, pools[0].is_skewed()), (8, false));
    keepers[0].abort();
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

/// The pool judges a request by the limits that it has: those that replace them may need a second
/// word, and what was asked together with the first is asked again.
#[tokio::test(start_paused = true)]
async fn a_request_for_a_new_key_waits_for_the_limits_that_name_it() {
    let store = Store::new();
    let (pools, keepers) = routers(&store, 1, &provider(4, 100, &["a"])).await;
    let mut before = Box::pin(pools[0].acquire(ask(&["a"]), soon()));
    // Its batch is under way.
    assert!((&mut before).now_or_never().is_none());
    pools[0].resize(&provider(4, 100, &["b"]));
    let asked: Vec<_> = (0..3).map(|_| pools[0].acquire(ask(&["b"]), soon())).collect();
    let leases = futures_util::future::join_all(asked).await;
    assert!(leases.iter().all(|lease| lease.as_ref().is_ok_and(|lease| &**lease.key() == "b")));
    // A key that the limits in force do not name stays unknown.
    let unknown = pools[0].acquire(ask(&["a"]), soon()).await;
    assert!(matches!(unknown, Err(Rejection::NoKey { reason: NoKeyReason::Unknown, .. })));
    keepers[0].abort();
}
