//! The quota protocol's vocabulary: commands, replies, and the store they are sent to.
//!
//! A router speaks to a pool (one provider's slots, buffer and keys) in batches. Every command has
//! an id that the router made and may be sent twice; the second time repeats the first answer.
//! All durations are microseconds relative to the pool's own time, so clocks need not agree.

use std::sync::Arc;

use weir_types::KeyName;

use crate::{Limits, Note, Outcome};

/// Microseconds: a duration, or a moment of pool time.
pub type Micros = u64;

/// A batch carries no more commands than this.
pub const COMMANDS_MAX: usize = 256;

/// One life of one router towards a pool: from when it begins to use the pool to when it is done with it.
/// Drawn at random then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Incarnation(pub u64);

/// The id of a ticket and of the lease it becomes: the acquire's command id, unique within a
/// router.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TicketId {
    /// Whose it is.
    pub router: Incarnation,
    /// Counted up by that router.
    pub number: u64,
}

/// What a ticket can use: tickets of one class are interchangeable and wait in one list.
///
/// (model × operation × set of eligible key names), fewer keys after each one tried.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Class {
    /// The caller's model name; cooldowns of scope key × model are looked up by it.
    pub model: Arc<str>,
    /// The operation's label.
    pub operation: Arc<str>,
    /// Eligible keys by name, in declared order.
    pub keys: Arc<[KeyName]>,
}

/// A request to be let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acquire {
    /// Names the ticket, and the lease it becomes.
    pub ticket: TicketId,
    /// What it can use.
    pub class: Class,
    /// Not to be granted before this much later: a backoff. 0: at once.
    pub delay: Micros,
    /// This much later the ticket is no longer of use and the pool drops it while it waits. A
    /// safety net: its router sends `Leave` first.
    pub deadline: Micros,
    /// The arrival number an earlier ticket of the same request had: keeps its place. `None` in
    /// a `then`: that of its lease. Only a `then` and a restated ticket are never Full.
    pub arrival: Option<u64>,
    /// Stay queued while every key of the class cools or is being probed (else: `NoKey` at once,
    /// or, for a ticket already queued, at the moment that becomes so). With a `delay` this is
    /// looked at when the delay ends.
    pub wait_for_cooldown: bool,
}

/// A lease as its router knows it, enough to re-insert it into an empty pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldLease {
    /// Its id.
    pub lease: TicketId,
    /// The key in use.
    pub key: KeyName,
    /// The model it is used for.
    pub model: Arc<str>,
}

