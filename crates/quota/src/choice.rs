//! Which of several keys serves next: earliest virtual deadline first.
//!
//! Each candidate's lag is what its share entitles it to minus what it got. A candidate may be
//! chosen once its lag has reached θ = 1/(2m − 2); the one whose lag would pass 1 − θ first goes
//! first. While the candidates stay the same every count is within 1 − θ of its exact share (Q7).
//! With a leeway a key that is less busy may be granted in the place of the one whose turn it is. What
//! that one is owed, and the other owes, is a debt of whole grants, and no debt is greater than the
//! leeway: so every count is within leeway + 1 − θ of its exact share.
//! Deterministic: the Lua store does the same IEEE operations in the same order.

/// Chooses among `eligible` (indices into `weights` and `lags`, ascending in declared order) and
/// moves the lags. `None` if nothing is eligible.
///
/// Zero weights take part only if no eligible weight is positive, and then equally. A single
/// candidate is chosen without moving its lag. Weights are finite and not negative; an index
/// without weight or lag is passed over.
pub fn choose(eligible: &[usize], weights: &[f64], lags: &mut [f64]) -> Option<usize> {
    let positive = eligible.iter().any(|&key| weights.get(key).is_some_and(|&w| w > 0.0));
    let weight = |key: usize| match weights.get(key) {
        Some(&weight) if positive => weight,
        Some(_) => 1.0,
        None => 0.0,
    };
    let takes_part = |key: &usize| weight(*key) > 0.0 && *key < lags.len();
    let mut first = None;
    let mut count = 0_u32;
    let mut sum = 0.0;
    for key in eligible.iter().copied().filter(takes_part) {
        first = first.or(Some(key));
        count += 1;
        sum += weight(key);
    }
    if count < 2 {
        return first;
    }
    let threshold = 1.0 / f64::from(2 * count - 2);
    let mut any_ripe = false;
    for key in eligible.iter().copied() {
        if let Some(lag) = lags.get_mut(key)
            && weight(key) > 0.0
        {
            *lag += weight(key) / sum;
            any_ripe |= *lag >= threshold;
        }
    }
    let mut best: Option<(usize, f64)> = None;
    for key in eligible.iter().copied().filter(|&key| weight(key) > 0.0) {
        let Some(&lag) = lags.get(key) else { continue };
        if any_ripe && lag < threshold {
            continue;
        }
        let deadline = (1.0 - threshold - lag) / (weight(key) / sum);
        if best.is_none_or(|(_, earliest)| deadline < earliest) {
            best = Some((key, deadline));
        }
    }
    let winner = best.map_or(first, |(key, _)| Some(key));
    if let Some(lag) = winner.and_then(|key| lags.get_mut(key)) {
        *lag -= 1.0;
    }
    winner
}

/// What is kept of keys, by their places, where the least busy is chosen.
#[derive(Debug)]
pub struct Burden<'a> {
    /// Grants that each is owed; less than 0: that it owes.
    pub debts: &'a mut [i64],
    /// Slots that each has in use.
    pub busy: &'a [u32],
    /// No debt is greater, in either direction.
    pub leeway: u32,
}

/// Chooses as [`choose`] does, then in the place of that one the key with the least in flight for its weight,
/// of those whose debts allow it. Who is as busy as the one whose turn it is does not take its place; of
/// others that are, the one that is owed most does, then the first.
pub fn choose_least_busy(
    eligible: &[usize],
    weights: &[f64],
    lags: &mut [f64],
    burden: Burden<'_>,
) -> Option<usize> {
    let due = choose(eligible, weights, lags)?;
    let Burden { debts, busy, leeway } = burden;
    let leeway = i64::from(leeway);
    let debt = |debts: &[i64], key: usize| debts.get(key).copied().unwrap_or_default();
    // Nobody else may take its turn any more.
    if debt(debts, due) >= leeway {
        return Some(due);
    }
    let positive = eligible.iter().any(|&key| weights.get(key).is_some_and(|&w| w > 0.0));
    let weight = |key: usize| match weights.get(key) {
        Some(&weight) if positive => weight,
        Some(_) => 1.0,
        None => 0.0,
    };
    let load = |key: usize| f64::from(busy.get(key).copied().unwrap_or_default()) / weight(key);
    let mut best = (due, load(due));
    for key in eligible.iter().copied().filter(|&key| key != due && weight(key) > 0.0) {
        if key >= debts.len() || debt(debts, key) <= -leeway {
            continue;
        }
        let load = load(key);
        let is_owed_more = || best.0 != due && debt(debts, key) > debt(debts, best.0);
        if load < best.1 || (load == best.1 && is_owed_more()) {
            best = (key, load);
        }
    }
    if best.0 != due {
        debts[due] += 1;
        debts[best.0] -= 1;
    }
    Some(best.0)
}
