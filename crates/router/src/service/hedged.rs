//! An attempt that gets another one beside it when it says nothing for too long: whoever speaks first is
//! kept, the other's call is ended and its slot given back.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use weir_rpc::Reply;
use weir_types::{FailureClass, Fault};

use super::attempt::Trying;
use super::relay::{Tried, outage};
use super::run::Run;
use crate::admission::Lease;
use crate::catalog::Target;
use crate::clock::now;
use crate::plan::{AfterFirst, QueuePlace};

/// The attempt beside the first.
enum Second {
    /// There is none; what the first came to, if that is known already.
    None(Option<Result<Reply, Fault>>),
    /// It is under way.
    Runs(Trying),
}

impl Run<'_> {
    /// Makes one attempt with the key that is held, and another at the fallback if it says nothing for
    /// `after`.
    pub(super) async fn hedged(&mut self, after: Duration) -> Tried {
        let provider = self.target().provider.clone();
        self.call.shared.hedges.came(&provider.name, provider.hedges_percent);
        let Some(lease) = self.lease.take() else {
            return self.attempt().await.into();
        };
        let mut first = self.begin(lease, self.target().clone(), 1);
        if let Ok(result) = tokio::time::timeout(after, first.head()).await {
            return self.conclude(first, result).into();
        }
        match self.open_beside(&mut first).await {
            Second::None(known) => {
                let result = match known {
                    Some(result) => result,
                    None => first.head().await,
                };
                self.conclude(first, result).into()
            }
            Second::Runs(second) => self.race(first, second).await,
        }
    }

    /// Begins the attempt beside `first`, if there may be one and a slot is free.
    async fn open_beside(&mut self, first: &mut Trying) -> Second {
        let name = first.target.provider.name.clone();
        if !self.call.shared.hedges.takes(&name) {
            return Second::None(None);
        }
        let second = match self.plan.quiet(now()) {
            Some((target, ask)) => self.free_slot(first, target, ask).await,
            None => Second::None(None),
        };
        if matches!(second, Second::None(_)) {
            self.call.shared.hedges.returns(&name);
        }
        second
    }

    async fn free_slot(
        &mut self,
        first: &mut Trying,
        target: Arc<Target>,
        ask: QueuePlace,
    ) -> Second {
        let since = now();
        let pool = self.call.snapshot.pools.get(&target.provider.name).cloned();
        let granted = match pool {
            None => None,
            Some(pool) => {
                let acquired = Box::pin(pool.acquire(ask, self.call.deadline));
                // The store may be far away; the first attempt goes on meanwhile.
                match select(acquired, Box::pin(first.head())).await {
                    Either::Left((granted, _)) => granted.ok(),
                    Either::Right((result, _)) => {
                        self.plan.hedge_refused();
                        return Second::None(Some(result));
                    }
                }
            }
        };
        self.clock = now();
        let Some(lease) = granted else {
            self.plan.hedge_refused();
            return Second::None(None);
        };
        let wait = self.clock.saturating_duration_since(since);
        let metrics = &self.call.shared.telemetry.metrics;
        metrics.granted(&target.provider.name, lease.key(), wait);
        self.plan.hedge_granted(lease.key().clone(), lease.arrival(), lease.may_probe());
        Second::Runs(self.begin(lease, target, 2))
    }

    /// Waits for the first of the two that speaks.
    async fn race(&mut self, mut first: Trying, mut second: Trying) -> Tried {
        let won = {
            let (one, two) = (Box::pin(first.head()), Box::pin(second.head()));
            match select(one, two).await {
                Either::Left((result, _)) => Either::Left(result),
                Either::Right((result, _)) => Either::Right(result),
            }
        };
        match won {
            Either::Left(Ok(reply)) => {
                self.cancel(second);
                self.conclude(first, Ok(reply)).into()
            }
            Either::Left(Err(fault)) => self.first_failed(first, fault, second).await,
            Either::Right(Ok(reply)) => {
                self.cancel(first);
                self.plan.hedge_spoke();
                self.follow(&second);
                self.conclude(second, Ok(reply)).into()
            }
            Either::Right(Err(fault)) => {
                self.second_failed(second, fault);
                let result = first.head().await;
                self.conclude(first, result).into()
            }
        }
    }

    /// The second goes on alone, or the plan says that it is over.
    async fn first_failed(&mut self, first: Trying, fault: Fault, mut second: Trying) -> Tried {
        let target = first.target.clone();
        let (lease, fault, took) = self.note_failed(first, fault);
        let outage = outage(&self.call.shared.breakers, &fault, lease.key(), &target);
        match self.plan.first_failed(fault, took, outage, self.clock, fastrand::f64()) {
            AfterFirst::Follow(outcome) => {
                self.count_cooldowns(&target, &outcome);
                lease.settle(outcome);
                self.follow(&second);
                let result = second.head().await;
                self.conclude(second, result).into()
            }
            AfterFirst::Leave(action) => {
                self.cancel(second);
                self.lease = Some(lease);
                Tried::Next(action)
            }
        }
    }

    /// The first goes on alone.
    fn second_failed(&mut self, second: Trying, fault: Fault) {
        let target = second.target.clone();
        let (lease, fault, _) = self.note_failed(second, fault);
        let outage = outage(&self.call.shared.breakers, &fault, lease.key(), &target);
        let outcome = self.plan.hedge_failed(&fault, outage);
        self.count_cooldowns(&target, &outcome);
        lease.settle(outcome);
    }

    /// Records an attempt that failed while another one is under way; its lease, and how long it took.
    fn note_failed(&mut self, trying: Trying, mut fault: Fault) -> (Lease, Fault, Duration) {
        let target = trying.target.clone();
        self.clock = trying.begun;
        let lease = trying.fail(&fault);
        let took = self.note_failure(&target, lease.key(), &mut fault);
        (lease, fault, took)
    }

    /// Ends an attempt because another one spoke first. It teaches nothing.
    fn cancel(&mut self, trying: Trying) {
        let (target, begun) = (trying.target.clone(), trying.begun);
        let lease = trying.cancel();
        let took = now().saturating_duration_since(begun);
        let class = Some(FailureClass::Cancelled);
        self.record(&target.provider.name, lease.key(), 0, class, took);
    }

    /// The attempt beside is the one from now on.
    fn follow(&mut self, second: &Trying) {
        self.leased_for = second.target.clone();
        self.granted_at = second.begun;
        self.wait = Duration::ZERO;
    }
}
