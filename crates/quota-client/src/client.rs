//! What one router knows of one pool: its tickets and leases, what it has yet to say, what it
//! waits to hear. Pure: time is an argument, batches go out and replies come in.
//!
//! Commands live here as [`Op`]s and are written out when their batch leaves, because delays and
//! deadlines are relative to that moment and a withdrawn ticket must not be sent at all.

mod answers;
mod batch;
#[cfg(feature = "canonical")]
mod canonical;
mod entry;
mod found;
mod frozen;
mod in_force;
mod polls;
mod share;
mod view;

use std::collections::{HashMap, HashSet, VecDeque};

use foldhash::fast::FixedState;
use weir_quota::{
    Class, HEALTH_MAX, Health, Incarnation, Limits, Micros, Outcome, PoolStatus, TicketId, Timing,
};
use weir_types::QuotaMode;

use crate::{Ask, Defect, Refusal};
use entry::{Entry, Op, Phase};
pub use found::Found;
use share::{Peers, Share};

/// One router's side of one pool.
#[derive(Debug, Clone)]
pub struct PoolClient<W> {
    router: Incarnation,
    timing: Timing,
    limits: Limits,
    /// Whether a share is served while the store is lost.
    serves_share: bool,
    /// The limits that the pool obeys, where it said that they are not ours.
    in_force: Option<Limits>,
    /// The generation to replace with the next `SetLimits`.
    replaces: Option<u64>,
    /// Ours have been in force: others that are now are newer, and obeyed.
    limits_written: bool,
    /// The digest of limits in force that the pool was asked about.
    asked_of: u64,
    /// With the next session: what was in force last, instead of ours that it replaced.
    offers_in_force: bool,
    /// The digest of the limits that the pool, or the share, obeys, and since when they are seen to be.
    obeyed: (u64, Micros),
    /// The pool was outside of a grace since this router knows it.
    was_exact: bool,
    peers: Peers,
    share: Option<Box<Share>>,
    session: u64,
    /// The greatest that the pool has ever given: a hello that does not know it is an earlier one.
    last_session: u64,
    sequence: u64,
    /// The last batch of the session that was answered.
    acknowledged: u64,
    /// The batch under way is a hello.
    greeting: bool,
    in_flight: bool,
    sent: Vec<Op>,
    outbox: VecDeque<Op>,
    /// What the reply being taken in did not settle, to be said first.
    again: Vec<Op>,
    /// Rotates that met a grace.
    deferred: Vec<Op>,
    entries: HashMap<u64, Entry<W>, FixedState>,
    last_number: u64,
    /// Tickets whose `Leave` the pool has not confirmed.
    leaving: HashSet<u64, FixedState>,
    limits_due: bool,
    restate_due: bool,
    restated: bool,
    renew_due: bool,
    routers_due: bool,
    poll_due: bool,
    /// The process ends: the pool is told, and then nothing more.
    bye_due: bool,
    is_gone: bool,
    rung: bool,
    /// How long leases that are given back may wait for company, and until when those do that now lie in
    /// `outbox`.
    patience: Micros,
    patient_until: Micros,
    /// Tickets wait or a grace is on.
    busy: bool,
    /// Tickets of this router wait, and the bell is not heard.
    is_deaf: bool,
    /// Why the last batch came to nothing, or the pool decides nothing; empty where neither is so.
    trouble: String,
    /// When something last happened here, when a batch last left, and when the one to the store did.
    lived_at: Micros,
    sent_at: Micros,
    asked_at: Micros,
    /// Calls that run without a slot, and until when that is waited for.
    lost: usize,
    lost_until: Option<Micros>,
    /// Batches in a row that came to nothing.
    failures: u32,
    /// Sessions in a row that were refused.
    strange: u32,
    blocked_until: Option<Micros>,
    wake_at: Option<Micros>,
    /// When the batch left that the store answered last, and pool time with it: an answer may be late.
    heard_at: Option<Micros>,
    pool_time: Micros,
    /// Why what the store had of the pool was thrown away, until that is said.
    thrown_away: Option<String>,
    /// A batch that the store refused, until that is said.
    defect: Option<Defect>,
    /// When leases are renewed next.
    renew_at: Micros,
    /// The driver sleeps until then.
    armed: Option<Micros>,
    status: PoolStatus,
}

