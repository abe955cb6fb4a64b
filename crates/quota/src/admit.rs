//! May this request be let in: at once, later, or not at all?
//!
//! The order of the questions: is the ticket known, are there limits, can it ever be given a key,
//! may it wait for one, is there a place (Q2), is a slot free that no older ticket could use (Q5).
//! A refused ticket leaves no trace (Q8).

use crate::classes::ClassId;
use crate::machine::{Machine, count};
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
        if let Some((until, reason)) =
            self.standing(now, class).refusal(acquire.wait_for_cooldown || is_later)
        {
            return self.no_key(now, class, until, reason);
        }
        if heir_of.is_none() && self.is_full() {
            let retry_after = self.rate.retry_after(self.keys.limits().concurrency);
            return Answer::Full { retry_after };
        }
        let arrival = self.number(now, acquire.arrival.or(heir_of));
        if !is_later && let Some(answer) = self.grant_directly(now, acquire, class, arrival) {
            return answer;
        }
        self.enter(now, acquire, class, arrival);
        self.queued(acquire.ticket, arrival)
    }

    /// Enters a ticket without asking whether there is a place.
    pub(crate) fn enter(&mut self, now: Micros, acquire: &Acquire, class: ClassId, arrival: u64) {
        self.classes.hold(class);
        let stage = match acquire.delay {
            0 => Stage::Listed,
            delay => Stage::Delayed(now.saturating_add(delay)),
        };
        let ticket = Ticket {
            class,
            arrival,
            deadline: now.saturating_add(acquire.deadline),
            waits: acquire.wait_for_cooldown,
            stage,
        };
        self.tickets.insert(acquire.ticket, ticket);
    }

    /// The arrival number of a ticket: its own, or a new one that is greater than any before.
    pub(crate) fn number(&mut self, now: Micros, own: Option<u64>) -> u64 {
        let arrival = own.unwrap_or_else(|| now.max(self.arrival.saturating_add(1)));
        self.arrival = self.arrival.max(arrival);
        arrival
    }

    /// The answer to an acquire of a known ticket.
    pub(crate) fn repeat(&self, now: Micros, id: TicketId) -> Option<Answer> {
        if let Some(ticket) = self.tickets.get(id) {
            let Stage::Refused(until, reason) = ticket.stage else {
                return Some(self.queued(id, ticket.arrival));
            };
            return Some(self.no_key(now, ticket.class, until, reason));
        }
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
            let older =
                self.first_usable(now).filter(|&(_, head)| head < (arrival, acquire.ticket));
            if let Some((list, head)) = older {
                if !self.hand_off(now, list, head) {
                    return None;
                }
                continue;
            }
            let key = self.choose_key(now, class)?;
            self.grant(now, acquire.ticket, class, key.clone(), arrival, true);
            return Some(Answer::Granted { key, arrival });
        }
        None
    }

    fn queued(&self, id: TicketId, arrival: u64) -> Answer {
        let ahead = self.tickets.ahead_of((arrival, id));
        let estimate = self.rate.wait(ahead, self.keys.limits().concurrency);
        Answer::Queued { arrival, ahead, estimate }
    }

    fn is_full(&self) -> bool {
        let limits = self.keys.limits();
        let taken = count(self.tickets.len() + self.leases.claimed());
        taken >= limits.buffer.saturating_add(limits.concurrency)
    }
}
