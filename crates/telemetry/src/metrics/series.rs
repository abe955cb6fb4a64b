//! The handles that the hot path uses, found by provider name.
//!
//! A family maps label sets to counters behind a lock. Each provider therefore keeps its counters
//! in slots that are filled at their first use; after that an update takes no lock and allocates
//! nothing. A series appears once it is used, so a page shows what happened and no zeros.

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use foldhash::HashMap;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use weir_types::{FailureClass, Operation, QuotaMode};

use super::clients::Clients;
use super::families::Families;
use super::handles::{Handles, SCOPES, STATUS_LABELS, TOKEN_KINDS};
use super::histogram::Histogram;

/// What an unregistered name is counted under.
pub(super) const OTHER: &str = "other";
/// What stands for a provider where none answered.
pub(super) const NONE: &str = "none";

pub(super) const OPERATIONS: usize = Operation::ALL.len() + 1;
const CLASSES: usize = FailureClass::ALL.len() + 1;

/// A metric's handle, made at the first use.
pub(super) type Slot<M> = OnceLock<M>;

/// All series, found by provider name.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) families: Families,
    pub(super) clients: Clients,
    registry: Registry,
    providers: ArcSwap<HashMap<Arc<str>, Arc<ProviderSeries>>>,
    other: Arc<ProviderSeries>,
    none: Arc<ProviderSeries>,
}

/// One provider's slots.
#[derive(Debug)]
pub(super) struct ProviderSeries {
    pub(super) name: Arc<str>,
    /// By operation; made at an operation's first use, as there are many and most are never used.
    operations: Box<[OnceLock<Box<OperationSeries>>]>,
    pub(super) tokens: [Slot<Counter>; TOKEN_KINDS.len()],
    pub(super) broken: Slot<Counter>,
    pub(super) waits: Slot<Histogram>,
    pub(super) dropped: Slot<Counter>,
    pub(super) not_retried: Slot<Counter>,
    pub(super) quota_rebuilt: Slot<Counter>,
    pub(super) cooldowns: [Slot<Counter>; SCOPES.len()],
    pub(super) pool_leases: Slot<Gauge>,
    pub(super) pool_tickets: Slot<Gauge>,
    pub(super) pool_cooling: Slot<Gauge>,
    pub(super) pool_concurrency: Slot<Gauge>,
    pub(super) pool_buffer: Slot<Gauge>,
    pub(super) quota_modes: [Slot<Gauge>; QuotaMode::ALL.len()],
    pub(super) connections: Slot<Gauge>,
    pub(super) insecure: Slot<Gauge>,
    /// Well, and not.
    pub(super) health_checks: [Slot<Counter>; 2],
    pub(super) servers_unwell: Slot<Gauge>,
    pub(super) keys: HashMap<Arc<str>, KeySeries>,
    pub(super) other_key: KeySeries,
}

/// One operation's slots, by stream.
#[derive(Debug, Default)]
pub(super) struct OperationSeries {
    /// By status.
    pub(super) requests: [[Slot<Counter>; STATUS_LABELS]; 2],
    pub(super) durations: [Slot<Histogram>; 2],
    pub(super) first_bytes: [Slot<Histogram>; 2],
    pub(super) first_tokens: Slot<Histogram>,
}

#[derive(Debug)]
pub(super) struct KeySeries {
    pub(super) name: Arc<str>,
    pub(super) grants: Slot<Counter>,
    pub(super) attempts: [Slot<Counter>; CLASSES],
}

// === impl Series ===

impl Default for Series {
    fn default() -> Self {
        let families = Families::default();
        let mut registry = Registry::with_prefix("weir");
        families.register(&mut registry);
        let none = Vec::<&str>::new();
        Self {
            families,
            clients: Clients::default(),
            registry,
            providers: ArcSwap::default(),
            other: Arc::new(ProviderSeries::new(OTHER, none.clone())),
            none: Arc::new(ProviderSeries::new(NONE, none)),
        }
    }
}

impl Series {
    /// Gives a provider its slots. Replacing them keeps the counts: those live in the families.
    pub(super) fn register<'a>(&self, provider: &str, keys: impl IntoIterator<Item = &'a str>) {
        let new = Arc::new(ProviderSeries::new(provider, keys));
        self.providers.rcu(|present| {
            let mut providers = HashMap::clone(present);
            providers.insert(Arc::clone(&new.name), Arc::clone(&new));
            providers
        });
    }

    /// Lends the handles of a provider: `other`'s for an unknown name, `none`'s for an empty one.
    pub(super) fn with(&self, name: &str, use_it: impl FnOnce(Handles<'_>)) {
        let families = &self.families;
        if name.is_empty() {
            return use_it(Handles { families, slots: &self.none });
        }
        let providers = self.providers.load();
        use_it(Handles { families, slots: providers.get(name).unwrap_or(&self.other) });
    }

    pub(super) fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _written = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }
}

// === impl ProviderSeries ===

impl ProviderSeries {
    fn new<'a>(name: &str, keys: impl IntoIterator<Item = &'a str>) -> Self {
        let keys = keys.into_iter().map(KeySeries::new);
        Self {
            name: Arc::from(name),
            operations: (0..OPERATIONS).map(|_| OnceLock::new()).collect(),
            tokens: Default::default(),
            broken: Slot::new(),
            waits: Slot::new(),
            dropped: Slot::new(),
            not_retried: Slot::new(),
            quota_rebuilt: Slot::new(),
            cooldowns: Default::default(),
            pool_leases: Slot::new(),
            pool_tickets: Slot::new(),
            pool_cooling: Slot::new(),
            quota_modes: Default::default(),
            pool_concurrency: Slot::new(),
            pool_buffer: Slot::new(),
            connections: Slot::new(),
            insecure: Slot::new(),
            health_checks: [Slot::new(), Slot::new()],
            servers_unwell: Slot::new(),
            keys: keys.map(|key| (Arc::clone(&key.name), key)).collect(),
            other_key: KeySeries::new(OTHER),
        }
    }

    /// The slots of `operation`; the last place stands for requests that matched none.
    pub(super) fn operation(&self, operation: Option<Operation>) -> Option<&OperationSeries> {
        let at = operation.map_or(OPERATIONS - 1, Operation::index);
        Some(self.operations.get(at)?.get_or_init(Box::default))
    }
}

// === impl KeySeries ===

impl KeySeries {
    fn new(name: &str) -> Self {
        Self { name: Arc::from(name), grants: Slot::new(), attempts: Default::default() }
    }
}
