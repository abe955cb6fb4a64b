//! One attempt: checks, the body's way, the call, and whose turn it is then.

use std::sync::Arc;
use std::time::SystemTime;

use futures_util::TryStreamExt;
use http::{HeaderMap, Request, Uri};
use tokio::time::Instant;
use weir_dialect::format;
use weir_dialect::ir::Losses;
use weir_provider::{Fit, Wanted};
use weir_rpc::{Body, Reply, WorkerRequest};
use weir_telemetry::{Span, SpanKind, semconv};
use weir_types::{CallContext, Content, FailureClass, Fault, FaultCode, Usage};
use weir_upstream::{Client, Outgoing};

use crate::call::{Call, Counted, Limit};
use crate::endpoint::Endpoint;
use crate::headers::{self, Expect};
use crate::shared::Key;
use crate::stream::Framings;
use crate::upload::Upload;
use crate::way::{self, Ready, Start, Way};
use crate::{Shared, fault, rejection, streamed, whole};

/// Where a request goes.
struct Destination<'a> {
    endpoint: &'a Endpoint,
    fit: Fit,
    uri: Uri,
    /// As the provider writes it.
    model: String,
    /// As rules of models know it.
    known_as: Option<&'a str>,
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
    let Destination { endpoint, fit, uri, model, known_as } = destination;
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
        known_as: known_as.unwrap_or(&model),
        stream,
        quirks: &endpoint.quirks,
        vendor: shared.vendor.name,
        id: &context.request_id,
        now: now.as_secs(),
    };
    let Sendable { outgoing, upload, way, mut losses } =
        sendable(&shared, body, &request, fit, &start).await?;
    let span = start_span(&shared, &context, &request, &model, &uri);
    let mut call = Request::new(outgoing);
    call.method_mut().clone_from(&endpoint.route.method);
    *call.uri_mut() = uri;
    *call.headers_mut() = headers_of(&shared, endpoint, &request, &span, &mut losses);

    let sent = Instant::now();
    let limit = Limit::new(&shared, &context, stream, sent);
    let operation = request.operation;
    let authorizer = endpoint.authorizer.clone();
    let mut this = Call {
        _counted: Counted(Arc::clone(&shared)),
        shared,
        key: at,
        operation,
        way,
        framings,
        losses,
        model,
        limit,
        upload,
        span,
        started,
        sent,
    };
    let authorized = match &authorizer {
        Some(authorizer) => authorizer.authorize(&mut call, &client, limit.at).done().await,
        None => Ok(()),
    };
    let result = match authorized {
        Ok(()) => exchange(&mut this, &client, call, stream).await,
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

/// The headers of the call, but for its credential.
fn headers_of(
    shared: &Shared,
    endpoint: &Endpoint,
    request: &WorkerRequest,
    span: &Span,
    losses: &mut Losses,
) -> HeaderMap {
    let stream = request.stream && request.operation.streams();
    let sends = request.operation.facts().request != Content::Empty;
    let expect = Expect {
        stream: stream.then_some(endpoint.route.framing),
        content_type: sends.then_some(&request.content_type),
    };
    headers::of_call(&shared.headers, endpoint, &request.headers, span.context(), &expect, losses)
}

/// A request's body, ready to be sent.
struct Sendable {
    outgoing: Outgoing,
    upload: Option<Upload>,
    way: Way,
    losses: Losses,
}

/// The body for the provider.
async fn sendable(
    shared: &Shared,
    body: Body,
    request: &WorkerRequest,
    fit: Fit,
    start: &Start<'_>,
) -> Result<Sendable, Fault> {
    let unread = |outgoing, upload| {
        let way = Way::Same { format: start.provider, choices: 1 };
        Sendable { outgoing, upload, way, losses: Losses::default() }
    };
    match request.operation.facts().request {
        Content::Empty => Ok(unread(Outgoing::parts(Vec::new()), None)),
        Content::Multipart | Content::Bytes => Ok(match body {
            Body::Full(bytes) => unread(Outgoing::from(bytes), None),
            Body::Stream(pieces) => {
                let (upload, pieces) = Upload::watch(Box::pin(pieces.map_err(Into::into)));
                unread(Outgoing::stream(pieces, None), Some(upload))
            }
        }),
        Content::Json => {
            let body = body.collect(shared.request_bytes_max).await?;
            let ready = match fit.is_same() {
                true => way::patched(&body, start),
                false => way::translated(&body, start),
            };
            let Ready { parts, way, losses } = ready?;
            Ok(Sendable { outgoing: Outgoing::parts(parts), upload: None, way, losses })
        }
    }
}

/// An answer that has begun.
enum Begun {
    Whole(Box<Reply>),
    Stream(Box<streamed::Streamed>),
}

async fn exchange(
    call: &mut Call,
    client: &Client,
    request: Request<Outgoing>,
    stream: bool,
) -> Result<Begun, Fault> {
    let sent = match &call.upload {
        None => client.send(request, call.limit.at).await,
        Some(upload) => {
            let sent = upload.send(client, request, call.limit.own, call.limit.deadline).await;
            // The rest of the answer has a time of its own.
            call.limit = call.limit.again(Instant::now());
            sent
        }
    };
    call.shared.count_calls();
    let (head, body) = match sent {
        Ok(response) => response.into_parts(),
        Err(error) => return Err(fault::of_call(&call.shared, &error, call.limit)),
    };
    if call.span.is_recording() {
        let status = i64::from(head.status.as_u16());
        call.span.set(semconv::HTTP_RESPONSE_STATUS_CODE, status);
    }
    if !head.status.is_success() {
        return Err(rejection::rejected(call.error_context(), &head, body).await);
    }
    if stream {
        let streamed = streamed::open(call, head, body).await;
        return streamed.map(|streamed| Begun::Stream(Box::new(streamed)));
    }
    whole::reply(call, head, body).await.map(|reply| Begun::Whole(Box::new(reply)))
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
    request: &'a WorkerRequest,
) -> Result<Destination<'a>, Fault> {
    let stream = request.stream && request.operation.streams();
    let resolved = key.resolve(&request.model);
    let endpoints = resolved.endpoints;
    let found = endpoints.find(&Wanted {
        operation: request.operation,
        stream,
        dialect: request.dialect,
        model: resolved.name,
        family: endpoints.family(resolved.name, resolved.settings.family),
        choices: resolved.settings.choices,
    });
    let (endpoint, fit) =
        found.ok_or_else(|| fault::unsupported(shared, request.operation, stream))?;
    let model = match resolved.wire_name {
        Some(name) => name.to_owned(),
        None => shared.vendor.wire_model(resolved.name).into_owned(),
    };
    let resource = request.resource.as_deref().unwrap_or_default();
    let uri = endpoint.uri(request.operation, stream, &model, resource).map_err(|why| {
        Fault::new(FaultCode::InvalidRequest, why).with_class(FailureClass::Caller)
    })?;
    let known_as = resolved.settings.known_as.as_deref();
    Ok(Destination { endpoint, fit, uri, model, known_as })
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
