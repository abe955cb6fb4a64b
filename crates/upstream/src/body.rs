//! An answer's body. It holds the permit and the place of its call, so a call counts until its last
//! byte, and dropping it early closes the connection, or the stream where calls share one.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;

use crate::Error;
use crate::lanes::Place;

/// A body that arrives.
pub struct Body(Kind);

enum Kind {
    Arriving { incoming: Incoming, held: Option<(OwnedSemaphorePermit, Place)> },
    Made(Chunks),
}

/// The bytes of a body that was made from others.
pub type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, Error>> + Send>>;

impl Body {
    pub(crate) fn new(incoming: Incoming, held: (OwnedSemaphorePermit, Place)) -> Self {
        Self(Kind::Arriving { incoming, held: Some(held) })
    }

    /// A body made from others: it holds what they hold.
    #[must_use]
    pub fn made(chunks: Chunks) -> Self {
        Self(Kind::Made(chunks))
    }

    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// The connection broke within the body.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        let (incoming, held) = match &mut self.0 {
            Kind::Arriving { incoming, held } => (incoming, held),
            Kind::Made(chunks) => return chunks.as_mut().poll_next(cx),
        };
        loop {
            let frame = ready!(Pin::new(&mut *incoming).poll_frame(cx));
            match frame {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => return Poll::Ready(Some(Ok(data))),
                    // Trailers say nothing that is used.
                    Err(_) => {}
                },
                Some(Err(error)) => {
                    *held = None;
                    return Poll::Ready(Some(Err(Error::from_body(&error))));
                }
                None => {
                    *held = None;
                    return Poll::Ready(None);
                }
            }
        }
    }

    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// The connection broke within the body.
    pub async fn chunk(&mut self) -> Option<Result<Bytes, Error>> {
        std::future::poll_fn(|cx| self.poll_chunk(cx)).await
    }

    /// The length that the head announced, if it did.
    #[must_use]
    pub fn announced(&self) -> Option<u64> {
        match &self.0 {
            Kind::Arriving { incoming, .. } => incoming.size_hint().exact(),
            Kind::Made(_) => None,
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Arriving { incoming, .. } => f.debug_tuple("Arriving").field(incoming).finish(),
            Kind::Made(_) => f.write_str("Made"),
        }
    }
}
