//! What next? Retry, another key, wait, another provider, or give up: the failure policy.
//!
//! Pure: events in, actions out; time and the random draw are arguments. Knows faults by class
//! and keys by name, never a body, a socket or the pool's state.
//!
//! Within a round each key of the class is tried once. A new round and a transient failure count
//! as retries, another key within a round does not. A slot is never held while something waits.

mod cause;
mod health;
mod rejection;
mod round;
mod step;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use weir_quota::{Class, Outcome};
use weir_types::{FailureClass, Fault, FaultCode, KeyName, ModelName, ProviderName};

use crate::catalog::{Route, Target};
pub(crate) use cause::Cause;
use health::is_doubted;
pub(crate) use health::{Conclusion, classify, exhausted, learn, micros};
pub(crate) use rejection::Rejection;
use round::Round;
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
    /// Models whose context the prompt does not fit.
    too_small: Vec<ModelName>,
    /// Whether the present attempt may be a probe.
    may_probe: bool,
    /// Keys that were refused to this request.
    accused: Vec<(ProviderName, KeyName)>,
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
            accused,
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
            Event::Failed(fault) => self.failed(fault, now, draw),
        }
    }

    /// A worker has made so many more calls for one attempt.
    pub(crate) fn repeated(&mut self, calls: usize) {
        self.attempts = self.attempts.saturating_add(u32::try_from(calls).unwrap_or(u32::MAX));
    }

    fn fresh(&self) -> QueuePlace {
        QueuePlace {
            class: self.target.class.clone(),
            delay: Duration::ZERO,
            arrival: None,
            wait_for_cooldown: false,
        }
    }

    fn failed(&mut self, fault: Fault, now: Instant, draw: f64) -> Action {
        let class = classify(&fault);
        let key = self.round.key();
        let outcome = self.learn(&fault, &key);
        let retry_after = fault.detail.retry_after;
        self.round.fault = Some(fault);
        let Bounds { deadline, replayable, attempts_max } = self.bounds;
        if now >= deadline || !replayable || !class.another_provider_may_help() {
            return self.finish(Some(outcome), now);
        }
        if self.attempts >= attempts_max {
            return self.give_up(outcome, now);
        }
        if class == FailureClass::ContextLength {
            self.too_small.push(self.target.model.clone());
        }
        if !class.another_key_may_help() {
            return self.fall_back(Some(outcome), now);
        }
        match class {
            FailureClass::Silent if self.has_fallback() => self.fall_back(Some(outcome), now),
            FailureClass::Silent | FailureClass::Transient | FailureClass::Cut => {
                self.round.tried(key, retry_after.map(|after| now + after));
                self.retry(outcome, retry_after, now, draw)
            }
            FailureClass::RateLimited => {
                let ready = now + retry_after.unwrap_or(health::RATE_LIMITED_BASE);
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
            | FailureClass::ClientGone => self.finish(Some(outcome), now),
        }
    }

    /// What a failure teaches. One request bears witness against a key once: what it does in all of its
    /// attempts is one and the same mistake, if it is one.
    fn learn(&mut self, fault: &Fault, key: &KeyName) -> Outcome {
        if is_doubted(fault) {
            let accused = (self.target.provider.name.clone(), key.clone());
            if self.accused.contains(&accused) {
                return Outcome::default();
            }
            self.accused.push(accused);
        }
        let conclusion = Conclusion::Failed { fault, may_probe: self.may_probe };
        learn(conclusion, key, &self.target)
    }

    /// A counted retry: wait, then another key first.
    fn retry(
        &mut self,
        outcome: Outcome,
        retry_after: Option<Duration>,
        now: Instant,
        draw: f64,
    ) -> Action {
        let backoff = self.round.backoff(&self.target, draw);
        let delay = retry_after.map_or(backoff, |after| after.max(backoff));
        let too_long = self.has_fallback() && delay > backoff;
        if !self.round.may_retry(&self.target) || too_long || now + delay >= self.bounds.deadline {
            return self.fall_back(Some(outcome), now);
        }
        let untried = self.round.untried(&self.target);
        let keys = if untried.is_empty() { self.round.live(&self.target) } else { untried };
        let narrow = keys.len() < self.round.live(&self.target).len();
        self.round.retried(narrow.then_some(now + delay));
        let then = QueuePlace {
            class: self.class_of(&keys),
            delay,
            arrival: self.round.arrival,
            wait_for_cooldown: !narrow,
        };
        Action::Wait { outcome, then }
    }

    /// The next key at once, uncounted; a new round if all were tried.
    fn other_key(&mut self, outcome: Outcome, now: Instant, draw: f64) -> Action {
        let untried = self.round.untried(&self.target);
        if untried.is_empty() {
            let Some(then) = self.next_round(now, draw) else {
                return self.fall_back(Some(outcome), now);
            };
            self.round.retried(None);
            return Action::Wait { outcome, then };
        }
        // Where another provider can be asked, nobody waits for keys that cool.
        let then = if self.has_fallback() { None } else { self.next_round(now, draw) };
        self.round.rotates(then.is_some());
        // The pool knows which of the keys cool, and until when; the answer decides.
        let then = then.map(|ask| QueuePlace { wait_for_cooldown: false, ..ask });
        Action::Rotate { outcome, class: self.class_of(&untried), then }
    }

    /// The place to wait for the next round at, if there may be one.
    fn next_round(&self, now: Instant, draw: f64) -> Option<QueuePlace> {
        let live = self.round.live(&self.target);
        if live.is_empty() || !self.round.may_retry(&self.target) {
            return None;
        }
        let backed_off = now + self.round.backoff(&self.target, draw);
        let ready = self.round.first_ready(&live, now);
        let start = backed_off.max(ready);
        let too_long = self.has_fallback() && ready > backed_off;
        if too_long || start >= self.bounds.deadline {
            return None;
        }
        Some(QueuePlace {
            class: self.class_of(&live),
            delay: start.saturating_duration_since(now),
            arrival: self.round.arrival,
            wait_for_cooldown: true,
        })
    }

    fn refused(&mut self, refusal: Rejection, now: Instant) -> Action {
        if let Rejection::NoKey { until, cause, .. } = &refusal
            // A key that is refused is so after its rest, too.
            && cause.as_ref().is_none_or(|cause| cause.class.may_pass())
            && let Some(ask) = self.wait_for_key(*until, now)
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

    /// After "no key": all keys instead of the untried ones, or the end of the cooldown.
    fn wait_for_key(&mut self, until: Option<Duration>, now: Instant) -> Option<QueuePlace> {
        let live = self.round.live(&self.target);
        if live.is_empty() {
            return None;
        }
        if let Some(start) = self.round.widen() {
            return Some(QueuePlace {
                class: self.class_of(&live),
                delay: start.saturating_duration_since(now),
                arrival: self.round.arrival,
                wait_for_cooldown: !self.has_fallback(),
            });
        }
        let fits = until.is_some_and(|until| now + until < self.bounds.deadline);
        if self.has_fallback() || !fits || !self.round.may_wait(&self.target) {
            return None;
        }
        self.round.waits();
        Some(QueuePlace {
            class: self.class_of(&live),
            delay: Duration::ZERO,
            arrival: self.round.arrival,
            wait_for_cooldown: true,
        })
    }

    fn has_fallback(&self) -> bool {
        self.fallbacks.as_slice().iter().any(|target| !self.too_small.contains(&target.model))
    }

    /// The next target, or the end.
    fn fall_back(&mut self, settle: Option<Outcome>, now: Instant) -> Action {
        let too_small = &self.too_small;
        let next = self.fallbacks.find(|target| !too_small.contains(&target.model));
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
        let fault = self.primary_fault.take().unwrap_or(last);
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
