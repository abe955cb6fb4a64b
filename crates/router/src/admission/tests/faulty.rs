//! A store that is slow, forgets sessions, and loses batches before or after they ran.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use weir_quota::{Batch, Bell, ExecuteFuture, StoreError};
use weir_types::ProviderName;

use super::*;

/// What goes wrong with a batch.
#[derive(Debug, Clone, Copy)]
enum Mishap {
    None,
    LostBefore,
    LostAfter,
    Stale,
}

/// Wraps the memory store.
#[derive(Debug)]
struct Faulty {
    inner: Arc<MemoryStore>,
    draws: Mutex<fastrand::Rng>,
    /// Mishaps per thousand batches.
    rate: u32,
    /// Batches after a mishap that meet none. Two in a row count as a dead store.
    calm: u64,
    calm_until: AtomicU64,
    batches: AtomicU64,
    largest: AtomicU64,
    dead: AtomicBool,
}

impl Faulty {
    fn new(seed: u64, rate: u32, calm: u64) -> Arc<Self> {
        Arc::new(Self {
            inner: memory(),
            draws: Mutex::new(fastrand::Rng::with_seed(seed)),
            rate,
            calm,
            calm_until: AtomicU64::new(0),
            batches: AtomicU64::new(0),
            largest: AtomicU64::new(0),
            dead: AtomicBool::new(false),
        })
    }

    fn mishap(&self) -> Mishap {
        let mut draws = self.draws.lock().unwrap();
        let batch = self.batches.fetch_add(1, Ordering::Relaxed);
        let is_calm = batch < self.calm_until.load(Ordering::Relaxed);
        if is_calm || draws.u32(0..1000) >= self.rate {
            return Mishap::None;
        }
        self.calm_until.store(batch + 1 + self.calm, Ordering::Relaxed);
        [Mishap::LostBefore, Mishap::LostAfter, Mishap::Stale][draws.usize(0..3)]
    }
}

impl QuotaStore for Faulty {
    fn execute(&self, pool: &ProviderName, batch: Batch) -> ExecuteFuture {
        self.largest.fetch_max(batch.commands.len() as u64, Ordering::Relaxed);
        let mishap = self.mishap();
        let dead = self.dead.load(Ordering::Relaxed);
        let (inner, pool) = (self.inner.clone(), pool.clone());
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            let lost = || Err(StoreError::Unanswered("lost".to_owned()));
            match mishap {
                _ if dead => lost(),
                Mishap::None => inner.execute(&pool, batch).await,
                Mishap::LostBefore => lost(),
                Mishap::LostAfter => {
                    let _ran = inner.execute(&pool, batch).await;
                    lost()
                }
                Mishap::Stale => {
                    // Somebody said hello in our name.
                    let hello = Batch::hello(batch.router);
                    let _session = inner.execute(&pool, hello).await;
                    Err(StoreError::StaleSession)
                }
            }
        })
    }

    fn on_bell(&self, bell: Bell) {
        self.inner.on_bell(bell);
    }

    fn is_remote(&self) -> bool {
        true
    }
}

/// The requests that hold a slot, as far as they know.
struct Slots {
    held: Mutex<HashSet<u64>>,
    limit: usize,
}

impl Slots {
    fn take(&self, seed: u64) {
        let mut held = self.held.lock().unwrap();
        assert!(held.insert(seed), "seed {seed} holds one already");
        assert!(held.len() <= self.limit, "{} held, seed {seed}", held.len());
    }

    fn give(&self, seed: u64) {
        self.held.lock().unwrap().remove(&seed);
    }
}

/// One request: waits, holds, rotates or retries, and sometimes goes away in between.
async fn request(pool: Arc<Pool>, seed: u64, slots: Arc<Slots>) -> bool {
    let mut draws = fastrand::Rng::with_seed(seed);
    let keys = ["a", "b"];
    tokio::time::sleep(Duration::from_millis(draws.u64(0..1000))).await;
    let patience = Duration::from_millis(draws.u64(1..4000));
    let acquire = pool.acquire(ask(&keys), soon());
    let Ok(Ok(mut lease)) = tokio::time::timeout(patience, acquire).await else {
        return false;
    };
    loop {
        slots.take(seed);
        tokio::time::sleep(Duration::from_millis(draws.u64(0..30))).await;
        slots.give(seed);
        let next = match draws.u8(0..4) {
            0 => lease.rotate(Outcome::default(), class(&keys), None, soon()),
            1 => {
                let delay = Duration::from_millis(draws.u64(0..40));
                lease.settle_then(Outcome::default(), QueuePlace { delay, ..ask(&keys) }, soon())
            }
            2 => {
                drop(lease);
                return true;
            }
            _ => {
                lease.settle(Outcome::default());
                return true;
            }
        };
        let patience = Duration::from_millis(draws.u64(1..4000));
        let Ok(Ok(again)) = tokio::time::timeout(patience, next.granted()).await else {
            return false;
        };
        lease = again;
    }
}

