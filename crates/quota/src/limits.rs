//! What a pool allows: its limits and keys, as a configuration says.

use weir_types::KeyName;

/// No leeway is greater.
pub const LEEWAY_MAX: u32 = 1_000_000;

/// Limits and keys of a pool, as the configuration says.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// From 1, grows with every change; 0 stands for a pool whose limits have not been set.
    pub generation: u64,
    /// A digest of everything below; routers with another digest have another configuration.
    pub hash: u64,
    /// Slots.
    pub concurrency: u32,
    /// How many tickets may wait.
    pub buffer: u32,
    /// By so many grants a key may be ahead of or behind what its weight gives it, so that the least busy
    /// is chosen; 0: not at all.
    pub leeway: u32,
    /// Name and weight (finite, ≥ 0) of every enabled key, in declared order.
    pub keys: Vec<(KeyName, f64)>,
}

impl Limits {
    /// What a pool has before its first [`SetLimits`](crate::Command::SetLimits): generation 0, no slot, no key.
    #[must_use]
    pub const fn unset() -> Self {
        Self { generation: 0, hash: 0, concurrency: 0, buffer: 0, leeway: 0, keys: Vec::new() }
    }

    /// Whether these are the limits of a pool whose limits have not been set.
    #[must_use]
    pub const fn is_unset(&self) -> bool {
        self.generation == 0
    }
}
