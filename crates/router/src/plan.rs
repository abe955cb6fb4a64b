//! What next? Retry, another key, wait, another provider, or give up: the failure policy.
//!
//! Pure: events in, actions out; time and the random draw are arguments. Knows faults by class
//! and keys by name, never a body, a socket or the pool's state.
//!
//! Within a round each key of the class is tried once. A new round and a transient failure count
//! as retries, another key within a round does not. A slot is never held while something waits.

mod again;
mod cause;
mod health;
mod hedge;
mod rejection;
mod round;
mod step;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use weir_quota::{Class, Outcome};
use weir_types::{FailureClass, Fault, FaultCode, KeyName, ModelName, ProviderName};

use crate::breaker::Outage;
use crate::catalog::{Route, Target};
pub(crate) use cause::Cause;
use health::is_doubted;
pub(crate) use health::{Conclusion, classify, exhausted, learn, micros};
pub(crate) use hedge::AfterFirst;
use hedge::Beside;
pub(crate) use rejection::Rejection;
use round::{Ready, Round};
pub(crate) use step::{Action, Bounds, Event, QueuePlace};

/// One request's way through its targets.
#[derive(Debug)]
pub(crate) struct Plan {
    target: Arc<Target>,
    fallbacks: std::vec::IntoIter<Arc<Target>>,
    round: Round,
    bounds: Bounds,
    /// Calls made.
    attempts: u32,
    /// Why the first target failed; the answer if all fail.
    primary_fault: Option<Fault>,
    /// Where the prompt does not fit: what bears one name may be larger elsewhere.
    too_small: Vec<(ProviderName, ModelName)>,
    /// Whether the present attempt may be a probe.
    may_probe: bool,
    /// Whether the target's pool has retries left.
    has_retries: bool,
    /// It was not tried again for want of them.
    is_spared: bool,
    /// Keys that were refused to this request.
    accused: Vec<(ProviderName, KeyName)>,
    /// The attempt beside the present one.
    beside: Option<Beside>,
    has_hedged: bool,
    /// The fallback that could not be asked beside an attempt.
    postponed: Option<Arc<Target>>,
}

// === impl Plan ===

impl Plan {
    /// The plan of a route and its first action.
    ///
    /// # Errors
    /// The primary cannot be asked and there is no fallback: why.
    pub(crate) fn begin(route: Route, bounds: Bounds) -> Result<(Self, Action), Fault> {
        let mut fallbacks = route.fallbacks.into_iter();
        let (target, primary_fault) = match route.primary {
            Ok(target) => (target, None),
            Err(fault) => match fallbacks.next() {
                Some(target) => (target, Some(fault)),
                None => return Err(fault),
            },
        };
        let round = Round::new();
        let (too_small, accused) = (Vec::new(), Vec::new());
        let plan = Self {
            target,
            fallbacks,
            round,
            bounds,
            attempts: 0,
            primary_fault,
            too_small,
            may_probe: false,
            has_retries: true,
            is_spared: false,
            accused,
            beside: None,
            has_hedged: false,
            postponed: None,
        };
        let ask = plan.fresh();
        Ok((plan, Action::Acquire { settle: None, ask }))
    }

    /// Where the request is now.
    pub(crate) fn target(&self) -> &Arc<Target> {
        &self.target
    }

    /// Takes in what happened at `now` and says what is next. `draw`: uniform in [0, 1).
    pub(crate) fn on(&mut self, event: Event, now: Instant, draw: f64) -> Action {
        match event {
            Event::Granted { key, arrival, from_then, may_probe } => {
                self.may_probe = may_probe;
                self.round.granted(key, arrival, from_then);
                self.attempts += 1;
                Action::Call
            }
            Event::Refused(refusal) => self.refused(refusal, now),
            Event::Failed { fault, took, outage } => self.failed(fault, took, outage, now, draw),
        }
    }

    /// A worker has made so many more calls for one attempt.
    pub(crate) fn repeated(&mut self, calls: usize) {
        self.attempts = self.attempts.saturating_add(u32::try_from(calls).unwrap_or(u32::MAX));
    }

