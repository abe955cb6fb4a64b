//! What each command does to a pool that has been swept and handed out.
//!
//! Every verb is idempotent: the second time it finds its work done and says the same. An end of a
//! lease learns first, then frees, so that the freed slot is not handed to what just failed.

use crate::leases::Lease;
use crate::machine::Machine;
use crate::tickets::Stage;
use crate::{
    Acquire, Answer, Class, Command, HeldLease, Incarnation, Limits, Micros, Outcome, TicketId,
};

/// When the key of a lease was granted that is not known: before every rest, so that it ends none, and counts
/// for no further step of one.
const UNKNOWN_SINCE: Micros = 0;

impl Machine {
    /// Executes one command.
    pub(crate) fn command(&mut self, now: Micros, command: &Command) -> Answer {
        match command {
            Command::SetLimits { limits, replaces } => self.set_limits(now, limits, *replaces),
            Command::Acquire(acquire) => self.admit(now, acquire, None),
            Command::Claim(id) => self.claim(now, *id),
            Command::Settle { lease, outcome, then } => {
                self.settle(now, *lease, outcome, then.as_ref())
            }
            Command::Rotate { lease, attempt, outcome, class, then } => self
                .rotate(now, *lease, *attempt, outcome, class)
                .unwrap_or_else(|| self.settle_rotated(now, *lease, outcome, then.as_ref())),
            Command::Answered { lease, outcome } => self.answered(now, *lease, outcome),
            Command::Learn(outcome) => {
                self.learn(now, outcome, now);
                Answer::Done
            }
            Command::Renew(leases) => {
                leases.iter().for_each(|held| self.keep(now, held));
                Answer::Done
            }
            Command::Leave(id) => self.leave(now, *id),
            Command::Restate { leases, tickets } => self.restate(now, leases, tickets),
            Command::Routers => {
                Answer::Routers(self.routers.live_at(now, &self.timing).into_iter().collect())
            }
            Command::Bye => self.bye(now),
        }
    }

    fn set_limits(&mut self, now: Micros, limits: &Limits, replaces: Option<u64>) -> Answer {
        let is_again = limits.generation > replaces.unwrap_or(0).saturating_add(1);
        let had = self.routers.offered(self.caller).filter(|_| !is_again);
        let present = self.keys.limits();
        let is_late = present.generation != replaces.unwrap_or(0);
        // A late offer is made again: until then it counts what the router had before.
        if !is_again && (!is_late || had == Some(0) || limits.hash == present.hash) {
            self.routers.offers(self.caller, limits.hash);
        }
        if present == limits {
            return Answer::Done;
        }
        if is_late || self.is_outdated(now, limits.hash, had, is_again) {
            return Answer::LimitsInForce(present.clone());
        }
        self.keys.set(limits.clone(), self.leases.iter().map(|(_, lease)| &lease.key));
        self.routers.offers(self.caller, limits.hash);
        self.classes.resolve(&self.keys);
        self.look_again();
        self.thaw(None);
        Answer::Done
    }

    /// Whether a router is there whose own limits came after these (Q15). One that had such itself has
    /// read these later; `had`: what it had.
    fn is_outdated(&self, now: Micros, hash: u64, had: Option<u64>, is_again: bool) -> bool {
        let present = self.keys.limits();
        let of_present = || (is_again && !present.is_unset()).then(|| vec![present.hash]);
        let Some(newer) = self.keys.newer_than(hash).or_else(of_present) else {
            return false;
        };
        let is_newer = |one| newer.contains(&one);
        // Whoever has newer ones may not have been heard since either.
        if is_again && self.caller_was_silent {
            return true;
        }
        !had.is_some_and(is_newer)
            && self.routers.any_offers(self.caller, now, self.timing.lease_ttl, is_newer)
    }

