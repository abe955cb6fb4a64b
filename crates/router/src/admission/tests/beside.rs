//! Routers beside others: what is whose trouble, and what a pool found empty costs whom.

use weir_types::QuotaMode;

use super::lost::{Store, modes, routers, take};
use super::*;

/// Q11: a router whose replies come too late stops nobody, however often it says hello, nor does its
/// return.
#[tokio::test(start_paused = true)]
async fn a_router_that_hears_nothing_stops_no_other() {
    let store = Store::new();
    let (pools, keepers) = routers(&store, 3, &provider(6, 100, &["a"])).await;
    store.delay(&[3]);
    let alone = take(&pools[2], 20).await;
    assert_eq!((pools[2].mode(), alone.len()), (QuotaMode::Share, 2));
    // It was granted all six and does not know: two tries and a claim limit after that they are free.
    tokio::time::sleep(Duration::from_secs(1)).await;
    for turn in 0..200 {
        let lease = at_once_in(&pools[turn % 2], 10).await;
        assert_eq!(modes(&pools[..2]), [QuotaMode::Exact; 2]);
        tokio::time::sleep(Duration::from_millis(100)).await;
        drop(lease);
    }
    store.delay(&[]);
    for turn in 0..100 {
        let lease = at_once_in(&pools[turn % 2], 10).await;
        assert_eq!(modes(&pools[..2]), [QuotaMode::Exact; 2]);
        tokio::time::sleep(Duration::from_millis(10)).await;
        drop(lease);
    }
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!((pools[2].mode(), store.leases()), (QuotaMode::Exact, 2));
    drop(alone);
    keepers.iter().for_each(tokio::task::JoinHandle::abort);
}

/// A slot that comes within so many milliseconds.
async fn at_once_in(pool: &Arc<Pool>, millis: u64) -> Lease {
    let taken = pool.acquire(ask(&["a"]), soon());
    tokio::time::timeout(Duration::from_millis(millis), taken).await.unwrap().unwrap()
}

/// Routers that were exact go on with their shares, one that never was waits, and all that they hold is
/// counted in the end.
#[tokio::test(start_paused = true)]
async fn a_pool_found_empty_is_served_by_shares_until_its_grace_has_ended() {
    let store = Store::new();
    let settings = provider(6, 100, &["a"]);
    let (pools, keepers) = routers(&store, 2, &settings).await;
    let mut held = take(&pools[0], 1).await;
    store.replace();
    let third: Arc<dyn QuotaStore> = Arc::new(store.clone());
    let third = Pool::new(&settings, third, Incarnation(3), Timing::default(), true);
    let keeper = keep(&third);
    for pool in &pools {
        // Its own batch, a hello, and what it holds.
        drop(at_once_in(pool, 10).await);
        held.extend(take(pool, 20).await);
    }
    assert_eq!((modes(&pools), held.len()), (vec![QuotaMode::Share; 2], 6));
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(store.leases(), 6, "they are told as they are granted");
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(!third.is_ready());
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(third.is_ready());
    assert_eq!((modes(&pools), store.leases()), (vec![QuotaMode::Exact; 2], 6));
    assert_eq!(take(&third, 1).await.len(), 0);
    drop(held);
    assert_eq!(take(&third, 20).await.len(), 6);
    keepers.iter().chain([&keeper]).for_each(tokio::task::JoinHandle::abort);
}

