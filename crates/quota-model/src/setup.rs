//! How large a world is, and what may happen in it.

use std::sync::Arc;

use weir_quota::{Class, Limits, Micros, Timing};
use weir_types::KeyName;

/// Short lives, so that a few steps reach the end of one. Everything falls on the grid.
pub(crate) const TIMING: Timing =
    Timing { lease_ttl: 6_000_000, claim_limit: 1_000_000, max_cooldown: 6_000_000, grace: true };
/// What wakes by the clock does so on multiples of this: timers are late.
pub(crate) const GRID: Micros = 500_000;
/// A batch is waited for no longer.
pub(crate) const TIMEOUT: Micros = 250_000;
/// A slot that is given back waits so long for company, as in the router. By the grid, until the next wake.
pub(crate) const PATIENCE: Micros = 5_000;
/// A key rests for so long after a failure.
pub(crate) const REST: Micros = 2_000_000;
/// A router is frozen or cut off no longer than that: longer than a lease lives.
pub(crate) const APART_MAX: Micros = TIMING.lease_ttl + 1_500_000;
/// Nobody's time runs out.
pub(crate) const NEVER: Micros = 1 << 60;

/// How often each thing may go wrong on one path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Budget {
    /// Requests or replies that the network drops.
    pub losses: u8,
    /// Batches that come after their sender has given up.
    pub late: u8,
    /// Batches that come twice.
    pub twice: u8,
    /// Routers that die and come back as another life.
    pub crashes: u8,
    /// Routers that stand still.
    pub freezes: u8,
    /// Routers that reach the store no more, until they do.
    pub cuts: u8,
    /// The store loses everything.
    pub empties: u8,
    /// Requests whose caller goes away.
    pub cancels: u8,
    /// Answers that say that a key is to rest.
    pub failures: u8,
    /// Configurations that are read anew.
    pub changes: u8,
}

/// A world.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Routers.
    pub routers: usize,
    /// Slots.
    pub slots: u32,
    /// Places to wait.
    pub buffer: u32,
    /// Keys, of equal weight.
    pub keys: usize,
    /// By how much a key may be ahead of or behind its share.
    pub leeway: u32,
    /// Models, of which requests take turns; keys rest for one of them where there are several.
    pub models: usize,
    /// At which router each request comes in, in this order.
    pub requests: Vec<usize>,
    /// Whether requests wait for keys that rest.
    pub waits_for_rest: bool,
    /// Whether bells ring.
    pub bells: bool,
    /// What may go wrong.
    pub budget: Budget,
    /// Only this router's network and life go wrong.
    pub troubled: Option<usize>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            routers: 2,
            slots: 1,
            buffer: 4,
            keys: 1,
            leeway: 0,
            models: 1,
            requests: vec![0, 1, 0],
            waits_for_rest: false,
            bells: true,
            budget: Budget::default(),
            troubled: None,
        }
    }
}

impl Setup {
    /// The limits of the configuration that was read `changes` times anew.
    pub(crate) fn limits(&self, changes: u8) -> Limits {
        Limits {
            generation: 1,
            hash: 1 + u64::from(changes),
            concurrency: self.slots + u32::from(changes),
            buffer: self.buffer,
            leeway: self.leeway,
            keys: self.keys().iter().map(|key| (key.clone(), 1.0)).collect(),
        }
    }

    pub(crate) fn keys(&self) -> Vec<KeyName> {
        ["a", "b", "c"].into_iter().take(self.keys).map(KeyName::from).collect()
    }

    pub(crate) fn class(&self, request: usize, but: Option<&KeyName>) -> Class {
        let keys = self.keys().into_iter().filter(|key| Some(key) != but);
        let model = ["m", "n"][request % self.models.clamp(1, 2)];
        Class { model: Arc::from(model), operation: Arc::from("o"), keys: keys.collect() }
    }
}
