//! The quota machine behind a lock: the store of a gateway that is one process.
//!
//! One pool is one [`Machine`] in a mutex, held for a few microseconds and never while anything
//! else is called. Time comes from the caller. There is no grace: all who could hold leases died
//! with this process.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use foldhash::HashMap;
use weir_quota::{
    Batch, BatchReply, Bell, ExecuteFuture, LookFuture, Machine, Micros, QuotaStore, Snapshot,
    StoreError, Timing,
};
use weir_types::ProviderName;

/// Pools in memory.
pub struct MemoryStore {
    timing: Timing,
    clock: Box<dyn Fn() -> Micros + Send + Sync>,
    pools: RwLock<HashMap<ProviderName, Arc<Mutex<Machine>>>>,
    bells: RwLock<Vec<Bell>>,
}

impl MemoryStore {
    /// No pools yet; each begins, without limits, with the first batch sent to it. `clock` reads
    /// microseconds since any fixed moment. `timing.grace` has no effect.
    #[must_use]
    pub fn new(timing: Timing, clock: impl Fn() -> Micros + Send + Sync + 'static) -> Self {
        Self {
            timing: Timing { grace: false, ..timing },
            clock: Box::new(clock),
            pools: RwLock::default(),
            bells: RwLock::default(),
        }
    }

    /// A copy of everything a pool holds; `None` if no batch was sent to it yet.
    #[must_use]
    pub fn snapshot(&self, pool: &ProviderName) -> Option<Snapshot> {
        let machine = self.known(pool)?;
        let snapshot = lock(&machine).snapshot();
        Some(snapshot)
    }

    fn execute_now(&self, pool: &ProviderName, batch: &Batch) -> Result<BatchReply, StoreError> {
        let machine = self.known(pool).unwrap_or_else(|| self.begin(pool));
        let executed = {
            let mut machine = lock(&machine);
            // Read under the lock, so that pool time follows the order of execution.
            machine.execute((self.clock)(), batch)?
        };
        if executed.rings {
            let bells = self.bells.read().unwrap_or_else(PoisonError::into_inner).clone();
            bells.iter().for_each(|ring| ring(pool));
        }
        Ok(executed.reply)
    }

    fn known(&self, pool: &ProviderName) -> Option<Arc<Mutex<Machine>>> {
        self.pools.read().unwrap_or_else(PoisonError::into_inner).get(pool).cloned()
    }

    fn begin(&self, pool: &ProviderName) -> Arc<Mutex<Machine>> {
        let mut pools = self.pools.write().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Arc::new(Mutex::new(Machine::new(self.timing)));
        Arc::clone(pools.entry(pool.clone()).or_insert_with(fresh))
    }
}

/// A lock is poisoned only by a defect of the machine; going on beats losing every pool.
fn lock(machine: &Mutex<Machine>) -> MutexGuard<'_, Machine> {
    machine.lock().unwrap_or_else(PoisonError::into_inner)
}

// === impl QuotaStore ===

impl QuotaStore for MemoryStore {
    fn execute(&self, pool: &ProviderName, batch: Batch) -> ExecuteFuture {
        Box::pin(std::future::ready(self.execute_now(pool, &batch)))
    }

    fn look(&self, pool: &ProviderName, model: &Arc<str>) -> LookFuture {
        let sight = self.known(pool).map(|machine| {
            let machine = lock(&machine);
            machine.sight((self.clock)(), model)
        });
        Box::pin(std::future::ready(Ok(sight)))
    }

    fn on_bell(&self, bell: Bell) {
        self.bells.write().unwrap_or_else(PoisonError::into_inner).push(bell);
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pools = self.pools.read().unwrap_or_else(PoisonError::into_inner).len();
        f.debug_struct("MemoryStore")
            .field("timing", &self.timing)
            .field("pools", &pools)
            .finish_non_exhaustive()
    }
}
