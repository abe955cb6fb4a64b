//! What is remembered of each ticket and of each thing to say.

use weir_quota::{Class, Health, Micros, Outcome};
use weir_types::KeyName;

use crate::Refusal;

/// One thing to say to the pool. Numbers are those of tickets and leases.
#[derive(Debug, Clone)]
pub(super) enum Op {
    Acquire(u64),
    Settle { lease: u64, outcome: Outcome, then: Option<u64> },
    Rotate { lease: u64, attempt: u32, outcome: Outcome, class: Class, then: Option<u64> },
    Answered { lease: u64, outcome: Outcome },
    Learn(Outcome),
    Leave(u64),
    // Of these there is never more than one to say, so they are flags until they leave. Limits go by
    // their digest.
    SetLimits(u64),
    Restate,
    Renew,
    Routers,
    Bye,
}

/// A ticket or the lease it became.
#[derive(Debug, Clone)]
pub(super) struct Entry<W> {
    pub(super) class: Class,
    pub(super) not_before: Micros,
    pub(super) deadline: Micros,
    pub(super) arrival: Option<u64>,
    pub(super) wait_for_cooldown: bool,
    /// It does not wait.
    pub(super) only_free: bool,
    /// The pool may know of it.
    pub(super) sent: bool,
    /// How often it was sent again because the pool had no limits.
    pub(super) resent: u8,
    pub(super) rotations: u32,
    /// The lease lives for its time from then on, or longer.
    pub(super) kept_at: Micros,
    pub(super) phase: Phase,
    pub(super) watcher: Option<W>,
}

#[derive(Debug, Clone)]
pub(super) enum Phase {
    /// Not granted yet.
    Waiting,
    /// A slot is held.
    Held { key: KeyName, may_probe: bool },
    /// The slot is held, the key is being changed. `deferred`: after the grace.
    Rotating { then: Option<u64>, key: KeyName, deferred: bool },
    /// A rotate found no key; the request goes on as this ticket.
    Moved(u64),
    /// The slot was held, and is not any more; the holder has yet to see it.
    Lost { key: KeyName },
    /// No slot.
    Refused(Refusal),
}

// === impl Op ===

impl Op {
    /// Whether it gives a lease back and says nothing that others have to know at once.
    pub(super) fn is_mere_return(&self) -> bool {
        let Self::Settle { outcome, then: None, .. } = self else {
            return false;
        };
        outcome.health.iter().all(|health| matches!(health, Health::Well(_)))
    }
}

// === impl Entry ===

impl<W> Entry<W> {
    /// A lease that the pool may be reminded of: none of its commands is unanswered.
    pub(super) fn is_held(&self) -> bool {
        matches!(self.phase, Phase::Held { .. } | Phase::Rotating { deferred: true, .. })
    }

    pub(super) fn key(&self) -> Option<&KeyName> {
        match &self.phase {
            Phase::Held { key, .. } | Phase::Rotating { key, .. } => Some(key),
            Phase::Waiting | Phase::Moved(_) => None,
            Phase::Lost { .. } | Phase::Refused(_) => None,
        }
    }
}
