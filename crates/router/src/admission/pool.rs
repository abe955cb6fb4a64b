//! Carries batches between the state and the store: one at a time, each with all that has come
//! up since the last.
//!
//! A store that answers at once is executed on the spot, without a task or a wake-up; one that
//! makes us wait is driven by a task of its own. The lock is held for bookkeeping only, never
//! while the store works or a waiter is woken.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use tokio::sync::Notify;
use weir_quota::{
    BatchReply, ExecuteFuture, Incarnation, Outcome, PoolStatus, QuotaStore, StoreError, Timing,
};
use weir_types::{ProviderName, QuotaMode};

use super::limits::limits;
use super::state::State;
use crate::settings::ProviderSettings;

/// One provider's slots and keys, as this process deals with them.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(super) name: ProviderName,
    store: Arc<dyn QuotaStore>,
    pub(super) timing: Timing,
    pub(super) state: Mutex<State>,
    /// Wakes the keeper before its time.
    pub(super) changed: Notify,
    /// Its provider is configured no longer.
    retired: AtomicBool,
    /// A batch that left where no runtime could drive it; the keeper does.
    orphan: Mutex<Option<Orphan>>,
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
        let limits = limits(provider);
        Arc::new(Self {
            name: provider.name.clone(),
            store,
            timing,
            state: Mutex::new(State::new(router, limits, timing, serves_share)),
            changed: Notify::new(),
            retired: AtomicBool::new(false),
            orphan: Mutex::default(),
        })
    }

    /// Puts other limits in force, for all routers.
    pub(crate) fn resize(self: &Arc<Self>, provider: &ProviderSettings) {
        let limits = limits(provider);
        self.with(|state, _| state.resize(limits));
        self.changed.notify_one();
    }

    /// Whether its provider is configured no longer: it ends when nothing is held of it.
    pub(crate) fn retire(&self, is_retired: bool) {
        self.retired.store(is_retired, Ordering::Relaxed);
        self.changed.notify_one();
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Relaxed)
    }

    /// Whether nobody will ask for it any more: those who might hold it, but for the list of pools and
    /// its keeper, are gone, and they left nothing.
    pub(super) fn is_done(self: &Arc<Self>) -> bool {
        self.is_retired() && Arc::strong_count(self) <= 2 && self.lock().is_empty()
    }

    /// Whether the store has ever answered for this pool.
    pub(crate) fn is_reached(&self) -> bool {
        self.lock().reached()
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
        self.lock().status
    }

    /// A hand-off may wait for us.
    pub(crate) fn ring(&self) {
        self.lock().ring();
        self.changed.notify_one();
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and says what there is to say.
    pub(super) fn with<T>(self: &Arc<Self>, change: impl FnOnce(&mut State, Instant) -> T) -> T {
        let now = now();
        let mut state = self.lock();
        let result = change(&mut state, now);
        self.pump(state, now);
        result
    }

    /// Gives a lease back.
    pub(super) fn settle(self: &Arc<Self>, lease: u64, outcome: Outcome) {
        self.with(|state, now| state.settle(lease, outcome, None, now));
    }

    /// Sends batches until there is nothing to say or the store makes us wait. What a store
    /// answers at once counts as answered at `now`: reading a clock is not free.
    fn pump<'a>(self: &'a Arc<Self>, mut state: MutexGuard<'a, State>, now: Instant) {
        loop {
            if let Some(wakers) = state.serve_share(now) {
                state = self.wake(state, wakers, now);
                continue;
            }
            let Some(batch) = state.next_batch(now) else {
                return;
            };
            drop(state);
            let mut running = self.store.execute(&self.name, batch);
            let mut context = Context::from_waker(Waker::noop());
            match running.as_mut().poll(&mut context) {
                Poll::Ready(result) => state = self.absorb(result, now),
                Poll::Pending => return self.drive(running),
            }
        }
    }

    fn absorb(
        &self,
        result: Result<BatchReply, StoreError>,
        now: Instant,
    ) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        let wakers = state.absorb(result, now);
        self.wake(state, wakers, now)
    }

    /// Wakes requests, and the keeper if it sleeps for too long now, without the lock.
    fn wake<'a>(
        &'a self,
        state: MutexGuard<'a, State>,
        wakers: Vec<Waker>,
        now: Instant,
    ) -> MutexGuard<'a, State> {
        let early = state.armed.is_some_and(|armed| state.next_poll(now) < armed);
        if wakers.is_empty() && !early {
            return state;
        }
        drop(state);
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

/// The state waits for the result of its batch. If the task that would bring it ends early, or
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
        let now = now();
        let state = pool.absorb(result, now);
        pool.pump(state, now);
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        if !self.paid {
            let why = "the task that waited for the answer was ended".to_owned();
            drop(self.pool.absorb(Err(StoreError::Unanswered(why)), now()));
            self.pool.changed.notify_one();
        }
    }
}

impl std::fmt::Debug for Orphan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Orphan")
    }
}

/// The runtime's clock, which tests can stop.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
