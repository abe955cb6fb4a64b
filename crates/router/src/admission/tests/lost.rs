//! A store that routers lose and find again, together or one by one, while they serve their shares.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use weir_quota::{Batch, Bell, ExecuteFuture, Machine, StoreError};
use weir_types::{ProviderName, QuotaMode};

use super::*;

/// One pool with a grace, which some routers cannot reach.
#[derive(Clone)]
pub(super) struct Store {
    machine: Arc<Mutex<Machine>>,
    cut_off: Arc<Mutex<HashSet<Incarnation>>>,
    late: Arc<Mutex<HashSet<Incarnation>>>,
    /// Answers hellos and nothing else.
    is_curt: Arc<AtomicBool>,
    /// Its bell is not heard.
    pub(super) is_deaf: Arc<AtomicBool>,
    start: tokio::time::Instant,
}

impl Store {
    pub(super) fn new() -> Self {
        let machine = Arc::new(Mutex::new(Machine::new(Timing::default())));
        let (cut_off, late) = (Arc::default(), Arc::default());
        let (is_curt, is_deaf) = (Arc::default(), Arc::default());
        Self { machine, cut_off, late, is_curt, is_deaf, start: tokio::time::Instant::now() }
    }

    pub(super) fn cut(&self, routers: &[u64]) {
        *self.cut_off.lock().unwrap() = routers.iter().copied().map(Incarnation).collect();
    }

    pub(super) fn leases(&self) -> usize {
        self.machine.lock().unwrap().snapshot().leases.len()
    }

    pub(super) fn limits(&self) -> weir_quota::Limits {
        self.machine.lock().unwrap().snapshot().limits
    }

    /// What these say is heard, and what they are answered comes too late.
    pub(super) fn delay(&self, routers: &[u64]) {
        *self.late.lock().unwrap() = routers.iter().copied().map(Incarnation).collect();
    }

    pub(super) fn routers(&self) -> usize {
        self.machine.lock().unwrap().snapshot().routers.len()
    }

    /// Another server that knows nothing.
    pub(super) fn replace(&self) {
        *self.machine.lock().unwrap() = Machine::new(Timing::default());
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}

impl QuotaStore for Store {
    fn execute(&self, _pool: &ProviderName, batch: Batch) -> ExecuteFuture {
        let store = self.clone();
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            let is_curt = batch.session != 0 && store.is_curt.load(Ordering::Relaxed);
            if is_curt || store.cut_off.lock().unwrap().contains(&batch.router) {
                return Err(StoreError::Unanswered("cut off".to_owned()));
            }
            let raw = u64::try_from(store.start.elapsed().as_micros()).unwrap();
            let executed = store.machine.lock().unwrap().execute(raw, &batch)?;
            if store.late.lock().unwrap().contains(&batch.router) {
                tokio::time::sleep(Duration::from_millis(250)).await;
                return Err(StoreError::Unanswered("late".to_owned()));
            }
            Ok(executed.reply)
        })
    }

    fn on_bell(&self, _bell: Bell) {}

    fn hears_bell(&self) -> bool {
        !self.is_deaf.load(Ordering::Relaxed)
    }
}

/// Routers 1 to `count` over one store, all known to each other and past the first grace.
pub(super) async fn routers(
    store: &Store,
    count: u64,
    settings: &ProviderSettings,
) -> (Vec<Arc<Pool>>, Vec<tokio::task::JoinHandle<()>>) {
    let pool = |number| {
        let store: Arc<dyn QuotaStore> = Arc::new(store.clone());
        Pool::new(settings, store, Incarnation(number), Timing::default(), true)
    };
    let pools: Vec<_> = (1..=count).map(pool).collect();
    let keepers = pools.iter().map(keep).collect();
    tokio::time::sleep(Duration::from_secs(12)).await;
    (pools, keepers)
}

pub(super) fn modes(pools: &[Arc<Pool>]) -> Vec<QuotaMode> {
    pools.iter().map(|pool| pool.mode()).collect()
}

