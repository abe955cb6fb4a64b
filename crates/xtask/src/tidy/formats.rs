//! Wire formats stand apart: each has a folder of its own, with the same files, and knows no other.
//!
//! What a format is follows from the tree: a file of the dialect crate with `impl Format for`. So a
//! new format is held to the same rules without a word here.

use super::modules::{Scope, leads, modules};
use super::rules::{FORMAT_FILES, FORMATS_IN};
use super::source::{is_name, production};
use super::{Finding, is_rust, is_test};
use crate::workspace::TextFile;

/// One wire format, as the dialect crate has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WireFormat {
    /// Its module: `openai_chat`.
    pub(super) module: String,
    /// What stands for it in code: `OpenAiChat`.
    pub(super) name: String,
}

/// The formats of the tree.
pub(super) fn formats(files: &[TextFile]) -> Vec<WireFormat> {
    let own = files.iter().filter(|file| is_rust(&file.path) && !is_test(&file.path));
    let format_of = |file: &TextFile| {
        let inner = file.path.strip_prefix(FORMATS_IN)?.strip_suffix(".rs")?;
        let module = (!inner.contains('/')).then(|| inner.to_owned())?;
        let name = implementor(&file.text)?;
        Some(WireFormat { module, name })
    };
    own.filter_map(format_of).collect()
}

/// `X` of `impl Format for X`.
fn implementor(text: &str) -> Option<String> {
    let words = production(text);
    let found = words.windows(4).find(|window| {
        let start: Vec<&str> = window.iter().take(3).map(|token| token.word).collect();
        start == ["impl", "Format", "for"] && is_name(window[3])
    })?;
    Some(found[3].word.to_owned())
}

/// Formats that know each other, and formats whose folder lacks a file.
pub(super) fn check(files: &[TextFile]) -> Vec<Finding> {
    let formats = formats(files);
    if formats.is_empty() {
        let text = "no format found: if `impl Format for` went elsewhere, say so in rules.rs";
        return vec![Finding::new(&format!("{FORMATS_IN}lib.rs"), 1, text.to_owned())];
    }
    let mut findings = borrowed(files, &formats);
    findings.extend(formats.iter().flat_map(|format| incomplete(files, format)));
    findings
}

/// Every path to a format from outside of its folder. The crate's own page hands formats out.
fn borrowed(files: &[TextFile], formats: &[WireFormat]) -> Vec<Finding> {
    let modules = modules(files, FORMATS_IN, Scope::Everything);
    let is_format = |name: &str| formats.iter().any(|format| format.module == name);
    let mut findings = Vec::new();
    for (own, module) in modules.iter().filter(|(own, _)| !own.is_empty()) {
        for path in &module.paths {
            let stops = leads(path, own, &modules);
            let tops = stops.iter().filter_map(|stop| stop.first());
            let mut others = tops.filter(|top| **top != own[0] && is_format(top));
            let Some(other) = others.next() else {
                continue;
            };
            let text = if is_format(&own[0]) {
                format!("{} must not know {other}: move what both need beside the folders", own[0])
            } else {
                format!("{} is for every format: it must not know {other}", own[0])
            };
            findings.push(Finding::new(module.file, path.line, text));
        }
    }
    findings
}

/// The files that every format has: `request.rs`, or more of them in `request/`.
fn incomplete(files: &[TextFile], format: &WireFormat) -> Vec<Finding> {
    let folder = format!("{FORMATS_IN}{}", format.module);
    let has = |name: &str| {
        let (file, inner) = (format!("{folder}/{name}.rs"), format!("{folder}/{name}/"));
        files.iter().any(|known| known.path == file || known.path.starts_with(&inner))
    };
    let missing = FORMAT_FILES.iter().filter(|name| !has(name));
    missing
        .map(|name| {
            let text = format!("{} has no {name}.rs: formats have the same files", format.module);
            Finding::new(&format!("{folder}.rs"), 1, text)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    /// Two formats with all their files, one of them in a folder.
    fn tree() -> Vec<TextFile> {
        let file = |path: &str, text: &str| fixture(&format!("{FORMATS_IN}{path}"), text);
        let mut files = vec![
            file("lib.rs", "mod first;\nuse first::First;\nfn f() { second::Second; }\n"),
            file("first.rs", "pub(crate) struct First;\nimpl Format for First {\n}\n"),
            file("second.rs", "impl Format for Second {\n}\n"),
            file("format.rs", "//! impl Format for Doc\npub trait Format {}\n"),
            file("tests.rs", "struct Fake;\nimpl Format for Fake {}\n"),
            file("second/stream/read.rs", "use super::super::usage;\n"),
        ];
        for name in FORMAT_FILES {
            files.push(file(&format!("first/{name}.rs"), "use crate::first::x;\n"));
            if *name != "stream" {
                files.push(file(&format!("second/{name}.rs"), "use crate::fields::Fields;\n"));
            }
        }
        files
    }

    fn found(mut files: Vec<TextFile>, path: &str, text: &str) -> Vec<String> {
        files.push(fixture(&format!("{FORMATS_IN}{path}"), text));
        check(&files).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn formats_are_found_in_the_tree() {
        let names = |format: WireFormat| format!("{} {}", format.module, format.name);
        let found: Vec<String> = formats(&tree()).into_iter().map(names).collect();
        assert_eq!(found, ["first First", "second Second"]);
        assert_eq!(check(&[]).len(), 1, "a check that finds nothing to check says so");
    }

    #[test]
    fn formats_that_stand_apart_are_accepted() {
        assert_eq!(check(&tree()), []);
        for good in [
            "//! Unlike `crate::second`.\nuse crate::first::usage;\nuse super::super::a::second;\n",
            "use weir_types::Dialect;\nfn f() { Dialect::Second; let s = \"crate::second\"; }\n",
        ] {
            assert_eq!(found(tree(), "first/stream/read.rs", good), Vec::<String>::new(), "{good}");
        }
    }

    #[test]
    fn every_way_to_another_format_is_found() {
        for bad in [
            "\nuse crate::second::usage;\n",
            "\nuse crate::{first, second};\n",
            "\nuse super::super::super::second;\n",
            "\nfn f() { crate::second::f() }\n",
            "\npub(in crate::first) use crate::second as other;\n",
        ] {
            let findings = found(tree(), "first/stream/read.rs", bad);
            assert_eq!(findings.len(), 1, "{bad}: {findings:?}");
            let expected = "crates/dialect/src/first/stream/read.rs:2: first must not know second";
            assert!(findings[0].starts_with(expected), "{findings:?}");
        }
        let findings = found(tree(), "shared.rs", "use crate::first::usage;\n");
        assert!(findings[0].contains("shared is for every format"), "{findings:?}");
        // What is shared must not pass a format on either.
        let mut files = tree();
        files.push(fixture(&format!("{FORMATS_IN}shared.rs"), "pub use crate::second::X;\n"));
        let findings = found(files, "first/usage.rs", "use crate::shared::X;\n");
        assert_eq!(findings.len(), 2, "{findings:?}");
    }

    #[test]
    fn files_that_a_format_lacks_are_found() {
        let findings = found(tree(), "third.rs", "impl Format for Third {}\n");
        assert_eq!(findings.len(), FORMAT_FILES.len(), "{findings:?}");
        let expected = "crates/dialect/src/third.rs:1: third has no request.rs";
        assert!(findings[0].starts_with(expected), "{findings:?}");
    }
}
