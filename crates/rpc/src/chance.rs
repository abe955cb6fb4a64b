//! What a neighbour may send on a framed link, made of bytes by chance and read as the ends read it: as bytes
//! of frames, as the messages in them, and as frames in any order.
//!
//! For tests and for the fuzzer (`fuzz/`), which cannot reach what is within.

use std::fmt;

use bytes::{Bytes, BytesMut};
use prost::Message;
use weir_types::{Fault, FaultCode};

use crate::framed::{Decoder, FramedPart as Part, put};
use crate::proto::{common, router, worker};
use crate::wire::{self, WireFrame};

pub use crate::framed::peer;

/// All parts, with the pieces of payloads put together, and why nothing follows.
type Read = (Vec<(u64, Part)>, Option<String>);

fn read(data: &[u8], cut: usize) -> Read {
    let (mut decoder, mut found, mut begun) = (Decoder::default(), Vec::new(), BytesMut::new());
    let (one, two) = data.split_at(cut.min(data.len()));
    for piece in [one, two] {
        decoder.push(Bytes::copy_from_slice(piece));
        loop {
            match decoder.next() {
                Ok(None) => break,
                Ok(Some((number, Part::Payload { bytes, is_last }))) => {
                    begun.extend_from_slice(&bytes);
                    if is_last {
                        let bytes = begun.split().freeze();
                        found.push((number, Part::Payload { bytes, is_last }));
                    }
                }
                Ok(Some(part)) => found.push(part),
                Err(error) => return (found, Some(error.to_string())),
            }
        }
    }
    (found, None)
}

/// Bytes are the same frames however they are cut, and those frames written are read as the same again.
///
/// # Errors
/// What does not hold.
pub fn frames(data: &[u8]) -> Result<(), String> {
    let (whole, error) = read(data, 0);
    let cut = data.first().map_or(0, |first| usize::from(*first) % (data.len() + 1));
    if read(data, cut) != (whole.clone(), error) {
        return Err(format!("cut at {cut} it is read as something else"));
    }
    let mut again = BytesMut::new();
    for (number, part) in &whole {
        put(&mut again, *number, part);
    }
    match read(&again, cut) {
        (found, None) if found == whole => Ok(()),
        other => Err(format!("{whole:?} written was read as {other:?}")),
    }
}

/// What opens a request, heads and ends: what is read can be written, and is read as the same again.
///
/// # Errors
/// What does not hold.
pub fn messages(data: &[u8]) -> Result<(), String> {
    let Some((first, data)) = data.split_first() else { return Ok(()) };
    match first % 4 {
        0 => {
            let Some(head) = opened::<router::Frame>(data) else { return Ok(()) };
            let read = |head| wire::router_request(head).ok();
            again(head, read, |request| wire::router_head(request, None))
        }
        1 => {
            let Some(head) = opened::<worker::Frame>(data) else { return Ok(()) };
            let read = |head| wire::worker_request(head).ok();
            again(head, read, |request| wire::worker_head(request, None))
        }
        2 => {
            let Ok(head) = common::ReplyHead::decode(data) else { return Ok(()) };
            again(head, |head| wire::reply(head).ok(), wire::reply_head)
        }
        _ => {
            let Ok(end) = common::End::decode(data) else { return Ok(()) };
            again(end, |end| Some(wire::end_of(end)), wire::end)
        }
    }
}

/// The head of what opens a request, as the end that is asked gets to it.
fn opened<F: WireFrame>(data: &[u8]) -> Option<F::Head> {
    let (context, head) = F::opened(F::Opening::decode(data).ok()?)?;
    wire::context_beside(context).ok()?;
    Some(*head)
}

fn again<M: Message + Default, T: Clone + PartialEq + fmt::Debug>(
    message: M,
    read: impl Fn(M) -> Option<T>,
    write: impl Fn(T) -> M,
) -> Result<(), String> {
    let Some(one) = read(message) else { return Ok(()) };
    let written = write(one.clone()).encode_to_vec();
    let other = M::decode(&written[..]).ok().and_then(read);
    if other.as_ref() == Some(&one) {
        return Ok(());
    }
    Err(format!("{one:?} written was read as {other:?}"))
}

/// What chance begins with: a frame of every kind, and a message of every kind.
#[must_use]
pub fn seeds() -> (Vec<u8>, [Vec<u8>; 4]) {
    let bytes = Bytes::from_static;
    let mut frames = BytesMut::new();
    for (number, part) in [
        (1, Part::Open(bytes(b"opening"))),
        (1, Part::Head(bytes(b"head"))),
        (300, Part::Payload { bytes: bytes(b"payload"), is_last: true }),
        (1, Part::End(Bytes::new())),
        (2, Part::Cut),
        (3, Part::Credit(70_000)),
        (3, Part::Cancel),
        (0, Part::Leaving),
    ] {
        put(&mut frames, number, &part);
    }
    let context = || common::Context { request_id: "one".to_owned(), ..Default::default() };
    let (dialect, operation) = ("openai_chat".to_owned(), "chat".to_owned());
    let (provider, key) = ("openai".to_owned(), "blue".to_owned());
    let router = router::RequestHead {
        dialect: dialect.clone(),
        operation: operation.clone(),
        model: "gpt-4o".to_owned(),
        outline: vec![0, 1, 2],
        ..Default::default()
    };
    let worker = worker::RequestHead {
        dialect,
        operation,
        provider: provider.clone(),
        key: key.clone(),
        attempt: 1,
        ..Default::default()
    };
    let head = common::ReplyHead { status: 200, provider, key, ..Default::default() };
    let fault = Some(Fault::new(FaultCode::LinkBroken, "it broke").into());
    let end = common::End { fault, ..Default::default() };
    let opening = router::Frame::opening(context(), router).encode_to_vec();
    let attempt = worker::Frame::opening(context(), worker).encode_to_vec();
    let all = [opening, attempt, head.encode_to_vec(), end.encode_to_vec()];
    let mut kind = 0;
    let messages = all.map(|message| {
        kind += 1;
        [&[kind - 1][..], &message].concat()
    });
    (frames.to_vec(), messages)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_chance_begins_with_is_read() {
        let (bytes, all) = seeds();
        let (found, error) = read(&bytes, 7);
        assert_eq!((found.len(), error), (8, None));
        assert_eq!(frames(&bytes), Ok(()));
        for message in all {
            assert_eq!(messages(&message), Ok(()), "{message:?}");
        }
        assert!(opened::<router::Frame>(&seeds().1[0][1..]).is_some());
        assert!(opened::<worker::Frame>(&seeds().1[1][1..]).is_some());
    }

    proptest! {
        #[test]
        fn bytes_with_some_of_them_changed_break_nothing(
            changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
            which in 0..5_usize,
        ) {
            let (bytes, all) = seeds();
            let mut data = all.get(which).cloned().unwrap_or(bytes);
            for (at, byte) in changes {
                let at = at.index(data.len());
                data[at] = byte;
            }
            prop_assert_eq!(frames(&data), Ok(()));
            prop_assert_eq!(messages(&data), Ok(()));
        }
    }
}
