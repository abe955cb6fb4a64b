//! What a router does for a pool while the store is lost: it serves its share of the limits.
//!
//! The routers that were last known alive divide every limit among them. This router's part is a
//! pool of its own, kept by the same machine and spoken to by the same commands, so that a request
//! notices nothing. It begins with all that is held and waits, and ends when the store answers a
//! hello that says so; everything is restated there.

use std::collections::BTreeMap;
use std::task::Waker;
use std::time::Instant;

use weir_quota::{Batch, BatchReply, Incarnation, Limits, Machine, Micros, StoreError, Timing};

use super::answers::RETRY_PAUSE;
use super::{State, until};

/// Who speaks to a pool, as its replies said.
#[derive(Debug, Default)]
pub(super) struct Peers {
    /// When each was last named.
    named_at: BTreeMap<Incarnation, Instant>,
    /// How many the last reply named.
    pub(super) count: u32,
}

/// A router's own part of a pool.
pub(super) struct Share {
    machine: Machine,
    pub(super) limits: Limits,
    /// Pool time at `since`.
    base: Micros,
    since: Instant,
}

// === impl Peers ===

impl Peers {
    /// Takes in who is there, and forgets who has not been for a lease's life.
    pub(super) fn named(&mut self, routers: &[Incarnation], now: Instant, timing: &Timing) {
        self.count = u32::try_from(routers.len()).unwrap_or(u32::MAX);
        self.forget(now, timing);
        self.named_at.extend(routers.iter().map(|&router| (router, now)));
    }

    /// After a loss nobody has been named for long, which does not mean that nobody is there.
    fn assume(&mut self, now: Instant) {
        self.named_at.values_mut().for_each(|at| *at = now);
    }

    fn forget(&mut self, now: Instant, timing: &Timing) {
        self.named_at.retain(|_, &mut at| until(now, at) < timing.lease_ttl);
    }

    /// The part of `limits` that is `router`'s: an equal one, remainders to the lowest ranks.
    /// Counted are the routers named within a lease's life before `heard_at`, when the pool was
    /// last heard. `None` if nothing is left for it, or the pool never named it.
    fn part(
        &mut self,
        router: Incarnation,
        limits: &Limits,
        heard_at: Instant,
        timing: &Timing,
    ) -> Option<Limits> {
        self.forget(heard_at, timing);
        let rank = self.named_at.keys().position(|&one| one == router)?;
        let (rank, count) = (u32::try_from(rank).ok()?, u32::try_from(self.named_at.len()).ok()?);
        let part = |limit: u32| limit / count + u32::from(rank < limit % count);
        let concurrency = part(limits.concurrency);
        let limits = Limits { concurrency, buffer: part(limits.buffer), ..limits.clone() };
        (concurrency > 0).then_some(limits)
    }
}

// === impl Share ===

impl Share {
    fn execute(&mut self, now: Instant, batch: &Batch) -> Result<BatchReply, StoreError> {
        let clock = self.base.saturating_add(until(now, self.since));
        Ok(self.machine.execute(clock, batch)?.reply)
    }
}

impl std::fmt::Debug for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Share").field("limits", &self.limits).finish_non_exhaustive()
    }
}

// === impl State ===

impl State {
    /// Begins to serve this router's share. False if there is none.
    pub(super) fn enter_share(&mut self, now: Instant) -> bool {
        let (true, Some(since)) = (self.serves_share, self.heard_at) else {
            return false;
        };
        let in_force = self.in_force.as_ref().filter(|limits| !limits.is_unset());
        let limits = in_force.unwrap_or(&self.limits);
        let Some(limits) = self.peers.part(self.router, limits, since, &self.timing) else {
            return false;
        };
        // A pool of this process alone has no gaps.
        let timing = Timing { grace: false, ..self.timing };
        let machine = Machine::new(timing);
        let mut share = Share { machine, limits, base: self.pool_time, since };
        let Ok(hello) = share.execute(now, &Batch::hello(self.router)) else {
            return false;
        };
        self.begin_session(hello.session);
        self.share = Some(Box::new(share));
        true
    }

