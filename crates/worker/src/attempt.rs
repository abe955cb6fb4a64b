//! One attempt: checks, the body's way, the call, and whose turn it is then.

use std::sync::Arc;
use std::time::SystemTime;

use futures_util::TryStreamExt;
use http::{Request, Uri};
use tokio::time::Instant;
use weir_dialect::families::Family;
use weir_dialect::ir::Losses;
use weir_dialect::{Format, format};
use weir_provider::Fit;
use weir_rpc::{Body, Reply, ReplyHead, Timings, WorkerRequest};
use weir_telemetry::{Span, SpanKind, semconv};
use weir_types::{
    CallContext, Content, FailureClass, Fault, FaultCode, Operation, QuotaMode, Usage,
};
use weir_upstream::{Client, Outgoing};

use crate::endpoint::Endpoint;
use crate::headers::{self, Expect};
use crate::shared::Key;
use crate::stream::Framings;
use crate::way::{self, Ready, Start, Way};
use crate::{Shared, fault, refusal, streamed, whole};

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
    /// Whose secrets must not be seen in what comes back.
    pub(crate) key: Option<&'a Key>,
    pub(crate) model: &'a str,
    pub(crate) limit: Limit,
    pub(crate) way: &'a Way,
}

/// An attempt under way.
pub(crate) struct Call {
    pub(crate) shared: Arc<Shared>,
    /// Index into `shared.keys`.
    key: usize,
    pub(crate) operation: Operation,
    pub(crate) way: Way,
    pub(crate) framings: Framings,
    /// What the request's translation lost.
    losses: Losses,
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

/// Where a request goes.
struct Destination<'a> {
    endpoint: &'a Endpoint,
    fit: Fit,
    uri: Uri,
    /// As the provider writes it.
    model: String,
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
    let at = find_key(&shared, &request)?;
    let key = shared.keys.get(at).ok_or_else(|| fault::no_key(&shared, &request.key))?;
    let destination = destination(&shared, key, &request)?;
    let Destination { endpoint, fit, uri, model } = destination;
    let stream = request.stream && request.operation.streams();
    let framings = Framings { provider: endpoint.route.framing, client: request.framing };
    let formats = (format(request.dialect), format(endpoint.route.dialect));
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let start = Start {
        client: formats.0,
        provider: formats.1,
        operations: (request.operation, endpoint.route.operation),
        asked_model: &request.model,
        wire_model: &model,
        stream,
        quirks: &endpoint.quirks,
        vendor: shared.vendor.name,
        id: &context.request_id,
        now: now.as_secs(),
    };
    let (outgoing, way, losses) = outgoing(&shared, body, &request, fit, &start).await?;
    let span = start_span(&shared, &context, &request, &model, &uri);
    let sends = request.operation.facts().request != Content::Empty;
    let expect = Expect {
        stream: stream.then_some(framings.provider),
        content_type: sends.then_some(&request.content_type),
    };
    let head =
        headers::of_call(&shared.headers, endpoint, &request.headers, span.context(), &expect);
    let mut call = Request::new(outgoing);
    call.method_mut().clone_from(&endpoint.route.method);
    *call.uri_mut() = uri;
    *call.headers_mut() = head;

    let sent = Instant::now();
    let limit = Limit::new(&shared, &context, stream, sent);
    let operation = request.operation;
    let authorizer = endpoint.authorizer.clone();
    let _counted = Counted(Arc::clone(&shared));
    let mut this = Call {
        shared,
        key: at,
        operation,
        way,
        framings,
        losses,
        model,
        limit,
        span,
        started,
        sent,
        _counted,
    };
    let authorized = match &authorizer {
        Some(authorizer) => authorizer.authorize(&mut call, &client, limit.at).done().await,
        None => Ok(()),
    };
    let result = match authorized {
        Ok(()) => this.exchange(&client, call, stream).await,
        Err(error) => Err(fault::unauthorized(&this.shared, &error)),
    };
    match result {
        Ok(Begun::Whole(reply)) => Ok(*reply),
        Ok(Begun::Stream(streamed)) => Ok(streamed.into_reply(this)),
        Err(fault) => {
            this.ended(&Usage::default(), None, Some(&fault));
            Err(fault)
        }
    }
}

