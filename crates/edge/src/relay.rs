//! The body of an answer, frame by frame, and its honest end.
//!
//! Nothing is collected: a frame that the router hands over is the next piece of the response.
//! Dropping the body drops the frames, which cancels the call down to the provider. An answer
//! that broke never looks like one that ended: a stream closes with an error event and without
//! `[DONE]`, anything else with a broken transfer.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame as Piece, SizeHint};
use weir_rpc::{End, Frame};
use weir_types::{Fault, FaultCode};

use crate::error;
use crate::record::{Outcome, Record};
use crate::stall::{Flow, Next, Source, Watch};

/// Why a transfer is broken off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Cut {
    /// The answer itself broke.
    #[error("the answer broke: {0}")]
    Broken(Fault),
    /// The client took no byte for too long.
    #[error("the client took no byte for too long")]
    Stalled,
}

/// A body that is relayed.
#[derive(Debug)]
pub(crate) struct Relay {
    source: Arc<Source>,
    /// Frames that were taken before the head was written.
    ahead: VecDeque<Frame>,
    /// Server-sent events, so that an error can be told as one more event.
    events: bool,
    /// How many line feeds the bytes so far end with, up to 2.
    line_feeds: u8,
    begun: bool,
    done: bool,
}

impl Relay {
    /// A body of `ahead` and then what `flow` brings. Must be called inside a tokio runtime.
    pub(crate) fn body(watch: &Arc<Watch>, flow: Flow, ahead: Vec<Frame>, events: bool) -> Body {
        Body::new(Self {
            source: watch.guard(flow),
            ahead: ahead.into(),
            events,
            line_feeds: 2,
            begun: false,
            done: false,
        })
    }

    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        if let Some(frame) = self.ahead.pop_front() {
            return Poll::Ready(Next::Frame(Some(frame)));
        }
        // A panic would take the whole connection with it, and the client could not tell why.
        let polled = catch_unwind(AssertUnwindSafe(|| self.source.poll_next(cx)));
        polled.unwrap_or_else(|_| {
            let fault = Fault::new(FaultCode::Internal, "a defect of the gateway ended the answer");
            let end = End { fault: Some(fault), ..End::default() };
            Poll::Ready(Next::Frame(Some(Frame::End(Box::new(end)))))
        })
    }

    fn note(&mut self, chunk: &Bytes) {
        if !self.begun {
            self.begun = true;
            self.source.with_record(Record::first_byte);
        }
        if self.events {
            self.line_feeds = trailing_line_feeds(chunk, self.line_feeds);
        }
    }

    /// The last piece of an answer that broke.
    fn broken(&mut self, fault: Fault) -> Result<Piece<Bytes>, Cut> {
        let mut event = None;
        self.source.with_record(|record| {
            record.failed(&fault);
            event = Some(error::event(&fault, record));
        });
        self.source.end(Outcome::Broken);
        match event {
            Some(event) if self.events => {
                // An event that was cut in the middle is ended, so that ours is read as one.
                let gap = &b"\n\n"[usize::from(self.line_feeds.min(2))..];
                Ok(Piece::data([gap, b"data: ", &event, b"\n\n"].concat().into()))
            }
            _ => Err(Cut::Broken(fault)),
        }
    }
}

fn trailing_line_feeds(chunk: &[u8], before: u8) -> u8 {
    match chunk {
        [.., b'\n', b'\n'] => 2,
        [b'\n'] => (before + 1).min(2),
        [.., b'\r', b'\n'] if chunk.ends_with(b"\r\n\r\n") => 2,
        [.., b'\n'] => 1,
        _ => 0,
    }
}

impl http_body::Body for Relay {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Piece<Bytes>, Cut>>> {
        if self.done {
            return Poll::Ready(None);
        }
        loop {
            let next = match self.poll_source(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(next) => next,
            };
            let fault = match next {
                Next::Frame(Some(Frame::Chunk(chunk))) if chunk.is_empty() => continue,
                Next::Frame(Some(Frame::Chunk(chunk))) => {
                    self.note(&chunk);
                    return Poll::Ready(Some(Ok(Piece::data(chunk))));
                }
                Next::Frame(Some(Frame::End(end))) => {
                    let End { usage, finish, fault } = *end;
                    self.source.with_record(|record| record.cost(usage, finish));
                    fault
                }
                Next::Frame(None) => Some(stopped()),
                Next::Stalled => {
                    self.done = true;
                    return Poll::Ready(Some(Err(Cut::Stalled)));
                }
            };
            self.done = true;
            let Some(fault) = fault else {
                self.source.end(Outcome::Complete);
                return Poll::Ready(None);
            };
            return Poll::Ready(Some(self.broken(fault)));
        }
    }

    fn is_end_stream(&self) -> bool {
        self.done
    }
}

/// The fault of an answer whose frames stopped without an end.
pub(crate) fn stopped() -> Fault {
    Fault::new(
        FaultCode::LinkBroken,
        "the answer stopped in the middle; nothing says that it ended",
    )
}

/// A body that is there as a whole; sent with its length.
pub(crate) struct Whole {
    bytes: Option<Bytes>,
    record: Option<Record>,
}

impl Whole {
    /// A body of `bytes`. A `HEAD` request ends with the head, so its body counts as sent.
    pub(crate) fn body(bytes: Bytes, record: Record, head_only: bool) -> Body {
        if bytes.is_empty() || head_only {
            record.ended(Outcome::Complete);
            return Body::from(bytes);
        }
        Body::new(Self { bytes: Some(bytes), record: Some(record) })
    }
}

impl http_body::Body for Whole {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Piece<Bytes>, Self::Error>>> {
        if let Some(mut record) = self.record.take() {
            record.first_byte();
            record.ended(Outcome::Complete);
        }
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Piece::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}
