//! One attempt: checks, the body's way, the call, and whose turn it is then.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri};
use tokio::time::Instant;
use weir_budget::Hold;
use weir_dialect::format;
use weir_dialect::ir::Losses;
use weir_provider::Fit;
use weir_rpc::{Body as Incoming, Reply, WorkerRequest};
use weir_telemetry::{Span, SpanKind, semconv};
use weir_types::{CallContext, Commit, Content, Fault, Usage};
use weir_upstream::{Body, Client, Error, Outgoing};

use crate::call::{Call, Limit};
use crate::clients::Features;
use crate::clock::unix_seconds;
use crate::destination::{self, Destination};
use crate::endpoint::Endpoint;
use crate::fault::Failed;
use crate::headers::{self, Expect};
use crate::later::Desk;
use crate::sendable::{Sendable, of_body, opened, unsealed};
use crate::sender::Sender;
use crate::stream::Framings;
use crate::upload::Upload;
use crate::way::Start;
use crate::{Shared, fault, held, raw, rejection, room, streamed, whole};

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
pub(crate) fn run(
    shared: Arc<Shared>,
    client: Client,
    context: CallContext,
    request: WorkerRequest,
    body: Incoming,
) -> impl Future<Output = Result<Reply, Fault>> + Send {
    // Outside: what an async function is given it keeps twice.
    let started = Instant::now();
    async move {
        let at = destination::find_key(&shared, &request)?;
        let key = shared.keys.get(at).ok_or_else(|| fault::no_key(&shared, &request.key))?;
        let Destination { endpoint, base, fit, uri, model, known_as } =
            destination::of(&shared, key, &request)?;
        let stream = request.is_streamed();
        let formats = (format(request.dialect), format(endpoint.route.dialect));
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
            features: Features::new(
                &shared.headers.clients,
                &request.headers,
                endpoint.route.dialect,
            ),
            vendor: shared.vendor.name,
            id: &context.request_id,
            now: unix_seconds(),
            // What was sealed elsewhere is of no use here.
            is_unsealed: request.is_fallback,
            outline: request.outline.as_ref(),
        };
        let (body, document) = opened(body, &shared, at, &request).await?;
        let translated = document.as_deref().filter(|_| !fit.is_same());
        let room = room::of_request(shared.memory.budget(), translated.unwrap_or_default()).await?;
        let whole = body.again();
        let sendable = of_body(body, document.as_ref(), fit, &start, &request.content_type)?;
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
        let limit = Limit::new(shared, context, stream, request.patience.first_token, sent);
        let mut made = attempt.make(sendable, limit, Duration::ZERO).await;
        if let Err(Failed { is_stale: true, fault }) = &made
            && let Some(whole) = whole
        {
            // In boxes, as the next: requests that are sent once are no larger for it.
            made = Box::pin(attempt.once_more(whole, (fit, &start), limit, fault)).await;
        }
        let fault = match made {
            Ok(reply) => return Ok(reply),
            Err(failed) => failed.fault,
        };
        match document.as_ref().and_then(|document| unsealed(&fault, document, fit, &start)) {
            None => Err(fault),
            Some(sendable) => {
                Box::pin(attempt.again(sendable, limit, &fault, sent.elapsed())).await
            }
        }
    }
}

