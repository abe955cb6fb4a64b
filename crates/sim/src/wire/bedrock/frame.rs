//! Amazon's event stream: frames with headers and two checksums.
//!
//! A frame is: its length, the length of its headers, the checksum of these eight bytes, the
//! headers, the payload, the checksum of everything before. A header is the length of its name, the
//! name, the kind of its value (7 for text), the length of the value, the value. Numbers are big
//! endian.

const TEXT: u8 = 7;
/// Lengths before the headers, their checksum, and the one at the end.
const OVERHEAD: usize = 4 + 4 + 4 + 4;

/// An event of a good stream.
pub(super) fn event(name: &str, payload: &[u8]) -> Vec<u8> {
    frame(
        &[(":event-type", name), (":content-type", "application/json"), (":message-type", "event")],
        payload,
    )
}

/// The event that ends a broken one.
pub(super) fn exception(name: &str, payload: &[u8]) -> Vec<u8> {
    frame(
        &[
            (":exception-type", name),
            (":content-type", "application/json"),
            (":message-type", "exception"),
        ],
        payload,
    )
}

fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut head = Vec::new();
    for (name, value) in headers {
        head.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        head.extend_from_slice(name.as_bytes());
        head.push(TEXT);
        head.extend_from_slice(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
        head.extend_from_slice(value.as_bytes());
    }
    let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes();
    let whole = OVERHEAD + head.len() + payload.len();
    let mut frame = Vec::with_capacity(whole);
    frame.extend_from_slice(&length(whole));
    frame.extend_from_slice(&length(head.len()));
    frame.extend_from_slice(&checksum(&frame).to_be_bytes());
    frame.extend_from_slice(&head);
    frame.extend_from_slice(payload);
    let sum = checksum(&frame);
    frame.extend_from_slice(&sum.to_be_bytes());
    frame
}

/// CRC-32 as Ethernet and zip files have it.
pub(super) fn checksum(bytes: &[u8]) -> u32 {
    let step = |sum: u32, byte: &u8| {
        let at = (sum ^ u32::from(*byte)) & 0xff;
        TABLE.get(at as usize).copied().unwrap_or(0) ^ (sum >> 8)
    };
    !bytes.iter().fold(u32::MAX, step)
}

static TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < table.len() {
        let mut sum = at as u32;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 1 { 0xedb8_8320 ^ (sum >> 1) } else { sum >> 1 };
            bit += 1;
        }
        table[at] = sum;
        at += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_published_one() {
        assert_eq!(checksum(b"123456789"), 0xcbf4_3926);
        assert_eq!(checksum(b""), 0);
    }

    #[test]
    fn a_frame_has_its_parts_in_their_places() {
        let frame = event("metadata", b"{}");
        let number = |at: usize| u32::from_be_bytes(frame[at..at + 4].try_into().unwrap());
        assert_eq!(number(0) as usize, frame.len());
        assert_eq!(number(8), checksum(&frame[..8]));
        let headers = number(4) as usize;
        assert_eq!(&frame[12 + headers..frame.len() - 4], b"{}");
        assert_eq!(number(frame.len() - 4), checksum(&frame[..frame.len() - 4]));
        assert_eq!(&frame[12..12 + 1 + 11], b"\x0b:event-type");
        assert_eq!(&frame[24..27], [7, 0, 8]);
    }
}
