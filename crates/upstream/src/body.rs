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
use crate::decoded::Decoder;
use crate::lanes::Place;

/// A body that arrives.
pub struct Body(Kind);

enum Kind {
    Arriving(Arriving),
    Made(Chunks),
}

/// What comes over a connection.
#[derive(Debug)]
struct Arriving {
    incoming: Incoming,
    held: Option<(OwnedSemaphorePermit, Place)>,
    /// Set where the bytes that come are not those of the answer.
    decoder: Option<Box<Decoder>>,
}

/// The bytes of a body that was made from others.
pub type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, Error>> + Send>>;

impl Body {
    pub(crate) fn new(
        incoming: Incoming,
        held: (OwnedSemaphorePermit, Place),
        decoder: Option<Box<Decoder>>,
    ) -> Self {
        Self(Kind::Arriving(Arriving { incoming, held: Some(held), decoder }))
    }

    /// A body made from others: it holds what they hold.
    #[must_use]
    pub fn made(chunks: Chunks) -> Self {
        Self(Kind::Made(chunks))
    }

    /// The next bytes, decoded where they come encoded; `None` at the end.
    ///
    /// # Errors
    /// The connection broke within the body, or its encoding cannot be read.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        match &mut self.0 {
            Kind::Arriving(arriving) => arriving.poll_chunk(cx),
            Kind::Made(chunks) => chunks.as_mut().poll_next(cx),
        }
    }

    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// The connection broke within the body.
    pub async fn chunk(&mut self) -> Option<Result<Bytes, Error>> {
        std::future::poll_fn(|cx| self.poll_chunk(cx)).await
    }

    /// The length that the head announced, if it did and it is the answer's.
    #[must_use]
    pub fn announced(&self) -> Option<u64> {
        match &self.0 {
            Kind::Arriving(Arriving { incoming, decoder: None, .. }) => {
                incoming.size_hint().exact()
            }
            Kind::Arriving(_) | Kind::Made(_) => None,
        }
    }
}

impl Arriving {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        let Self { incoming, held, decoder } = self;
        let Some(decoder) = decoder else { return poll_raw(incoming, held, cx) };
        loop {
            if let Some(decoded) = decoder.next().transpose() {
                return Poll::Ready(Some(decoded));
            }
            if decoder.is_over() {
                return Poll::Ready(None);
            }
            match ready!(poll_raw(incoming, held, cx)) {
                Some(Ok(chunk)) => decoder.push(chunk),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => decoder.end(),
            }
        }
    }
}

/// The next bytes as they come.
fn poll_raw(
    incoming: &mut Incoming,
    held: &mut Option<(OwnedSemaphorePermit, Place)>,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Bytes, Error>>> {
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

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Arriving(arriving) => arriving.fmt(f),
            Kind::Made(_) => f.write_str("Made"),
        }
    }
}
