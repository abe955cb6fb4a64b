//! Batches and replies, written down as states are.

use super::Scribe;
use crate::{Acquire, Answer, Batch, BatchReply, Command, Event, Health, HeldLease, Outcome};
use crate::{NoKeyReason, Note, PoolStatus};

impl Scribe {
    /// A batch under way.
    pub fn batch(&mut self, batch: &Batch) {
        let Batch { router, session, sequence, heard, was_in_share, knows_pool, commands } = batch;
        self.word(router.0);
        self.session(*session);
        self.sequence(*router, *sequence);
        match session {
            0 => self.session(*heard),
            _ => self.sequence(*router, *heard),
        }
        self.flag(*was_in_share);
        self.flag(*knows_pool);
        self.each(commands, Self::command);
    }

    /// A reply under way.
    pub fn reply(&mut self, reply: &BatchReply) {
        let BatchReply { answers, events, now, wake_in, restate, session, status } = reply;
        self.each(answers, Self::answer);
        self.each(events, Self::event);
        self.moment(*now);
        self.each(wake_in, |to, after| to.word(*after));
        self.flag(*restate);
        self.session(*session);
        self.status(*status);
    }

    /// Gauges.
    pub fn status(&mut self, status: PoolStatus) {
        let PoolStatus { leases, tickets, routers, cooling, limits_hash } = status;
        for count in [leases, tickets, routers, cooling] {
            self.word(u64::from(count));
        }
        self.word(limits_hash);
    }

    /// A request to be let in.
    pub fn acquire(&mut self, acquire: &Acquire) {
        let Acquire { ticket, class, delay, deadline, arrival, wait_for_cooldown } = acquire;
        self.ticket(*ticket);
        self.class(class);
        self.word(*delay);
        self.word((*deadline).min(super::NEVER));
        self.each(arrival, |to, arrival| to.arrival(*arrival));
        self.flag(*wait_for_cooldown);
    }

    /// What was learnt.
    pub fn outcome(&mut self, outcome: &Outcome) {
        let Outcome { health } = outcome;
        self.each(health, |to, health| match health {
            Health::Well(scope) => {
                to.word(0);
                to.scope(scope);
            }
            Health::Cool { scope, retry_after, base, max, missing, note } => {
                to.word(1);
                to.scope(scope);
                to.each(retry_after, |to, rest| to.word(*rest));
                to.word(*base);
                to.word(*max);
                to.flag(*missing);
                to.text(note);
            }
        });
    }

    fn command(&mut self, command: &Command) {
        match command {
            Command::SetLimits { limits, replaces } => {
                self.word(0);
                self.limits(limits);
                self.each(replaces, |to, generation| to.word(*generation));
            }
            Command::Acquire(acquire) => {
                self.word(1);
                self.acquire(acquire);
            }
            Command::Claim(id) => {
                self.word(2);
                self.ticket(*id);
            }
            Command::Settle { lease, outcome, then } => {
                self.word(3);
                self.ticket(*lease);
                self.outcome(outcome);
                self.each(then, Self::acquire);
            }
            Command::Rotate { lease, attempt, outcome, class, then } => {
                self.word(4);
                self.ticket(*lease);
                self.word(u64::from(*attempt));
                self.outcome(outcome);
                self.class(class);
                self.each(then, Self::acquire);
            }
            Command::Answered { lease, outcome } => {
                self.word(5);
                self.ticket(*lease);
                self.outcome(outcome);
            }
            Command::Renew(leases) => {
                self.word(6);
                self.each(leases, Self::held);
            }
            Command::Leave(id) => {
                self.word(7);
                self.ticket(*id);
            }
            Command::Restate { leases, tickets } => {
                self.word(8);
                self.each(leases, Self::held);
                self.each(tickets, Self::acquire);
            }
            Command::Routers => self.word(9),
            Command::Bye => self.word(10),
            Command::Learn(outcome) => {
                self.word(11);
                self.outcome(outcome);
            }
        }
    }

    fn held(&mut self, held: &HeldLease) {
        let HeldLease { lease, key, model } = held;
        self.ticket(*lease);
        self.text(key);
        self.text(model);
    }

    fn answer(&mut self, answer: &Answer) {
        match answer {
            Answer::Granted { key, arrival } => {
                self.word(0);
                self.text(key);
                self.arrival(*arrival);
            }
            Answer::Queued { arrival, ahead, estimate } => {
                self.word(1);
                self.arrival(*arrival);
                self.word(u64::from(*ahead));
                self.estimate(estimate.map(|estimate| estimate as f64));
            }
            Answer::Full { retry_after } => {
                self.word(2);
                self.estimate(Some(*retry_after as f64));
            }
            Answer::NoKey { until, reason, notes } => {
                self.word(3);
                self.no_key(*until, *reason, notes);
            }
            Answer::ClaimRefused => self.word(4),
            Answer::Done => self.word(5),
            Answer::Settled(answer) => {
                self.word(6);
                self.each(answer, |to, answer| to.answer(answer));
            }
            Answer::LimitsInForce(limits) => {
                self.word(7);
                self.limits(limits);
            }
            Answer::Grace => self.word(8),
            Answer::Routers(routers) => {
                self.word(9);
                self.each(routers, |to, router| to.word(router.0));
            }
        }
    }

    fn event(&mut self, event: &Event) {
        match event {
            Event::HandedOff { ticket, key, arrival, claimed } => {
                self.word(0);
                self.ticket(*ticket);
                self.text(key);
                self.arrival(*arrival);
                self.flag(*claimed);
            }
            Event::NoKey { ticket, until, reason, notes } => {
                self.word(1);
                self.ticket(*ticket);
                self.no_key(*until, *reason, notes);
            }
        }
    }

    /// Why no key was given.
    pub fn no_key(&mut self, until: Option<u64>, reason: NoKeyReason, notes: &[Note]) {
        self.each(until, Self::word);
        self.word(reason as u64);
        self.each(notes, |to, note| to.text(note));
    }
}
