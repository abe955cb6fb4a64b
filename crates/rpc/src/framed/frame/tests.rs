//! What is written is what `link.proto` says, and is read however it is cut.

use prost::Message;

use super::*;
use crate::proto::link;
use crate::proto::link::frame::Part as Known;

fn bytes(length: usize) -> Bytes {
    (0..length).map(|at| (at % 251) as u8).collect()
}

/// One of each, with lengths and numbers around where their encodings grow.
fn all() -> Vec<(u64, Part)> {
    let payload = |length| Part::Payload { bytes: bytes(length), is_last: true };
    vec![
        (1, Part::Open(bytes(7))),
        (127, Part::Head(bytes(0))),
        (128, payload(127)),
        (1 << 14, payload(128)),
        (3, payload(0)),
        (u64::MAX, payload(PAYLOAD_BYTES_MAX)),
        (5, Part::End(Bytes::new())),
        (5, Part::End(bytes(200_000))),
        (6, Part::Cut),
        (7, Part::Credit(0)),
        (1 << 40, Part::Credit(u32::MAX)),
        (8, Part::Cancel),
        (0, Part::Leaving),
    ]
}

fn known(part: &Part) -> Known {
    match part.clone() {
        Part::Open(bytes) => Known::Open(bytes),
        Part::Head(bytes) => Known::Head(bytes),
        Part::Payload { bytes, .. } => Known::Payload(bytes),
        Part::End(bytes) => Known::End(bytes),
        Part::Cut => Known::Cut(true),
        Part::Credit(credit) => Known::Credit(credit),
        Part::Cancel => Known::Cancel(true),
        Part::Leaving => Known::Leaving(true),
    }
}

/// Everything in `bytes`, which come in pieces of `size`, with the pieces of payloads put together.
fn read(bytes: &[u8], size: usize) -> Result<Vec<(u64, Part)>, FrameError> {
    let (mut decoder, mut found) = (Decoder::default(), Vec::new());
    let mut begun = BytesMut::new();
    for piece in bytes.chunks(size) {
        decoder.push(Bytes::copy_from_slice(piece));
        while let Some((request, part)) = decoder.next()? {
            let part = match part {
                Part::Payload { bytes, is_last } => {
                    begun.extend_from_slice(&bytes);
                    if !is_last {
                        continue;
                    }
                    Part::Payload { bytes: begun.split().freeze(), is_last }
                }
                part => part,
            };
            found.push((request, part));
        }
    }
    Ok(found)
}

#[test]
fn what_is_written_is_protobuf_and_is_read_however_it_is_cut() {
    let mut whole = BytesMut::new();
    for (request, part) in all() {
        let mut buffer = BytesMut::new();
        put(&mut buffer, request, &part);
        let (prefix, message) = buffer.split_at(PREFIX_BYTES);
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        assert_eq!(prefix, [&[0][..], &length].concat(), "{request}");
        let decoded = link::Frame::decode(message).unwrap();
        assert_eq!(decoded, link::Frame { request, part: Some(known(&part)) });
        whole.extend_from_slice(&buffer);
    }
    for size in [1, 2, 3, 7, 26, 27, 28, 1000, 65_536, whole.len()] {
        assert!(read(&whole, size).unwrap() == all(), "in pieces of {size}");
    }
}

#[test]
fn a_payload_that_came_whole_is_passed_on_without_a_copy() {
    let mut buffer = BytesMut::new();
    put(&mut buffer, 1, &Part::Payload { bytes: bytes(5000), is_last: true });
    let came = buffer.freeze();
    let mut decoder = Decoder::default();
    decoder.push(came.clone());
    let Ok(Some((1, Part::Payload { bytes, is_last: true }))) = decoder.next() else {
        panic!("no payload");
    };
    assert_eq!(bytes.as_ptr(), came.slice(came.len() - 5000..).as_ptr());
}

#[test]
fn a_part_of_a_later_version_is_skipped() {
    let message = |fields: &[u8]| {
        let length = u32::try_from(fields.len()).unwrap().to_be_bytes();
        [&[0][..], &length, fields].concat()
    };
    let later_bytes = message(&[8, 1, (12 << 3) | 2, 3, 1, 2, 3]);
    let later_number = message(&[8, 1, 13 << 3, 200, 1]);
    let cut = message(&[8, 4, 6 << 3, 1]);
    let whole = [later_bytes, later_number, cut].concat();
    for size in 1..=whole.len() {
        assert_eq!(read(&whole, size).unwrap(), [(4, Part::Cut)], "in pieces of {size}");
    }
}

#[test]
fn what_is_no_frame_is_refused_before_anything_is_held_for_it() {
    let longer = |bytes: usize| u32::try_from(bytes).unwrap().to_be_bytes();
    let too_long = [&[0][..], &longer(MESSAGE_BYTES_MAX + 1), &[8, 1]].concat();
    let long_payload = [0, 0, 1, 0, 7, 8, 1, (4 << 3) | 2, 0x81, 0x80, 4];
    for (bytes, why) in [
        (&[1, 0, 0, 0, 4, 8, 1, 48, 1][..], FrameError::Compressed),
        (&too_long, FrameError::TooLong),
        (&long_payload, FrameError::TooLong),
        // No request, a part before it, a length that does not fit, and one field too many.
        (&[0, 0, 0, 0, 2, 48, 1], FrameError::Malformed),
        (&[0, 0, 0, 0, 0], FrameError::Malformed),
        (&[0, 0, 0, 0, 2, 8, 1], FrameError::Malformed),
        (&[0, 0, 0, 0, 5, 8, 1, 34, 9, 0], FrameError::Malformed),
        (&[0, 0, 0, 0, 6, 8, 1, 48, 1, 48, 1], FrameError::Malformed),
        // A number without end, a credit and a payload of the other kind.
        (
            &[0, 0, 0, 0, 12, 8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2],
            FrameError::Malformed,
        ),
        (&[0, 0, 0, 0, 4, 8, 1, 58, 0], FrameError::Malformed),
        (&[0, 0, 0, 0, 4, 8, 1, 32, 0], FrameError::Malformed),
    ] {
        for size in [1, 4, bytes.len()] {
            assert_eq!(read(bytes, size), Err(why), "{bytes:?} in pieces of {size}");
        }
    }
}
