//! Strings of JSON, many bytes at a time: where plain text ends, and text with what must be escaped.

/// Whether a byte cannot stand for itself in a string (RFC 8259, section 7): control characters, quotes
/// and backslashes. With their second bit turned over, quotes come next to the control characters.
const fn is_special(byte: u8) -> bool {
    byte ^ 0x02 <= 0x20 || byte == b'\\'
}

/// How many bytes at the start of `bytes` stand for themselves in a string.
///
/// Names and prose with quotes and line breaks end within a few words; what goes on for longer is
/// looked at in larger blocks, which find out fast that there is nothing, and not where.
pub(super) fn plain_len(bytes: &[u8]) -> usize {
    const WORDS: usize = 8;
    let mut at = 0;
    loop {
        for _ in 0..WORDS {
            let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk) else {
                let rest = bytes.get(at..).unwrap_or_default();
                return at + rest.iter().position(|&byte| is_special(byte)).unwrap_or(rest.len());
            };
            if let Some(found) = special_in(u64::from_le_bytes(*word)) {
                return at + found;
            }
            at += size_of::<u64>();
        }
        while let Some(block) = bytes.get(at..).and_then(<[u8]>::first_chunk::<64>) {
            // Without an early exit: a branch per byte would keep the compiler from comparing many.
            let specials = block.iter().fold(0, |found, &byte| found | u8::from(is_special(byte)));
            if specials != 0 {
                break;
            }
            at += block.len();
        }
    }
}

/// Which of the eight bytes of `word` is the first that is special, the lowest being the first.
///
/// A byte less `limit` borrows from its highest bit, which was clear, if it is below `limit`; the
/// borrow reaches only bytes above, so that the lowest mark is true.
const fn special_in(word: u64) -> Option<usize> {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const HIGHEST: u64 = EACH << 7;
    const fn below(word: u64, limit: u64) -> u64 {
        word.wrapping_sub(EACH * limit) & !word
    }
    let control_or_quote = below(word ^ (EACH * 0x02), 0x21);
    let backslash = below(word ^ (EACH * b'\\' as u64), 1);
    let marks = (control_or_quote | backslash) & HIGHEST;
    if marks == 0 { None } else { Some((marks.trailing_zeros() / u8::BITS) as usize) }
}

/// Writes `text` as a string, quotes included.
pub(super) fn write(text: &str, out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let mut rest = text.as_bytes();
    loop {
        let (plain, special) = rest.split_at(plain_len(rest));
        out.extend_from_slice(plain);
        let Some((&byte, after)) = special.split_first() else { break };
        escape(byte, out);
        rest = after;
    }
    out.push(b'"');
}

fn escape(byte: u8, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        _ => {
            let digit = |value: u8| HEX.get(usize::from(value)).copied().unwrap_or(b'0');
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 15)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_found_wherever_it_stands() {
        for byte in (0..=0x7f).filter(|&byte| is_special(byte)) {
            for at in 0..300 {
                let mut text = vec![b'x'; 320];
                assert_eq!(plain_len(&text), text.len());
                text[at] = byte;
                assert_eq!(plain_len(&text), at, "{byte} at {at}");
                text[at + 1] = b'"';
                assert_eq!(plain_len(&text), at, "{byte} at {at}, and another");
            }
        }
        assert_eq!(plain_len(b""), 0);
        assert_eq!(plain_len("ä€𝄞\u{7f}!\"".as_bytes()), 11);
    }

    #[test]
    fn text_is_written_as_serde_json_writes_it() {
        let mut all: String = (0..=0xff).map(char::from).collect();
        all.push_str(
            "€𝄞 \u{2028} and \"more\"\n\n\t\\ of it, longer than a block is by some bytes",
        );
        for start in 0..40 {
            let text = "y".repeat(start) + &all;
            let mut out = Vec::new();
            write(&text, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), serde_json::to_string(&text).unwrap());
        }
    }
}
