//! The body of an answer on its way back, and what lives as long as it does: slot and spans.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use weir_quota::Outcome;
use weir_rpc::{End, Frame, FrameStream, Reply, ReplyHead};
use weir_telemetry::Span;
use weir_types::{FailureClass, Fault, FaultCode, KeyName, Side};

use crate::admission::{Lease, Watch};
use crate::breaker::{Breakers, Outage};
use crate::catalog::Target;
use crate::plan::{Action, Conclusion, classify, learn};

/// An answer whose head has arrived.
pub(super) struct Answered {
    pub(super) head: ReplyHead,
    pub(super) frames: FrameStream,
    pub(super) held: Held,
}

/// How attempts ended of which one may have been beside the other.
pub(super) enum Tried {
    /// One of them answered.
    Answered(Answered),
    /// The only one that is left failed; its slot is held.
    Failed(Fault),
    /// The plan says what is next.
    Next(Action),
}

impl From<Result<Answered, Fault>> for Tried {
    fn from(result: Result<Answered, Fault>) -> Self {
        match result {
            Ok(answered) => Self::Answered(answered),
            Err(fault) => Self::Failed(fault),
        }
    }
}

/// What is given back when the answer has ended, in whatever way.
pub(super) struct Held {
    lease: Option<Lease>,
    target: Arc<Target>,
    breakers: Arc<Breakers>,
    /// Inner ones first.
    spans: Vec<Span>,
}

/// Passes frames on. The worker's stream is dropped before the slot is given back.
struct LeasedFrames {
    frames: Option<FrameStream>,
    held: Held,
    watch: Watch,
}

// === impl Answered ===

impl Answered {
    /// The answer for the edge.
    pub(super) fn into_reply(self) -> Reply {
        let relay =
            LeasedFrames { frames: Some(self.frames), held: self.held, watch: Watch::new() };
        Reply { head: self.head, frames: Box::pin(relay) }
    }
}

// === impl Held ===

impl Held {
    pub(super) fn new(lease: Option<Lease>, target: Arc<Target>, breakers: Arc<Breakers>) -> Self {
        Self { lease, target, breakers, spans: Vec::with_capacity(2) }
    }

    /// Ends `span` with the answer.
    pub(super) fn keep(&mut self, span: Span) {
        if span.is_recording() {
            self.spans.push(span);
        }
    }

    /// The answer is complete, or broke as `fault` says.
    fn end(&mut self, fault: Option<&Fault>) {
        if let Some(fault) = fault {
            for span in &mut self.spans {
                span.fail(fault.code.kind(), &fault.detail.message);
            }
        }
        if let Some(lease) = self.lease.take() {
            let proves = fault.is_none() && lease.may_probe();
            if fault.is_none() {
                self.breakers.answered(|| self.target.place(lease.key()));
            }
            let conclusion = match fault {
                Some(fault) => {
                    let outage = outage(&self.breakers, fault, lease.key(), &self.target);
                    Some(Conclusion::Failed { fault, may_probe: lease.may_probe(), outage })
                }
                None if proves => Some(Conclusion::Answered),
                None => None,
            };
            let learned = |conclusion| learn(conclusion, lease.key(), &self.target);
            let outcome = conclusion.map_or_else(Outcome::default, learned);
            lease.settle(outcome);
        }
        self.spans.clear();
    }
}

// === impl LeasedFrames ===

impl Stream for LeasedFrames {
    type Item = Frame;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Frame>> {
        let this = &mut *self;
        let Some(frames) = &mut this.frames else {
            return Poll::Ready(None);
        };
        let is_lost = |lease: &Lease| lease.poll_lost(&mut this.watch, context).is_ready();
        if this.held.lease.as_ref().is_some_and(is_lost) {
            // The call first, then the slot.
            this.frames = None;
            let fault = stood_still();
            this.held.end(Some(&fault));
            let end = End { fault: Some(fault), ..End::default() };
            return Poll::Ready(Some(Frame::End(Box::new(end))));
        }
        let frame = match frames.as_mut().poll_next(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Some(Frame::Chunk(bytes))) => {
                return Poll::Ready(Some(Frame::Chunk(bytes)));
            }
            Poll::Ready(Some(frame)) => frame,
            Poll::Ready(None) => {
                Frame::End(Box::new(End { fault: Some(cut_off()), ..End::default() }))
            }
        };
        self.frames = None;
        if let Frame::End(end) = &frame {
            self.held.end(end.fault.as_ref());
        }
        Poll::Ready(Some(frame))
    }
}

/// Whether a failure is one of many in a row; it counts if it is the provider's own.
pub(super) fn outage(
    breakers: &Breakers,
    fault: &Fault,
    key: &KeyName,
    target: &Target,
) -> Option<Outage> {
    let class = classify(fault);
    if fault.side() != Side::Provider || !class.is_servers() {
        return None;
    }
    let is_connection = class == FailureClass::Unreachable;
    breakers.failed(&target.place(key), target.provider.outage_after(), is_connection)
}

/// Frames that stop without an end: the link or the worker broke, not the provider.
pub(super) fn cut_off() -> Fault {
    Fault::new(FaultCode::UpstreamBroken, "the worker's answer was cut off")
        .with_class(FailureClass::Cut)
        .with_side(Side::Gateway)
}

/// The slot may be somebody else's by now.
pub(super) fn stood_still() -> Fault {
    let why = "the router stood still for longer than it holds a slot";
    Fault::new(FaultCode::UpstreamBroken, why)
        .with_class(FailureClass::Cut)
        .with_side(Side::Gateway)
}

impl Drop for LeasedFrames {
    fn drop(&mut self) {
        // First the worker's call, then the slot.
        self.frames = None;
    }
}
