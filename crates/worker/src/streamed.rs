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
use tokio::time::{Instant, Sleep};
use weir_provider::StreamEnd;
use weir_rpc::{End, Frame, Reply, ReplyHead};
use weir_types::{FailureClass, Fault, FaultCode, Usage};
use weir_upstream::{Body, Error};

use crate::beginning::{next, unfolded};
use crate::breakage::{Cause, after_commit, before_commit};
use crate::call::Call;
use crate::memory::Held;
use crate::rejection::without_mark;
use crate::signs::Signs;
use crate::stream::{Broken, Events, Step};
use crate::{headers, looks};

/// After the last event the body is read to its end, so that the connection can be used again; not
/// for longer than this.
const DRAIN_MAX: Duration = Duration::from_millis(200);
/// What follows a finish reason (usage, the event that ends the stream) is waited for, but not for
/// longer, whatever keeps the connection busy.
const AFTER_FINISH_MAX: Duration = Duration::from_secs(2);

const NO_ROOM: &str = "there is no room for a long event (client.max_buffered_answers_mb)";

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
    /// The room that an event takes which is not complete.
    held: Held,
}

/// Reads a stream up to its commit point.
pub(crate) async fn open(call: &Call, head: Parts, body: Body) -> Result<Streamed, Fault> {
    let framing = call.framings.provider;
    let content_type = headers::text(&head.headers, CONTENT_TYPE);
    let wanted = framing.media_type();
    let is_called_so = content_type.trim_start().to_ascii_lowercase().starts_with(wanted);
    let mut body = body;
    let (first, rest) = match next(call, &mut body, None).await? {
        Some(Ok(chunk)) => {
            let chunk = without_mark(chunk);
            if looks::like_stream(framing, is_called_so, &chunk) {
                (Some(Ok(chunk)), Some(body))
            } else {
                (Some(Ok(Box::pin(unfolded(call, content_type, chunk, body)).await?)), None)
            }
        }
        ended => (ended, Some(body)),
    };
    let pace = call.shared.timeouts.pace;
    let Some(events) = Events::new(&call.way, call.operation, call.framings, pace) else {
        let provider = &call.shared.provider;
        let message = format!("streams of {provider} are not translated for this client's format");
        return Err(Fault::new(FaultCode::UnsupportedOperation, message)
            .with_class(FailureClass::Elsewhere));
    };
    let mut pipe = Pipe {
        body: rest,
        events,
        out: VecDeque::new(),
        state: State::Relaying,
        stream_end: call.shared.stream_end,
        waits_for_usage: call.shared.waits_for_usage,
        held: call.shared.memory.hold(),
    };
    let mut item = first;
    let mut proved_until = None;
    let cause = loop {
        let mut cause = pipe.feed(item).err();
        if let (Some(cause), false) = (&mut cause, pipe.events.is_committed()) {
            return Err(before_commit(call, cause));
        }
        if pipe.events.is_committed() {
            break cause;
        }
        if let (Some(pace), None, true) = (pace, proved_until, pipe.events.is_proving()) {
            let until = (Instant::now() + pace.time()).min(call.limit.deadline);
            proved_until = Some((until, pace));
        }
        item = match &mut pipe.body {
            Some(body) => next(call, body, proved_until).await?,
            // All of an answer that came as a whole has been fed.
            None => None,
        };
    };
    call.first_content();
    let mut head = call.reply_head(&head, &pipe.events.losses());
    head.kept = call.kept(pipe.events.id());
    if call.way.is_translated() || call.framings.client != framing || !is_called_so {
        call.framings.client.media_type().clone_into(&mut head.content_type);
    }
    Ok(Streamed { head, pipe, cause })
}

