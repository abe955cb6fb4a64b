//! Finds secrets in bytes of others, however they are spelled, and puts something else in their place.
//!
//! A secret is looked for as it is, in base64 (both alphabets, wherever in the encoded bytes it begins)
//! and in hexadecimal digits; each of these with any of its characters escaped as JSON, C, URLs or HTML
//! do. Knows nothing of where the bytes come from.

use std::fmt;
use std::ops::Range;

use super::Secret;

/// Shorter values are words that occur by chance: in their place a text would lose its meaning.
const SECRET_BYTES_MIN: usize = 8;
/// So many bytes can stand for one at most: `&#x0000073;`, or backslashes before `u0073`.
const UNIT_BYTES_MAX: usize = 12;

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Secrets that must not be seen. Making one costs much more than to look for them.
pub struct Mask {
    needles: Vec<Needle>,
    /// For each byte the needles that begin with it.
    by_first: Box<[Vec<usize>]>,
    /// A shorter text holds none.
    shortest: usize,
}

struct Needle {
    bytes: Vec<u8>,
    /// Its ends share a digit with what stands beside it.
    is_base64: bool,
}

impl Mask {
    /// A mask for `secrets`. Those under 8 bytes are left out.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let mut mask = Self {
            needles: Vec::new(),
            by_first: (0..256).map(|_| Vec::new()).collect(),
            shortest: usize::MAX,
        };
        for secret in secrets {
            mask.add(secret.expose());
        }
        mask
    }

    /// Adds a value, unless it is too short.
    pub fn add(&mut self, value: &str) {
        let value = value.trim().as_bytes();
        if value.len() < SECRET_BYTES_MIN {
            return;
        }
        self.needle(value.to_vec(), false);
        let digits: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
        self.needle(digits.to_ascii_uppercase().into_bytes(), false);
        self.needle(digits.into_bytes(), false);
        for alphabet in [STANDARD, URL_SAFE] {
            for before in 0..3 {
                self.needle(base64(value, before, alphabet), true);
            }
        }
    }

    fn needle(&mut self, bytes: Vec<u8>, is_base64: bool) {
        if self.needles.iter().any(|needle| needle.bytes == bytes) {
            return;
        }
        let Some(&first) = bytes.first() else { return };
        self.shortest = self.shortest.min(bytes.len());
        if let Some(those) = self.by_first.get_mut(usize::from(first)) {
            those.push(self.needles.len());
        }
        self.needles.push(Needle { bytes, is_base64 });
    }

    /// `text` with `mask` in place of every secret; `None` if it holds none.
    #[must_use]
    pub fn hide(&self, text: &[u8], mask: &str) -> Option<Vec<u8>> {
        if text.len() < self.shortest {
            return None;
        }
        let mut clean = Vec::new();
        let (mut done, mut at) = (0, 0);
        while at < text.len() {
            let Some(found) = self.at(text, at) else {
                at += 1;
                continue;
            };
            let from = found.start.max(done);
            clean.extend_from_slice(text.get(done..from).unwrap_or_default());
            clean.extend_from_slice(mask.as_bytes());
            (done, at) = (found.end, found.end);
        }
        if done == 0 {
            return None;
        }
        clean.extend_from_slice(text.get(done..).unwrap_or_default());
        Some(clean)
    }

    /// As [`Self::hide`], for a text.
    #[must_use]
    pub fn hide_text(&self, text: &str, mask: &str) -> Option<String> {
        let clean = self.hide(text.as_bytes(), mask)?;
        Some(String::from_utf8_lossy(&clean).into_owned())
    }

    /// The longest secret that begins at `at`.
    fn at(&self, text: &[u8], at: usize) -> Option<Range<usize>> {
        let first = *text.get(at)?;
        let ending = |needle: &Needle| {
            let end = spelled(text, at, &needle.bytes)?;
            Some(if needle.is_base64 { widened(text, at..end) } else { at..end })
        };
        if matches!(first, b'\\' | b'%' | b'&') {
            let found = self.needles.iter().filter_map(ending);
            return found.max_by_key(|found| found.end);
        }
        let those = self.by_first.get(usize::from(first))?;
        let found = those.iter().filter_map(|&number| ending(self.needles.get(number)?));
        found.max_by_key(|found| found.end)
    }
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mask(redacted)")
    }
}

/// The digits that `value` gives in base64 after `before` other bytes (modulo 3), but for those that it
/// shares with a neighbour.
fn base64(value: &[u8], before: usize, alphabet: &[u8; 64]) -> Vec<u8> {
    let bytes: Vec<u8> = std::iter::repeat_n(0, before).chain(value.iter().copied()).collect();
    let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| byte >> (7 - at % 8) & 1);
    let digit = |number: usize| {
        let value = (0..6).fold(0, |value, at| value << 1 | bit(number * 6 + at));
        alphabet.get(usize::from(value)).copied().unwrap_or_default()
    };
    let (first, end) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
    (first..end).map(digit).collect()
}

