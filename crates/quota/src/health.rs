//! What is learnt of keys and providers: the words of it.
//!
//! A part of the protocol's vocabulary; what a pool makes of it is the cooldowns' business.

use std::sync::Arc;

use weir_types::KeyName;

use crate::Micros;

/// Something that can be unhealthy.
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
    /// The scope is healthy: its cooldown ends and its growth starts over. Counts only if the lease
    /// got its key after the scope's last rest ended, as a probe does; else it is old news.
    Well(Scope),
    /// The scope must rest. A rest is never shortened by another, and grows only if the lease got
    /// its key after the last rest ended. Scopes of keys that the limits do not name are ignored.
    Cool {
        /// Which one.
        scope: Scope,
        /// For this long, as the provider asked; `None`: `base` doubled per step of growth.
        retry_after: Option<Micros>,
        /// The first rest where `retry_after` is `None`.
        base: Micros,
        /// No rest is longer.
        max: Micros,
        /// The provider does not know the model, which a client named: of such rests there is a bound
        /// of its own, and each is forgotten at its end. Means nothing for other scopes.
        missing: bool,
        /// What those are told who meet the scope at rest; replaces what was said before.
        note: Note,
    },
}

/// Words about a rest, for the routers: the pool keeps them and does not read them. Empty: none.
pub type Note = Arc<str>;

/// The bytes of a [`Note`] at most.
pub const NOTE_MAX: usize = 512;
/// So many different notes are told of one class at most.
pub const NOTES_MAX: usize = 16;

impl Scope {
    /// The key it is about; `None` for the endpoint.
    #[must_use]
    pub const fn key(&self) -> Option<&KeyName> {
        match self {
            Self::Endpoint => None,
            Self::Key(key) | Self::KeyModel(key, _) => Some(key),
        }
    }
}

impl Health {
    /// The scope it is about.
    #[must_use]
    pub const fn scope(&self) -> &Scope {
        match self {
            Self::Well(scope) | Self::Cool { scope, .. } => scope,
        }
    }
}

/// Things learnt at once, at most.
pub const HEALTH_MAX: usize = 16;

/// How a lease ended. Empty: nothing was learnt (cancelled, caller's fault).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// In order; most outcomes have none or one.
    pub health: Vec<Health>,
}
