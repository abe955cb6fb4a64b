//! Slots that are given back to a store whose batches have a price.

use std::sync::atomic::{AtomicU64, Ordering};

use weir_quota::{Batch, Bell, ExecuteFuture};
use weir_types::ProviderName;

use super::*;

/// Counts the batches of a pool that is elsewhere.
#[derive(Debug)]
struct Remote {
    inner: Arc<MemoryStore>,
    batches: AtomicU64,
}

impl Remote {
    fn new() -> Arc<Self> {
        Arc::new(Self { inner: memory(), batches: AtomicU64::new(0) })
    }

    fn batches(&self) -> u64 {
        self.batches.load(Ordering::Relaxed)
    }
}

impl QuotaStore for Remote {
    fn execute(&self, pool: &ProviderName, batch: Batch) -> ExecuteFuture {
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.inner.execute(pool, batch)
    }

    fn on_bell(&self, bell: Bell) {
        self.inner.on_bell(bell);
    }

    fn is_remote(&self) -> bool {
        true
    }
}

#[tokio::test(start_paused = true)]
async fn a_slot_given_back_goes_along_with_the_next_request() {
    let store = Remote::new();
    let pool = pool_of(store.clone(), &provider(10, 10, &["a"]));
    let keeper = keep(&pool);
    drop(at_once(&pool, &["a"]).unwrap());
    let before = store.batches();
    for _ in 0..100 {
        at_once(&pool, &["a"]).unwrap().settle(Outcome::default());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let sent = store.batches() - before;
    assert!((100..=102).contains(&sent), "{sent} batches for a hundred requests");
    assert_eq!(held(&store.inner), (1, 0));
    // Nobody else comes.
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(held(&store.inner), (0, 0));
    keeper.abort();
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_slot_that_was_given_back() {
    let store = Remote::new();
    let settings = provider(4, 10, &["a"]);
    let pool = pool_of(store.clone(), &settings);
    let other = Pool::new(&settings, store.clone(), Incarnation(8), Timing::default(), false);
    let mut leases: Vec<_> = (0..4).map(|_| at_once(&pool, &["a"]).unwrap()).collect();
    let mut waiting = Box::pin(other.acquire(ask(&["a"]), soon()));
    assert!(waiting.as_mut().now_or_never().is_none());
    let before = store.batches();
    drop(leases.pop());
    assert_eq!(store.batches(), before + 1, "more than half of the slots are taken");
    let keeper = keep(&other);
    other.ring();
    tokio::time::timeout(Duration::from_millis(3), waiting).await.unwrap().unwrap();
    keeper.abort();
}

#[tokio::test(start_paused = true)]
async fn what_others_have_to_know_is_said_at_once() {
    let store = Remote::new();
    let pool = pool_of(store.clone(), &provider(10, 10, &["a", "b"]));
    let _one = at_once(&pool, &["a"]).unwrap();
    let lease = at_once(&pool, &["a", "b"]).unwrap();
    lease.settle(cool("b", Duration::from_secs(5)));
    assert_eq!(held(&store.inner), (1, 0), "a key rests");
    // As long as one does, all is said at once.
    at_once(&pool, &["a"]).unwrap().settle(Outcome::default());
    assert_eq!(held(&store.inner), (1, 0));
}
