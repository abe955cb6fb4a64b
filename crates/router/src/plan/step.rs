//! What happens to a plan and what it says to do: its vocabulary. Decides nothing.

use std::time::{Duration, Instant};

use weir_quota::{Class, Outcome};
use weir_types::{Fault, KeyName};

use super::Rejection;
use crate::breaker::Outage;

/// A place in a pool's queue.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct QueuePlace {
    /// What it can use.
    pub class: Class,
    /// Not to be granted before this much later.
    pub delay: Duration,
    /// The arrival number of an earlier ticket of the same request at the same pool.
    pub arrival: Option<u64>,
    /// Stay while the keys cool.
    pub wait_for_cooldown: bool,
    /// A slot that is free, or none: nobody waits.
    pub only_free: bool,
}

/// How far a plan may go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Nothing begins later.
    pub deadline: Instant,
    /// Whether the body can be sent again.
    pub replayable: bool,
    /// Calls to providers, at all targets together.
    pub attempts_max: u32,
    /// After how long without a word a fallback is asked as well; `None`: as each provider's setting
    /// says, zero: never.
    pub hedge_after: Option<Duration>,
}

/// What happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// A slot and a key were given.
    Granted {
        /// The key.
        key: KeyName,
        /// The arrival number.
        arrival: u64,
        /// The lease came from the `then` of a rotate that found no key.
        from_then: bool,
        /// The key has rested, and this finds out whether it is well again.
        may_probe: bool,
    },
    /// No slot, no key; no lease is held.
    Refused(Rejection),
    /// The attempt failed; its lease is held.
    Failed {
        /// How.
        fault: Fault,
        /// How long it took.
        took: Duration,
        /// It is one of many in a row.
        outage: Option<Outage>,
    },
}

/// What to do.
#[derive(Debug, PartialEq)]
pub(crate) enum Action {
    /// Settle the lease if one is held, then ask the pool of [`super::Plan::target`] for a slot.
    Acquire {
        /// What the held lease taught; `None`: none is held.
        settle: Option<Outcome>,
        /// The place to ask for.
        ask: QueuePlace,
    },
    /// Make an attempt with the granted key.
    Call,
    /// Keep the slot, change the key.
    Rotate {
        /// What the failed key taught.
        outcome: Outcome,
        /// The keys not yet tried.
        class: Class,
        /// Where to wait if the pool has none of them.
        then: Option<QueuePlace>,
    },
    /// Give the slot back and enter the queue again, in one step.
    Wait {
        /// What the lease taught.
        outcome: Outcome,
        /// The place to wait at.
        then: QueuePlace,
    },
    /// It is over.
    Finish {
        /// What the held lease taught; `None`: none is held.
        settle: Option<Outcome>,
        /// What the client is told.
        fault: Fault,
    },
}
