//! Streams: up to the commit point a failure is an attempt that failed, after it the truth is
//! told at the end, and never a false one.
//!
//! The end is told as soon as the provider's last event is there. What the connection still has to
//! say after it is read behind the answer's back, so that neither the client nor its slot waits.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use futures_util::FutureExt;
use http::header::CONTENT_TYPE;
use http::response::Parts;
use tokio::time::{Instant, Sleep, timeout_at};
use weir_dialect::Garbage;
use weir_provider::StreamEnd;
use weir_rpc::{End, Frame, Reply, ReplyHead};
use weir_types::{FailureClass, Fault, FaultCode, Usage};
use weir_upstream::{Body, Error};

use crate::call::{Call, Limit};
use crate::rejection::{collect, error_in_band};
use crate::settings::Pace;
use crate::stream::{Broken, Events, Step};
use crate::{fault, headers, whole};

/// After the last event the body is read to its end, so that the connection can be used again; not
/// for longer than this.
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

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Relaying,
    /// Only the end frame is left.
    Ending,
    Ended,
}

/// A stream that has reached its commit point.
pub(crate) struct Streamed {
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
    waits_for_usage: bool,
}

/// Reads a stream up to its commit point.
pub(crate) async fn open(call: &Call, head: Parts, body: Body) -> Result<Streamed, Fault> {
    whole::check_encoding(&call.shared, &head)?;
    let content_type = headers::text(&head.headers, CONTENT_TYPE);
    let wanted = call.framings.provider.media_type();
    let is_events = content_type.trim_start().to_ascii_lowercase().starts_with(wanted);
    if !content_type.is_empty() && !is_events {
        return Err(no_stream(call, content_type, body).await);
    }
    let pace = call.shared.timeouts.pace;
    let Some(events) = Events::new(&call.way, call.framings, pace) else {
        let provider = &call.shared.provider;
        let message = format!("streams of {provider} are not translated for this client's format");
        return Err(Fault::new(FaultCode::UnsupportedOperation, message)
            .with_class(FailureClass::Unsupported));
    };
    let mut pipe = Pipe {
        body: Some(body),
        events,
        out: VecDeque::new(),
        state: State::Relaying,
        stream_end: call.shared.stream_end,
        waits_for_usage: call.shared.waits_for_usage,
    };
    let mut cause = None;
    let mut proved_until = None;
    while !pipe.events.is_committed() {
        let Some(body) = &mut pipe.body else { break };
        let Ok(item) = timeout_at(proved_until.unwrap_or(call.limit.at), body.chunk()).await else {
            return Err(too_slow(call, proved_until.and(pace)));
        };
        cause = pipe.feed(item).err();
        if let (Some(cause), false) = (&mut cause, pipe.events.is_committed()) {
            return Err(before_commit(call, cause));
        }
        if let (Some(pace), None, true) = (pace, proved_until, pipe.events.is_proving()) {
            proved_until = Some((Instant::now() + pace.time()).min(call.limit.deadline));
        }
    }
    call.first_content();
    let mut head = call.reply_head(&head, &pipe.events.losses());
    if call.way.is_translated() || call.framings.client != call.framings.provider {
        call.framings.client.media_type().clone_into(&mut head.content_type);
    }
    Ok(Streamed { head, pipe, cause })
}

/// A success that is not a stream: an error after all, or nothing that can be used.
async fn no_stream(call: &Call, content_type: &str, body: Body) -> Fault {
    let body = collect(body, NO_STREAM_BYTES_MAX, call.limit.at).await.bytes;
    let answer = call.way.provider().observe_answer(&body);
    if answer.is_ok_and(|answer| answer.is_error) {
        return error_in_band(call.error_context(), body);
    }
    let why = format!("a stream was asked for, the answer is {content_type}");
    fault::broken(&call.shared, &why, FailureClass::Transient)
}

