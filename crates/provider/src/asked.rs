//! What a request says itself: a provider that repeats it in its reason says nothing of a key by that.
//!
//! Knows JSON's ways to write a letter, not its structure: it looks for words, wherever they stand.

/// The document that was sent, as far as it is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked<'a> {
    document: Option<&'a [u8]>,
}

impl<'a> Asked<'a> {
    /// A request with this document.
    #[must_use]
    pub const fn with(document: &'a [u8]) -> Self {
        Self { document: Some(document) }
    }

    /// A request whose words are not known: a stream, a form. It may have said anything.
    #[must_use]
    pub const fn unknown() -> Self {
        Self { document: None }
    }

    /// How often it says `words` (lower case, not empty), case and the kind of white space aside; no
    /// more than two are told apart. A request that is not known says everything.
    pub(crate) fn says(self, words: &str) -> usize {
        let Some(document) = self.document else { return 2 };
        let mut found = 0;
        let mut from = 0;
        while let Some(at) = first_letter(document, from, words) {
            found += usize::from(begins(document, at, words));
            if found == 2 {
                break;
            }
            from = at + 1;
        }
        found
    }
}

/// The next place at or after `from` where `words` may begin: its first letter, or an escape.
fn first_letter(document: &[u8], from: usize, words: &str) -> Option<usize> {
    let first = *words.as_bytes().first()?;
    let rest = document.get(from..)?;
    let at = memchr::memchr3(first, first.to_ascii_uppercase(), b'\\', rest)?;
    Some(from + at)
}

/// Whether what is written from `at` on begins with `words`.
fn begins(document: &[u8], mut at: usize, words: &str) -> bool {
    for word in words.bytes() {
        let Some((letter, length)) = letter(document, at) else { return false };
        at += length;
        if word != b' ' {
            if letter != word {
                return false;
            }
            continue;
        }
        if !letter.is_ascii_whitespace() {
            return false;
        }
        while let Some(length) = blank(document, at) {
            at += length;
        }
    }
    true
}

/// The bytes that the white space at `at` takes.
fn blank(document: &[u8], at: usize) -> Option<usize> {
    letter(document, at)
        .filter(|(letter, _)| letter.is_ascii_whitespace())
        .map(|(_, length)| length)
}

/// The letter at `at` in lower case, and the bytes that it takes. Of an escape of another alphabet, 0.
fn letter(document: &[u8], at: usize) -> Option<(u8, usize)> {
    let first = *document.get(at)?;
    if first != b'\\' {
        return Some((first.to_ascii_lowercase(), 1));
    }
    let escaped = *document.get(at + 1)?;
    let plain = match escaped {
        b'n' | b'r' | b't' | b'b' | b'f' => b' ',
        b'u' => {
            let digits = document.get(at + 2..at + 6)?;
            let code =
                std::str::from_utf8(digits).ok().and_then(|d| u32::from_str_radix(d, 16).ok());
            let letter = code.and_then(|code| u8::try_from(code).ok()).filter(u8::is_ascii);
            return Some((letter.unwrap_or(0).to_ascii_lowercase(), 6));
        }
        other => other,
    };
    Some((plain, 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_however_they_are_written() {
        for (document, times) in [
            (r#"{"role":"insufficient balance"}"#, 1),
            (r#"{"role":"Insufficient BALANCE"}"#, 1),
            (r#"{"role":"insufficient\u0020balance"}"#, 1),
            (r#"{"role":"\u0069nsufficient \t\n balanc\u0065"}"#, 1),
            (r#"{"role":"insufficient\n\n  balance"}"#, 1),
            (r#"{"a":"insufficient balance","b":"insufficient balance"}"#, 2),
            (r#"{"a":"insufficient balance insufficient balance insufficient balance"}"#, 2),
            (r#"{"role":"insufficient-balance"}"#, 0),
            (r#"{"role":"insufficientbalance"}"#, 0),
            (r#"{"role":"insufficient\u00e9balance"}"#, 0),
            (r#"{"role":"insufficient balanc"#, 0),
            (r#"{"role":"insufficient balanc\u00"#, 0),
            ("insufficient balance", 1),
            ("", 0),
            ("\\", 0),
        ] {
            let asked = Asked::with(document.as_bytes());
            assert_eq!(asked.says("insufficient balance"), times, "{document}");
        }
        assert_eq!(Asked::unknown().says("anything"), 2);
    }
}
