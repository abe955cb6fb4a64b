//! The ways to reach the service under the suite.

use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use weir_rpc::{
    BalancedWorker, Body, CallFuture, Description, LinkSettings, Lookup, RemoteRouter,
    RemoteWorker, RouterRequest, RouterService, Server, WorkerRequest, WorkerService,
    router_server, worker_server,
};
use weir_types::{
    CallContext, Commit, Deadline, Dialect, Form, Framing, Operation, Patience, RequestId, Target,
    TraceContext, TraceParent,
};

use crate::script::{Asked, Call, Script};
use crate::tls::Authority;

/// Bodies over this are refused by the remote benches.
pub(crate) const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Everything in the suite is over in milliseconds, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("took too long")
}

thread_local! {
    /// Each test has a thread of its own.
    static FRAMED: Cell<bool> = const { Cell::new(true) };
}

/// Both ends of all links of this test make a call per request.
pub(crate) fn by_calls() {
    FRAMED.set(false);
}

pub(crate) fn limits() -> LinkSettings {
    LinkSettings { framed: FRAMED.get(), ..LinkSettings::new(BODY_BYTES_MAX) }
}

#[derive(Clone)]
enum Service {
    Router(Arc<dyn RouterService>),
    Worker(Arc<dyn WorkerService>),
}

/// A service, as its caller holds it, and what the test needs to play its part.
pub(crate) struct Bench {
    service: Service,
    pub(crate) called: mpsc::Receiver<Call>,
    pub(crate) describe: watch::Sender<Description>,
    pub(crate) serving: Option<Serving>,
}

impl Bench {
    fn new(
        service: Service,
        called: mpsc::Receiver<Call>,
        describe: watch::Sender<Description>,
    ) -> Self {
        Self { service, called, describe, serving: None }
    }

    pub(crate) fn local_router() -> Self {
        let (script, called, describe) = Script::new();
        Self::new(Service::Router(script), called, describe)
    }

    pub(crate) fn local_worker() -> Self {
        let (script, called, describe) = Script::new();
        Self::new(Service::Worker(script), called, describe)
    }

    pub(crate) async fn remote_router() -> Self {
        let (script, called, describe) = Script::new();
        let serving = Serving::start(router_server(script, &limits())).await;
        let remote = RemoteRouter::connect(&serving.url(), &limits()).unwrap();
        let bench = Self::new(Service::Router(Arc::new(remote)), called, describe);
        Self { serving: Some(serving), ..bench }
    }

    pub(crate) async fn encrypted_router() -> Self {
        let (script, called, describe) = Script::new();
        let limits = LinkSettings { tls: Some(Authority::new().tls("127.0.0.1")), ..limits() };
        let serving = Serving::start(router_server(script, &limits)).await;
        let remote = RemoteRouter::connect(&serving.encrypted_url(), &limits).unwrap();
        let bench = Self::new(Service::Router(Arc::new(remote)), called, describe);
        Self { serving: Some(serving), ..bench }
    }

    pub(crate) async fn remote_worker() -> Self {
        let (script, called, describe) = Script::new();
        let serving = Serving::start(worker_server(script, &limits())).await;
        let remote = RemoteWorker::connect(&serving.url(), &limits()).unwrap();
        let bench = Self::new(Service::Worker(Arc::new(remote)), called, describe);
        Self { serving: Some(serving), ..bench }
    }

    /// A worker that knows no framed links, and a caller that does.
    pub(crate) async fn worker_of_before() -> Self {
        let (script, called, describe) = Script::new();
        let before = LinkSettings { framed: false, ..limits() };
        let serving = Serving::start(worker_server(script, &before)).await;
        let remote = RemoteWorker::connect(&serving.url(), &limits()).unwrap();
        let bench = Self::new(Service::Worker(Arc::new(remote)), called, describe);
        Self { serving: Some(serving), ..bench }
    }

    /// A caller that knows no framed links, and a router that does.
    pub(crate) async fn caller_of_before() -> Self {
        let (script, called, describe) = Script::new();
        let serving = Serving::start(router_server(script, &limits())).await;
        let before = LinkSettings { framed: false, ..limits() };
        let remote = RemoteRouter::connect(&serving.url(), &before).unwrap();
        let bench = Self::new(Service::Router(Arc::new(remote)), called, describe);
        Self { serving: Some(serving), ..bench }
    }