    /// Whether the pool of [`Plan::target`] has retries left: for what is decided next.
    pub(crate) const fn may_retry_more(&mut self, has_retries: bool) {
        self.has_retries = has_retries;
    }

    /// The retries of [`Plan::target`] since this was last asked.
    pub(crate) fn take_retries(&mut self) -> u32 {
        self.round.take_retries()
    }

    /// Whether the next attempt is the first one of [`Plan::target`].
    pub(crate) const fn is_first_attempt(&self) -> bool {
        !self.round.is_attempted()
    }

    /// Whether a target was not tried again because its pool had no retries left.
    pub(crate) const fn is_spared(&self) -> bool {
        self.is_spared
    }

    fn fresh(&self) -> QueuePlace {
        QueuePlace {
            class: self.target.class.clone(),
            delay: Duration::ZERO,
            arrival: None,
            wait_for_cooldown: false,
            only_free: false,
        }
    }

    fn failed(
        &mut self,
        fault: Fault,
        took: Duration,
        outage: Option<Outage>,
        now: Instant,
        draw: f64,
    ) -> Action {
        let class = classify(&fault);
        let key = self.round.key();
        let outcome = self.learn(&fault, outage, &key);
        let retry_after = fault.detail.retry_after;
        self.round.fault = Some(fault);
        let Bounds { deadline, replayable, attempts_max, .. } = self.bounds;
        if now >= deadline || !replayable || !class.another_provider_may_help() {
            return self.finish(Some(outcome), now);
        }
        if self.attempts >= attempts_max {
            return self.give_up(outcome, now);
        }
        if class == FailureClass::ContextLength {
            self.too_small.push(place(&self.target));
        }
        if !class.another_key_may_help() {
            return self.fall_back(Some(outcome), now);
        }
        if outage.is_some() {
            return self.leave_server(outcome, retry_after, now, draw);
        }
        match class {
            FailureClass::Silent if self.has_fallback() => self.fall_back(Some(outcome), now),
            FailureClass::Transient
                if took > self.target.provider.slow_failure && self.has_fallback() =>
            {
                self.fall_back(Some(outcome), now)
            }
            FailureClass::Silent | FailureClass::Transient | FailureClass::Cut => {
                self.round.tried(key, retry_after.map(|after| Ready::named(now + after)));
                self.retry(outcome, retry_after, now, draw)
            }
            FailureClass::Unreachable => {
                // Nothing was sent: another server is asked at once.
                self.tried_server();
                self.other_key(outcome, now, draw)
            }
            FailureClass::RateLimited => {
                let ready = match retry_after {
                    Some(after) => Ready::named(now + after),
                    None => Ready::guessed(now + health::RATE_LIMITED_BASE),
                };
                self.round.tried(key, Some(ready));
                self.other_key(outcome, now, draw)
            }
            FailureClass::Credential
            | FailureClass::QuotaExhausted
            | FailureClass::ModelMissing
            | FailureClass::Refused => {
                self.round.died(key);
                self.other_key(outcome, now, draw)
            }
            // Neither answers yes to "another key may help".
            FailureClass::ContextLength
            | FailureClass::Unusable
            | FailureClass::Elsewhere
            | FailureClass::Caller
            | FailureClass::ClientGone
            | FailureClass::Cancelled => self.finish(Some(outcome), now),
        }
    }

    /// What a failure teaches. One request bears witness against a key once: what it does in all of its
    /// attempts is one and the same mistake, if it is one.
    fn learn(&mut self, fault: &Fault, outage: Option<Outage>, key: &KeyName) -> Outcome {
        let target = self.target.clone();
        if !self.is_first_witness(fault, &target, key) {
            return Outcome::default();
        }
        let conclusion = Conclusion::Failed { fault, may_probe: self.may_probe, outage };
        learn(conclusion, key, &target)
    }

    /// Whether this request has not yet borne witness against a key as a failure does that may be its own.
    fn is_first_witness(&mut self, fault: &Fault, target: &Target, key: &KeyName) -> bool {
        if !is_doubted(fault) {
            return true;
        }
        let accused = (target.provider.name.clone(), key.clone());
        let is_new = !self.accused.contains(&accused);
        if is_new {
            self.accused.push(accused);
        }
        is_new
    }

