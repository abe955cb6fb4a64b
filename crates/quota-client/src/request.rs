//! What a request asks for, and why it gets nothing: the vocabulary between router and client.

use weir_quota::{Class, Micros, NoKeyReason, Note};

/// A place in a pool's queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// What it can use.
    pub class: Class,
    /// Not to be granted before this much later.
    pub delay: Micros,
    /// The arrival number of an earlier ticket of the same request at the same pool.
    pub arrival: Option<u64>,
    /// Stay while the keys cool.
    pub wait_for_cooldown: bool,
    /// A slot that is free, or none: nobody waits.
    pub only_free: bool,
}

/// No slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The buffer is full.
    Full {
        /// When a place may be free, relative to then.
        retry_after: Micros,
    },
    /// No key of the class can be given.
    NoKey {
        /// When one may be, relative to then.
        until: Option<Micros>,
        /// Why.
        reason: NoKeyReason,
        /// What is noted of the rests in the way.
        notes: Vec<Note>,
    },
    /// The store does not answer, or the slot was lost.
    Unavailable(String),
    /// The store refused what it was sent, or answered what makes no sense.
    Defect(String),
}

/// A batch that the store refused as malformed: a defect of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defect {
    /// What the store found wrong.
    pub why: String,
    /// How many commands the batch had.
    pub commands: usize,
}
