//! A request's body that is still arriving, watched: whose turn it is to do something, so that a slow
//! caller is not taken for a silent provider. It is sent for as long as its call lives, and not a
//! byte longer: a provider may answer before it has heard all. How long a caller may take is the
//! edge's affair.

use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use futures_util::FutureExt;
use futures_util::future::{Either, select};
use http::{Request, Response};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};
use weir_upstream::{Body, Client, Error, Outgoing, Pieces};

/// What is known of an upload; ends it when dropped.
#[derive(Debug)]
pub(crate) struct Upload {
    turn: Arc<Mutex<Turn>>,
    _wanted: oneshot::Sender<()>,
}

/// Nobody waits any more for an answer to the upload.
#[derive(Debug, thiserror::Error)]
#[error("the call is over")]
struct Unwanted;

#[derive(Debug, Clone, Copy)]
struct Turn {
    /// The next piece has been asked for and has not come.
    is_callers: bool,
    since: Instant,
}

impl Upload {
    /// `pieces`, and what is known of them from now on.
    pub(crate) fn watch(pieces: Pieces) -> (Self, Pieces) {
        let turn = Turn { is_callers: false, since: Instant::now() };
        let turn = Arc::new(Mutex::new(turn));
        let (_wanted, unwanted) = oneshot::channel();
        (Self { turn: Arc::clone(&turn), _wanted }, Box::pin(Watched { pieces, turn, unwanted }))
    }

    /// Sends `request`, whose body this is. Only the time that the provider lets pass counts for
    /// `limit`, the attempt's; how long the caller may take is for those to say who know it.
    pub(crate) async fn send(
        &self,
        client: &Client,
        request: Request<Outgoing>,
        limit: Duration,
        deadline: Instant,
    ) -> Result<Response<Body>, Error> {
        let sent = client.send(request, deadline);
        match select(pin!(sent), pin!(self.silent(limit))).await {
            Either::Left((sent, _)) => sent,
            Either::Right(_) => Err(Error::Timeout),
        }
    }

    /// Done when the provider has let `limit` pass without taking more, or without an answer to all
    /// of it.
    async fn silent(&self, limit: Duration) {
        loop {
            let Turn { is_callers, since } = *locked(&self.turn);
            let now = Instant::now();
            let end = if is_callers { now } else { since } + limit;
            if now >= end {
                return;
            }
            sleep_until(end).await;
        }
    }
}

fn locked(turn: &Mutex<Turn>) -> MutexGuard<'_, Turn> {
    turn.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Watched {
    pieces: Pieces,
    turn: Arc<Mutex<Turn>>,
    unwanted: oneshot::Receiver<()>,
}

impl Stream for Watched {
    type Item = <Pieces as Stream>::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.unwanted.poll_unpin(cx).is_ready() {
            return Poll::Ready(Some(Err(Unwanted.into())));
        }
        let polled = self.pieces.as_mut().poll_next(cx);
        *locked(&self.turn) = Turn { is_callers: polled.is_pending(), since: Instant::now() };
        polled
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::StreamExt;
    use futures_util::stream;
    use tokio::time::timeout;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(3);

    #[tokio::test(start_paused = true)]
    async fn only_the_providers_time_counts() {
        let (caller, pieces) = tokio::sync::mpsc::channel::<Bytes>(1);
        let pieces =
            stream::unfold(
                pieces,
                |mut pieces| async move { Some((Ok(pieces.recv().await?), pieces)) },
            );
        let (upload, mut pieces) = Upload::watch(Box::pin(pieces));
        // The caller lets time pass.
        assert!(timeout(10 * LIMIT, pieces.next()).await.is_err());
        assert!(timeout(10 * LIMIT, upload.silent(LIMIT)).await.is_err());
        caller.send(Bytes::from_static(b"x")).await.unwrap();
        assert!(pieces.next().await.is_some());
        // The provider does, by taking no more.
        let begun = Instant::now();
        upload.silent(LIMIT).await;
        assert_eq!(begun.elapsed(), LIMIT);
        drop(caller);
        assert!(pieces.next().await.is_none());
        upload.silent(LIMIT).await;
        assert_eq!(begun.elapsed(), 2 * LIMIT);
    }
    #[tokio::test]
    async fn an_upload_ends_with_its_call() {
        let (upload, mut pieces) = Upload::watch(Box::pin(stream::pending()));
        let rest = tokio::spawn(async move { pieces.next().await });
        tokio::task::yield_now().await;
        drop(upload);
        assert!(rest.await.unwrap().unwrap().is_err());
    }
}