async fn settle_down(store: &Faulty, pool: &Pool) {
    for _ in 0..1000 {
        if held(&store.inner) == (0, 0) && pool.lock().is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_or_granted_twice_whatever_happens_to_batches() {
    for seed in 1..=32 {
        let (rate, calm) =
            [(0, 0), (50, 2), (500, 2), (300, 0)][usize::try_from(seed).unwrap() % 4];
        // The only router's share is the whole limit.
        let share = seed > 16;
        println!("seed {seed}, rate {rate}, calm {calm}, share {share}");
        let store = Faulty::new(seed, rate, calm);
        let settings = provider(4, 1000, &["a", "b"]);
        let pool = Pool::new(&settings, store.clone(), ROUTER, Timing::default(), share);
        let keeper = keep(&pool);
        let slots = Arc::new(Slots { held: Mutex::default(), limit: 4 });
        let requests: Vec<_> = (0..120)
            .map(|n| tokio::spawn(request(pool.clone(), seed * 1000 + n, slots.clone())))
            .collect();
        let mut served = 0;
        for request in requests {
            served += usize::from(request.await.unwrap());
        }
        println!("{served} served");
        assert!(served > 50 || calm == 0, "{served} served, seed {seed}");
        settle_down(&store, &pool).await;
        assert_eq!(held(&store.inner), (0, 0), "seed {seed}");
        let state = pool.lock();
        assert!(state.is_empty(), "seed {seed}: {state:?}");
        drop(state);
        keeper.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_is_told_to_requests_and_found_again() {
    let store = Faulty::new(1, 0, 0);
    let pool = pool_of(store.clone(), &provider(4, 10, &["a"]));
    let keeper = keep(&pool);
    let lease = pool.acquire(ask(&["a"]), soon()).await.unwrap();
    store.dead.store(true, Ordering::Relaxed);
    let start = now();
    let refused = pool.acquire(ask(&["a"]), soon()).await.unwrap_err();
    assert!(matches!(refused, Rejection::Unavailable(_)), "{refused:?}");
    // Two budgets, of a millisecond each here.
    assert!(now() - start <= Duration::from_millis(4), "{:?}", now() - start);
    let refused = pool.acquire(ask(&["a"]), soon()).now_or_never().unwrap().unwrap_err();
    assert!(matches!(refused, Rejection::Unavailable(_)), "{refused:?}");
    drop(lease);
    store.dead.store(false, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(held(&store.inner), (0, 0));
    drop(pool.acquire(ask(&["a"]), soon()).await.unwrap());
    keeper.abort();
}

#[tokio::test(start_paused = true)]
async fn what_comes_up_while_a_batch_is_out_rides_in_the_next() {
    let store = Faulty::new(1, 0, 0);
    let pool = pool_of(store.clone(), &provider(1000, 10, &["a"]));
    drop(pool.acquire(ask(&["a"]), soon()).await.unwrap());
    tokio::time::sleep(Duration::from_millis(5)).await;
    let before = store.batches.load(Ordering::Relaxed);
    let all = (0..600).map(|_| pool.acquire(ask(&["a"]), soon()));
    let leases = futures_util::future::join_all(all).await;
    assert!(leases.iter().all(Result::is_ok));
    // One alone, then 599 in three batches.
    assert_eq!(store.batches.load(Ordering::Relaxed) - before, 4);
    assert!(store.largest.load(Ordering::Relaxed) <= weir_quota::COMMANDS_MAX as u64);
}

/// Calls every batch malformed.
#[derive(Debug)]
struct Refusing(AtomicU64);

impl QuotaStore for Refusing {
    fn execute(&self, _pool: &ProviderName, _batch: Batch) -> ExecuteFuture {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(std::future::ready(Err(StoreError::Rejected("malformed".to_owned()))))
    }

    fn on_bell(&self, _bell: Bell) {}
}

#[tokio::test(start_paused = true)]
async fn a_store_that_refuses_everything_is_not_asked_in_a_circle() {
    let store = Arc::new(Refusing(AtomicU64::new(0)));
    let pool = pool_of(store.clone(), &provider(4, 10, &["a"]));
    let refused = pool.acquire(ask(&["a"]), soon()).now_or_never().unwrap().unwrap_err();
    assert!(matches!(refused, Rejection::Unavailable(_)), "{refused:?}");
    assert_eq!(store.0.load(Ordering::Relaxed), 2);
    let keeper = keep(&pool);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(store.0.load(Ordering::Relaxed) < 60);
    keeper.abort();
}

#[test]
fn a_batch_whose_runtime_ends_is_sent_again_by_another() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap()
    };
    let (first, second) = (runtime(), runtime());
    let store = second.block_on(async { Faulty::new(1, 0, 0) });
    let pool = second.block_on(async { pool_of(store.clone(), &provider(1, 10, &["a"])) });
    let lease = second.block_on(pool.acquire(ask(&["a"]), soon())).unwrap();
    first.block_on(async {
        lease.settle(Outcome::default());
        // The batch is out, and its runtime ends.
    });
    drop(first);
    second.block_on(async {
        let keeper = keep(&pool);
        settle_down(&store, &pool).await;
        assert_eq!(held(&store.inner), (0, 0));
        keeper.abort();
    });
}
