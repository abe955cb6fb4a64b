//! Streams: up to the commit point a failure is an attempt that failed, after it the truth is
//! told at the end and never a false `[DONE]`.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use http::header::CONTENT_TYPE;
use http::response::Parts;
use tokio::time::{Instant, Sleep, timeout_at};
use weir_framing::sse::DONE;
use weir_provider::StreamEnd;
use weir_rpc::{End, Frame, Reply, ReplyHead};
use weir_types::{FailureClass, Fault, FaultCode};
use weir_upstream::{Body, Error};

use crate::answer::{collect, error_in_band};
use crate::attempt::Call;
use crate::events::{Broken, Events, Step};
use crate::{fault, headers, unary};

/// After `[DONE]` the body is read to its end, so that the connection can be used again; not for
/// longer than this.
const DRAIN_MAX: Duration = Duration::from_millis(200);
/// Where a finish reason is the end, what follows it (usage) is waited for, but not for longer.
const AFTER_FINISH_MAX: Duration = Duration::from_secs(2);
/// Of an answer that should have been a stream no more is looked at.
const NO_STREAM_BYTES_MAX: usize = 1 << 20;

/// Why a stream ended without its end.
enum Cause {
    Broken(Broken),
    Connection(Error),
    EndedEarly,
    Stalled,
}

enum State {
    Relaying,
    /// `[DONE]` has been seen.
    Draining,
    /// Only the end frame is left.
    Ending,
    Ended,
}

/// A stream that has reached its commit point.
pub(crate) struct Opened {
    head: ReplyHead,
    pipe: Pipe,
    cause: Option<Cause>,
}

/// The bytes between provider and client.
struct Pipe {
    body: Option<Body>,
    events: Events,
    out: VecDeque<Bytes>,
    state: State,
    stream_end: StreamEnd,
}

/// Reads a stream up to its commit point.
pub(crate) async fn open(call: &Call, head: Parts, body: Body) -> Result<Opened, Fault> {
    unary::check_encoding(&call.shared, &head)?;
    let content_type = headers::text(&head.headers, CONTENT_TYPE);
    let is_events = content_type.trim_start().to_ascii_lowercase().starts_with("text/event-stream");
    if !content_type.is_empty() && !is_events {
        return Err(no_stream(call, content_type, body).await);
    }
    let mut pipe = Pipe {
        body: Some(body),
        events: Events::default(),
        out: VecDeque::new(),
        state: State::Relaying,
        stream_end: call.shared.stream_end,
    };
    let mut cause = None;
    while !pipe.events.is_committed {
        let Some(body) = &mut pipe.body else { break };
        let Ok(item) = timeout_at(call.limit.at, body.chunk()).await else {
            return Err(fault::timed_out(&call.shared, "no content in time", call.limit));
        };
        cause = pipe.feed(item).err();
        if let (Some(cause), false) = (&mut cause, pipe.events.is_committed) {
            return Err(before_commit(call, cause));
        }
    }
    call.first_content();
    Ok(Opened { head: call.reply_head(&head), pipe, cause })
}

/// A success that is not a stream: an error after all, or nothing that can be used.
async fn no_stream(call: &Call, content_type: &str, body: Body) -> Fault {
    let body = collect(body, NO_STREAM_BYTES_MAX, call.limit.at).await.bytes;
    let answer = weir_dialect::openai_chat::answer::read(&body);
    if answer.is_ok_and(|answer| answer.is_error) {
        return error_in_band(call.asked(), body);
    }
    let why = format!("a stream was asked for, the answer is {content_type}");
    fault::broken(&call.shared, &why, FailureClass::Transient)
}

fn before_commit(call: &Call, cause: &mut Cause) -> Fault {
    let shared = &call.shared;
    match cause {
        Cause::Broken(Broken::Error(data)) => error_in_band(call.asked(), std::mem::take(data)),
        Cause::Broken(Broken::Garbage(why)) => fault::broken(shared, why, FailureClass::Transient),
        Cause::Connection(error) => fault::of_call(shared, error, call.limit),
        Cause::EndedEarly => {
            let why = "the stream ended before any content";
            fault::broken(shared, why, FailureClass::Transient)
        }
        Cause::Stalled => fault::timed_out(shared, "the stream stalled", call.limit),
    }
}

fn after_commit(call: &Call, cause: Cause) -> Fault {
    let shared = &call.shared;
    let cut = |why: &str| fault::broken(shared, why, FailureClass::Cut);
    match cause {
        Cause::Broken(Broken::Error(data)) => {
            error_in_band(call.asked(), data).with_class(FailureClass::Cut)
        }
        Cause::Broken(Broken::Garbage(why)) => cut(why),
        Cause::Connection(error) => cut(&error.to_string()),
        Cause::EndedEarly => cut("the stream ended without a finish reason"),
        Cause::Stalled => {
            let idle = shared.timeouts.stream_idle.as_secs_f64();
            let message = format!("{}: the stream stalled for {idle} s", shared.provider);
            Fault::new(FaultCode::UpstreamTimedOut, message).with_class(FailureClass::Cut)
        }
    }
}

