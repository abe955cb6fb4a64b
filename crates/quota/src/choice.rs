//! Which of several keys serves next: earliest virtual deadline first.
//!
//! Each candidate's lag is what its share entitles it to minus what it got. A candidate may be
//! chosen once its lag has reached θ = 1/(2m − 2); the one whose lag would pass 1 − θ first goes
//! first. While the candidates stay the same every count is within 1 − θ of its exact share (Q7).
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
