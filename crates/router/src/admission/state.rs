//! What one router knows of one pool: its tickets and leases, what it has yet to say, what it
//! waits to hear. Pure: time is an argument, batches go out and replies come in.
//!
//! Commands live here as [`Op`]s and are written out when their batch leaves, because delays and
//! deadlines are relative to that moment and a withdrawn ticket must not be sent at all.

mod answers;
mod batch;
mod entry;
mod share;

use std::collections::{HashSet, VecDeque};
use std::task::Waker;
use std::time::{Duration, Instant};

use foldhash::HashMap;
use weir_quota::{Class, Incarnation, Limits, Micros, Outcome, PoolStatus, TicketId, Timing};
use weir_types::{KeyName, QuotaMode};

use crate::plan::{QueuePlace, Rejection};
use entry::{Entry, Op, Phase};
use share::{Peers, Share};

/// Polls while something waits.
const POLL_BUSY: Duration = Duration::from_millis(500);

/// Between looks at a batch under way.
const SENT_PAUSE: Duration = Duration::from_millis(20);

/// What a waiting request finds.
#[derive(Debug)]
pub(super) enum Found {
    /// A slot and a key.
    Granted { key: KeyName, arrival: u64, may_probe: bool },
    /// The rotate found no key; the request goes on as this ticket.
    Moved(u64),
    /// Neither will come.
    Refused(Rejection),
    /// Not yet; it will be woken.
    Pending,
}

/// One router's side of one pool.
#[derive(Debug)]
pub(super) struct State {
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
    peers: Peers,
    share: Option<Box<Share>>,
    session: u64,
    sequence: u64,
    /// The batch under way is a hello.
    greeting: bool,
    in_flight: bool,
    sent: Vec<Op>,
    outbox: VecDeque<Op>,
    /// Rotates that met a grace.
    deferred: Vec<Op>,
    entries: HashMap<u64, Entry>,
    last_number: u64,
    /// Tickets whose `Leave` the pool has not confirmed.
    leaving: HashSet<u64>,
    limits_due: bool,
    restate_due: bool,
    restated: bool,
    renew_due: bool,
    routers_due: bool,
    poll_due: bool,
    rung: bool,
    /// Tickets wait or a grace is on.
    busy: bool,
    /// Batches in a row that came to nothing.
    failures: u32,
    blocked_until: Option<Instant>,
    wake_at: Option<Instant>,
    /// When the store last answered, and what pool time was then.
    heard_at: Option<Instant>,
    pool_time: Micros,
    /// Why what the store had of the pool was thrown away, until that is said.
    pub(super) thrown_away: Option<String>,
    /// The keeper sleeps until then.
    pub(super) armed: Option<Instant>,
    pub(super) status: PoolStatus,
}

// === impl State ===

