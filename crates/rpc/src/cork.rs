//! Writes of one turn of a connection as one write of the system, and reads as few.
//!
//! HTTP/2 writes frame by frame, and a frame of more than a few hundred bytes as a system call of
//! its own; it reads a few frames at a time. Here as much is read as there is, and what is written
//! while the connection takes its turn is gathered and leaves when it has nothing more to do, so
//! that calls that are answered together travel together. Nothing waits for time to pass. Knows
//! nothing of frames.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use futures_util::future::poll_fn;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::line::Line;

/// Gathered at most. More is written as it comes, without a copy if nothing was gathered.
const GATHERED_MAX: usize = 64 * 1024;
/// Read at once. A reader that asks for so much itself gets it without a copy.
const AHEAD_MAX: usize = 32 * 1024;

/// The stream as a connection sees it: flushing it gathers on, closing it does not.
pub(crate) struct Corked(Arc<Mutex<Inner>>);

/// Lets go of what was gathered.
pub(crate) struct Cork(Arc<Mutex<Inner>>);

struct Inner {
    stream: Line,
    gathered: BytesMut,
    /// Read, and not yet asked for.
    ahead: BytesMut,
    /// Why what was gathered could not be written.
    failed: Option<io::ErrorKind>,
}

/// A stream and its cork.
pub(crate) fn cork(stream: Line) -> (Corked, Cork) {
    let (gathered, ahead) = (BytesMut::new(), BytesMut::new());
    let inner = Arc::new(Mutex::new(Inner { stream, gathered, ahead, failed: None }));
    (Corked(Arc::clone(&inner)), Cork(inner))
}

// === impl Cork ===

impl Cork {
    /// Drives a connection over the corked stream.
    pub(crate) fn drive<'a, F, E>(
        &'a self,
        mut connection: Pin<&'a mut F>,
    ) -> impl Future<Output = Result<(), E>> + use<'a, F, E>
    where
        F: Future<Output = Result<(), E>>,
    {
        poll_fn(move |context| {
            let polled = connection.as_mut().poll(context);
            let mut inner = lock(&self.0);
            if polled.is_pending()
                && let Poll::Ready(Err(error)) = inner.poll_release(context)
            {
                // The connection's to meet, with what it does next.
                inner.failed = Some(error.kind());
                context.waker().wake_by_ref();
            }
            polled
        })
    }
}

// === impl Inner ===

impl Inner {
    /// Writes what was gathered.
    fn poll_release(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.gathered.is_empty() {
            let stream = Pin::new(&mut self.stream);
            let written = ready!(stream.poll_write(context, &self.gathered))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.gathered.advance(written);
        }
        // Under TLS what was written may still be here.
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(kind) = self.failed {
            return Poll::Ready(Err(kind.into()));
        }
        if self.ahead.is_empty() {
            match &mut self.stream {
                Line::Clear(stream) if buffer.remaining() < AHEAD_MAX => {
                    ready!(poll_ahead(stream, &mut self.ahead, context))?;
                }
                // TLS reads ahead by itself.
                stream => return Pin::new(stream).poll_read(context, buffer),
            }
        }
        let length = buffer.remaining().min(self.ahead.len());
        buffer.put_slice(&self.ahead.split_to(length));
        Poll::Ready(Ok(()))
    }

    fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(kind) = self.failed {
            return Poll::Ready(Err(kind.into()));
        }
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        if self.gathered.len() + length > GATHERED_MAX {
            return self.poll_write_through(context, parts);
        }
        parts.iter().for_each(|part| self.gathered.extend_from_slice(part));
        Poll::Ready(Ok(length))
    }

    /// Writes what was gathered and `parts` behind it in one go; what of `parts` was written.
    fn poll_write_through(
        &mut self,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            let gathered = self.gathered.len();
            let stream = Pin::new(&mut self.stream);
            let written = if gathered == 0 {
                ready!(stream.poll_write_vectored(context, parts))?
            } else {
                let mut all = Vec::with_capacity(parts.len() + 1);
                all.push(IoSlice::new(&self.gathered));
                all.extend_from_slice(parts);
                ready!(stream.poll_write_vectored(context, &all))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.gathered.advance(written.min(gathered));
            if written > gathered {
                return Poll::Ready(Ok(written - gathered));
            }
        }
    }
}

/// Reads what there is; nothing at the end of the stream.
fn poll_ahead(
    stream: &TcpStream,
    ahead: &mut BytesMut,
    context: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    ahead.reserve(AHEAD_MAX);
    loop {
        ready!(stream.poll_read_ready(context))?;
        match stream.try_read_buf(ahead) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            read => return Poll::Ready(read.map(drop)),
        }
    }
}

fn lock(inner: &Mutex<Inner>) -> MutexGuard<'_, Inner> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

// === impl Corked ===

impl AsyncRead for Corked {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        lock(&self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Corked {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        part: &[u8],
    ) -> Poll<io::Result<usize>> {
        lock(&self.0).poll_write(context, &[IoSlice::new(part)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        lock(&self.0).poll_write(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = lock(&self.0);
        ready!(inner.poll_release(context))?;
        Pin::new(&mut inner.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let connecting = TcpStream::connect(listener.local_addr().unwrap());
        let (ours, theirs) = tokio::join!(connecting, listener.accept());
        (ours.unwrap(), theirs.unwrap().0)
    }

    #[tokio::test]
    async fn what_is_written_leaves_when_the_turn_is_over_and_in_order() {
        let (ours, mut theirs) = pair().await;
        let (mut corked, cork) = cork(Line::Clear(ours));
        for part in [&b"ab"[..], b"c", b"d"] {
            corked.write_all(part).await.unwrap();
            corked.flush().await.unwrap();
        }
        let mut found = [0; 8];
        assert_eq!(theirs.try_read(&mut found).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        let mut turn = std::pin::pin!(std::future::pending::<io::Result<()>>());
        let driving = cork.drive(turn.as_mut());
        tokio::select! {
            _ = driving => unreachable!(),
            read = theirs.read(&mut found) => assert_eq!(&found[..read.unwrap()], b"abcd"),
        }
    }

    #[tokio::test]
    async fn more_than_is_gathered_waits_for_the_peer_and_loses_nothing() {
        let (ours, mut theirs) = pair().await;
        let (mut corked, _cork) = cork(Line::Clear(ours));
        let sent: Vec<u8> = (0..20_000_000_u32).map(|n| (n / 3) as u8).collect();
        let writing = async {
            for part in sent.chunks(30_001) {
                corked.write_all(part).await.unwrap();
            }
            corked.shutdown().await.unwrap();
        };
        let mut found = Vec::new();
        let (_, read) = tokio::join!(writing, theirs.read_to_end(&mut found));
        assert_eq!(read.unwrap(), sent.len());
        assert!(found == sent);
    }

    #[tokio::test]
    async fn a_write_that_fails_ends_the_connection() {
        let (ours, theirs) = pair().await;
        let (mut corked, cork) = cork(Line::Clear(ours));
        theirs.set_zero_linger().unwrap();
        drop(theirs);
        let mut turn = std::pin::pin!(async {
            loop {
                corked.write_all(b"anybody there?").await?;
                tokio::task::yield_now().await;
            }
            #[expect(unreachable_code, reason = "names the type of the result")]
            io::Result::Ok(())
        });
        assert!(cork.drive(turn.as_mut()).await.is_err());
    }
}
