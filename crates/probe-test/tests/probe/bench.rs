//! The rooms, wired to each other and put in front of a provider on loopback.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use weir_provider::Vendor;
use weir_quota::Timing;
use weir_quota_memory::MemoryStore;
use weir_router::{Router, Workers};
use weir_rpc::{
    LinkSettings, RemoteRouter, RemoteWorker, RouterService, Server, WorkerService, router_server,
    worker_server,
};
use weir_runtime::{Drain, DrainControl, HttpLimits, serve_http};
use weir_telemetry::Telemetry;
use weir_types::{KeyRules, ModelList, OperationSet, ProviderName, Secret};
use weir_worker::{Credential, ModelSettings, Timeouts, UpstreamSettings, Worker};

use crate::provider::Provider;
use crate::rows::{PROBE, ROUTES, TALKER};
use crate::wire::{Answer, Peer};

pub(crate) const SECRET: &str = "sk-probe-secret-value";

/// How long a provider may take, where that is not what is looked at.
pub(crate) const ATTEMPT: Duration = Duration::from_secs(30);

/// How the rooms reach each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Links {
    /// By calls.
    Local,
    /// By gRPC on loopback.
    Remote,
}

/// A gateway and the provider behind it, which stands for both vendors.
pub(crate) struct Bench {
    gateway: SocketAddr,
    pub(crate) provider: Provider,
    _drain: DrainControl,
}

impl Bench {
    pub(crate) async fn new(links: Links) -> Self {
        Self::with(links, weir_edge::Settings::default(), ATTEMPT).await
    }

    /// `attempt`: how long a provider may take.
    pub(crate) async fn with(links: Links, edge: weir_edge::Settings, attempt: Duration) -> Self {
        let provider = Provider::start().await;
        let limits = LinkSettings::new(edge.body_bytes_max);
        let mut workers: HashMap<ProviderName, Arc<dyn WorkerService>> = HashMap::new();
        for vendor in [&PROBE, &TALKER] {
            let settings = worker(vendor, &provider.url, attempt);
            let shared = weir_worker::Shared::new(settings, Telemetry::default());
            let mut worker: Arc<dyn WorkerService> = Arc::new(Worker::new(shared));
            if links == Links::Remote {
                let url = serve(worker_server(worker, &limits)).await;
                worker = Arc::new(RemoteWorker::connect(&url, &limits).unwrap());
            }
            workers.insert(vendor.name.into(), worker);
        }
        let mut router: Arc<dyn RouterService> = Arc::new(router(workers.into(), attempt));
        if links == Links::Remote {
            let url = serve(router_server(router, &limits)).await;
            router = Arc::new(RemoteRouter::connect(&url, &limits).unwrap());
        }
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let gateway = listener.local_addr().unwrap();
        let app = weir_edge::app(weir_edge::Live::new(edge), ROUTES, router, Telemetry::default());
        let (control, drain) = Drain::new();
        tokio::spawn(serve_http(listener, app, HttpLimits::default(), drain));
        Self { gateway, provider, _drain: control }
    }

    pub(crate) async fn connect(&self) -> Peer {
        Peer::new(TcpStream::connect(self.gateway).await.unwrap())
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        let mut client = self.connect().await;
        client
            .send(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes())
            .await
            .unwrap();
        client.answer().await
    }

    /// A client that has asked; its answer is still to be read.
    pub(crate) async fn asks(&self, path: &str, body: &str) -> Peer {
        let mut client = self.connect().await;
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        );
        client.send(head.as_bytes()).await.unwrap();
        client
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        self.asks(path, body).await.answer().await
    }
}

fn worker(vendor: &'static Vendor, url: &str, attempt: Duration) -> weir_worker::Settings {
    let key = weir_worker::KeySettings {
        name: "main".into(),
        credential: Credential::Secret(Secret::new(SECRET.to_owned())),
        base_url: None,
        variables: Vec::new(),
        rules: rules(),
        model: ModelSettings::default(),
        aliases: Vec::new(),
        variants: Vec::new(),
        storage: weir_worker::Storage::default(),
        unusable: None,
    };
    weir_worker::Settings {
        hidden: Vec::new(),
        provider: vendor.name.into(),
        vendor,
        base_url: Some(url.to_owned()),
        custom: None,
        keys: vec![key],
        extra_headers: Vec::new(),
        header_allowlist: Vec::new(),
        beta_overrides: Vec::new(),
        timeouts: Timeouts { attempt, ..Timeouts::default() },
        health_check: None,
        request_bytes_max: 1 << 20,
        answer_bytes_max: 16 << 20,
        event_bytes_max: 1 << 20,
        held_bytes_max: 1 << 20,
        memory: weir_worker::Memory::default(),
        upstream: UpstreamSettings::default(),
    }
}

fn router(workers: Workers, attempt: Duration) -> Router {
    let timing = Timing { grace: false, ..Timing::default() };
    let started = Instant::now();
    let clock = move || u64::try_from(started.elapsed().as_micros()).unwrap();
    let provider = |vendor: &Vendor| {
        let key = weir_router::KeySettings {
            name: "main".into(),
            weight: 1.0,
            rules: rules(),
            enabled: true,
            use_for_batch_api: false,
            server: 0,
        };
        weir_router::ProviderSettings {
            keys: vec![key],
            operations: OperationSet::ALL,
            attempt_guard: attempt,
            ..weir_router::ProviderSettings::new(vendor.name.into())
        }
    };
    let providers = vec![provider(&PROBE), provider(&TALKER)];
    let settings = weir_router::Settings { providers, timing, ..weir_router::Settings::default() };
    let store = Arc::new(MemoryStore::new(timing, clock));
    let shared = weir_router::Shared::new(settings, store, Telemetry::default());
    tokio::spawn(Arc::clone(&shared).run(workers.clone()));
    Router::new(shared, workers)
}

fn rules() -> KeyRules {
    KeyRules { models: ModelList::All, ..KeyRules::default() }
}

/// Serves on a loopback port for as long as the test runs.
async fn serve(server: Server) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(server.clone().serve_connection(stream, std::future::pending()));
        }
    });
    url
}
