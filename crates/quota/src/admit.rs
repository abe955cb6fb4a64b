//! May this request be let in: at once, later, or not at all?
//!
//! The order of the questions: is the ticket known, are there limits, can it ever be given a key,
//! may it wait for one, is a slot free that no older ticket could use (Q5), is there a place to wait
//! (Q2). What can start now is never refused because others wait (Q13). A refused ticket leaves no
//! trace (Q8).

use std::sync::Arc;

use crate::classes::ClassId;
use crate::line::Head;
use crate::machine::{Machine, count};
use crate::sweep::Standing;
use crate::tickets::{Stage, Ticket};
use crate::{Acquire, Answer, Limits, Micros, NoKeyReason, TicketId};

impl Machine {
    /// Executes an acquire. `heir_of`: the arrival number of the lease it goes on from, in whose
    /// place it stands, so that it is never refused as full.
    pub(crate) fn admit(&mut self, now: Micros, acquire: &Acquire, heir_of: Option<u64>) -> Answer {
        if let Some(answer) = self.repeat(now, acquire.ticket) {
            return answer;
        }
        if self.keys.limits().is_unset() {
            return Answer::LimitsInForce(Limits::unset());
        }
        let class = self.classes.intern(&acquire.class, &self.keys);
        // What will be usable when a delay or a grace ends shows only then.
        let is_later = acquire.delay > 0 || self.grace.is_some();
        let standing = self.standing(now, class);
        if let Some((until, reason)) = standing.refusal(acquire.wait_for_cooldown || is_later) {
            return self.no_key(now, class, until, reason);
        }
        let arrival = self.next_number(now, acquire.arrival.or(heir_of));
        if !is_later && let Some(answer) = self.grant_directly(now, acquire, class, arrival) {
            return answer;
        }
        let stage = match (acquire.delay, standing) {
            (1.., _) => Stage::Delayed(now.saturating_add(acquire.delay)),
            (0, Standing::Blocked(_)) if !is_later => Stage::Resting,
            (0, _) => Stage::Listed,
        };
        if let Some(refusal) = self.crowded_out(now, class, standing, stage, heir_of.is_some()) {
            return refusal;
        }
        self.number(now, Some(arrival));
        self.enter(now, acquire, class, arrival, stage);
        self.queued(acquire.ticket, arrival)
    }

    /// Enters a ticket without asking whether there is a place.
    pub(crate) fn enter(
        &mut self,
        now: Micros,
        acquire: &Acquire,
        class: ClassId,
        arrival: u64,
        stage: Stage,
    ) {
        self.classes.hold(class);
        let stage = match (acquire.delay, stage) {
            (delay @ 1.., _) => Stage::Delayed(now.saturating_add(delay)),
            (0, stage) => stage,
        };
        let ticket = Ticket {
            class,
            model: Arc::clone(&acquire.class.model),
            arrival,
            deadline: now.saturating_add(acquire.deadline),
            waits: acquire.wait_for_cooldown,
            stage,
        };
        self.tickets.insert(acquire.ticket, ticket);
    }

    /// Why there is no place for a ticket that has to wait (Q2): the buffer is full, or its model has
    /// its part of it. An heir waits in the place of its lease, unless it is held back.
    fn crowded_out(
        &self,
        now: Micros,
        class: ClassId,
        standing: Standing,
        stage: Stage,
        is_heir: bool,
    ) -> Option<Answer> {
        let limits = self.keys.limits();
        let is_held_back = matches!(stage, Stage::Delayed(_) | Stage::Resting);
        if is_heir && !is_held_back {
            return None;
        }
        let all = limits.buffer.saturating_add(limits.concurrency);
        let is_full = match (is_heir, &self.grace) {
            (true, _) => count(self.tickets.len()) >= all,
            _ if count(self.tickets.len() + self.leases.claimed()) >= all => true,
            // Who of them can start at once shows at the end of a grace.
            (false, grace) => grace.is_none() && self.status().tickets >= limits.buffer,
        };
        let is_full = is_full || (!is_heir && self.classes.is_full(class));
        let part = limits.buffer.div_ceil(2).max(if is_heir { limits.concurrency } else { 1 });
        let model = &self.classes.get(class)?.class.model;
        let has_its_part = is_held_back && count(self.tickets.held_back(model)) >= part;
        if has_its_part && let Some((until, reason)) = standing.refusal(false) {
            // Its rest says more than that many wait for it already.
            return Some(self.no_key(now, class, until, reason));
        }
        let retry_after = self.rate.retry_after(limits.concurrency);
        (is_full || has_its_part).then_some(Answer::Full { retry_after })
    }

    /// The arrival number of a ticket: its own, or one that is greater than any before.
    fn next_number(&self, now: Micros, own: Option<u64>) -> u64 {
        own.unwrap_or_else(|| now.max(self.arrival.saturating_add(1)))
    }

    /// The arrival number of a ticket: its own, or a new one that is greater than any before.
    pub(crate) fn number(&mut self, now: Micros, own: Option<u64>) -> u64 {
        let arrival = self.next_number(now, own);
        self.arrival = self.arrival.max(arrival);
        arrival
    }

    /// The answer to an acquire of a known ticket. What is granted again lives from then on: its router
    /// has not known that it has to be renewed.
    pub(crate) fn repeat(&mut self, now: Micros, id: TicketId) -> Option<Answer> {
        if let Some(ticket) = self.tickets.get(id) {
            let Stage::Refused(until, reason) = ticket.stage else {
                return Some(self.queued(id, ticket.arrival));
            };
            return Some(self.no_key(now, ticket.class, until, reason));
        }
        self.leases.tell(id, now);
        self.leases.extend(id, now.saturating_add(self.timing.lease_ttl));
        let lease = self.leases.get(id)?;
        Some(Answer::Granted { key: lease.key.clone(), arrival: lease.arrival })
    }

    fn no_key(
        &self,
        now: Micros,
        class: ClassId,
        until: Option<Micros>,
        reason: NoKeyReason,
    ) -> Answer {
        let until = until.map(|at| at.saturating_sub(now));
        Answer::NoKey { until, reason, notes: self.notes(class) }
    }

    fn grant_directly(
        &mut self,
        now: Micros,
        acquire: &Acquire,
        class: ClassId,
        arrival: u64,
    ) -> Option<Answer> {
        while self.has_free_slot() {
            match self.first_usable(now) {
                Head::First(head) if head < (arrival, acquire.ticket) => {
                    if !self.hand_off(now, head) {
                        return None;
                    }
                }
                // Somebody older may be there.
                Head::Unknown => return None,
                Head::First(_) | Head::Nobody => {
                    let key = self.choose_key(now, class)?;
                    self.number(now, Some(arrival));
                    self.grant(now, acquire.ticket, class, key.clone(), arrival, true);
                    return Some(Answer::Granted { key, arrival });
                }
            }
        }
        None
    }

    fn queued(&self, id: TicketId, arrival: u64) -> Answer {
        let ahead = self.tickets.ahead_of((arrival, id));
        let estimate = self.rate.wait(ahead, self.keys.limits().concurrency);
        Answer::Queued { arrival, ahead, estimate }
    }
}
