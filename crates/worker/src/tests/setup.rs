//! Workers, requests and answers as the tests need them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use weir_rpc::{Body, End, Frame, Reply, WorkerRequest, WorkerService};
use weir_telemetry::Telemetry;
use weir_types::{
    CallContext, Commit, Deadline, Dialect, Fault, Form, Framing, KeyRules, ModelList, Operation,
    Patience, Secret, TraceContext,
};

use crate::{
    Credential, KeySettings, ModelSettings, Settings, Shared, Timeouts, UpstreamSettings, Worker,
};

pub(super) const SECRET: &str = "sk-very-secret-value";

/// `vendor` at `url` with one key, `main`, that serves everything.
pub(super) fn settings(vendor: &str, url: &str) -> Settings {
    Settings {
        provider: vendor.into(),
        vendor: weir_provider::vendor(vendor).unwrap(),
        base_url: Some(url.to_owned()),
        custom: None,
        keys: vec![key("main")],
        hidden: Vec::new(),
        extra_headers: Vec::new(),
        header_allowlist: Vec::new(),
        beta_overrides: Vec::new(),
        timeouts: Timeouts {
            attempt: Duration::from_secs(10),
            first_token: None,
            stream_idle: Duration::from_secs(10),
            pace: None,
            stream_comments: Duration::from_secs(10),
        },
        health_check: None,
        request_bytes_max: 1 << 20,
        answer_bytes_max: 1 << 20,
        event_bytes_max: 1 << 20,
        held_bytes_max: 1 << 20,
        memory: crate::Memory::default(),
        upstream: UpstreamSettings::default(),
    }
}

pub(super) fn key(name: &str) -> KeySettings {
    KeySettings {
        name: name.into(),
        credential: Credential::Secret(Secret::new(SECRET.to_owned())),
        base_url: None,
        variables: Vec::new(),
        rules: KeyRules { models: ModelList::All, ..KeyRules::default() },
        model: ModelSettings::default(),
        aliases: Vec::new(),
        variants: Vec::new(),
        storage: crate::Storage::default(),
        unusable: None,
    }
}

pub(super) fn worker(settings: Settings) -> Worker {
    Worker::new(shared(settings))
}

pub(super) fn shared(settings: Settings) -> Arc<Shared> {
    Shared::new(settings, Telemetry::default())
}

pub(super) fn context() -> CallContext {
    CallContext {
        request_id: "r-1".into(),
        deadline: Deadline::after(Instant::now(), Duration::from_secs(60)),
        trace: TraceContext::default(),
    }
}

pub(super) fn request(worker: &Worker, stream: bool) -> WorkerRequest {
    WorkerRequest {
        dialect: Dialect::OpenAiChat,
        operation: Operation::Chat,
        provider: worker.describe_now().provider,
        key: "main".into(),
        model: "gpt-x".into(),
        resource: None,
        stream,
        framing: Framing::default(),
        form: Form::default(),
        commit: Commit::default(),
        patience: Patience::default(),
        content_type: String::new(),
        outline: None,
        attempt: 1,
        is_fallback: false,
        headers: Vec::new(),
        query: String::new(),
    }
}

impl Worker {
    pub(super) fn describe_now(&self) -> weir_rpc::Description {
        let mut descriptions = self.describe(false);
        futures_util::FutureExt::now_or_never(descriptions.next()).flatten().unwrap()
    }
}

pub(super) const BODY: &str = r#"{"model":"openai/gpt-x", "messages":[]}"#;

pub(super) async fn chat(worker: &Worker, stream: bool) -> Result<Reply, Fault> {
    send(worker, request(worker, stream)).await
}

pub(super) async fn send(worker: &Worker, request: WorkerRequest) -> Result<Reply, Fault> {
    send_body(worker, request, BODY).await
}

pub(super) async fn send_body(
    worker: &Worker,
    request: WorkerRequest,
    body: &'static str,
) -> Result<Reply, Fault> {
    worker.call(context(), request, Body::Full(Bytes::from_static(body.as_bytes()))).await
}

/// All of a reply: its text and its end.
pub(super) async fn drain(reply: Reply) -> (String, End) {
    let mut text = String::new();
    let mut frames = reply.frames;
    loop {
        match frames.next().await.expect("a reply ends with its end frame") {
            Frame::Chunk(chunk) => text.push_str(std::str::from_utf8(&chunk).unwrap()),
            Frame::End(end) => {
                assert!(frames.next().await.is_none());
                return (text, *end);
            }
        }
    }
}
