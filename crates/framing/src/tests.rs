//! What holds for every framing: the same frames however the input is split, bounded memory and no
//! panic for any input, and what is written is read back.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use crate::{Decoder, FRAME_BYTES_MAX, FrameError, Framing, Writer};

/// A stream taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cuts {
    pub(crate) frames: Vec<Vec<u8>>,
    /// Or what is left at the end.
    pub(crate) rest: Result<Option<Vec<u8>>, FrameError>,
}

impl Cuts {
    /// All bytes again.
    fn joined(&self) -> Vec<u8> {
        let rest = self.rest.clone().unwrap().unwrap_or_default();
        [self.frames.concat(), rest].concat()
    }
}

/// Cuts a stream that comes in `chunks`.
pub(crate) fn cut<'a>(framing: Framing, chunks: impl IntoIterator<Item = &'a [u8]>) -> Cuts {
    let mut decoder = Decoder::new(framing);
    let mut frames = Vec::new();
    for chunk in chunks {
        decoder.push(Bytes::copy_from_slice(chunk));
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => {
                    // Never a panic; what it says is another test's.
                    let _ = decoder.parse(&frame);
                    assert!(!frame.is_empty() && frame.len() <= FRAME_BYTES_MAX);
                    frames.push(frame.to_vec());
                }
                Ok(None) => break,
                Err(error) => return Cuts { frames, rest: Err(error) },
            }
        }
    }
    let rest = decoder.finish();
    let _ = rest.as_ref().map(|rest| decoder.parse(rest).is_ok());
    Cuts { frames, rest: Ok(rest.map(|rest| rest.to_vec())) }
}

/// `bytes` in pieces that end at `cuts`, whatever their order.
pub(crate) fn pieces<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.push(bytes.len());
    cuts.sort_unstable();
    let starts = std::iter::once(0).chain(cuts.clone());
    starts.zip(cuts).map(|(start, end)| &bytes[start..end]).collect()
}

/// What the frames of a whole stream say: name and data.
pub(crate) fn said(framing: Framing, bytes: &[u8]) -> Vec<(String, Option<String>)> {
    let cuts = cut(framing, [bytes]);
    assert_eq!(cuts.joined(), bytes);
    let decoder = Decoder::new(framing);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let frames = cuts.frames.iter().map(|raw| decoder.parse(raw).unwrap());
    frames.map(|frame| (text(frame.name), frame.data.as_deref().map(text))).collect()
}

/// Asserts that every split of `bytes` gives the same frames.
pub(crate) fn check_splits(framing: Framing, bytes: &[u8], cuts: &[usize]) {
    let whole = cut(framing, [bytes]);
    assert_eq!(cut(framing, pieces(bytes, cuts)), whole);
    assert_eq!(cut(framing, bytes.chunks(1)), whole);
    if whole.rest.is_ok() {
        assert_eq!(whole.joined(), bytes);
    }
}

/// Bytes that occur in some framing, or any.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let likely = prop::sample::select(br#"[]{},"\ :da1n"#.to_vec());
    let blank = prop::sample::select(b"\r\n \t".to_vec());
    let number = prop::sample::select(vec![0, 1, 7, 16, 32, 255]);
    let byte = prop_oneof![4 => likely, 2 => blank, 1 => number, 1 => any::<u8>()];
    prop::collection::vec(byte, 0..200)
}

fn names() -> impl Strategy<Value = String> {
    "([a-z]{1,12}(Exception)?)?"
}

#[test]
fn frames_inside_one_chunk_are_not_copied() {
    for framing in Framing::ALL {
        let mut writer = Writer::new(framing);
        for data in ["{\"a\":1}", "{\"b\":2}"] {
            writer.event("name", data.as_bytes());
        }
        writer.end();
        let stream = writer.take();
        let mut decoder = Decoder::new(framing);
        decoder.push(stream.clone());
        let mut at = 0;
        while let Some(frame) = decoder.next_frame().unwrap() {
            assert_eq!(frame.as_ptr(), stream[at..].as_ptr(), "{framing:?}");
            at += frame.len();
            assert_eq!(decoder.carried(), 0);
        }
        assert_eq!((at, decoder.finish()), (stream.len(), None), "{framing:?}");
    }
}

