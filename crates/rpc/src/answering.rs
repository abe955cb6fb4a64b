//! The end of a framed link that is asked: the body of its call's answer, which reads what comes, has it
//! answered, and sends the answers.
//!
//! Each request is a task, which ends with the request: a caller that lets it go, or a connection that
//! breaks, drops the service's work.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use http::{HeaderMap, HeaderValue};
use http_body::{Body as _, Frame as BodyFrame};
use hyper::body::Incoming;
use prost::Message;
use tokio::sync::watch;
use tonic::Status;
use tonic::body::Body as TonicBody;
use weir_types::{CallContext, Fault};

use crate::exchange::{Bounds, Parts, Upload};
use crate::framed::{
    Arriving, Decoder, FramedPart as Part, REQUESTS, Shared, Side, Task, WINDOW, WINDOW_BYTES,
    encode, windows,
};
use crate::proto::common;
use crate::wire::{self, WireFrame};
use crate::{CallFuture, Frame, Reply};

/// What answers the requests of one hop.
pub(crate) trait Hop: Clone + Unpin + Send + Sync + 'static {
    /// What the hop's calls are made of.
    type Frame: WireFrame;

    /// What bounds the bodies of requests.
    fn bounds(&self) -> Bounds;

    /// Answers one request.
    fn answer(
        &self,
        context: CallContext,
        head: Box<<Self::Frame as WireFrame>::Head>,
        upload: Upload<Self::Frame>,
    ) -> CallFuture;
}

/// Answers the call that is a link: its requests by `hop`, until `stopping`.
pub(crate) fn serve<H: Hop>(
    request: http::Request<Incoming>,
    hop: H,
    requests_max: u32,
    mut stopping: watch::Receiver<bool>,
) -> http::Response<TonicBody> {
    let windows = windows(request.headers(), requests_max);
    let shared = Arc::new(Shared::new(Side::Service, windows));
    let stopped = async move {
        // An error means that the server is gone, which is an end as well.
        let _ = stopping.wait_for(|stopping| *stopping).await;
    };
    let serving = Serving {
        shared,
        hop,
        requests: request.into_body(),
        decoder: Decoder::default(),
        stopped: Some(stopped.boxed()),
        has_caller_ended: false,
        has_ended: false,
    };
    let mut response = http::Response::new(TonicBody::new(serving));
    let headers = response.headers_mut();
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(WINDOW, WINDOW_BYTES.into());
    headers.insert(REQUESTS, requests_max.into());
    response
}

struct Serving<H> {
    shared: Arc<Shared>,
    hop: H,
    requests: Incoming,
    decoder: Decoder,
    stopped: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    has_caller_ended: bool,
    has_ended: bool,
}

impl<H: Hop> Serving<H> {
    /// Reads all that there is.
    fn receive(&mut self, context: &mut Context<'_>) -> Result<(), Status> {
        while !self.has_caller_ended {
            let data = match Pin::new(&mut self.requests).poll_frame(context) {
                Poll::Pending => return Ok(()),
                Poll::Ready(None) => {
                    self.has_caller_ended = true;
                    return Ok(());
                }
                Poll::Ready(Some(Err(error))) => {
                    return Err(Status::unavailable(error.to_string()));
                }
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => data,
                    Err(_trailers) => continue,
                },
            };
            let (shared, hop) = (&self.shared, &self.hop);
            let opened = |number, opening| {
                Some(Task::spawn(answer(Arc::clone(shared), number, opening, hop.clone())))
            };
            shared.receive(&mut self.decoder, data, opened).map_err(Status::internal)?;
        }
        Ok(())
    }
}

impl<H: Hop> http_body::Body for Serving<H> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<BodyFrame<Bytes>, Status>>> {
        let this = &mut *self;
        if this.has_ended {
            return Poll::Ready(None);
        }
        if this.stopped.as_mut().is_some_and(|stopped| stopped.poll_unpin(context).is_ready()) {
            this.stopped = None;
            this.shared.lock().leave();
        }
        if let Err(status) = this.receive(context) {
            this.has_ended = true;
            this.shared.lock().fail(status.message());
            return Poll::Ready(Some(Err(status)));
        }
        let mut link = this.shared.lock();
        if let Some(bytes) = link.pull() {
            return Poll::Ready(Some(Ok(BodyFrame::data(bytes))));
        }
        if this.has_caller_ended && link.is_idle() {
            this.has_ended = true;
            let ok = ("grpc-status", HeaderValue::from_static("0"));
            let trailers = HeaderMap::from_iter([(http::HeaderName::from_static(ok.0), ok.1)]);
            return Poll::Ready(Some(Ok(BodyFrame::trailers(trailers))));
        }
        link.park(context);
        Poll::Pending
    }
}

impl<H> Drop for Serving<H> {
    fn drop(&mut self) {
        self.shared.lock().fail("the caller has let the link go");
    }
}

/// Tells the caller if nobody does any more what it asked for.
struct Unanswered {
    shared: Arc<Shared>,
    number: u64,
    is_answered: bool,
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        if !self.is_answered {
            self.shared.send(self.number, Part::Cancel);
        }
    }
}

async fn answer<H: Hop>(shared: Arc<Shared>, number: u64, opening: Bytes, hop: H) {
    let arriving = Arriving::new(Arc::clone(&shared), number, None);
    let mut unanswered = Unanswered { shared, number, is_answered: false };
    let last = match ask(opening, arriving, &hop).await {
        Ok(reply) => match send(&unanswered.shared, number, reply).await {
            Some(last) => last,
            None => return,
        },
        Err(fault) => {
            let end = common::End { fault: Some(fault.into()), ..Default::default() };
            encode(&end).map_or(Part::Cancel, Part::End)
        }
    };
    unanswered.shared.send(number, last);
    unanswered.is_answered = true;
}

async fn ask<H: Hop>(opening: Bytes, arriving: Arriving, hop: &H) -> Result<Reply, Fault> {
    let unreadable = |error| wire::malformed(&format!("{error}"));
    let opening = <H::Frame as WireFrame>::Opening::decode(opening).map_err(unreadable)?;
    let opened = <H::Frame as WireFrame>::opened(opening);
    let (context, head) =
        opened.ok_or_else(|| wire::malformed("`context` or `head` is missing"))?;
    let context = wire::context_beside(context)?;
    let upload = Upload::new(Parts::Framed(arriving), hop.bounds());
    hop.answer(context, head, upload).await
}

/// Sends an answer up to its last part, which is left; `None` if the request was let go.
async fn send(shared: &Shared, number: u64, reply: Reply) -> Option<Part> {
    let Some(head) = encode(&wire::reply_head(reply.head)) else { return Some(Part::Cancel) };
    let mut frames = reply.frames;
    let mut is_wanted = shared.send(number, Part::Head(head));
    while is_wanted && shared.room(number).await {
        match frames.next().await {
            Some(Frame::Chunk(bytes)) if bytes.is_empty() => {}
            Some(Frame::Chunk(bytes)) => {
                is_wanted = shared.send(number, Part::Payload { bytes, is_last: true });
            }
            Some(Frame::End(end)) => {
                return Some(encode(&wire::end(*end)).map_or(Part::Cancel, Part::End));
            }
            None => return Some(Part::Cut),
        }
    }
    None
}