    fn refused(&mut self, refusal: Rejection, now: Instant) -> Action {
        if let Rejection::NoKey { until, cause, .. } = &refusal
            // A key that is refused is so after its rest, too; when an outage ends nobody knows.
            && cause.as_ref().is_none_or(|cause| cause.class.may_pass() && !cause.class.is_servers())
            && let Some(ask) = self.wait_for_key(*until, cause.as_ref(), now)
        {
            return Action::Acquire { settle: None, ask };
        }
        let ends = refusal.ends_request();
        let fault = refusal.into_fault(&self.target);
        if ends {
            return Action::Finish { settle: None, fault };
        }
        // An attempt's failure says more than that no further one could be made.
        self.round.fault.get_or_insert(fault);
        self.fall_back(None, now)
    }

    fn has_fallback(&self) -> bool {
        let left = self.postponed.iter().chain(self.fallbacks.as_slice());
        left.into_iter().any(|target| !self.too_small.contains(&place(target)))
    }

    fn next_fallback(&mut self) -> Option<Arc<Target>> {
        let too_small = &self.too_small;
        let fits = |target: &Arc<Target>| !too_small.contains(&place(target));
        self.postponed.take().filter(fits).or_else(|| self.fallbacks.find(fits))
    }

    /// The next target, or the end.
    fn fall_back(&mut self, settle: Option<Outcome>, now: Instant) -> Action {
        let next = self.next_fallback();
        let Some(next) = next.filter(|_| now < self.bounds.deadline) else {
            return self.finish(settle, now);
        };
        let fault = self.closing_fault(now);
        self.primary_fault.get_or_insert(fault);
        self.round = Round::new();
        self.target = next;
        Action::Acquire { settle, ask: self.fresh() }
    }

    fn finish(&mut self, settle: Option<Outcome>, now: Instant) -> Action {
        let last = self.closing_fault(now);
        let mut fault = self.primary_fault.take().unwrap_or(last);
        if self.is_spared {
            let said = &fault.detail.message;
            let message = format!("{said} (not tried again: retry_max_percent)");
            fault.detail.message = message.into();
        }
        Action::Finish { settle, fault }
    }

    /// The end because of the attempts alone: something could still be tried, and the reason says so.
    fn give_up(&mut self, settle: Outcome, now: Instant) -> Action {
        let action = self.finish(Some(settle), now);
        let Action::Finish { settle, mut fault } = action else { return action };
        let (said, made) = (&fault.detail.message, self.attempts);
        let message = format!("{said} (given up after {made} attempts: --attempts-max)");
        fault.detail.message = message.into();
        Action::Finish { settle, fault }
    }

    /// What a client is told of the present target.
    fn closing_fault(&mut self, now: Instant) -> Fault {
        let last = self.round.fault.take();
        if let Some(dead) = self.round.exhausted(&self.target) {
            return exhausted(&self.target, dead);
        }
        let Some(mut fault) = last else {
            return Fault::new(FaultCode::Internal, "the target failed without a reason");
        };
        match fault.detail.class {
            // The caller's own credential is another one.
            Some(class) if class.refuses_key() && fault.code == FaultCode::UpstreamRejected => {
                exhausted(&self.target, &[(self.round.key(), fault)])
            }
            Some(FailureClass::RateLimited) => {
                let named = fault.detail.retry_after.unwrap_or(health::RATE_LIMITED_BASE);
                fault.detail.retry_after = self.round.first_known_ready(now).or(Some(named));
                fault
            }
            _ => fault,
        }
    }

    fn class_of(&self, keys: &[KeyName]) -> Class {
        let whole = &self.target.class;
        if keys.len() == whole.keys.len() {
            return whole.clone();
        }
        Class { keys: Arc::from(keys), ..whole.clone() }
    }
}

/// A model, where it is served.
fn place(target: &Target) -> (ProviderName, ModelName) {
    (target.provider.name.clone(), target.model.clone())
}