/// Asks for so many slots; those that come within a second.
pub(super) async fn take(pool: &Arc<Pool>, wanted: usize) -> Vec<Lease> {
    let one = || async {
        let acquire = pool.acquire(ask(&["a"]), soon());
        tokio::time::timeout(Duration::from_secs(1), acquire).await.ok()?.ok()
    };
    let taken = futures_util::future::join_all((0..wanted).map(|_| one())).await;
    taken.into_iter().flatten().collect()
}

#[tokio::test(start_paused = true)]
async fn each_router_serves_its_part_and_together_they_keep_the_limit() {
    let store = Store::new();
    let (pools, keepers) = routers(&store, 3, &provider(7, 100, &["a"])).await;
    let before = take(&pools[0], 1).await;
    store.cut(&[1, 2, 3]);
    let mut leases = Vec::new();
    for pool in &pools {
        leases.push(take(pool, 20).await);
    }
    assert_eq!(modes(&pools), [QuotaMode::Share; 3]);
    // 3, 2 and 2; the first holds one already.
    assert_eq!(leases.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 2]);
    // What is given back goes to the next.
    leases[1].pop();
    assert_eq!(take(&pools[1], 2).await.len(), 1);
    drop(before);
    // A long time alone: leases of a share are kept too.
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(take(&pools[1], 1).await.len(), 1, "the one taken above was dropped");
    store.cut(&[]);
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert_eq!(modes(&pools), [QuotaMode::Exact; 3]);
    // 2 + 1 + 2 are held, and the whole limit is back.
    assert_eq!(store.leases(), 5);
    let rest = take(&pools[2], 20).await;
    assert_eq!(rest.len(), 2);
    drop((leases, rest));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(store.leases(), 0);
    assert!(pools.iter().all(|pool| pool.lock().is_empty()));
    keepers.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(start_paused = true)]
