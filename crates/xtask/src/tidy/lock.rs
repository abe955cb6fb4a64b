//! What the lock file must not have: a banned crate, or two lines of one that allows no second.
//!
//! `cargo deny` says more, where it is installed; these few are worth a check everywhere.

use std::collections::BTreeMap;

use super::Finding;
use super::rules::{BANNED, ONE_LINE, matches_name};
use crate::workspace::TextFile;

const LOCK: &str = "Cargo.lock";

/// Banned crates and second lines.
pub(super) fn check(files: &[TextFile]) -> Vec<Finding> {
    let Some(lock) = files.iter().find(|file| file.path == LOCK) else {
        return vec![Finding::new(LOCK, 1, "commit the lock file".to_owned())];
    };
    let mut findings = Vec::new();
    let mut first_lines: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
    for (line, name, version) in packages(&lock.text) {
        if BANNED.iter().any(|pattern| matches_name(pattern, name)) {
            let text = format!("{name} must not be in the tree: see deny.toml for what to use");
            findings.push(Finding::new(LOCK, line, text));
        }
        let Some(family) = ONE_LINE.iter().find(|pattern| matches_name(pattern, name)) else {
            continue;
        };
        let own = line_of(version);
        let (other, first) = *first_lines.entry(family).or_insert((name, own));
        if own != first {
            let text = format!("{name} {version} beside {other} {first}: the tree allows one line");
            findings.push(Finding::new(LOCK, line, text));
        }
    }
    findings
}

/// Line, name and version of every package.
fn packages(lock: &str) -> Vec<(usize, &str, &str)> {
    let next = lock.lines().skip(1);
    let pairs = lock.lines().zip(next).enumerate();
    pairs
        .filter_map(|(at, (name, version))| {
            Some((at + 1, quoted(name, "name = ")?, quoted(version, "version = ")?))
        })
        .collect()
}

fn quoted<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.strip_prefix(key).map(|value| value.trim_matches('"'))
}

/// The part of a version within which cargo sees no break: `0.33`, `1`.
fn line_of(version: &str) -> &str {
    let mut dots = version.match_indices('.').map(|(at, _)| at);
    let end = match (dots.next(), dots.next()) {
        (Some(_), Some(second)) if version.starts_with("0.") => second,
        (Some(first), _) => first,
        _ => version.len(),
    };
    version.get(..end).unwrap_or(version)
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    fn found(packages: &[(&str, &str)]) -> Vec<String> {
        let entry = |(name, version): &(&str, &str)| {
            format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n\n")
        };
        let text: String = packages.iter().map(entry).collect();
        check(&[fixture(LOCK, &text)]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_lean_tree_passes() {
        let tree = [
            ("opentelemetry", "0.33.1"),
            ("opentelemetry_sdk", "0.33.2"),
            ("rustls", "0.23.1"),
            ("base64", "0.22.1"),
            ("base64", "0.23.1"),
            ("openssl-probe", "0.2.0"),
        ];
        assert_eq!(found(&tree), Vec::<String>::new());
    }

    #[test]
    fn bans_and_second_lines_are_found() {
        let findings = found(&[("bytes", "1.0.0"), ("openssl-sys", "0.9.1")]);
        assert!(findings.len() == 1 && findings[0].starts_with("Cargo.lock:6: openssl-sys"));
        for pair in [
            [("opentelemetry", "0.33.1"), ("opentelemetry-otlp", "0.32.0")],
            [("hyper", "0.14.1"), ("hyper", "1.12.0")],
            [("rustls", "0.22.1"), ("rustls", "0.23.1")],
        ] {
            assert_eq!(found(&pair).len(), 1, "{pair:?}");
        }
        assert_eq!(check(&[]).len(), 1);
    }
}
