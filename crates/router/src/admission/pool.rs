//! Carries batches between the client and the store: one at a time, each with all that has come
//! up since the last.
//!
//! A store that answers at once is executed on the spot, without a task or a wake-up; one that
//! makes us wait is driven by a task of its own. The lock is held for bookkeeping only, never
//! while the store works or a waiter is woken.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use weir_quota::{
    BatchReply, ExecuteFuture, Health, Incarnation, Micros, Outcome, PoolStatus, QuotaStore, Sight,
    StoreError, Timing,
};
use weir_quota_client::{Defect, PoolClient};
use weir_types::{ProviderName, QuotaMode};

use super::limits::limits;
use crate::clock::now;
use crate::retries::Retries;
use crate::settings::ProviderSettings;

/// A process that ends does not wait longer for the store.
const FAREWELL_MAX: Duration = Duration::from_millis(500);

/// A lease that is given back to a store with half of its slots free waits so long for the next request,
/// which takes the word along: below some hundreds of requests per second that halves what the store
/// has to do.
const PATIENCE: Micros = 5_000;

/// The bookkeeping of one pool, where requests that wait are woken by their tasks' wakers.
type Client = PoolClient<Waker>;

/// One provider's slots and keys, as this process deals with them.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(super) name: ProviderName,
    pub(super) store: Arc<dyn QuotaStore>,
    client: Mutex<Client>,
    /// What requests of this router may be tried again here.
    pub(crate) retries: Retries,
    /// The client counts its time from then on.
    begun: Instant,
    /// Wakes the keeper before its time.
    pub(super) changed: Notify,
    /// The pool knows that this process goes.
    gone: Notify,
    /// How often the process stood still and leases were lost.
    pub(super) stops: AtomicU64,
    /// Its provider is configured no longer.
    retired: AtomicBool,
    /// A batch that left where no runtime could drive it; the keeper does.
    orphan: Mutex<Option<Orphan>>,
}

/// A pool, as `explain` shows it.
#[derive(Debug)]
pub(crate) struct Looked {
    pub(crate) mode: QuotaMode,
    /// As it was when this router last heard of it.
    pub(crate) status: PoolStatus,
    pub(crate) is_skewed: bool,
    pub(crate) heard_ago: Option<Duration>,
    /// For how long this router has seen the limits of `sight` in force.
    pub(crate) obeyed_for: Option<Duration>,
    /// Empty: there is none.
    pub(crate) trouble: String,
    /// As it is now: the share that is served, if one is, else the pool.
    pub(crate) sight: Option<Sight>,
}

/// A batch under way, and the debt of its result.
pub(super) struct Orphan {
    running: ExecuteFuture,
    owed: Owed,
}

// === impl Pool ===

impl Pool {
    pub(crate) fn new(
        provider: &ProviderSettings,
        store: Arc<dyn QuotaStore>,
        router: Incarnation,
        timing: Timing,
        serves_share: bool,
    ) -> Arc<Self> {
        let patience = if store.is_remote() { PATIENCE } else { 0 };
        let client = PoolClient::new(router, limits(provider), timing, serves_share, 0)
            .with_patience(patience);
        Arc::new(Self {
            name: provider.name.clone(),
            store,
            client: Mutex::new(client),
            retries: Retries::new(),
            begun: now(),
            changed: Notify::new(),
            gone: Notify::new(),
            stops: AtomicU64::new(0),
            retired: AtomicBool::new(false),
            orphan: Mutex::default(),
        })
    }

    /// Puts other limits in force, for all routers.
    pub(crate) fn resize(self: &Arc<Self>, provider: &ProviderSettings) {
        let limits = limits(provider);
        self.with(|client, _| client.resize(limits));
        self.changed.notify_one();
    }

    /// Whether its provider is configured no longer: it ends when nothing is held of it.
    pub(crate) fn retire(&self, is_retired: bool) {
        self.retired.store(is_retired, Ordering::Relaxed);
        self.changed.notify_one();
    }

    /// Whether nobody will ask for it any more: those who might hold it, but for the list of pools and
    /// its keeper, are gone, and they left nothing.
    pub(crate) fn is_done(self: &Arc<Self>) -> bool {
        self.retired.load(Ordering::Relaxed)
            && Arc::strong_count(self) <= 2
            && self.lock().is_empty()
    }

    /// Whether requests can be served: the pool has answered, and knew who holds what of it.
    pub(crate) fn is_ready(&self) -> bool {
        self.lock().is_ready()
    }

    /// Tells the pool that this process goes, which gives back all that it holds. Nothing is said after
    /// that. Waits for the answer, as long as for any two.
    pub(crate) async fn leave(self: &Arc<Self>) {
        self.with(|client, _| client.leave_pool());
        let told = async {
            while !self.lock().is_gone() {
                self.gone.notified().await;
            }
        };
        let _told_in_time = tokio::time::timeout(FAREWELL_MAX, told).await;
    }

    /// Whether other limits than ours are in force.
    pub(crate) fn is_skewed(&self) -> bool {
        self.lock().skewed()
    }

    /// How the limits are kept at present.
    pub(crate) fn mode(&self) -> QuotaMode {
        self.lock().mode()
    }

    /// What the pool looked like when it last answered.
    pub(crate) fn status(&self) -> PoolStatus {
        self.lock().status()
    }

