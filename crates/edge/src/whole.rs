//! A body that is there as a whole.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame as Piece, SizeHint};

use crate::record::{Outcome, Record};

/// A body that is there as a whole; sent with its length.
pub(crate) struct Whole {
    bytes: Option<Bytes>,
    record: Option<Record>,
}

impl Whole {
    /// A body of `bytes`. A `HEAD` request ends with the head, so its body counts as sent.
    pub(crate) fn body(bytes: Bytes, record: Record, head_only: bool) -> Body {
        if bytes.is_empty() || head_only {
            record.ended(Outcome::Complete);
            return Body::from(bytes);
        }
        Body::new(Self { bytes: Some(bytes), record: Some(record) })
    }
}

impl http_body::Body for Whole {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Piece<Bytes>, Self::Error>>> {
        if let Some(mut record) = self.record.take() {
            record.first_byte();
            record.ended(Outcome::Complete);
        }
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Piece::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}
