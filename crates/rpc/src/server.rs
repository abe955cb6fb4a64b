//! The services as gRPC methods: reads the head, calls the service, sends what it answers.
//!
//! Everything a call holds lives in its future or its stream, so a reset or a broken connection
//! drops the service's work in place.

use std::pin::Pin;
use std::sync::Arc;

use futures_core::Stream;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::watch;
use tonic::{Request, Response, Status, Streaming};
use weir_types::{CallContext, Fault, FaultCode};

use crate::answering::Hop;
use crate::exchange::{Answering, Bounds, Keep, Parts, Upload, unreadable};
use crate::proto::worker::DescribeRequest;
use crate::proto::{router, worker};
use crate::wire::{self, Part, WireFrame};
use crate::{Body, CallFuture, Reply, RouterService, WorkerService};

/// A router service behind gRPC.
#[derive(Clone)]
pub(crate) struct RouterMethods {
    pub(crate) service: Arc<dyn RouterService>,
    pub(crate) bounds: Bounds,
}

/// A worker service behind gRPC.
#[derive(Clone)]
pub(crate) struct WorkerMethods {
    pub(crate) service: Arc<dyn WorkerService>,
    pub(crate) bounds: Bounds,
    /// Becomes true when the process drains: descriptions never end by themselves.
    pub(crate) stopping: watch::Receiver<bool>,
}

#[tonic::async_trait]
impl router::router_server::Router for RouterMethods {
    type CallStream = Answering<router::Frame>;

    async fn call(
        &self,
        request: Request<Streaming<router::Frame>>,
    ) -> Result<Response<Self::CallStream>, Status> {
        let reply = async {
            let RequestFrames { context, head, upload } = open(request, self.bounds).await?;
            self.answer(context, head, upload).await
        };
        respond(reply.await)
    }

    async fn explain(
        &self,
        request: Request<router::ExplainRequest>,
    ) -> Result<Response<router::Explanation>, Status> {
        let explained = self.service.explain(request.into_inner()).await;
        explained.map(Response::new).map_err(|fault| {
            let text = fault.detail.message.to_string();
            wire::status(fault).unwrap_or_else(|_too_long| Status::unknown(text))
        })
    }
}

#[tonic::async_trait]
impl worker::worker_server::Worker for WorkerMethods {
    type CallStream = Answering<worker::Frame>;

    async fn call(
        &self,
        request: Request<Streaming<worker::Frame>>,
    ) -> Result<Response<Self::CallStream>, Status> {
        let reply = async {
            let RequestFrames { context, head, upload } = open(request, self.bounds).await?;
            self.answer(context, head, upload).await
        };
        respond(reply.await)
    }

    type DescribeStream = Pin<Box<dyn Stream<Item = Result<worker::Description, Status>> + Send>>;

    async fn describe(
        &self,
        request: Request<DescribeRequest>,
    ) -> Result<Response<Self::DescribeStream>, Status> {
        let mut stopping = self.stopping.clone();
        let stopped = async move {
            // An error means that the server is gone, which is an end as well.
            let _ = stopping.wait_for(|stopping| *stopping).await;
        };
        let updates = self
            .service
            .describe(request.get_ref().checks)
            .map(|update| Ok(wire::description(update)));
        Ok(Response::new(Box::pin(updates.take_until(stopped.boxed()))))
    }
}

impl Hop for RouterMethods {
    type Frame = router::Frame;

    fn bounds(&self) -> Bounds {
        self.bounds
    }

    fn answer(
        &self,
        context: CallContext,
        head: Box<router::RequestHead>,
        upload: Upload<router::Frame>,
    ) -> CallFuture {
        let service = Arc::clone(&self.service);
        Box::pin(async move {
            let body_bytes = head.body_bytes;
            let request = wire::router_request(*head)?;
            let body: Body = upload.body(body_bytes, Keep::Pieces).await?;
            service.call(context, request, body).await
        })
    }
}

impl Hop for WorkerMethods {
    type Frame = worker::Frame;

    fn bounds(&self) -> Bounds {
        self.bounds
    }

    fn answer(
        &self,
        context: CallContext,
        head: Box<worker::RequestHead>,
        upload: Upload<worker::Frame>,
    ) -> CallFuture {
        let service = Arc::clone(&self.service);
        Box::pin(async move {
            let body_bytes = head.body_bytes;
            let request = wire::worker_request(*head)?;
            let body: Body = upload.body(body_bytes, Keep::Joined).await?;
            service.call(context, request, body).await
        })
    }
}

/// A call whose head has been read.
struct RequestFrames<F: WireFrame> {
    context: CallContext,
    head: Box<F::Head>,
    upload: Upload<F>,
}

async fn open<F: WireFrame>(
    request: Request<Streaming<F>>,
    bounds: Bounds,
) -> Result<RequestFrames<F>, Fault> {
    let context = wire::context(request.metadata())?;
    let mut parts = Parts::Call(request.into_inner());
    match parts.next().await.transpose() {
        Ok(Some(Part::Request(head))) => {
            Ok(RequestFrames { context, head, upload: Upload::new(parts, bounds) })
        }
        Ok(Some(_)) => Err(Fault::new(FaultCode::LinkBroken, "the request has no head")),
        Ok(None) => Err(Fault::new(FaultCode::LinkBroken, "the request is empty")),
        Err(status) => Err(unreadable(&status, bounds.bytes_max)),
    }
}

fn respond<F: WireFrame>(reply: Result<Reply, Fault>) -> Result<Response<Answering<F>>, Status> {
    match reply {
        Ok(reply) => Ok(Response::new(Answering::reply(reply))),
        Err(fault) => match wire::status(fault) {
            Ok(status) => Err(status),
            Err(too_long) => Ok(Response::new(Answering::fault(*too_long))),
        },
    }
}
