//! Frames of known streams, and of any stream split anywhere.

use proptest::prelude::*;

use super::*;

fn frames(chunks: &[&[u8]]) -> (Vec<Vec<u8>>, Option<Vec<u8>>) {
    let mut decoder = Decoder::new();
    let mut found = Vec::new();
    for chunk in chunks {
        decoder.push(Bytes::copy_from_slice(chunk));
        while let Some(frame) = decoder.next_frame().unwrap() {
            found.push(frame.to_vec());
        }
    }
    (found, decoder.finish().map(|rest| rest.to_vec()))
}

#[test]
fn frames_end_with_their_empty_line() {
    let stream = b"data: a\n\nevent: x\r\ndata: b\r\n\r\n: note\r\rdata: c\n";
    let (found, rest) = frames(&[stream]);
    let expected: [&[u8]; 3] = [b"data: a\n\n", b"event: x\r\ndata: b\r\n\r\n", b": note\r\r"];
    assert_eq!(found, expected);
    assert_eq!(rest.as_deref(), Some(&b"data: c\n"[..]));
}

#[test]
fn a_frame_inside_one_chunk_is_not_copied() {
    let chunk = Bytes::from_static(b"data: a\n\ndata: b\n\n");
    let mut decoder = Decoder::new();
    decoder.push(chunk.clone());
    let first = decoder.next_frame().unwrap().unwrap();
    let second = decoder.next_frame().unwrap().unwrap();
    assert_eq!(first.as_ptr(), chunk.as_ptr());
    assert_eq!(second.as_ptr(), chunk[9..].as_ptr());
    assert_eq!(decoder.next_frame().unwrap(), None);
    assert_eq!(decoder.carried(), 0);
}

#[test]
fn a_frame_is_there_as_soon_as_its_last_byte_is() {
    for (stream, end) in [("data: a\n\n", 9), ("data: a\r\n\r\n", 11), ("data: a\r\r", 9)] {
        let mut decoder = Decoder::new();
        for (at, byte) in stream.bytes().enumerate() {
            decoder.push(Bytes::copy_from_slice(&[byte]));
            assert_eq!(decoder.next_frame().unwrap().is_some(), at + 1 == end, "{stream:?}");
        }
    }
}

#[test]
fn too_long_frames_are_refused_with_and_without_their_end() {
    let long = vec![b'x'; FRAME_BYTES_MAX];
    let mut decoder = Decoder::new();
    decoder.push(Bytes::from(long.clone()));
    assert_eq!(decoder.next_frame(), Ok(None));
    decoder.push(Bytes::from_static(b"x"));
    assert_eq!(decoder.next_frame(), Err(TooLong));
    let mut decoder = Decoder::new();
    decoder.push(Bytes::from([&long[..], b"\n\n"].concat()));
    assert_eq!(decoder.next_frame(), Err(TooLong));
}

#[test]
fn fields_are_read_as_the_standard_says() {
    let event =
        Event::parse(b"\xef\xbb\xbf: c\nevent:e\nid: 7\ndata:  a\ndata\nretry: 3\ndata: b\n\n");
    assert_eq!(event.event, b"e");
    assert_eq!(event.id, b"7");
    assert_eq!(event.data.as_deref(), Some(&b" a\n\nb"[..]));
    assert_eq!(Event::parse(b": ping\n\n").data, None);
    let single = b"data: {}\n\n";
    assert!(matches!(Event::parse(single).data, Some(Cow::Borrowed(b"{}"))));
    assert_eq!(Event::parse(DONE).data.as_deref(), Some(&b"[DONE]"[..]));
}

/// Text in which line ends are frequent.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(b"\n\r\n\rd:a ".to_vec()), 0..60)
}

proptest! {
    #[test]
    fn any_split_gives_the_same_frames(
        bytes in stream(),
        cuts in prop::collection::vec(0..60usize, 0..8),
    ) {
        let whole = frames(&[&bytes]);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.sort_unstable();
        let mut parts = Vec::new();
        let mut done = 0;
        for cut in cuts {
            parts.push(&bytes[done..cut]);
            done = cut;
        }
        parts.push(&bytes[done..]);
        prop_assert_eq!(&frames(&parts), &whole);
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(&frames(&single), &whole);
        let (mut joined, rest) = whole;
        joined.extend(rest);
        prop_assert_eq!(joined.concat(), bytes);
    }

    #[test]
    fn what_is_written_is_read_back(event in "[a-z]{0,5}", data in "[a-z \r\n]{0,20}") {
        let mut out = BytesMut::new();
        write(&mut out, &event, data.as_bytes());
        let (found, rest) = frames(&[&out]);
        prop_assert_eq!((found.len(), rest), (1, None));
        let read = Event::parse(&found[0]);
        prop_assert_eq!(read.event, event.as_bytes());
        let normal = data.replace("\r\n", "\n").replace('\r', "\n");
        prop_assert_eq!(read.data.as_deref(), Some(normal.as_bytes()));
    }
}
