//! The nearest valid name for a misspelt one.

/// The candidate that a typo most likely meant, if one is near enough.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let wanted = plain(name);
    let wanted_length = wanted.chars().count();
    let distance_max = (wanted.len() / 3).clamp(1, 3);
    let distance = |candidate: &str| {
        let candidate = plain(candidate);
        // A name that lacks its beginning or its unit is nearer than its length tells.
        let part = wanted.len() >= 8 && candidate.contains(&wanted);
        if part {
            return distance_max;
        }
        // Each character more or less is a step.
        if wanted_length.abs_diff(candidate.chars().count()) > distance_max {
            return usize::MAX;
        }
        strsim::osa_distance(&wanted, &candidate)
    };
    candidates
        .into_iter()
        .map(|candidate| (distance(candidate), candidate))
        .filter(|(distance, _)| *distance <= distance_max)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Case, hyphens and underscores are what people get wrong most; they cost nothing.
fn plain(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-')).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let names = ["weight", "models", "network_config", "url"];
        assert_eq!(nearest("wieght", names), Some("weight"));
        assert_eq!(nearest("networkConfig", names), Some("network_config"));
        assert_eq!(nearest("uri", names), Some("url"));
        let timeouts = ["stream_idle_timeout_in_seconds", "default_request_timeout_in_seconds"];
        assert_eq!(nearest("request_timeout", timeouts), Some(timeouts[1]));
        assert_eq!(nearest("colour", names), None);
        assert_eq!(nearest("", names), None);
    }
}