    fn claim(&mut self, now: Micros, id: TicketId) -> Answer {
        let Some(lease) = self.leases.get(id) else {
            return Answer::ClaimRefused;
        };
        let granted = Answer::Granted { key: lease.key.clone(), arrival: lease.arrival };
        let is_new = !lease.claimed;
        if is_new && self.grace.is_some() {
            return Answer::Grace;
        }
        self.leases.extend(id, now.saturating_add(self.timing.lease_ttl));
        if is_new {
            self.leases.tell(id, now);
            self.drop_ticket(id);
        }
        granted
    }

    fn settle(
        &mut self,
        now: Micros,
        id: TicketId,
        outcome: &Outcome,
        then: Option<&Acquire>,
    ) -> Answer {
        let ended = self.end(now, id, outcome);
        let Some(then) = then else {
            return Answer::Done;
        };
        let answer = match ended {
            Some(lease) => Some(self.admit(now, then, Some(lease.arrival))),
            None => self.repeat(now, then.ticket),
        };
        Answer::Settled(answer.map(Box::new))
    }

    /// The next key, or `None` if the lease is to be settled.
    fn rotate(
        &mut self,
        now: Micros,
        id: TicketId,
        attempt: u32,
        outcome: &Outcome,
        class: &Class,
    ) -> Option<Answer> {
        let lease = self.leases.get(id)?;
        let (rotation, key_since, arrival) = (lease.rotation, lease.key_since, lease.arrival);
        if attempt <= rotation {
            let key = lease.key.clone();
            self.leases.extend(id, now.saturating_add(self.timing.lease_ttl));
            return Some(Answer::Granted { key, arrival });
        }
        if self.grace.is_some() {
            return Some(Answer::Grace);
        }
        self.learn(now, outcome, key_since);
        self.end_probes(now, id);
        let class = self.classes.intern(class, &self.keys);
        let key = self.choose_key(now, class)?;
        let model = self.classes.get(class)?.class.model.clone();
        let probes = self.cooldowns.probe(id, &key, &model, now);
        let lease = self.leases.get_mut(id)?;
        let before = std::mem::replace(&mut lease.key, key.clone());
        lease.model = model;
        lease.key_since = now;
        lease.rotation = attempt;
        lease.probes = probes;
        self.keys.count(&before, -1);
        self.keys.count(&key, 1);
        self.leases.extend(id, now.saturating_add(self.timing.lease_ttl));
        self.drop_ticket(id);
        Some(Answer::Granted { key, arrival })
    }

    /// Ends a lease whose rotation found no key; it has learnt already if it was known.
    fn settle_rotated(
        &mut self,
        now: Micros,
        id: TicketId,
        outcome: &Outcome,
        then: Option<&Acquire>,
    ) -> Answer {
        let nothing = Outcome::default();
        let known = self.leases.get(id).is_some();
        match self.settle(now, id, if known { &nothing } else { outcome }, then) {
            Answer::Done => Answer::Settled(None),
            settled => settled,
        }
    }

    fn answered(&mut self, now: Micros, id: TicketId, outcome: &Outcome) -> Answer {
        let key_since = self.leases.get(id).map_or(UNKNOWN_SINCE, |lease| lease.key_since);
        self.learn(now, outcome, key_since);
        self.end_probes(now, id);
        Answer::Done
    }

    fn leave(&mut self, now: Micros, id: TicketId) -> Answer {
        self.end(now, id, &Outcome::default());
        self.drop_ticket(id);
        Answer::Done
    }

    fn restate(&mut self, now: Micros, leases: &[HeldLease], tickets: &[Acquire]) -> Answer {
        let router = self.caller;
        for id in self.tickets.of(router) {
            self.drop_ticket(id);
        }
        let named: std::collections::HashSet<_> = leases.iter().map(|held| held.lease).collect();
        for id in self.leases.of(router) {
            let claimed = self.leases.get(id).is_some_and(|lease| lease.claimed);
            if !(claimed && named.contains(&id)) {
                self.free(now, id);
            }
        }
        leases.iter().for_each(|held| self.keep(now, held));
        for ticket in tickets {
            let class = self.classes.intern(&ticket.class, &self.keys);
            let arrival = self.number(now, ticket.arrival);
            self.enter(now, ticket, class, arrival, Stage::Listed);
        }
        self.look_again();
        if let Some(grace) = &mut self.grace {
            grace.restated(router);
        }
        if self.end_grace(now) {
            self.sweep(now);
        }
        Answer::Done
    }

