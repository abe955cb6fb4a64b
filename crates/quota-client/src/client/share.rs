//! What a router does for a pool while the store is lost, or in a grace: it serves its share of the
//! limits.
//!
//! The routers that were last known alive divide every limit among them. This router's part is a
//! pool of its own, kept by the same machine and spoken to by the same commands, so that a request
//! notices nothing. It begins with all that is held and waits. The store is told what is held until it
//! answers that no grace is on; then the share ends, and everything is restated there.

use std::collections::{BTreeMap, BTreeSet};

use weir_quota::{
    Answer, Batch, BatchReply, Command, Incarnation, Limits, Machine, Micros, Sight, StoreError,
    Timing,
};

use super::answers::RETRY_PAUSE;
use super::polls::SENT_PAUSE;
use super::{Entry, PoolClient};

/// Why limits are not exact although the store answers.
const IN_GRACE: &str = "until all have said again what they hold, nothing is decided there";
/// Between two batches of a grace, which say what is held.
const GRACE_PAUSE: Micros = 100_000;

/// Who speaks to a pool, as its replies said.
#[derive(Debug, Clone, Default)]
pub(super) struct Peers {
    /// All of them, as last named outside of a grace; `None`: never.
    pub(super) all: Option<BTreeSet<Incarnation>>,
    /// Whom graces since have named, and when last. In a grace only those are that have spoken, so it
    /// says of nobody that he is gone.
    pub(super) since: BTreeMap<Incarnation, Micros>,
    /// How many the last reply named.
    pub(super) count: u32,
}

/// A router's own part of a pool.
#[derive(Clone)]
pub(super) struct Share {
    pub(super) machine: Machine,
    pub(super) limits: Limits,
    /// Pool time at `since`, which is later by the time that the process stood still.
    pub(super) base: Micros,
    pub(super) since: Micros,
    /// The session with the store, 0 before there is one, and the last sequence in it.
    pub(super) session: u64,
    pub(super) sequence: u64,
    /// Which generation the limits that are offered to the store replace.
    pub(super) replaces: Option<u64>,
}

// === impl Peers ===

impl Peers {
    /// Takes in who is there.
    pub(super) fn named(&mut self, routers: &[Incarnation], now: Micros, in_grace: bool) {
        self.count = u32::try_from(routers.len()).unwrap_or(u32::MAX);
        if in_grace {
            self.since.extend(routers.iter().map(|&router| (router, now)));
        } else {
            self.since.clear();
            self.all = Some(routers.iter().copied().collect());
        }
    }

    /// The part of `limits` that is `router`'s: an equal one, remainders to the lowest ranks.
    /// Counted are all that were named outside of a grace, and whom graces have named since, within a
    /// lease's life before `heard_at`, when the pool was last heard. `None` if nothing is left for it, or
    /// the pool never named all.
    fn part(
        &self,
        router: Incarnation,
        limits: &Limits,
        heard_at: Micros,
        timing: &Timing,
    ) -> Option<Limits> {
        let mut there = self.all.clone()?;
        let is_there = |at: Micros| heard_at.saturating_sub(at) < timing.lease_ttl;
        there.extend(self.since.iter().filter(|&(_, &at)| is_there(at)).map(|(&id, _)| id));
        let rank = there.iter().position(|&one| one == router)?;
        let (rank, count) = (u32::try_from(rank).ok()?, u32::try_from(there.len()).ok()?);
        let part = |limit: u32| limit / count + u32::from(rank < limit % count);
        let concurrency = part(limits.concurrency);
        let limits = Limits { concurrency, buffer: part(limits.buffer), ..limits.clone() };
        (concurrency > 0).then_some(limits)
    }
}

// === impl Share ===

impl Share {
    fn execute(&mut self, now: Micros, batch: &Batch) -> Result<BatchReply, StoreError> {
        Ok(self.machine.execute(self.clock(now), batch)?.reply)
    }

    pub(super) fn sight(&self, model: &str, now: Micros) -> Sight {
        self.machine.sight(self.clock(now), model)
    }

    /// The process stood still for so long, and nobody could renew anything.
    pub(super) fn stand_still(&mut self, time: Micros) {
        self.since = self.since.saturating_add(time);
    }

    fn clock(&self, now: Micros) -> Micros {
        self.base.saturating_add(now.saturating_sub(self.since))
    }
}

impl std::fmt::Debug for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Share").field("limits", &self.limits).finish_non_exhaustive()
    }
}

// === impl<W> PoolClient<W> ===

impl<W> PoolClient<W> {
    /// Begins to serve this router's share. False if there is none.
    pub(super) fn enter_share(&mut self, now: Micros) -> bool {
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
        let (base, session, sequence, replaces) = (self.pool_time, 0, 0, None);
        let mut share = Share { machine, limits, base, since, session, sequence, replaces };
        let Ok(hello) = share.execute(now, &Batch::hello(self.router)) else {
            return false;
        };
        self.begin_session(hello.session);
        // They waited for the end of a grace.
        self.outbox.extend(self.deferred.drain(..));
        self.share = Some(Box::new(share));
        true
    }

    /// Serves a share while the pool, which was exact before, decides nothing.
    pub(super) fn bridge_grace(&mut self, now: Micros) {
        let (session, sequence) = (self.session, self.sequence);
        IN_GRACE.clone_into(&mut self.trouble);
        if self.enter_share(now)
            && let Some(share) = &mut self.share
        {
            (share.session, share.sequence) = (session, sequence);
        }
    }

