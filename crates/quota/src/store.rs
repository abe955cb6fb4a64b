//! Where pools live: the trait every store implements, and what it can fail with.
//!
//! Says nothing of how: memory and Redis execute the same batches. The protocol's times stand
//! here because every store and router of a cluster must agree on them.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use weir_types::ProviderName;

use crate::{Batch, BatchReply, Micros, Sight};

/// Why a batch was not executed. Nothing was changed, except for `Unanswered`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreError {
    /// Another session, or a sequence already seen: say hello, restate, send again.
    StaleSession,
    /// What was stored was no pool, and is thrown away: found empty from now on; why. Then as after a stale
    /// session.
    Corrupt(String),
    /// A malformed batch: a defect.
    Rejected(String),
    /// No answer within the time budget: it may or may not have run.
    Unanswered(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StaleSession => f.write_str("the pool knows another session of this router"),
            Self::Corrupt(why) => write!(f, "what was stored was no pool: {why}"),
            Self::Rejected(why) => write!(f, "the pool refused the batch: {why}"),
            Self::Unanswered(why) => write!(f, "the pool did not answer: {why}"),
        }
    }
}

impl std::error::Error for StoreError {}

/// A batch under way.
pub type ExecuteFuture = Pin<Box<dyn Future<Output = Result<BatchReply, StoreError>> + Send>>;

/// A look under way; `None`: there is no such pool yet.
pub type LookFuture = Pin<Box<dyn Future<Output = Result<Option<Sight>, StoreError>> + Send>>;

/// Rings when a pool may have something for a router before its next poll.
pub type Bell = Arc<dyn Fn(&ProviderName) + Send + Sync>;

/// Where pools live.
pub trait QuotaStore: Send + Sync + fmt::Debug + 'static {
    /// Executes one batch atomically. A store that need not wait returns a ready future, which
    /// the caller may poll once without a runtime.
    fn execute(&self, pool: &ProviderName, batch: Batch) -> ExecuteFuture;

    /// Looks at a pool, as far as one model is concerned, and changes nothing. A store that cannot be
    /// looked at says so.
    fn look(&self, _pool: &ProviderName, _model: &Arc<str>) -> LookFuture {
        let why = "this store cannot be looked at".to_owned();
        Box::pin(std::future::ready(Err(StoreError::Unanswered(why))))
    }

    /// Whom to tell about hand-offs that no reply has carried.
    fn on_bell(&self, bell: Bell);

    /// Whether each batch has its price, as it has where it crosses a network: then what can wait for
    /// another may do so.
    fn is_remote(&self) -> bool {
        false
    }

    /// Whether the bell would be heard, as far as that is known. To be asked again and again while
    /// tickets wait: only then does a store look often.
    fn hears_bell(&self) -> bool {
        true
    }
}

/// Times of the protocol, the same forevery router of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// A lease lives this long after its last renewal.
    pub lease_ttl: Micros,
    /// A hand-off must be claimed within this. A router unheard for as long is skipped; a grace
    /// lasts half a `lease_ttl` and this, and starts again after an equal silence.
    pub claim_limit: Micros,
    /// Rows of ended cooldowns are kept this long.
    pub max_cooldown: Micros,
    /// Whether a gap starts a grace; the memory store has none.
    pub grace: bool,
}

impl Timing {
    /// Every router that lives and reaches the store has spoken to each of its pools within this: the
    /// longest pause between polls, and what noticing a broken connection takes.
    #[must_use]
    pub const fn all_speak_within(&self) -> Micros {
        (self.lease_ttl / 4).saturating_add(self.claim_limit)
    }
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
