//! One attempt: checks, the call, and whose turn it is then.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request};
use tokio::time::Instant;
use weir_dialect::openai_chat::request::{Changes, patch};
use weir_rpc::{Body, Reply, ReplyHead, Timings, WorkerRequest};
use weir_telemetry::{Span, SpanKind, semconv};
use weir_types::{
    CallContext, FailureClass, Fault, FaultCode, Operation, QuotaMode, Secret, Usage,
};
use weir_upstream::Client;

use crate::headers::{self, Expect};
use crate::shared::Key;
use crate::{Shared, answer, fault, relay, unary};

/// How long an attempt may take, and whose limit that is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    pub(crate) at: Instant,
    /// The request's own deadline comes first.
    pub(crate) is_requests: bool,
}

impl Limit {
    pub(crate) fn new(shared: &Shared, context: &CallContext, stream: bool, now: Instant) -> Self {
        let timeouts = &shared.timeouts;
        let first = timeouts.first_token.filter(|_| stream).unwrap_or(timeouts.attempt);
        let own = now + timeouts.attempt.min(first);
        let requests = Instant::from_std(context.deadline.instant());
        Self { at: own.min(requests), is_requests: requests < own }
    }
}

/// What the reading of an error needs to know of a call.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) secret: Option<&'a Secret>,
    pub(crate) model: &'a str,
    pub(crate) limit: Limit,
}

/// An attempt under way.
pub(crate) struct Call {
    pub(crate) shared: Arc<Shared>,
    /// Index into `shared.keys`.
    key: usize,
    pub(crate) operation: Operation,
    /// As the provider writes it.
    model: String,
    pub(crate) limit: Limit,
    span: Span,
    started: Instant,
    sent: Instant,
    /// Last, so that it is dropped last.
    _counted: Counted,
}

/// Tells the metrics when a call is over, however it ends.
struct Counted(Arc<Shared>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.count_calls();
    }
}

/// Makes one attempt.
pub(crate) async fn run(
    shared: Arc<Shared>,
    client: Client,
    context: CallContext,
    request: WorkerRequest,
    body: Body,
) -> Result<Reply, Fault> {
    let started = Instant::now();
    let stream = request.stream && request.operation != Operation::Embedding;
    let at = find_key(&shared, &request)?;
    let key = shared.keys.get(at).ok_or_else(|| fault::no_key(&shared, &request.key))?;
    let Some(uri) = key.endpoints.find(request.operation, stream).cloned() else {
        return Err(fault::unsupported(&shared, request.operation, stream));
    };
    let model = shared.vendor.wire_model(key.rules.resolve(&request.model)).into_owned();
    let body = patched(&shared, &model, body).await?;
    let span = start_span(&shared, &context, &request, &model);
    let expect = if stream { Expect::Events } else { Expect::Json };
    let auth = shared.vendor.auth;
    let head = headers::of_call(&key.headers, auth, &request.headers, span.context(), expect);
    let mut call = Request::new(body);
    *call.method_mut() = Method::POST;
    *call.uri_mut() = uri;
    *call.headers_mut() = head;

    let sent = Instant::now();
    let limit = Limit::new(&shared, &context, stream, sent);
    let operation = request.operation;
    let _counted = Counted(Arc::clone(&shared));
    let mut this = Call { shared, key: at, operation, model, limit, span, started, sent, _counted };
    let result = this.exchange(&client, call, stream).await;
    match result {
        Ok(Opened::Whole(reply)) => Ok(*reply),
        Ok(Opened::Stream(opened)) => Ok(opened.into_reply(this)),
        Err(fault) => {
            this.ended(&Usage::default(), None, Some(&fault));
            Err(fault)
        }
    }
}

/// An answer that has begun.
enum Opened {
    Whole(Box<Reply>),
    Stream(Box<relay::Opened>),
}

impl Call {
    async fn exchange(
        &mut self,
        client: &Client,
        request: Request<Bytes>,
        stream: bool,
    ) -> Result<Opened, Fault> {
        let sent = client.send(request, self.limit.at).await;
        self.shared.count_calls();
        let (head, body) = match sent {
            Ok(response) => response.into_parts(),
            Err(error) => return Err(fault::of_call(&self.shared, &error, self.limit)),
        };
        if self.span.is_recording() {
            let status = i64::from(head.status.as_u16());
            self.span.set(semconv::HTTP_RESPONSE_STATUS_CODE, status);
        }
        if !head.status.is_success() {
            return Err(answer::refused(self.asked(), &head, body).await);
        }
        if stream {
            return relay::open(self, head, body).await.map(|o| Opened::Stream(Box::new(o)));
        }
        unary::reply(self, head, body).await.map(|reply| Opened::Whole(Box::new(reply)))
    }

