//! The two directions of a call as streams of frames, for both ends of both hops.
//!
//! Outgoing: a request's body or an answer becomes head, chunks, end. Incoming: the frames become
//! a body or an answer again. Each stream owns what it reads from, so dropping it cancels that.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::oneshot;
use tonic::{Code, Status, Streaming};
use weir_budget::{Budget, Gather, Pieces};
use weir_types::{Fault, FaultCode};

use crate::framed::{Arriving, Task};
use crate::link::Load;
use crate::proto::common;
use crate::wire::{self, Part, WireFrame};
use crate::{Body, End, Frame, FrameStream};

/// A request on its way out.
pub(crate) struct Outgoing<F> {
    head: Option<F>,
    body: Option<Body>,
    rest: Bytes,
    /// Of a body that is held, how many pieces are on their way.
    sent: usize,
    /// Ends when nobody waits for the answer any more. The transport resets a call only when both
    /// directions have been let go, so an upload under way would keep it.
    wanted: Option<oneshot::Receiver<()>>,
}

/// Held by whoever waits for the answer.
pub(crate) type Wanted = Option<oneshot::Sender<()>>;

/// What lives as long as the answer is wanted.
pub(crate) struct Held {
    pub(crate) _want: Wanted,
    pub(crate) _load: Option<Load>,
    pub(crate) _upload: Option<Task>,
}

/// What comes of a call from its other end, however it comes.
pub(crate) enum Parts<F> {
    /// On a call of its own.
    Call(Streaming<F>),
    /// On one that many share.
    Framed(Arriving),
}

impl<F: WireFrame> Stream for Parts<F> {
    type Item = Result<Part<F::Head>, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            return match &mut *self {
                Self::Framed(arriving) => Pin::new(arriving).poll_part(cx),
                Self::Call(frames) => match ready!(frames.poll_next_unpin(cx)) {
                    // A part of a later version.
                    Some(Ok(frame)) => match frame.part() {
                        Some(part) => Poll::Ready(Some(Ok(part))),
                        None => continue,
                    },
                    Some(Err(status)) => Poll::Ready(Some(Err(status))),
                    None => Poll::Ready(None),
                },
            };
        }
    }
}

impl<F: WireFrame> Outgoing<F> {
    pub(crate) fn new(head: F::Head, body: Body) -> (Self, Wanted) {
        let head = Some(F::new(Part::Request(Box::new(head))));
        let (want, wanted) = match body.pieces() {
            Some(_) => (None, None),
            None => {
                let (want, wanted) = oneshot::channel();
                (Some(want), Some(wanted))
            }
        };
        (Self { head, body: Some(body), rest: Bytes::new(), sent: 0, wanted }, want)
    }

    fn is_unwanted(&mut self, cx: &mut Context<'_>) -> bool {
        self.wanted.as_mut().is_some_and(|wanted| wanted.poll_unpin(cx).is_ready())
    }
}

impl<F: WireFrame> Stream for Outgoing<F> {
    type Item = F;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<F>> {
        if let Some(head) = self.head.take() {
            return Poll::Ready(Some(head));
        }
        if self.is_unwanted(cx) {
            (self.body, self.rest) = (None, Bytes::new());
        }
        loop {
            if !self.rest.is_empty() {
                return Poll::Ready(Some(F::new(Part::Chunk(wire::first_chunk(&mut self.rest)))));
            }
            let this = &mut *self;
            let fault = match &mut this.body {
                None => return Poll::Ready(None),
                Some(Body::Stream(parts)) => match ready!(parts.poll_next_unpin(cx)) {
                    Some(Ok(part)) => {
                        this.rest = part;
                        continue;
                    }
                    Some(Err(fault)) => Some(fault.into()),
                    None => None,
                },
                Some(held) => match held.pieces().and_then(|pieces| pieces.get(this.sent)) {
                    Some(piece) => {
                        (this.rest, this.sent) = (piece.clone(), this.sent + 1);
                        continue;
                    }
                    None => None,
                },
            };
            (self.body, self.wanted) = (None, None);
            let end = common::End { fault, ..Default::default() };
            return Poll::Ready(Some(F::new(Part::End(Box::new(end)))));
        }
    }
}

/// The length of a body that is held whole.
pub(crate) fn body_bytes(body: &Body) -> Option<u64> {
    body.held_bytes().and_then(|length| u64::try_from(length).ok())
}

/// How a body that is to be whole is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// As one run of bytes, for who reads it.
    Joined,
    /// In the pieces that it came in, for who passes it on.
    Pieces,
}

/// What bounds the bodies of requests that come in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// The longest.
    pub(crate) bytes_max: usize,
    /// What all of them may take.
    pub(crate) budget: Budget,
}

/// The body of a request that is coming in.
pub(crate) struct Upload<F> {
    parts: Option<Parts<F>>,
    allowed: usize,
    bounds: Bounds,
}

impl<F: WireFrame> Upload<F> {
    pub(crate) fn new(parts: Parts<F>, bounds: Bounds) -> Self {
        Self { parts: Some(parts), allowed: bounds.bytes_max, bounds }
    }

    /// The body as its sender had it: whole if it named its length, else as it arrives.
    #[expect(clippy::manual_async_fn, reason = "what an async function is given it keeps twice")]
    pub(crate) fn body(
        mut self,
        body_bytes: Option<u64>,
        keep: Keep,
    ) -> impl Future<Output = Result<Body, Fault>> + Send {
        async move {
            match body_bytes {
                Some(length) => self.whole(length, keep).await,
                None => Ok(Body::Stream(Box::pin(self))),
            }
        }
    }

