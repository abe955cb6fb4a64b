//! What newer models no longer take, by their names.

/// A line of models: `opus` 4.8 and so on.
fn version(model: &str, line: &str) -> Option<(u32, u32)> {
    let (_, rest) = model.split_once(line)?;
    let mut numbers = rest.split(['-', '.', '@', ':']).filter(|part| !part.is_empty());
    let major = numbers.next()?.parse().ok()?;
    // What comes after a short number is a date.
    let minor = numbers.next().and_then(|part| part.parse().ok()).filter(|minor| *minor < 100);
    Some((major, minor.unwrap_or(0)))
}

fn at_least(model: &str, lines: &[(&str, (u32, u32))]) -> bool {
    lines.iter().any(|(line, least)| version(model, line).is_some_and(|found| found >= *least))
}

/// Takes neither sampling parameters nor the beginning of an answer.
pub(super) fn is_unsampled(model: &str) -> bool {
    at_least(model, &[("opus-", (4, 7))])
}

/// Takes `system` among the turns.
pub(super) fn takes_system_turns(model: &str) -> bool {
    at_least(model, &[("opus-", (4, 8))])
}

/// Thinks unless it is told not to; at high effort it cannot be told.
pub(super) fn thinks_by_itself(model: &str) -> bool {
    at_least(model, &[("opus-", (5, 0))])
}

/// Thinks as it sees fit: no budget, no switching off, no forced tool.
pub(super) fn is_adaptive_only(model: &str) -> bool {
    at_least(model, &[("opus-", (5, 5)), ("fable-", (5, 1))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_versions() {
        for (model, expected) in [
            ("claude-opus-4-8", Some((4, 8))),
            ("claude-opus-4-20250514", Some((4, 0))),
            ("anthropic.claude-opus-4-7-v1:0", Some((4, 7))),
            ("claude-opus-5", Some((5, 0))),
            ("claude-opus-5.5", Some((5, 5))),
            ("claude-3-opus-latest", None),
            ("claude-sonnet-5", None),
        ] {
            assert_eq!(version(model, "opus-"), expected, "{model}");
        }
        assert!(takes_system_turns("claude-opus-4-8") && !takes_system_turns("claude-opus-4-7"));
        assert!(is_unsampled("claude-opus-4-7") && !is_unsampled("claude-sonnet-4-7"));
        assert!(is_adaptive_only("claude-fable-5-1") && !is_adaptive_only("claude-opus-5"));
    }
}
