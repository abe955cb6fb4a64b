//! How much of a text is told: in logs, in traces, in answers to clients.
//!
//! Clients and providers choose such texts, and may choose long ones.

use std::borrow::Cow;

/// No value of a log line or of a span is longer, in bytes.
pub const TOLD_BYTES_MAX: usize = 1024;

/// What a text ends with of which the rest was left out.
const CUT: &str = "…";

/// `text`, or of a longer one the beginning, with a mark, `bytes_max` bytes together.
#[must_use]
pub fn told_within(text: &str, bytes_max: usize) -> Cow<'_, str> {
    if text.len() <= bytes_max {
        return Cow::Borrowed(text);
    }
    let end = text.floor_char_boundary(bytes_max.saturating_sub(CUT.len()));
    Cow::Owned([text.get(..end).unwrap_or_default(), CUT].concat())
}

/// `text` as far as it is told.
#[must_use]
pub fn told(text: &str) -> Cow<'_, str> {
    told_within(text, TOLD_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_characters_and_marked() {
        assert_eq!(told("short"), "short");
        for part in ["a", "ü", "\u{1f600}"] {
            let text = part.repeat(TOLD_BYTES_MAX);
            let told = told(&text);
            assert!((TOLD_BYTES_MAX - 4..=TOLD_BYTES_MAX + 1).contains(&told.len()));
            let is_cut = told.len() < text.len();
            assert_eq!(told.strip_suffix(CUT).is_some_and(|begin| text.starts_with(begin)), is_cut);
        }
        assert_eq!(told_within("abcdef", 4), "a…");
    }
}
