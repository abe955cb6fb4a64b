//! The whole router over the memory store, with workers that follow a script.

mod explain;
mod fake;
mod flow;
mod hedges;
mod listing;
mod reload;
mod slots;
mod stored;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use weir_quota::Timing;
use weir_quota_memory::MemoryStore;
use weir_rpc::{Body, Frame, Reply, RouterRequest, RouterService, WorkerService};
use weir_telemetry::Telemetry;
use weir_types::{
    Attempt, CallContext, Deadline, Dialect, FailureClass, Fault, FaultCode, Form, Framing,
    KeyRules, ModelList, Operation, Patience, ProviderName, TraceContext, TraceParent,
    UpstreamAnswer,
};

use crate::settings::{KeySettings, ProviderSettings, Settings};
use crate::{Router, Shared};
use fake::{Does, Fake};

/// A router, its store and its workers.
struct World {
    router: Router,
    shared: Arc<Shared>,
    store: Arc<MemoryStore>,
    keepers: tokio::task::JoinHandle<()>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.keepers.abort();
    }
}

impl World {
    fn new(providers: Vec<ProviderSettings>, fakes: &[Arc<Fake>]) -> Self {
        let start = tokio::time::Instant::now();
        let clock = move || u64::try_from(start.elapsed().as_micros()).unwrap();
        let store = Arc::new(MemoryStore::new(Timing::default(), clock));
        let workers: HashMap<ProviderName, Arc<dyn WorkerService>> = providers
            .iter()
            .zip(fakes)
            .map(|(provider, fake)| (provider.name.clone(), fake.clone() as Arc<dyn WorkerService>))
            .collect();
        let settings = Settings { providers, ..Settings::default() };
        let shared = Shared::new(settings, store.clone(), Telemetry::default());
        let keepers = tokio::spawn(shared.clone().run(workers.clone()));
        Self { router: Router::new(shared.clone(), workers), shared, store, keepers }
    }

    /// Leases and tickets of a provider's pool.
    fn held(&self, provider: &str) -> (usize, usize) {
        let snapshot = self.store.snapshot(&provider.into());
        snapshot.map_or((0, 0), |pool| (pool.leases.len(), pool.tickets.len()))
    }

    async fn call(&self, model: &str) -> Result<Reply, Fault> {
        self.send(request(model)).await
    }

    async fn send(&self, request: RouterRequest) -> Result<Reply, Fault> {
        let body = Body::Full(Bytes::from_static(b"{}"));
        self.router.call(context(Duration::from_secs(600)), request, body).await
    }
}

fn context(patience: Duration) -> CallContext {
    let now = crate::clock::now();
    CallContext {
        request_id: "r-1".into(),
        deadline: Deadline::after(now, patience),
        trace: TraceContext {
            parent: TraceParent::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
            state: None,
        },
    }
}

fn for_model(model: &str, pin: Option<&str>) -> weir_types::Target {
    let (name, pin) = (model.to_owned(), pin.map(str::to_owned));
    weir_types::Target::Model { name, pin }
}

fn request(model: &str) -> RouterRequest {
    RouterRequest {
        dialect: Dialect::OpenAiChat,
        operation: Operation::Chat,
        target: for_model(model, None),
        stream: false,
        framing: Framing::Sse,
        form: Form::Usual,
        commit: None,
        patience: Patience::default(),
        content_type: String::new(),
        outline: None,
        fallbacks: Vec::new(),
        preferred_provider: None,
        client_key: None,
        headers: vec![("x-kept".to_owned(), "1".to_owned())],
        query: String::new(),
        cursor: None,
        owner: None,
    }
}

fn provider(name: &str, keys: &[&str]) -> ProviderSettings {
    let key = |name: &&str| KeySettings {
        name: (*name).into(),
        weight: 1.0,
        rules: KeyRules { models: ModelList::All, ..KeyRules::default() },
        enabled: true,
        use_for_batch_api: false,
        server: 0,
    };
    ProviderSettings { keys: keys.iter().map(key).collect(), ..ProviderSettings::new(name.into()) }
}

fn failure(status: u16, class: FailureClass, retry_after: Option<u64>) -> Fault {
    let mut fault = Fault::new(FaultCode::UpstreamRejected, "the provider said no")
        .with_class(class)
        .with_retry_after(retry_after.map(Duration::from_secs));
    let content_type = "application/json".to_owned();
    fault.detail.upstream =
        Some(UpstreamAnswer { status, content_type, body: Bytes::from_static(b"{}") });
    fault
}

/// All bytes of an answer; it ended well.
async fn read(reply: Reply) -> String {
    let mut text = String::new();
    let mut frames = reply.frames;
    while let Some(frame) = frames.next().await {
        match frame {
            Frame::Chunk(bytes) => text.push_str(std::str::from_utf8(&bytes).unwrap()),
            Frame::End(end) => {
                assert_eq!(end.fault, None);
                assert!(frames.next().await.is_none());
                return text;
            }
        }
    }
    panic!("the answer has no end: {text}");
}
