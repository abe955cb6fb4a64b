//! How often in a row a model failed at a server, and when that is an outage: from then on requests are
//! spared what they would find out.
//!
//! Each router counts what it sees; what follows from it (rests and probes) is the pool's, for all.
//! Pure but for its lock. Knows no faults, no keys and no time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use foldhash::HashMap;
use weir_types::{ModelName, ProviderName};

/// Models are named by clients: more places are not counted at once.
const PLACES_MAX: usize = 4096;

/// A model, where it is served.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    /// The provider.
    pub(crate) provider: ProviderName,
    /// Which of its servers.
    pub(crate) server: usize,
    /// The model.
    pub(crate) model: ModelName,
}

/// How far an outage goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outage {
    /// One model at a server: what else is there may be well, and be the fallback.
    Model,
    /// The server: different models fail, or it cannot be reached.
    Server,
}

/// Failures in a row, of every place where there were any.
#[derive(Debug, Default)]
pub(crate) struct Breakers {
    counts: Mutex<HashMap<Place, u32>>,
    /// Whether there is a place at all: the usual case costs a look at this.
    has_any: AtomicBool,
}

// === impl Breakers ===

impl Breakers {
    /// A call at `place` failed by the provider's doing. The outage, if it is one: after
    /// `failures_max` in a row (0: never), and with every further one. `is_connection`: no
    /// connection came about.
    pub(crate) fn failed(
        &self,
        place: &Place,
        failures_max: u32,
        is_connection: bool,
    ) -> Option<Outage> {
        if failures_max == 0 {
            return None;
        }
        let mut counts = self.lock();
        if counts.len() >= PLACES_MAX && !counts.contains_key(place) {
            return None;
        }
        let failures = counts.entry(place.clone()).or_default();
        *failures = failures.saturating_add(1);
        let is_out = *failures >= failures_max;
        self.has_any.store(true, Ordering::Relaxed);
        if !is_out {
            return None;
        }
        let is_beside = |other: &Place| {
            other.provider == place.provider
                && other.server == place.server
                && other.model != place.model
        };
        let others = counts.iter().any(|(other, count)| *count >= failures_max && is_beside(other));
        Some(if others || is_connection { Outage::Server } else { Outage::Model })
    }

    /// Somebody has found `place` to be out: what happens there next decides, as if the failures had been
    /// counted here.
    pub(crate) fn told(&self, place: Place, failures_max: u32) {
        let Some(all_but_one) = failures_max.checked_sub(1) else { return };
        let mut counts = self.lock();
        if counts.len() < PLACES_MAX || counts.contains_key(&place) {
            let failures = counts.entry(place).or_default();
            *failures = all_but_one.max(*failures);
            self.has_any.store(true, Ordering::Relaxed);
        }
    }

    /// A call at `place` was answered to its end.
    pub(crate) fn answered(&self, place: impl FnOnce() -> Place) {
        if !self.has_any.load(Ordering::Relaxed) {
            return;
        }
        let mut counts = self.lock();
        counts.remove(&place());
        self.has_any.store(!counts.is_empty(), Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Place, u32>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(server: usize, model: &str) -> Place {
        Place { provider: "one".into(), server, model: model.into() }
    }

    fn fails(breakers: &Breakers, place: &Place) -> Option<Outage> {
        breakers.failed(place, 3, false)
    }

    #[test]
    fn an_outage_is_so_many_failures_in_a_row_and_ends_with_an_answer() {
        let breakers = Breakers::default();
        let place = at(0, "m");
        assert_eq!([fails(&breakers, &place), fails(&breakers, &place)], [None, None]);
        breakers.answered(|| place.clone());
        assert_eq!([fails(&breakers, &place), fails(&breakers, &place)], [None, None]);
        let open = Some(Outage::Model);
        assert_eq!([fails(&breakers, &place), fails(&breakers, &place)], [open, open]);
        breakers.answered(|| place.clone());
        assert_eq!(fails(&breakers, &place), None);
        assert_eq!(breakers.failed(&place, 0, false), None);
    }

    #[test]
    fn what_another_router_counted_needs_no_counting_here() {
        let breakers = Breakers::default();
        let place = at(0, "m");
        breakers.told(place.clone(), 3);
        assert_eq!(fails(&breakers, &place), Some(Outage::Model));
        breakers.told(place.clone(), 3);
        assert_eq!(fails(&breakers, &place), Some(Outage::Model), "it forgets nothing");
        breakers.answered(|| place.clone());
        assert_eq!(fails(&breakers, &place), None);
        breakers.told(at(1, "m"), 0);
        assert_eq!(breakers.failed(&at(1, "m"), 0, false), None);
    }

    #[test]
    fn other_models_and_servers_have_counts_of_their_own() {
        let breakers = Breakers::default();
        for place in [at(0, "m"), at(0, "n"), at(1, "m")] {
            assert_eq!([fails(&breakers, &place), fails(&breakers, &place)], [None, None]);
        }
        assert_eq!(fails(&breakers, &at(0, "m")), Some(Outage::Model));
        assert_eq!(fails(&breakers, &at(1, "m")), Some(Outage::Model));
        // A second model at one server.
        assert_eq!(fails(&breakers, &at(0, "n")), Some(Outage::Server));
        assert_eq!(fails(&breakers, &at(0, "m")), Some(Outage::Server));
        breakers.answered(|| at(0, "n"));
        assert_eq!(fails(&breakers, &at(0, "m")), Some(Outage::Model));
    }

    #[test]
    fn a_server_that_cannot_be_reached_is_out_for_all_models() {
        let breakers = Breakers::default();
        let lost = |_| breakers.failed(&at(0, "m"), 2, true);
        assert_eq!([0, 1].map(lost), [None, Some(Outage::Server)]);
    }

    #[test]
    fn clients_that_make_models_up_cannot_fill_it() {
        let breakers = Breakers::default();
        for n in 0..PLACES_MAX + 10 {
            fails(&breakers, &at(0, &format!("made-up-{n}")));
        }
        assert_eq!(breakers.lock().len(), PLACES_MAX);
        breakers.answered(|| at(0, "made-up-0"));
        assert!(breakers.has_any.load(Ordering::Relaxed));
    }
}
