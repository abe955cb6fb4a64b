//! One attempt: checks, the body's way, the call, and whose turn it is then.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::TryStreamExt;
use http::{HeaderMap, Method, Request, Response, Uri};
use tokio::time::Instant;
use weir_budget::Hold;
use weir_dialect::format;
use weir_dialect::ir::Losses;
use weir_provider::{Fit, refuses_sealed};
use weir_rpc::{Body as Incoming, Reply, WorkerRequest};
use weir_telemetry::{Span, SpanKind, semconv};
use weir_types::{CallContext, Content, Fault, FaultCode, Operation, Usage};
use weir_upstream::{Body, Client, Outgoing};

use crate::call::{Call, Counted, Limit};
use crate::clients::Features;
use crate::destination::{self, Destination};
use crate::endpoint::Endpoint;
use crate::fault::Failed;
use crate::headers::{self, Expect};
use crate::later::Desk;
use crate::sender::Sender;
use crate::stream::Framings;
use crate::upload::Upload;
use crate::way::{self, Ready, Start, Way};
use crate::{Shared, fault, rejection, room, streamed, whole};

/// An attempt that is made once, or twice if only what is sealed in the request was refused.
struct Attempt<'a> {
    shared: &'a Arc<Shared>,
    client: &'a Client,
    context: &'a CallContext,
    request: &'a WorkerRequest,
    /// The body as it came, if it was looked at.
    document: Option<&'a Bytes>,
    /// Index into `shared.keys`.
    key: usize,
    endpoint: &'a Endpoint,
    base: &'a str,
    uri: &'a Uri,
    model: &'a str,
    /// What its translation takes.
    room: Option<Arc<Hold>>,
    started: Instant,
}

/// Makes one attempt.
pub(crate) async fn run(
    shared: Arc<Shared>,
    client: Client,
    context: CallContext,
    request: WorkerRequest,
    body: Incoming,
) -> Result<Reply, Fault> {
    let started = Instant::now();
    let at = destination::find_key(&shared, &request)?;
    let key = shared.keys.get(at).ok_or_else(|| fault::no_key(&shared, &request.key))?;
    let Destination { endpoint, base, fit, uri, model, known_as } =
        destination::of(&shared, key, &request)?;
    let stream = request.is_streamed();
    let formats = (format(request.dialect), format(endpoint.route.dialect));
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let start = Start {
        client: formats.0,
        provider: formats.1,
        errors: endpoint.route.errors.map(format),
        operations: (request.operation, endpoint.route.operation),
        asked_model: &request.model,
        wire_model: &model,
        known_as: known_as.unwrap_or(&model),
        stream,
        form: request.form,
        quirks: &endpoint.quirks,
        features: Features::new(&shared.headers.clients, &request.headers, endpoint.route.dialect),
        vendor: shared.vendor.name,
        id: &context.request_id,
        now: now.as_secs(),
        // What was sealed elsewhere is of no use here.
        is_unsealed: request.is_fallback,
    };
    let (body, document) = opened(body, &shared, request.operation).await?;
    let room = match &document {
        Some(document) if !fit.is_same() => {
            room::of_request(shared.memory.budget(), document).await?
        }
        _ => None,
    };
    let sendable = match &document {
        Some(document) => Sendable::of(way::ready(document, fit, &start)?),
        None => unread(body, &start),
    };
    let (shared, client, context) = (&shared, &client, &context);
    let (request, uri, model) = (&request, &uri, model.as_str());
    let attempt = Attempt {
        shared,
        client,
        context,
        request,
        document: document.as_ref(),
        key: at,
        endpoint,
        base,
        uri,
        model,
        room,
        started,
    };
    let sent = Instant::now();
    let limit = Limit::new(shared, context, stream, sent);
    let mut made = attempt.make(sendable, limit, Duration::ZERO).await;
    if let (Err(Failed { is_stale: true, fault }), Some(document)) = (&made, &document) {
        // Free: nobody has done anything about it.
        tracing::debug!(provider = shared.provider.as_str(), %fault, "sent once more");
        let sendable = Sendable::of(way::ready(document, fit, &start)?);
        made = attempt.make(sendable, limit, Duration::ZERO).await;
    }
    let fault = match made {
        Ok(reply) => return Ok(reply),
        Err(failed) => failed.fault,
    };
    match document.as_ref().and_then(|document| unsealed(&fault, document, fit, &start)) {
        None => Err(fault),
        Some(sendable) => attempt.again(sendable, limit, &fault, sent.elapsed()).await,
    }
}

