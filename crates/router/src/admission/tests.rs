//! The driver against the memory store, with the clock stopped, and against stores that are slow
//! or lose what they are told.

mod beside;
mod faulty;
mod group;
mod lost;
mod patient;
mod resized;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use weir_quota::{Class, Health, Incarnation, Outcome, QuotaStore, Scope, Snapshot, Timing};
use weir_quota_memory::MemoryStore;
use weir_telemetry::Metrics;
use weir_types::{FailureClass, KeyName};

use super::{Lease, Pool};
use crate::clock::now;
use crate::plan::{Cause, QueuePlace, Rejection};
use crate::settings::{KeySettings, ProviderSettings};

const ROUTER: Incarnation = Incarnation(7);

fn memory() -> Arc<MemoryStore> {
    let start = tokio::time::Instant::now();
    let clock = move || u64::try_from(start.elapsed().as_micros()).unwrap();
    Arc::new(MemoryStore::new(Timing::default(), clock))
}

fn provider(concurrency: u32, buffer: u32, keys: &[&str]) -> ProviderSettings {
    let key = |name: &&str| KeySettings {
        name: KeyName::from(*name),
        weight: 1.0,
        rules: weir_types::KeyRules::default(),
        enabled: true,
        use_for_batch_api: false,
        server: 0,
    };
    let keys = keys.iter().map(key).collect();
    ProviderSettings { concurrency, buffer, keys, ..ProviderSettings::new("openai".into()) }
}

fn pool_of(store: Arc<dyn QuotaStore>, provider: &ProviderSettings) -> Arc<Pool> {
    Pool::new(provider, store, ROUTER, Timing::default(), false)
}

fn class(keys: &[&str]) -> Class {
    Class {
        model: "gpt".into(),
        operation: "chat".into(),
        keys: keys.iter().map(|key| KeyName::from(*key)).collect(),
    }
}

fn ask(keys: &[&str]) -> QueuePlace {
    QueuePlace {
        class: class(keys),
        delay: Duration::ZERO,
        arrival: None,
        wait_for_cooldown: false,
        only_free: false,
    }
}

fn soon() -> Instant {
    now() + Duration::from_secs(60)
}

fn at_once(pool: &Arc<Pool>, keys: &[&str]) -> Result<Lease, Rejection> {
    pool.acquire(ask(keys), soon()).now_or_never().expect("a ready store needs no task")
}

fn held(store: &MemoryStore) -> (usize, usize) {
    let snapshot: Snapshot = store.snapshot(&"openai".into()).unwrap();
    (snapshot.leases.len(), snapshot.tickets.len())
}

fn slow_down() -> Cause {
    Cause {
        class: FailureClass::RateLimited,
        said: "slow down".into(),
        code: None,
        is_named: true,
        status: 429,
    }
}

fn cool(key: &str, retry_after: Duration) -> Outcome {
    let scope = Scope::KeyModel(key.into(), "gpt".into());
    let retry_after = Some(crate::plan::micros(retry_after));
    let (base, max, note) = (1, 600_000_000, slow_down().note());
    let missing = false;
    Outcome { health: vec![Health::Cool { scope, retry_after, base, max, missing, note }] }
}

fn keep(pool: &Arc<Pool>) -> tokio::task::JoinHandle<()> {
    tokio::spawn(pool.clone().keep(Arc::new(Metrics::default())))
}

