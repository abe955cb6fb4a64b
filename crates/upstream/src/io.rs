//! The bytes under a connection: TCP, TLS, or TLS inside TLS where the proxy itself wants TLS.

use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// To the next hop: the provider, or the proxy.
#[derive(Debug)]
pub(crate) enum Hop {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// To the provider.
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(Hop),
    Tls(Box<TlsStream<Hop>>),
}

macro_rules! delegate {
    ($kind:ident: $($variant:ident),+) => {
        impl AsyncRead for $kind {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<Result<()>> {
                match self.get_mut() {
                    $(Self::$variant(inner) => Pin::new(inner).poll_read(cx, buf),)+
                }
            }
        }

        impl AsyncWrite for $kind {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<Result<usize>> {
                match self.get_mut() {
                    $(Self::$variant(inner) => Pin::new(inner).poll_write(cx, buf),)+
                }
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
                match self.get_mut() {
                    $(Self::$variant(inner) => Pin::new(inner).poll_flush(cx),)+
                }
            }

            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
                match self.get_mut() {
                    $(Self::$variant(inner) => Pin::new(inner).poll_shutdown(cx),)+
                }
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<Result<usize>> {
                match self.get_mut() {
                    $(Self::$variant(inner) => Pin::new(inner).poll_write_vectored(cx, bufs),)+
                }
            }

            fn is_write_vectored(&self) -> bool {
                match self {
                    $(Self::$variant(inner) => inner.is_write_vectored(),)+
                }
            }
        }
    };
}

delegate!(Hop: Tcp, Tls);
delegate!(Stream: Plain, Tls);

/// A connection that had carried an answer ended before a byte of the next one: its other end was on
/// its way to close it. Nothing is known to have been done about the request.
#[derive(Debug, thiserror::Error)]
#[error("the connection, used before, ended before a byte of the answer")]
pub(crate) struct Stale;

/// A connection for one request after another that tells when it was [`Stale`].
#[derive(Debug)]
struct Watched {
    stream: Stream,
    has_answered: bool,
    /// Something was written, and nothing has been read since.
    awaits_answer: bool,
    /// Requests do not follow each other; they say themselves which of them were not taken.
    is_h2: bool,
}

impl Watched {
    fn ended(&self, error: Option<Error>) -> Result<()> {
        if self.has_answered && self.awaits_answer && !self.is_h2 {
            return Err(Error::new(ErrorKind::ConnectionReset, Stale));
        }
        error.map_or(Ok(()), Err)
    }

    fn written(&mut self, result: Result<usize>) -> Result<usize> {
        self.awaits_answer = true;
        result.or_else(|error| self.ended(Some(error)).map(|()| 0))
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let before = buf.filled().len();
        match ready!(Pin::new(&mut self.stream).poll_read(cx, buf)) {
            Ok(()) if buf.filled().len() > before => {
                self.has_answered = true;
                self.awaits_answer = false;
                Poll::Ready(Ok(()))
            }
            Ok(()) if buf.remaining() == 0 => Poll::Ready(Ok(())),
            Ok(()) => Poll::Ready(self.ended(None)),
            Err(error) => Poll::Ready(self.ended(Some(error))),
        }
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<Result<usize>> {
        let result = ready!(Pin::new(&mut self.stream).poll_write(cx, buf));
        Poll::Ready(self.written(result))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let result = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, bufs));
        Poll::Ready(self.written(result))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// What the HTTP client gets.
#[derive(Debug)]
pub(crate) struct Conn {
    io: TokioIo<Watched>,
    /// Requests must be in absolute form: an HTTP proxy reads them.
    is_proxied: bool,
    /// The handshake says HTTP/2.
    is_h2: bool,
}

impl Conn {
    /// Straight to the provider, or through a tunnel.
    pub(crate) fn to_provider(stream: Stream, is_h2: bool) -> Self {
        Self::new(stream, false, is_h2)
    }

    /// To a proxy that reads the requests.
    pub(crate) fn to_forwarder(hop: Hop) -> Self {
        Self::new(Stream::Plain(hop), true, false)
    }

    fn new(stream: Stream, is_proxied: bool, is_h2: bool) -> Self {
        let watched = Watched { stream, has_answered: false, awaits_answer: false, is_h2 };
        Self { io: TokioIo::new(watched), is_proxied, is_h2 }
    }
}

impl Connection for Conn {
    fn connected(&self) -> Connected {
        let connected = Connected::new().proxy(self.is_proxied);
        if self.is_h2 { connected.negotiated_h2() } else { connected }
    }
}

impl Read for Conn {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl Write for Conn {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }
}