/// The body for one more try, if what was refused is sealed and can be left out.
fn unsealed(fault: &Fault, document: &Bytes, fit: Fit, start: &Start<'_>) -> Option<Sendable> {
    let refuses = fault.code == FaultCode::UpstreamRejected
        && refuses_sealed(fault.detail.code.as_deref().unwrap_or_default(), &fault.detail.message);
    if !refuses || start.is_unsealed {
        return None;
    }
    let ready = way::ready(document, fit, &Start { is_unsealed: true, ..*start }).ok()?;
    ready.is_stripped.then(|| Sendable::of(ready))
}

impl Attempt<'_> {
    /// Makes it once more; `fault` is what the first try came to, which took so long.
    async fn again(
        &self,
        sendable: Sendable,
        limit: Limit,
        fault: &Fault,
        took: Duration,
    ) -> Result<Reply, Fault> {
        let refused = weir_types::Attempt {
            provider: self.shared.provider.clone(),
            key: self.request.key.clone(),
            status: fault.detail.upstream.as_ref().map_or(0, |answer| answer.status),
            class: fault.detail.class,
            duration_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        };
        match self.make(sendable, limit, took).await {
            Ok(mut reply) => {
                reply.head.attempts.push(refused);
                Ok(reply)
            }
            Err(Failed { mut fault, .. }) => {
                fault.detail.attempts.push(refused);
                Err(fault)
            }
        }
    }

    /// Sends the request and waits for what comes back. `refused` is the time that a try before took.
    async fn make(
        &self,
        sendable: Sendable,
        limit: Limit,
        refused: Duration,
    ) -> Result<Reply, Failed> {
        let Self { shared, request, endpoint, .. } = *self;
        let Sendable { outgoing, upload, way, losses, features } = sendable;
        let stream = request.is_streamed();
        let mut span = start_span(shared, self.context, request, self.model, self.uri);
        let mut call = Request::new(outgoing);
        call.method_mut().clone_from(&endpoint.route.method);
        call.uri_mut().clone_from(self.uri);
        *call.headers_mut() = headers_of(shared, endpoint, request, &span, &features);
        note_losses(&mut span, &losses);
        let mut this = Call {
            _room: self.room.clone(),
            _counted: Counted(Arc::clone(shared)),
            shared: Arc::clone(shared),
            key: self.key,
            operation: request.operation,
            way,
            framings: Framings {
                provider: endpoint.route.framing,
                client: request.framing,
                event_bytes_max: shared.event_bytes_max,
            },
            losses,
            model: self.model.to_owned(),
            limit,
            document: self.document.cloned(),
            has_clients_headers: shared
                .headers
                .clients
                .have_chosen(&request.headers, endpoint.route.dialect),
            upload,
            span,
            started: self.started,
            sent: Instant::now(),
            refused,
        };
        let sender = Sender { authorizer: endpoint.authorizer.as_deref(), client: self.client };
        let sent = match endpoint.route.later {
            None => send(&mut this, sender, call).await,
            Some(later) => {
                let desk = Desk::new(later, &this, self.client, endpoint, self.base, &call);
                // In a box: calls that need none of it are no larger for it.
                Box::pin(desk.answer(&this, call, stream)).await
            }
        };
        let asked = (&endpoint.route.method, self.uri);
        let result = begin(&mut this, sent, asked, stream).await;
        match result {
            Ok(Begun::Whole(reply)) => Ok(*reply),
            Ok(Begun::Stream(streamed)) => {
                this.document = None;
                Ok(streamed.into_reply(this))
            }
            Err(mut failed) => {
                this.ended(&Usage::default(), None, Some(&mut failed.fault));
                Err(failed)
            }
        }
    }
}