// === impl<W> PoolClient<W> ===

impl<W> PoolClient<W> {
    /// Nothing is held, and the pool was not spoken to yet.
    #[must_use]
    pub fn new(
        router: Incarnation,
        limits: Limits,
        timing: Timing,
        serves_share: bool,
        now: Micros,
    ) -> Self {
        Self {
            router,
            timing,
            limits,
            serves_share,
            in_force: None,
            replaces: None,
            limits_written: false,
            asked_of: 0,
            offers_in_force: false,
            obeyed: (0, now),
            was_exact: false,
            peers: Peers::default(),
            share: None,
            session: 0,
            last_session: 0,
            sequence: 0,
            acknowledged: 0,
            greeting: false,
            in_flight: false,
            sent: Vec::new(),
            outbox: VecDeque::new(),
            again: Vec::new(),
            deferred: Vec::new(),
            entries: HashMap::default(),
            last_number: 0,
            leaving: HashSet::default(),
            limits_due: false,
            restate_due: false,
            restated: false,
            renew_due: false,
            routers_due: false,
            poll_due: false,
            bye_due: false,
            is_gone: false,
            rung: false,
            patience: 0,
            patient_until: 0,
            busy: false,
            is_deaf: false,
            trouble: String::new(),
            lived_at: now,
            sent_at: now,
            asked_at: now,
            lost: 0,
            lost_until: None,
            failures: 0,
            strange: 0,
            blocked_until: None,
            wake_at: None,
            heard_at: None,
            pool_time: 0,
            thrown_away: None,
            defect: None,
            renew_at: now.saturating_add(timing.lease_ttl / 3),
            armed: None,
            status: PoolStatus::default(),
        }
    }

    /// Leases that are given back may wait so long for something else to say, as long as that takes
    /// nothing from anybody: half of the slots are free, nobody waits and nothing rests, as far as is known
    /// here. For stores where each batch has its price.
    #[must_use]
    pub fn with_patience(mut self, patience: Micros) -> Self {
        self.patience = patience;
        self
    }

    /// From now on the configuration allows `limits`: they are put in force for all routers, once. What
    /// is held and waits stays.
    pub fn resize(&mut self, limits: Limits) {
        if limits.hash == self.limits.hash {
            return;
        }
        self.limits = limits;
        self.limits_written = false;
        self.in_force = None;
        self.offers_in_force = false;
        self.limits_due = true;
        self.replaces = None;
        self.resize_share();
    }

    /// The process ends: what is held is given back, and the pool is told.
    pub fn leave_pool(&mut self) {
        self.bye_due = true;
        let session = self.share.as_ref().map_or(self.session, |share| share.session);
        // Nobody knows of it, or nobody answers.
        self.is_gone |= session == 0;
    }

    /// Something may have happened: the next poll is due now.
    pub fn ring(&mut self) {
        self.rung = true;
    }

    /// Enters the queue; the ticket's number.
    pub fn enter(&mut self, ask: Ask, deadline: Micros, now: Micros) -> u64 {
        let number = self.ticket(ask, deadline, now);
        // While the pool is left alone, or asked whether it is back, nobody waits to hear that it
        // does not answer.
        if self.mode() == QuotaMode::Refuse
            && (self.in_flight || self.blocked_until.is_some_and(|until| now < until))
            && let Some(entry) = self.entries.get_mut(&number)
        {
            let why = "the quota store does not answer".to_owned();
            entry.phase = Phase::Refused(Refusal::Unavailable(why));
            return number;
        }
        self.outbox.push_back(Op::Acquire(number));
        number
    }

    /// Gives a lease back. `then`: the ticket that its request goes on with; its number.
    pub fn settle(
        &mut self,
        lease: u64,
        outcome: Outcome,
        then: Option<(Ask, Micros)>,
        now: Micros,
    ) -> Option<u64> {
        let ended = self.entries.remove(&lease);
        let was_lost = ended.is_some_and(|entry| matches!(entry.phase, Phase::Lost { .. }));
        self.lost = self.lost.saturating_sub(usize::from(was_lost));
        let then = then.map(|(ask, deadline)| self.ticket(ask, deadline, now));
        if self.outbox.is_empty() {
            self.patient_until = now.saturating_add(self.patience);
        }
        self.outbox.push_back(Op::Settle { lease, outcome, then });
        then
    }