impl Attempt<'_> {
    /// Makes it again where `fault` says that nobody has done anything about it: that is free.
    async fn once_more(
        &self,
        whole: Incoming,
        (fit, start): (Fit, &Start<'_>),
        limit: Limit,
        fault: &Fault,
    ) -> Result<Reply, Failed> {
        tracing::debug!(provider = self.shared.provider.as_str(), %fault, "sent once more");
        let sendable = of_body(whole, self.document, fit, start, &self.request.content_type);
        let sendable = sendable.map_err(Fault::from)?;
        self.make(sendable, limit, Duration::ZERO).await
    }

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

    /// How long a stream may be silent: as the client says, within the settings.
    fn stream_idle(&self) -> Duration {
        let idle = self.shared.timeouts.stream_idle;
        self.request.patience.stream_idle.map_or(idle, |asked| asked.min(idle))
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
            may_stream: endpoint.may(request.operation, true),
            model: self.model.to_owned(),
            limit,
            stream_idle: self.stream_idle(),
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
            Ok(begun) if request.commit == Commit::Complete => {
                let limit = this.limit;
                let reply = begun.into_reply(this, true);
                Ok(Box::pin(held::back(reply, shared, limit)).await?)
            }
            Ok(begun) => {
                this.document = None;
                Ok(begun.into_reply(this, false))
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
    let facts = request.operation.facts();
    let sends = facts.request != Content::Empty;
    let expect = Expect {
        stream: stream.then_some(endpoint.route.framing),
        answer: facts.answer,
        content_type: sends.then_some(&request.content_type),
    };
    headers::of_call(&shared.headers, endpoint, &request.headers, span.context(), &expect, features)
}

/// An answer that has begun.
enum Begun {
    Whole(Box<Reply>),
    Stream(Box<streamed::Streamed>),
    Bytes(Box<raw::Raw>),
}

impl Begun {
    /// The reply; `call` lives as long as its frames. `is_held`: nobody sees them before their end.
    fn into_reply(self, call: Call, is_held: bool) -> Reply {
        match self {
            Self::Whole(reply) => *reply,
            Self::Stream(streamed) => streamed.into_reply(call, is_held),
            Self::Bytes(raw) => raw.into_reply(call),
        }
    }
}

async fn send(
    call: &mut Call,
    sender: Sender<'_>,
    request: Request<Outgoing>,
) -> Result<Response<Body>, Failed> {
    match &call.upload {
        None => sender.send(&call.shared, request, call.limit).await,
        // In a box: other calls are no larger for it.
        Some(upload) => {
            let (sent, limit) = Box::pin(send_upload(call, upload, sender, request)).await?;
            call.limit = limit;
            sent.map_err(|error| Failed::of_call(&call.shared, &error, limit))
        }
    }
}

/// What came of it, and the limit for the rest of the answer, which has a time of its own.
async fn send_upload(
    call: &Call,
    upload: &Upload,
    sender: Sender<'_>,
    mut request: Request<Outgoing>,
) -> Result<(Result<Response<Body>, Error>, Limit), Fault> {
    let limit = call.limit;
    sender.authorize(&call.shared, &mut request, limit.at).await?;
    let sent = upload.send(sender.client, request, limit.own, limit.deadline).await;
    Ok((sent, limit.again(Instant::now())))
}

/// `asked`: what was asked for, to be told of where that fails.
async fn begin(
    call: &mut Call,
    sent: Result<Response<Body>, Failed>,
    asked: (&Method, &Uri),
    stream: bool,
) -> Result<Begun, Failed> {
    let (head, body) = sent?.into_parts();
    if call.span.is_recording() {
        let status = i64::from(head.status.as_u16());
        call.span.set(semconv::HTTP_RESPONSE_STATUS_CODE, status);
    }
    if !head.status.is_success() {
        let rejected = rejection::rejected(call.error_context(), asked, &head, body);
        return Err(Box::pin(rejected).await.into());
    }
    let is_unasked = !stream && streams_unasked(call, &head);
    if is_unasked && !call.may_stream {
        return Err(fault::unsupported(&call.shared, call.operation, true).into());
    }
    if stream || is_unasked {
        let streamed = streamed::open(call, head, body).await;
        return Ok(Begun::Stream(Box::new(streamed?)));
    }
    if call.operation.facts().answer == Content::Bytes {
        return Ok(Begun::Bytes(Box::new(raw::open(call, &head, body).await?)));
    }
    Ok(Begun::Whole(Box::new(whole::reply(call, head, body).await?)))
}

/// Whether a stream comes that was asked for where only the provider could read it: behind the file of
/// a form that nobody held.
fn streams_unasked(call: &Call, head: &http::response::Parts) -> bool {
    let content_type = headers::text(&head.headers, http::header::CONTENT_TYPE);
    call.upload.is_some()
        && call.operation.streams()
        && content_type.starts_with(call.framings.provider.media_type())
}

/// Tells the trace what the request's translation left out.
fn note_losses(span: &mut Span, losses: &Losses) {
    if span.is_recording() && !losses.is_empty() {
        let lost = losses.iter().map(|loss| format!("{}: {}", loss.member, loss.why));
        let lost: Vec<String> = lost.collect();
        span.event(semconv::EVENT_LOSSES, &[(semconv::WEIR_LOSSES, lost.into())]);
    }
}

/// The span of an attempt.
pub(crate) fn start_span(
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
