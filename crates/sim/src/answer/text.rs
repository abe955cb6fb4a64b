//! The words of an answer: chosen by a hash of the question, cut to a length, split into chunks.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Written once after the other, as often as an answer needs it. ASCII, nothing to escape.
const FILLER: &str = "water finds its level and the weir holds it there while the rest may queue \
    or pass over and every drop is counted on its way from the spring to the sea by those who \
    built the wall and by those who only came to watch the river run past the old mill again ";

/// How much of the question an answer repeats.
const ECHO_CHARS_MAX: usize = 200;

/// A stable hash (FNV-1a, 64 bit): the same on every machine and in every version.
pub(crate) fn hash(parts: &[&[u8]]) -> u64 {
    let mut state: u64 = 0xcbf2_9ce4_8422_2325;
    for part in parts {
        for &byte in *part {
            state = (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        // Parts must not run into each other.
        state = (state ^ 0xff).wrapping_mul(0x0000_0100_0000_01b3);
    }
    state
}

/// `prefix` and the hash as 16 hexadecimal digits.
pub(crate) fn id(prefix: &str, hash: u64) -> String {
    let mut id = String::with_capacity(prefix.len() + 16);
    id.push_str(prefix);
    // Writing to a string cannot fail.
    let _written = write!(id, "{hash:016x}");
    id
}

/// Text of exactly `bytes` bytes that begins at a word which the hash picks.
pub(crate) fn filler(hash: u64, bytes: usize) -> String {
    let words = FILLER.split_ascii_whitespace().count();
    let nth = usize::try_from(hash % words as u64).unwrap_or(0);
    let spaces = FILLER.match_indices(' ').map(|(at, _)| at + 1);
    let start = std::iter::once(0).chain(spaces).nth(nth).unwrap_or(0);
    let mut text = String::with_capacity(bytes);
    text.push_str(FILLER.get(start..).and_then(|tail| tail.get(..bytes)).unwrap_or_default());
    if text.is_empty() && bytes > 0 {
        text.push_str(FILLER.get(start..).unwrap_or_default());
    }
    while text.len() < bytes {
        let wanted = (bytes - text.len()).min(FILLER.len());
        text.push_str(FILLER.get(..wanted).unwrap_or_default());
    }
    text
}

/// The answer for people: says who speaks and repeats the question.
pub(crate) fn echo(question: &str) -> String {
    let question = question.trim();
    if question.is_empty() {
        return "This is Weir's simulated provider. You said nothing.".to_owned();
    }
    let repeated: String = question.chars().take(ECHO_CHARS_MAX).collect();
    let more = if repeated.len() < question.len() { " ..." } else { "" };
    format!("This is Weir's simulated provider. You said: {repeated}{more}")
}

/// `text` cut at a character, at most `bytes` long; whether anything was cut.
pub(crate) fn cut(text: String, bytes: Option<usize>) -> (String, bool) {
    let Some(bytes) = bytes.filter(|&bytes| bytes < text.len()) else {
        return (text, false);
    };
    let end = text.floor_char_boundary(bytes);
    let kept = text.get(..end).unwrap_or_default().to_owned();
    (kept, true)
}

/// `text` in `pieces` parts of about equal length, never inside a character. Some are empty if
/// there are more parts than characters.
pub(crate) fn split(text: &str, pieces: u32) -> impl Iterator<Item = &str> {
    let pieces = pieces.max(1) as usize;
    let end_of = move |nth: usize| text.floor_char_boundary(text.len() * nth / pieces);
    (0..pieces).map(move |nth| text.get(end_of(nth)..end_of(nth + 1)).unwrap_or_default())
}

/// The text of an answer.
pub(crate) fn answer<'a>(
    hash: u64,
    bytes: Option<usize>,
    question: impl FnOnce() -> Cow<'a, str>,
) -> String {
    bytes.map_or_else(|| echo(&question()), |bytes| filler(hash, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_published_one_and_keeps_parts_apart() {
        assert_eq!(hash(&[]), 0xcbf2_9ce4_8422_2325);
        assert_ne!(hash(&[b"ab", b"c"]), hash(&[b"a", b"bc"]));
        assert_eq!(hash(&[b"ab", b"c"]), hash(&[b"ab", b"c"]));
        assert_eq!(id("x-", 0xabc), "x-0000000000000abc");
    }

    #[test]
    fn filler_has_the_exact_length_for_every_start() {
        for hash in 0..200 {
            for bytes in [0, 1, 10, 255, 1024, 5000] {
                assert_eq!(filler(hash, bytes).len(), bytes, "{hash} {bytes}");
            }
        }
        assert_ne!(filler(1, 64), filler(2, 64));
        assert!(FILLER.is_ascii());
    }

    #[test]
    fn pieces_join_to_the_whole() {
        for text in ["", "a", "water finds", "éé🎉é"] {
            for pieces in 1..10 {
                let parts: Vec<_> = split(text, pieces).collect();
                assert_eq!(parts.len(), pieces as usize);
                assert_eq!(parts.concat(), text);
            }
        }
    }

    #[test]
    fn cutting_respects_characters() {
        assert_eq!(cut("éé".into(), Some(3)), ("é".into(), true));
        assert_eq!(cut("éé".into(), Some(4)), ("éé".into(), false));
        assert_eq!(cut("éé".into(), None), ("éé".into(), false));
    }
}