    /// Changes the key of a lease.
    pub fn rotate(
        &mut self,
        lease: u64,
        outcome: Outcome,
        class: Class,
        then: Option<(Ask, Micros)>,
        now: Micros,
    ) {
        let then = then.map(|(ask, deadline)| self.ticket(ask, deadline, now));
        let Some(entry) = self.entries.get_mut(&lease) else {
            return;
        };
        let (Phase::Held { key, .. } | Phase::Lost { key }) = &entry.phase else {
            return;
        };
        self.lost =
            self.lost.saturating_sub(usize::from(matches!(entry.phase, Phase::Lost { .. })));
        entry.phase = Phase::Rotating { then, key: key.clone(), deferred: false };
        entry.rotations += 1;
        let attempt = entry.rotations;
        self.outbox.push_back(Op::Rotate { lease, attempt, outcome, class, then });
    }

    /// The first content of a lease's answer came.
    pub fn answered(&mut self, lease: u64, outcome: Outcome) {
        self.outbox.push_back(Op::Answered { lease, outcome });
    }

    /// Something was learnt otherwise than by a call. Said once: whoever goes on knowing it says it again,
    /// and what was not heard of an earlier time is not said any more.
    pub fn learn(&mut self, health: &[Health]) {
        self.outbox.retain(|op| !matches!(op, Op::Learn(_)));
        let outcomes = health.chunks(HEALTH_MAX).map(|some| Outcome { health: some.to_vec() });
        self.outbox.extend(outcomes.map(Op::Learn));
    }

    /// Ends a ticket or a rotate that nobody waits for any more, in whatever state it is.
    pub fn withdraw(&mut self, number: u64) {
        self.end(number);
    }

    /// Takes out a ticket or a rotate and sees to it that the pool ends it too.
    fn end(&mut self, number: u64) -> Option<Entry<W>> {
        let entry = self.entries.remove(&number)?;
        match &entry.phase {
            Phase::Waiting | Phase::Held { .. } => {
                if entry.sent {
                    self.leave(number);
                }
            }
            Phase::Rotating { then, .. } => {
                // Whether or not the rotate has run, the lease ends after it.
                let outcome = self.unsend_rotate(number).unwrap_or_default();
                self.outbox.push_back(Op::Settle { lease: number, outcome, then: None });
                then.iter().for_each(|then| self.withdraw(*then));
            }
            Phase::Moved(then) => self.withdraw(*then),
            Phase::Lost { .. } => {
                self.lost = self.lost.saturating_sub(1);
                self.leave(number);
            }
            Phase::Refused(_) => {}
        }
        Some(entry)
    }

    /// Whether nothing waits, is held or is to be said.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
            && self.outbox.is_empty()
            && self.sent.is_empty()
            && self.deferred.is_empty()
            && self.leaving.is_empty()
    }

    /// Whether a lease must be kept alive.
    fn holds_any(&self) -> bool {
        self.entries.values().any(Entry::is_held)
    }

    /// Asks for a renewal with the next batch, and for who else is there.
    fn renew(&mut self) {
        self.renew_due |= self.holds_any();
        self.routers_due |= self.serves_share;
        self.offer_again();
    }

    fn ticket(&mut self, ask: Ask, deadline: Micros, now: Micros) -> u64 {
        self.last_number += 1;
        let entry = Entry {
            class: ask.class,
            not_before: now.saturating_add(ask.delay),
            deadline,
            arrival: ask.arrival,
            wait_for_cooldown: ask.wait_for_cooldown,
            only_free: ask.only_free,
            sent: false,
            resent: 0,
            rotations: 0,
            kept_at: now,
            phase: Phase::Waiting,
            watcher: None,
        };
        self.entries.insert(self.last_number, entry);
        self.last_number
    }

    fn leave(&mut self, number: u64) {
        if self.leaving.insert(number) {
            self.outbox.push_back(Op::Leave(number));
        }
    }

    fn id(&self, number: u64) -> TicketId {
        TicketId { router: self.router, number }
    }
}