    pub(crate) async fn balanced_worker() -> Self {
        let (script, called, describe) = Script::new();
        let serving = Serving::start(worker_server(script, &limits())).await;
        let url = serving.url();
        let remote = BalancedWorker::connect("openai".into(), &[url], &limits(), Lookup::dns());
        let bench = Self::new(Service::Worker(Arc::new(remote.unwrap())), called, describe);
        Self { serving: Some(serving), ..bench }
    }

    /// The service as a worker.
    pub(crate) fn worker(&self) -> Arc<dyn WorkerService> {
        match &self.service {
            Service::Worker(worker) => worker.clone(),
            Service::Router(_) => panic!("a router has no description"),
        }
    }

    /// What `call` asks.
    pub(crate) fn asks(&self) -> Asked {
        match &self.service {
            Service::Router(_) => Asked::Router(router_request()),
            Service::Worker(_) => Asked::Worker(worker_request()),
        }
    }

    /// Calls the service; nothing happens until the future is polled.
    pub(crate) fn call(&self, context: CallContext, body: impl Into<Body>) -> CallFuture {
        match &self.service {
            Service::Router(router) => router.call(context, router_request(), body.into()),
            Service::Worker(worker) => worker.call(context, worker_request(), body.into()),
        }
    }

    /// Starts a call and waits until the service has it.
    pub(crate) async fn begin(
        &mut self,
        body: impl Into<Body>,
    ) -> (tokio::task::JoinHandle<Result<weir_rpc::Reply, weir_types::Fault>>, Call) {
        let calling = tokio::spawn(self.call(context(), body));
        let call = within(self.called.recv()).await.unwrap();
        (calling, call)
    }
}

/// A server on a loopback port, until it is dropped.
pub(crate) struct Serving {
    pub(crate) addr: SocketAddr,
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) task: tokio::task::JoinHandle<()>,
}

impl Serving {
    /// Serves until `stop` is set true, and ends when every connection has.
    pub(crate) async fn start(server: Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (stop, stopping) = watch::channel(false);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let mut stopping = stopping.clone();
                let mut stops = stopping.clone();
                tokio::select! {
                    accepted = listener.accept() => {
                        let (stream, _) = accepted.unwrap();
                        let stop = async move { let _ = stops.wait_for(|stop| *stop).await; };
                        connections.spawn(server.clone().serve_connection(stream, stop));
                    }
                    _ = stopping.wait_for(|stop| *stop) => break,
                }
            }
            while connections.join_next().await.is_some() {}
        });
        Self { addr, stop, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    pub(crate) fn encrypted_url(&self) -> String {
        format!("https://{}", self.addr)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) fn context() -> CallContext {
    CallContext {
        request_id: RequestId::from("req-1"),
        deadline: Deadline::after(Instant::now(), Duration::from_secs(60)),
        trace: TraceContext {
            parent: Some(TraceParent { trace_id: [7; 16], span_id: [9; 8], flags: 1 }),
            state: Some("vendor=1".into()),
        },
    }
}

pub(crate) fn router_request() -> RouterRequest {
    RouterRequest {
        dialect: Dialect::OpenAiChat,
        operation: Operation::Chat,
        target: Target::Model { name: "openai/gpt-4o".to_owned(), pin: Some("blue".to_owned()) },
        stream: true,
        framing: Framing::default(),
        form: Form::default(),
        commit: None,
        patience: Patience::default(),
        content_type: String::new(),
        outline: None,
        fallbacks: vec!["groq/llama".to_owned()],
        preferred_provider: Some("openai".to_owned()),
        client_key: None,
        headers: vec![("openai-beta".to_owned(), "v2".to_owned())],
        query: String::new(),
        cursor: None,
        owner: None,
    }
}

pub(crate) fn worker_request() -> WorkerRequest {
    WorkerRequest {
        dialect: Dialect::OpenAiChat,
        operation: Operation::Chat,
        provider: "openai".into(),
        key: "blue".into(),
        model: "gpt-4o".into(),
        resource: None,
        stream: true,
        framing: Framing::default(),
        form: Form::default(),
        commit: Commit::default(),
        patience: Patience::default(),
        content_type: String::new(),
        outline: None,
        attempt: 2,
        is_fallback: true,
        headers: vec![("openai-beta".to_owned(), "v2".to_owned())],
        query: String::new(),
    }
}
