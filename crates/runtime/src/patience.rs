//! A socket whose peer may stop reading, but not forever.
//!
//! Without it a client that takes no byte, or one now and then, holds its answer, and the slot behind
//! it, for as long as it keeps the connection open. Only the time counts in which there was something
//! to take: it costs nothing while writes go through, and a provider that sends little is not its
//! client's fault. What a client has sent of a head that does not end is counted, so that a crowd of
//! such heads is bounded.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};
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

/// What a client takes while something waits for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Appetite {
    stall_max: Duration,
    /// What it has to take in `stall_max` of waiting.
    least_bytes: usize,
    waited: Duration,
    taken: usize,
}

impl Appetite {
    pub(crate) fn new(limits: &HttpLimits) -> Self {
        let stall_max = limits.write_stall_max;
        let least = stall_max.as_secs_f64() * limits.write_rate_min as f64;
        Self { stall_max, least_bytes: least as usize, waited: Duration::ZERO, taken: 0 }
    }

    /// Something waits for it. What it got before that was not asked of it.
    pub(crate) fn begin(&mut self) {
        if self.waited.is_zero() {
            self.taken = 0;
        }
    }

    /// It took so much, for which it was waited so long.
    pub(crate) fn take(&mut self, bytes: usize, waited: Duration) {
        self.waited += waited;
        self.taken = self.taken.saturating_add(bytes);
    }

    /// Whether it is too slow by now, having been waited for, this time, for `pending`; if not,
    /// another window may begin, with this wait.
    pub(crate) fn is_lost(&mut self, pending: Duration) -> bool {
        if self.left(pending) > Duration::ZERO {
            return false;
        }
        if pending >= self.stall_max || self.taken < self.least_bytes {
            return true;
        }
        (self.waited, self.taken) = (Duration::ZERO, 0);
        false
    }

    /// How much longer it may be waited for until it is judged.
    fn left(&self, pending: Duration) -> Duration {
        self.stall_max.saturating_sub(self.waited + pending)
    }
}

/// A stream that fails with `TimedOut` when its client takes nothing, or too little.
#[derive(Debug)]
pub(crate) struct Patient {
    stream: Socket,
    appetite: Appetite,
    waiting: Option<Waiting>,
    given_up: ClientStall,
    head: Option<Head>,
}

/// A write that does not go through yet.
#[derive(Debug)]
struct Waiting {
    since: Instant,
    judged: Pin<Box<Sleep>>,
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
        let appetite = Appetite::new(limits);
        Self { stream, appetite, waiting: None, given_up: ClientStall::default(), head }
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

    fn judge(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let Self { appetite, waiting, .. } = self;
        if let Poll::Ready(result) = &written {
            let bytes = result.as_ref().map_or(0, |bytes| *bytes);
            match waiting.take() {
                None => appetite.take(bytes, Duration::ZERO),
                Some(waiting) => appetite.take(bytes, waiting.since.elapsed()),
            }
            return written;
        }
        let waiting = waiting.get_or_insert_with(|| {
            appetite.begin();
            let left = appetite.left(Duration::ZERO);
            Waiting { since: Instant::now(), judged: Box::pin(sleep(left)) }
        });
        while waiting.judged.as_mut().poll(cx).is_ready() {
            let pending = waiting.since.elapsed();
            if appetite.is_lost(pending) {
                self.given_up.mark();
                let why = "the client takes too little, or nothing";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, why)));
            }
            let left = appetite.left(pending);
            waiting.judged = Box::pin(sleep(left));
        }
        Poll::Pending
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
        if self.waiting.is_none() && flushed.is_ready() {
            return flushed;
        }
        self.judge(cx, flushed.map_ok(|()| 0)).map_ok(|_| ())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.judge(cx, shut.map_ok(|()| 0)).map_ok(|_| ())
    }
}
