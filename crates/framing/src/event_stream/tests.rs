//! Messages beside those of Amazon's own implementation, and broken ones.

use aws_smithy_eventstream::frame::{read_message_from, write_message_to};
use aws_smithy_types::DateTime;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message as Theirs};
use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::{Message, write, write_message};
use crate::tests::{check_splits, cut, said};
use crate::{Decoder, FRAME_BYTES_MAX, FrameError, Framing};

fn theirs(message: &Theirs) -> BytesMut {
    let mut out = BytesMut::new();
    write_message_to(message, &mut out).unwrap();
    out
}

fn text(name: &'static str, value: &str) -> Header {
    Header::new(name, HeaderValue::String(value.to_owned().into()))
}

fn message(headers: &[(&str, &str)], payload: &[u8]) -> BytesMut {
    let mut out = BytesMut::new();
    write_message(&mut out, headers, payload);
    out
}

/// `bytes` with both checksums made right again.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let prelude = crc32fast::hash(&bytes[..8]).to_be_bytes();
    bytes[8..12].copy_from_slice(&prelude);
    let end = bytes.len() - 4;
    let all = crc32fast::hash(&bytes[..end]).to_be_bytes();
    bytes[end..].copy_from_slice(&all);
    bytes
}

fn fault(bytes: &[u8]) -> FrameError {
    check_splits(Framing::EventStream, bytes, &[5, 13, 20]);
    let cuts = cut(Framing::EventStream, [bytes]);
    assert_eq!(cuts.frames.len(), 0);
    cuts.rest.unwrap_err()
}

#[test]
fn kinds_of_message_are_told_apart() {
    let event = message(&[(":event-type", "messageStart"), (":message-type", "event")], b"{}");
    let read = Message::parse(&event).unwrap();
    assert_eq!(
        (read.name, read.data, read.is_exception),
        (&b"messageStart"[..], Some(&b"{}"[..]), false)
    );
    let exception =
        message(&[(":exception-type", "throttlingException"), (":message-type", "exception")], b"");
    let read = Message::parse(&exception).unwrap();
    assert_eq!((read.name, read.is_exception), (&b"throttlingException"[..], true));
    assert_eq!(read.data, Some(&b""[..]), "an exception is not something that keeps alive");
    let error = [(":message-type", "error"), (":error-code", "500"), (":error-message", "oh")];
    let read = message(&error, b"");
    let read = Message::parse(&read).unwrap();
    let expected = (&b"500"[..], Some(&b"oh"[..]), true);
    assert_eq!((read.name, read.data, read.is_exception), expected);
    let quiet = message(&[(":event-type", "initial-response")], b"");
    assert_eq!(Message::parse(&quiet).unwrap().data, None);
}

#[test]
fn a_name_decides_whether_an_exception_is_written() {
    for (name, kind) in [("contentBlockDelta", "event"), ("validationException", "exception")] {
        let mut out = BytesMut::new();
        write(&mut out, name, b"{\"a\":1}");
        let read = read_message_from(&out[..]).unwrap();
        let value = |name: &str| {
            let found = read.headers().iter().find(|header| header.name().as_str() == name);
            found.map(|header| header.value().as_string().unwrap().as_str().to_owned())
        };
        assert_eq!(value(":message-type").as_deref(), Some(kind));
        assert_eq!(value(&format!(":{kind}-type")).as_deref(), Some(name));
        assert_eq!(value(":content-type").as_deref(), Some("application/json"));
        assert_eq!(read.headers().len(), 3);
        assert_eq!(&read.payload()[..], b"{\"a\":1}");
        let decoder = Decoder::new(Framing::EventStream);
        assert_eq!(decoder.parse(&out).unwrap().is_exception, kind == "exception");
    }
}

#[test]
fn checksums_and_lengths_are_checked() {
    let good = message(&[(":event-type", "x")], b"{}").to_vec();
    assert_eq!(said(Framing::EventStream, &good).len(), 1);
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x40;
        assert!(matches!(fault(&bad), FrameError::Malformed(_)), "{at}");
    }
    let with_lengths = |length: u32, headers: u32| {
        let mut bytes = good.clone();
        bytes[..4].copy_from_slice(&length.to_be_bytes());
        bytes[4..8].copy_from_slice(&headers.to_be_bytes());
        sealed(bytes)
    };
    assert_eq!(fault(&with_lengths(u32::MAX, 0)), FrameError::TooLong);
    assert_eq!(fault(&with_lengths(FRAME_BYTES_MAX as u32 + 1, 0)), FrameError::TooLong);
    for (length, headers) in [(0, 0), (15, 0), (16, 1), (good.len() as u32, u32::MAX)] {
        let found = fault(&with_lengths(length, headers));
        assert!(matches!(found, FrameError::Malformed(_)), "{length} {headers}");
    }
}

