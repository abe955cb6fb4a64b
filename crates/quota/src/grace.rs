//! The time after a gap, in which routers say again what they hold and nothing is decided.
//!
//! A gap is a time in which leases may have run out although their routers lived: none could
//! reach the pool. Knows who still has to restate; what a restate does is not its business.

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

    /// Awaits one more router.
    pub(crate) fn await_router(&mut self, router: Incarnation) {
        self.awaited.insert(router);
    }

    /// Notes a router's restate.
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
