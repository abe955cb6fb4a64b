//! The end that opens requests: one call on a connection, and the pump between it and the link.
//!
//! Knows no connection's beginning; its end is the link's.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::poll_fn;
use h2::client::SendRequest;
use h2::{Reason, RecvStream, SendStream};
use http::header::{CONTENT_TYPE, TE};
use http::{HeaderValue, Method, Request, Uri, Version};
use tokio::sync::Semaphore;

use super::frame::{Decoder, Part};
use super::link::Side;
use super::{Arriving, Shared, Task, WINDOW, WINDOW_BYTES, encode, windows};
use crate::Body;
use crate::link::LinkSettings;
use crate::proto::common;

/// Trailers alone, where nothing is served.
const STATUS: &str = "grpc-status";

/// A link on which requests can be opened, until this is dropped: then it ends with its last request.
#[derive(Debug)]
pub(crate) struct Caller {
    shared: Arc<Shared>,
    permits: Arc<Semaphore>,
}

/// A request that was opened.
pub(crate) struct Opened {
    /// What comes of its answer.
    pub(crate) arriving: Arriving,
    /// Sends what is left of its body.
    pub(crate) upload: Option<Task>,
}

/// Leave to open one request.
#[derive(Debug)]
pub(crate) struct Permit(tokio::sync::OwnedSemaphorePermit);

/// Opens a link at `target` on a connection; `None` if the service there has none.
///
/// # Errors
/// The connection broke.
pub(crate) async fn open(
    mut connection: SendRequest<Bytes>,
    target: Uri,
    limits: &LinkSettings,
) -> Result<Option<Caller>, h2::Error> {
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = target;
    let headers = request.headers_mut();
    headers.insert(TE, HeaderValue::from_static("trailers"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(WINDOW, WINDOW_BYTES.into());
    limits.tokens.add_to(headers);
    let (answer, send) = connection.send_request(request, false)?;
    let answer = answer.await?;
    if !answer.status().is_success() || answer.headers().contains_key(STATUS) {
        return Ok(None);
    }
    let windows = windows(answer.headers(), limits.streams_max);
    let shared = Arc::new(Shared::new(Side::Caller, windows));
    let permits = Arc::new(Semaphore::new(windows.requests_max.min(Semaphore::MAX_PERMITS)));
    let pump = Pump {
        shared: Arc::clone(&shared),
        permits: Arc::clone(&permits),
        send,
        answer: answer.into_body(),
        decoder: Decoder::default(),
        unsent: Bytes::new(),
        has_ended: false,
    };
    tokio::spawn(pump.run());
    Ok(Some(Caller { shared, permits }))
}

// === impl Caller ===

impl Caller {
    /// Whether requests can be opened.
    pub(crate) fn is_open(&self) -> bool {
        self.shared.lock().is_open().is_ok()
    }

    /// Waits until fewer requests are open than may be; `None` if no more can be opened.
    pub(crate) async fn permit(&self) -> Option<Permit> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok()?;
        self.is_open().then_some(Permit(permit))
    }

    /// Opens a request; `None` if none can be opened any more.
    pub(crate) fn open(&self, permit: Permit, opening: Bytes, body: Body) -> Option<Opened> {
        let mut parts = VecDeque::with_capacity(3);
        parts.push_back(Part::Open(opening));
        if let Some(pieces) = body.pieces() {
            let payload = |bytes: &Bytes| Part::Payload { bytes: bytes.clone(), is_last: true };
            parts.extend(pieces.iter().filter(|bytes| !bytes.is_empty()).map(payload));
            parts.push_back(Part::End(Bytes::new()));
        }
        let number = self.shared.lock().open(parts).ok()?;
        let shared = Arc::clone(&self.shared);
        let arriving = Arriving::new(shared, number, Some(permit.0));
        let rest = if let Body::Stream(parts) = body { Some(parts) } else { None };
        let upload = rest.map(|mut parts| {
            let shared = Arc::clone(&self.shared);
            let sending = async move {
                while shared.room(number).await {
                    let end = match parts.next().await {
                        Some(Ok(bytes)) if bytes.is_empty() => continue,
                        Some(Ok(bytes)) => {
                            shared.send(number, Part::Payload { bytes, is_last: true });
                            continue;
                        }
                        Some(Err(fault)) => {
                            common::End { fault: Some(fault.into()), ..Default::default() }
                        }
                        None => common::End::default(),
                    };
                    shared.send(number, encode(&end).map_or(Part::Cut, Part::End));
                    return;
                }
            };
            Task::spawn(sending)
        });
        Some(Opened { arriving, upload })
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.permits.close();
        self.shared.lock().leave();
    }
}

/// Between the link and its call.
struct Pump {
    shared: Arc<Shared>,
    permits: Arc<Semaphore>,
    send: SendStream<Bytes>,
    answer: RecvStream,
    decoder: Decoder,
    /// Pulled, but there was no room for it.
    unsent: Bytes,
    /// The call's own side has ended.
    has_ended: bool,
}

impl Pump {
    async fn run(mut self) {
        let why = poll_fn(|context| self.poll(context)).await;
        tracing::debug!(why, "a framed link ended");
        self.shared.lock().fail(&why);
    }

    /// Ends with the reason why there is no link any more.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<String> {
        if let Poll::Ready(why) = self.poll_receive(context) {
            return Poll::Ready(why);
        }
        self.poll_send(context)
    }

    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<String> {
        loop {
            let data = match ready!(self.answer.poll_data(context)) {
                Some(Ok(data)) => data,
                Some(Err(error)) => return Poll::Ready(error.to_string()),
                None => return Poll::Ready("the service has ended the link".to_owned()),
            };
            // What is held of a request has a window of its own.
            let _ = self.answer.flow_control().release_capacity(data.len());
            if let Err(why) = self.shared.receive(&mut self.decoder, data, |_, _| None) {
                self.send.send_reset(Reason::PROTOCOL_ERROR);
                return Poll::Ready(why);
            }
            if self.shared.lock().is_leaving() {
                self.permits.close();
            }
        }
    }

    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<String> {
        loop {
            if self.unsent.is_empty() {
                let mut link = self.shared.lock();
                match link.pull() {
                    Some(bytes) => self.unsent = bytes,
                    None => {
                        link.park(context);
                        let is_over = link.is_leaving() && link.is_idle();
                        drop(link);
                        if is_over && !std::mem::replace(&mut self.has_ended, true) {
                            let _ = self.send.send_data(Bytes::new(), true);
                        }
                        return Poll::Pending;
                    }
                }
            }
            self.send.reserve_capacity(self.unsent.len());
            while self.send.capacity() == 0 {
                match ready!(self.send.poll_capacity(context)) {
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Poll::Ready(error.to_string()),
                    None => return Poll::Ready("the service reads the link no more".to_owned()),
                }
            }
            let part = self.unsent.split_to(self.send.capacity().min(self.unsent.len()));
            if let Err(error) = self.send.send_data(part, false) {
                return Poll::Ready(error.to_string());
            }
        }
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        self.permits.close();
        self.shared.lock().fail("the link was let go");
    }
}