    /// What the pool looks like to whoever asks about `model`, and how that is known. Changes nothing.
    pub(crate) async fn look(&self, model: &Arc<str>) -> Looked {
        let now = self.now();
        let (mut looked, share) = {
            let client = self.lock();
            let heard = client.heard_at().map(|at| now.saturating_sub(at));
            let looked = Looked {
                mode: client.mode(),
                status: client.status(),
                is_skewed: client.skewed(),
                heard_ago: heard.map(Duration::from_micros),
                obeyed_for: None,
                trouble: client.trouble().to_owned(),
                sight: None,
            };
            (looked, client.share_sight(model, now))
        };
        looked.sight = match share {
            Some(share) => Some(share),
            None => self.store.look(&self.name, model).await.unwrap_or_else(|error| {
                looked.trouble = error.to_string();
                None
            }),
        };
        let in_force = looked.sight.as_ref().map(|sight| sight.limits.hash);
        let since = in_force.and_then(|hash| self.lock().obeyed_since(hash));
        looked.obeyed_for =
            since.map(|since| Duration::from_micros(self.now().saturating_sub(since)));
        looked
    }

    /// Something was learnt otherwise than by a call.
    pub(crate) fn learn(self: &Arc<Self>, health: &[Health]) {
        self.with(|client, _| client.learn(health));
    }

    /// A hand-off may wait for us.
    pub(crate) fn ring(&self) {
        self.lock().ring();
        self.changed.notify_one();
    }

    /// The client's time.
    pub(super) fn now(&self) -> Micros {
        self.micros_of(now())
    }

    /// The client's time of a moment.
    pub(super) fn micros_of(&self, moment: Instant) -> Micros {
        crate::plan::micros(moment.saturating_duration_since(self.begun))
    }

    /// The moment of a time of the client's.
    pub(super) fn moment_of(&self, time: Micros) -> Instant {
        self.begun + Duration::from_micros(time)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Client> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the client and says what there is to say.
    pub(super) fn with<T>(self: &Arc<Self>, change: impl FnOnce(&mut Client, Micros) -> T) -> T {
        let now = self.now();
        let mut client = self.lock_alive(now);
        let result = change(&mut client, now);
        self.pump(client, now);
        result
    }

    /// The client, once it is known whether the process stood still until now.
    fn lock_alive(&self, now: Micros) -> MutexGuard<'_, Client> {
        let mut client = self.lock();
        let Some(wakers) = client.lives(now) else {
            return client;
        };
        self.stops.fetch_add(1, Ordering::Release);
        tracing::warn!(
            calls = client.lost_calls(),
            "the process stood still: calls without a slot are ended"
        );
        drop(client);
        wakers.into_iter().for_each(Waker::wake);
        self.changed.notify_one();
        self.lock()
    }

    /// Gives a lease back.
    pub(super) fn settle(self: &Arc<Self>, lease: u64, outcome: Outcome) {
        self.with(|client, now| client.settle(lease, outcome, None, now));
    }

    /// Sends batches until there is nothing to say or the store makes us wait. What a store
    /// answers at once counts as answered at `now`: reading a clock is not free.
    fn pump<'a>(self: &'a Arc<Self>, mut client: MutexGuard<'a, Client>, now: Micros) {
        loop {
            if let Some(wakers) = client.serve_share(now) {
                client = self.wake(client, wakers, now);
                continue;
            }
            let Some(batch) = client.next_batch(now) else {
                if client.is_patient(now) && client.oversleeps(now) {
                    self.changed.notify_one();
                }
                return;
            };
            drop(client);
            let mut running = self.store.execute(&self.name, batch);
            let mut context = Context::from_waker(Waker::noop());
            match running.as_mut().poll(&mut context) {
                Poll::Ready(result) => client = self.absorb(result, now),
                Poll::Pending => return self.drive(running),
            }
        }
    }

    fn absorb(
        &self,
        result: Result<BatchReply, StoreError>,
        now: Micros,
    ) -> MutexGuard<'_, Client> {
        let mut client = self.lock_alive(now);
        let wakers = client.absorb(result, now);
        if client.is_gone() {
            self.gone.notify_one();
        }
        self.wake(client, wakers, now)
    }

    /// Wakes requests, and the keeper if it sleeps for too long now, without the lock.
    fn wake<'a>(
        &'a self,
        mut client: MutexGuard<'a, Client>,
        wakers: Vec<Waker>,
        now: Micros,
    ) -> MutexGuard<'a, Client> {
        if let Some(Defect { why, commands }) = client.take_defect() {
            tracing::error!(why, commands, "the quota store refused a batch");
        }
        let early = client.oversleeps(now);
        if wakers.is_empty() && !early {
            return client;
        }
        drop(client);
        wakers.into_iter().for_each(Waker::wake);
        if early {
            self.changed.notify_one();
        }
        self.lock()
    }

    /// Lets a task wait for the store.
    fn drive(self: &Arc<Self>, running: ExecuteFuture) {
        let owed = Owed { pool: self.clone(), paid: false };
        let orphan = Orphan { running, owed };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(orphan.finish());
            return;
        }
        *self.orphan.lock().unwrap_or_else(PoisonError::into_inner) = Some(orphan);
        self.changed.notify_one();
    }

    pub(super) fn take_orphan(&self) -> Option<Orphan> {
        self.orphan.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The client waits for the result of its batch. If the task that would bring it ends early, or
/// never starts, the batch counts as unanswered.
struct Owed {
    pool: Arc<Pool>,
    paid: bool,
}

// === impl Orphan ===

impl Orphan {
    /// Waits for the batch and takes in its result, then sends what has come up meanwhile.
    pub(super) async fn finish(mut self) {
        let result = self.running.await;
        self.owed.paid = true;
        let pool = &self.owed.pool;
        let now = pool.now();
        let client = pool.absorb(result, now);
        pool.pump(client, now);
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        if !self.paid {
            let why = "the task that waited for the answer was ended".to_owned();
            drop(self.pool.absorb(Err(StoreError::Unanswered(why)), self.pool.now()));
            self.pool.changed.notify_one();
        }
    }
}

impl std::fmt::Debug for Orphan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Orphan")
    }
}