/// One step of the protocol.
///
/// What each is answered with, unless the batch as a whole fails:
///
/// | command | answer |
/// |---|---|
/// | `SetLimits` | `Done` if now in force; `LimitsInForce` (the present ones) if dropped |
/// | `Acquire` | `Granted`, `Queued`, `Full`, `NoKey`; `LimitsInForce(unset)`: set limits first |
/// | `Claim` | `Granted` if it holds, `ClaimRefused`, `Grace` |
/// | `Settle` without `then` | `Done` |
/// | `Settle` with `then` | `Settled(Some(answer to then))`, `Settled(None)` |
/// | `Rotate` | `Granted` with the new key, `Settled`, `Grace` |
/// | `Answered`, `Learn`, `Renew`, `Leave`, `Restate`, `Bye` | `Done` |
/// | `Routers` | `Routers` |
///
/// `Settled(None)` after a command with a `then` means that neither the lease nor the ticket is
/// known: nothing was entered, and the request goes on with an `Acquire` of its own.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Sets limits; dropped unless the pool's generation is the one this replaces (`None`: unset), and
    /// while a router is there that offered others which came after these (Q15), unless this one did so
    /// itself. A generation that skips one says that these are not news: they were overruled before, or
    /// are another router's; they are not taken while a router is there that offered the present ones.
    /// Lags, cooldowns and leases stay; lags follow their keys by name.
    SetLimits {
        /// The new limits; their generation is greater than `replaces`.
        limits: Limits,
        /// The generation they replace.
        replaces: Option<u64>,
    },
    /// Asks for a slot and a key. A known ticket repeats its answer.
    Acquire(Acquire),
    /// Confirms a hand-off, as the batch that it comes with has done already. The key that the answer
    /// names may differ from an earlier event's if the ticket was handed off again since.
    Claim(TicketId),
    /// Ends a lease: learns, frees, and enters `then` in the same step. An unknown lease changes
    /// nothing, but a known `then` repeats its answer.
    Settle {
        /// Which lease.
        lease: TicketId,
        /// What was learnt.
        outcome: Outcome,
        /// The ticket the request goes on with (a new id).
        then: Option<Acquire>,
    },
    /// Changes the key and keeps the slot; settles if no key is left, entering `then`. An unknown
    /// lease is treated as by `Settle`.
    Rotate {
        /// Which lease.
        lease: TicketId,
        /// Counts this lease's rotations from 1, to recognise a repeated command.
        attempt: u32,
        /// What was learnt of the old key.
        outcome: Outcome,
        /// The keys not yet tried.
        class: Class,
        /// The ticket the request goes on with if no key is left.
        then: Option<Acquire>,
    },
    /// The first content came: probes under this lease end, and what they showed is learnt.
    /// Needless if [`PoolStatus::cooling`] was 0 when the lease was granted.
    Answered {
        /// Which lease.
        lease: TicketId,
        /// What was learnt.
        outcome: Outcome,
    },
    /// Something was learnt otherwise than by a call, just now: of a server that was asked how it is.
    Learn(Outcome),
    /// Keeps leases alive; unknown ones are re-inserted, even above the limit. Leases whose
    /// settle or rotate is unanswered must not be named.
    Renew(Vec<HeldLease>),
    /// Gives up a ticket in whatever state it is; a lease of that id is freed.
    Leave(TicketId),
    /// Everything this router holds, replacing what the pool thinks it holds: to be sent after
    /// every hello, and whenever a reply says `restate`. Sent again it does no harm.
    Restate {
        /// Its claimed leases, but for those whose settle or rotate is unanswered.
        leases: Vec<HeldLease>,
        /// Its waiting tickets with their arrival numbers; hand-offs not yet claimed and `then`s
        /// not yet answered belong here too.
        tickets: Vec<Acquire>,
    },
    /// Asks who speaks to the pool. Routers share the limits among those when the store is lost.
    Routers,
    /// This router goes for good, as the last command of a batch: what it holds is freed, and it is
    /// neither awaited nor counted from then on. Its session ends.
    Bye,
}

/// Why a ticket got no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoKeyReason {
    /// All keys of the class cool.
    Cooling,
    /// The endpoint cools.
    EndpointCooling,
    /// The class has no key that the pool knows.
    Unknown,
}

/// The answer to one command.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// A slot and a key, to be used at once: a direct grant, a claim that holds, or the next key.
    Granted {
        /// The key.
        key: KeyName,
        /// The arrival number, to be kept for retries.
        arrival: u64,
    },
    /// The ticket waits. If it was handed a slot or refused since, an event says so.
    Queued {
        /// The arrival number, to be kept for retries.
        arrival: u64,
        /// Tickets before it that could use the same slots.
        ahead: u32,
        /// Expected wait from the measured service rate; `None` before anything was measured.
        estimate: Option<Micros>,
    },
    /// The buffer is full; the ticket does not exist.
    Full {
        /// Expected time until a place is free.
        retry_after: Micros,
    },
    /// No key can be given; the ticket does not exist.
    NoKey {
        /// When one may be available, relative to now; 0 while one is being probed.
        until: Option<Micros>,
        /// Why.
        reason: NoKeyReason,
        /// What is noted of the rests in the way, each once, in the order of the limits' keys: of a
        /// key that of the rest which ends last, empty if nothing is. At most [`NOTES_MAX`](crate::NOTES_MAX).
        notes: Vec<Note>,
    },
    /// The claim is too late; the ticket keeps its place.
    ClaimRefused,
    /// Done (settle without `then`, renew, leave, restate, limits, answered).
    Done,
    /// The lease has ended; the answer to the command's `then`, if it had one.
    Settled(Option<Box<Self>>),
    /// The limits in force are other ones, or none: [`Limits::is_unset`].
    LimitsInForce(Limits),
    /// A claim or a rotate that changed nothing because the pool is in its grace. The ticket or
    /// lease is restated; send the rotate again after the grace, claim when handed off again.
    Grace,
    /// The routers heard within a lease's life, in order, the one that asks among them.
    Routers(Vec<Incarnation>),
}

