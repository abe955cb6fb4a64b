//! The quota protocol's vocabulary: commands, replies, and the store they are sent to.
//!
//! A router speaks to a pool (one provider's slots, buffer and keys) in batches. Every command has
//! an id that the router made and may be sent twice; the second time repeats the first answer.
//! All durations are microseconds relative to the pool's own time, so clocks need not agree.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use weir_types::{KeyName, ProviderName};

/// Microseconds: a duration, or a moment of pool time.
pub type Micros = u64;

/// One life of one router process. Drawn at random when it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Incarnation(pub u64);

/// The id of a ticket and of the lease it becomes: the acquire's command id, unique within a router.
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

/// Limits and keys of a pool, as the configuration says.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Grows by one with every change.
    pub generation: u64,
    /// A digest of everything below; routers with another digest have another configuration.
    pub hash: u64,
    /// Slots.
    pub concurrency: u32,
    /// How many tickets may wait.
    pub buffer: u32,
    /// Name and weight (finite, ≥ 0) of every enabled key, in declared order.
    pub keys: Vec<(KeyName, f64)>,
}

/// Something that can be unwell.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// The whole provider.
    Endpoint,
    /// One key, whatever the model.
    Key(KeyName),
    /// One key for one model.
    KeyModel(KeyName, Arc<str>),
}

/// What the end of an attempt teaches about a scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// The scope is well: its cooldown ends and its growth starts over.
    Well(Scope),
    /// The scope must rest.
    Cool {
        /// Which one.
        scope: Scope,
        /// For this long, as the provider asked; `None`: `base` doubled per step of growth.
        retry_after: Option<Micros>,
        /// The first rest where `retry_after` is `None`.
        base: Micros,
        /// No rest is longer.
        max: Micros,
    },
}

/// How a lease ended. Empty: nothing was learnt (cancelled, caller's fault).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// In order; most outcomes have none or one.
    pub health: Vec<Health>,
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
    /// When the ticket is of no use any more; the pool drops it then (its router says so first).
    pub deadline: Micros,
    /// The arrival number an earlier ticket of the same request had; keeps its place, never Full.
    pub arrival: Option<u64>,
    /// Stay queued while a key of the class cools (else: `NoKey` at once).
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
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Sets limits; dropped unless the pool's generation is the one this replaces (`None`: unset).
    SetLimits {
        /// The new limits.
        limits: Limits,
        /// The generation they replace.
        replaces: Option<u64>,
    },
    /// Asks for a slot and a key.
    Acquire(Acquire),
    /// Confirms a hand-off; the upstream call starts only after the answer.
    Claim(TicketId),
    /// Ends a lease: learns, frees, and enters `then` in the same step.
    Settle {
        /// Which lease.
        lease: TicketId,
        /// What was learnt.
        outcome: Outcome,
        /// The ticket the request goes on with (a new id).
        then: Option<Acquire>,
    },
    /// Changes the key and keeps the slot; settles if no key is left, entering `then`.
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
    /// The first content came: a probe under this lease has succeeded.
    Answered {
        /// Which lease.
        lease: TicketId,
        /// What was learnt.
        outcome: Outcome,
    },
    /// Keeps leases alive; unknown ones are re-inserted.
    Renew(Vec<HeldLease>),
    /// Gives up a ticket in whatever state it is; a lease of that id is freed.
    Leave(TicketId),
    /// Everything this router holds, replacing what the pool thinks it holds.
    Restate {
        /// Its claimed leases.
        leases: Vec<HeldLease>,
        /// Its waiting tickets, arrival numbers set.
        tickets: Vec<Acquire>,
    },
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
    /// A slot and a key, to be used at once.
    Granted {
        /// The key.
        key: KeyName,
        /// The arrival number, to be kept for retries.
        arrival: u64,
    },
    /// The ticket waits.
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
        /// When one may be available, relative to now.
        until: Option<Micros>,
        /// Why.
        reason: NoKeyReason,
    },
    /// The claim is too late; the ticket keeps its place.
    ClaimRefused,
    /// Done (settle, renew, leave, restate, limits, answered, a claim that holds).
    Done,
    /// A rotate found no key and settled; the answer to its `then`, if it had one.
    Settled(Option<Box<Answer>>),
    /// The limits in force are other ones.
    LimitsInForce(Limits),
    /// Not executed because the pool is in its grace; send again after it, or queue.
    Grace,
}

