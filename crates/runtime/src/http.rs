//! Serves an [`App`] on one listener, over HTTP/1.1 and for clients that begin with it HTTP/2.
//!
//! One task per connection drives parser, handler and body, so a request costs no spawn and a
//! closed connection drops the handler's future or the body's stream in place. Knows no route.

use std::convert::Infallible;
use std::io;
use std::net;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::response::Response;
use bytes::Bytes;
use hyper::Request;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, EXPECT, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower::Service;
use weir_budget::Budget;

use crate::http2::{self, PREFACE};
use crate::linger::linger;
use crate::patience::Patient;
use crate::rejection::{RejectionBody, Worded};
use crate::seats::Busy;
use crate::socket::Socket;
use crate::{Crowd, Drain, Seat, Tls, accept};

/// A connection that has sent nothing yet when the drain begins may still be about to: it was
/// accepted a moment ago. After this long it is taken for one that was opened in reserve.
const FIRST_REQUEST_GRACE: Duration = Duration::from_millis(250);

/// What is read of a connection before somebody takes it.
const READ_AHEAD_BYTES: usize = 64 * 1024;

/// What answers requests: always ready, and cheap to clone. A router of axum's is one.
pub trait App:
    Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send + 'static>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<T> App for T where
    T: Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send + 'static>
        + Clone
        + Send
        + Sync
        + 'static
{
}

/// What a connection may cost.
#[derive(Debug, Clone, Copy)]
pub struct HttpLimits {
    /// Connections of one listener.
    pub crowd: Crowd,
    /// What heads that do not end may take together, and bodies; `None`: as much as they are.
    pub budget: Option<Budget>,
    /// Whether a connection serves more than one request.
    pub keep_alive: bool,
    /// From when the connection is opened, or the previous answer has ended, to the last byte of
    /// the request's head: how long a connection may be idle, or slow with its headers.
    pub header_read_timeout: Duration,
    /// Header lines of a request; over it the answer is 431.
    pub headers_max: usize,
    /// Bytes of a request's head, at most 400 KiB; over it the answer is 431.
    pub header_bytes_max: usize,
    /// How long a client may take no byte of its answer before it is given up.
    pub write_stall_max: Duration,
    /// Bytes a second that a client has to take of what waits for it, measured over `write_stall_max`
    /// of such waiting; 0: one now and then is enough.
    pub write_rate_min: usize,
    /// The body of answers that the parser gives by itself (400, 414, 431); `None`: empty.
    pub rejection_body: Option<RejectionBody>,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            crowd: Crowd { connections_max: 16_384, addresses: None },
            budget: None,
            keep_alive: true,
            // Longer than the idle time of common load balancers, which must be the first to close.
            header_read_timeout: Duration::from_secs(75),
            headers_max: 100,
            header_bytes_max: 64 * 1024,
            write_stall_max: Duration::from_secs(60),
            write_rate_min: 1024,
            rejection_body: None,
        }
    }
}

/// Serves `app` on `listener` in the clear until the drain: then idle connections are closed, requests in
/// flight finish on a connection that closes after them, and the call returns.
///
/// A request that is not HTTP gets a 400, a head over the limits a 431, with the limits' refusal
/// body, and the connection is closed.
///
/// # Errors
/// As [`accept()`].
pub async fn serve_http(
    listener: net::TcpListener,
    app: impl App,
    limits: HttpLimits,
    drain: Drain,
) -> io::Result<()> {
    serve(listener, None, app, limits, drain).await
}

/// As [`serve_http`], over TLS: HTTP/2 for clients that ask for it in their handshake. Who speaks in
/// the clear gets a 426.
///
/// # Errors
/// As [`accept()`].
pub async fn serve_https(
    listener: net::TcpListener,
    tls: Tls,
    app: impl App,
    limits: HttpLimits,
    drain: Drain,
) -> io::Result<()> {
    serve(listener, Some(tls), app, limits, drain).await
}

