//! What is remembered of each ticket and of each thing to say.

use std::task::Waker;
use std::time::Instant;

use weir_quota::{Class, Outcome};
use weir_types::KeyName;

use crate::plan::Rejection;

/// One thing to say to the pool. Numbers are those of tickets and leases.
#[derive(Debug)]
pub(super) enum Op {
    Acquire(u64),
    Claim(u64),
    Settle { lease: u64, outcome: Outcome, then: Option<u64> },
    Rotate { lease: u64, attempt: u32, outcome: Outcome, class: Class, then: Option<u64> },
    Answered { lease: u64, outcome: Outcome },
    Leave(u64),
    // Of these there is never more than one to say, so they are flags until they leave. Limits go by
    // their digest.
    SetLimits(u64),
    Restate,
    Renew,
    Routers,
}

/// A ticket or the lease it became.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) class: Class,
    pub(super) not_before: Instant,
    pub(super) deadline: Instant,
    pub(super) arrival: Option<u64>,
    pub(super) wait_for_cooldown: bool,
    /// The pool may know of it.
    pub(super) sent: bool,
    /// How often it was sent again because the pool had no limits.
    pub(super) resent: u8,
    pub(super) rotations: u32,
    pub(super) phase: Phase,
    pub(super) waker: Option<Waker>,
}

#[derive(Debug)]
pub(super) enum Phase {
    /// Not granted yet; `claiming`: a hand-off is being confirmed.
    Waiting { claiming: bool },
    /// A slot is held.
    Held { key: KeyName, may_probe: bool },
    /// The slot is held, the key is being changed. `deferred`: after the grace.
    Rotating { then: Option<u64>, key: KeyName, deferred: bool },
    /// A rotate found no key; the request goes on as this ticket.
    Moved(u64),
    /// No slot.
    Refused(Rejection),
}

// === impl Entry ===

impl Entry {
    /// A lease that the pool may be reminded of: none of its commands is unanswered.
    pub(super) fn is_held(&self) -> bool {
        matches!(self.phase, Phase::Held { .. } | Phase::Rotating { deferred: true, .. })
    }

    pub(super) fn key(&self) -> Option<&KeyName> {
        match &self.phase {
            Phase::Held { key, .. } | Phase::Rotating { key, .. } => Some(key),
            Phase::Waiting { .. } | Phase::Moved(_) | Phase::Refused(_) => None,
        }
    }
}
