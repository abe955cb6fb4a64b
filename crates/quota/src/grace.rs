//! The time after a gap, in which routers say again what they hold and nothing is decided.
//!
//! A gap is a time in which leases may have run out although their routers lived: none could
//! reach the pool. Knows who still has to restate; what a restate does is not its business.
//!
//! Keeps Q11: only a silence of all routers, or a pool found empty, begins one. Nobody's hello does.

use std::collections::BTreeSet;

use crate::{Incarnation, Micros, Timing};

/// A grace under way.
#[derive(Debug, Clone)]
pub(crate) struct Grace {
    /// It ends then at the latest.
    until: Micros,
    /// The pool was found empty: who may hold leases is not known, so it never ends early.
    was_empty: bool,
    /// Who has yet to restate.
    awaited: BTreeSet<Incarnation>,
}

/// Nobody spoke to the pool for a claim limit or longer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Silence {
    /// The last call before it.
    pub(crate) from: Micros,
    /// The first call after it.
    pub(crate) to: Micros,
}

impl Grace {
    /// A grace that starts now, going on with what is left of an earlier one.
    pub(crate) fn start(
        now: Micros,
        timing: &Timing,
        was_empty: bool,
        mut awaited: BTreeSet<Incarnation>,
        earlier: Option<Self>,
    ) -> Self {
        let was_empty = was_empty || earlier.as_ref().is_some_and(|grace| grace.was_empty);
        awaited.extend(earlier.into_iter().flat_map(|grace| grace.awaited));
        let length = (timing.lease_ttl / 2).saturating_add(timing.claim_limit);
        Self { until: now.saturating_add(length), was_empty, awaited }
    }

    /// The grace of a pool that has not been there since `since`: by its end everybody who could hold
    /// something of it has spoken. `None` if that is so already.
    pub(crate) fn of_new_pool(now: Micros, since: Micros, timing: &Timing) -> Option<Self> {
        let until = since.saturating_add(timing.all_speak_within());
        (until > now).then(|| Self { until, was_empty: true, awaited: BTreeSet::new() })
    }

    /// A grace of a claim limit after a silence, for those who were heard shortly before it and have
    /// served shares meanwhile. `None` if there is nobody else.
    pub(crate) fn after_silence(
        silence: Silence,
        timing: &Timing,
        awaited: BTreeSet<Incarnation>,
    ) -> Option<Self> {
        let until = silence.to.saturating_add(timing.claim_limit);
        (!awaited.is_empty()).then_some(Self { until, was_empty: false, awaited })
    }

    /// Awaits a router no longer: it has said again what it holds, or is gone.
    pub(crate) fn restated(&mut self, router: Incarnation) {
        self.awaited.remove(&router);
    }

    /// Whether it has ended.
    pub(crate) fn is_over(&self, now: Micros) -> bool {
        now >= self.until || (self.awaited.is_empty() && !self.was_empty)
    }

    /// How long it lasts at most.
    pub(crate) const fn remaining(&self, now: Micros) -> Micros {
        self.until.saturating_sub(now)
    }
}

#[cfg(feature = "canonical")]
impl Grace {
    pub(crate) fn write(&self, to: &mut crate::canonical::Scribe) {
        let Self { until, was_empty, awaited } = self;
        to.moment(*until);
        to.flag(*was_empty);
        to.each(awaited, |to, router| to.word(router.0));
    }
}
