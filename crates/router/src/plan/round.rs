//! What one target has seen: keys tried in this round, keys that are out, retries counted.

use std::time::{Duration, Instant};

use weir_types::{Fault, KeyName};

use crate::catalog::Target;

/// The state of a plan at one target.
#[derive(Debug)]
pub(super) struct Round {
    /// The arrival number at this target's pool.
    pub(super) arrival: Option<u64>,
    /// The last failure.
    pub(super) fault: Option<Fault>,
    place: Place,
    key: Option<KeyName>,
    retries: u32,
    /// Of those, what the pool's balance has yet to be told.
    untold: u32,
    /// Tried in this round, and when each may be asked again, where that is known.
    tried: Vec<(KeyName, Option<Ready>)>,
    /// Not asked again by this request, and why.
    dead: Vec<(KeyName, Fault)>,
    attempted: bool,
}

/// When a key may be asked again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ready {
    at: Instant,
    /// The provider said so.
    is_named: bool,
}

/// What the place in the queue is for that has been asked for since the last attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Any key of the target.
    AnyKey,
    /// Only keys that this round has not tried, from then on; if there are none, any.
    UntriedKeys { from: Instant },
    /// Another key for the slot that is held, and the next round's place if there is none.
    KeyOrNextRound,
    /// The end of a cooldown. There is one such wait per attempt.
    CooldownsEnd,
}

impl Ready {
    /// As the provider said.
    pub(super) const fn named(at: Instant) -> Self {
        Self { at, is_named: true }
    }

    /// As nobody said.
    pub(super) const fn guessed(at: Instant) -> Self {
        Self { at, is_named: false }
    }
}

impl Round {
    pub(super) fn new() -> Self {
        Self {
            arrival: None,
            fault: None,
            place: Place::AnyKey,
            key: None,
            retries: 0,
            untold: 0,
            tried: Vec::new(),
            dead: Vec::new(),
            attempted: false,
        }
    }

    pub(super) fn granted(&mut self, key: KeyName, arrival: u64, from_then: bool) {
        if from_then && self.place == Place::KeyOrNextRound {
            self.retried(None);
        }
        self.place = Place::AnyKey;
        self.attempted = true;
        self.arrival = Some(arrival);
        self.key = Some(key);
    }

    /// The key of the present attempt.
    pub(super) fn key(&self) -> KeyName {
        self.key.clone().unwrap_or_else(|| KeyName::from(""))
    }

    pub(super) fn tried(&mut self, key: KeyName, ready: Option<Ready>) {
        self.tried.retain(|(tried, _)| *tried != key);
        self.tried.push((key, ready));
    }

    /// The last failure was the end of `key`.
    pub(super) fn died(&mut self, key: KeyName) {
        self.dead.extend(self.fault.clone().map(|fault| (key, fault)));
    }

    /// Whether the target was asked already.
    pub(super) const fn is_attempted(&self) -> bool {
        self.attempted
    }

    /// The retries since this was last asked.
    pub(super) fn take_retries(&mut self) -> u32 {
        std::mem::take(&mut self.untold)
    }

    pub(super) fn may_retry(&self, target: &Target) -> bool {
        self.retries < target.provider.max_retries
    }

    /// Counts a retry. `untried_from`: it is for untried keys, from then on.
    pub(super) fn retried(&mut self, untried_from: Option<Instant>) {
        self.retries += 1;
        self.untold += 1;
        match untried_from {
            Some(from) => self.place = Place::UntriedKeys { from },
            None => {
                self.place = Place::AnyKey;
                self.tried.clear();
            }
        }
    }

    /// The slot that is held goes on with another key, or with the next round if `or_next`.
    pub(super) fn rotates(&mut self, or_next: bool) {
        self.place = if or_next { Place::KeyOrNextRound } else { Place::AnyKey };
    }

    /// No untried key can be given: from when on any key may be asked for instead, if that was not
    /// asked for already.
    pub(super) fn widen(&mut self) -> Option<Instant> {
        let Place::UntriedKeys { from } = self.place else { return None };
        self.place = Place::AnyKey;
        Some(from)
    }

    /// Whether to wait for the end of a cooldown: before the first attempt if the provider is
    /// retried at all, later as a retry.
    pub(super) fn may_wait(&self, target: &Target) -> bool {
        let counted =
            if self.attempted { self.may_retry(target) } else { target.provider.max_retries > 0 };
        counted && self.place != Place::CooldownsEnd
    }

    pub(super) fn waits(&mut self) {
        if self.attempted {
            self.retried(None);
        }
        self.place = Place::CooldownsEnd;
    }

    pub(super) fn backoff(&self, target: &Target, draw: f64) -> Duration {
        target.provider.backoff(self.retries, draw)
    }

    /// The keys that this request may still ask.
    pub(super) fn live(&self, target: &Target) -> Vec<KeyName> {
        let dead = |key: &KeyName| self.dead.iter().any(|(dead, _)| dead == key);
        target.class.keys.iter().filter(|key| !dead(key)).cloned().collect()
    }

    /// The live keys that this round has not asked.
    pub(super) fn untried(&self, target: &Target) -> Vec<KeyName> {
        let mut keys = self.live(target);
        keys.retain(|key| !self.tried.iter().any(|(tried, _)| tried == key));
        keys
    }

    /// When the first of `keys` may be asked again; a key of which nothing is known: now.
    pub(super) fn first_ready(&self, keys: &[KeyName], now: Instant) -> Instant {
        let ready = |key: &KeyName| {
            let tried = self.tried.iter().find(|(tried, _)| tried == key);
            tried.and_then(|(_, ready)| *ready).map_or(now, |ready| ready.at)
        };
        keys.iter().map(ready).min().unwrap_or(now).max(now)
    }

    /// When the first of those among `keys` that this round has asked may be asked again, if that is
    /// no guess: the provider named it, or nothing is in the way.
    pub(super) fn first_named(&self, keys: &[KeyName], now: Instant) -> Option<Instant> {
        let asked = self.tried.iter().filter(|(key, _)| keys.contains(key));
        let named = asked.filter_map(|(_, ready)| match ready {
            Some(ready) => ready.is_named.then_some(ready.at),
            None => Some(now),
        });
        named.min().map(|at| at.max(now))
    }

    /// How long until the first key of this round may be asked again, of those that said.
    pub(super) fn first_known_ready(&self, now: Instant) -> Option<Duration> {
        let ready = self.tried.iter().filter_map(|(_, ready)| *ready);
        ready.map(|ready| ready.at.saturating_duration_since(now)).min()
    }

    /// The keys and why, if no key may be asked any more.
    pub(super) fn exhausted(&self, target: &Target) -> Option<&[(KeyName, Fault)]> {
        let all = !self.dead.is_empty() && self.live(target).is_empty();
        all.then_some(self.dead.as_slice())
    }
}
