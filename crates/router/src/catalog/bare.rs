//! Models without a provider prefix: which of the providers that serve one gets the request?
//!
//! A name with a `/` whose first part is no provider is such a model, too, but only for the keys
//! that name it. The rule is the one that keys are chosen by, with the sum of a provider's eligible key weights
//! as its weight, kept by each router for itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use weir_types::{Fault, FaultCode, Operation};

use super::entry::{Entry, REMEMBERED_MAX, names_of, read};
use super::{Query, Target, fault};
use crate::settings::ProviderSettings;

/// The providers of one bare model, for one operation, streamed or not.
#[derive(Debug)]
struct Candidates {
    /// In declared order.
    targets: Vec<Arc<Target>>,
    /// Every index of `targets`.
    all: Vec<usize>,
    weights: Vec<f64>,
    lags: Mutex<Vec<f64>>,
}

/// What was worked out for bare models.
#[derive(Debug)]
pub(super) struct BareModels {
    /// By operation and stream.
    remembered: Vec<RwLock<HashMap<Arc<str>, Arc<Candidates>>>>,
}

impl Default for BareModels {
    fn default() -> Self {
        let remembered = (0..2 * Operation::ALL.len()).map(|_| RwLock::default()).collect();
        Self { remembered }
    }
}

impl BareModels {
    /// The provider to ask first and the others, heaviest first.
    ///
    /// # Errors
    /// No provider serves `model`; the message says what stands in the way where something does.
    pub(super) fn pick(
        &self,
        entries: &[Entry],
        model: &str,
        ask: Query<'_>,
        preferred: Option<&str>,
    ) -> Result<(Arc<Target>, Vec<Arc<Target>>), Fault> {
        let ask = Query { named_only: model.contains('/'), ..ask };
        let candidates = self.candidates(entries, model, ask)?;
        let preferred = preferred.and_then(|name| {
            candidates.targets.iter().position(|target| &*target.provider.name == name)
        });
        let first = preferred.unwrap_or_else(|| candidates.choose());
        let all = candidates.targets.iter().enumerate();
        let mut others: Vec<(usize, &Arc<Target>)> = all.filter(|(at, _)| *at != first).collect();
        let weight = |at: usize| candidates.weights[at];
        others.sort_by(|(a, _), (b, _)| weight(*b).total_cmp(&weight(*a)));
        let primary = candidates.targets[first].clone();
        Ok((primary, others.into_iter().map(|(_, target)| target.clone()).collect()))
    }

    /// Whether anybody serves `model`.
    pub(super) fn can_serve(&self, entries: &[Entry], model: &str, ask: Query<'_>) -> bool {
        let ask = Query { named_only: model.contains('/'), ..ask };
        self.candidates(entries, model, ask).is_ok()
    }

    /// The provider that would be asked first. No lag moves.
    pub(super) fn next(
        &self,
        entries: &[Entry],
        model: &str,
        ask: Query<'_>,
    ) -> Option<Arc<ProviderSettings>> {
        let slot = 2 * ask.operation.index() + usize::from(ask.stream);
        let known = read(&self.remembered[slot]).get(model).filter(|_| ask.pin.is_none()).cloned();
        let found = || find(entries, model, ask).ok().map(Arc::new);
        let candidates = known.or_else(found)?;
        let mut lags = candidates.lags.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let first = weir_quota::choose(&candidates.all, &candidates.weights, &mut lags);
        Some(candidates.targets.get(first.unwrap_or(0))?.provider.clone())
    }

    fn candidates(
        &self,
        entries: &[Entry],
        model: &str,
        ask: Query<'_>,
    ) -> Result<Arc<Candidates>, Fault> {
        if ask.pin.is_some() {
            return find(entries, model, ask).map(Arc::new);
        }
        let slot = 2 * ask.operation.index() + usize::from(ask.stream);
        let remembered = &self.remembered[slot];
        if let Some(candidates) = read(remembered).get(model) {
            return Ok(candidates.clone());
        }
        let candidates = Arc::new(find(entries, model, ask)?);
        let mut models = remembered.write().unwrap_or_else(PoisonError::into_inner);
        if models.len() >= REMEMBERED_MAX {
            models.clear();
        }
        // Another thread may have been first; its lags have begun to count.
        Ok(models.entry(Arc::from(model)).or_insert(candidates).clone())
    }
}

impl Candidates {
    fn choose(&self) -> usize {
        if self.targets.len() == 1 {
            return 0;
        }
        let mut lags = self.lags.lock().unwrap_or_else(PoisonError::into_inner);
        weir_quota::choose(&self.all, &self.weights, &mut lags).unwrap_or(0)
    }
}

fn find(entries: &[Entry], model: &str, ask: Query<'_>) -> Result<Candidates, Fault> {
    let mut targets = Vec::new();
    let mut faults = Vec::new();
    for entry in entries {
        match entry.target(model, ask) {
            Ok(target) => targets.push(target),
            Err(fault) => faults.push(fault),
        }
    }
    if targets.is_empty() {
        return Err(why_none(entries, model, ask, &faults));
    }
    let (targets, weights) = weighed(entries, targets);
    let lags = Mutex::new(vec![0.0; targets.len()]);
    let all = (0..targets.len()).collect();
    Ok(Candidates { targets, all, weights, lags })
}

/// The targets with their weights. Where whoever asks has shares of its own, they count in place of the
/// keys' weights, and a provider without one is reached by its name only.
fn weighed(entries: &[Entry], targets: Vec<Arc<Target>>) -> (Vec<Arc<Target>>, Vec<f64>) {
    let share = |target: &Arc<Target>| {
        let entry = entries.iter().find(|entry| entry.provider.name == target.provider.name);
        entry.and_then(|entry| entry.access.share())
    };
    let shares: Vec<_> = targets.iter().map(share).collect();
    if shares.iter().all(Option::is_none) {
        let weights = targets.iter().map(|target| target.weight).collect();
        return (targets, weights);
    }
    let shared = targets.into_iter().zip(shares);
    shared.filter_map(|(target, share)| Some((target, share?))).unzip()
}

/// Of the providers' reasons the one that tells most.
fn why_none(entries: &[Entry], model: &str, ask: Query<'_>, faults: &[Fault]) -> Fault {
    let telling = [FaultCode::NoEligibleKeys, FaultCode::UnsupportedOperation];
    let serving = |entry: &Entry| entry.serving(model, ask).next().is_some();
    if !entries.iter().any(serving) {
        return fault::unknown_model(model, &names_of(entries));
    }
    let pinned_badly = |fault: &Fault| fault.code == FaultCode::InvalidRequest;
    if let Some(pin) = ask.pin
        && faults.iter().all(pinned_badly)
    {
        let keys = entries.iter().flat_map(|entry| entry.serving(model, ask));
        return fault::unknown_pin(pin, None, keys.map(|key| &*key.name));
    }
    let found = telling
        .iter()
        .find_map(|code| faults.iter().find(|fault| fault.code == *code))
        .or_else(|| faults.iter().find(|fault| !pinned_badly(fault)));
    found.cloned().unwrap_or_else(|| fault::unknown_model(model, &names_of(entries)))
}
