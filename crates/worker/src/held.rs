//! Streams that are held back to their end, so that one that breaks can be had again elsewhere before
//! the client has seen a byte of it.
//!
//! Within a bound: a stream that is longer begins for the client where it is then. Knows frames, not
//! what stands in them.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};
use weir_rpc::{Frame, FrameStream, Reply};
use weir_types::headers::COMMIT;
use weir_types::{Commit, Fault};

use crate::call::Limit;
use crate::fault;
use crate::memory::Held;
use crate::shared::Shared;

/// Holds a stream back until it is complete or too long; `x-weir-commit` in the answer says which.
///
/// # Errors
/// What broke it, or that the request's deadline came first.
pub(crate) async fn back(reply: Reply, shared: &Shared, limit: Limit) -> Result<Reply, Fault> {
    let Reply { mut head, frames } = reply;
    let began = Instant::now();
    let held = shared.memory.hold();
    let mut kept = Kept { frames: VecDeque::new(), rest: Some(frames), length: 0, held };
    let done = timeout_at(limit.deadline, kept.fill(shared.held_bytes_max)).await;
    let commit = done.unwrap_or_else(|_| {
        let limit = Limit { is_requests: true, ..limit };
        Err(fault::timed_out(shared, "its stream was not complete in time", limit))
    })?;
    let waited = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    head.timings.upstream_us = head.timings.upstream_us.saturating_add(waited);
    head.headers.push((COMMIT.to_owned(), commit.label().to_owned()));
    Ok(Reply { head, frames: Box::pin(kept) })
}

/// What has come of a stream, and what is still to come.
struct Kept {
    frames: VecDeque<Frame>,
    rest: Option<FrameStream>,
    /// Bytes in `frames`.
    length: usize,
    held: Held,
}

impl Kept {
    /// Takes frames until the stream is complete or there is no more room.
    async fn fill(&mut self, bytes_max: usize) -> Result<Commit, Fault> {
        while let Some(rest) = &mut self.rest {
            match rest.next().await {
                Some(Frame::Chunk(chunk)) => {
                    if !self.keep(chunk, bytes_max) {
                        return Ok(Commit::First);
                    }
                }
                Some(Frame::End(end)) => {
                    self.rest = None;
                    if let Some(fault) = end.fault {
                        return Err(fault);
                    }
                    self.frames.push_back(Frame::End(end));
                }
                None => self.rest = None,
            }
        }
        Ok(Commit::Complete)
    }

    /// Whether there is room for more.
    fn keep(&mut self, chunk: Bytes, bytes_max: usize) -> bool {
        self.length = self.length.saturating_add(chunk.len());
        self.frames.push_back(Frame::Chunk(chunk));
        self.length <= bytes_max && self.held.resize(self.length).is_ok()
    }
}

impl Stream for Kept {
    type Item = Frame;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Frame>> {
        if let Some(frame) = self.frames.pop_front() {
            if let Frame::Chunk(chunk) = &frame {
                self.length = self.length.saturating_sub(chunk.len());
                let length = self.length;
                // Less never lacks room.
                let _smaller = self.held.resize(length);
            }
            return Poll::Ready(Some(frame));
        }
        match &mut self.rest {
            Some(rest) => rest.as_mut().poll_next(context),
            None => Poll::Ready(None),
        }
    }
}