/// Nobody reaches the store for less than half a lease's life: shares go on until all are back, and
/// nothing is granted twice.
#[tokio::test(start_paused = true)]
async fn after_a_short_loss_of_all_the_limit_holds_at_once() {
    let store = Store::new();
    let (pools, keepers) = routers(&store, 3, &provider(6, 100, &["a"])).await;
    store.cut(&[1, 2, 3]);
    let mut held = Vec::new();
    for pool in &pools {
        held.extend(take(pool, 20).await);
    }
    assert_eq!(held.len(), 6);
    store.cut(&[]);
    for _ in 0..20 {
        for pool in &pools {
            held.extend(pool.acquire(ask(&["a"]), soon()).now_or_never().and_then(Result::ok));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!((modes(&pools), store.leases(), held.len()), (vec![QuotaMode::Exact; 3], 6, 6));
    keepers.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(start_paused = true)]
async fn a_router_that_goes_is_neither_awaited_nor_counted() {
    let store = Store::new();
    let (pools, keepers) = routers(&store, 3, &provider(6, 100, &["a"])).await;
    let held = take(&pools[2], 6).await;
    pools[2].leave().await;
    keepers[2].abort();
    assert_eq!((store.routers(), store.leases()), (2, 0));
    drop(held);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(store.routers(), 2, "it says nothing more");
    store.cut(&[1, 2]);
    let shares = [take(&pools[0], 9).await, take(&pools[1], 9).await];
    assert_eq!([shares[0].len(), shares[1].len()], [3, 3]);
    keepers.iter().for_each(tokio::task::JoinHandle::abort);
}

/// While it is known that the bell is not heard, who waits asks more often.
#[tokio::test(start_paused = true)]
async fn without_a_bell_a_hand_off_waits_for_a_short_poll() {
    let store = Store::new();
    let (pools, keepers) = routers(&store, 2, &provider(1, 100, &["a"])).await;
    for (is_deaf, at_most) in [(false, 510), (true, 60), (false, 510)] {
        store.is_deaf.store(is_deaf, std::sync::atomic::Ordering::Relaxed);
        let held = take(&pools[0], 1).await;
        let waiting = tokio::spawn({
            let pool = pools[1].clone();
            async move { pool.acquire(ask(&["a"]), soon()).await.unwrap() }
        });
        tokio::time::sleep(Duration::from_millis(700)).await;
        let freed = now();
        drop(held);
        let lease = waiting.await.unwrap();
        let waited = now() - freed;
        assert!(waited <= Duration::from_millis(at_most), "{is_deaf}: {waited:?}");
        drop(lease);
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    keepers.iter().for_each(tokio::task::JoinHandle::abort);
}

/// Whether a lease is lost.
fn is_lost(lease: &Lease) -> bool {
    let context = std::task::Context::from_waker(std::task::Waker::noop());
    lease.poll_lost(&mut super::super::Watch::new(), &context).is_ready()
}

/// A process that stands still says nothing: not even its keeper runs.
#[tokio::test(start_paused = true)]
async fn a_router_that_stood_still_drops_its_calls_before_it_asks_for_slots() {
    let store = memory();
    let pool = pool_of(store.clone(), &provider(2, 10, &["a"]));
    let long = at_once(&pool, &["a"]).unwrap();
    tokio::time::advance(Duration::from_secs(6)).await;
    let late = at_once(&pool, &["a"]).unwrap();
    assert!(!is_lost(&long), "not for as long as a lease lives");
    tokio::time::advance(Duration::from_secs(8)).await;
    let mut next = Box::pin(pool.acquire(ask(&["a"]), soon()));
    assert!((&mut next).now_or_never().is_none(), "while a call without a slot runs");
    assert_eq!((is_lost(&long), is_lost(&late)), (false, false), "renewed, and granted since");
    tokio::time::advance(Duration::from_secs(14)).await;
    let mut more = Box::pin(pool.acquire(ask(&["a"]), soon()));
    assert!((&mut more).now_or_never().is_none());
    assert_eq!((is_lost(&long), is_lost(&late)), (true, true));
    drop(long);
    assert!((&mut next).now_or_never().is_none());
    late.settle(Outcome::default());
    let held = [next.now_or_never().unwrap().unwrap(), more.now_or_never().unwrap().unwrap()];
    assert!(held.iter().all(|lease| !is_lost(lease)));
    drop(held);
}
