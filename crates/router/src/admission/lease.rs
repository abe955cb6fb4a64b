//! What a request holds: a place in the queue, then a slot with a key. Whatever becomes of the
//! request, dropping either gives it back.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use weir_quota::{Class, Outcome};
use weir_quota_client::{Ask, Found, Refusal};
use weir_types::KeyName;

use super::pool::Pool;
use crate::plan::{Cause, QueuePlace, Rejection, micros};

/// A place in a pool's queue, or a key being changed. Dropping it gives it up, the slot of a
/// rotate included.
#[derive(Debug)]
pub(crate) struct Waiting {
    pool: Arc<Pool>,
    number: u64,
    deadline: Instant,
    moved: bool,
    done: bool,
}

/// A slot and a key. Dropping it gives the slot back and teaches nothing.
#[derive(Debug)]
pub(crate) struct Lease {
    pool: Arc<Pool>,
    number: u64,
    key: KeyName,
    arrival: u64,
    /// The lease came from the ticket that a rotate went on with.
    from_then: bool,
    may_probe: bool,
    settled: bool,
    /// How often leases had been lost when this one was last known not to be.
    stops: AtomicU64,
}

/// Ready when a lease is lost.
pub(crate) struct Watch {
    /// Who is woken.
    told: Option<Waker>,
}

// === impl Pool: the ways in ===

impl Pool {
    /// A slot and a key, once there are any, at the latest at `deadline`. Dropping the future
    /// gives up the place.
    pub(crate) async fn acquire(
        self: &Arc<Self>,
        ask: QueuePlace,
        deadline: Instant,
    ) -> Result<Lease, Rejection> {
        self.enter(ask, deadline).granted().await
    }

    /// Enters the queue, at once.
    pub(super) fn enter(self: &Arc<Self>, ask: QueuePlace, deadline: Instant) -> Waiting {
        let (ask, until) = (asked(ask), self.micros_of(deadline));
        let number = self.with(|client, now| client.enter(ask, until, now));
        Waiting::new(self.clone(), number, deadline)
    }
}

// === impl Watch ===

impl Watch {
    pub(crate) const fn new() -> Self {
        Self { told: None }
    }
}

// === impl Waiting ===

impl Waiting {
    fn new(pool: Arc<Pool>, number: u64, deadline: Instant) -> Self {
        Self { pool, number, deadline, moved: false, done: false }
    }

    /// The slot, or why there is none, at the latest at the deadline. No timer is made for an
    /// answer that is there already.
    pub(crate) async fn granted(mut self) -> Result<Lease, Rejection> {
        if let Poll::Ready(result) = self.look(None) {
            return result;
        }
        let deadline = self.deadline.into();
        let in_time = tokio::time::timeout_at(deadline, &mut self).await;
        in_time.unwrap_or(Err(Rejection::Deadline))
    }

    fn look(&mut self, waker: Option<&Waker>) -> Poll<Result<Lease, Rejection>> {
        loop {
            let found = self.pool.lock().find(self.number, waker);
            match found {
                Found::Pending => return Poll::Pending,
                Found::Moved(then) => {
                    self.number = then;
                    self.moved = true;
                }
                Found::Refused(refusal) => {
                    self.done = true;
                    return Poll::Ready(Err(rejection(refusal)));
                }
                Found::Granted { key, arrival, may_probe } => {
                    self.done = true;
                    return Poll::Ready(Ok(Lease {
                        pool: self.pool.clone(),
                        number: self.number,
                        key,
                        arrival,
                        from_then: self.moved,
                        may_probe,
                        settled: false,
                        stops: AtomicU64::new(self.pool.stops.load(Ordering::Acquire)),
                    }));
                }
            }
        }
    }
}

impl Future for Waiting {
    type Output = Result<Lease, Rejection>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.look(Some(context.waker()))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.done {
            self.pool.with(|client, _| client.withdraw(self.number));
        }
    }
}

// === impl Lease ===

impl Lease {
    /// The key to use.
    pub(crate) fn key(&self) -> &KeyName {
        &self.key
    }

    /// The arrival number, to be kept for retries.
    pub(crate) fn arrival(&self) -> u64 {
        self.arrival
    }

    /// Whether a rotate found no key and this is the ticket it went on with.
    pub(crate) fn is_from_then(&self) -> bool {
        self.from_then
    }

    /// Whether a scope of the pool was unwell when this was granted, so that it is worth telling
    /// when it proves well.
    pub(crate) fn may_probe(&self) -> bool {
        self.may_probe
    }

    /// Ready once the slot is not held any more, because the process stood still for so long: what it is
    /// for is to be dropped. Costs little to ask again and again with one `watch`.
    pub(crate) fn poll_lost(&self, watch: &mut Watch, context: &Context<'_>) -> Poll<()> {
        let stops = self.pool.stops.load(Ordering::Acquire);
        let is_watched = watch.told.as_ref().is_some_and(|told| told.will_wake(context.waker()));
        if is_watched && stops == self.stops.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        self.stops.store(stops, Ordering::Relaxed);
        watch.told = Some(context.waker().clone());
        let is_lost = self.pool.lock().watch(self.number, context.waker());
        if is_lost { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Ends it.
    pub(crate) fn settle(mut self, outcome: Outcome) {
        self.settled = true;
        self.pool.settle(self.number, outcome);
    }

    /// Ends it and enters the queue again in the same step.
    pub(crate) fn settle_then(
        mut self,
        outcome: Outcome,
        ask: QueuePlace,
        deadline: Instant,
    ) -> Waiting {
        self.settled = true;
        let number = self.number;
        let then = Some((asked(ask), self.pool.micros_of(deadline)));
        let then = self.pool.with(|client, now| client.settle(number, outcome, then, now));
        Waiting::new(self.pool.clone(), then.unwrap_or(number), deadline)
    }

    /// Changes the key and keeps the slot; goes on with `then` if the pool has none.
    pub(crate) fn rotate(
        mut self,
        outcome: Outcome,
        class: Class,
        then: Option<QueuePlace>,
        deadline: Instant,
    ) -> Waiting {
        self.settled = true;
        let number = self.number;
        let then = then.map(|ask| (asked(ask), self.pool.micros_of(deadline)));
        self.pool.with(|client, now| client.rotate(number, outcome, class, then, now));
        Waiting::new(self.pool.clone(), number, deadline)
    }

    /// The head of the answer came: what it shows need not wait for the last byte.
    pub(crate) fn answered(&self, outcome: Outcome) {
        self.pool.with(|client, _| client.answered(self.number, outcome));
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.settled {
            self.pool.settle(self.number, Outcome::default());
        }
    }
}

fn asked(place: QueuePlace) -> Ask {
    let QueuePlace { class, delay, arrival, wait_for_cooldown, only_free } = place;
    Ask { class, delay: micros(delay), arrival, wait_for_cooldown, only_free }
}

fn rejection(refusal: Refusal) -> Rejection {
    match refusal {
        Refusal::Full { retry_after } => {
            Rejection::Full { retry_after: Duration::from_micros(retry_after) }
        }
        Refusal::NoKey { until, reason, notes } => {
            let (until, cause) = (until.map(Duration::from_micros), Cause::common(&notes));
            Rejection::NoKey { until, reason, cause }
        }
        Refusal::Unavailable(why) => Rejection::Unavailable(why),
        Refusal::Defect(why) => Rejection::Defect(why),
    }
}
