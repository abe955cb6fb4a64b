//! The body of an answer on its way back, and what lives as long as it does: slot and spans.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use weir_quota::Outcome;
use weir_rpc::{End, Frame, FrameStream, Reply, ReplyHead};
use weir_telemetry::Span;
use weir_types::{FailureClass, Fault, FaultCode, Side};

use crate::admission::Lease;
use crate::catalog::Target;
use crate::plan::{Conclusion, learn};

/// An answer whose head has arrived.
pub(super) struct Answered {
    pub(super) head: ReplyHead,
    pub(super) frames: FrameStream,
    pub(super) held: Held,
}

/// What is given back when the answer has ended, in whatever way.
pub(super) struct Held {
    lease: Option<Lease>,
    target: Arc<Target>,
    /// Inner ones first.
    spans: Vec<Span>,
}

/// Passes frames on. The worker's stream is dropped before the slot is given back.
struct LeasedFrames {
    frames: Option<FrameStream>,
    held: Held,
}

// === impl Answered ===

impl Answered {
    /// The answer for the edge.
    pub(super) fn into_reply(self) -> Reply {
        let relay = LeasedFrames { frames: Some(self.frames), held: self.held };
        Reply { head: self.head, frames: Box::pin(relay) }
    }
}

// === impl Held ===

impl Held {
    pub(super) fn new(lease: Option<Lease>, target: Arc<Target>) -> Self {
        Self { lease, target, spans: Vec::with_capacity(2) }
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
            let conclusion = match fault {
                Some(fault) => Some(Conclusion::Failed { fault, may_probe: lease.may_probe() }),
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
        let Some(frames) = &mut self.frames else {
            return Poll::Ready(None);
        };
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

/// Frames that stop without an end: the link or the worker broke, not the provider.
pub(super) fn cut_off() -> Fault {
    Fault::new(FaultCode::UpstreamBroken, "the worker's answer was cut off")
        .with_class(FailureClass::Cut)
        .with_side(Side::Gateway)
}

impl Drop for LeasedFrames {
    fn drop(&mut self) {
        // First the worker's call, then the slot.
        self.frames = None;
    }
}
