//! Many requests on one gRPC call (`proto/weir/link/v1/link.proto`): what each costs is its frames, not a
//! stream of the transport, its headers and its tasks.
//!
//! `link` is the machine of one end, `frame` its bytes; here and in `caller` it is tied to a connection,
//! the end that is asked in `answering`. Knows no method: what opens a request and what answers it is passed through.

mod caller;
mod frame;
mod link;

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_util::future::poll_fn;
use http::HeaderMap;
use prost::Message;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::AbortHandle;
use tonic::Status;

pub(crate) use caller::{Caller, Permit, open};
#[cfg(any(test, feature = "fuzz"))]
pub(crate) use frame::put;
pub(crate) use frame::{Decoder, Part as FramedPart};
#[cfg(any(test, feature = "fuzz"))]
pub use link::peer;
pub(crate) use link::{Side, Windows};

use crate::link::MESSAGE_BYTES_MAX;
use crate::proto::common;
use crate::wire;
use frame::Part;
use link::Link;

/// The method that is a link, of either service.
pub(crate) const METHOD: &str = "Link";
/// What of one request may be on its way before it is read, in bytes: as much as a stream of the
/// transport may.
pub(crate) const WINDOW_BYTES: u32 = 256 * 1024;
/// Windows are no larger, whatever a peer says.
const WINDOW_BYTES_MAX: u32 = 1 << 30;
/// In the metadata of the call and of its answer.
pub(crate) const WINDOW: &str = "weir-link-window";
/// In the metadata of the answer.
pub(crate) const REQUESTS: &str = "weir-link-requests";
/// Of the longest message, what is left for a part.
const PART_BYTES_MAX: usize = MESSAGE_BYTES_MAX - 64;

/// One end of a link, shared by its connection and its requests.
#[derive(Debug)]
pub(crate) struct Shared {
    link: Mutex<Link<Task>>,
}

/// A task that ends with whoever holds this.
#[derive(Debug)]
pub(crate) struct Task(AbortHandle);

/// What comes of a request from the other end. Dropping it lets a caller's request go.
#[derive(Debug)]
pub(crate) struct Arriving {
    shared: Arc<Shared>,
    number: u64,
    /// Of a caller: one of the requests that may be open at a time.
    _permit: Option<OwnedSemaphorePermit>,
}

// === impl Shared ===

impl Shared {
    pub(crate) fn new(side: Side, windows: Windows) -> Self {
        Self { link: Mutex::new(Link::new(side, windows)) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Link<Task>> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for room for more of a request; false if it has been let go.
    pub(crate) async fn room(&self, number: u64) -> bool {
        poll_fn(|context| self.lock().poll_room(number, context)).await
    }

    pub(crate) fn send(&self, number: u64, part: Part) -> bool {
        self.lock().send(number, part)
    }

    /// Passes what came on; `opened` is told of requests that begin, and makes the work that they are for.
    ///
    /// # Errors
    /// What came breaks the rules, and why.
    pub(crate) fn receive(
        &self,
        decoder: &mut Decoder,
        data: Bytes,
        mut opened: impl FnMut(u64, Bytes) -> Option<Task>,
    ) -> Result<(), String> {
        decoder.push(data);
        let mut link = self.lock();
        while let Some((number, part)) = decoder.next().map_err(|error| error.to_string())? {
            let begun = link.receive(number, part).map_err(|error| error.to_string())?;
            if let Some((number, opening)) = begun
                && let Some(work) = opened(number, opening)
            {
                link.begin(number, work);
            }
        }
        Ok(())
    }
}

/// A message as a part of a frame, if it is short enough.
pub(crate) fn encode(message: &impl Message) -> Option<Bytes> {
    let length = message.encoded_len();
    if length > PART_BYTES_MAX {
        return None;
    }
    let mut bytes = BytesMut::with_capacity(length);
    message.encode(&mut bytes).ok()?;
    Some(bytes.freeze())
}

/// What the peer's metadata says of it.
pub(crate) fn windows(headers: &HeaderMap, requests_max: u32) -> Windows {
    let number = |name| headers.get(name)?.to_str().ok()?.parse::<u32>().ok();
    let requests = number(REQUESTS).unwrap_or(requests_max).clamp(1, requests_max);
    Windows {
        own: WINDOW_BYTES,
        peer: number(WINDOW).unwrap_or(WINDOW_BYTES).min(WINDOW_BYTES_MAX),
        requests_max: usize::try_from(requests).unwrap_or(usize::MAX),
    }
}

// === impl Arriving ===

impl Arriving {
    pub(crate) const fn new(
        shared: Arc<Shared>,
        number: u64,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Self {
        Self { shared, number, _permit: permit }
    }

    /// The next part of a request or an answer.
    pub(crate) fn poll_part<Head>(
        self: Pin<&mut Self>,
        context: &Context<'_>,
    ) -> Poll<Option<Result<wire::Part<Head>, Status>>> {
        let unreadable = |error| Status::internal(format!("a frame cannot be read: {error}"));
        let arrived = std::task::ready!(self.shared.lock().poll_arrived(self.number, context));
        Poll::Ready(match arrived {
            None | Some(Ok(Part::Cut)) => None,
            Some(Err(why)) => Some(Err(Status::unavailable(&*why))),
            Some(Ok(Part::Payload { bytes, .. })) => Some(Ok(wire::Part::Chunk(bytes))),
            Some(Ok(Part::Head(head))) => {
                let head = common::ReplyHead::decode(head).map_err(unreadable);
                Some(head.map(|head| wire::Part::Reply(Box::new(head))))
            }
            Some(Ok(Part::End(end))) => {
                let end = common::End::decode(end).map_err(unreadable);
                Some(end.map(|end| wire::Part::End(Box::new(end))))
            }
            Some(Ok(Part::Cancel | Part::Open(_) | Part::Credit(_) | Part::Leaving)) => {
                Some(Err(Status::unavailable("the other service has let the request go")))
            }
        })
    }

    /// Waits until there is a part, or nothing more comes.
    pub(crate) async fn some(&self) {
        poll_fn(|context| self.shared.lock().poll_some(self.number, context)).await;
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        self.shared.lock().unread(self.number);
    }
}

impl Task {
    pub(crate) fn spawn(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(work).abort_handle())
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}
