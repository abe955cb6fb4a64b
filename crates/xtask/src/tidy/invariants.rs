//! The quota's numbered invariants are named in one place, cited where the code keeps them and
//! cited where a test would see them broken.

use super::{Finding, is_rust, is_test, production};
use crate::workspace::TextFile;

const LIST: &str = "crates/quota/src/lib.rs";
const COUNT: usize = 10;
/// Where the code that keeps them lives.
const KEPT_IN: &[&str] = &["crates/quota/", "crates/quota-memory/", "crates/quota-redis/"];

/// Invariants that are missing from the list, from the code or from the tests.
pub(super) fn check(files: &[TextFile]) -> Vec<Finding> {
    let Some(list) = files.iter().find(|file| file.path == LIST) else {
        return vec![Finding::new(LIST, 1, format!("list the invariants Q1 to Q{COUNT} here"))];
    };
    (1..=COUNT).filter_map(|number| missing(&format!("Q{number}"), list, files)).collect()
}

fn missing(name: &str, list: &TextFile, files: &[TextFile]) -> Option<Finding> {
    let Some(at) = list.text.lines().position(|line| cites(line, name)) else {
        return Some(Finding::new(LIST, 1, format!("{name} is not listed: say what it promises")));
    };
    let others = || files.iter().filter(|file| is_rust(&file.path) && file.path != LIST);
    let kept = |file: &TextFile| KEPT_IN.iter().any(|folder| file.path.starts_with(folder));
    let in_code = others()
        .filter(|file| kept(file) && !is_check(&file.path))
        .any(|file| production(file).iter().any(|line| cites(line, name)));
    let in_tests = others().any(|file| {
        let skip = if is_check(&file.path) { 0 } else { production(file).len() };
        file.text.lines().skip(skip).any(|line| cites(line, name))
    });
    let text = match (in_code, in_tests) {
        (true, true) => return None,
        (false, true) => format!("{name} is not cited in code: cite it where it is kept"),
        (true, false) => format!("{name} is not cited in a test: assert it and cite it there"),
        (false, false) => format!("{name} is cited neither in code nor in a test"),
    };
    Some(Finding::new(LIST, at + 1, text))
}

/// Whether the whole file is there to check others.
fn is_check(path: &str) -> bool {
    is_test(path) || path.contains("/conformance")
}

/// Whether `line` has `name` as a word: `Q1`, but neither `Q10` nor `FAQ1`.
fn cites(line: &str, name: &str) -> bool {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(name).any(|(at, _)| {
        let before = line.get(..at).and_then(|start| start.chars().next_back());
        let after = line.get(at + name.len()..).and_then(|rest| rest.chars().next());
        !before.is_some_and(part_of_word) && !after.is_some_and(part_of_word)
    })
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    fn all() -> String {
        (1..=COUNT).map(|number| format!("// Q{number}: text\n")).collect()
    }

    fn check_with(list: &str, code: &str, test: &str) -> Vec<String> {
        let files = [
            fixture(LIST, list),
            fixture("crates/quota/src/machine.rs", code),
            fixture("crates/quota/src/conformance/basic.rs", test),
            fixture("crates/edge/src/lib.rs", "// Q1 means nothing here\n"),
        ];
        check(&files).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn cited_everywhere_is_fine() {
        assert_eq!(check_with(&all(), &all(), &all()), Vec::<String>::new());
        let beside = format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", all(), all());
        assert_eq!(check_with(&all(), &beside, ""), Vec::<String>::new());
    }

    #[test]
    fn every_gap_is_found() {
        // Without Q1, Q10 must not stand in for it.
        let without = all().replace("Q1:", "FAQ1 Q1x");
        for (list, code, test, expected) in [
            (without.as_str(), &*all(), &*all(), "crates/quota/src/lib.rs:1: Q1 is not listed"),
            (&all(), &without, &all(), "crates/quota/src/lib.rs:1: Q1 is not cited in code"),
            (&all(), &all(), &without, "crates/quota/src/lib.rs:1: Q1 is not cited in a test"),
            (&all(), &without, &without, "crates/quota/src/lib.rs:1: Q1 is cited neither"),
        ] {
            let findings = check_with(list, code, test);
            assert!(findings.len() == 1 && findings[0].starts_with(expected), "{findings:?}");
        }
        assert_eq!(check(&[]).len(), 1);
    }
}
