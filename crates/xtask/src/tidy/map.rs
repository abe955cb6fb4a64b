//! The map is tested: what ARCHITECTURE.md names exists.
//!
//! Checked are words in backticks that are a path below a top-level entry, a file name of the
//! repository's own kinds, or one of our package names. Routes, header names and code are not.

use super::Finding;
use crate::workspace::TextFile;

/// Kinds of file that only we have.
const OWN_KINDS: &[&str] = &[".rs", ".proto", ".lua"];

/// Names on the map that lead nowhere. `packages` are the workspace's.
pub(super) fn check(map: &str, files: &[TextFile], packages: &[&str]) -> Vec<Finding> {
    let Some(page) = files.iter().find(|file| file.path == map) else {
        let text = "write the map: what each crate is for, and the way of a request".to_owned();
        return vec![Finding::new(map, 1, text)];
    };
    let mut findings = Vec::new();
    let mut in_fence = false;
    for (at, line) in page.text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_fence = !in_fence;
            continue;
        }
        if in_fence {
            continue;
        }
        let lost = quoted(line).filter(|word| !exists(word, files, packages));
        findings.extend(lost.map(|word| {
            Finding::new(map, at + 1, format!("`{word}` does not exist: correct the name"))
        }));
    }
    findings
}

/// What stands between backticks.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

fn exists(word: &str, files: &[TextFile], packages: &[&str]) -> bool {
    if word.is_empty() || word.contains(char::is_whitespace) || word.starts_with(['/', '.', '-']) {
        return !word.starts_with(".ci/") || is_path(word, files);
    }
    if word.starts_with("weir-") && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-') {
        return packages.contains(&word);
    }
    if let Some((top, _)) = word.split_once('/') {
        let known = files.iter().any(|file| file.path.split('/').next() == Some(top));
        return !known || is_path(word, files);
    }
    let own = OWN_KINDS.iter().any(|kind| word.ends_with(kind) && word.len() > kind.len());
    !own || files.iter().any(|file| file.path.rsplit('/').next() == Some(word))
}

/// A file, or a folder that has files. Of a pattern, the part before it has to exist.
fn is_path(word: &str, files: &[TextFile]) -> bool {
    let plain = match word.find(['*', '{', '<']) {
        Some(at) => word.get(..at).and_then(|start| start.rsplit_once('/')).map(|(dir, _)| dir),
        None => Some(word),
    };
    let plain = plain.unwrap_or_default().trim_end_matches('/');
    files.iter().any(|file| {
        file.path.strip_prefix(plain).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    fn lost(line: &str) -> Vec<String> {
        let files = [
            fixture("MAP.md", &format!("# The map\n{line}\n```\n`crates/fenced`\n```\n")),
            fixture("crates/quota/src/machine.rs", ""),
            fixture("proto/weir/router/v1/router.proto", ""),
            fixture(".ci/run", ""),
        ];
        check("MAP.md", &files, &["weir", "weir-quota"]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn names_that_exist_pass() {
        for line in [
            "`crates/quota`, `crates/quota/`, `crates/quota/src/machine.rs`, `machine.rs`",
            "`proto/weir/*/v1/*.proto` and `crates/{quota,rpc}`",
            "`weir-quota` and `.ci/run`",
            "`/v1/models`, `provider/model`, `Frame`, `cargo xtask tidy`, `config.json`",
        ] {
            assert_eq!(lost(line), Vec::<String>::new(), "{line}");
        }
    }

    #[test]
    fn names_that_lead_nowhere_are_found() {
        for word in [
            "crates/router",
            "crates/quo",
            "crates/quota/src/plan.rs",
            "plan.rs",
            "router.lua",
            "weir-router",
            "crates/router/*.rs",
            ".ci/lint",
        ] {
            let found = lost(&format!("see `{word}`"));
            assert_eq!(found, [format!("MAP.md:2: `{word}` does not exist: correct the name")]);
        }
    }

    #[test]
    fn a_missing_map_is_found() {
        assert_eq!(check("MAP.md", &[], &[]).len(), 1);
    }
}