/// Something that happened to a ticket outside of its own command. Repeated on every reply until
/// the ticket is left, a hand-off that is not claimed lapses (the ticket then waits again), or the router
/// says that it has heard of one that is ([`Batch::heard`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A freed slot was handed to this ticket.
    HandedOff {
        /// The ticket, now a lease.
        ticket: TicketId,
        /// The key.
        key: KeyName,
        /// Its arrival number.
        arrival: u64,
        /// Whether the lease is confirmed: use it at once. A batch of its router claims what it was
        /// handed, unless it is a hello or the pool is in its grace; the next one does.
        claimed: bool,
    },
    /// The ticket's keys became unusable; leave it.
    NoKey {
        /// The ticket.
        ticket: TicketId,
        /// When one may be available, relative to now.
        until: Option<Micros>,
        /// Why.
        reason: NoKeyReason,
        /// As in [`Answer::NoKey`].
        notes: Vec<Note>,
    },
}

/// Commands of one router for one pool, executed in order as one atomic step. A batch without
/// commands is a poll.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Who.
    pub router: Incarnation,
    /// Handed out by the pool in its answer to `hello`; 0 says hello.
    pub session: u64,
    /// Counted up by the router within a session, from 1; may skip, never repeats.
    pub sequence: u64,
    /// The sequence of the last batch of this session whose reply arrived; 0: none. Hand-offs that
    /// this reply told of as claimed are not told again. With a hello: the greatest session that the
    /// router was ever given. One that is less than that in which it has spoken since comes too late.
    pub heard: u64,
    /// Whether the router served its own share until now: then the batch says again all that it
    /// holds. Means nothing with a hello, which decides nothing.
    pub was_in_share: bool,
    /// With a hello: this pool has answered the router before, so it is not a new one.
    pub knows_pool: bool,
    /// At most [`COMMANDS_MAX`]; none with a hello.
    pub commands: Vec<Command>,
}

impl Batch {
    /// A hello of this router, answered with its new session.
    #[must_use]
    pub const fn hello(router: Incarnation) -> Self {
        let (session, sequence, heard) = (0, 0, 0);
        let (was_in_share, knows_pool) = (false, false);
        let commands = Vec::new();
        Self { router, session, sequence, heard, was_in_share, knows_pool, commands }
    }
}

/// The pool's answer to a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchReply {
    /// One per command, in order; empty after a hello.
    pub answers: Vec<Answer>,
    /// Events for this router's tickets.
    pub events: Vec<Event>,
    /// Pool time.
    pub now: Micros,
    /// When something can change without a command (a delay or cooldown ends, a claim lapses),
    /// relative to now: poll then. `None` while no ticket waits.
    pub wake_in: Option<Micros>,
    /// A grace is on: restate with the next batch, poll at least twice per claim limit.
    pub restate: bool,
    /// The session to use from now on.
    pub session: u64,
    /// Gauges.
    pub status: PoolStatus,
}

/// What a pool looks like after a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PoolStatus {
    /// Slots in use: leases, claimed or not.
    pub leases: u32,
    /// Tickets that wait, whatever for, or whose refusal was not yet left. Not those handed off,
    /// which are leases already: `leases + tickets` never grows beyond `buffer + concurrency`.
    pub tickets: u32,
    /// Routers heard within the lease time.
    pub routers: u32,
    /// Scopes that cool, or have cooled and were not yet shown to be healthy.
    pub cooling: u32,
    /// The hash of the limits in force (0: unset); another router's if it differs from ours.
    pub limits_hash: u64,
}
