//! One HTTP/2 connection between two services: its windows, pings and limits, for both ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::Uri;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use weir_budget::Budget;

use crate::tls::LinkTls;
use crate::token::LinkTokens;

/// What a stream may send before it is read.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
/// The same where a stream is a framed link: what is held of each request has a window of its own, and all
/// that comes is taken at once, so this bounds nothing but what is on the line. As much as a line of
/// 50 ms there and back carries at 80 MB/s.
const FRAMED_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
/// The most that the protocol allows: a connection without room stands still for all calls as soon
/// as enough clients read slowly.
const CONNECTION_WINDOW_BYTES: u32 = (1 << 31) - 1;
/// The streams for whose windows the connection has room.
const STREAMS_MAX: u32 = CONNECTION_WINDOW_BYTES / STREAM_WINDOW_BYTES;
/// Longer than the protocol's usual 16 KiB: large bodies cost less, and a call still waits for no
/// more than one such frame of another.
const FRAME_BYTES_MAX: u32 = 64 * 1024;
/// What a call may have written that the connection has not taken yet.
const SEND_BUFFER_BYTES: usize = 1024 * 1024;
/// Metadata of a call, trace state included, or the details of a fault.
const HEAD_BYTES_MAX: u32 = 64 * 1024;
/// Far more than a sound peer comes to in the life of a connection.
const FAULTY_STREAMS_MAX: usize = 8192;
/// The longest message: a chunk of a body, or what is not cut into chunks: heads, and ends with a
/// provider's error answer (1 MiB).
pub(crate) const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What a link between two services may cost, and who may make one.
#[derive(Debug, Clone)]
pub struct LinkSettings {
    /// Bytes of a request's body, `max_request_body_size_mb`.
    pub body_bytes_max: usize,
    /// How long making a connection may take.
    pub connect_timeout: Duration,
    /// A peer that answers no ping for this long is gone: its calls are dropped.
    pub silence_max: Duration,
    /// Calls at a time on one connection; more wait for one to end. The peer may have ended as
    /// many before they were taken up; over it the connection is closed.
    pub streams_max: u32,
    /// Bytes of a call's or an answer's head, 32 for each header included; over it it is refused.
    pub head_bytes_max: u32,
    /// Bytes of an HTTP/2 frame, 16 KiB to 16 MiB.
    pub frame_bytes_max: u32,
    /// Streams that break the protocol or come after their end, in the life of a connection; over
    /// it the connection is closed.
    pub faulty_streams_max: usize,
    /// Whether many requests share one call where the peer knows how; else each has one of its own.
    pub framed: bool,
    /// What both ends of every link show and ask for, if links are encrypted.
    pub tls: Option<LinkTls>,
    /// What calls carry and are asked for.
    pub tokens: LinkTokens,
    /// What all bodies of the process may take together.
    pub budget: Budget,
}

/// Why a link cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The address is not one.
    #[error("`{found}` is not an address of a service: expected {expected}://HOST:PORT")]
    Address {
        /// What was given.
        found: String,
        /// `http`, or `https` where links are encrypted.
        expected: &'static str,
    },
}

impl LinkSettings {
    /// The limits for bodies up to `body_bytes_max`, and usual times.
    #[must_use]
    pub fn new(body_bytes_max: usize) -> Self {
        Self {
            body_bytes_max,
            connect_timeout: Duration::from_secs(2),
            // Half the default life of a lease: a worker drops its calls before they are given on.
            silence_max: Duration::from_secs(5),
            streams_max: STREAMS_MAX,
            head_bytes_max: HEAD_BYTES_MAX,
            frame_bytes_max: FRAME_BYTES_MAX,
            faulty_streams_max: FAULTY_STREAMS_MAX,
            framed: true,
            tls: None,
            tokens: LinkTokens::default(),
            budget: Budget::default(),
        }
    }

    /// What a stream may send before it is read. Neighbours that know no frames have it for each call: the
    /// connection's bounds them all.
    const fn window_bytes(&self) -> u32 {
        if self.framed { FRAMED_WINDOW_BYTES } else { STREAM_WINDOW_BYTES }
    }

    /// What addresses of services begin with.
    pub(crate) fn scheme(&self) -> &'static str {
        scheme(self.tls.is_some())
    }

    /// Ping after this much silence, and wait the rest of `silence_max` for the answer.
    pub(crate) fn ping(&self) -> (Duration, Duration) {
        let interval = self.silence_max * 2 / 5;
        (interval, self.silence_max - interval)
    }
}

/// This end.
pub(crate) fn client(limits: &LinkSettings) -> h2::client::Builder {
    let mut protocol = h2::client::Builder::new();
    protocol
        .enable_push(false)
        .initial_window_size(limits.window_bytes())
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(limits.frame_bytes_max)
        .max_header_list_size(limits.head_bytes_max)
        .max_send_buffer_size(SEND_BUFFER_BYTES)
        // Callers that leave reset their calls, in crowds when a client is shut down. What the peer
        // had sent by then still comes, and must not be taken for faults of the peer, for which the
        // connection would be closed under all other calls: every such stream is remembered until
        // a peer that has not heard of its end would be given up as silent.
        .max_concurrent_reset_streams(usize::try_from(limits.streams_max).unwrap_or(usize::MAX))
        .reset_stream_duration(limits.silence_max)
        .max_local_error_reset_streams(Some(limits.faulty_streams_max));
    protocol
}

/// What addresses of services begin with, where links are encrypted and where they are not.
const fn scheme(is_encrypted: bool) -> &'static str {
    if is_encrypted { "https" } else { "http" }
}

/// Whether `url` can be an address of a service: `http://HOST:PORT`, or `https` if links are encrypted;
/// nothing is looked up.
///
/// # Errors
/// [`LinkError::Address`].
pub fn check_url(url: &str, is_encrypted: bool) -> Result<(), LinkError> {
    parse(url, scheme(is_encrypted)).map(|_| ())
}

/// `SCHEME://HOST:PORT` with its host, as a resolver takes it, and port.
pub(crate) fn parse(url: &str, expected: &'static str) -> Result<(Uri, String, u16), LinkError> {
    let wrong = || LinkError::Address { found: url.to_owned(), expected };
    let uri: Uri = url.parse().map_err(|_| wrong())?;
    let is_service = uri.scheme_str() == Some(expected) && matches!(uri.path(), "" | "/");
    let (Some(host), Some(port)) = (uri.host(), uri.port_u16()) else {
        return Err(wrong());
    };
    if !is_service || host.is_empty() || uri.query().is_some() {
        return Err(wrong());
    }
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    Ok((uri, host, port))
}

/// One call's part in a count of calls under way.
#[derive(Debug)]
pub(crate) struct Load(Arc<AtomicUsize>);

impl Load {
    pub(crate) fn on(calls: &Arc<AtomicUsize>) -> Self {
        calls.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(calls))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The other end.
pub(crate) fn server(limits: &LinkSettings) -> http2::Builder<TokioExecutor> {
    let (interval, timeout) = limits.ping();
    let mut protocol = http2::Builder::new(TokioExecutor::new());
    protocol
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams_max)
        .initial_stream_window_size(limits.window_bytes())
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(limits.frame_bytes_max)
        .max_header_list_size(limits.head_bytes_max)
        .keep_alive_interval(interval)
        .keep_alive_timeout(timeout)
        // As above: a peer that resets many calls at once is a client that was shut down.
        .max_pending_accept_reset_streams(usize::try_from(limits.streams_max).unwrap_or(usize::MAX))
        .max_local_error_reset_streams(limits.faulty_streams_max)
        .auto_date_header(false);
    protocol
}