#[test]
fn a_claim_of_length_allocates_nothing() {
    let mut decoder = super::Decoder::default();
    let mut claim = vec![0; 16];
    claim[..4].copy_from_slice(&(FRAME_BYTES_MAX as u32).to_be_bytes());
    decoder.cut.push(Bytes::from(sealed(claim)));
    assert_eq!(decoder.next_frame(), Ok(None));
    assert!(decoder.cut.allocated() < 1024);
    for _ in 0..(FRAME_BYTES_MAX / 4096 - 1) {
        decoder.cut.push(Bytes::from(vec![0; 4096]));
        assert_eq!(decoder.next_frame(), Ok(None));
        assert!(decoder.cut.allocated() <= 2 * FRAME_BYTES_MAX);
    }
    decoder.cut.push(Bytes::from(vec![0; 8192]));
    assert!(matches!(decoder.next_frame(), Err(FrameError::Malformed(_))));
}

#[test]
fn the_longest_message_passes() {
    let payload = vec![b'1'; FRAME_BYTES_MAX - 16];
    let longest = message(&[], &payload);
    assert_eq!(said(Framing::EventStream, &longest).len(), 1);
    let too_long = message(&[], &[&payload[..], b"1"].concat());
    assert_eq!(fault(&too_long), FrameError::TooLong);
    let long_name = "x".repeat(70_000);
    let cut_name = message(&[(":event-type", &long_name)], b"{}");
    let read = read_message_from(&cut_name[..]).unwrap();
    let value = read.headers()[0].value().as_string().unwrap();
    assert_eq!(value.as_str(), &long_name[..32_767]);
}

/// A header of any type.
fn header() -> impl Strategy<Value = Header> {
    let value = prop_oneof![
        any::<bool>().prop_map(HeaderValue::Bool),
        any::<i8>().prop_map(HeaderValue::Byte),
        any::<i16>().prop_map(HeaderValue::Int16),
        any::<i32>().prop_map(HeaderValue::Int32),
        any::<i64>().prop_map(HeaderValue::Int64),
        prop::collection::vec(any::<u8>(), 0..300)
            .prop_map(|bytes| HeaderValue::ByteArray(bytes.into())),
        "[a-zé]{0,200}".prop_map(|text| HeaderValue::String(text.into())),
        (0..i64::from(u32::MAX)).prop_map(|at| HeaderValue::Timestamp(DateTime::from_secs(at))),
        any::<u128>().prop_map(HeaderValue::Uuid),
    ];
    ("[a-z:-]{1,40}", value).prop_map(|(name, value)| Header::new(name, value))
}

proptest! {
    #[test]
    fn their_messages_are_read(
        before in prop::collection::vec(header(), 0..5),
        after in prop::collection::vec(header(), 0..5),
        name in "[a-zA-Z]{0,30}",
        payload in prop::collection::vec(any::<u8>(), 1..200),
        cuts in prop::collection::vec(any::<usize>(), 0..6),
    ) {
        let own = [text(":event-type", &name), text(":message-type", "event")];
        let headers = before.into_iter().chain(own).chain(after).collect();
        let sent = theirs(&Theirs::new_from_parts(headers, payload.clone()));
        let read = Message::parse(&sent).unwrap();
        let data = Some(&payload[..]);
        prop_assert_eq!(read, Message { name: name.as_bytes(), data, is_exception: false });
        let twice = [&sent[..], &sent[..]].concat();
        prop_assert_eq!(cut(Framing::EventStream, [&twice[..]]).frames.len(), 2);
        check_splits(Framing::EventStream, &twice, &cuts);
    }

    #[test]
    fn they_read_ours(
        headers in prop::collection::vec(("[a-z:-]{1,30}", "[a-zé\u{1F600}]{0,50}"), 0..5),
        payload in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let pairs: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let sent = message(&pairs, &payload);
        let read = read_message_from(&sent[..]).unwrap();
        prop_assert_eq!(read.payload(), &payload);
        let found: Vec<(&str, &str)> = read
            .headers()
            .iter()
            .map(|header| (header.name().as_str(), header.value().as_string().unwrap().as_str()))
            .collect();
        prop_assert_eq!(found, pairs);
    }

    #[test]
    fn a_message_with_right_checksums_and_wrong_headers_never_panics(
        headers in prop::collection::vec(header(), 1..4),
        changes in prop::collection::vec((any::<usize>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = theirs(&Theirs::new_from_parts(headers, "{}")).to_vec();
        let inside = bytes.len() - 16;
        for (at, byte) in changes {
            bytes[12 + at % inside] = byte;
        }
        let bytes = sealed(bytes);
        prop_assert_eq!(cut(Framing::EventStream, [&bytes[..]]).frames.len(), 1);
        // Where Amazon's reader takes it, ours does.
        if read_message_from(&bytes[..]).is_ok() {
            prop_assert!(Message::parse(&bytes).is_ok());
        }
        for end in 0..bytes.len() {
            prop_assert!(Message::parse(&bytes[..end]).is_err());
        }
    }
}