/// With the digits beside it that hold a part of it, and the padding.
fn widened(text: &[u8], found: Range<usize>) -> Range<usize> {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte);
    let before = text.get(..found.start).and_then(<[u8]>::last).filter(|byte| is_digit(byte));
    let start = found.start - usize::from(before.is_some());
    let mut end = found.end + usize::from(text.get(found.end).is_some_and(is_digit));
    while text.get(end) == Some(&b'=') {
        end += 1;
    }
    start..end
}

/// Where `wanted` ends that begins at `at`, if it stands there, escaped or not.
fn spelled(text: &[u8], at: usize, wanted: &[u8]) -> Option<usize> {
    let mut at = at;
    let mut rest = wanted;
    while let Some((&byte, after)) = rest.split_first() {
        let here = *text.get(at)?;
        if here == byte && here != b'\\' && !is_code_of(text.get(at..)?, byte) {
            (at, rest) = (at + 1, after);
            continue;
        }
        let (length, value) = match (here, byte) {
            // One that is meant, with as many more as quoting has added.
            (b'\\', b'\\') if !is_code_of(text.get(at..)?, b'\\') => {
                let is_last = after.first() != Some(&b'\\');
                let run = text.get(at..).map_or(0, backslashes);
                (if is_last { run } else { 1 }, Value::Byte(b'\\'))
            }
            (b'+', b' ') => (1, Value::Byte(b' ')),
            (b'\\' | b'%' | b'&', _) => unit(text.get(at..)?)?,
            _ => return None,
        };
        rest = match value {
            Value::Byte(found) => (found == byte).then_some(after)?,
            Value::Letter(letter) => {
                rest.strip_prefix(letter.encode_utf8(&mut [0; 4]).as_bytes())?
            }
        };
        at += length;
    }
    Some(at)
}

/// Whether `text` begins with an escape, by its number or name, of the sign that begins escapes.
fn is_code_of(text: &[u8], sign: u8) -> bool {
    matches!(sign, b'\\' | b'%' | b'&')
        && match unit(text) {
            Some((_, Value::Byte(byte))) => byte == sign,
            Some((_, Value::Letter(letter))) => letter == char::from(sign),
            None => false,
        }
}

/// What an escape stands for.
enum Value {
    Byte(u8),
    Letter(char),
}

/// The escape at the beginning of `text`: its length, and what it stands for.
fn unit(text: &[u8]) -> Option<(usize, Value)> {
    let text = text.get(..UNIT_BYTES_MAX).unwrap_or(text);
    match text.first()? {
        b'\\' => {
            // What was quoted twice has more of them.
            let run = backslashes(text);
            let letter = |digits: &str| char::from_u32(u32::from_str_radix(digits, 16).ok()?);
            match text.get(run)? {
                b'u' if text.get(run + 1) == Some(&b'{') => {
                    let inner = std::str::from_utf8(text.get(run + 2..)?).ok()?;
                    let (digits, _) = inner.split_once('}')?;
                    Some((run + 3 + digits.len(), Value::Letter(letter(digits)?)))
                }
                b'u' => {
                    let digits = std::str::from_utf8(text.get(run + 1..run + 5)?).ok()?;
                    Some((run + 5, Value::Letter(letter(digits)?)))
                }
                b'x' => Some((run + 3, Value::Byte(pair(text.get(run + 1..run + 3)?)?))),
                b'n' => Some((run + 1, Value::Byte(b'\n'))),
                b'r' => Some((run + 1, Value::Byte(b'\r'))),
                b't' => Some((run + 1, Value::Byte(b'\t'))),
                &other => Some((run + 1, Value::Byte(other))),
            }
        }
        b'%' => {
            // A sign that was encoded itself.
            let again = text
                .get(1..)
                .map_or(0, |rest| rest.chunks(2).take_while(|two| *two == b"25").count());
            let digits = 1 + 2 * again;
            Some((digits + 2, Value::Byte(pair(text.get(digits..digits + 2)?)?)))
        }
        b'&' => {
            let end = text.iter().position(|&byte| byte == b';')?;
            let name = std::str::from_utf8(text.get(1..end)?).ok()?;
            let number = |digits: &str, radix| {
                u32::from_str_radix(digits, radix).ok().and_then(char::from_u32)
            };
            let letter = match name {
                "amp" => '&',
                "lt" => '<',
                "gt" => '>',
                "quot" => '"',
                "apos" => '\'',
                _ => match name.strip_prefix('#')? {
                    digits if digits.starts_with(['x', 'X']) => number(digits.get(1..)?, 16)?,
                    digits => number(digits, 10)?,
                },
            };
            Some((end + 1, Value::Letter(letter)))
        }
        _ => None,
    }
}

