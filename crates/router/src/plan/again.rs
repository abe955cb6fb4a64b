//! How a target is tried again: with which of its keys, when, and whether that counts.

use std::time::{Duration, Instant};

use weir_quota::Outcome;
use weir_types::KeyName;

use super::{Action, Cause, Plan, QueuePlace};

impl Plan {
    /// Whether the target may be tried again: as often as it is configured, while its pool has retries left.
    fn may_retry(&mut self) -> bool {
        let may = self.round.may_retry(&self.target);
        self.is_spared |= may && !self.has_retries;
        may && self.has_retries
    }

    /// The model, or all of its server, is out: what was just found out is not found out again. A retry
    /// goes to another server, if there is one.
    pub(super) fn leave_server(
        &mut self,
        outcome: Outcome,
        retry_after: Option<Duration>,
        now: Instant,
        draw: f64,
    ) -> Action {
        self.tried_server();
        if self.round.untried(&self.target).is_empty() {
            return self.fall_back(Some(outcome), now);
        }
        self.retry(outcome, retry_after, now, draw)
    }

    /// No key of the present one's server is asked again in this round.
    pub(super) fn tried_server(&mut self) {
        let key = self.round.key();
        for near in self.target.provider.neighbours(&key) {
            self.round.tried(near.clone(), None);
        }
        self.round.tried(key, None);
    }

    /// A counted retry: wait, then another key first.
    pub(super) fn retry(
        &mut self,
        outcome: Outcome,
        retry_after: Option<Duration>,
        now: Instant,
        draw: f64,
    ) -> Action {
        let backoff = self.round.backoff(&self.target, draw);
        let delay = retry_after.map_or(backoff, |after| after.max(backoff));
        let too_long = self.has_fallback() && delay > self.target.provider.backoff_max;
        if !self.may_retry() || too_long || now + delay >= self.bounds.deadline {
            return self.fall_back(Some(outcome), now);
        }
        let untried = self.round.untried(&self.target);
        let keys = if untried.is_empty() { self.round.live(&self.target) } else { untried };
        let narrow = keys.len() < self.round.live(&self.target).len();
        self.round.retried(narrow.then_some(now + delay));
        let then = self.queue_place(&keys, delay, !narrow && !self.has_fallback());
        Action::Wait { outcome, then }
    }

    /// The next key at once, uncounted; a new round if all were tried.
    pub(super) fn other_key(&mut self, outcome: Outcome, now: Instant, draw: f64) -> Action {
        let untried = self.round.untried(&self.target);
        if untried.is_empty() {
            let Some(then) = self.next_round(now, draw) else {
                return self.fall_back(Some(outcome), now);
            };
            self.round.retried(None);
            return Action::Wait { outcome, then };
        }
        let then = self.next_round(now, draw);
        self.round.rotates(then.is_some());
        // The pool knows which of the keys cool, and until when; the answer decides.
        let then = then.map(|ask| QueuePlace { wait_for_cooldown: false, ..ask });
        Action::Rotate { outcome, class: self.class_of(&untried), then }
    }

    /// The place to wait for the next round at, if there may be one.
    pub(super) fn next_round(&mut self, now: Instant, draw: f64) -> Option<QueuePlace> {
        let live = self.round.live(&self.target);
        if live.is_empty() || !self.may_retry() {
            return None;
        }
        let backed_off = now + self.round.backoff(&self.target, draw);
        let ready = match self.has_fallback() {
            // Another provider can be asked: nobody waits for what nobody named, nor for long.
            true => {
                let ready = self.round.first_named(&live, now)?;
                Some(ready).filter(|ready| *ready <= now + self.target.provider.backoff_max)?
            }
            false => self.round.first_ready(&live, now),
        };
        let start = backed_off.max(ready);
        if start >= self.bounds.deadline {
            return None;
        }
        let delay = start.saturating_duration_since(now);
        Some(self.queue_place(&live, delay, !self.has_fallback()))
    }

    /// After "no key": all keys instead of the untried ones, or the end of the cooldown.
    pub(super) fn wait_for_key(
        &mut self,
        until: Option<Duration>,
        cause: Option<&Cause>,
        now: Instant,
    ) -> Option<QueuePlace> {
        let live = self.round.live(&self.target);
        if live.is_empty() {
            return None;
        }
        if let Some(start) = self.round.widen() {
            let delay = start.saturating_duration_since(now);
            return Some(self.queue_place(&live, delay, !self.has_fallback()));
        }
        let until = until.filter(|until| now + *until < self.bounds.deadline)?;
        let has_fallback = self.has_fallback();
        // The end of a probe is not known, nor is that of a rest that the provider did not name.
        let is_short = cause.is_some_and(|cause| cause.is_named)
            && !until.is_zero()
            && until <= self.target.provider.backoff_max;
        if (has_fallback && !is_short) || !self.round.may_wait(&self.target) {
            return None;
        }
        if self.round.is_attempted() && !self.may_retry() {
            return None;
        }
        self.round.waits();
        let delay = if has_fallback { until } else { Duration::ZERO };
        Some(self.queue_place(&live, delay, !has_fallback))
    }

    /// A place of this request at the present target's pool.
    fn queue_place(
        &self,
        keys: &[KeyName],
        delay: Duration,
        wait_for_cooldown: bool,
    ) -> QueuePlace {
        let (class, arrival) = (self.class_of(keys), self.round.arrival);
        QueuePlace { class, delay, arrival, wait_for_cooldown, only_free: false }
    }
}
