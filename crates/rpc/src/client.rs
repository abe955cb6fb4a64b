//! The services across the network, with one HTTP/2 connection each.
//!
//! A caller cannot tell them from services in its own process, but for
//! [`FaultCode::LinkBroken`]: before the head it means that asking another replica is safe.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use futures_util::stream::unfold;
use http::Uri;
use tonic::{Status, Streaming};
use weir_types::{CallContext, Fault, FaultCode};

use crate::asking::{Asking, NoReply};
use crate::channel::Channel;
use crate::exchange::body_bytes;
use crate::link::{LinkError, LinkSettings, Load, MESSAGE_BYTES_MAX};
use crate::proto::router::router_client::RouterClient;
use crate::proto::worker::DescribeRequest;
use crate::proto::worker::worker_client::WorkerClient;
use crate::proto::{router, worker};
use crate::wire;
use crate::{
    Body, CallFuture, DescribeStream, Description, ExplainFuture, ExplainRequest, Reply,
    RouterRequest, RouterService, WorkerRequest, WorkerService,
};

/// What the services are called on the wire.
const ROUTER: &str = "weir.router.v1.Router";
const WORKER: &str = "weir.worker.v1.Worker";
/// Pause before a broken stream of descriptions is asked for again, doubled up to the maximum.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// Somebody looks at a screen meanwhile.
const EXPLAINED_WITHIN: Duration = Duration::from_secs(5);

/// A router in another process. Cheap to clone; clones share the connection.
#[derive(Clone)]
pub struct RemoteRouter {
    client: RouterClient<Channel>,
    asking: Asking,
}

/// A worker in another process. Cheap to clone; clones share the connection.
#[derive(Clone)]
pub struct RemoteWorker {
    client: WorkerClient<Channel>,
    asking: Asking,
}

impl RemoteRouter {
    /// The router at `url` (`http://HOST:PORT`). Connects with the first call, and again whenever
    /// the connection broke. Belongs to the event loop it is made in.
    ///
    /// # Errors
    /// [`LinkError::Address`].
    pub fn connect(url: &str, limits: &LinkSettings) -> Result<Self, LinkError> {
        let (channel, origin) = Channel::to(url, limits)?;
        Ok(Self::over(channel, origin))
    }
}

impl RemoteWorker {
    /// The worker at `url` (`http://HOST:PORT`), as [`RemoteRouter::connect`].
    ///
    /// # Errors
    /// [`LinkError::Address`].
    pub fn connect(url: &str, limits: &LinkSettings) -> Result<Self, LinkError> {
        let (channel, origin) = Channel::to(url, limits)?;
        Ok(Self::over(channel, origin))
    }
}

impl RouterService for RemoteRouter {
    fn call(&self, context: CallContext, request: RouterRequest, body: Body) -> CallFuture {
        let remote = self.clone();
        Box::pin(async move { Ok(remote.ask(&context, request, body, None).await?) })
    }

    fn explain(&self, request: ExplainRequest) -> ExplainFuture {
        let mut client = self.client.clone();
        Box::pin(async move {
            let late = || Status::deadline_exceeded("nothing was said in time");
            let asked = tokio::time::timeout(EXPLAINED_WITHIN, client.explain(request));
            let said = asked.await.unwrap_or_else(|_| Err(late()));
            Ok(said.map_err(|status| wire::fault_of(&status, false))?.into_inner())
        })
    }
}

impl WorkerService for RemoteWorker {
    fn call(&self, context: CallContext, request: WorkerRequest, body: Body) -> CallFuture {
        let remote = self.clone();
        Box::pin(async move { Ok(remote.ask(&context, request, body, None).await?) })
    }

    /// Never ends: a broken stream is asked for again, and yields only what has changed.
    fn describe(&self, checks: bool) -> DescribeStream {
        let (client, pause) = (self.client.clone(), PAUSE_MIN);
        let watch = Watch { client, checks, updates: None, last: None, pause };
        Box::pin(unfold(watch, async |mut watch| {
            let next = watch.next().await;
            Some((next, watch))
        }))
    }
}