/// The body for the provider.
async fn outgoing(
    shared: &Shared,
    body: Body,
    request: &WorkerRequest,
    fit: Fit,
    start: &Start<'_>,
) -> Result<(Outgoing, Way, Losses), Fault> {
    let unread =
        |format: &'static dyn Format| (Way::Same { format, choices: 1 }, Losses::default());
    match request.operation.facts().request {
        Content::Empty => {
            let (way, losses) = unread(start.provider);
            Ok((Outgoing::parts(Vec::new()), way, losses))
        }
        Content::Multipart | Content::Bytes => {
            let (way, losses) = unread(start.provider);
            let outgoing = match body {
                Body::Full(bytes) => Outgoing::from(bytes),
                Body::Stream(pieces) => {
                    Outgoing::stream(Box::pin(pieces.map_err(Into::into)), None)
                }
            };
            Ok((outgoing, way, losses))
        }
        Content::Json => {
            let body = body.collect(shared.request_bytes_max).await?;
            let ready = match fit {
                Fit::Same => way::patched(&body, start),
                Fit::Translated => way::translated(&body, start),
            };
            let Ready { parts, way, losses } = ready?;
            Ok((Outgoing::parts(parts), way, losses))
        }
    }
}

/// An answer that has begun.
enum Begun {
    Whole(Box<Reply>),
    Stream(Box<streamed::Streamed>),
}

impl Call {
    async fn exchange(
        &mut self,
        client: &Client,
        request: Request<Outgoing>,
        stream: bool,
    ) -> Result<Begun, Fault> {
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
            return Err(refusal::refused(self.asked(), &head, body).await);
        }
        if stream {
            let streamed = streamed::open(self, head, body).await;
            return streamed.map(|streamed| Begun::Stream(Box::new(streamed)));
        }
        whole::reply(self, head, body).await.map(|reply| Begun::Whole(Box::new(reply)))
    }

    fn key(&self) -> Option<&Key> {
        self.shared.keys.get(self.key)
    }

    pub(crate) fn asked(&self) -> Asked<'_> {
        let (shared, model) = (&self.shared, &self.model);
        Asked { shared, key: self.key(), model, limit: self.limit, way: &self.way }
    }

    /// The head of the reply; the time up to now is the provider's.
    /// `lost` is what the answer's translation lost beside the request's.
    pub(crate) fn reply_head(&self, head: &http::response::Parts, lost: &Losses) -> ReplyHead {
        let now = Instant::now();
        let upstream = now.duration_since(self.sent);
        let whole = now.duration_since(self.started);
        let mut losses = self.losses.clone();
        losses.extend(lost.clone());
        let micros =
            |duration: std::time::Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        ReplyHead {
            status: head.status.as_u16(),
            content_type: headers::text(&head.headers, http::header::CONTENT_TYPE).to_owned(),
            headers: headers::passed_on(&head.headers, &losses),
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

/// The endpoint, and what the model is called there.
fn destination<'a>(
    shared: &Shared,
    key: &'a Key,
    request: &WorkerRequest,
) -> Result<Destination<'a>, Fault> {
    let stream = request.stream && request.operation.streams();
    let resolved = key.rules.resolve(&request.model);
    let family = Family::of(resolved);
    let found = key.endpoints.find(request.operation, stream, request.dialect, family);
    let (endpoint, fit) =
        found.ok_or_else(|| fault::unsupported(shared, request.operation, stream))?;
    let model = shared.vendor.wire_model(resolved).into_owned();
    let resource = request.resource.as_deref().unwrap_or_default();
    let uri = endpoint.uri(request.operation, stream, &model, resource).map_err(|why| {
        Fault::new(FaultCode::InvalidRequest, why).with_class(FailureClass::Caller)
    })?;
    Ok(Destination { endpoint, fit, uri, model })
}

fn start_span(
    shared: &Shared,
    context: &CallContext,
    request: &WorkerRequest,
    model: &str,
    uri: &Uri,
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
        if let Some(host) = uri.host() {
            span.set(semconv::SERVER_ADDRESS, host);
        }
    }
    span
}