impl Pipe {
    /// Takes what the connection gave: bytes, its end, or its failure.
    fn feed(&mut self, item: Option<Result<Bytes, Error>>) -> Result<(), Cause> {
        match item {
            Some(Ok(chunk)) => match self.events.take(chunk, &mut self.out) {
                Step::More => Ok(()),
                Step::Done => {
                    self.state = State::Draining;
                    Ok(())
                }
                Step::Broken(broken) => Err(self.broke(Cause::Broken(broken))),
            },
            Some(Err(error)) => self.silence(Cause::Connection(error)),
            None => match self.events.finish(&mut self.out) {
                Step::Broken(broken) => Err(self.broke(Cause::Broken(broken))),
                Step::Done => {
                    self.close();
                    Ok(())
                }
                Step::More if self.events.finish.is_some() => {
                    self.complete();
                    Ok(())
                }
                Step::More => Err(self.broke(Cause::EndedEarly)),
            },
        }
    }

    /// No more bytes will come, but not in good order. Enough for a provider that ends its
    /// streams with a finish reason, if that has been seen.
    fn silence(&mut self, cause: Cause) -> Result<(), Cause> {
        if !self.is_complete() {
            return Err(self.broke(cause));
        }
        self.complete();
        Ok(())
    }

    /// All has been said that this provider says at the end of a stream.
    fn is_complete(&self) -> bool {
        self.events.finish.is_some() && self.stream_end == StreamEnd::FinishReasonEnough
    }

    /// All is said, only `[DONE]` is missing.
    fn complete(&mut self) {
        self.events.commit(&mut self.out);
        self.out.push_back(Bytes::from_static(DONE));
        self.close();
    }

    fn broke(&mut self, cause: Cause) -> Cause {
        self.close();
        cause
    }

    fn close(&mut self) {
        self.body = None;
        self.state = State::Ending;
    }
}

impl Opened {
    /// The reply; `call` lives as long as its frames.
    pub(crate) fn into_reply(self, call: Call) -> Reply {
        let fault = self.cause.map(|cause| after_commit(&call, cause));
        let idle = call.shared.timeouts.stream_idle;
        let is_draining = matches!(self.pipe.state, State::Draining);
        let first = if is_draining { DRAIN_MAX } else { idle };
        let relay = Relay {
            call,
            pipe: self.pipe,
            fault,
            idle,
            waiting_since: None,
            sleep: Box::pin(tokio::time::sleep(first)),
        };
        Reply { head: self.head, frames: Box::pin(relay) }
    }
}

/// The frames after the commit point.
struct Relay {
    /// Before `call`, which counts the connection as free when it goes.
    pipe: Pipe,
    call: Call,
    fault: Option<Fault>,
    idle: Duration,
    /// Since when nothing has come although it was asked for. A slow reader is not a stall.
    waiting_since: Option<Instant>,
    sleep: Pin<Box<Sleep>>,
}

impl Relay {
    fn take(&mut self, item: Option<Result<Bytes, Error>>) {
        self.waiting_since = None;
        if let Err(cause) = self.pipe.feed(item) {
            self.fault = Some(after_commit(&self.call, cause));
        }
        if matches!(self.pipe.state, State::Draining) {
            self.sleep.as_mut().reset(Instant::now() + DRAIN_MAX);
        }
    }

    /// Whether the provider has been silent for too long. The timer is moved only when it rings,
    /// not with every chunk.
    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let is_complete = self.pipe.is_complete();
        let limit = if is_complete { self.idle.min(AFTER_FINISH_MAX) } else { self.idle };
        let since = match self.waiting_since {
            Some(since) => since,
            None => {
                let now = Instant::now();
                self.waiting_since = Some(now);
                if is_complete {
                    self.sleep.as_mut().reset(now + limit);
                }
                now
            }
        };
        loop {
            std::task::ready!(self.sleep.as_mut().poll(cx));
            let end = since + limit;
            if Instant::now() >= end {
                return Poll::Ready(());
            }
            self.sleep.as_mut().reset(end);
        }
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        match &mut self.pipe.body {
            Some(body) => body.poll_chunk(cx),
            None => Poll::Ready(None),
        }
    }

    fn end(&mut self) -> Frame {
        self.pipe.state = State::Ended;
        let events = &mut self.pipe.events;
        let finish = events.finish.take();
        let fault = self.fault.take();
        self.call.ended(&events.usage, finish.as_deref(), fault.as_ref());
        Frame::End(Box::new(End { usage: events.usage, finish, fault }))
    }
}

impl Stream for Relay {
    type Item = Frame;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Frame>> {
        let this = &mut *self;
        loop {
            if let Some(chunk) = this.pipe.out.pop_front() {
                return Poll::Ready(Some(Frame::Chunk(chunk)));
            }
            match this.pipe.state {
                State::Ended => return Poll::Ready(None),
                State::Ending => return Poll::Ready(Some(this.end())),
                State::Draining => match this.poll_body(cx) {
                    Poll::Ready(Some(Ok(_))) => {}
                    Poll::Ready(_) => this.pipe.close(),
                    Poll::Pending => {
                        std::task::ready!(this.sleep.as_mut().poll(cx));
                        this.pipe.close();
                    }
                },
                State::Relaying => match this.poll_body(cx) {
                    Poll::Ready(item) => this.take(item),
                    Poll::Pending => {
                        std::task::ready!(this.poll_stalled(cx));
                        if let Err(cause) = this.pipe.silence(Cause::Stalled) {
                            this.fault = Some(after_commit(&this.call, cause));
                        }
                    }
                },
            }
        }
    }
}
