//! Rust as words: what a file names, apart from its comments, strings and tests.
//!
//! Not a parser. It knows enough to find every path (`crate::a::b`, each branch of a `use` tree)
//! and every name, and the line of each. Macros are read like any other code.

use std::iter::Peekable;
use std::str::CharIndices;

/// A name or a sign in code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) word: &'a str,
    /// From 1.
    pub(super) line: usize,
}

/// A path that code names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NamedPath<'a> {
    pub(super) segments: Vec<&'a str>,
    pub(super) line: usize,
    /// What a `use` calls the end of it; `None` outside of `use`.
    pub(super) brings: Option<&'a str>,
}

/// Names and signs of the code that goes into the product.
pub(super) fn production(text: &str) -> Vec<Token<'_>> {
    without_tests(&tokens(text))
}

/// Whether `token` is a name: neither a sign nor a number.
pub(super) fn is_name(token: Token<'_>) -> bool {
    token.word.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

// === tokens ===

type Chars<'a> = Peekable<CharIndices<'a>>;

/// Every name and sign. Comments, strings, characters and lifetimes are left out.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut chars = text.char_indices().peekable();
    let mut lines = Lines { text, at: 0, line: 1 };
    while let Some((at, c)) = chars.next() {
        let rest = &text[at..];
        let skipped = match c {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => comment_length(rest),
            '"' => string_length(rest),
            '\'' => quote_length(rest),
            _ => literal_length(rest),
        };
        let word = match c {
            _ if skipped > 0 => "",
            ':' if rest.starts_with("::") => "::",
            _ if c.is_whitespace() => "",
            _ if is_part(c) => &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())],
            _ => &rest[..c.len_utf8()],
        };
        if !word.is_empty() {
            found.push(Token { word, line: lines.of(at) });
        }
        skip_to(&mut chars, at + skipped.max(word.len()));
    }
    found
}

fn skip_to(chars: &mut Chars<'_>, end: usize) {
    while chars.next_if(|(at, _)| *at < end).is_some() {}
}

fn is_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Counts lines on the way through a text.
struct Lines<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

impl Lines<'_> {
    fn of(&mut self, at: usize) -> usize {
        self.line += self.text[self.at..at].matches('\n').count();
        self.at = at;
        self.line
    }
}

/// Comments nest.
fn comment_length(text: &str) -> usize {
    let (mut at, mut depth) = (0, 0_usize);
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// `text` opens with a quote.
fn string_length(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// A character, or a lifetime.
fn quote_length(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    let first = chars.next().map(|(_, c)| c);
    let second = chars.next();
    if first == Some('\\') {
        // What is escaped may be a quote itself.
        let close = chars.find(|(_, c)| *c == '\'');
        return close.map_or(text.len(), |(at, _)| at + 1);
    }
    match second {
        Some((at, '\'')) => at + 1,
        _ => text[1..].find(|c| !is_part(c)).map_or(text.len(), |at| at + 1),
    }
}

/// Of a literal with letters before its quote; 0 if `text` opens with none.
fn literal_length(text: &str) -> usize {
    let Some(prefix) = ["br", "cr", "r", "b", "c"].iter().find(|start| opens(text, start)) else {
        return 0;
    };
    let rest = &text[prefix.len()..];
    if rest.starts_with('\'') {
        return prefix.len() + quote_length(rest);
    }
    if !prefix.ends_with('r') {
        return prefix.len() + string_length(rest);
    }
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    let end = format!("\"{}", "#".repeat(hashes));
    let body = prefix.len() + hashes + 1;
    text[body..].find(&end).map_or(text.len(), |at| body + at + end.len())
}

fn opens(text: &str, prefix: &str) -> bool {
    let Some(rest) = text.strip_prefix(prefix) else {
        return false;
    };
    let is_raw = prefix.ends_with('r');
    let rest = if is_raw { rest.trim_start_matches('#') } else { rest };
    rest.starts_with('"') || (prefix == "b" && rest.starts_with('\''))
}

// === tests ===

const TEST_MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];

/// Leaves out each item behind `#[cfg(test)]`.
fn without_tests<'a>(tokens: &[Token<'a>]) -> Vec<Token<'a>> {
    let mut kept = Vec::with_capacity(tokens.len());
    let mut rest = tokens;
    while let Some((first, behind)) = rest.split_first() {
        if rest.len() >= TEST_MARK.len() && rest.iter().zip(TEST_MARK).all(|(t, w)| t.word == w) {
            rest = &rest[TEST_MARK.len()..];
            rest = &rest[item_length(rest)..];
        } else {
            kept.push(*first);
            rest = behind;
        }
    }
    kept
}

