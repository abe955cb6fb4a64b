//! The body of an answer, frame by frame, and its honest end.
//!
//! Nothing is collected: a frame that the router hands over is the next piece of the response.
//! Dropping the body drops the frames, which cancels the call down to the provider. An answer
//! that broke never looks like one that ended: a stream closes with an error event and without
//! the event that ends streams of its format, anything else with a broken transfer.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use http_body::Frame as Piece;
use tokio::time::{Sleep, sleep};
use weir_dialect::format;
use weir_framing::{Framing, Writer};
use weir_rpc::{End, Frame, FrameStream};
use weir_types::{Fault, FaultCode};

use crate::Settings;
use crate::error;
use crate::quiet::Quiet;
use crate::record::{Outcome, Record};

/// The answer itself broke.
#[derive(Debug, thiserror::Error)]
#[error("the answer broke: {0}")]
pub(crate) struct Cut(Fault);

/// How long an answer may take, and how long it may be silent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    most: Option<Duration>,
    quiet: Option<Duration>,
}

impl Times {
    pub(crate) fn of(settings: &Settings) -> Self {
        Self { most: settings.stream_time_max, quiet: settings.stream_quiet_max }
    }
}

/// A body that is relayed.
pub(crate) struct StreamBody {
    /// Before `record`: the work behind an answer ends before the answer counts as ended.
    frames: Option<FrameStream>,
    record: Option<Record>,
    /// Frames that were taken before the head was written.
    ahead: VecDeque<Frame>,
    /// Events, so that an error can be told as one more event.
    events: bool,
    /// How many line feeds the bytes so far end with, up to 2.
    line_feeds: u8,
    begun: bool,
    /// When it has taken too long, and how long that is.
    over: Option<(Pin<Box<Sleep>>, Duration)>,
    /// Set where the format can say that nothing is said.
    quiet: Option<Quiet>,
}

impl StreamBody {
    /// A body of `ahead` and then what `frames` bring, within `times`.
    pub(crate) fn body(
        frames: FrameStream,
        record: Record,
        ahead: Vec<Frame>,
        events: bool,
        times: Times,
    ) -> Body {
        let Times { most, quiet } = times;
        let says = |after| {
            let is_sse = events && record.framing == Framing::Sse;
            is_sse.then(|| Quiet::new(after, format(record.dialect).keep_alive()))
        };
        let quiet = quiet.and_then(says);
        Body::new(Self {
            frames: Some(frames),
            record: Some(record),
            ahead: ahead.into(),
            events,
            line_feeds: 2,
            begun: false,
            over: most.map(|most| (Box::pin(sleep(most)), most)),
            quiet,
        })
    }

    /// The end of an answer that takes too long.
    fn overdue(&mut self, cx: &mut Context<'_>) -> Option<End> {
        let (sleep, most) = self.over.as_mut()?;
        if sleep.as_mut().poll(cx).is_pending() {
            return None;
        }
        let text = format!(
            "the answer took longer than {} s, which is what one may take (--stream-seconds-max)",
            most.as_secs_f64()
        );
        let fault = Some(Fault::new(FaultCode::DeadlineExceeded, text));
        Some(End { fault, ..End::default() })
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Frame>> {
        if let Some(frame) = self.ahead.pop_front() {
            return Poll::Ready(Some(frame));
        }
        let Some(frames) = &mut self.frames else { return Poll::Ready(None) };
        // A panic would take the whole connection with it, and the client could not tell why.
        let polled = catch_unwind(AssertUnwindSafe(|| frames.poll_next_unpin(cx)));
        polled.unwrap_or_else(|_| {
            let fault = Fault::new(FaultCode::Internal, "a defect of the gateway ended the answer");
            let end = End { fault: Some(fault), ..End::default() };
            Poll::Ready(Some(Frame::End(Box::new(end))))
        })
    }

    fn note(&mut self, chunk: &Bytes) {
        if !self.begun {
            self.begun = true;
            if let Some(record) = &mut self.record {
                record.first_byte();
            }
        }
        if let Some(quiet) = &mut self.quiet {
            quiet.broken();
        }
        if self.events {
            self.line_feeds = trailing_line_feeds(chunk, self.line_feeds);
        }
    }

    /// The answer is over; the last piece of one that broke.
    fn end(&mut self, end: End) -> Option<Result<Piece<Bytes>, Cut>> {
        self.frames = None;
        let mut record = self.record.take()?;
        record.cost(end.usage, end.finish);
        let Some(fault) = end.fault else {
            record.ended(Outcome::Complete);
            return None;
        };
        record.failed(&fault);
        let event = self.events.then(|| self.error_event(&fault, &record));
        record.ended(Outcome::Broken);
        Some(event.map(Piece::data).ok_or(Cut(fault)))
    }

    fn error_event(&self, fault: &Fault, record: &Record) -> Bytes {
        let mut writer = Writer::continued(record.framing);
        format(record.dialect).error_event(&error::described(fault, record), &mut writer);
        writer.end();
        let event = writer.take();
        if record.framing != Framing::Sse {
            return event;
        }
        // An event that was cut in the middle is ended, so that ours is read as one.
        let gap = &b"\n\n"[usize::from(self.line_feeds.min(2))..];
        if gap.is_empty() { event } else { [gap, &event].concat().into() }
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

impl http_body::Body for StreamBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Piece<Bytes>, Cut>>> {
        loop {
            if self.record.is_none() {
                return Poll::Ready(None);
            }
            let is_between = self.line_feeds >= 2;
            if let Some(end) = self.overdue(cx) {
                return Poll::Ready(self.end(end));
            }
            let end = match self.poll_next(cx) {
                // Nothing goes into the middle of an event.
                Poll::Pending => match &mut self.quiet {
                    Some(quiet) if is_between => {
                        let says = std::task::ready!(quiet.poll(cx));
                        return Poll::Ready(Some(Ok(Piece::data(says))));
                    }
                    _ => return Poll::Pending,
                },
                Poll::Ready(Some(Frame::Chunk(chunk))) if chunk.is_empty() => continue,
                Poll::Ready(Some(Frame::Chunk(chunk))) => {
                    self.note(&chunk);
                    return Poll::Ready(Some(Ok(Piece::data(chunk))));
                }
                Poll::Ready(Some(Frame::End(end))) => *end,
                Poll::Ready(None) => End { fault: Some(stopped()), ..End::default() },
            };
            return Poll::Ready(self.end(end));
        }
    }

    fn is_end_stream(&self) -> bool {
        self.record.is_none()
    }
}

impl Drop for StreamBody {
    /// A client that closes as soon as it has the last byte did not leave early: the end may be there
    /// already and only not be taken yet.
    fn drop(&mut self) {
        let (Some(frames), Some(_)) = (&mut self.frames, &self.record) else { return };
        let taken = AssertUnwindSafe(|| match self.ahead.pop_front() {
            Some(frame) => Some(frame),
            None => frames.next().now_or_never().flatten(),
        });
        if let Ok(Some(Frame::End(end))) = catch_unwind(taken) {
            self.end(*end);
            return;
        }
        self.frames = None;
    }
}

/// The fault of an answer whose frames stopped without an end.
pub(crate) fn stopped() -> Fault {
    Fault::new(
        FaultCode::LinkBroken,
        "the answer stopped in the middle; nothing says that it ended",
    )
}
