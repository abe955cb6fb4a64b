//! Carries batches between the client and the store: one at a time, each with all that has come
//! up since the last.
//!
//! A store that answers at once is executed on the spot, without a task or a wake-up. One across a
//! network has a task of its own, which comes after all that can run now: what that has to say goes
//! along, and each batch has its price there. The lock is held for bookkeeping only, never while the
//! store works or a waiter is woken.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::runtime::Handle;
use weir_quota::{BatchReply, ExecuteFuture, Micros, Outcome, StoreError};
use weir_quota_client::Defect;

use super::{Client, Pool};

/// What there is to say, once all that can run now has had its turn.
struct Gather {
    pool: Arc<Pool>,
    has_begun: bool,
}

/// A batch under way, and the debt of its result.
pub(in crate::admission) struct Orphan {
    running: ExecuteFuture,
    owed: Owed,
}

/// The client waits for the result of its batch. If the task that would bring it ends early, or
/// never starts, the batch counts as unanswered.
struct Owed {
    pool: Arc<Pool>,
    paid: bool,
}

// === impl Pool ===

impl Pool {
    /// Changes the client, and has said what there is to say.
    pub(in crate::admission) fn with<T>(
        self: &Arc<Self>,
        change: impl FnOnce(&mut Client, Micros) -> T,
    ) -> T {
        let now = self.now();
        let mut client = self.lock_alive(now);
        let result = change(&mut client, now);
        let runtime = if self.store.is_remote() { Handle::try_current().ok() } else { None };
        match runtime {
            Some(runtime) => self.gather(&runtime, client, now),
            None => self.pump(client, now).map_or((), |batch| self.drive(batch)),
        }
        result
    }

    /// Leaves it to a task to say what there is to say.
    fn gather<'a>(
        self: &'a Arc<Self>,
        runtime: &Handle,
        client: MutexGuard<'a, Client>,
        now: Micros,
    ) {
        let mut client = self.serve_share(client, now);
        if !client.may_speak(now) {
            self.be_patient(&client, now);
        } else if !self.gathers.swap(true, Ordering::AcqRel) {
            drop(client);
            let gather = Gather { pool: self.clone(), has_begun: false };
            runtime.spawn(gather.speak());
        }
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
    pub(in crate::admission) fn settle(self: &Arc<Self>, lease: u64, outcome: Outcome) {
        self.with(|client, now| client.settle(lease, outcome, None, now));
    }

    /// Sends batches until there is nothing to say or the store makes us wait, then that batch. What a
    /// store answers at once counts as answered at `now`: reading a clock is not free.
    fn pump<'a>(
        self: &'a Arc<Self>,
        mut client: MutexGuard<'a, Client>,
        now: Micros,
    ) -> Option<Orphan> {
        loop {
            client = self.serve_share(client, now);
            let Some(batch) = client.next_batch(now) else {
                self.be_patient(&client, now);
                return None;
            };
            drop(client);
            let mut running = self.store.execute(&self.name, batch);
            let mut context = Context::from_waker(Waker::noop());
            match running.as_mut().poll(&mut context) {
                Poll::Ready(result) => client = self.absorb(result, now),
                Poll::Pending => {
                    let owed = Owed { pool: self.clone(), paid: false };
                    return Some(Orphan { running, owed });
                }
            }
        }
    }

    /// Serves what the share can decide.
    fn serve_share<'a>(
        &'a self,
        mut client: MutexGuard<'a, Client>,
        now: Micros,
    ) -> MutexGuard<'a, Client> {
        while let Some(wakers) = client.serve_share(now) {
            client = self.wake(client, wakers, now);
        }
        client
    }

    /// What waits for company is said by the keeper if none comes.
    fn be_patient(&self, client: &Client, now: Micros) {
        if client.is_patient(now) && client.oversleeps(now) {
            self.changed.notify_one();
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
    fn drive(&self, batch: Orphan) {
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(batch.finish());
            return;
        }
        *self.orphan.lock().unwrap_or_else(PoisonError::into_inner) = Some(batch);
        self.changed.notify_one();
    }

    pub(in crate::admission) fn take_orphan(&self) -> Option<Orphan> {
        self.orphan.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

// === impl Gather ===

impl Gather {
    async fn speak(mut self) {
        self.has_begun = true;
        let pool = self.pool.clone();
        drop(self);
        let now = pool.now();
        if let Some(batch) = pool.pump(pool.lock_alive(now), now) {
            batch.finish().await;
        }
    }
}

impl Drop for Gather {
    fn drop(&mut self) {
        self.pool.gathers.store(false, Ordering::Release);
        if !self.has_begun {
            // Its runtime ended before.
            self.pool.changed.notify_one();
        }
    }
}

// === impl Orphan ===

impl Orphan {
    /// Waits for the batch and takes in its result, then sends what has come up meanwhile.
    pub(in crate::admission) async fn finish(mut self) {
        loop {
            let result = self.running.await;
            self.owed.paid = true;
            let pool = self.owed.pool.clone();
            let now = pool.now();
            match pool.pump(pool.absorb(result, now), now) {
                Some(next) => self = next,
                None => return,
            }
        }
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