/// A service at one address, as whoever chooses among several sees it.
pub(crate) trait Remote: Clone + Send + Sync + 'static {
    /// What is asked.
    type Request: Clone + Send + 'static;

    /// The service behind `channel`, called at `origin`.
    fn over(channel: Channel, origin: Uri) -> Self;

    /// One call. `load` is dropped when it is over, to the last frame of its answer.
    fn ask(
        &self,
        context: &CallContext,
        request: Self::Request,
        body: Body,
        load: Option<Load>,
    ) -> impl Future<Output = Result<Reply, NoReply>> + Send;
}

impl Remote for RemoteRouter {
    type Request = RouterRequest;

    fn over(channel: Channel, origin: Uri) -> Self {
        let asking = Asking::new(channel.clone(), &origin, ROUTER);
        let client = RouterClient::with_origin(channel, origin);
        Self { client: client.max_decoding_message_size(MESSAGE_BYTES_MAX), asking }
    }

    async fn ask(
        &self,
        context: &CallContext,
        request: RouterRequest,
        body: Body,
        load: Option<Load>,
    ) -> Result<Reply, NoReply> {
        let head = wire::router_head(request, body_bytes(&body));
        let mut client = self.client.clone();
        let call = async move |request| client.call(request).await;
        self.asking.ask::<router::Frame, _>(context, head, body, load, call).await
    }
}

impl Remote for RemoteWorker {
    type Request = WorkerRequest;

    fn over(channel: Channel, origin: Uri) -> Self {
        let asking = Asking::new(channel.clone(), &origin, WORKER);
        let client = WorkerClient::with_origin(channel, origin);
        Self { client: client.max_decoding_message_size(MESSAGE_BYTES_MAX), asking }
    }

    async fn ask(
        &self,
        context: &CallContext,
        request: WorkerRequest,
        body: Body,
        load: Option<Load>,
    ) -> Result<Reply, NoReply> {
        let head = wire::worker_head(request, body_bytes(&body));
        let mut client = self.client.clone();
        let call = async move |request| client.call(request).await;
        self.asking.ask::<worker::Frame, _>(context, head, body, load, call).await
    }
}

/// A worker's descriptions across broken connections.
struct Watch {
    client: WorkerClient<Channel>,
    checks: bool,
    updates: Option<Streaming<worker::Description>>,
    last: Option<Description>,
    pause: Duration,
}

impl Watch {
    async fn next(&mut self) -> Description {
        loop {
            match self.update().await {
                Ok(description) => {
                    self.pause = PAUSE_MIN;
                    if self.last.as_ref() != Some(&description) {
                        self.last = Some(description.clone());
                        return description;
                    }
                }
                Err(fault) => {
                    tracing::debug!(%fault, "no description of the worker, asking again");
                    self.updates = None;
                    tokio::time::sleep(self.pause).await;
                    self.pause = (self.pause * 2).min(PAUSE_MAX);
                }
            }
        }
    }

    async fn update(&mut self) -> Result<Description, Fault> {
        let broken = |status: Status| wire::fault_of(&status, false);
        let updates = match &mut self.updates {
            Some(updates) => updates,
            None => {
                let asked = self
                    .client
                    .describe(DescribeRequest { checks: self.checks })
                    .await
                    .map_err(broken)?;
                self.updates.insert(asked.into_inner())
            }
        };
        match updates.message().await.map_err(broken)? {
            Some(description) => wire::description_of(description),
            None => Err(Fault::new(FaultCode::LinkBroken, "the worker is leaving")),
        }
    }
}

impl fmt::Debug for RemoteRouter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteRouter").finish_non_exhaustive()
    }
}

impl fmt::Debug for RemoteWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteWorker").finish_non_exhaustive()
    }
}
