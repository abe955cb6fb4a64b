//! The whole protocol as one pure step: state, batch and time in, state and reply out.
//!
//! A call sweeps, hands out, then executes the commands in order and hands out after each. This
//! file is that order; `sweep`, `admit` and `verbs` are the steps, the other modules the state.

use crate::classes::Classes;
use crate::cooldown::Cooldowns;
use crate::grace::{Grace, Silence};
use crate::keys::Keys;
use crate::leases::Leases;
use crate::line::Line;
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
    /// After the last silence no grace was begun for a router that served its share.
    silence: Option<Silence>,
    /// Before its first call: since when, by the clock of calls, it is known not to have been there.
    absent_since: Option<Micros>,
    pub(crate) rate: Rate,
    /// The last arrival number given or heard of.
    pub(crate) arrival: u64,
    /// What is yet to be looked at of those that wait.
    pub(crate) line: Line,
    /// Whose batch is being executed, and its sequence; 0: a hello.
    pub(crate) caller: Incarnation,
    pub(crate) sequence: u64,
    /// It comes back after a silence in which others may have been unheard as well.
    pub(crate) caller_was_silent: bool,
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
    pub(crate) fn advance(&mut self, raw: Micros) -> Micros {
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
    /// A pool that is found empty: whether it is new, or what it held was lost, is not known.
    #[must_use]
    pub fn new(timing: Timing) -> Self {
        Self {
            timing,
            time: PoolTime::default(),
            keys: Keys::default(),
            classes: Classes::default(),
            cooldowns: Cooldowns::new(timing.claim_limit, timing.max_cooldown),
            leases: Leases::default(),
            tickets: Tickets::default(),
            routers: Routers::default(),
            grace: None,
            silence: None,
            absent_since: None,
            rate: Rate::default(),
            arrival: 0,
            line: Line::default(),
            caller: Incarnation(0),
            sequence: 0,
            caller_was_silent: false,
            rings: false,
        }
    }

    /// A pool that is known not to have been there since `absent_since`, a reading of the clock of
    /// [`Machine::execute`]. Whoever holds something of an earlier one speaks within
    /// [`Timing::all_speak_within`] of that; nobody waits longer for them, unless one knows the pool.
    #[must_use]
    pub fn new_since(timing: Timing, absent_since: Micros) -> Self {
        Self { absent_since: Some(absent_since), ..Self::new(timing) }
    }

    /// Executes one batch at `raw`, the reading of a clock in microseconds that may go back.
    ///
    /// # Errors
    /// `Rejected` for a malformed batch, `StaleSession` for a router that must say hello. Nothing
    /// is changed then (Q8).
    pub fn execute(&mut self, raw: Micros, batch: &Batch) -> Result<Executed, StoreError> {
        validate::batch(batch)?;
        self.routers.check(batch, self.kept_since({ self.time }.advance(raw)))?;
        let now = self.time.advance(raw);
        self.caller = batch.router;
        self.sequence = if batch.session == 0 { 0 } else { batch.sequence };
        self.routers.acknowledge(batch);
        self.rings = false;
        self.line.begin(batch.commands.len());
        self.note_gap(now, batch);
        self.time.called = Some(now);
        let was_silent = self.routers.is_silent(batch.router, now, self.timing.claim_limit);
        self.caller_was_silent =
            self.routers.was_silent(batch.router, now, self.timing.lease_ttl / 2);
        let last_words = self.routers.last_words(batch);
        let session = self.routers.hear(batch, now);
        if let Some(at) = last_words {
            self.doubt(now, at);
        }
        self.end_grace(now);
        self.sweep(now);
        if self.routers.excuse(batch.router) || was_silent {
            self.thaw(None);
        }
        self.claim_offered(now);
        self.hand_out(now);
        let mut answers = Vec::with_capacity(batch.commands.len());
        for command in &batch.commands {
            answers.push(self.command(now, command));
            self.hand_out(now);
        }
        Ok(Executed { reply: self.reply(now, session, answers), rings: self.rings })
    }

    /// What was kept for a router that was last heard before then may be gone by the end of a call at
    /// `now`, although it was not forgotten yet: it is to say again what it holds. In a grace, and where
    /// one begins, nothing goes; a pool without graces is one process's, which hears every reply.
    fn kept_since(&self, now: Micros) -> Micros {
        let Timing { lease_ttl, claim_limit, grace, .. } = self.timing;
        let gap = if self.grace.is_some() { claim_limit } else { lease_ttl / 2 };
        let keeps_all = !grace
            || self.grace.as_ref().is_some_and(|grace| !grace.is_over(now))
            || now - self.time.called() > gap;
        if keeps_all { 0 } else { (now + 1).saturating_sub(lease_ttl) }
    }

    /// Starts a grace if this call follows a gap or finds the pool empty. A router that served its
    /// share begins one only after a silence of all (Q11): else what it holds is all that is not known,
    /// and it says that with the same batch.
    fn note_gap(&mut self, now: Micros, batch: &Batch) {
        if !self.timing.grace {
            return;
        }
        let Some(before) = self.time.called else {
            let new_since = self.absent_since.filter(|_| !batch.knows_pool);
            match new_since {
                Some(since) => self.grace = Grace::of_new_pool(now, since, &self.timing),
                None => self.start_grace(now, now, true),
            }
            return;
        };
        let holds = self.leases.len() + self.tickets.len() > 0;
        let (limit, matters) = match self.grace {
            Some(_) => (self.timing.claim_limit, true),
            None => (self.timing.lease_ttl / 2, holds),
        };
        if now - before >= self.timing.claim_limit {
            self.silence = Some(Silence { from: before, to: now });
        }
        if matters && now - before > limit {
            self.start_grace(now, before, false);
        } else if batch.was_in_share && batch.session != 0 && self.grace.is_none() {
            self.await_shares(now, batch.router);
        }
    }

    /// A router is back from its share. Others that are too, shortly, are awaited: those that were heard
    /// until a silence of all began, and not since.
    fn await_shares(&mut self, now: Micros, router: Incarnation) {
        let Some(silence) = self.silence.take() else { return };
        if now - silence.to >= self.timing.claim_limit {
            return;
        }
        let mut awaited = self.routers.silenced(silence, self.timing.claim_limit);
        awaited.remove(&router);
        self.grace = Grace::after_silence(silence, &self.timing, awaited);
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
            self.look_again();
        }
        over
    }

    fn reply(&self, now: Micros, session: u64, answers: Vec<Answer>) -> BatchReply {
        let news = self.routers.news(self.caller).into_iter();
        let events = news.filter_map(|id| self.event(now, id)).collect();
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
        if let Some(ticket) = self.tickets.get(id)
            && let Stage::Refused(until, reason) = ticket.stage
        {
            let until = until.map(|at| at.saturating_sub(now));
            let notes = self.notes(ticket.class);
            return Some(Event::NoKey { ticket: id, until, reason, notes });
        }
        let lease = self.leases.get(id)?;
        let (key, arrival, claimed) = (lease.key.clone(), lease.arrival, lease.claimed);
        Some(Event::HandedOff { ticket: id, key, arrival, claimed })
    }

    /// The caller's own tickets decide: what others wait for is theirs to ask for.
    fn wake_in(&self, now: Micros) -> Option<Micros> {
        if let Some(grace) = &self.grace {
            return Some(grace.remaining(now).max(1));
        }
        let own = self.tickets.waiting(self.caller);
        let unfinished = own.listed + own.resting > 0 && self.line.is_unfinished();
        let next = [
            if own.delayed > 0 { self.tickets.next_due(self.caller) } else { None },
            if own.listed > 0 { self.leases.next_end() } else { None },
            if own.resting > 0 { self.cooldowns.next_moment() } else { None },
            unfinished.then_some(now),
        ];
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

#[cfg(feature = "canonical")]
impl Machine {
    pub(crate) fn write(&self, to: &mut crate::canonical::Scribe) {
        let Self { timing, time, keys, classes, cooldowns, leases, tickets, routers, .. } = self;
        let Self { grace, silence, absent_since, rate, arrival, line, .. } = self;
        // What is left is of the batch that was executed last.
        let Self { caller: _, sequence: _, caller_was_silent: _, rings: _, .. } = self;
        let PoolTime { raw, offset, called } = time;
        let Timing { lease_ttl, claim_limit, max_cooldown, grace: has_grace } = timing;
        for duration in [lease_ttl, claim_limit, max_cooldown, offset] {
            to.word(*duration);
        }
        to.flag(*has_grace);
        to.moment(*raw);
        to.each(called, |to, at| to.moment(*at));
        keys.write(to);
        to.rests(cooldowns.rows().iter().map(|(_, row)| row.until));
        cooldowns.write(to);
        to.heard(routers.iter().map(|(router, row)| (router, row.heard)));
        leases.write(to);
        tickets.write(to, classes);
        routers.write(to);
        to.each(grace, |to, grace| grace.write(to));
        // Whoever comes back later than that is awaited for nobody's sake.
        let silence = silence.filter(|one| to.now().saturating_sub(one.to) < *claim_limit);
        to.each(silence, |to, silence| {
            to.moment(silence.from);
            to.moment(silence.to);
        });
        // Means nothing once it was called.
        to.each(absent_since.filter(|_| called.is_none()), |to, since| to.moment(since));
        rate.write(to);
        to.arrival(*arrival);
        line.write(to);
    }
}

pub(crate) fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
