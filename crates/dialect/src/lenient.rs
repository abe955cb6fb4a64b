//! What is no JSON and is met in answers all the same: `NaN`, `Infinity` and `-Infinity`, as Python
//! writes numbers that are none.

use std::borrow::Cow;

const WORDS: [&[u8]; 3] = [b"-Infinity", b"Infinity", b"NaN"];

/// `text` with `null` in place of such numbers, for those who must read it; borrowed if there are
/// none. Texts within it stay as they are.
#[must_use]
pub fn without_nan(text: &[u8]) -> Cow<'_, [u8]> {
    let has = |word: &[u8]| memchr::memmem::find(text, word).is_some();
    if !has(b"NaN") && !has(b"Infinity") {
        return Cow::Borrowed(text);
    }
    let mut clean = Vec::with_capacity(text.len());
    let mut rest = text;
    let mut is_text = false;
    let mut changed = false;
    while let Some((&byte, after)) = rest.split_first() {
        let word = WORDS.iter().find(|word| !is_text && rest.starts_with(word));
        if let Some(word) = word {
            clean.extend_from_slice(b"null");
            rest = rest.get(word.len()..).unwrap_or_default();
            changed = true;
            continue;
        }
        clean.push(byte);
        rest = after;
        match byte {
            b'"' => is_text = !is_text,
            // The next one is escaped.
            b'\\' if is_text => {
                if let Some((&next, after)) = rest.split_first() {
                    clean.push(next);
                    rest = after;
                }
            }
            _ => {}
        }
    }
    if changed { Cow::Owned(clean) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_none_become_null() {
        for (text, expected) in [
            (r#"{"a":NaN,"b":[-Infinity,Infinity]}"#, r#"{"a":null,"b":[null,null]}"#),
            (
                r#"{"NaN":"-Infinity \" NaN \\","x":NaN}"#,
                r#"{"NaN":"-Infinity \" NaN \\","x":null}"#,
            ),
        ] {
            assert_eq!(&*without_nan(text.as_bytes()), expected.as_bytes());
        }
        for text in [r#"{"a":"NaN"}"#, r#"{"a":1}"#, "\"Infinity\\"] {
            assert!(matches!(without_nan(text.as_bytes()), Cow::Borrowed(_)), "{text}");
        }
    }
}