impl Pipe {
    /// Takes what the connection gave: bytes, its end, or its failure.
    fn feed(&mut self, item: Option<Result<Bytes, Error>>) -> Result<(), Cause> {
        match item {
            Some(Ok(chunk)) => match self.events.take(chunk, &mut self.out) {
                Step::More if self.held.resize(self.events.carried()).is_err() => {
                    Err(self.broke(Cause::Broken(Broken::Garbage(NO_ROOM))))
                }
                Step::More => Ok(()),
                Step::Done => {
                    self.drain();
                    Ok(())
                }
                Step::Broken(broken) => Err(self.broke(Cause::Broken(broken))),
            },
            // Enough for a provider that ends its streams with a finish reason, if that has been seen.
            Some(Err(error)) if !self.is_complete() => Err(self.broke(Cause::Connection(error))),
            Some(Err(_)) => self.complete(),
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

    /// Nothing has come for too long. All has been said if there is a finish reason.
    fn silence(&mut self) -> Result<(), Cause> {
        if !self.events.is_finished() {
            return Err(self.broke(Cause::Stalled));
        }
        self.complete()
    }

    /// All has been said that this provider says at the end of a stream.
    fn is_complete(&self) -> bool {
        self.events.is_finished() && self.stream_end == StreamEnd::FinishReasonEnough
    }

    /// There is a finish reason, and nothing is to be waited for that has not come yet.
    fn is_settled(&self) -> bool {
        self.events.is_finished()
            && (!self.waits_for_usage || self.events.sum().0 != Usage::default())
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
    /// The reply; `call` lives as long as its frames. `is_held`: nobody sees them before their end.
    pub(crate) fn into_reply(self, call: Call, is_held: bool) -> Reply {
        let fault = self.cause.map(|cause| after_commit(&call, cause, is_held));
        let idle = call.stream_idle;
        let signs = Signs::new(call.shared.timeouts.stream_comments);
        let relay = StreamBody {
            call,
            is_held,
            pipe: self.pipe,
            fault,
            idle,
            waiting_since: None,
            signs,
            settled_since: None,
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
    is_held: bool,
    fault: Option<Fault>,
    idle: Duration,
    /// Since when nothing has come although it was asked for. A slow reader is not a stall.
    waiting_since: Option<Instant>,
    signs: Signs,
    /// Since when there has been a finish reason.
    settled_since: Option<Instant>,
    sleep: Pin<Box<Sleep>>,
}

impl StreamBody {
    fn take(&mut self, item: Option<Result<Bytes, Error>>) {
        let waited_since = self.waiting_since.take();
        let fed = self.pipe.feed(item);
        if self.signs.note(self.pipe.events.heard(), waited_since) {
            self.pipe.events.look_closely();
        }
        self.note(fed);
        // A flood leaves no time to wait.
        let is_over = self.settled_since.is_some_and(|at| at.elapsed() >= self.grace());
        if is_over && self.pipe.state == State::Relaying {
            let ended = self.pipe.silence();
            self.note(ended);
        }
    }

    fn note(&mut self, fed: Result<(), Cause>) {
        if let Err(mut cause) = fed {
            if matches!(cause, Cause::Stalled) && self.signs.are_over() {
                cause = Cause::SaysNothing;
            }
            self.fault = Some(after_commit(&self.call, cause, self.is_held));
        }
    }

    fn grace(&self) -> Duration {
        self.idle.min(AFTER_FINISH_MAX)
    }

    /// When the provider, of which nothing has come since `since`, has been silent for too long.
    fn end_of_patience(&mut self, since: Instant) -> Instant {
        if self.pipe.is_settled() {
            return *self.settled_since.get_or_insert(since) + self.grace();
        }
        let idle = since + self.idle;
        self.signs.end().map_or(idle, |end| idle.min(end))
    }

    /// Whether the provider has been silent for too long. The timer is moved only when it rings,
    /// not with every chunk.
    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let begins = self.waiting_since.is_none();
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        let end = self.end_of_patience(since);
        if begins && end < since + self.idle {
            self.sleep.as_mut().reset(end);
        }
        loop {
            std::task::ready!(self.sleep.as_mut().poll(cx));
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
        let usage = self.call.cost(usage);
        let mut fault = self.fault.take();
        let finish = finish.map(|finish| self.call.without_secrets(finish));
        self.call.ended(&usage, finish.as_deref(), fault.as_mut());
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
                        let ended = this.pipe.silence();
                        this.note(ended);
                    }
                },
            }
        }
    }
}
