//! Words that do not belong where they stand: the environment, clocks in pure crates, package
//! registries, folders of somebody's machine.

use super::rules::{CRATES, ENV_FOLDERS, IMPURE_CALLS, PURE};
use super::{Finding, is_rust, is_test, production};
use crate::workspace::TextFile;

/// In two parts, so that this file does not name them.
const REGISTRIES: &[[&str; 2]] =
    &[["crates", ".io"], ["pypi", ".org"], ["npmjs", ".com"], ["pythonhosted", ".org"]];
const MACHINE_FOLDERS: &[[&str; 2]] =
    &[["/ho", "me/"], ["/Us", "ers/"], ["/ro", "ot/"], ["/wo", "rk/"], ["C:\\Us", "ers\\"]];
/// Written by cargo.
const GENERATED: &[&str] = &["Cargo.lock", "fuzz/Cargo.lock"];

/// Reads of the process's environment outside of `config` and `weir`.
pub(super) fn environment(files: &[TextFile]) -> Vec<Finding> {
    let free = |path: &str| ENV_FOLDERS.iter().any(|folder| path.starts_with(folder));
    let files = files.iter().filter(|file| {
        is_rust(&file.path)
            && !is_test(&file.path)
            && !free(&file.path)
            && !file.path.ends_with("/build.rs")
    });
    let what = "only config and weir read the environment: take the value as an argument";
    code_lines(files, &["std::env", "env::var"], what)
}

/// Unsafe code outside of the one crate that is there for it.
pub(super) fn unsafety(files: &[TextFile]) -> Vec<Finding> {
    let files = files.iter().filter(|file| {
        is_rust(&file.path)
            && file.path.starts_with("crates/")
            && !file.path.starts_with("crates/heap/")
            && !file.path.starts_with("crates/xtask/")
    });
    code_lines(
        files,
        &["unsafe_code", "unsafe {"],
        "unsafe code belongs in crates/heap, if anywhere",
    )
}

/// Clocks, sockets, threads and logging in pure crates.
pub(super) fn purity(files: &[TextFile]) -> Vec<Finding> {
    let is_pure = |path: &str| {
        let pure = CRATES.iter().filter(|krate| krate.layer <= PURE);
        let mut folders = pure.filter_map(|krate| krate.name.strip_prefix("weir-"));
        folders.any(|folder| {
            let rest = path.strip_prefix("crates/").and_then(|path| path.strip_prefix(folder));
            rest.is_some_and(|rest| rest.starts_with("/src/"))
        })
    };
    let files = files
        .iter()
        .filter(|file| is_rust(&file.path) && !is_test(&file.path) && is_pure(&file.path));
    code_lines(files, IMPURE_CALLS, "this crate is pure: take the result as an argument")
}

/// Package registries and folders of a developer's machine, in any text.
pub(super) fn hosts_and_paths(files: &[TextFile]) -> Vec<Finding> {
    let registries: Vec<String> = REGISTRIES.iter().map(|parts| parts.concat()).collect();
    let folders: Vec<String> = MACHINE_FOLDERS.iter().map(|parts| parts.concat()).collect();
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| !GENERATED.contains(&file.path.as_str())) {
        for (at, line) in file.text.lines().enumerate() {
            let lower = line.to_lowercase();
            if let Some(host) = registries.iter().find(|host| lower.contains(host.as_str())) {
                let text = format!("do not name the package registry {host}: the default holds");
                findings.push(Finding::new(&file.path, at + 1, text));
            }
            if let Some(folder) = folders.iter().find(|folder| begins_path(line, folder)) {
                let text = format!("{folder} is a folder of one machine: use a relative path");
                findings.push(Finding::new(&file.path, at + 1, text));
            }
        }
    }
    findings
}

/// Whether a path in `line` begins with `folder`, at a word's start.
fn begins_path(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line.get(..at).and_then(|start| start.chars().next_back());
        !before.is_some_and(|c| c.is_alphanumeric() || "._-~/}$*>".contains(c))
    })
}

/// Lines of production code, comments left out, that have one of `words`.
fn code_lines<'a>(
    files: impl Iterator<Item = &'a TextFile>,
    words: &[&str],
    what: &str,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        for (at, line) in production(file).into_iter().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if let Some(word) = words.iter().find(|word| code.contains(*word)) {
                findings.push(Finding::new(&file.path, at + 1, format!("`{word}`: {what}")));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    fn lines(findings: &[Finding]) -> Vec<String> {
        findings.iter().map(|found| format!("{}:{}", found.file, found.line)).collect()
    }

    #[test]
    fn unsafe_code_is_in_one_crate() {
        let code = "#[expect(unsafe_code, reason = \"\")]\nunsafe { f() }\n";
        let files =
            [fixture("crates/heap/src/lib.rs", code), fixture("crates/rpc/src/lib.rs", code)];
        let found = ["crates/rpc/src/lib.rs:1", "crates/rpc/src/lib.rs:2"];
        assert_eq!(lines(&unsafety(&files)), found);
    }

    #[test]
    fn the_environment_is_read_in_two_crates() {
        let code = "//! Doc of std::env.\nlet x = std::env::var(\"X\");\n";
        let files = [
            fixture("crates/edge/src/lib.rs", code),
            fixture("crates/config/src/lib.rs", code),
            fixture("crates/weir/src/main.rs", code),
            fixture("crates/rpc/build.rs", code),
            fixture("tests/src/lib.rs", code),
            fixture("crates/rpc/src/lib.rs", "let v = env!(\"CARGO_PKG_VERSION\");\n"),
            fixture("crates/sim/src/lib.rs", &format!("#[cfg(test)]\nmod tests {{\n{code}}}\n")),
        ];
        assert_eq!(lines(&environment(&files)), ["crates/edge/src/lib.rs:2"]);
    }

    #[test]
    fn pure_crates_have_no_clock() {
        let code = "use std::time::Instant;\nlet now = Instant::now();\n";
        let files = [
            fixture("crates/quota/src/machine.rs", code),
            fixture("crates/quota-memory/src/lib.rs", code),
            fixture("crates/types/src/context.rs", "pub struct Deadline(Instant);\n"),
            fixture("crates/quota/src/tests.rs", code),
        ];
        assert_eq!(lines(&purity(&files)), ["crates/quota/src/machine.rs:2"]);
    }

    #[test]
    fn registries_and_machines_are_not_named() {
        let registry = REGISTRIES[0].concat();
        for bad in [
            format!("see https://{registry}/x"),
            format!("host = \"static.{}\"", registry.to_uppercase()),
            format!("cd {}me/x", MACHINE_FOLDERS[0].concat()),
            format!("\"{}x\"", MACHINE_FOLDERS[3].concat()),
        ] {
            let file = fixture("docs/x.md", &format!("fine\n{bad}\n"));
            assert_eq!(lines(&hosts_and_paths(&[file])), ["docs/x.md:2"], "{bad}");
        }
        for good in [
            "see https://docs.rs/x".to_owned(),
            format!("https://example.com{}page", MACHINE_FOLDERS[0].concat()),
            format!("./frame{}x", MACHINE_FOLDERS[3].concat()),
        ] {
            let file = fixture("docs/x.md", &good);
            assert_eq!(lines(&hosts_and_paths(&[file])), Vec::<String>::new(), "{good}");
        }
        let lock = fixture("Cargo.lock", &registry);
        assert_eq!(hosts_and_paths(&[lock]), []);
    }
}
