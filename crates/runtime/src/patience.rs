//! A socket whose peer may stop reading, but not forever.
//!
//! Without it a client that takes no byte holds its answer, and the slot behind it, for as long
//! as it keeps the connection open. Costs nothing while writes go through. What it has sent of a head
//! that does not end is counted, so that a crowd of such heads is bounded.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};
use weir_budget::Hold;

use crate::socket::Socket;
use crate::{HttpLimits, Seat};

/// Whether a connection's client took no bytes for so long that it was given up. A request carries
/// it among its extensions, so that a record of the request can say why it ended.
#[derive(Debug, Clone, Default)]
pub struct ClientStall(Arc<AtomicBool>);

impl ClientStall {
    /// The client was given up.
    #[must_use]
    pub fn has_happened(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// The client is given up.
    pub(crate) fn mark(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A stream that fails with `TimedOut` when a write makes no progress for `write_stall_max`.
#[derive(Debug)]
pub(crate) struct Patient {
    stream: Socket,
    write_stall_max: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    given_up: ClientStall,
    head: Option<Head>,
}

/// Longer heads are counted while they are not complete.
const HEAD_FREE_BYTES: usize = 8 * 1024;

/// What has come of a head that is not complete.
#[derive(Debug)]
struct Head {
    seat: Seat,
    /// When the connection became idle that it comes on.
    turn: u64,
    read: usize,
    hold: Hold,
}

impl Head {
    /// Before more is read.
    fn check(&mut self) -> io::Result<()> {
        let turn = self.seat.turn();
        if !self.seat.is_idle() || turn != self.turn {
            (self.read, self.turn) = (0, turn);
            let _smaller = self.hold.resize(0);
            return Ok(());
        }
        if self.read <= HEAD_FREE_BYTES {
            return Ok(());
        }
        let full = |none| io::Error::new(io::ErrorKind::OutOfMemory, none);
        self.hold.try_grow_to(self.read).map_err(full)
    }

    fn add(&mut self, bytes: usize) {
        if self.seat.is_idle() {
            self.read += bytes;
        }
    }
}

impl Patient {
    pub(crate) fn new(stream: Socket, seat: Seat, limits: &HttpLimits) -> Self {
        let head = limits.budget.map(|budget| {
            let (turn, hold) = (seat.turn(), budget.hold(None));
            Head { seat, turn, read: 0, hold }
        });
        let write_stall_max = limits.write_stall_max;
        Self { stream, write_stall_max, stalled: None, given_up: ClientStall::default(), head }
    }

    /// What comes from now on is not in heads of HTTP/1.
    pub(crate) fn count_no_heads(&mut self) {
        self.head = None;
    }

    /// Records that the client was given up.
    pub(crate) fn stall(&self) -> ClientStall {
        self.given_up.clone()
    }

    pub(crate) fn into_inner(self) -> Socket {
        self.stream
    }

    fn judge<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let write_stall_max = self.write_stall_max;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(write_stall_max)));
        if stalled.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.given_up.mark();
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes no bytes")))
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(head) = &mut self.head else {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        };
        head.check()?;
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let bytes = buffer.filled().len() - before;
        if let Some(head) = &mut self.head {
            head.add(bytes);
        }
        read
    }
}

impl AsyncWrite for Patient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.judge(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.judge(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Under TLS what was written may still be here.
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.judge(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.judge(cx, shut)
    }
}