fn backslashes(text: &[u8]) -> usize {
    text.iter().take_while(|&&byte| byte == b'\\').count()
}

fn pair(digits: &[u8]) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: &str = "sk-Planted/0+1\"2\\3&<é>~z";

    fn mask(values: &[&str]) -> Mask {
        let secrets: Vec<_> = values.iter().map(|&value| Secret::new(value.to_owned())).collect();
        Mask::new(&secrets)
    }

    fn hidden(mask: &Mask, text: &str) -> String {
        mask.hide_text(text, "[x]").unwrap_or_else(|| text.to_owned())
    }

    fn each(of: impl Fn(u8) -> String) -> String {
        VALUE.bytes().map(of).collect()
    }

    fn whole_base64(bytes: &[u8], alphabet: &[u8; 64], pads: bool) -> String {
        let mut digits = base64(bytes, 0, alphabet);
        if !bytes.len().is_multiple_of(3) {
            let rest = bytes.len() % 3;
            let last = u32::from(bytes[bytes.len() - 1]) << if rest == 1 { 4 } else { 2 };
            digits.push(alphabet[(last & 0x3f) as usize]);
            digits.extend(std::iter::repeat_n(b'=', if pads { 3 - rest } else { 0 }));
        }
        String::from_utf8(digits).unwrap()
    }

    #[test]
    fn a_secret_is_found_however_it_is_spelled() {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric();
        let units = || VALUE.encode_utf16();
        let json = VALUE.replace('\\', "\\\\").replace('"', "\\\"");
        let mut spellings = vec![
            VALUE.to_owned(),
            json.clone(),
            json.replace('/', "\\/"),
            json.replace('\\', "\\\\").replace('"', "\\\""),
            units().map(|unit| format!("\\u{unit:04x}")).collect(),
            units().map(|unit| format!("\\u{unit:04X}")).collect(),
            units().map(|unit| format!("\\\\u{unit:04x}")).collect(),
            VALUE.chars().map(|letter| format!("\\u{{{:x}}}", u32::from(letter))).collect(),
            VALUE.chars().map(|letter| format!("&#{};", u32::from(letter))).collect(),
            VALUE.chars().map(|letter| format!("&#x{:x};", u32::from(letter))).collect(),
            VALUE.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;"),
            each(|byte| format!("\\x{byte:02x}")),
            each(|byte| format!("%{byte:02x}")),
            each(|byte| format!("%{byte:02X}")),
            each(|byte| format!("%25{byte:02X}")),
            each(|byte| format!("{byte:02x}")),
            each(|byte| format!("{byte:02X}")),
        ];
        let some = |byte: u8| match is_plain(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        };
        spellings.push(each(some));
        for alphabet in [STANDARD, URL_SAFE] {
            for pads in [true, false] {
                let whole = whole_base64(VALUE.as_bytes(), alphabet, pads);
                spellings.push(whole.replace('+', "%2B").replace('/', "\\/").replace('=', "%3D"));
                spellings.push(whole);
            }
        }
        let mask = mask(&[VALUE]);
        for spelling in spellings {
            for text in [spelling.clone(), format!("key \"{spelling}\", {spelling}.")] {
                let seen = hidden(&mask, &text);
                let left = text.replace(&spelling, "[x]");
                // What pads is no part of it.
                assert_eq!(seen.replace("%3D", ""), left, "{text}");
            }
        }
    }

    #[test]
    fn base64_of_something_longer_is_found_at_every_alignment() {
        let mask = mask(&[VALUE]);
        for alphabet in [STANDARD, URL_SAFE] {
            for (before, after) in [("", ":b"), ("a:", ""), ("ab:", "cd"), ("abc:", "d"), ("a", "")]
            {
                let whole =
                    whole_base64(format!("{before}{VALUE}{after}").as_bytes(), alphabet, true);
                let seen = hidden(&mask, &format!("Basic {whole}"));
                assert!(seen.contains("[x]") && seen.len() < 24, "{seen}");
            }
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        let mask = mask(&[VALUE, "short"]);
        for text in
            ["", "short", "sk-Planted/0+1", "100% of \\u00zz &amp; %zz \\", "%", "&#;", "\\u"]
        {
            assert_eq!(mask.hide(text.as_bytes(), "[x]"), None, "{text}");
        }
        assert_eq!(hidden(&Mask::new([]), VALUE), VALUE);
        assert!(!format!("{mask:?}").contains("Planted"));
    }

    #[test]
    fn the_longer_of_two_is_taken_whole() {
        let mask = mask(&["sk-secret-1", "sk-secret-1-longer"]);
        assert_eq!(hidden(&mask, "a sk-secret-1-longer sk-secret-1 b"), "a [x] [x] b");
    }
}
