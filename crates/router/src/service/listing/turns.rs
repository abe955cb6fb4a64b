//! Which key is asked for a list next, and after what wait. A list takes no slot, so no plan drives it;
//! it keeps to the same settings. Pure: the draw is an argument.

use std::time::Duration;

use weir_types::{FailureClass, Fault, KeyName};

use crate::catalog::Target;
use crate::plan::classify;

/// Keys of one provider that are asked one after another.
const KEYS_MAX: usize = 3;

/// The turns of one provider's keys.
pub(super) struct Turns<'a> {
    target: &'a Target,
    /// Asked in this round.
    tried: Vec<&'a KeyName>,
    /// Refused for good.
    dead: Vec<&'a KeyName>,
    retries: u32,
}

impl<'a> Turns<'a> {
    pub(super) fn new(target: &'a Target) -> Self {
        Self { target, tried: Vec::new(), dead: Vec::new(), retries: 0 }
    }

    /// The key that is asked now; `None`: there is none.
    pub(super) fn key(&self) -> Option<&'a KeyName> {
        self.untried().next().or_else(|| self.live().next())
    }

    /// `key` gave no list. How long to wait before [`Turns::key`] is asked; `None`: nobody is any more.
    /// `draw`: uniform in [0, 1).
    pub(super) fn failed(
        &mut self,
        key: &'a KeyName,
        fault: &Fault,
        draw: f64,
    ) -> Option<Duration> {
        let class = classify(fault);
        self.tried.push(key);
        match class {
            _ if class.refuses_key() => {
                self.dead.push(key);
                self.other_key(fault, draw)
            }
            FailureClass::RateLimited => self.other_key(fault, draw),
            FailureClass::Unreachable => {
                self.tried.extend(
                    self.target
                        .provider
                        .neighbours(key)
                        .filter_map(|near| self.target.class.keys.iter().find(|own| *own == near)),
                );
                self.other_key(fault, draw)
            }
            _ if class.may_pass() => self.retry(fault, draw),
            _ => None,
        }
    }

    /// The next key at once, uncounted; a new round if all were tried.
    fn other_key(&mut self, fault: &Fault, draw: f64) -> Option<Duration> {
        if self.untried().next().is_some() {
            return Some(Duration::ZERO);
        }
        self.live().next()?;
        self.retry(fault, draw)
    }

    /// A counted retry, with another key first.
    fn retry(&mut self, fault: &Fault, draw: f64) -> Option<Duration> {
        let provider = &self.target.provider;
        if self.retries >= provider.max_retries {
            return None;
        }
        let backoff = provider.backoff(self.retries, draw);
        self.retries += 1;
        if self.untried().next().is_none() {
            self.tried.clear();
        }
        Some(fault.detail.retry_after.map_or(backoff, |after| after.max(backoff)))
    }

    fn live(&self) -> impl Iterator<Item = &'a KeyName> {
        let keys = self.target.class.keys.iter().take(KEYS_MAX);
        keys.filter(|key| !self.dead.contains(key))
    }

    fn untried(&self) -> impl Iterator<Item = &'a KeyName> {
        self.live().filter(|key| !self.tried.contains(key))
    }
}
