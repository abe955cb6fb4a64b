//! What a look at a pool shows of it, to whoever asks why a model is served or not.
//!
//! A look is no batch: it changes nothing, sweeps nothing and is counted nowhere, so whoever looks takes no
//! slot and moves no lag. What has run out since the last batch is still shown. Costs time in proportion to
//! what the pool holds: not for the hot path.

use std::collections::BTreeMap;

use crate::machine::{Machine, count};
use crate::{Burden, Class, CooldownView, Limits, Micros, Note, Scope, Snapshot};
use weir_types::KeyName;

/// A pool, as far as one model is concerned.
#[derive(Debug, Clone, PartialEq)]
pub struct Sight {
    /// The limits in force.
    pub limits: Limits,
    /// Lags of the limits' keys, in their order.
    pub lags: Vec<f64>,
    /// Grants that each key is owed, in their order; 0 without a leeway.
    pub debts: Vec<i64>,
    /// Slots that each key has in use, in their order.
    pub slots: Vec<u32>,
    /// All slots in use.
    pub leases: u32,
    /// Everything that waits, by what it can use. Who was handed a slot and has not confirmed it counts, too.
    pub waiting: Vec<(Class, u32)>,
    /// Scopes not known to be healthy: the endpoint, keys, and keys for the model that was asked about.
    pub rests: Vec<RestView>,
    /// Routers that are known.
    pub routers: u32,
    /// Whether a grace is on: nothing is granted.
    pub in_grace: bool,
}

/// A scope not known to be healthy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestView {
    /// Which one.
    pub scope: Scope,
    /// So long it still rests; 0: its rest is over.
    pub left: Micros,
    /// Leases that find out whether it is well again.
    pub probes: u32,
    /// How many may at once; `None`: it is free for all.
    pub admits: Option<u32>,
    /// The model may not exist.
    pub missing: bool,
    /// What is said of it.
    pub note: Note,
}

impl RestView {
    /// Whether nothing is granted on it at present.
    #[must_use]
    pub fn blocks(&self) -> bool {
        self.left > 0 || self.admits.is_some_and(|most| self.probes >= most)
    }
}

impl Sight {
    /// What is in the way of a key for the model that was asked about: the rest that ends last.
    #[must_use]
    pub fn in_the_way(&self, key: &KeyName) -> Option<&RestView> {
        let concerns = |rest: &&RestView| rest.scope.key().is_none_or(|of| of == key);
        let in_the_way = self.rests.iter().filter(concerns).filter(|rest| rest.blocks());
        in_the_way.max_by_key(|rest| rest.left)
    }

    /// Which of these keys would be granted next, if a slot is free.
    #[must_use]
    pub fn next(&self, keys: &[KeyName]) -> Option<&KeyName> {
        let usable = |name: &KeyName| keys.contains(name) && self.in_the_way(name).is_none();
        let all = self.limits.keys.iter().enumerate();
        let eligible: Vec<usize> =
            all.filter(|(_, (name, _))| usable(name)).map(|(at, _)| at).collect();
        let weights: Vec<f64> = self.limits.keys.iter().map(|&(_, weight)| weight).collect();
        let (mut lags, mut debts) = (self.lags.clone(), self.debts.clone());
        let leeway = self.limits.leeway;
        let place = if leeway == 0 {
            crate::choose(&eligible, &weights, &mut lags)
        } else {
            let burden = Burden { debts: &mut debts, busy: &self.slots, leeway };
            crate::choose_least_busy(&eligible, &weights, &mut lags, burden)
        };
        self.limits.keys.get(place?).map(|(name, _)| name)
    }
}

impl Machine {
    /// What the pool looks like at `raw`, a reading of the clock of [`Machine::execute`], to whoever asks
    /// about `model`.
    #[must_use]
    pub fn sight(&self, raw: Micros, model: &str) -> Sight {
        let now = { self.time }.advance(raw);
        let Snapshot { limits, lags, debts, leases, tickets, cooldowns, in_grace, .. } =
            self.snapshot();
        let held = |name: &KeyName| count(leases.iter().filter(|one| one.key == *name).count());
        let mut waiting = BTreeMap::<Class, u32>::new();
        for ticket in tickets {
            *waiting.entry(ticket.class).or_default() += 1;
        }
        let concerns = |row: &CooldownView| match &row.scope {
            Scope::Endpoint | Scope::Key(_) => true,
            Scope::KeyModel(_, of) => **of == *model,
        };
        let rest = |row: CooldownView| {
            let admits = self.cooldowns.admits(&row.scope, now);
            RestView {
                scope: row.scope,
                left: row.until.saturating_sub(now),
                probes: count(row.probes.len()),
                admits,
                missing: row.missing,
                note: row.note,
            }
        };
        Sight {
            slots: limits.keys.iter().map(|(name, _)| held(name)).collect(),
            limits,
            lags,
            debts,
            leases: count(leases.len()),
            waiting: waiting.into_iter().collect(),
            rests: cooldowns.into_iter().filter(concerns).map(rest).collect(),
            routers: count(self.routers.len()),
            in_grace,
        }
    }
}
