//! Rooms name no wire format: they ask for one by what the request says, and use it through
//! `Format`.
//!
//! The edge's table of routes is where a format gets its name, and the one place that may.

use super::formats::{WireFormat, formats};
use super::rules::{MORE_ROUTES, ROOMS, ROUTES};
use super::source::{Token, is_name, production};
use super::{Finding, is_rust, is_test};
use crate::workspace::TextFile;

/// Names of wire formats, and of those who made them, in the code of rooms.
pub(super) fn check(files: &[TextFile]) -> Vec<Finding> {
    let formats = formats(files);
    let are_rows = |path: &str| path == ROUTES || path.starts_with(MORE_ROUTES);
    let in_room = |path: &str| ROOMS.iter().any(|room| path.starts_with(room)) && !are_rows(path);
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| in_room(&file.path)) {
        if !is_rust(&file.path) || is_test(&file.path) {
            continue;
        }
        let words = production(&file.text);
        let mut last_line = 0;
        for (at, token) in words.iter().enumerate() {
            // A line is said once, however often it names a format.
            if token.line == last_line || !names_a_format(&words[..=at], &formats) {
                continue;
            }
            last_line = token.line;
            let text = format!(
                "`{}` names a wire format: only {ROUTES} may, ask `Format` instead",
                token.word
            );
            findings.push(Finding::new(&file.path, token.line, text));
        }
    }
    findings
}

/// Whether the last of `words` names a format, given what stands before it.
fn names_a_format(words: &[Token<'_>], formats: &[WireFormat]) -> bool {
    let Some((&last, before)) = words.split_last() else {
        return false;
    };
    if !is_name(last) {
        return false;
    }
    let flat = flat(last.word);
    if formats.iter().any(|format| has_vendor(&flat, format) || last.word == format.name) {
        return true;
    }
    let is_module = formats.iter().any(|format| format.module == last.word);
    match before {
        [.., root, sign] if sign.word == "::" => {
            (root.word == "weir_dialect" && is_module)
                || (root.word == "Dialect" && is_variant(last.word))
        }
        _ => false,
    }
}

/// Of `openai_chat`, names that have `openai` in them. A format of one word has no vendor.
fn has_vendor(flat_name: &str, format: &WireFormat) -> bool {
    format.module.split_once('_').is_some_and(|(vendor, _)| flat_name.contains(vendor))
}

/// `OpenAi`, `OPEN_AI` and `open_ai` are one name.
fn flat(name: &str) -> String {
    name.replace('_', "").to_lowercase()
}

/// `Chat`, but neither `ALL` nor `parse`.
fn is_variant(name: &str) -> bool {
    name.starts_with(char::is_uppercase) && name.contains(char::is_lowercase)
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::super::rules::FORMATS_IN;
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let format = |module: &str, name: &str| {
            let text = format!("impl Format for {name} {{}}\n");
            fixture(&format!("{FORMATS_IN}{module}.rs"), &text)
        };
        let files =
            [format("openai_chat", "OpenAiChat"), format("plain", "Plain"), fixture(path, text)];
        check(&files).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn rooms_that_ask_are_accepted() {
        for (path, good) in [
            ("crates/edge/src/relay.rs", "use weir_types::Dialect;\nformat(Dialect::parse(x));\n"),
            ("crates/edge/src/relay.rs", "for d in Dialect::ALL { plain(d) }\n"),
            ("crates/edge/src/cors.rs", "// OpenAI's SDKs send it.\n\"openai-beta\",\n"),
            ("crates/edge/src/route.rs", "const CHAT: Dialect = Dialect::OpenAiChat;\n"),
            ("crates/worker/src/way/tests.rs", "Dialect::OpenAiChat;\n"),
            ("crates/worker/src/way.rs", "#[cfg(test)]\nmod t {\nDialect::OpenAiChat;\n}\n"),
            ("crates/provider/src/native.rs", "Dialect::OpenAiChat;\n"),
        ] {
            assert_eq!(found(path, good), Vec::<String>::new(), "{good}");
        }
    }

    #[test]
    fn every_name_of_a_format_is_found() {
        for bad in [
            "match d { Dialect::Plain => 1, _ => 2 }\n",
            "match d { Dialect::Other => 1, Dialect::Another => 2 }\n",
            "use weir_dialect::plain::Reader;\n",
            "use weir_dialect::openai_chat;\n",
            "let x = Plain;\n",
            "fn is_openai(x: u8) {}\n",
            "const FOR_OPEN_AI: u8 = 1;\n",
            "struct OpenAiHeaders;\n",
        ] {
            for room in ["edge", "router", "worker"] {
                let path = format!("crates/{room}/src/a/b.rs");
                let findings = found(&path, &format!("\n{bad}"));
                assert_eq!(findings.len(), 1, "{bad}: {findings:?}");
                assert!(findings[0].starts_with(&format!("{path}:2: `")), "{findings:?}");
            }
        }
    }
}
