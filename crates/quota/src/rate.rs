//! How fast slots come free, for estimates of waiting time.
//!
//! The mean time a slot is held, exponentially weighted. Unlike the interval between departures
//! it is not distorted by idle times.

use crate::Micros;

/// What a new hold weighs against all earlier ones.
const WEIGHT: f64 = 0.125;

/// Said where nothing was measured yet.
const UNMEASURED: Micros = 1_000_000;

/// The measured service rate of a pool.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rate {
    mean_hold: Option<f64>,
}

impl Rate {
    /// Learns from one slot's time between grant and release.
    pub(crate) fn record(&mut self, hold: Micros) {
        let hold = hold as f64;
        self.mean_hold = Some(self.mean_hold.map_or(hold, |mean| mean + (hold - mean) * WEIGHT));
    }

    /// When a ticket with `ahead` others before it may expect its slot.
    pub(crate) fn wait(&self, ahead: u32, concurrency: u32) -> Option<Micros> {
        let mean = self.mean_hold?;
        Some((mean * f64::from(ahead + 1) / f64::from(concurrency.max(1))) as Micros)
    }

    /// When a full pool may expect a free place.
    pub(crate) fn retry_after(&self, concurrency: u32) -> Micros {
        self.wait(0, concurrency).unwrap_or(UNMEASURED)
    }
}

#[cfg(feature = "canonical")]
impl Rate {
    pub(crate) fn write(&self, to: &mut crate::canonical::Scribe) {
        let Self { mean_hold } = self;
        to.estimate(*mean_hold);
    }
}
