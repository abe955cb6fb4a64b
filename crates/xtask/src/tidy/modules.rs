//! The modules of a crate, as its files lay them out, and where a path in one of them leads.
//!
//! A path that leads to what a module only passes on (`pub use`) leads on to where that comes from.

use std::collections::BTreeMap;

use super::source::{NamedPath, paths, production, tokens};
use super::{is_rust, is_test};
use crate::workspace::TextFile;

/// How often a name may be passed on.
const HOPS_MAX: usize = 8;

/// A module by the names on the way to it; the crate itself is empty.
pub(super) type ModulePath = Vec<String>;

/// One module's file.
pub(super) struct Module<'a> {
    pub(super) file: &'a str,
    pub(super) paths: Vec<NamedPath<'a>>,
}

/// Modules by their path.
pub(super) type Modules<'a> = BTreeMap<ModulePath, Module<'a>>;

/// Whether tests count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    Production,
    Everything,
}

/// The modules below `folder`, a crate's `src/`.
pub(super) fn modules<'a>(files: &'a [TextFile], folder: &str, scope: Scope) -> Modules<'a> {
    let mut modules = Modules::new();
    for file in files.iter().filter(|file| is_rust(&file.path)) {
        let Some(inner) = file.path.strip_prefix(folder) else {
            continue;
        };
        let words = match scope {
            Scope::Production if is_test(&file.path) => continue,
            Scope::Production => production(&file.text),
            Scope::Everything => tokens(&file.text),
        };
        modules.insert(path_of(inner), Module { file: &file.path, paths: paths(&words) });
    }
    modules
}

/// `a/b.rs` and `a/b/mod.rs` are `a::b`, `lib.rs` is the crate.
fn path_of(inner: &str) -> ModulePath {
    let stem = inner.strip_suffix(".rs").unwrap_or(inner);
    let mut names: ModulePath = stem.split('/').map(str::to_owned).collect();
    let is_unnamed = names.last().is_some_and(|name| name == "mod")
        || (names.len() == 1 && matches!(names[0].as_str(), "lib" | "main"));
    if is_unnamed {
        names.pop();
    }
    names
}

/// Where `named` leads from `own`, from the crate's root: itself, then where it is passed on to.
/// Empty if it leaves the crate.
pub(super) fn leads(
    named: &NamedPath<'_>,
    own: &[String],
    modules: &Modules<'_>,
) -> Vec<ModulePath> {
    let mut stops = Vec::new();
    let mut next = absolute(&named.segments, own, modules);
    while let Some(stop) = next.filter(|stop| !stops.contains(stop) && stops.len() < HOPS_MAX) {
        next = passed_on(&stop, modules);
        stops.push(stop);
    }
    stops
}

fn absolute(segments: &[&str], own: &[String], modules: &Modules<'_>) -> Option<ModulePath> {
    let mut start = own.to_vec();
    let mut rest = segments;
    match *segments.first()? {
        "crate" => {
            start.clear();
            rest = &rest[1..];
        }
        "self" => rest = &rest[1..],
        "super" => {}
        first => {
            start.push(first.to_owned());
            let is_child = modules.contains_key(&start);
            start.pop();
            if !is_child {
                return None;
            }
        }
    }
    while let Some((_, behind)) = rest.split_first().filter(|(first, _)| **first == "super") {
        start.pop();
        rest = behind;
    }
    start.extend(rest.iter().map(|&name| name.to_owned()));
    Some(start)
}

/// Where the module that `stop` names something of has it from.
fn passed_on(stop: &[String], modules: &Modules<'_>) -> Option<ModulePath> {
    let depth = (0..=stop.len()).rev().find(|&depth| modules.contains_key(&stop[..depth]))?;
    let name = stop.get(depth)?;
    let within = &stop[..depth];
    let brought = |path: &&NamedPath<'_>| path.brings == Some(name.as_str());
    let found = modules.get(within)?.paths.iter().find(brought)?;
    let mut origin = absolute(&found.segments, within, modules)?;
    origin.extend_from_slice(&stop[depth + 1..]);
    Some(origin)
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    #[test]
    fn files_are_modules() {
        let files = [
            fixture("crates/a/src/lib.rs", "use b::X;"),
            fixture("crates/a/src/b.rs", ""),
            fixture("crates/a/src/b/c.rs", ""),
            fixture("crates/a/src/d/mod.rs", ""),
            fixture("crates/a/src/b/tests.rs", ""),
            fixture("crates/other/src/e.rs", ""),
            fixture("crates/a/src/notes.md", ""),
        ];
        let names = |scope| {
            let modules = modules(&files, "crates/a/src/", scope);
            modules.keys().map(|path| path.join("::")).collect::<Vec<_>>()
        };
        assert_eq!(names(Scope::Production), ["", "b", "b::c", "d"]);
        assert_eq!(names(Scope::Everything), ["", "b", "b::c", "b::tests", "d"]);
    }

    #[test]
    fn paths_lead_to_modules() {
        let files = [
            fixture("src/lib.rs", "pub use b::X;\nuse std::fmt;\nuse loop_::Y;"),
            fixture("src/b.rs", "pub(crate) use c::X;"),
            fixture("src/b/c.rs", "struct X;"),
            fixture("src/loop_.rs", "pub use crate::Y;"),
        ];
        let modules = modules(&files, "src/", Scope::Production);
        let lead = |from: &[&str], path: &str| {
            let own: ModulePath = from.iter().map(|&name| name.to_owned()).collect();
            let segments = path.split("::").collect();
            let named = NamedPath { segments, line: 1, brings: None };
            leads(&named, &own, &modules).iter().map(|path| path.join("::")).collect::<Vec<_>>()
        };
        assert_eq!(lead(&["e"], "crate::b"), ["b"]);
        assert_eq!(lead(&["e"], "crate::X"), ["X", "b::X", "b::c::X"]);
        assert_eq!(lead(&["b", "c"], "super::super::b::X::new")[1], "b::c::X::new");
        assert_eq!(lead(&["b"], "self::c::X"), ["b::c::X"]);
        assert_eq!(lead(&["b"], "c::X"), ["b::c::X"]);
        assert_eq!(lead(&["e"], "crate::Y"), ["Y", "loop_::Y"]);
        assert_eq!(lead(&["e"], "std::fmt"), Vec::<String>::new());
        assert_eq!(lead(&["e"], "crate::fmt"), ["fmt"]);
    }
}