impl State {
    pub(super) fn new(
        router: Incarnation,
        limits: Limits,
        timing: Timing,
        serves_share: bool,
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
            peers: Peers::default(),
            share: None,
            session: 0,
            sequence: 0,
            greeting: false,
            in_flight: false,
            sent: Vec::new(),
            outbox: VecDeque::new(),
            deferred: Vec::new(),
            entries: HashMap::default(),
            last_number: 0,
            leaving: HashSet::new(),
            limits_due: false,
            restate_due: false,
            restated: false,
            renew_due: false,
            routers_due: false,
            poll_due: false,
            rung: false,
            busy: false,
            failures: 0,
            blocked_until: None,
            wake_at: None,
            heard_at: None,
            pool_time: 0,
            thrown_away: None,
            armed: None,
            status: PoolStatus::default(),
        }
    }

    /// From now on the configuration allows `limits`: they are put in force for all routers, once. What
    /// is held and waits stays.
    pub(super) fn resize(&mut self, limits: Limits) {
        if limits.hash == self.limits.hash {
            return;
        }
        self.limits = limits;
        self.limits_written = false;
        self.limits_due = true;
        self.replaces = None;
        self.resize_share();
    }

    /// Whether the pool has ever answered.
    pub(super) fn reached(&self) -> bool {
        self.heard_at.is_some()
    }

    /// Whether other limits than ours are in force.
    pub(super) fn skewed(&self) -> bool {
        self.in_force.is_some()
    }

    /// How limits are kept at present.
    pub(super) fn mode(&self) -> QuotaMode {
        match (&self.share, self.is_lost()) {
            (Some(_), _) => QuotaMode::Share,
            (None, true) => QuotaMode::Refuse,
            (None, false) => QuotaMode::Exact,
        }
    }

    /// Something may have happened: the next poll is due now.
    pub(super) fn ring(&mut self) {
        self.rung = true;
    }

    /// Enters the queue; the ticket's number.
    pub(super) fn enter(&mut self, ask: QueuePlace, deadline: Instant, now: Instant) -> u64 {
        let number = self.ticket(ask, deadline, now);
        // While the pool is left alone, or asked whether it is back, nobody waits to hear that it
        // does not answer.
        if self.mode() == QuotaMode::Refuse
            && (self.in_flight || self.blocked_until.is_some_and(|until| now < until))
            && let Some(entry) = self.entries.get_mut(&number)
        {
            let why = "the quota store does not answer".to_owned();
            entry.phase = Phase::Refused(Rejection::Unavailable(why));
            return number;
        }
        self.outbox.push_back(Op::Acquire(number));
        number
    }

    /// Gives a lease back. `then`: the ticket that its request goes on with; its number.
    pub(super) fn settle(
        &mut self,
        lease: u64,
        outcome: Outcome,
        then: Option<(QueuePlace, Instant)>,
        now: Instant,
    ) -> Option<u64> {
        self.entries.remove(&lease);
        let then = then.map(|(ask, deadline)| self.ticket(ask, deadline, now));
        self.outbox.push_back(Op::Settle { lease, outcome, then });
        then
    }

    /// Changes the key of a lease.
    pub(super) fn rotate(
        &mut self,
        lease: u64,
        outcome: Outcome,
        class: Class,
        then: Option<(QueuePlace, Instant)>,
        now: Instant,
    ) {
        let then = then.map(|(ask, deadline)| self.ticket(ask, deadline, now));
        let Some(entry) = self.entries.get_mut(&lease) else {
            return;
        };
        let Phase::Held { key, .. } = &entry.phase else {
            return;
        };
        entry.phase = Phase::Rotating { then, key: key.clone(), deferred: false };
        entry.rotations += 1;
        let attempt = entry.rotations;
        self.outbox.push_back(Op::Rotate { lease, attempt, outcome, class, then });
    }

    /// The first content of a lease's answer came.
    pub(super) fn answered(&mut self, lease: u64, outcome: Outcome) {
        self.outbox.push_back(Op::Answered { lease, outcome });
    }

    /// What became of a ticket or of a rotate. A refusal is told once.
    pub(super) fn find(&mut self, number: u64, waker: Option<&Waker>) -> Found {
        let Some(entry) = self.entries.get_mut(&number) else {
            let lost = "the ticket is not known any more".to_owned();
            return Found::Refused(Rejection::Defect(lost));
        };
        match &entry.phase {
            Phase::Waiting { .. } | Phase::Rotating { .. } => {
                if let Some(waker) = waker {
                    entry.waker = Some(waker.clone());
                }
                Found::Pending
            }
            Phase::Held { key, may_probe } => Found::Granted {
                key: key.clone(),
                arrival: entry.arrival.unwrap_or(0),
                may_probe: *may_probe,
            },
            Phase::Moved(then) => {
                let then = *then;
                self.entries.remove(&number);
                Found::Moved(then)
            }
            Phase::Refused(refusal) => {
                let refusal = refusal.clone();
                self.entries.remove(&number);
                Found::Refused(refusal)
            }
        }
    }

    /// Ends a ticket or a rotate that nobody waits for any more, in whatever state it is.
    pub(super) fn withdraw(&mut self, number: u64) {
        self.end(number);
    }

    /// Takes out a ticket or a rotate and sees to it that the pool ends it too.
    fn end(&mut self, number: u64) -> Option<Entry> {
        let entry = self.entries.remove(&number)?;
        match &entry.phase {
            Phase::Waiting { .. } | Phase::Held { .. } => {
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
            Phase::Refused(_) => {}
        }
        Some(entry)
    }

    /// Whether nothing waits, is held or is to be said.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
            && self.outbox.is_empty()
            && self.sent.is_empty()
            && self.deferred.is_empty()
            && self.leaving.is_empty()
    }

    /// Whether a lease must be kept alive.
    pub(super) fn holds_any(&self) -> bool {
        self.entries.values().any(Entry::is_held)
    }

    /// Asks for a renewal with the next batch, and for who else is there.
    pub(super) fn renew(&mut self) {
        self.renew_due |= self.holds_any();
        self.routers_due |= self.serves_share;
    }

    /// Asks for a batch even if there is nothing to say.
    pub(super) fn poll(&mut self) {
        self.poll_due = true;
        self.rung = false;
        self.restated = false;
        self.outbox.extend(self.deferred.drain(..));
    }

    /// When the pool must be asked again if nothing else is said until then.
    pub(super) fn next_poll(&self, now: Instant) -> Instant {
        if let Some(until) = self.blocked_until {
            let asks = if self.in_flight { self.while_sent(now) } else { until };
            return self.wake_at.filter(|_| self.share.is_some()).map_or(asks, |at| at.min(asks));
        }
        let Some(heard_at) = self.heard_at else {
            return self.while_sent(now);
        };
        if self.rung {
            return self.while_sent(now);
        }
        let idle = Duration::from_micros(self.timing.lease_ttl / 4);
        let due = heard_at + if self.busy { POLL_BUSY.min(idle) } else { idle };
        self.wake_at.map_or(due, |wake_at| wake_at.min(due)).max(self.while_sent(now))
    }

    /// Now, or a moment later while a batch is under way: it brings news itself.
    fn while_sent(&self, now: Instant) -> Instant {
        if self.in_flight { now + SENT_PAUSE } else { now }
    }

    fn ticket(&mut self, ask: QueuePlace, deadline: Instant, now: Instant) -> u64 {
        self.last_number += 1;
        let entry = Entry {
            class: ask.class,
            not_before: now + ask.delay,
            deadline,
            arrival: ask.arrival,
            wait_for_cooldown: ask.wait_for_cooldown,
            sent: false,
            resent: 0,
            rotations: 0,
            phase: Phase::Waiting { claiming: false },
            waker: None,
        };
        self.entries.insert(self.last_number, entry);
        self.last_number
    }

    fn leave(&mut self, number: u64) {
        if self.leaving.insert(number) {
            self.outbox.push_back(Op::Leave(number));
        }
    }

    /// Takes an unsent rotate out of the outbox; its outcome.
    fn unsend_rotate(&mut self, lease: u64) -> Option<Outcome> {
        let of_lease = |op: &Op| matches!(op, Op::Rotate { lease: of, .. } if *of == lease);
        let queue = &mut self.outbox;
        let op = match queue.iter().position(of_lease) {
            Some(at) => queue.remove(at),
            None => {
                let at = self.deferred.iter().position(of_lease);
                at.map(|at| self.deferred.swap_remove(at))
            }
        };
        match op {
            Some(Op::Rotate { outcome, .. }) => Some(outcome),
            _ => None,
        }
    }

    fn id(&self, number: u64) -> TicketId {
        TicketId { router: self.router, number }
    }
}

/// A duration of the protocol.
fn until(moment: Instant, now: Instant) -> Micros {
    crate::plan::micros(moment.saturating_duration_since(now))
}