/// Something that happened to a ticket outside of its own command. Repeated on every reply until
/// the ticket is claimed or left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A freed slot was handed to this ticket; claim it.
    HandedOff {
        /// The ticket, now an unclaimed lease.
        ticket: TicketId,
        /// The key.
        key: KeyName,
        /// Its arrival number.
        arrival: u64,
    },
    /// The ticket's keys became unusable; leave it.
    NoKey {
        /// The ticket.
        ticket: TicketId,
        /// When one may be available, relative to now.
        until: Option<Micros>,
        /// Why.
        reason: NoKeyReason,
    },
}

/// Commands of one router for one pool, executed in order as one atomic step.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Who.
    pub router: Incarnation,
    /// Handed out by the pool in its answer to `hello`; 0 says hello.
    pub session: u64,
    /// Counted up by the router within a session, from 1.
    pub sequence: u64,
    /// Whether the router served from its own share since its last batch.
    pub was_in_share: bool,
    /// At most 256.
    pub commands: Vec<Command>,
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
    /// relative to now: poll then.
    pub wake_in: Option<Micros>,
    /// A grace is on: restate.
    pub restate: bool,
    /// The session to use from now on.
    pub session: u64,
    /// Gauges.
    pub status: PoolStatus,
}

/// What a pool looks like after a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PoolStatus {
    /// Leases, claimed or not.
    pub leases: u32,
    /// Tickets that wait, whatever for.
    pub tickets: u32,
    /// Routers heard within the lease time.
    pub routers: u32,
    /// Scopes that cool.
    pub cooling: u32,
    /// The hash of the limits in force; another router's if it differs from ours.
    pub limits_hash: u64,
}

/// Why a batch was not executed. Nothing was changed, except for `Unanswered`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreError {
    /// Another session, or a sequence already seen: say hello, restate, send again.
    StaleSession,
    /// A malformed batch: a defect.
    Rejected(String),
    /// No answer within the time budget: it may or may not have run.
    Unanswered(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StaleSession => f.write_str("the pool knows another session of this router"),
            Self::Rejected(why) => write!(f, "the pool refused the batch: {why}"),
            Self::Unanswered(why) => write!(f, "the pool did not answer: {why}"),
        }
    }
}

impl std::error::Error for StoreError {}

/// A batch under way.
pub type ExecuteFuture = Pin<Box<dyn Future<Output = Result<BatchReply, StoreError>> + Send>>;

/// Rings when a pool may have something for a router before its next poll.
pub type Bell = Arc<dyn Fn(&ProviderName) + Send + Sync>;

/// Where pools live.
pub trait QuotaStore: Send + Sync + fmt::Debug + 'static {
    /// Executes one batch atomically. A store that need not wait returns a ready future, which
    /// the caller may poll once without a runtime.
    fn execute(&self, pool: &ProviderName, batch: Batch) -> ExecuteFuture;

    /// Whom to tell about hand-offs that no reply has carried.
    fn on_bell(&self, bell: Bell);
}

/// Times of the protocol, the same for every router of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// A lease lives this long after its last renewal.
    pub lease_ttl: Micros,
    /// A hand-off must be claimed within this.
    pub claim_limit: Micros,
    /// Rows of ended cooldowns are kept this long.
    pub max_cooldown: Micros,
    /// Whether a gap starts a grace; the memory store has none.
    pub grace: bool,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            lease_ttl: 10_000_000,
            claim_limit: 1_000_000,
            max_cooldown: 600_000_000,
            grace: true,
        }
    }
}
