//! Messages of a call as bytes, none of which is begun before all of it has come.
//!
//! Whoever decodes them makes room for a message as soon as its length is there, which is its
//! sender's word only. Here nothing is reserved: pieces of a message that is not complete are kept
//! as they came. Knows the five bytes in front of a message, and no message.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::link::MESSAGE_BYTES_MAX;

/// Flags and length.
const PREFIX_BYTES: usize = 5;

/// A body whose messages are passed on when they are complete.
pub(crate) struct Arrived<B> {
    body: B,
    bounds: Bounds,
    /// Of the message that is arriving.
    held: VecDeque<Bytes>,
    /// Complete.
    ready: VecDeque<Bytes>,
    trailers: Option<Frame<Bytes>>,
}

/// Where messages end.
#[derive(Debug, Default)]
struct Bounds {
    prefix: [u8; PREFIX_BYTES],
    /// How much of the prefix has come.
    begun: usize,
    /// How much of the message after it has not.
    missing: usize,
    /// One is longer than any may be: whoever decodes it says so.
    is_broken: bool,
}

impl Bounds {
    /// How much of the messages up to now ends within `data`, which follows what came before.
    fn end_in(&mut self, data: &[u8]) -> usize {
        let (mut at, mut end) = (0, 0);
        while at < data.len() && !self.is_broken {
            if self.missing > 0 {
                let more = self.missing.min(data.len() - at);
                self.missing -= more;
                at += more;
            } else {
                if let (Some(place), Some(byte)) = (self.prefix.get_mut(self.begun), data.get(at)) {
                    *place = *byte;
                }
                self.begun += 1;
                at += 1;
                if self.begun < PREFIX_BYTES {
                    continue;
                }
                let [_, length @ ..] = self.prefix;
                self.begun = 0;
                self.missing = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
                self.is_broken = self.missing > MESSAGE_BYTES_MAX;
            }
            if self.missing == 0 {
                end = at;
            }
        }
        if self.is_broken { data.len() } else { end }
    }
}

impl<B> Arrived<B> {
    pub(crate) fn new(body: B) -> Self {
        let (held, ready) = (VecDeque::new(), VecDeque::new());
        Self { body, bounds: Bounds::default(), held, ready, trailers: None }
    }

    /// What can be passed on at once; mostly all of it.
    fn take(&mut self, mut data: Bytes) -> Option<Bytes> {
        let end = self.bounds.end_in(&data);
        if end == data.len() && self.held.is_empty() {
            return Some(data);
        }
        if end > 0 {
            self.ready.append(&mut self.held);
            self.ready.push_back(data.split_to(end));
        }
        if !data.is_empty() {
            self.held.push_back(data);
        }
        None
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Arrived<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = &mut *self;
        loop {
            if let Some(part) = this.ready.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(part))));
            }
            if let Some(trailers) = this.trailers.take() {
                return Poll::Ready(Some(Ok(trailers)));
            }
            match ready!(Pin::new(&mut this.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        if let Some(data) = this.take(data) {
                            return Poll::Ready(Some(Ok(Frame::data(data))));
                        }
                    }
                    Err(trailers) => {
                        this.ready.append(&mut this.held);
                        this.trailers = Some(trailers);
                    }
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                // What is left is half a message, and that is for others to say.
                None if this.held.is_empty() => return Poll::Ready(None),
                None => this.ready.append(&mut this.held),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        let has_none = self.held.is_empty() && self.ready.is_empty() && self.trailers.is_none();
        has_none && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use futures_util::future::poll_fn;

    use super::*;

    /// A body of given pieces, with nothing after them for now.
    struct Pieces(VecDeque<Bytes>);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            let piece = self.0.pop_front();
            piece.map_or(Poll::Pending, |piece| Poll::Ready(Some(Ok(Frame::data(piece)))))
        }
    }

    fn message(length: usize) -> Vec<u8> {
        let mut bytes = vec![0];
        bytes.extend_from_slice(&u32::try_from(length).unwrap().to_be_bytes());
        bytes.extend((0..length).map(|at| (at % 251) as u8));
        bytes
    }

    /// What is passed on of `bytes` that come in pieces of `size`.
    fn passed(bytes: &[u8], size: usize) -> Vec<u8> {
        let pieces = bytes.chunks(size).map(Bytes::copy_from_slice).collect();
        let mut body = Arrived::new(Pieces(pieces));
        let mut passed = Vec::new();
        let next = |body: &mut Arrived<Pieces>| {
            poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).now_or_never()
        };
        while let Some(Some(Ok(frame))) = next(&mut body) {
            passed.extend_from_slice(&frame.into_data().unwrap());
        }
        passed
    }

    #[test]
    fn a_message_is_passed_on_when_all_of_it_has_come() {
        let whole = [message(3), message(0), message(600), message(1)].concat();
        for size in [1, 2, 5, 8, 64, 613, 10_000] {
            assert_eq!(passed(&whole, size), whole, "in pieces of {size}");
            for cut in [1, 4, 5, 6] {
                // The last message is 6 bytes long.
                let part = &whole[..whole.len() - cut];
                assert_eq!(passed(part, size), whole[..whole.len() - 6], "without {cut}");
            }
        }
    }

    #[test]
    fn nothing_is_begun_of_a_message_of_which_only_the_length_has_come() {
        assert!(passed(&message(MESSAGE_BYTES_MAX)[..100], 7).is_empty());
    }

    #[test]
    fn one_that_is_too_long_is_left_to_who_decodes_it() {
        let long = [&[0][..], &u32::MAX.to_be_bytes(), b"x"].concat();
        assert_eq!(passed(&long, 3), long);
    }
}
