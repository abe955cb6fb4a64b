//! How a Rust file looks: it opens by saying why it exists, and it is short.
//!
//! Files that are too long are listed in the ratchet with their length. A number there may only
//! become smaller, and a file that became short leaves the list.

use std::collections::BTreeMap;

use super::{Finding, is_rust, is_test, production};
use crate::workspace::TextFile;

/// `path lines`, one per line; `#` starts a comment.
pub(super) const RATCHET: &str = "crates/xtask/ratchet.txt";
const LINES_MAX: usize = 400;

/// Files that do not say why they exist.
pub(super) fn openings(files: &[TextFile]) -> Vec<Finding> {
    let silent = files.iter().filter(|file| is_rust(&file.path) && !file.text.starts_with("//!"));
    silent
        .map(|file| {
            let text = "open the file with `//!`: why it exists, what it does not know";
            Finding::new(&file.path, 1, text.to_owned())
        })
        .collect()
}

/// Files over the limit, and entries of the ratchet that no longer fit. `before` is the ratchet
/// of the last commit.
pub(super) fn lengths(
    files: &[TextFile],
    ratchet: Option<&TextFile>,
    before: Option<&str>,
) -> Vec<Finding> {
    let text = ratchet.map(|file| file.text.as_str()).unwrap_or_default();
    let (listed, mut findings) = parsed(text);
    let counted = |file: &&TextFile| is_rust(&file.path) && !is_test(&file.path);
    let counts: BTreeMap<&str, usize> = files
        .iter()
        .filter(counted)
        .map(|file| (file.path.as_str(), production(file).len()))
        .collect();
    for (path, count) in &counts {
        let limit = listed.get(path).map_or(LINES_MAX, |(_, limit)| *limit);
        if *count > limit {
            let text = format!("{count} lines, at most {limit} are allowed: split the file by job");
            findings.push(Finding::new(path, limit + 1, text));
        }
    }
    for (path, (line, limit)) in &listed {
        let text = match counts.get(path) {
            None => format!("{path} is not there: remove the entry"),
            Some(count) if *count <= LINES_MAX => {
                format!("{path} is short enough now: remove the entry")
            }
            Some(count) if count < limit => format!("lower {path} to {count}"),
            Some(_) => continue,
        };
        findings.push(Finding::new(RATCHET, *line, text));
    }
    findings.extend(before.map(|before| grown(&listed, before)).unwrap_or_default());
    findings
}

type Entries<'a> = BTreeMap<&'a str, (usize, usize)>;

/// Line and limit by path, and the lines that cannot be read.
fn parsed(text: &str) -> (Entries<'_>, Vec<Finding>) {
    let mut findings = Vec::new();
    let mut entries = Entries::new();
    for (at, line) in text.lines().enumerate() {
        let content = line.split('#').next().unwrap_or_default().trim();
        if content.is_empty() {
            continue;
        }
        let entry = content.split_once(' ');
        match entry.and_then(|(path, limit)| Some((path, limit.trim().parse().ok()?))) {
            Some((path, limit)) => {
                entries.insert(path, (at + 1, limit));
            }
            None => {
                let text = "expected `path lines`".to_owned();
                findings.push(Finding::new(RATCHET, at + 1, text));
            }
        }
    }
    (entries, findings)
}

fn grown(now: &Entries<'_>, before: &str) -> Vec<Finding> {
    let (before, _unreadable) = parsed(before);
    let grew = now.iter().filter(|(path, (_, limit))| {
        before.get(*path).is_none_or(|(_, limit_before)| limit > limit_before)
    });
    grew.map(|(path, (line, _))| {
        let text = format!("the list may only shrink: split {path} instead");
        Finding::new(RATCHET, *line, text)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    fn lines(count: usize) -> String {
        "x\n".repeat(count)
    }

    fn check(files: &[TextFile], ratchet: &str, before: Option<&str>) -> Vec<String> {
        let ratchet = fixture(RATCHET, ratchet);
        lengths(files, Some(&ratchet), before).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn files_open_with_their_reason() {
        let good = fixture("crates/a/src/lib.rs", "//! Why.\n");
        let bad = fixture("crates/a/build.rs", "\n//! Late.\n");
        let other = fixture("README.md", "# x\n");
        let findings = openings(&[good, bad, other]);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].file, "crates/a/build.rs");
    }

    #[test]
    fn only_production_lines_count() {
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", lines(500));
        let fits = fixture("crates/a/src/lib.rs", &format!("{}{tests}", lines(400)));
        let long = fixture("crates/a/src/b.rs", &format!("{}{tests}", lines(401)));
        let test = fixture("crates/a/src/b/tests.rs", &lines(900));
        let scenario = fixture("tests/src/chat.rs", &lines(900));
        let findings = check(&[fits, long, test, scenario], "", None);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].starts_with("crates/a/src/b.rs:401: 401 lines"), "{findings:?}");
    }

    #[test]
    fn the_ratchet_holds_and_tightens() {
        let file = |count| [fixture("crates/a/src/b.rs", &lines(count))];
        let list = "# long files\ncrates/a/src/b.rs 450\n";
        assert_eq!(check(&file(450), list, Some(list)), Vec::<String>::new());
        for (count, expected) in [
            (451, "crates/a/src/b.rs:451: 451 lines, at most 450"),
            (449, "crates/xtask/ratchet.txt:2: lower crates/a/src/b.rs to 449"),
            (400, "crates/xtask/ratchet.txt:2: crates/a/src/b.rs is short enough"),
        ] {
            let findings = check(&file(count), list, None);
            assert!(findings.len() == 1 && findings[0].starts_with(expected), "{findings:?}");
        }
        assert!(check(&[], list, None)[0].contains("remove the entry"));
        assert!(check(&[], "crates/a/src/b.rs\n", None)[0].contains("expected `path lines`"));
    }

    #[test]
    fn the_ratchet_only_shrinks() {
        let files = [fixture("crates/a/src/b.rs", &lines(450))];
        let list = "crates/a/src/b.rs 450\n";
        for before in ["", "crates/a/src/b.rs 440\n"] {
            let findings = check(&files, list, Some(before));
            assert_eq!(findings.len(), 1, "{findings:?}");
            assert!(findings[0].contains("may only shrink"), "{findings:?}");
        }
    }
}