#[tokio::test(start_paused = true)]
async fn a_ready_store_grants_without_a_task_and_slots_come_back_in_every_way() {
    let store = memory();
    let pool = pool_of(store.clone(), &provider(2, 10, &["a", "b"]));
    let first = at_once(&pool, &["a", "b"]).unwrap();
    let second = at_once(&pool, &["a", "b"]).unwrap();
    assert_ne!(first.key(), second.key());
    assert_eq!(held(&store), (2, 0));
    first.settle(Outcome::default());
    assert_eq!(held(&store), (1, 0));
    drop(second);
    assert_eq!(held(&store), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_freed_slot_goes_to_the_oldest_waiter_and_a_dropped_wait_leaves() {
    let store = memory();
    let pool = pool_of(store.clone(), &provider(1, 10, &["a"]));
    let lease = at_once(&pool, &["a"]).unwrap();
    let mut gone = Box::pin(pool.acquire(ask(&["a"]), soon()));
    let mut oldest = Box::pin(pool.acquire(ask(&["a"]), soon()));
    let mut youngest = Box::pin(pool.acquire(ask(&["a"]), soon()));
    for waiting in [&mut gone, &mut oldest, &mut youngest] {
        assert!(waiting.now_or_never().is_none());
    }
    assert_eq!(held(&store), (1, 3));
    drop(gone);
    assert_eq!(held(&store), (1, 2));
    drop(lease);
    assert!((&mut youngest).now_or_never().is_none());
    let second = oldest.now_or_never().unwrap().unwrap();
    assert_eq!(held(&store), (1, 1));
    second.settle(Outcome::default());
    // Granted, and dropped before anybody looked.
    assert_eq!(held(&store), (1, 0));
    drop(youngest);
    assert_eq!(held(&store), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_full_buffer_and_a_passed_deadline_refuse() {
    let store = memory();
    let pool = pool_of(store.clone(), &provider(1, 1, &["a"]));
    let keeper = keep(&pool);
    let lease = at_once(&pool, &["a"]).unwrap();
    let deadline = now() + Duration::from_secs(3);
    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move { pool.acquire(ask(&["a"]), deadline).await }
    });
    tokio::task::yield_now().await;
    assert!(matches!(at_once(&pool, &["a"]), Err(Rejection::Full { .. })));
    assert_eq!(waiting.await.unwrap().unwrap_err(), Rejection::Deadline);
    assert_eq!(now(), deadline);
    assert_eq!(held(&store), (1, 0));
    drop(lease);
    keeper.abort();
}

#[tokio::test(start_paused = true)]
async fn a_rotate_keeps_the_slot_and_a_wait_gives_it_up_until_its_delay_is_over() {
    let store = memory();
    let pool = pool_of(store.clone(), &provider(1, 10, &["a", "b"]));
    let keeper = keep(&pool);
    let lease = at_once(&pool, &["a"]).unwrap();
    let hour = Duration::from_secs(3600);
    let rotated = lease.rotate(cool("a", hour), class(&["b"]), None, soon());
    let lease = rotated.granted().now_or_never().unwrap().unwrap();
    assert_eq!((&**lease.key(), lease.is_from_then()), ("b", false));
    assert!(lease.may_probe());
    assert_eq!(held(&store), (1, 0));

    let start = now();
    let delay = Duration::from_secs(2);
    let then = QueuePlace { delay, ..ask(&["b"]) };
    let waiting = tokio::spawn(lease.settle_then(Outcome::default(), then, soon()).granted());
    assert_eq!(held(&store), (0, 1));
    // The slot serves somebody else meanwhile.
    drop(at_once(&pool, &["b"]).unwrap());
    let lease = waiting.await.unwrap().unwrap();
    let waited = now() - start;
    assert!(waited >= delay && waited < delay + Duration::from_millis(10), "{waited:?}");
    drop(lease);
    assert_eq!(held(&store), (0, 0));
    keeper.abort();
}

#[tokio::test(start_paused = true)]
async fn a_rotate_without_a_key_settles_and_goes_on_with_its_ticket() {
    let store = memory();
    let pool = pool_of(store.clone(), &provider(1, 10, &["a", "b"]));
    let keeper = keep(&pool);
    let rest = Duration::from_secs(5);
    let lease = at_once(&pool, &["b"]).unwrap();
    lease.settle(cool("b", rest));
    let lease = at_once(&pool, &["a"]).unwrap();
    let rotated = lease.rotate(cool("a", rest), class(&["b"]), None, soon());
    let refused = rotated.granted().now_or_never().unwrap().unwrap_err();
    assert!(matches!(refused, Rejection::NoKey { .. }), "{refused:?}");
    assert_eq!(held(&store), (0, 0));

    // Each scope admits one probe after its rest.
    tokio::time::advance(rest).await;
    let lease = at_once(&pool, &["a"]).unwrap();
    let start = now();
    let then = QueuePlace { wait_for_cooldown: true, ..ask(&["a"]) };
    let rotated = lease.rotate(cool("a", rest), class(&[]), Some(then), soon());
    assert_eq!(held(&store), (0, 1));
    let lease = rotated.granted().await.unwrap();
    assert!(lease.is_from_then());
    let waited = now() - start;
    assert!(waited >= rest && waited < rest + Duration::from_millis(10), "{waited:?}");
    drop(lease);
    assert_eq!(held(&store), (0, 0));
    keeper.abort();
}

#[tokio::test(start_paused = true)]
async fn a_lease_lives_while_it_is_kept_and_not_much_longer() {
    let store = memory();
    let pool = pool_of(store.clone(), &provider(1, 10, &["a"]));
    let keeper = keep(&pool);
    let lease = at_once(&pool, &["a"]).unwrap();
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(held(&store), (1, 0));
    keeper.abort();
    tokio::time::sleep(Duration::from_secs(11)).await;
    // Another router finds the slot free.
    let provider = provider(1, 10, &["a"]);
    let other = Pool::new(&provider, store.clone(), Incarnation(8), Timing::default(), false);
    let taken = other.acquire(ask(&["a"]), soon()).now_or_never().unwrap().unwrap();
    assert_eq!(held(&store), (1, 0));
    // The late settle of the first one frees nothing of the second.
    drop(lease);
    assert_eq!(held(&store), (1, 0));
    drop(taken);
}

#[tokio::test(start_paused = true)]
async fn a_slot_freed_by_another_router_is_claimed_when_the_bell_rings() {
    let store = memory();
    let settings = provider(1, 10, &["a"]);
    let one = pool_of(store.clone(), &settings);
    let two = Pool::new(&settings, store.clone(), Incarnation(8), Timing::default(), false);
    let ringing = two.clone();
    store.on_bell(Arc::new(move |_| ringing.ring()));
    let keepers = [keep(&one), keep(&two)];
    let lease = at_once(&one, &["a"]).unwrap();
    let waiting = tokio::spawn({
        let two = two.clone();
        async move { two.acquire(ask(&["a"]), soon()).await }
    });
    tokio::time::sleep(Duration::from_millis(1)).await;
    let start = now();
    drop(lease);
    let lease = waiting.await.unwrap().unwrap();
    assert!(now() - start < Duration::from_millis(5), "{:?}", now() - start);
    drop(lease);
    assert_eq!(held(&store), (0, 0));
    keepers.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_for_cooling_keys_says_why_they_cool_at_whichever_router() {
    let store = memory();
    let settings = provider(1, 10, &["a"]);
    let pool = pool_of(store.clone(), &settings);
    let other = Pool::new(&settings, store.clone(), Incarnation(8), Timing::default(), false);
    let lease = at_once(&pool, &["a"]).unwrap();
    lease.settle(cool("a", Duration::from_secs(30)));
    tokio::time::advance(Duration::from_secs(10)).await;
    for pool in [pool, other] {
        let Err(Rejection::NoKey { until, cause, .. }) = at_once(&pool, &["a"]) else {
            panic!("the key cools");
        };
        assert_eq!(until, Some(Duration::from_secs(20)));
        assert_eq!(cause, Some(slow_down()));
    }
    assert_eq!(held(&store), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn limits_of_an_older_configuration_are_overwritten_once_and_newer_ones_obeyed() {
    let store = memory();
    let old = provider(1, 10, &["a"]);
    drop(at_once(&pool_of(store.clone(), &old), &["a"]).unwrap());
    let new = provider(2, 10, &["a"]);
    let router = |number: u64, settings: &ProviderSettings| {
        Pool::new(settings, store.clone(), Incarnation(number), Timing::default(), false)
    };
    let replaced = router(8, &new);
    drop(at_once(&replaced, &["a"]).unwrap());
    assert_eq!(store.snapshot(&"openai".into()).unwrap().limits.concurrency, 2);
    assert!(!replaced.is_skewed());
}
