//! The limits in force, and each key's weight and lag in declared order.
//!
//! A key is known inside the pool by its place in that order. Knows nothing of health: which of a
//! class's keys may be used is asked of the cooldowns.

use std::collections::HashMap;

use weir_types::KeyName;

use crate::{Burden, Class, Limits};

/// So many limits that were in force before the present ones are remembered.
const SUPERSEDED_MAX: usize = 16;

/// Limits, weights and lags.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    limits: Limits,
    /// Digests of limits that were in force before these, the latest last.
    superseded: Vec<u64>,
    places: HashMap<KeyName, usize>,
    weights: Vec<f64>,
    lags: Vec<f64>,
    /// Grants that each is owed, where the least busy is chosen.
    debts: Vec<i64>,
    /// Slots that each has in use, where that matters; else 0.
    busy: Vec<u32>,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            limits: Limits::unset(),
            superseded: Vec::new(),
            places: HashMap::new(),
            weights: Vec::new(),
            lags: Vec::new(),
            debts: Vec::new(),
            busy: Vec::new(),
        }
    }
}

impl Keys {
    /// The limits in force.
    pub(crate) const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Puts new limits in force. Lags and debts follow their keys by name; a new key starts at 0.
    /// `in_use`: the keys of all slots.
    pub(crate) fn set<'a>(&mut self, limits: Limits, in_use: impl Iterator<Item = &'a KeyName>) {
        let places: Vec<_> =
            limits.keys.iter().map(|(name, _)| self.places.get(name).copied()).collect();
        let lag = |place: &Option<usize>| place.and_then(|at| self.lags.get(at)).copied();
        self.lags = places.iter().map(|place| lag(place).unwrap_or_default()).collect();
        let leeway = i64::from(limits.leeway);
        let debt = |place: &Option<usize>| place.and_then(|at| self.debts.get(at)).copied();
        let debts = places.iter().map(|place| debt(place).unwrap_or_default());
        self.debts = debts.map(|debt| debt.clamp(-leeway, leeway)).collect();
        self.busy = vec![0; places.len()];
        self.weights = limits.keys.iter().map(|&(_, weight)| weight).collect();
        self.places =
            limits.keys.iter().enumerate().map(|(at, (name, _))| (name.clone(), at)).collect();
        let before = std::mem::replace(&mut self.limits, limits);
        self.superseded.retain(|&hash| hash != self.limits.hash);
        if !before.is_unset() {
            self.superseded.push(before.hash);
        }
        let many = self.superseded.len().saturating_sub(SUPERSEDED_MAX);
        self.superseded.drain(..many);
        in_use.for_each(|key| self.count(key, 1));
    }

    /// A slot with this key is in use from now on, or no longer.
    pub(crate) fn count(&mut self, key: &KeyName, by: i32) {
        if self.limits.leeway == 0 {
            return;
        }
        if let Some(busy) = self.places.get(key).and_then(|&at| self.busy.get_mut(at)) {
            *busy = busy.saturating_add_signed(by);
        }
    }

    /// The digests of all limits that came after these, if these were superseded.
    pub(crate) fn newer_than(&self, hash: u64) -> Option<Vec<u64>> {
        let at = self.superseded.iter().rposition(|&one| one == hash)?;
        let newer = self.superseded.iter().skip(at + 1).copied();
        Some(newer.chain([self.limits.hash]).collect())
    }

    /// Whether the limits name this key.
    pub(crate) fn knows(&self, name: &KeyName) -> bool {
        self.places.contains_key(name)
    }

    /// The name at a place.
    pub(crate) fn name(&self, place: usize) -> Option<&KeyName> {
        self.limits.keys.get(place).map(|(name, _)| name)
    }

    /// The places of the keys of a class that the limits name, ascending and each once.
    pub(crate) fn places_of(&self, class: &Class) -> Box<[usize]> {
        let mut places: Vec<usize> =
            class.keys.iter().filter_map(|name| self.places.get(name).copied()).collect();
        places.sort_unstable();
        places.dedup();
        places.into_boxed_slice()
    }

    /// Chooses among eligible places and moves the lags.
    pub(crate) fn choose(&mut self, eligible: &[usize]) -> Option<&KeyName> {
        let (weights, lags) = (&self.weights, &mut self.lags);
        let place = if self.limits.leeway == 0 {
            crate::choose(eligible, weights, lags)
        } else {
            let (debts, busy, leeway) = (&mut self.debts[..], &self.busy[..], self.limits.leeway);
            crate::choose_least_busy(eligible, weights, lags, Burden { debts, busy, leeway })
        };
        self.name(place?)
    }

    /// Debts and slots in use, in declared order.
    pub(crate) fn burden(&self) -> (&[i64], &[u32]) {
        (&self.debts, &self.busy)
    }

    /// Lags in declared order.
    pub(crate) fn lags(&self) -> &[f64] {
        &self.lags
    }
}

#[cfg(feature = "canonical")]
impl Keys {
    pub(crate) fn write(&self, to: &mut crate::canonical::Scribe) {
        // The rest follows from the limits and the leases.
        let Self { limits, superseded, places: _, weights: _, lags, debts, busy: _ } = self;
        to.limits(limits);
        to.each(superseded, |to, hash| to.word(*hash));
        to.each(lags, |to, lag| to.word(lag.to_bits()));
        to.each(debts, |to, debt| to.word(debt.cast_unsigned()));
    }
}
