//! The whole protocol as one pure step: state, batch and time in, state and reply out.
//!
//! A call sweeps, hands out, then executes the commands in order and hands out after each. This
//! file is that order; `sweep`, `admit` and `verbs` are the steps, the other modules the state.

use crate::classes::Classes;
use crate::cooldown::Cooldowns;
use crate::grace::Grace;
use crate::keys::Keys;
use crate::leases::Leases;
use crate::rate::Rate;
use crate::routers::Routers;
use crate::tickets::{Stage, Tickets};
use crate::{Answer, Batch, BatchReply, Event, Incarnation, Micros, PoolStatus};
use crate::{StoreError, TicketId, Timing, validate};

/// One pool. Equal batches at equal times make equal machines.
#[derive(Debug, Clone)]
pub struct Machine {
    pub(crate) timing: Timing,
    pub(crate) time: PoolTime,
    pub(crate) keys: Keys,
    pub(crate) classes: Classes,
    pub(crate) cooldowns: Cooldowns,
    pub(crate) leases: Leases,
    pub(crate) tickets: Tickets,
    pub(crate) routers: Routers,
    pub(crate) grace: Option<Grace>,
    pub(crate) rate: Rate,
    /// The last arrival number given or heard of.
    pub(crate) arrival: u64,
    /// Tickets may be listed whose class the limits no longer serve.
    pub(crate) recheck: bool,
    /// Whose batch is being executed.
    pub(crate) caller: Incarnation,
    /// Another router than the caller has news.
    pub(crate) rings: bool,
}

/// The result of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Executed {
    /// For the router that sent it.
    pub reply: BatchReply,
    /// Another router has an event that this reply does not carry: ring the bell.
    pub rings: bool,
}

/// Pool time: the store's clock, kept from going back.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PoolTime {
    raw: Micros,
    offset: Micros,
    called: Option<Micros>,
}

impl PoolTime {
    fn advance(&mut self, raw: Micros) -> Micros {
        self.offset = self.offset.saturating_add(self.raw.saturating_sub(raw));
        self.raw = raw;
        raw.saturating_add(self.offset)
    }

    /// Pool time of the last call.
    pub(crate) fn called(&self) -> Micros {
        self.called.unwrap_or(0)
    }
}

impl Machine {
    /// An empty pool whose limits have not been set.
    #[must_use]
    pub fn new(timing: Timing) -> Self {
        Self {
            timing,
            time: PoolTime::default(),
            keys: Keys::default(),
            classes: Classes::default(),
            cooldowns: Cooldowns::default(),
            leases: Leases::default(),
            tickets: Tickets::default(),
            routers: Routers::default(),
            grace: None,
            rate: Rate::default(),
            arrival: 0,
            recheck: false,
            caller: Incarnation(0),
            rings: false,
        }
    }

    /// Executes one batch at `raw`, the reading of a clock in microseconds that may go back.
    ///
    /// # Errors
    /// `Rejected` for a malformed batch, `StaleSession` for a router that must say hello. Nothing
    /// is changed then (Q8).
    pub fn execute(&mut self, raw: Micros, batch: &Batch) -> Result<Executed, StoreError> {
        validate::batch(batch)?;
        if batch.session != 0 {
            self.routers.check(batch)?;
        }
        let now = self.time.advance(raw);
        self.caller = batch.router;
        self.rings = false;
        self.note_gap(now, batch);
        self.time.called = Some(now);
        let session = self.routers.hear(batch, now);
        self.end_grace(now);
        self.sweep(now);
        self.routers.excuse(batch.router);
        self.hand_out(now);
        let mut answers = Vec::with_capacity(batch.commands.len());
        for command in &batch.commands {
            answers.push(self.command(now, command));
            self.hand_out(now);
        }
        Ok(Executed { reply: self.reply(now, session, answers), rings: self.rings })
    }

    /// Starts a grace if this call follows a gap, or comes from a router that served its share.
    fn note_gap(&mut self, now: Micros, batch: &Batch) {
        if !self.timing.grace {
            return;
        }
        if let Some(before) = self.time.called {
            let holds = self.leases.len() + self.tickets.len() > 0;
            let (limit, matters) = match self.grace {
                Some(_) => (self.timing.claim_limit, true),
                None => (self.timing.lease_ttl / 2, holds),
            };
            if matters && now - before > limit {
                self.start_grace(now, before, false);
            }
        } else {
            self.start_grace(now, now, true);
        }
        if batch.was_in_share {
            if self.grace.is_none() {
                self.start_grace(now, now, false);
            }
            if let Some(grace) = &mut self.grace {
                grace.await_router(batch.router);
            }
        }
    }

    fn start_grace(&mut self, now: Micros, before: Micros, was_empty: bool) {
        let live = self.routers.live_at(before, &self.timing);
        let earlier = self.grace.take();
        self.grace = Some(Grace::start(now, &self.timing, was_empty, live, earlier));
    }

    /// Leaves the grace once it is over; what it held back is swept and handed out at once.
    pub(crate) fn end_grace(&mut self, now: Micros) -> bool {
        let over = self.grace.as_ref().is_some_and(|grace| grace.is_over(now));
        if over {
            self.grace = None;
        }
        over
    }

    fn reply(&self, now: Micros, session: u64, answers: Vec<Answer>) -> BatchReply {
        let events = self.routers.news(self.caller).filter_map(|id| self.event(now, id)).collect();
        BatchReply {
            answers,
            events,
            now,
            wake_in: self.wake_in(now),
            restate: self.grace.is_some(),
            session,
            status: self.status(),
        }
    }

    fn event(&self, now: Micros, id: TicketId) -> Option<Event> {
        let ticket = self.tickets.get(id)?;
        if let Stage::Refused(until, reason) = ticket.stage {
            let until = until.map(|at| at.saturating_sub(now));
            let notes = self.notes(ticket.class);
            return Some(Event::NoKey { ticket: id, until, reason, notes });
        }
        let key = self.leases.get(id)?.key.clone();
        Some(Event::HandedOff { ticket: id, key, arrival: ticket.arrival })
    }

    fn wake_in(&self, now: Micros) -> Option<Micros> {
        if let Some(grace) = &self.grace {
            return Some(grace.remaining(now).max(1));
        }
        if self.tickets.len() == 0 {
            return None;
        }
        let cooled = self.cooldowns.next_end(now);
        let next = [self.tickets.next_due(), self.leases.next_end(), cooled];
        next.into_iter().flatten().min().map(|at| at.saturating_sub(now).max(1))
    }

    /// Gauges.
    #[must_use]
    pub fn status(&self) -> PoolStatus {
        let offered = self.leases.len() - self.leases.claimed();
        PoolStatus {
            leases: count(self.leases.len()),
            tickets: count(self.tickets.len().saturating_sub(offered)),
            routers: count(self.routers.len()),
            cooling: count(self.cooldowns.len()),
            limits_hash: self.keys.limits().hash,
        }
    }
}

pub(crate) fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
