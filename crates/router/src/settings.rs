//! What the router is told about providers: names, weights, limits, times. No secret, no URL.
//!
//! Plain data. The binary fills it from the configuration file; the router never sees that file.

use std::sync::Arc;
use std::time::Duration;

use weir_quota::Timing;
use weir_types::{
    Commit, Dialect, KeyName, KeyRules, ModelList, Operation, OperationSet, ProviderName,
};

/// Everything the router is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The providers, in declared order.
    pub providers: Vec<ProviderSettings>,
    /// What the clients' keys may reach.
    pub client_keys: ClientKeys,
    /// The longest a request may take up to the head of its answer, queue included.
    pub request_deadline: Duration,
    /// The most calls to providers that one request may lead to: keys, retries and fallbacks together.
    pub attempts_max: u32,
    /// Times of the quota protocol.
    pub timing: Timing,
    /// Whether a router that lost the quota store serves its share of every limit; else it refuses.
    /// Only where several routers share a store.
    pub serves_share: bool,
    /// How long a provider may take for its list of models before the others' are given without it.
    pub listing_patience: Duration,
    /// The longest model list taken from one provider, in bytes.
    pub listing_bytes_max: usize,
}

/// What the clients' keys may reach.
#[derive(Debug, Clone, Default)]
pub struct ClientKeys {
    /// Each of them.
    pub keys: Vec<Arc<ClientKeySettings>>,
    /// Whether every request must come with one.
    pub are_required: bool,
}

/// One client's key, by name.
#[derive(Debug, Clone)]
pub struct ClientKeySettings {
    /// Its name.
    pub name: Arc<str>,
    /// What it may reach.
    pub providers: Vec<Arc<ProviderAccess>>,
}

/// How far one provider may be reached.
#[derive(Debug, Clone)]
pub struct ProviderAccess {
    /// The provider's name, or `*` for all that are not named.
    pub provider: String,
    /// Its share of requests for a model without a provider's name.
    pub weight: Option<f64>,
    /// Models that may be asked for, by the caller's names.
    pub allowed_models: ModelList,
    /// Models that may not; wins.
    pub blacklisted_models: ModelList,
    /// Names of the provider's keys that may be used.
    pub keys: ModelList,
}

/// One provider.
#[derive(Debug, Clone)]
pub struct ProviderSettings {
    /// Its name.
    pub name: ProviderName,
    /// Its keys, in declared order.
    pub keys: Vec<KeySettings>,
    /// Requests that may be under way at once, over the whole cluster.
    pub concurrency: u32,
    /// Requests that may wait, over the whole cluster.
    pub buffer: u32,
    /// By so many requests a key may be ahead of or behind its share, so that the least busy is chosen.
    pub leeway: u32,
    /// Counted retries after the first try.
    pub max_retries: u32,
    /// Of a hundred requests so many may be tried again, and a few beside; 100: all, as often as
    /// `max_retries` allows.
    pub retries_percent: u32,
    /// The first backoff.
    pub backoff_initial: Duration,
    /// No backoff is longer.
    pub backoff_max: Duration,
    /// When its streams begin for a client that does not say.
    pub commit: Commit,
    /// A failure that may pass and took longer than this is not tried again while a fallback is left.
    pub slow_failure: Duration,
    /// So many failures of a model in a row are an outage; 0: none are.
    pub breaker_failures: u32,
    /// After how long without a first token a fallback is asked as well; `None`: never.
    pub hedge_after: Option<Duration>,
    /// Of a hundred requests that may be hedged so many are.
    pub hedges_percent: u32,
    /// How long a key rests for a model that it cannot reach.
    pub model_missing_rest: Duration,
    /// The worker's own limit up to the head of an answer. The router waits a second longer.
    pub attempt_guard: Duration,
    /// What may be asked of it.
    pub operations: OperationSet,
    /// In which formats it is asked what passes within one format only. What is not named here may be
    /// asked in any. Of several of one operation the first is the provider's own.
    pub formats: Vec<(Operation, Dialect)>,
}

/// One key, by name.
#[derive(Debug, Clone)]
pub struct KeySettings {
    /// Its name, unique within the provider.
    pub name: KeyName,
    /// Its share of the requests; finite and not negative.
    pub weight: f64,
    /// Which models it serves.
    pub rules: KeyRules,
    /// Whether it may be used at all.
    pub enabled: bool,
    /// Whether batch and file operations may use it.
    pub use_for_batch_api: bool,
    /// The server that answers it: keys of a provider with equal numbers share one.
    pub server: usize,
}

// === impl Settings ===

impl Default for Settings {
    fn default() -> Self {
        Self {
            providers: Vec::new(),
            client_keys: ClientKeys::default(),
            request_deadline: Duration::from_secs(600),
            attempts_max: 12,
            timing: Timing::default(),
            serves_share: false,
            listing_patience: Duration::from_secs(5),
            listing_bytes_max: 8 << 20,
        }
    }
}

// === impl ProviderSettings ===

impl ProviderSettings {
    /// So many failures in a row are an outage, at least as many as one request may make by itself; 0:
    /// none are.
    pub(crate) fn outage_after(&self) -> u32 {
        match self.breaker_failures {
            0 => 0,
            failures => failures.max(self.max_retries.saturating_add(1)),
        }
    }

    /// The wait after so many retries: min(initial · 2ⁿ, max) · U(0.8, 1.2), capped at max.
    pub(crate) fn backoff(&self, retries: u32, draw: f64) -> Duration {
        let max = self.backoff_max;
        let factor = 1_u32.checked_shl(retries).unwrap_or(u32::MAX);
        let grown = self.backoff_initial.saturating_mul(factor).min(max);
        grown.mul_f64(0.8 + 0.4 * draw.clamp(0.0, 1.0)).min(max)
    }

    /// The server that answers `key`.
    pub(crate) fn server_of(&self, key: &KeyName) -> Option<usize> {
        self.keys.iter().find(|one| one.name == *key).map(|one| one.server)
    }

    /// The keys that the same server answers as `key`, itself among them.
    pub(crate) fn neighbours(&self, key: &KeyName) -> impl Iterator<Item = &KeyName> {
        let server = self.server_of(key);
        let are_near = move |one: &&KeySettings| server == Some(one.server);
        self.keys.iter().filter(are_near).map(|one| &one.name)
    }

    /// A provider without keys and with the defaults of the configuration format.
    #[must_use]
    pub fn new(name: ProviderName) -> Self {
        Self {
            name,
            keys: Vec::new(),
            concurrency: 1000,
            buffer: 5000,
            leeway: 0,
            max_retries: 0,
            retries_percent: 20,
            backoff_initial: Duration::from_millis(500),
            backoff_max: Duration::from_secs(5),
            commit: Commit::default(),
            slow_failure: Duration::from_secs(10),
            breaker_failures: 5,
            hedge_after: None,
            hedges_percent: 10,
            model_missing_rest: Duration::from_mins(1),
            attempt_guard: Duration::from_secs(30),
            operations: OperationSet::ALL,
            formats: Vec::new(),
        }
    }
}
