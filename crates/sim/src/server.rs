//! Connections: accept, serve HTTP/1.1 or HTTP/2, whichever the client begins with, and close them
//! the way an answer asks for.
//!
//! It holds the socket itself, because a reset needs it: with the linger time at zero, closing sends
//! RST instead of FIN.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::{io, net};

use http::{Request, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use weir_runtime::{Crowd, Drain, accept};

use crate::body::Closing;
use crate::ledger::{Entry, Ledger, Stats};
use crate::rule::Rule;
use crate::service::{self, Orders, Shared};
use crate::settings::Settings;
use crate::store::Store;

/// Largest head of a request.
const HEAD_BYTES_MAX: usize = 256 * 1024;

/// A simulated provider. Clones are the same provider: counts, log and rules are shared.
#[derive(Debug, Clone)]
pub struct Sim {
    shared: Arc<Shared>,
}

impl Sim {
    /// A provider that nobody has asked anything yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let ledger = Arc::new(Ledger::new(settings.log_requests));
        Self {
            shared: Arc::new(Shared {
                settings,
                ledger,
                orders: Orders::default(),
                store: Store::default(),
            }),
        }
    }

    /// Serves one listener until the drain begins, and what is in flight then to its end, or to
    /// the drain's. Several listeners, also on several runtimes, may serve one provider.
    ///
    /// # Errors
    /// The listener cannot be registered with the event loop.
    pub async fn serve(&self, listener: net::TcpListener, drain: Drain) -> io::Result<()> {
        let connections_max = self.shared.settings.connections_max;
        let crowd = Crowd { connections_max, addresses: None };
        accept(listener, crowd, drain, |stream, seat, drain| {
            // Never closed for another one: whoever calls keeps connections in reserve.
            let running = seat.run();
            let served = serve_connection(Arc::clone(&self.shared), stream, drain);
            async move {
                let _running = running;
                served.await;
            }
        })
        .await
    }

    /// Counts so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.ledger.stats()
    }

    /// Logged requests with a number above `after`, oldest first.
    #[must_use]
    pub fn requests(&self, after: u64) -> Vec<Entry> {
        self.shared.ledger.entries(after, usize::MAX)
    }

    /// Adds a rule behind the others and gives its number.
    ///
    /// # Errors
    /// What is wrong with the rule.
    pub fn add_rule(&self, rule: Rule) -> Result<u64, String> {
        self.shared.ledger.with_rules(|rules| rules.add(rule, std::time::Instant::now()))
    }

    /// Forgets counts, log and rules.
    pub fn reset(&self) {
        self.shared.ledger.reset();
    }
}

async fn serve_connection(shared: Arc<Shared>, stream: TcpStream, mut drain: Drain) {
    let closing = Arc::new(Closing::default());
    let socket = Socket { stream, closing: Arc::clone(&closing) };
    let service = service_fn(move |request: Request<Incoming>| {
        // Of HTTP/2 only the request's stream is broken, by hyper.
        let is_shared = request.version() == Version::HTTP_2;
        let closing = if is_shared { Arc::default() } else { Arc::clone(&closing) };
        service::handle(Arc::clone(&shared), closing, request)
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).max_buf_size(HEAD_BYTES_MAX);
    builder.http2().timer(TokioTimer::new());
    let mut connection = pin!(builder.serve_connection(TokioIo::new(socket), service));
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = drain.draining() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "connection ended early");
    }
}

/// A socket that closes with RST if the last answer asked for it.
#[derive(Debug)]
struct Socket {
    stream: TcpStream,
    closing: Arc<Closing>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if !self.closing.is_reset() {
            return;
        }
        if let Err(error) = self.stream.set_zero_linger() {
            tracing::debug!(%error, "cannot close with a reset");
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
