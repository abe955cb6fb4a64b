//! `cargo xtask tidy`: what no tool checks.
//!
//! Every check is a function from texts to findings, so that each can be shown to fail. A finding
//! names file and line and says what to do.

mod arrows;
mod circles;
mod formats;
mod invariants;
mod lock;
mod map;
mod modules;
mod rooms;
mod rules;
mod shape;
mod source;
mod words;

use std::fmt;

use crate::say::say;
use crate::step::TaskError;
use crate::workspace::{TextFile, Workspace};
use arrows::Member;

const MAP: &str = "ARCHITECTURE.md";

/// Something to put right.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    file: String,
    line: usize,
    text: String,
}

impl Finding {
    fn new(file: &str, line: usize, text: String) -> Self {
        Self { file: file.to_owned(), line, text }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.text)
    }
}

/// Runs every check and prints what it found.
pub(crate) fn run(workspace: &Workspace) -> Result<(), TaskError> {
    let files = workspace.files()?;
    let members = members(workspace, &files);
    let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
    let ratchet = files.iter().find(|file| file.path == shape::RATCHET);
    let before = workspace.committed(shape::RATCHET);
    let checks = [
        ("arrows", arrows::check(&members)),
        ("circles", circles::check(&files)),
        ("formats", formats::check(&files)),
        ("rooms", rooms::check(&files)),
        ("lock file", lock::check(&files)),
        ("file openings", shape::openings(&files)),
        ("file lengths", shape::lengths(&files, ratchet, before.as_deref())),
        ("map", map::check(MAP, &files, &names)),
        ("invariants", invariants::check(&files)),
        ("environment", words::environment(&files)),
        ("unsafe code", words::unsafety(&files)),
        ("purity", words::purity(&files)),
        ("hosts and paths", words::hosts_and_paths(&files)),
    ];
    let mut count = 0;
    for (name, mut findings) in checks {
        let outcome = if findings.is_empty() { "ok" } else { "FAILED" };
        say(&format!("{outcome:>6}  tidy: {name}"));
        findings.sort();
        findings.iter().for_each(|finding| say(&format!("        {finding}")));
        count += findings.len();
    }
    if count == 0 { Ok(()) } else { Err(TaskError::Findings(count)) }
}

fn members(workspace: &Workspace, files: &[TextFile]) -> Vec<Member> {
    let packages = workspace.metadata.workspace_packages().into_iter();
    packages
        .map(|package| {
            let path = package.manifest_path.as_std_path();
            let path = path.strip_prefix(workspace.root()).unwrap_or(path);
            let path = path.to_string_lossy().replace('\\', "/");
            let text = files.iter().find(|file| file.path == path);
            let text = text.map(|file| file.text.clone()).unwrap_or_default();
            Member::new(package, path, text)
        })
        .collect()
}

/// The lines that go into the product: those before `#[cfg(test)] mod tests {`. A `mod tests;` is
/// one of them: its tests are in a file of their own.
fn production(file: &TextFile) -> Vec<&str> {
    let lines: Vec<&str> = file.text.lines().collect();
    let starts_tests = |pair: &[&str]| match pair {
        [first, second] => {
            first.trim() == "#[cfg(test)]" && second.trim_start().starts_with("mod tests {")
        }
        _ => false,
    };
    let end = lines.windows(2).position(starts_tests).unwrap_or(lines.len());
    lines.into_iter().take(end).collect()
}

/// Whether the whole file is test code.
fn is_test(path: &str) -> bool {
    path.starts_with("tests/")
        || path.contains("/tests/")
        || path.ends_with("/tests.rs")
        || path.ends_with("_tests.rs")
}

fn is_rust(path: &str) -> bool {
    path.ends_with(".rs")
}

#[cfg(test)]
fn fixture(path: &str, text: &str) -> TextFile {
    TextFile { path: path.to_owned(), text: text.to_owned() }
}
