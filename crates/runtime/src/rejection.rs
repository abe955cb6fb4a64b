//! Words for what the HTTP parser refuses.
//!
//! hyper answers a head that is not HTTP, or over the limits, by itself: an empty 4xx, before any
//! service runs. Clients of an API deserve a body that says what was wrong, so this stream
//! replaces such an answer on its way out. Answers of services are never empty 4xx ones, and pass
//! untouched.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::http2::Opening;

/// Writes the JSON body for a refusal with this status.
pub type RejectionBody = fn(status: u16) -> String;

/// A stream that fills empty refusals.
#[derive(Debug)]
pub(crate) struct Worded<S> {
    inner: S,
    body: Option<RejectionBody>,
    pending: Bytes,
    /// Half a preface of HTTP/2 would be refused, too.
    opening: Opening,
}

impl<S> Worded<S> {
    pub(crate) fn new(inner: S, body: Option<RejectionBody>) -> Self {
        Self { inner, body, pending: Bytes::new(), opening: Opening::default() }
    }

    pub(crate) fn into_inner(self) -> S {
        self.inner
    }

    fn replacement(&self, head: &[u8]) -> Option<Bytes> {
        let body = self.body?;
        if !head.starts_with(b"HTTP/1.1 4") {
            return None;
        }
        let text = std::str::from_utf8(head).ok()?;
        let (head, after) = text.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let status_line = lines.next()?;
        let empty = lines.any(|line| line.eq_ignore_ascii_case("content-length: 0"));
        if !after.is_empty() || !empty {
            return None;
        }
        let body = body(status_line.get(9..12)?.parse().ok()?);
        Some(Bytes::from(format!(
            "{status_line}\r\ncontent-type: application/json\r\nx-content-type-options: nosniff\r\n\
             content-length: {}\r\n\
             connection: close\r\n\r\n{body}",
            body.len()
        )))
    }
}

impl<S: AsyncWrite + Unpin> Worded<S> {
    fn poll_pending(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.pending.has_remaining() {
            let written = ready!(Pin::new(&mut self.inner).poll_write(cx, &self.pending))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.pending.advance(written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Worded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { inner, opening, .. } = &mut *self;
        opening.poll_read(inner, cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Worded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_pending(cx))?;
        if let Some(replacement) = self.replacement(bytes) {
            self.pending = replacement;
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_pending(cx))?;
        if let [head] = slices
            && let Some(replacement) = self.replacement(head)
        {
            self.pending = replacement;
            return Poll::Ready(Ok(head.len()));
        }
        Pin::new(&mut self.inner).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_pending(cx))?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_pending(cx))?;
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_empty_refusals_are_replaced() {
        let worded = Worded::new((), Some(|status| format!("{{\"status\":{status}}}")));
        let empty = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n\
            content-length: 0\r\ndate: x\r\n\r\n";
        let replaced = worded.replacement(empty).unwrap();
        let text = std::str::from_utf8(&replaced).unwrap();
        assert!(text.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"), "{text}");
        assert!(text.ends_with("content-length: 14\r\nconnection: close\r\n\r\n{\"status\":431}"));
        for untouched in [
            &b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"[..],
            b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\n{}",
            b"HTTP/1.1 400 Bad Request\r\ntransfer-encoding: chunked\r\n\r\n",
            b"data: HTTP/1.1 4\r\n\r\n",
        ] {
            assert_eq!(worded.replacement(untouched), None);
        }
        assert_eq!(Worded::new((), None).replacement(empty), None);
    }
}
