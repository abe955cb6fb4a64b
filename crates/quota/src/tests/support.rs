//! What the tests of this crate share: a seeded generator and a store of one machine.

use std::sync::Mutex;

use weir_types::ProviderName;

use crate::{Batch, Bell, ExecuteFuture, Machine, Micros, QuotaStore, Timing};

/// Sequence of numbers that a seed fixes (splitmix64).
#[derive(Debug, Clone)]
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// True in so many of 100.
    pub(super) fn percent(&mut self, of_100: u64) -> bool {
        self.below(100) < of_100
    }

    /// One of these.
    pub(super) fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        let at = usize::try_from(self.below(from.len() as u64)).unwrap();
        from.get(at).cloned()
    }
}

/// A store of one pool, with whatever timing, grace included.
pub(super) struct OnePool {
    machine: Mutex<Machine>,
    clock: Box<dyn Fn() -> Micros + Send + Sync>,
    bells: Mutex<Vec<Bell>>,
}

impl OnePool {
    pub(super) fn new(timing: Timing, clock: impl Fn() -> Micros + Send + Sync + 'static) -> Self {
        let machine = Mutex::new(Machine::new(timing));
        Self { machine, clock: Box::new(clock), bells: Mutex::default() }
    }
}

impl std::fmt::Debug for OnePool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OnePool")
    }
}

impl QuotaStore for OnePool {
    fn execute(&self, pool: &ProviderName, batch: Batch) -> ExecuteFuture {
        let executed = self.machine.lock().unwrap().execute((self.clock)(), &batch);
        if executed.as_ref().is_ok_and(|executed| executed.rings) {
            let bells = self.bells.lock().unwrap().clone();
            bells.iter().for_each(|ring| ring(pool));
        }
        Box::pin(std::future::ready(executed.map(|executed| executed.reply)))
    }

    fn on_bell(&self, bell: Bell) {
        self.bells.lock().unwrap().push(bell);
    }
}

/// Prints the seed if the run it belongs to panics.
pub(super) struct Seed(pub(super) u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("seed {}", self.0);
        }
    }
}
