//! What a stream says when its provider says nothing for a while, so that proxies between us and the
//! client do not take its connection for a dead one. Knows the time and some bytes, not what they mean.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, Sleep, sleep};

/// Rings after a quiet time, again and again.
pub(crate) struct Quiet {
    after: Duration,
    says: Bytes,
    /// When something was last said.
    since: Instant,
    sleep: Pin<Box<Sleep>>,
}

impl Quiet {
    /// Says `says` whenever nothing was said for `after`.
    pub(crate) fn new(after: Duration, says: Bytes) -> Self {
        Self { after, says, since: Instant::now(), sleep: Box::pin(sleep(after)) }
    }

    /// Something was said. The timer is moved only when it rings.
    pub(crate) fn broken(&mut self) {
        self.since = Instant::now();
    }

    /// What is to be said now.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        loop {
            std::task::ready!(self.sleep.as_mut().poll(cx));
            let end = self.since + self.after;
            if Instant::now() < end {
                self.sleep.as_mut().reset(end);
                continue;
            }
            self.since = Instant::now();
            self.sleep.as_mut().reset(self.since + self.after);
            return Poll::Ready(self.says.clone());
        }
    }
}
