//! HTTP/2, for clients that ask for it in their TLS handshake, and in the clear for those that know
//! beforehand that it is spoken here.
//!
//! The latter begin with its preface, which the parser of HTTP/1.1 recognises and leaves unread, if it
//! comes in one piece, which [`Opening`] sees to: nobody else pays for it. A stream that its client takes
//! nothing of, and a connection on which nothing is asked, have the limits that they have in HTTP/1.1.

use std::io::{Cursor, Result as IoResult};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::HttpBody;
use bytes::Bytes;
use hyper::Request;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use tokio::time::{Instant, interval};

use crate::http::{App, unsniffed};
use crate::patience::{Appetite, Patient};
use crate::seats::Busy;
use crate::{Drain, HttpLimits, Seat};

/// What such a client sends first (RFC 9113 §3.4).
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a connection begins with, kept back while it may be part of the preface.
#[derive(Debug, Default)]
pub(crate) struct Opening {
    held: Vec<u8>,
    is_over: bool,
}

impl Opening {
    /// Reads from `stream`, of which nobody else reads.
    pub(crate) fn poll_read<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<IoResult<()>> {
        while !self.is_over {
            let begin = buffer.filled().len();
            ready!(Pin::new(&mut *stream).poll_read(cx, buffer))?;
            let read = buffer.filled().get(begin..).unwrap_or_default();
            self.is_over = read.is_empty() || !self.is_part_with(read);
            if self.is_over && self.held.is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.held.extend_from_slice(read);
            buffer.set_filled(begin);
        }
        if self.held.is_empty() {
            return Pin::new(stream).poll_read(cx, buffer);
        }
        let count = self.held.len().min(buffer.remaining());
        buffer.put_slice(&self.held.drain(..count).collect::<Vec<_>>());
        Poll::Ready(Ok(()))
    }

    /// Whether what is held is, with `more`, less than the preface and the beginning of it.
    fn is_part_with(&self, more: &[u8]) -> bool {
        let rest = PREFACE.get(self.held.len()..).unwrap_or_default();
        more.len() < rest.len() && rest.starts_with(more)
    }
}

/// Requests of one connection at a time.
const STREAMS_MAX: u32 = 200;
/// What a client may send of one request before it is read, and of all of a connection.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 512 * 1024;
/// A client that has vanished is noticed by its silence to pings.
const PING: Duration = Duration::from_secs(20);

/// Serves a connection of which `first` has been read.
pub(crate) async fn serve(
    first: Bytes,
    (mut stream, seat): (Patient, Seat),
    app: impl App,
    limits: HttpLimits,
    mut drain: Drain,
) {
    // What comes here is bounded by windows.
    stream.count_no_heads();
    let stall = stream.stall();
    let watch = Arc::new(Watch::new(&limits));
    let service = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(stall.clone());
        watch.ask();
        let (answer, watch) = (app.clone().call(request), Arc::clone(&watch));
        let running = seat.run();
        async move {
            let answer = answer.await.map(unsniffed);
            answer.map(|answer| answer.map(|body| watch.over(Busy { body, _running: running })))
        }
    });
    let mut protocol = http2::Builder::new(TokioExecutor::new());
    protocol
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_header_list_size(u32::try_from(limits.header_bytes_max).unwrap_or(u32::MAX))
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING);
    // What has been read already comes once more.
    let (reader, writer) = tokio::io::split(stream);
    let io = TokioIo::new(tokio::io::join(Cursor::new(first).chain(reader), writer));
    let mut served = pin!(protocol.serve_connection(io, service));
    let mut ticks = interval(limits.write_stall_max.min(limits.header_read_timeout) / 4);
    let mut is_leaving = false;
    loop {
        tokio::select! {
            biased;
            result = &mut served => {
                if let Err(error) = result {
                    tracing::debug!(%error, "connection ended early");
                }
                return;
            }
            () = drain.draining(), if !is_leaving => is_leaving = true,
            _ = ticks.tick() => {
                if watch.is_stalled() {
                    return stall.mark();
                }
                if is_leaving || !watch.is_idle(limits.header_read_timeout) {
                    continue;
                }
                is_leaving = true;
            }
        }
        // Requests in flight finish; the client opens another connection for others.
        served.as_mut().graceful_shutdown();
    }
}

/// When a connection's client last did something, in milliseconds since its beginning.
struct Watch {
    begun: Instant,
    asked: AtomicU64,
    answers: Mutex<Vec<Weak<Mutex<Taking>>>>,
    appetite: Appetite,
}

/// How the client takes one answer.
struct Taking {
    appetite: Appetite,
    /// When a piece was handed over and how long it is; `None` while there is room for another.
    handed: Option<(Instant, usize)>,
}

impl Watch {
    fn new(limits: &HttpLimits) -> Self {
        let appetite = Appetite::new(limits);
        Self {
            begun: Instant::now(),
            asked: AtomicU64::new(0),
            answers: Mutex::default(),
            appetite,
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
    }

    fn since(&self, then: u64) -> Duration {
        Duration::from_millis(self.now().saturating_sub(then))
    }

    fn ask(&self) {
        self.asked.store(self.now(), Ordering::Relaxed);
    }

    /// Whether nothing runs and nothing has been asked for so long.
    fn is_idle(&self, limit: Duration) -> bool {
        self.live().is_empty() && self.since(self.asked.load(Ordering::Relaxed)) >= limit
    }

    /// Whether the client takes nothing of an answer, or too little.
    fn is_stalled(&self) -> bool {
        self.live().iter().any(|taking| {
            let mut taking = locked(taking);
            taking.handed.is_some_and(|(then, _)| taking.appetite.is_lost(then.elapsed()))
        })
    }

    fn live(&self) -> Vec<Arc<Mutex<Taking>>> {
        let mut answers = locked(&self.answers);
        answers.retain(|answer| answer.strong_count() > 0);
        answers.iter().filter_map(Weak::upgrade).collect()
    }

    fn over(self: Arc<Self>, body: Busy) -> Watched {
        let taking = Taking { appetite: self.appetite, handed: None };
        let taking = Arc::new(Mutex::new(taking));
        locked(&self.answers).push(Arc::downgrade(&taking));
        Watched { body, rest: Bytes::new(), taking }
    }
}

impl Taking {
    /// There is room: what was handed over has been taken.
    fn is_taken(&mut self) {
        if let Some((then, bytes)) = self.handed.take() {
            self.appetite.take(bytes, then.elapsed());
        }
    }

    fn hand(&mut self, bytes: usize) {
        self.appetite.begin();
        self.handed = Some((Instant::now(), bytes));
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An answer that says when its client takes of it.
struct Watched {
    body: Busy,
    /// What is left of a long piece.
    rest: Bytes,
    taking: Arc<Mutex<Taking>>,
}

/// A client is seen to take something when a piece has been taken whole.
const PIECE_BYTES: usize = 16 * 1024;

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        // It is asked for more only while its client has room.
        locked(&self.taking).is_taken();
        if self.rest.is_empty() {
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                end => return Poll::Ready(end),
            };
            match frame.into_data() {
                Ok(data) => self.rest = data,
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            }
        }
        let length = self.rest.len().min(PIECE_BYTES);
        let piece = self.rest.split_to(length);
        locked(&self.taking).hand(length);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (hint, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut sum = SizeHint::new();
        sum.set_lower(hint.lower() + rest);
        if let Some(upper) = hint.upper() {
            sum.set_upper(upper + rest);
        }
        sum
    }
}
