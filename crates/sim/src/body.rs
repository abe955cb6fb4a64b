//! Plays a plan as the body of an answer.
//!
//! Owns the ticket: the request is counted out just before its last bytes are handed over, or
//! when the body is dropped because the client went away.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use std::{io, vec};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use crate::ledger::{Outcome, Ticket};
use crate::plan::{Plan, Step};

/// How a connection is to be closed; shared with the socket.
#[derive(Debug, Default)]
pub(crate) struct Closing {
    reset: AtomicBool,
}

impl Closing {
    /// From now on the socket closes with RST.
    pub(crate) fn ask_for_reset(&self) {
        self.reset.store(true, Ordering::Release);
    }

    pub(crate) fn is_reset(&self) -> bool {
        self.reset.load(Ordering::Acquire)
    }
}

/// The body of every answer.
#[derive(Debug)]
pub(crate) struct Playback {
    steps: vec::IntoIter<Step>,
    announced: Option<u64>,
    sent: u64,
    ticket: Option<Ticket>,
    closing: Arc<Closing>,
    state: State,
}

#[derive(Debug)]
enum State {
    Ready,
    Waiting(Pin<Box<Sleep>>),
    /// The same again and again.
    Repeating {
        bytes: Bytes,
        interval: Duration,
        next: Pin<Box<Sleep>>,
    },
    Stalled,
    /// What was sent before must be flushed before the connection breaks.
    Breaking {
        reset: bool,
    },
}

impl Playback {
    /// Without a ticket the answer is not counted.
    pub(crate) fn new(plan: Plan, ticket: Option<Ticket>, closing: Arc<Closing>) -> Self {
        let Plan { steps, announced } = plan;
        let steps = steps.into_iter();
        Self { steps, announced, sent: 0, ticket, closing, state: State::Ready }
    }

    fn end(&mut self, outcome: Outcome) {
        if let Some(mut ticket) = self.ticket.take() {
            ticket.end(outcome);
        }
    }
}

/// The error that makes the server give up a connection on purpose.
pub(crate) fn broken_on_purpose() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "broken on purpose")
}

impl Body for Playback {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = self.get_mut();
        loop {
            match &mut this.state {
                State::Ready => {}
                State::Stalled => return Poll::Pending,
                State::Waiting(sleep) => {
                    std::task::ready!(sleep.as_mut().poll(cx));
                    this.state = State::Ready;
                }
                State::Repeating { bytes, interval, next } => {
                    std::task::ready!(next.as_mut().poll(cx));
                    *next = Box::pin(tokio::time::sleep(*interval));
                    return Poll::Ready(Some(Ok(Frame::data(bytes.clone()))));
                }
                State::Breaking { reset } => {
                    let outcome = if *reset { Outcome::Reset } else { Outcome::Cut };
                    if *reset {
                        this.closing.ask_for_reset();
                    }
                    this.end(outcome);
                    return Poll::Ready(Some(Err(broken_on_purpose())));
                }
            }
            match this.steps.next() {
                None => {
                    this.end(Outcome::Completed);
                    return Poll::Ready(None);
                }
                Some(Step::Wait(time)) => {
                    this.state = State::Waiting(Box::pin(tokio::time::sleep(time)));
                }
                Some(Step::Repeat { bytes, interval }) => {
                    let next = Box::pin(tokio::time::sleep(interval));
                    this.state = State::Repeating { bytes, interval, next };
                }
                Some(Step::Stall) => this.state = State::Stalled,
                Some(Step::Cut) => return this.break_after_flush(cx, false),
                Some(Step::Reset) => return this.break_after_flush(cx, true),
                Some(Step::Send(bytes)) => {
                    this.sent += bytes.len() as u64;
                    if this.steps.as_slice().is_empty() {
                        this.end(Outcome::Completed);
                    }
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.steps.as_slice().is_empty() && matches!(self.state, State::Ready)
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.announced.map(|length| length.saturating_sub(self.sent));
        rest.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Playback {
    /// Pending makes the server write out what it has; the next poll breaks the connection.
    fn break_after_flush<T>(&mut self, cx: &Context<'_>, reset: bool) -> Poll<T> {
        self.state = State::Breaking { reset };
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
