//! An answer's body. It holds the permit and the place of its call, so a call counts until its last
//! byte, and dropping it early closes the connection, or the stream where calls share one.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;

use crate::Error;
use crate::lanes::Place;

/// A body that arrives.
#[derive(Debug)]
pub struct Body {
    incoming: Incoming,
    held: Option<(OwnedSemaphorePermit, Place)>,
}

impl Body {
    pub(crate) fn new(incoming: Incoming, held: (OwnedSemaphorePermit, Place)) -> Self {
        Self { incoming, held: Some(held) }
    }

    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// The connection broke within the body.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        loop {
            let frame = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
            match frame {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => return Poll::Ready(Some(Ok(data))),
                    // Trailers say nothing that is used.
                    Err(_) => {}
                },
                Some(Err(error)) => {
                    self.held = None;
                    return Poll::Ready(Some(Err(Error::from_body(&error))));
                }
                None => {
                    self.held = None;
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
        self.incoming.size_hint().exact()
    }
}
