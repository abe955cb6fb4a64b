//! Strings of JSON, many bytes at a time: where plain text ends, and text with what must be escaped.

/// Looked at together; with a fixed length the compiler compares them in a few instructions.
const BLOCK: usize = 32;

/// Whether a byte cannot stand for itself in a string (RFC 8259, section 7).
const fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// How many bytes at the start of `bytes` stand for themselves in a string.
pub(super) fn plain_len(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(block) = bytes.get(at..).and_then(<[u8]>::first_chunk::<BLOCK>) {
        // Without an early exit: a branch per byte would undo it.
        if block.iter().fold(false, |found, &byte| found | is_special(byte)) {
            break;
        }
        at += BLOCK;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(|&byte| is_special(byte)).unwrap_or(rest.len())
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
            for at in 0..100 {
                let mut text = vec![b'x'; 120];
                assert_eq!(plain_len(&text), text.len());
                text[at] = byte;
                assert_eq!(plain_len(&text), at, "{byte} at {at}");
            }
        }
        assert_eq!(plain_len(b""), 0);
        assert_eq!(plain_len("ä€𝄞\u{7f}".as_bytes()), 10);
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
