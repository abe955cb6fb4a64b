//! Files that somebody has spoilt: whatever stands in one, it is judged, in words that tell no secret,
//! and never by a panic.

use std::fs;
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use weir_config::parse;

/// What spoils a file: of JSON, of names, of values.
const WORDS: [&str; 26] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    ",",
    ":",
    "\\",
    "null",
    "-1",
    "1e999",
    "0.1",
    "true",
    "{}",
    "[[]]",
    "\"\"",
    "\"*\"",
    "\"env.\"",
    "\"env.UNSET\"",
    "\"vault.x\"",
    "\"\\ud800\"",
    "\u{feff}",
    "\u{0}",
    "//",
    "ä€𝄞",
    "\"sha256:0\"",
];

/// Every file that there is for tests and for users.
fn files() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["fixtures/bad", "fixtures/warn", "../../deploy/examples"];
    let listed = folders.iter().flat_map(|folder| fs::read_dir(root.join(folder)).unwrap());
    let mut paths: Vec<_> = listed.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let texts =
        paths.iter().map(|path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned());
    texts.filter(|text| text.len() < 20_000).collect()
}

/// Where, how much of what stands there goes, and what comes in its place.
type Spoiling = (prop::sample::Index, usize, Option<usize>);

fn spoilt(text: &str, spoilings: &[Spoiling]) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for (at, gone, word) in spoilings {
        let at = at.index(chars.len() + 1);
        let end = (at + gone).min(chars.len());
        let word = word.and_then(|word| WORDS.get(word)).copied().unwrap_or_default();
        chars.splice(at..end, word.chars());
    }
    chars.into_iter().collect()
}

/// Whether every secret that is left in `text` can still be known as one: it looks like one, or stands
/// behind the name of a member that holds some. What is left of half a secret is a word like others.
fn are_known(text: &str) -> bool {
    let looks_so = |piece: &str| {
        let has_prefix = ["sk-", "env.sk-"].iter().any(|prefix| piece.starts_with(prefix));
        (has_prefix && piece.len() > 16) || piece.contains("://")
    };
    let pieces: Vec<&str> = text.split('"').collect();
    pieces.iter().enumerate().filter(|(_, piece)| piece.contains("s3cr3t")).all(|(at, piece)| {
        let before = at.checked_sub(2).and_then(|name| pieces.get(name..at));
        let is_value = before.is_some_and(|before| {
            matches!(before, [name, between] if HOLD_SECRETS.contains(name) && between.trim() == ":")
        });
        looks_so(piece) || is_value
    })
}

/// Members of the files whose values are secrets by their place.
const HOLD_SECRETS: [&str; 3] = ["password", "value", "api_key"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_file_is_judged(
        file in any::<prop::sample::Index>(),
        spoilings in vec((any::<prop::sample::Index>(), 0_usize..12, prop::option::of(0..WORDS.len())), 1..5),
    ) {
        thread_local! { static FILES: Vec<String> = files(); }
        let text = FILES.with(|files| spoilt(&files[file.index(files.len())], &spoilings));
        let said = match parse("config.json", &text, &crate::options()) {
            Ok(loaded) => loaded.warnings.iter().map(ToString::to_string).collect::<String>(),
            Err(report) => report.to_string(),
        };
        prop_assert!(!said.contains("s3cr3t") || !are_known(&text), "{said}\n{text}");
    }
}