#[test]
fn what_is_held_back_is_bounded() {
    let long = vec![b'1'; 100_000];
    for framing in [Framing::Sse, Framing::JsonArray, Framing::Ndjson] {
        let mut decoder = Decoder::new(framing);
        decoder.push(Bytes::from_static(b"["));
        assert_eq!(decoder.next_frame(), Ok(None));
        let mut refused = false;
        for _ in 0..20 {
            decoder.push(Bytes::from(long.clone()));
            refused = decoder.next_frame().is_err();
            assert!(decoder.carried() <= FRAME_BYTES_MAX);
            if refused {
                break;
            }
        }
        assert!(refused, "{framing:?}");
    }
}

#[test]
fn a_long_frame_is_refused_with_its_end_as_without() {
    for (framing, start, end) in [
        (Framing::JsonArray, "[\"", "\"]"),
        (Framing::Ndjson, "", "\n"),
        (Framing::Sse, "", "\n\n"),
    ] {
        let fits = FRAME_BYTES_MAX - start.len() - end.trim_end_matches(']').len();
        for (length, is_fine) in [(fits, true), (fits + 1, false)] {
            let stream = [start, &"x".repeat(length), end].concat();
            let cuts = cut(framing, [stream.as_bytes()]);
            assert_eq!(cuts.rest.is_ok(), is_fine, "{framing:?} {length}");
            assert_eq!(cut(framing, stream.as_bytes().chunks(60_000)), cuts, "{framing:?}");
        }
    }
}

proptest! {
    #[test]
    fn no_input_panics_and_every_split_gives_the_same(
        bytes in noise(),
        cuts in prop::collection::vec(any::<usize>(), 0..8),
    ) {
        for framing in Framing::ALL {
            check_splits(framing, &bytes, &cuts);
            let array = [b"[", &bytes[..]].concat();
            check_splits(framing, &array, &cuts);
            let _ = Decoder::new(framing).parse(&bytes);
        }
    }

    #[test]
    fn what_is_written_is_read_back(
        events in prop::collection::vec((names(), "[a-z\"\\\\\\[\\],]{0,20}"), 0..6),
        cuts in prop::collection::vec(any::<usize>(), 0..8),
    ) {
        for framing in Framing::ALL {
            let mut writer = Writer::new(framing);
            let mut expected = Vec::new();
            let has_names = matches!(framing, Framing::Sse | Framing::EventStream);
            for (name, text) in &events {
                let data = format!("{{\"text\":{text:?}}}");
                writer.event(name, data.as_bytes());
                let is_kept = has_names
                    || framing == Framing::EventChunks && name.ends_with("Exception");
                let name = if is_kept { name.clone() } else { String::new() };
                expected.push((name, Some(data)));
            }
            writer.end();
            let stream = writer.take();
            if framing == Framing::JsonArray {
                expected.push((String::new(), None));
                if events.is_empty() {
                    prop_assert_eq!(&stream[..], b"[]");
                }
            }
            prop_assert_eq!(said(framing, &stream), expected, "{:?}", framing);
            check_splits(framing, &stream, &cuts);
            writer.end();
            prop_assert!(writer.is_empty());
        }
    }
}

#[test]
fn chunks_that_were_not_taken_are_not_lost() {
    for framing in Framing::ALL {
        let mut writer = Writer::new(framing);
        let mut decoder = Decoder::new(framing);
        let mut all = BytesMut::new();
        for _ in 0..3 {
            writer.event("e", b"{\"a\": [1]}");
            let chunk = writer.take();
            all.extend_from_slice(&chunk);
            decoder.push(chunk);
        }
        let mut read = BytesMut::new();
        while let Some(frame) = decoder.next_frame().unwrap() {
            read.extend_from_slice(&frame);
        }
        read.extend_from_slice(&decoder.finish().unwrap_or_default());
        assert_eq!(read, all, "{framing:?}");
    }
}