async fn waiters_move_into_the_share_and_back_in_their_order() {
    let store = Store::new();
    let (pools, keepers) = routers(&store, 2, &provider(2, 100, &["a"])).await;
    let mut held = take(&pools[0], 2).await;
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut waiting = Vec::new();
    for number in 0..4 {
        let (pool, order) = (pools[0].clone(), order.clone());
        waiting.push(tokio::spawn(async move {
            let lease = pool.acquire(ask(&["a"]), soon()).await.unwrap();
            order.lock().unwrap().push(number);
            tokio::time::sleep(Duration::from_secs(3)).await;
            drop(lease);
        }));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    store.cut(&[1, 2]);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(pools[0].mode(), QuotaMode::Share);
    // Its share is 1, and 2 are held: the first end frees nothing.
    held.pop();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(*order.lock().unwrap(), [0; 0]);
    held.pop();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(*order.lock().unwrap(), [0]);
    store.cut(&[]);
    futures_util::future::join_all(waiting).await;
    assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(store.leases(), 0);
    keepers.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(start_paused = true)]
async fn a_lost_store_costs_no_request_more_than_two_tries() {
    let store = Store::new();
    let (pools, keepers) = routers(&store, 1, &provider(4, 10, &["a"])).await;
    store.cut(&[1]);
    let start = now();
    assert_eq!(take(&pools[0], 1).await.len(), 1);
    // Two budgets, of a millisecond each here.
    assert!(now() - start <= Duration::from_millis(4), "{:?}", now() - start);
    assert!(pools[0].acquire(ask(&["a"]), soon()).now_or_never().unwrap().is_ok());
    keepers.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(start_paused = true)]
async fn a_router_whose_share_is_nothing_or_that_never_reached_the_pool_refuses() {
    let store = Store::new();
    let (pools, keepers) = routers(&store, 3, &provider(2, 100, &["a"])).await;
    store.cut(&[1, 2, 3, 4]);
    let settings = provider(2, 100, &["a"]);
    let fourth: Arc<dyn QuotaStore> = Arc::new(store.clone());
    let fourth = Pool::new(&settings, fourth, Incarnation(4), Timing::default(), true);
    for pool in [&pools[2], &fourth] {
        let refused = pool.acquire(ask(&["a"]), soon()).await.unwrap_err();
        assert!(matches!(refused, Rejection::Unavailable(_)), "{refused:?}");
        assert_eq!(pool.mode(), QuotaMode::Refuse);
    }
    assert_eq!(take(&pools[0], 5).await.len(), 1);
    keepers.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(start_paused = true)]
async fn one_router_cut_off_alone_exceeds_the_limit_by_no_more_than_its_share() {
    let store = Store::new();
    let (pools, keepers) = routers(&store, 3, &provider(6, 100, &["a"])).await;
    store.cut(&[2]);
    let alone = take(&pools[1], 20).await;
    assert_eq!(alone.len(), 2);
    let others = take(&pools[0], 20).await;
    assert_eq!(others.len(), 6);
    store.cut(&[]);
    tokio::time::sleep(Duration::from_secs(8)).await;
    // Counted above the limit; nothing is granted before it is kept again.
    assert_eq!(store.leases(), 8);
    assert_eq!(take(&pools[2], 1).await.len(), 0);
    drop(alone);
    assert_eq!(take(&pools[2], 1).await.len(), 0);
    drop(others);
    assert_eq!(take(&pools[2], 9).await.len(), 6);
    keepers.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_comes_back_empty_hears_of_everything_before_it_grants() {
    let store = Store::new();
    let (pools, keepers) = routers(&store, 2, &provider(4, 100, &["a"])).await;
    store.cut(&[1, 2]);
    let held = [take(&pools[0], 9).await, take(&pools[1], 9).await];
    assert_eq!([held[0].len(), held[1].len()], [2, 2]);
    store.replace();
    store.cut(&[]);
    assert_eq!(take(&pools[0], 3).await.len(), 0);
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert_eq!(store.leases(), 4);
    drop(held);
    assert_eq!(take(&pools[0], 9).await.len(), 4);
    keepers.iter().for_each(tokio::task::JoinHandle::abort);
}

/// Lost for so long that nobody was named within a lease's life, back for one answer, lost again.
#[tokio::test(start_paused = true)]
async fn a_store_that_is_back_for_a_moment_makes_nobodys_share_larger() {
    let store = Store::new();
    let (pools, keepers) = routers(&store, 3, &provider(6, 100, &["a"])).await;
    store.cut(&[1, 2, 3]);
    tokio::time::sleep(Duration::from_secs(60)).await;
    store.is_curt.store(true, Ordering::Relaxed);
    store.cut(&[]);
    tokio::time::sleep(Duration::from_secs(60)).await;
    store.cut(&[1, 2, 3]);
    let mut taken = Vec::new();
    for pool in &pools {
        taken.push(take(pool, 20).await);
    }
    assert_eq!(modes(&pools), [QuotaMode::Share; 3]);
    assert_eq!(taken.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 2]);
    keepers.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_changes_meanwhile_is_divided_at_once_and_whole_afterwards() {
    let store = Store::new();
    let (pools, keepers) = routers(&store, 3, &provider(7, 100, &["a"])).await;
    store.cut(&[1, 2, 3]);
    let mut leases = Vec::new();
    for pool in &pools {
        leases.push(take(pool, 20).await);
    }
    let counts = |leases: &[Vec<Lease>]| leases.iter().map(Vec::len).collect::<Vec<_>>();
    assert_eq!(counts(&leases), [3, 2, 2]);
    pools.iter().for_each(|pool| pool.resize(&provider(12, 100, &["a", "b"])));
    for (pool, held) in pools.iter().zip(&mut leases) {
        held.extend(take(pool, 20).await);
    }
    assert_eq!(counts(&leases), [4, 4, 4]);
    // Fewer slots than routers: what is held stays, and is too much.
    pools.iter().for_each(|pool| pool.resize(&provider(2, 100, &["a"])));
    for (pool, held) in pools.iter().zip(&mut leases) {
        held.truncate(2);
        assert!(take(pool, 5).await.is_empty());
    }
    assert_eq!(store.limits().concurrency, 7);
    store.cut(&[]);
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert_eq!((modes(&pools), store.leases()), (vec![QuotaMode::Exact; 3], 6));
    assert_eq!(store.limits().concurrency, 2);
    leases.iter_mut().for_each(Vec::clear);
    assert_eq!(take(&pools[2], 20).await.len(), 2);
    keepers.iter().for_each(tokio::task::JoinHandle::abort);
}
