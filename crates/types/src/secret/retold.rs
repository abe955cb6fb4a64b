//! What a library says of a secret, without the secret.
//!
//! Errors of parsers like to quote what they could not read: as text, with escapes, as the numbers of
//! its bytes, encoded. Where the words hold a piece of the value in any of these forms, they are not
//! passed on.

use std::fmt::Display;

/// A piece of this length gives a value away; the whole of a shorter one does.
const PIECE: usize = 5;

/// What stands in place of words that hold a piece of the value.
const UNSAID: &str = "it cannot be read";

/// The words of `error`, which is about `value`.
pub(super) fn retold(value: &str, error: &dyn Display) -> String {
    let said = error.to_string();
    if repeats(&said, value) { UNSAID.to_owned() } else { said }
}

fn repeats(said: &str, value: &str) -> bool {
    let value = value.trim().to_ascii_lowercase();
    if value.is_empty() {
        return false;
    }
    let length = PIECE.min(value.len());
    let pieces: Vec<&[u8]> = value.as_bytes().windows(length).collect();
    views(said).into_iter().any(|mut view| {
        view.make_ascii_lowercase();
        view.windows(length).any(|shown| pieces.contains(&shown))
    })
}

/// The bytes that `said` could stand for.
fn views(said: &str) -> Vec<Vec<u8>> {
    let mut views = vec![said.as_bytes().to_vec(), unescaped(said), numbers(said), pairs(said)];
    let is_digit = |c: char| c.is_ascii_alphanumeric() || "+/-_".contains(c);
    for run in said.split(|c| !is_digit(c)).filter(|run| run.len() >= 2) {
        // A value may begin anywhere within what was encoded.
        views.extend((0..4).filter_map(|skipped| run.get(skipped..)).map(from_base64));
    }
    for run in said.split(|c: char| !c.is_ascii_hexdigit()).filter(|run| run.len() >= 2) {
        views.extend((0..2).filter_map(|skipped| run.get(skipped..)).map(from_hex));
    }
    views
}

/// With escapes undone: `\n`, `\x41`, `\u0041`, `\u{41}`, `%41`.
fn unescaped(said: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(said.len());
    let mut rest = said.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let second = after.first().copied();
        let (byte, taken) = match (first, second) {
            (b'\\', Some(b'n')) => (b'\n', 2),
            (b'\\', Some(b'r')) => (b'\r', 2),
            (b'\\', Some(b't')) => (b'\t', 2),
            (b'\\', Some(b'u' | b'x')) => coded(rest, 2),
            (b'\\', Some(other)) => (other, 2),
            (b'%', Some(_)) => coded(rest, 1),
            _ => (first, 1),
        };
        bytes.push(byte);
        rest = rest.get(taken..).unwrap_or_default();
    }
    bytes
}

/// The byte whose number follows `start` bytes of `text`, and where it ends.
fn coded(text: &[u8], start: usize) -> (u8, usize) {
    let body = text.get(start..).unwrap_or_default();
    let opening = usize::from(body.first() == Some(&b'{'));
    let unicode = text.get(1) == Some(&b'u') && opening == 0;
    let digits = body.iter().skip(opening).take(if unicode { 4 } else { 2 });
    let digits = digits.take_while(|byte| byte.is_ascii_hexdigit());
    let (value, count) = digits.fold((0_u32, 0), |(value, count), &byte| {
        (value * 16 + char::from(byte).to_digit(16).unwrap_or(0), count + 1)
    });
    let end = start + opening + count;
    let end = end + usize::from(opening == 1 && text.get(end) == Some(&b'}'));
    (u8::try_from(value).unwrap_or(b'?'), end)
}

/// Numbers in a row as bytes.
fn numbers(said: &str) -> Vec<u8> {
    said.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

/// Pairs of hexadecimal digits in a row, however they stand apart, as bytes.
fn pairs(said: &str) -> Vec<u8> {
    let words = said.split(|c: char| !c.is_ascii_alphanumeric());
    let digits = words.map(|word| word.trim_start_matches("0x").trim_start_matches('x'));
    digits
        .filter(|digits| (1..=2).contains(&digits.len()))
        .filter_map(|digits| u8::from_str_radix(digits, 16).ok())
        .collect()
}

fn from_hex(run: &str) -> Vec<u8> {
    let pairs = run.as_bytes().chunks(2).filter_map(|pair| std::str::from_utf8(pair).ok());
    pairs.filter_map(|pair| u8::from_str_radix(pair, 16).ok()).collect()
}

fn from_base64(run: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(run.len());
    let (mut bits, mut held) = (0_u32, 0_u32);
    for byte in run.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            _ => 63,
        };
        bits = (bits << 6) | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from((bits >> held) & 0xff).unwrap_or_default());
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQ\"AwBQ\\x\n";

    /// Every way in which an error could quote a piece of the value.
    fn quotes(piece: &str) -> Vec<String> {
        let joined = |each: fn(&u8) -> String, between: &str| {
            piece.bytes().map(|byte| each(&byte)).collect::<Vec<_>>().join(between)
        };
        let base64 = |text: &str| {
            let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
            let bits: String = text.bytes().map(|byte| format!("{byte:08b}")).collect();
            let sextets = bits.as_bytes().chunks_exact(6);
            let value =
                |chunk: &[u8]| chunk.iter().fold(0, |sum, bit| sum * 2 + usize::from(bit - b'0'));
            sextets.map(|chunk| char::from(digits[value(chunk)])).collect::<String>()
        };
        vec![
            format!("cannot read {piece}"),
            format!("cannot read {piece:?}"),
            format!("cannot read {}", piece.escape_unicode()),
            format!("cannot read {}", piece.escape_default()),
            format!("cannot read {}", piece.to_ascii_uppercase()),
            format!("illegal start: {:?}", piece.as_bytes()),
            format!("illegal start: {:x?}", piece.as_bytes()),
            format!("illegal start: {:#x?}", piece.as_bytes()),
            joined(|byte| format!("{byte:02x}"), ""),
            joined(|byte| format!("{byte:02X}"), ":"),
            joined(|byte| format!("\\x{byte:02x}"), ""),
            joined(|byte| format!("\\u{byte:04x}"), ""),
            joined(|byte| format!("%{byte:02X}"), ""),
            joined(|byte| format!("{byte:?}"), " "),
            format!("at 0x1f{}", joined(|byte| format!("{byte:02x}"), "")),
            base64(piece),
            base64(&format!("a{piece}")),
            base64(&format!("ab{piece}c")),
        ]
    }

    #[test]
    fn words_that_hold_a_piece_of_the_value_are_not_passed_on() {
        let whole = VALUE.trim();
        for piece in [whole, &whole[..11], &whole[28..40], &whole[whole.len() - 9..]] {
            for quote in quotes(piece) {
                assert_eq!(retold(VALUE, &quote), UNSAID, "{quote}");
            }
        }
        assert_eq!(retold("abc", &"not `abc`"), UNSAID);
    }

    #[test]
    fn other_words_are() {
        for said in ["invalid port number", "missing section end marker", "at line 3 column 17", ""]
        {
            assert_eq!(retold(VALUE, &said), said);
            assert_eq!(retold("", &said), said);
        }
    }
}