/// The commit point did not come in time: nothing has come, or not as much as is wanted.
fn too_slow(call: &Call, pace: Option<Pace>) -> Fault {
    let Some(pace) = pace else {
        return fault::timed_out(&call.shared, "no content in time", call.limit);
    };
    let why = format!(
        "the stream brings less than {} characters a second (stream_throughput_guard)",
        pace.characters_per_second
    );
    let is_requests = Instant::now() >= call.limit.deadline;
    fault::timed_out(&call.shared, &why, Limit { is_requests, ..call.limit })
}

fn before_commit(call: &Call, cause: &mut Cause) -> Fault {
    let shared = &call.shared;
    match cause {
        Cause::Broken(Broken::Error(data)) => {
            error_in_band(call.error_context(), std::mem::take(data))
        }
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
            error_in_band(call.error_context(), data).with_class(FailureClass::Cut)
        }
        Cause::Broken(Broken::Garbage(why)) => cut(why),
        Cause::Connection(error) => cut(&error.to_string()),
        Cause::EndedEarly => cut(Garbage::ENDS_EARLY.0),
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
                    self.drain();
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
                Step::More if self.events.may_end() => self.complete(),
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
        self.complete()
    }

    /// All has been said that this provider says at the end of a stream.
    fn is_complete(&self) -> bool {
        self.events.is_finished() && self.stream_end == StreamEnd::FinishReasonEnough
    }

    /// The same, and nothing is to be waited for that has not come yet.
    fn is_settled(&self) -> bool {
        self.is_complete() && (!self.waits_for_usage || self.events.sum().0 != Usage::default())
    }

    /// All is said, only the event that ends the stream is missing.
    fn complete(&mut self) -> Result<(), Cause> {
        if let Step::Broken(broken) = self.events.complete(&mut self.out) {
            return Err(self.broke(Cause::Broken(broken)));
        }
        self.close();
        Ok(())
    }

    /// The last event is there. What the connection still says is read behind the answer's back:
    /// a client that closes when it has its answer is not one that left early.
    fn drain(&mut self) {
        self.state = State::Ending;
        let Some(mut body) = self.body.take() else { return };
        let mut rest = Box::pin(async move { while let Some(Ok(_)) = body.chunk().await {} });
        // Most providers send the end together with their last event.
        if rest.as_mut().now_or_never().is_none() {
            tokio::spawn(async move { tokio::time::timeout(DRAIN_MAX, rest).await });
        }
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

impl Streamed {
    /// The reply; `call` lives as long as its frames.
    pub(crate) fn into_reply(self, call: Call) -> Reply {
        let fault = self.cause.map(|cause| after_commit(&call, cause));
        let idle = call.shared.timeouts.stream_idle;
        let relay = StreamBody {
            call,
            pipe: self.pipe,
            fault,
            idle,
            waiting_since: None,
            sleep: Box::pin(tokio::time::sleep(idle)),
        };
        Reply { head: self.head, frames: Box::pin(relay) }
    }
}

/// The frames after the commit point.
struct StreamBody {
    /// Before `call`, which counts the connection as free when it goes.
    pipe: Pipe,
    call: Call,
    fault: Option<Fault>,
    idle: Duration,
    /// Since when nothing has come although it was asked for. A slow reader is not a stall.
    waiting_since: Option<Instant>,
    sleep: Pin<Box<Sleep>>,
}

impl StreamBody {
    fn take(&mut self, item: Option<Result<Bytes, Error>>) {
        self.waiting_since = None;
        if let Err(cause) = self.pipe.feed(item) {
            self.fault = Some(after_commit(&self.call, cause));
        }
    }

    /// Whether the provider has been silent for too long. The timer is moved only when it rings,
    /// not with every chunk.
    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let is_settled = self.pipe.is_settled();
        let limit = if is_settled { self.idle.min(AFTER_FINISH_MAX) } else { self.idle };
        let since = match self.waiting_since {
            Some(since) => since,
            None => {
                let now = Instant::now();
                self.waiting_since = Some(now);
                if is_settled {
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
        let (usage, finish) = self.pipe.events.sum();
        let fault = self.fault.take();
        self.call.ended(&usage, finish, fault.as_ref());
        let finish = finish.map(str::to_owned);
        Frame::End(Box::new(End { usage, finish, fault }))
    }
}

impl Stream for StreamBody {
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