/// The headers of the call, but for its credential.
fn headers_of(
    shared: &Shared,
    endpoint: &Endpoint,
    request: &WorkerRequest,
    span: &Span,
    features: &str,
) -> HeaderMap {
    let stream = request.is_streamed();
    let sends = request.operation.facts().request != Content::Empty;
    let expect = Expect {
        stream: stream.then_some(endpoint.route.framing),
        content_type: sends.then_some(&request.content_type),
    };
    headers::of_call(&shared.headers, endpoint, &request.headers, span.context(), &expect, features)
}

/// A request's body, ready to be sent.
struct Sendable {
    outgoing: Outgoing,
    upload: Option<Upload>,
    way: Way,
    losses: Losses,
    /// As in [`Ready::features`].
    features: String,
}

impl Sendable {
    fn of(ready: Ready) -> Self {
        let Ready { parts, way, losses, features, .. } = ready;
        Self { outgoing: Outgoing::parts(parts), upload: None, way, losses, features }
    }
}

/// The body, and all of it if it is a document that must be looked at.
async fn opened(
    body: Incoming,
    shared: &Shared,
    operation: Operation,
) -> Result<(Incoming, Option<Bytes>), Fault> {
    if operation.facts().request != Content::Json {
        return Ok((body, None));
    }
    let document = body.collect(shared.request_bytes_max, shared.memory.budget()).await?;
    Ok((Incoming::Full(Bytes::new()), Some(document)))
}

/// A body that is not looked at.
fn unread(body: Incoming, start: &Start<'_>) -> Sendable {
    let way = Way::Same { format: start.provider, errors: start.errors, choices: 1 };
    let (outgoing, upload) = match (start.operations.0.facts().request, body) {
        (Content::Empty, _) => (Outgoing::parts(Vec::new()), None),
        (_, Incoming::Full(bytes)) => (Outgoing::from(bytes), None),
        (_, Incoming::Stream(pieces)) => {
            let (upload, pieces) = Upload::watch(Box::pin(pieces.map_err(Into::into)));
            (Outgoing::stream(pieces, None), Some(upload))
        }
    };
    let mut losses = Losses::default();
    let features = start.line(&start.features.told(&[], &mut losses));
    Sendable { outgoing, upload, way, losses, features }
}

/// An answer that has begun.
enum Begun {
    Whole(Box<Reply>),
    Stream(Box<streamed::Streamed>),
}

async fn send(
    call: &mut Call,
    sender: Sender<'_>,
    request: Request<Outgoing>,
) -> Result<Response<Body>, Failed> {
    match &call.upload {
        None => sender.send(&call.shared, request, call.limit).await,
        Some(upload) => {
            let mut request = request;
            sender.authorize(&call.shared, &mut request, call.limit.at).await?;
            let sent = upload.send(sender.client, request, call.limit.own, call.limit.deadline);
            let sent = sent.await;
            // The rest of the answer has a time of its own.
            call.limit = call.limit.again(Instant::now());
            sent.map_err(|error| Failed::of_call(&call.shared, &error, call.limit))
        }
    }
}

/// `asked`: what was asked for, to be told of where that fails.
async fn begin(
    call: &mut Call,
    sent: Result<Response<Body>, Failed>,
    asked: (&Method, &Uri),
    stream: bool,
) -> Result<Begun, Failed> {
    call.shared.count_calls();
    let (head, body) = sent?.into_parts();
    if call.span.is_recording() {
        let status = i64::from(head.status.as_u16());
        call.span.set(semconv::HTTP_RESPONSE_STATUS_CODE, status);
    }
    if !head.status.is_success() {
        return Err(rejection::rejected(call.error_context(), asked, &head, body).await.into());
    }
    if stream {
        let streamed = streamed::open(call, head, body).await;
        return Ok(Begun::Stream(Box::new(streamed?)));
    }
    Ok(Begun::Whole(Box::new(whole::reply(call, head, body).await?)))
}

/// Tells the trace what the request's translation left out.
fn note_losses(span: &mut Span, losses: &Losses) {
    if span.is_recording() && !losses.is_empty() {
        let lost = losses.iter().map(|loss| format!("{}: {}", loss.member, loss.why));
        let lost: Vec<String> = lost.collect();
        span.event(semconv::EVENT_LOSSES, &[(semconv::WEIR_LOSSES, lost.into())]);
    }
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
