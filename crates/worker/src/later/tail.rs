//! The body of a stream that does not say all of its answer: in front of the events stands what the
//! order said, after them what the answer's document says when all is done.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use tokio::time::{Instant, sleep};
use weir_dialect::{Depth, Format, Kind, Next};
use weir_framing::Decoder;
use weir_upstream::{Body, Error};

use super::{Desk, FAILURES_MAX, GRACE, Guard, JSON};
use crate::call::Limit;
use crate::whole;

/// A body under way.
struct Tail {
    desk: Arc<Desk>,
    /// What the order said.
    first: Option<Bytes>,
    /// The events, until the last.
    events: Option<Body>,
    decoder: Decoder,
    /// Where the document is.
    document: Option<String>,
    /// Last, so that its place among the calls is free when an order is taken back.
    guard: Guard,
}

/// The body that begins with `first`, goes on with `events` and ends with what stands at `document`.
pub(super) fn body(
    desk: &Arc<Desk>,
    first: Bytes,
    events: Body,
    document: Option<String>,
    guard: Guard,
) -> Body {
    let decoder = Decoder::new(desk.framing);
    let (first, events) = (Some(first), Some(events));
    let tail = Tail { desk: Arc::clone(desk), first, events, decoder, document, guard };
    Body::made(Box::pin(stream::unfold(tail, |mut tail| async move {
        let item = tail.next().await?;
        Some((item, tail))
    })))
}

impl Tail {
    async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        if let Some(first) = self.first.take() {
            return Some(Ok(first));
        }
        if let Some(events) = &mut self.events {
            match events.chunk().await {
                Some(Ok(chunk)) => {
                    if is_last(&mut self.decoder, self.desk.format, &chunk) {
                        // Not every server ends the connection after its last event.
                        self.events = None;
                        self.guard.cancel = None;
                    }
                    return Some(Ok(chunk));
                }
                Some(Err(error)) => {
                    (self.events, self.document) = (None, None);
                    return Some(Err(error));
                }
                None => self.events = None,
            }
        }
        let url = self.document.take()?;
        let event = self.desk.closing(&url).await?;
        self.guard.cancel = None;
        Some(Ok(event))
    }
}

/// Whether the answer ends, or fails, in what `chunk` completes.
fn is_last(decoder: &mut Decoder, format: &dyn Format, chunk: &Bytes) -> bool {
    decoder.push(chunk.clone());
    let mut is_last = false;
    while let Ok(Some(raw)) = decoder.next_frame() {
        let seen = decoder.parse(&raw).ok().map(|frame| format.observe(&frame, Depth::Skim));
        is_last |= seen.is_some_and(|seen| {
            seen.is_ok_and(|seen| seen.finish().is_some() || seen.kind == Kind::Error)
        });
    }
    is_last
}

impl Desk {
    /// What the document says when the answer is done, as an event; `None` if it cannot be had. Whoever
    /// waits for it decides how long.
    async fn closing(&self, url: &str) -> Option<Bytes> {
        let (mut looks, mut failures) = (0, 0);
        while failures < FAILURES_MAX {
            match self.document(url).await {
                Some(body) => {
                    if self.read(&body, false).ok()?.next == Next::Here {
                        return self.event(&body).ok();
                    }
                }
                None => failures += 1,
            }
            sleep(self.later.pause(looks)).await;
            looks += 1;
        }
        None
    }

    async fn document(&self, url: &str) -> Option<Bytes> {
        let at = Instant::now() + GRACE;
        let limit = Limit { at, is_requests: false, is_clients: false, own: GRACE, deadline: at };
        let place = self.place(url).ok()?;
        let (head, body) = self.get(&place, JSON, limit).await.ok()?.into_parts();
        if !head.status.is_success() {
            return None;
        }
        let (body, _) = whole::read(&self.shared, limit, Bytes::new(), body).await.ok()?;
        Some(body)
    }
}
