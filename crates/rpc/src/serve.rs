//! Serves a service, with the gRPC health service beside it, on connections that are handed in.
//!
//! Knows no listener: who accepts, and when to stop, is `runtime`'s business. Straight on the
//! HTTP/2 implementation, because a stack of layers per call is what makes gRPC dear.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::{Code, Status};
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use tower::Service;

use crate::answering;
use crate::arrived::Arrived;
use crate::cork::cork;
use crate::door::Door;
use crate::exchange::Bounds;
use crate::framed;
use crate::line::Line;
use crate::link::{self, LinkSettings, MESSAGE_BYTES_MAX};
use crate::proto::router::router_server::RouterServer;
use crate::proto::worker::worker_server::WorkerServer;
use crate::server::{RouterMethods, WorkerMethods};
use crate::tls::LinkTls;
use crate::token;
use crate::{RouterService, WorkerService};

/// A service ready to be served. Cheap to clone; clones share the health status.
#[derive(Clone)]
pub struct Server {
    protocol: http2::Builder<TokioExecutor>,
    tls: Option<LinkTls>,
    routes: Routes,
    reporter: HealthReporter,
    stopping: watch::Sender<bool>,
}

/// Serves `service` to [`crate::RemoteRouter`].
#[must_use]
pub fn router_server(service: Arc<dyn RouterService>, limits: &LinkSettings) -> Server {
    let bounds = Bounds { bytes_max: limits.body_bytes_max, budget: limits.budget };
    let methods = RouterMethods { service, bounds };
    let calls = RouterServer::new(methods.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX);
    Server::new(Offered::Router { calls, methods }, watch::Sender::new(false), limits)
}

/// Serves `service` to [`crate::RemoteWorker`].
#[must_use]
pub fn worker_server(service: Arc<dyn WorkerService>, limits: &LinkSettings) -> Server {
    let stopping = watch::Sender::new(false);
    let bounds = Bounds { bytes_max: limits.body_bytes_max, budget: limits.budget };
    let methods = WorkerMethods { service, bounds, stopping: stopping.subscribe() };
    let calls = WorkerServer::new(methods.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX);
    Server::new(Offered::Worker { calls, methods }, stopping, limits)
}

impl Server {
    fn new(service: Offered, stopping: watch::Sender<bool>, limits: &LinkSettings) -> Self {
        let reporter = HealthReporter::new();
        // Nobody else has the reporter yet, so its lock is free and this is done at once.
        let _ = reporter.set_service_status(service.name(), ServingStatus::Serving).now_or_never();
        let health = HealthService::from_health_reporter(reporter.clone());
        let door = Door::new(limits.tokens.clone());
        let framed = limits.framed.then(|| (limits.streams_max, stopping.subscribe()));
        let routes = Routes {
            service,
            health: HealthServer::new(health),
            door,
            framed,
            has_link: Arc::default(),
        };
        Self { protocol: link::server(limits), tls: limits.tls.clone(), routes, reporter, stopping }
    }

    /// Serves one connection until the peer closes it, or until `stop` resolves: then the health
    /// status becomes `NOT_SERVING`, the peer is told to call elsewhere, and calls in flight
    /// finish. Dropping the future drops them.
    pub async fn serve_connection(self, stream: TcpStream, stop: impl Future<Output = ()>) {
        let routes = Routes {
            door: self.routes.door.of(stream.peer_addr()),
            has_link: Arc::default(),
            ..self.routes.clone()
        };
        let mut stop = pin!(stop);
        let line = match &self.tls {
            None => Line::Clear(stream),
            Some(tls) => {
                let shaken = tokio::select! {
                    shaken = tls.accept(stream) => shaken,
                    () = stop.as_mut() => return,
                };
                match shaken {
                    Ok(line) => line,
                    Err(error) => return routes.door.note_disbelief(&error),
                }
            }
        };
        let (stream, cork) = cork(line);
        let io = TokioIo::new(stream);
        let mut served = pin!(self.protocol.serve_connection(io, routes));
        let result = tokio::select! {
            biased;
            result = cork.drive(served.as_mut()) => result,
            () = stop.as_mut() => {
                self.leave().await;
                served.as_mut().graceful_shutdown();
                cork.drive(served.as_mut()).await
            }
        };
        if let Err(error) = result {
            tracing::debug!(%error, "a link ended early");
        }
    }

    async fn leave(&self) {
        self.stopping.send_replace(true);
        // The empty name stands for the whole process.
        for name in ["", self.routes.service.name()] {
            self.reporter.set_service_status(name, ServingStatus::NotServing).await;
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("service", &self.routes.service.name())
            .finish_non_exhaustive()
    }
}

/// The one service of a process.
#[derive(Clone)]
enum Offered {
    Router { calls: RouterServer<RouterMethods>, methods: RouterMethods },
    Worker { calls: WorkerServer<WorkerMethods>, methods: WorkerMethods },
}

impl Offered {
    const fn name(&self) -> &'static str {
        match self {
            Self::Router { .. } => RouterServer::<RouterMethods>::NAME,
            Self::Worker { .. } => WorkerServer::<WorkerMethods>::NAME,
        }
    }
}

/// Finds the method of a call by its path.
#[derive(Clone)]
struct Routes {
    service: Offered,
    health: HealthServer<HealthService>,
    door: Door,
    /// Requests at a time on a framed link, and when it is to end; `None`: there are none.
    framed: Option<(u32, watch::Receiver<bool>)>,
    /// Whether there has been one on this connection.
    has_link: Arc<AtomicBool>,
}

type RouteFuture =
    Pin<Box<dyn Future<Output = Result<http::Response<Body>, Infallible>> + Send + 'static>>;

impl hyper::service::Service<http::Request<Incoming>> for Routes {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = RouteFuture;

    fn call(&self, request: http::Request<Incoming>) -> RouteFuture {
        // By the head alone: what is turned away has cost no more than that.
        if !self.door.admits(request.headers()) {
            return Box::pin(std::future::ready(Ok(token::refusal().into_http())));
        }
        let mut path = request.uri().path().split('/').skip(1);
        let (service, method) = (path.next().unwrap_or_default(), path.next());
        if service == self.service.name() {
            if method == Some(framed::METHOD)
                && let Some((requests_max, stopping)) = self.framed.clone()
            {
                let answer = match self.service.clone() {
                    _ if self.has_link.swap(true, Ordering::Relaxed) => {
                        let enough = "a connection has one framed link at most";
                        Status::new(Code::ResourceExhausted, enough).into_http()
                    }
                    Offered::Router { methods, .. } => {
                        answering::serve(request, methods, requests_max, stopping)
                    }
                    Offered::Worker { methods, .. } => {
                        answering::serve(request, methods, requests_max, stopping)
                    }
                };
                return Box::pin(std::future::ready(Ok(answer)));
            }
            let request = request.map(Arrived::new);
            return match self.service.clone() {
                Offered::Router { mut calls, .. } => calls.call(request),
                Offered::Worker { mut calls, .. } => calls.call(request),
            };
        }
        if service == HealthServer::<HealthService>::NAME {
            return self.health.clone().call(request);
        }
        let status = Status::new(Code::Unimplemented, "this process serves no such method");
        Box::pin(std::future::ready(Ok(status.into_http())))
    }
}