    /// The caller says hello, so it has not heard the answer to its last batch, of `last_words`. Until it
    /// says again what it holds, what waits for it holds up nobody else, nor does a slot of which it may
    /// not know (Q11).
    pub(crate) fn doubt(&mut self, now: Micros, last_words: Micros) {
        let router = self.caller;
        for id in self.tickets.of(router) {
            self.free(now, id);
            self.drop_ticket(id);
        }
        let until = now.saturating_add(self.timing.claim_limit);
        for id in self.leases.of(router) {
            let told = self.leases.get(id).and_then(|lease| lease.since);
            if told.is_some_and(|told| told >= last_words) {
                self.leases.shorten(id, until);
            }
        }
    }

    /// The caller is gone: nobody waits until that shows (Q11).
    fn bye(&mut self, now: Micros) -> Answer {
        let router = self.caller;
        self.routers.forget(router);
        self.let_go(now, router);
        if let Some(grace) = &mut self.grace {
            grace.restated(router);
        }
        if self.end_grace(now) {
            self.sweep(now);
        }
        Answer::Done
    }

    /// Drops all that a router holds.
    pub(crate) fn let_go(&mut self, now: Micros, router: Incarnation) {
        for id in self.tickets.of(router) {
            self.drop_ticket(id);
        }
        for id in self.leases.of(router) {
            self.free(now, id);
        }
    }

    /// Keeps a lease alive, or enters it as its router says.
    fn keep(&mut self, now: Micros, held: &HeldLease) {
        let until = now.saturating_add(self.timing.lease_ttl);
        let agrees = |lease: &Lease| lease.key == held.key && lease.model == held.model;
        if self.leases.get(held.lease).is_some_and(|lease| lease.claimed && agrees(lease)) {
            self.leases.extend(held.lease, until);
            return;
        }
        self.free(now, held.lease);
        self.drop_ticket(held.lease);
        self.keys.count(&held.key, 1);
        let lease = Lease {
            key: held.key.clone(),
            model: held.model.clone(),
            arrival: self.number(now, None),
            since: None,
            key_since: 0,
            until,
            claimed: true,
            rotation: 0,
            probes: Vec::new(),
        };
        self.leases.insert(held.lease, lease);
    }

    /// Learns from a lease, then frees it. `None` if it is not known: nothing is freed then (Q3). What its
    /// key did is known all the same: its router may have left it out of what it said again, or it ran out.
    fn end(&mut self, now: Micros, id: TicketId, outcome: &Outcome) -> Option<Lease> {
        let key_since = self.leases.get(id).map_or(UNKNOWN_SINCE, |lease| lease.key_since);
        self.learn(now, outcome, key_since);
        let lease = self.free(now, id)?;
        self.drop_ticket(id);
        if let Some(since) = lease.since.filter(|_| lease.claimed) {
            self.rate.record(now - since);
        }
        Some(lease)
    }

    fn learn(&mut self, now: Micros, outcome: &Outcome, key_since: Micros) {
        for health in &outcome.health {
            let key = health.scope().key();
            if key.is_none_or(|name| self.keys.knows(name)) {
                self.cooldowns.learn(health, key_since, now, self.timing.max_cooldown);
            }
        }
    }

    fn end_probes(&mut self, now: Micros, id: TicketId) {
        let probes = self.leases.get_mut(id).map(|lease| std::mem::take(&mut lease.probes));
        self.cooldowns.release(id, &probes.unwrap_or_default(), now);
    }
}
