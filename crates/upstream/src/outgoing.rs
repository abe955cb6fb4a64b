//! A request's body: pieces that are there, so that changing a name copies no prompt, or a stream
//! of pieces that are not kept.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use http_body::{Frame, SizeHint};

/// What breaks off an upload.
type Broken = Box<dyn std::error::Error + Send + Sync>;

/// Pieces that are still to come; an error breaks the request off.
pub type Pieces = Pin<Box<dyn Stream<Item = Result<Bytes, Broken>> + Send>>;

/// Goes with a request whose answer is wanted as it comes, compressed or not: what it is to be called is
/// for whoever asked to say.
#[derive(Debug, Clone, Copy)]
pub struct AsItComes;

/// A body that is sent.
pub struct Outgoing(Kind);

enum Kind {
    Parts { parts: VecDeque<Bytes>, left: u64 },
    Stream { pieces: Pieces, length: Option<u64> },
}

impl Outgoing {
    /// A body of these pieces, in order.
    #[must_use]
    pub fn parts(parts: Vec<Bytes>) -> Self {
        let left = parts.iter().map(|part| part.len() as u64).sum();
        Self(Kind::Parts { parts: parts.into(), left })
    }

    /// A body that is still arriving, `length` bytes long if that is known.
    #[must_use]
    pub fn stream(pieces: Pieces, length: Option<u64>) -> Self {
        Self(Kind::Stream { pieces, length })
    }

    /// The same body once more, if all of it is there; nothing is copied.
    #[must_use]
    pub fn again(&self) -> Option<Self> {
        match &self.0 {
            Kind::Parts { parts, left } => {
                Some(Self(Kind::Parts { parts: parts.clone(), left: *left }))
            }
            Kind::Stream { .. } => None,
        }
    }

    /// The pieces, if they are all there: for those who must sign them.
    pub fn held(&self) -> Option<impl Iterator<Item = &Bytes>> {
        match &self.0 {
            Kind::Parts { parts, .. } => Some(parts.iter()),
            Kind::Stream { .. } => None,
        }
    }
}

impl From<Bytes> for Outgoing {
    fn from(bytes: Bytes) -> Self {
        Self::parts(vec![bytes])
    }
}

impl fmt::Debug for Outgoing {
    /// Lengths only: bodies are prompts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Parts { left, .. } => write!(f, "Parts({left} bytes)"),
            Kind::Stream { length, .. } => write!(f, "Stream({length:?} bytes)"),
        }
    }
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match &mut self.0 {
            Kind::Parts { parts, left } => {
                let Some(part) = parts.pop_front() else { return Poll::Ready(None) };
                *left = left.saturating_sub(part.len() as u64);
                Poll::Ready(Some(Ok(Frame::data(part))))
            }
            Kind::Stream { pieces, .. } => {
                let piece = ready!(pieces.as_mut().poll_next(cx));
                Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.0, Kind::Parts { parts, .. } if parts.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Parts { left, .. } => SizeHint::with_exact(*left),
            Kind::Stream { length: Some(length), .. } => SizeHint::with_exact(*length),
            Kind::Stream { length: None, .. } => SizeHint::default(),
        }
    }
}