    async fn whole(&mut self, length: u64, keep: Keep) -> Result<Body, Fault> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > self.bounds.bytes_max {
            return Err(too_large(self.bounds.bytes_max));
        }
        let first = self.next().await.transpose()?.unwrap_or_default();
        let Bounds { budget, bytes_max } = self.bounds;
        // The length is the peer's word only; memory follows what really comes.
        let whole = if first.len() >= length {
            Body::Full(Gather::whole(budget, first).await?)
        } else if keep == Keep::Pieces {
            let mut pieces = Pieces::new(budget, Some(length), bytes_max);
            pieces.push(first).await?;
            while pieces.len() < length
                && let Some(part) = self.next().await.transpose()?
            {
                pieces.push(part).await?;
            }
            Body::Pieces(pieces.finish().into())
        } else {
            let mut whole = Gather::new(budget, Some(length), bytes_max);
            whole.push(first).await?;
            while whole.len() < length
                && let Some(part) = self.next().await.transpose()?
            {
                whole.push(part).await?;
            }
            Body::Full(whole.finish())
        };
        let came = whole.held_bytes().unwrap_or_default();
        // The end must follow: it says that the sender meant this to be all.
        let nothing_more = self.next().await.transpose()?.is_none();
        if came != length || !nothing_more {
            return Err(Fault::new(
                FaultCode::Internal,
                format!("a body of {came} bytes was announced as {length}"),
            ));
        }
        Ok(whole)
    }
}

impl<F: WireFrame> Stream for Upload<F> {
    type Item = Result<Bytes, Fault>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let cut = || Fault::new(FaultCode::LinkBroken, "the request was cut before its end");
        let Some(parts) = &mut self.parts else {
            return Poll::Ready(None);
        };
        let result = match ready!(parts.poll_next_unpin(cx)).transpose() {
            Ok(Some(Part::Chunk(bytes))) if bytes.len() <= self.allowed => {
                self.allowed -= bytes.len();
                return Poll::Ready(Some(Ok(bytes)));
            }
            Ok(Some(Part::Chunk(_))) => Some(Err(too_large(self.bounds.bytes_max))),
            Ok(Some(Part::End(end))) => end.fault.map(|fault| Err(fault.into())),
            Ok(Some(Part::Request(_) | Part::Reply(_)) | None) => Some(Err(cut())),
            Err(status) => Some(Err(unreadable(&status, self.bounds.bytes_max))),
        };
        self.parts = None;
        Poll::Ready(result)
    }
}

fn too_large(bytes_max: usize) -> Fault {
    Fault::new(FaultCode::BodyTooLarge, format!("the body is over {bytes_max} bytes"))
}

/// What a request that cannot be read to its end means.
pub(crate) fn unreadable(status: &Status, bytes_max: usize) -> Fault {
    match status.code() {
        Code::OutOfRange => too_large(bytes_max),
        _ => wire::fault_of(status, false),
    }
}

/// An answer on its way out. Lets go of the service's stream with the last frame, not when the
/// transport is done with it.
pub(crate) struct Answering<F> {
    first: Option<F>,
    frames: Option<FrameStream>,
    rest: Bytes,
}

impl<F: WireFrame> Answering<F> {
    pub(crate) fn reply(reply: crate::Reply) -> Self {
        let first = F::new(Part::Reply(Box::new(wire::reply_head(reply.head))));
        Self { first: Some(first), frames: Some(reply.frames), rest: Bytes::new() }
    }

    /// No answer, but why there is none.
    pub(crate) fn fault(fault: common::Fault) -> Self {
        let end = common::End { fault: Some(fault), ..Default::default() };
        Self { first: Some(F::new(Part::End(Box::new(end)))), frames: None, rest: Bytes::new() }
    }
}

impl<F: WireFrame> Stream for Answering<F> {
    type Item = Result<F, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        loop {
            if !self.rest.is_empty() {
                let chunk = wire::first_chunk(&mut self.rest);
                return Poll::Ready(Some(Ok(F::new(Part::Chunk(chunk)))));
            }
            let Some(frames) = &mut self.frames else {
                return Poll::Ready(None);
            };
            match ready!(frames.poll_next_unpin(cx)) {
                Some(Frame::Chunk(bytes)) => self.rest = bytes,
                Some(Frame::End(end)) => {
                    self.frames = None;
                    return Poll::Ready(Some(Ok(F::new(Part::End(Box::new(wire::end(*end)))))));
                }
                None => self.frames = None,
            }
        }
    }
}

/// The rest of an answer that is coming in.
pub(crate) struct Answer<F> {
    parts: Option<Parts<F>>,
    _held: Held,
}

impl<F: WireFrame> Answer<F> {
    pub(crate) fn new(parts: Parts<F>, held: Held) -> Self {
        Self { parts: Some(parts), _held: held }
    }
}

impl<F: WireFrame> Stream for Answer<F> {
    type Item = Frame;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Frame>> {
        let Some(parts) = &mut self.parts else {
            return Poll::Ready(None);
        };
        let end = match ready!(parts.poll_next_unpin(cx)).transpose() {
            Ok(Some(Part::Chunk(bytes))) => return Poll::Ready(Some(Frame::Chunk(bytes))),
            Ok(Some(Part::End(end))) => Some(wire::end_of(*end)),
            Ok(Some(Part::Request(_) | Part::Reply(_))) => Some(broken(Fault::new(
                FaultCode::LinkBroken,
                "a service sent a head in the middle of an answer",
            ))),
            Ok(None) => None,
            Err(status) => Some(broken(wire::fault_of(&status, false))),
        };
        self.parts = None;
        Poll::Ready(end.map(|end| Frame::End(Box::new(end))))
    }
}

fn broken(fault: Fault) -> End {
    End { fault: Some(fault), ..End::default() }
}