    /// The store's next batch: a hello, or all that is held. What waits does so here.
    pub(super) fn ask_store(&mut self) -> Option<Batch> {
        let hello = self.hello();
        let leases = self.held(Entry::is_held);
        let (_, offer) = self.offer(self.share.as_ref()?.replaces);
        let share = self.share.as_mut()?;
        if share.session == 0 {
            return Some(hello);
        }
        share.sequence += 1;
        let mut commands =
            vec![offer, Command::Restate { leases, tickets: Vec::new() }, Command::Routers];
        commands.extend(self.bye_due.then_some(Command::Bye));
        let (session, sequence) = (share.session, share.sequence);
        Some(Batch { session, sequence, heard: 0, was_in_share: true, commands, ..hello })
    }

    /// The share of a configuration that is in force since the store was lost. With less than one slot
    /// for each router this one keeps those that it has, as far as the new limit goes.
    pub(super) fn resize_share(&mut self) {
        let (Some(share), Some(since)) = (&mut self.share, self.heard_at) else {
            return;
        };
        let in_force = self.in_force.as_ref().filter(|limits| !limits.is_unset());
        let limits = in_force.unwrap_or(&self.limits);
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
    pub fn serve_share(&mut self, now: Micros) -> Option<Vec<W>> {
        if self.share.is_none() || self.drops_calls(now) || !self.has_something_to_say() {
            return None;
        }
        let batch = self.batch(now);
        let mut woken = Vec::new();
        let executed = self.share.as_mut().map(|share| share.execute(now, &batch))?;
        match executed {
            Ok(reply) => self.take_in(reply, now, &mut woken),
            Err(error) => self.rejected(&error.to_string(), &mut woken),
        }
        Some(woken)
    }

    /// The store was asked whether it is back.
    pub(super) fn asked(
        &mut self,
        result: Result<BatchReply, StoreError>,
        now: Micros,
        woken: &mut Vec<W>,
    ) {
        let Some(share) = &mut self.share else { return };
        match result {
            Ok(reply) if share.session == 0 => {
                (share.session, share.sequence) = (reply.session, 0);
                self.last_session = self.last_session.max(reply.session);
                self.offers_in_force = self.limits_written && self.in_force.is_some();
                self.blocked_until = None;
            }
            Ok(reply) => self.told(reply, now, woken),
            Err(error) => {
                self.trouble = error.to_string();
                let pause = match error {
                    StoreError::StaleSession | StoreError::Corrupt(_) => {
                        share.session = 0;
                        SENT_PAUSE
                    }
                    StoreError::Unanswered(_) | StoreError::Rejected(_) => RETRY_PAUSE,
                };
                if let StoreError::Corrupt(why) = error {
                    self.thrown_away = Some(why);
                }
                self.failures = self.failures.saturating_add(1);
                self.blocked_until = Some(now.saturating_add(pause));
            }
        }
    }

    /// The store knows what is held here. Outside of a grace the share ends.
    fn told(&mut self, mut reply: BatchReply, now: Micros, woken: &mut Vec<W>) {
        let in_force = self.in_force.as_ref().map(|limits| limits.hash);
        let tried = self.share.as_ref().and_then(|share| share.replaces);
        let offered = self.offer(None).0;
        let mut answers = reply.answers.drain(..);
        let replaces = answers.next().and_then(|answer| self.judge(offered, answer, tried));
        if let Some(Answer::Routers(routers)) = answers.nth(1) {
            self.peers.named(&routers, self.asked_at, reply.restate);
        }
        drop(answers);
        self.is_gone |= self.bye_due;
        if !reply.restate {
            let Some(share) = self.share.take() else { return };
            self.begin_session(share.session);
            (self.sequence, self.replaces) = (share.sequence, replaces);
            return self.heard(reply, false, now, woken);
        }
        self.failures = 0;
        IN_GRACE.clone_into(&mut self.trouble);
        self.heard_at = Some(self.asked_at);
        self.pool_time = reply.now;
        self.blocked_until = Some(now.saturating_add(GRACE_PAUSE));
        if let Some(share) = &mut self.share {
            share.replaces = replaces;
        }
        if in_force != self.in_force.as_ref().map(|limits| limits.hash) {
            self.resize_share();
            self.limits_due = true;
        }
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    fn limits(concurrency: u32, buffer: u32) -> Limits {
        let keys = vec![("k".into(), 1.0)];
        Limits { generation: 4, hash: 1, concurrency, buffer, leeway: 0, keys }
    }

    fn parts(concurrency: u32, buffer: u32, routers: &[u64]) -> Vec<Option<(u32, u32)>> {
        let now = 7_000_000;
        let mut peers = Peers::default();
        let named: Vec<_> = routers.iter().copied().map(Incarnation).collect();
        peers.named(&named, now, false);
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
    fn whom_graces_have_named_counts_beside_all_that_were_known_before() {
        let (start, timing) = (7_000_000, Timing::default());
        let (own, other, late) = (Incarnation(5), Incarnation(2), Incarnation(9));
        let mut peers = Peers::default();
        let part = |peers: &Peers, at| peers.part(own, &limits(12, 12), at, &timing);
        assert_eq!(part(&peers, start), None);
        peers.named(&[own], start, true);
        assert_eq!(part(&peers, start), None, "who else is there?");
        peers.named(&[other, own], start, false);
        assert_eq!(part(&peers, start).unwrap().concurrency, 6);
        // A grace long after: of whom it does not name nothing is known.
        let later = start + 2 * timing.lease_ttl;
        peers.named(&[own], later, true);
        assert_eq!(part(&peers, later).unwrap().concurrency, 6);
        peers.named(&[own, late], later, true);
        assert_eq!(part(&peers, later).unwrap().concurrency, 4);
        let later = later + timing.lease_ttl;
        peers.named(&[own], later, true);
        assert_eq!(part(&peers, later).unwrap().concurrency, 6, "it has spoken no more");
        peers.named(&[own], later, false);
        assert_eq!(part(&peers, later).unwrap().concurrency, 12);
    }
}