/// Up to a `;` outside of brackets, or the end of the first block.
fn item_length(tokens: &[Token<'_>]) -> usize {
    let mut depth = 0_i32;
    for (at, token) in tokens.iter().enumerate() {
        match token.word {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" => depth -= 1,
            "}" => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            ";" if depth == 0 => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}

// === paths ===

/// Every path of more than one segment, and every `use`. Visibilities (`pub(in …)`) are left out.
pub(super) fn paths<'a>(tokens: &[Token<'a>]) -> Vec<NamedPath<'a>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(&token) = tokens.get(at) {
        let before = at.checked_sub(1).map(|before| tokens[before].word);
        let next = tokens.get(at + 1).map(|next| next.word);
        let is_use = before == Some("use");
        if !is_name(token) || !(is_use || next == Some("::")) {
            at += 1;
            continue;
        }
        let mut tree = Tree { tokens, at, is_use, found: Vec::new() };
        tree.read(&[]);
        at = tree.at.max(at + 1);
        if before != Some("in") {
            found.append(&mut tree.found);
        }
    }
    found
}

/// A path, or a tree of them, being read.
struct Tree<'t, 'a> {
    tokens: &'t [Token<'a>],
    at: usize,
    is_use: bool,
    found: Vec<NamedPath<'a>>,
}

impl<'a> Tree<'_, 'a> {
    fn word(&self) -> &'a str {
        self.tokens.get(self.at).map_or("", |token| token.word)
    }

    fn read(&mut self, prefix: &[&'a str]) {
        let mut segments = prefix.to_vec();
        let line = self.tokens.get(self.at).map_or(1, |token| token.line);
        loop {
            match self.word() {
                "{" => return self.read_branches(&segments),
                "*" => self.at += 1,
                "self" if !segments.is_empty() => self.at += 1,
                word if self.tokens.get(self.at).is_some_and(|token| is_name(*token)) => {
                    segments.push(word);
                    self.at += 1;
                }
                _ => break,
            }
            if self.word() != "::" {
                break;
            }
            self.at += 1;
        }
        let mut name = segments.last().copied();
        if self.is_use && self.word() == "as" {
            name = self.tokens.get(self.at + 1).map(|token| token.word);
            self.at += 2;
        }
        let brings = name.filter(|_| self.is_use);
        self.found.push(NamedPath { segments, line, brings });
    }

    fn read_branches(&mut self, prefix: &[&'a str]) {
        self.at += 1;
        while !matches!(self.word(), "}" | "") {
            let before = self.at;
            self.read(prefix);
            if self.word() == "," || self.at == before {
                self.at += 1;
            }
        }
        self.at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&str> {
        production(text).iter().map(|token| token.word).collect()
    }

    fn named(text: &str) -> Vec<(String, usize, Option<&str>)> {
        let found = paths(&production(text));
        found.iter().map(|path| (path.segments.join("::"), path.line, path.brings)).collect()
    }

    #[test]
    fn comments_and_literals_are_not_words() {
        for (text, expected) in [
            ("a // b\nc", &["a", "c"][..]),
            ("a /* b /* c */ d */ e", &["a", "e"]),
            (r#"a("b \" c", 'd', '\'', b'e', b"f")d"#, &["a", "(", ",", ",", ",", ",", ")", "d"]),
            (r###"a r#"b " c"# br"\" d"###, &["a", "d"]),
            ("fn a<'b>(c: &'b d)", &["fn", "a", "<", ">", "(", "c", ":", "&", "d", ")"]),
            ("rb.c::d ä", &["rb", ".", "c", "::", "d", "ä"]),
        ] {
            assert_eq!(words(text), expected, "{text}");
        }
        let lines: Vec<usize> = tokens("a\n/*\n*/ b \"\n\" c").iter().map(|t| t.line).collect();
        assert_eq!(lines, [1, 3, 4]);
    }

    #[test]
    fn tests_are_left_out() {
        for (text, expected) in [
            ("#[cfg(test)]\nmod tests;\nuse a;", &["use", "a", ";"][..]),
            ("#[cfg(test)]\nfn a(b: [u8; 2]) { c { d } }\ne", &["e"]),
            ("#[cfg(test)]\n#[path = \"x\"]\nmod a { b }\nc", &["c"]),
            ("#[cfg(test)] use a::{b, c}; d", &[";", "d"]),
            (
                "#[cfg(not(test))] a",
                &["#", "[", "cfg", "(", "not", "(", "test", ")", ")", "]", "a"],
            ),
        ] {
            assert_eq!(words(text), expected, "{text}");
        }
    }

    #[test]
    fn paths_are_found_with_their_lines() {
        let path = |path: &str, line, brings| (path.to_owned(), line, brings);
        let tree = "pub(in crate::x) use crate::{\n    a::{self, B as C},\n    d::*,\n};\nuse e;";
        assert_eq!(
            named(tree),
            [
                path("crate::a", 2, Some("a")),
                path("crate::a::B", 2, Some("C")),
                path("crate::d", 3, Some("d")),
                path("e", 5, Some("e")),
            ],
        );
        let code = "fn f(x: super::X) -> Vec<crate::Y> {\n    a::b::<c::D>(e.f)\n}";
        assert_eq!(
            named(code),
            [
                path("super::X", 1, None),
                path("crate::Y", 1, None),
                path("a::b", 2, None),
                path("c::D", 2, None),
            ],
        );
    }
}
