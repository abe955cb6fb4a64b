//! No two modules that stand side by side need each other, neither directly nor by way of a third.
//!
//! A module counts with all that is below it. What it has from its parent, or its parent from it,
//! is not a circle: a parent and its children are one thing to those outside.

use std::collections::{BTreeMap, BTreeSet};

use super::Finding;
use super::modules::{ModulePath, Modules, Scope, leads, modules};
use super::rules::NO_CIRCLES_IN;
use crate::workspace::TextFile;

/// Who imports whom among siblings: from, to, where it says so first.
type Arrows<'a> = BTreeMap<(ModulePath, ModulePath), (&'a str, usize)>;

/// Circles.
pub(super) fn check(files: &[TextFile]) -> Vec<Finding> {
    check_folders(files, NO_CIRCLES_IN)
}

fn check_folders(files: &[TextFile], folders: &[&str]) -> Vec<Finding> {
    let of_folder = |folder: &&str| circles(&arrows(&modules(files, folder, Scope::Production)));
    folders.iter().flat_map(of_folder).collect()
}

fn arrows<'a>(modules: &Modules<'a>) -> Arrows<'a> {
    let mut arrows = Arrows::new();
    for (own, module) in modules {
        for path in &module.paths {
            for target in leads(path, own, modules) {
                let shared = own.iter().zip(&target).take_while(|(a, b)| a == b).count();
                let (Some(from), Some(to)) = (own.get(..=shared), target.get(..=shared)) else {
                    continue;
                };
                if modules.contains_key(to) {
                    let arrow = (from.to_vec(), to.to_vec());
                    arrows.entry(arrow).or_insert((module.file, path.line));
                }
            }
        }
    }
    arrows
}

/// Circles that have no arrow in common, shortest first: breaking one may break longer ones.
fn circles(arrows: &Arrows<'_>) -> Vec<Finding> {
    let around = |(from, to): &(ModulePath, ModulePath)| {
        let back = way(to, from, arrows)?;
        Some([std::slice::from_ref(from), back.as_slice()].concat())
    };
    let mut circles: Vec<Vec<ModulePath>> = arrows.keys().filter_map(around).collect();
    circles.sort_by_key(Vec::len);
    let mut told = BTreeSet::new();
    let mut findings = Vec::new();
    for circle in circles {
        let steps = || circle.windows(2).map(|step| (step[0].clone(), step[1].clone()));
        let Some((file, line)) = steps().next().and_then(|first| arrows.get(&first)) else {
            continue;
        };
        if steps().any(|step| told.contains(&step)) {
            continue;
        }
        told.extend(steps());
        let names: Vec<String> = circle.iter().map(|module| module.join("::")).collect();
        let text = format!("circle of modules: {}: move what both need", names.join(" -> "));
        findings.push(Finding::new(file, *line, text));
    }
    findings
}

/// The shortest way along arrows, both ends included.
fn way(start: &[String], end: &[String], arrows: &Arrows<'_>) -> Option<Vec<ModulePath>> {
    let mut ways = vec![vec![start.to_vec()]];
    let mut seen = BTreeSet::from([start.to_vec()]);
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            let Some(last) = way.last() else {
                continue;
            };
            if last == end {
                return Some(way);
            }
            for (_, to) in arrows.keys().filter(|(from, _)| from == last) {
                if seen.insert(to.clone()) {
                    longer.push([way.as_slice(), std::slice::from_ref(to)].concat());
                }
            }
        }
        ways = longer;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    const FOLDER: &str = "crates/a/src/";

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let file = |&(path, text): &(&str, &str)| fixture(&format!("{FOLDER}{path}"), text);
        let files: Vec<TextFile> = files.iter().map(file).collect();
        check_folders(&files, &[FOLDER]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn trees_are_accepted() {
        for good in [
            // Of siblings, one imports the other.
            &[("a.rs", "use crate::b;\n"), ("b.rs", "use std::fmt;\n")][..],
            // A parent and its children.
            &[("a.rs", "mod b;\nuse b::X;\n"), ("a/b.rs", "use super::Y;\n")],
            // Only tests point back.
            &[
                ("a.rs", "use crate::b;\n"),
                ("b.rs", "#[cfg(test)]\nmod tests {\n    use crate::a;\n}\n"),
                ("b/tests.rs", "use crate::a;\n"),
            ],
            // Comments and what the crate's own page says are no imports.
            &[
                ("lib.rs", "pub use a::X;\n"),
                ("a.rs", "//! [`crate::b`]\n"),
                ("b.rs", "use crate::X;\n"),
            ],
            // The same name at another place.
            &[("a/b.rs", "use super::c;\n"), ("a/c.rs", "use crate::b;\n"), ("b.rs", "")],
        ] {
            assert_eq!(found(good), Vec::<String>::new(), "{good:?}");
        }
    }

    #[test]
    fn circles_are_found() {
        for (bad, expected) in [
            (&[("a.rs", "\nuse crate::b;\n"), ("b.rs", "use crate::a::X;\n")][..], "a -> b -> a"),
            (
                &[("a.rs", "\nuse super::b;\n"), ("b.rs", "fn f() { crate::a::f() }\n")],
                "a -> b -> a",
            ),
            (
                &[
                    ("a.rs", "\nuse crate::b;\n"),
                    ("b.rs", "use crate::c;\n"),
                    ("c.rs", "use crate::a;\n"),
                ],
                "a -> b -> c -> a",
            ),
            // Through a child.
            (
                &[("a.rs", "\nuse crate::b;\n"), ("b.rs", ""), ("b/c.rs", "use crate::a;\n")],
                "a -> b -> a",
            ),
            // Through what the crate passes on.
            (
                &[
                    ("lib.rs", "pub use b::X;\n"),
                    ("a.rs", "\nuse crate::X;\n"),
                    ("b.rs", "use crate::a;\n"),
                ],
                "a -> b -> a",
            ),
        ] {
            let findings = found(bad);
            assert_eq!(findings.len(), 1, "{findings:?}");
            let expected = format!("crates/a/src/a.rs:2: circle of modules: {expected}: ");
            assert!(findings[0].starts_with(&expected), "{findings:?}");
        }
        let inner = [("p/a.rs", "use super::b;\n"), ("p/b.rs", "use crate::p::a;\n"), ("p.rs", "")];
        assert!(found(&inner)[0].contains("p::a -> p::b -> p::a"));
    }
}
