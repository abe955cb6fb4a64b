//! A hedge: the first attempt says nothing, so the fallback is asked beside it, and whoever speaks first
//! is kept.
//!
//! Pure, as the rest of the plan. A request has one hedge at most. While it is under way the attempt that
//! it stands beside is not tried again: the fallback has been begun already.

use std::sync::Arc;
use std::time::{Duration, Instant};

use weir_quota::Outcome;
use weir_types::{FailureClass, Fault, KeyName};

use super::round::Round;
use super::{Action, Conclusion, Plan, QueuePlace, classify, learn, place};
use crate::breaker::Outage;
use crate::catalog::Target;

/// The attempt beside the first.
#[derive(Debug)]
pub(super) struct Beside {
    target: Arc<Target>,
    grant: Option<Grant>,
}

#[derive(Debug)]
struct Grant {
    key: KeyName,
    arrival: u64,
    may_probe: bool,
}

/// What to do when the attempt failed that had another one beside it.
#[derive(Debug, PartialEq)]
pub(crate) enum AfterFirst {
    /// Settle its lease: the hedge is the attempt from now on.
    Follow(Outcome),
    /// Cancel the hedge, then do this.
    Leave(Action),
}

impl Plan {
    /// After how long without a word the present attempt gets one beside it; `None`: it gets none.
    pub(crate) fn hedge_after(&self) -> Option<Duration> {
        let after = self.bounds.hedge_after.or(self.target.provider.hedge_after)?;
        let may = !after.is_zero()
            && !self.has_hedged
            && self.bounds.replayable
            && self.attempts < self.bounds.attempts_max
            && self.has_fallback();
        may.then_some(after)
    }

    /// The attempt under way has said nothing for [`Plan::hedge_after`]. Whom to ask beside it, if a slot
    /// is free; `None`: it goes on alone.
    pub(crate) fn quiet(&mut self, now: Instant) -> Option<(Arc<Target>, QueuePlace)> {
        if self.hedge_after().is_none() || now >= self.bounds.deadline {
            return None;
        }
        self.has_hedged = true;
        let target = self.next_fallback()?;
        let ask = QueuePlace {
            class: target.class.clone(),
            delay: Duration::ZERO,
            arrival: None,
            wait_for_cooldown: false,
            only_free: true,
        };
        self.beside = Some(Beside { target: target.clone(), grant: None });
        Some((target, ask))
    }

    /// The hedge has a slot and a key: its attempt is made.
    pub(crate) fn hedge_granted(&mut self, key: KeyName, arrival: u64, may_probe: bool) {
        if let Some(beside) = &mut self.beside {
            beside.grant = Some(Grant { key, arrival, may_probe });
            self.attempts += 1;
        }
    }

    /// No slot is free for the hedge: its target's turn is still to come.
    pub(crate) fn hedge_refused(&mut self) {
        self.postponed = self.beside.take().map(|beside| beside.target);
    }

    /// The hedge failed, and the first attempt goes on alone. What it teaches.
    pub(crate) fn hedge_failed(&mut self, fault: &Fault, outage: Option<Outage>) -> Outcome {
        let Some(Beside { target, grant: Some(grant) }) = self.beside.take() else {
            return Outcome::default();
        };
        if classify(fault) == FailureClass::ContextLength {
            self.too_small.push(place(&target));
        }
        if !self.is_first_witness(fault, &target, &grant.key) {
            return Outcome::default();
        }
        let may_probe = grant.may_probe;
        learn(Conclusion::Failed { fault, may_probe, outage }, &grant.key, &target)
    }

    /// The hedge was the first to speak: it is the attempt from now on.
    pub(crate) fn hedge_spoke(&mut self) {
        self.follow();
    }

    /// The attempt failed that has another one beside it. `draw`: uniform in [0, 1).
    pub(crate) fn first_failed(
        &mut self,
        fault: Fault,
        took: Duration,
        outage: Option<Outage>,
        now: Instant,
        draw: f64,
    ) -> AfterFirst {
        let class = classify(&fault);
        let is_last_word = !class.another_provider_may_help();
        if self.beside.is_none() || is_last_word || now >= self.bounds.deadline {
            self.beside = None;
            return AfterFirst::Leave(self.failed(fault, took, outage, now, draw));
        }
        let key = self.round.key();
        let outcome = self.learn(&fault, outage, &key);
        if class == FailureClass::ContextLength {
            self.too_small.push(place(&self.target));
        }
        if class.refuses_key() || class == FailureClass::ModelMissing {
            self.round.fault = Some(fault.clone());
            self.round.died(key);
        }
        self.round.fault = Some(fault);
        let fault = self.closing_fault(now);
        self.primary_fault.get_or_insert(fault);
        self.follow();
        AfterFirst::Follow(outcome)
    }

    fn follow(&mut self) {
        let Some(Beside { target, grant: Some(grant) }) = self.beside.take() else { return };
        self.target = target;
        self.may_probe = grant.may_probe;
        self.round = Round::new();
        self.round.granted(grant.key, grant.arrival, false);
    }
}