async fn serve(
    listener: net::TcpListener,
    tls: Option<Tls>,
    app: impl App,
    limits: HttpLimits,
    drain: Drain,
) -> io::Result<()> {
    let mut protocol = http1::Builder::new();
    protocol
        .timer(TokioTimer::new())
        .keep_alive(limits.keep_alive)
        .header_read_timeout(limits.header_read_timeout)
        .max_header_size(limits.header_bytes_max)
        // What is read ahead of a slow handler; a head must have room in it.
        .max_buf_size(READ_AHEAD_BYTES.max(limits.header_bytes_max));
    if limits.headers_max != HttpLimits::default().headers_max {
        // The parser has room for its default on the stack; another number costs an allocation.
        protocol.max_headers(limits.headers_max);
    }
    accept(listener, limits.crowd, drain, |stream, seat, drain| {
        connection((stream, tls.clone()), seat, protocol.clone(), app.clone(), limits, drain)
    })
    .await
}

/// No browser may take an answer for something else than what it is called.
pub(crate) fn unsniffed(mut answer: Response) -> Response {
    let word = HeaderValue::from_static("nosniff");
    answer.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, word);
    answer
}

/// A client that waits with its body until it is asked for it, and gets a refusal in its stead, must know
/// that the connection ends with that: nobody will ask.
fn unasked(mut answer: Response) -> Response {
    if answer.status().is_client_error() || answer.status().is_server_error() {
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}

async fn connection(
    (stream, tls): (TcpStream, Option<Tls>),
    seat: Seat,
    protocol: http1::Builder,
    app: impl App,
    limits: HttpLimits,
    mut drain: Drain,
) {
    let socket = match tls {
        None => Some(Socket::Clear(stream)),
        Some(tls) => tls.begin(stream, limits.rejection_body).await,
    };
    let Some(socket) = socket else { return };
    let speaks_http2 = socket.speaks_http2();
    let patient = Patient::new(socket, seat.clone(), &limits);
    if speaks_http2 {
        return http2::serve(Bytes::new(), (patient, seat), app, limits, drain).await;
    }
    let begun = AtomicBool::new(false);
    let stall = patient.stall();
    let service = service_fn(|mut request: Request<Incoming>| {
        begun.store(true, Ordering::Relaxed);
        request.extensions_mut().insert(stall.clone());
        let running = seat.run();
        let waits = request.headers().contains_key(EXPECT);
        // Always ready, and its clone is a counter.
        let answer = app.clone().call(request);
        async move {
            let answer = answer.await.map(unsniffed);
            let answer = if waits { answer.map(unasked) } else { answer };
            answer.map(|answer| answer.map(|body| Busy { body, _running: running }))
        }
    });
    let io = TokioIo::new(Worded::new(patient, limits.rejection_body));
    let mut served = protocol.serve_connection(io, service);
    let result = tokio::select! {
        biased;
        result = &mut served => result,
        () = drain.draining() => {
            let early = match begun.load(Ordering::Relaxed) {
                true => None,
                false => timeout(FIRST_REQUEST_GRACE, &mut served).await.ok(),
            };
            match early {
                Some(result) => result,
                None if !begun.load(Ordering::Relaxed) => return,
                None => {
                    Pin::new(&mut served).graceful_shutdown();
                    (&mut served).await
                }
            }
        }
    };
    let has_failed = result.is_err();
    let refused = match result {
        Ok(()) => false,
        Err(error) => {
            // A client that leaves or sends nonsense is its own affair, not worth an alert.
            tracing::debug!(%error, "connection ended early");
            error.is_parse()
        }
    };
    let parts = served.into_parts();
    let stream = parts.io.into_inner().into_inner();
    if has_failed && parts.read_buf.starts_with(PREFACE) {
        return http2::serve(parts.read_buf, (stream, seat), app, limits, drain).await;
    }
    linger(stream.into_inner().into_tcp(), refused).await;
}