    fn key(&self) -> Option<&Key> {
        self.shared.keys.get(self.key)
    }

    pub(crate) fn asked(&self) -> Asked<'_> {
        let secret = self.key().and_then(|key| key.secret.as_ref());
        Asked { shared: &self.shared, secret, model: &self.model, limit: self.limit }
    }

    /// The head of the reply; the time up to now is the provider's.
    pub(crate) fn reply_head(&self, head: &http::response::Parts) -> ReplyHead {
        let now = Instant::now();
        let upstream = now.duration_since(self.sent);
        let whole = now.duration_since(self.started);
        let micros =
            |duration: std::time::Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        ReplyHead {
            status: head.status.as_u16(),
            content_type: headers::text(&head.headers, http::header::CONTENT_TYPE).to_owned(),
            headers: headers::passed_on(&head.headers),
            provider: self.shared.provider.clone(),
            key: self.key().map_or_else(|| "".into(), |key| key.name.clone()),
            attempts: Vec::new(),
            timings: Timings {
                worker_us: micros(whole.saturating_sub(upstream)),
                upstream_us: micros(upstream),
                ..Timings::default()
            },
            quota_mode: QuotaMode::default(),
        }
    }

    /// The first content has come.
    pub(crate) fn first_content(&self) {
        let after = self.sent.elapsed();
        self.shared.telemetry.metrics.first_token(&self.shared.provider, self.operation, after);
    }

    /// The attempt is over; tells the span what came of it.
    pub(crate) fn ended(&mut self, usage: &Usage, finish: Option<&str>, fault: Option<&Fault>) {
        if !self.span.is_recording() {
            return;
        }
        let count = |tokens: u64| i64::try_from(tokens).unwrap_or(i64::MAX);
        if !usage.is_empty() {
            self.span.set(semconv::GEN_AI_USAGE_INPUT_TOKENS, count(usage.input_tokens));
            self.span.set(semconv::GEN_AI_USAGE_OUTPUT_TOKENS, count(usage.output_tokens));
            let cached = count(usage.cached_input_tokens);
            self.span.set(semconv::GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS, cached);
        }
        if let Some(finish) = finish {
            self.span.set(semconv::GEN_AI_RESPONSE_FINISH_REASONS, vec![finish.to_owned()]);
        }
        if let Some(fault) = fault {
            let class = fault.detail.class.map_or("unclassified", FailureClass::label);
            self.span.set(semconv::WEIR_FAILURE_CLASS, class);
            self.span.fail(fault.code.kind(), &fault.detail.message);
        }
    }
}

fn find_key(shared: &Shared, request: &WorkerRequest) -> Result<usize, Fault> {
    fault::check_provider(shared, request)?;
    let at = shared.keys.iter().position(|key| key.name == request.key);
    at.ok_or_else(|| fault::no_key(shared, &request.key))
}

async fn patched(shared: &Shared, model: &str, body: Body) -> Result<Bytes, Fault> {
    let body = body.collect(shared.request_bytes_max).await?;
    let quirks = &shared.vendor.quirks;
    let more_drops: Vec<_> = quirks.drops_for(model).collect();
    let changes = Changes {
        renames: quirks.renames,
        drops: quirks.drops,
        more_drops: &more_drops,
        values: quirks.values,
        objects: quirks.objects,
        block_drops: quirks.block_drops,
        text_bytes_max: quirks.text_bytes_max,
    };
    patch(&body, model, &changes).map_err(|error| {
        Fault::new(FaultCode::InvalidRequest, error.to_string()).with_class(FailureClass::Caller)
    })
}

fn start_span(
    shared: &Shared,
    context: &CallContext,
    request: &WorkerRequest,
    model: &str,
) -> Span {
    let operation = request.operation.label();
    let mut span = shared.telemetry.tracer.start(&context.trace, operation, SpanKind::Client);
    if span.is_recording() {
        span.rename(format!("{operation} {model}"));
        span.set(semconv::GEN_AI_OPERATION_NAME, operation);
        span.set(semconv::GEN_AI_PROVIDER_NAME, shared.provider.as_str());
        span.set(semconv::GEN_AI_REQUEST_MODEL, model);
        span.set(semconv::WEIR_REQUEST_ID, context.request_id.as_str());
        span.set(semconv::WEIR_KEY, request.key.as_str());
        span.set(semconv::WEIR_ATTEMPT, i64::from(request.attempt));
        let key = shared.key(&request.key);
        let uri = key.and_then(|key| key.endpoints.find(request.operation, request.stream));
        if let Some(host) = uri.and_then(http::Uri::host) {
            span.set(semconv::SERVER_ADDRESS, host);
        }
    }
    span
}
