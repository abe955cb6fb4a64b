//! Files that are refused or warned about, each beside the full text that it must lead to.
//!
//! To add a case, add `NAME.json` under `fixtures/bad` or `fixtures/warn` and run
//! `cargo test -p weir-config -- --ignored bless`, then read what it wrote. A name that starts
//! with `strict-` or `accepted-` sets that option.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use weir_config::{Loaded, Options, Report, load};

/// A part of every value that a fixture marks as a secret.
const SECRET_MARK: &str = "s3cr3t";

fn cases(folder: &str) -> Vec<PathBuf> {
    let mut cases: Vec<PathBuf> = fs::read_dir(Path::new("fixtures").join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    cases.sort();
    cases
}

fn load_case(path: &Path) -> Result<Loaded, Report> {
    let name = path.file_stem().unwrap().to_str().unwrap();
    let options = Options {
        strict: name.starts_with("strict-"),
        accept_ignored: name.starts_with("accepted-"),
        ..crate::options()
    };
    load(path, &options)
}

fn refused(path: &Path) -> String {
    let report = load_case(path).expect_err(&format!("{} was accepted", path.display()));
    format!("{report}\n")
}

fn warned(path: &Path) -> String {
    let loaded = load_case(path).unwrap_or_else(|report| panic!("{report}"));
    let mut text = String::new();
    for warning in &loaded.warnings {
        writeln!(text, "{warning}").unwrap();
    }
    for path in &loaded.ignored {
        writeln!(text, "ignored: {path}").unwrap();
    }
    text
}

fn check(folder: &str, outcome: fn(&Path) -> String) -> usize {
    let mut wrong = String::new();
    let cases = cases(folder);
    for path in &cases {
        let actual = outcome(path);
        let expected = fs::read_to_string(path.with_extension("expected")).unwrap_or_default();
        assert!(!actual.contains(SECRET_MARK), "{} tells a secret:\n{actual}", path.display());
        if actual != expected {
            let name = path.display();
            write!(wrong, "--- {name}: expected\n{expected}--- actual\n{actual}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    cases.len()
}

#[test]
fn bad_files_are_refused_with_all_their_problems() {
    let count = check("bad", refused);
    assert!(count >= 65, "only {count} cases");
}

#[test]
fn odd_files_are_used_with_warnings() {
    let count = check("warn", warned);
    assert!(count >= 10, "only {count} cases");
}

/// The secret search above can find one: the mark is in the files.
#[test]
fn fixtures_hold_marked_secrets() {
    let marked =
        |path: &PathBuf| String::from_utf8_lossy(&fs::read(path).unwrap()).contains(SECRET_MARK);
    assert!(cases("bad").iter().filter(|path| marked(path)).count() >= 5);
    assert!(cases("warn").iter().filter(|path| marked(path)).count() >= 2);
}

#[test]
fn a_missing_file_is_a_report() {
    let report = load(Path::new("fixtures/none.json"), &crate::options()).unwrap_err();
    let text = report.to_string();
    assert!(text.starts_with("fixtures/none.json:1:1: error: the file cannot be read"), "{text}");
}

#[test]
#[ignore = "writes the expected texts; read them before you keep them"]
fn bless() {
    for (folder, outcome) in [("bad", refused as fn(&Path) -> String), ("warn", warned)] {
        for path in cases(folder) {
            fs::write(path.with_extension("expected"), outcome(&path)).unwrap();
        }
    }
}