    /// The share of a configuration that is in force since the store was lost. With less than one slot
    /// for each router this one keeps those that it has, as far as the new limit goes.
    pub(super) fn resize_share(&mut self) {
        let (Some(share), Some(since)) = (&mut self.share, self.heard_at) else {
            return;
        };
        let limits = &self.limits;
        let kept = || Limits {
            concurrency: share.limits.concurrency.min(limits.concurrency),
            buffer: share.limits.buffer.min(limits.buffer),
            ..limits.clone()
        };
        let part = self.peers.part(self.router, limits, since, &self.timing);
        share.limits = part.unwrap_or_else(kept);
        let generation = share.machine.snapshot().limits.generation;
        self.replaces = (generation > 0).then_some(generation);
    }

    /// Executes on the share what there is to say. `None`: nothing, or no share is served.
    pub(in super::super) fn serve_share(&mut self, now: Instant) -> Option<Vec<Waker>> {
        if self.share.is_none() || !self.has_something_to_say() {
            return None;
        }
        let batch = self.batch(now);
        let mut wakers = Vec::new();
        let executed = self.share.as_mut().map(|share| share.execute(now, &batch))?;
        match executed {
            Ok(reply) => self.take_in(reply, now, &mut wakers),
            Err(error) => self.rejected(&error.to_string(), &mut wakers),
        }
        Some(wakers)
    }

    /// The store was asked whether it is back.
    pub(super) fn asked(
        &mut self,
        result: Result<BatchReply, StoreError>,
        now: Instant,
        wakers: &mut Vec<Waker>,
    ) {
        match result {
            Ok(reply) => {
                self.share = None;
                self.peers.assume(now);
                self.heard(reply, true, now, wakers);
            }
            Err(error) => {
                if let StoreError::Corrupt(why) = error {
                    self.thrown_away = Some(why);
                }
                self.failures = self.failures.saturating_add(1);
                self.blocked_until = Some(now + RETRY_PAUSE);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn limits(concurrency: u32, buffer: u32) -> Limits {
        let keys = vec![("k".into(), 1.0)];
        Limits { generation: 4, hash: 1, concurrency, buffer, keys }
    }

    fn parts(concurrency: u32, buffer: u32, routers: &[u64]) -> Vec<Option<(u32, u32)>> {
        let now = Instant::now();
        let mut peers = Peers::default();
        let named: Vec<_> = routers.iter().copied().map(Incarnation).collect();
        peers.named(&named, now, &Timing::default());
        let part = |&router: &Incarnation| {
            let limits = limits(concurrency, buffer);
            let part = peers.part(router, &limits, now, &Timing::default());
            part.map(|part| (part.concurrency, part.buffer))
        };
        named.iter().map(part).collect()
    }

    #[test]
    fn limits_are_divided_without_a_rest_and_the_lowest_ranks_get_more() {
        assert_eq!(parts(7, 4, &[30, 10, 20]), [Some((2, 1)), Some((3, 2)), Some((2, 1))]);
        assert_eq!(parts(2, 9, &[1, 2, 3]), [Some((1, 3)), Some((1, 3)), None]);
        for routers in 1..9 {
            let all: Vec<u64> = (1..=routers).collect();
            let sum: u32 = parts(100, 0, &all).into_iter().flatten().map(|part| part.0).sum();
            assert_eq!(sum, 100);
        }
    }

    #[test]
    fn only_routers_heard_of_within_a_leases_life_count() {
        let (start, timing) = (Instant::now(), Timing::default());
        let (own, other) = (Incarnation(5), Incarnation(2));
        let mut peers = Peers::default();
        assert_eq!(peers.part(own, &limits(8, 8), start, &timing), None);
        peers.named(&[other, own], start, &timing);
        let later = start + Duration::from_micros(timing.lease_ttl - 1);
        let part = |peers: &mut Peers, at| peers.part(own, &limits(8, 8), at, &timing);
        assert_eq!(part(&mut peers, later).unwrap().concurrency, 4);
        peers.named(&[own], later, &timing);
        let later = later + Duration::from_micros(1);
        assert_eq!(part(&mut peers, later).unwrap().concurrency, 8);
    }
}
