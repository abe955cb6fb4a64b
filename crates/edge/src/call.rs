//! One request through the edge, step by step. Every step that fails gives a fault; one place
//! turns it into a response.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use futures_util::FutureExt;
use http::Method;
use http::request::Parts;
use weir_budget::Gather;
use weir_dialect::{PathFacts, format};
use weir_rpc::{Body as CallBody, RouterRequest};
use weir_types::{Addressee, CallContext, Content, Deadline, Fault, FaultCode, Framing, Target};

use crate::live::InForce;
use crate::options::RequestOptions;
use crate::record::{Record, RequestLine};
use crate::route::{self, Route};
use crate::shared::Shared;
use crate::{answer, error, intake, names};

/// Serves a request on an inference route; `parameter` is the value of the path's parameter.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    route: &'static Route,
    parameter: String,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let head_only = parts.method == Method::HEAD;
    let started = Instant::now();
    let asked =
        RequestLine { route: route.name, dialect: route.dialect, operation: Some(route.operation) };
    let mut slot = Some(Record::start(&shared.telemetry, asked, &parts, started));
    let asked_of = Asked { shared: &shared, now: &shared.live.now(), route, parameter: &parameter };
    // Costs nothing while nothing panics; without it the connection would die without a word.
    let steps = AssertUnwindSafe(steps(asked_of, &parts, body, &mut slot)).catch_unwind();
    let answered = steps.await.unwrap_or_else(|_| {
        Err(Fault::new(FaultCode::Internal, "a defect of the gateway; see its log"))
    });
    match (answered, slot) {
        (Ok(response), _) => response,
        (Err(fault), Some(record)) => error::response(&fault, record, head_only),
        (Err(fault), None) => {
            let record = Record::start(&shared.telemetry, asked, &parts, started);
            error::response(&fault, record, head_only)
        }
    }
}

/// Answers what no route or method matches.
pub(crate) fn refuse(shared: &Shared, fault: &Fault, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    intake::forget(&parts.headers, body, shared.live.look().settings.body_bytes_max);
    let dialect = route::dialect_of(shared.routes, parts.uri.path());
    let asked = RequestLine { route: method_label(&parts.method), dialect, operation: None };
    let record = Record::start(&shared.telemetry, asked, &parts, Instant::now());
    error::response(fault, record, parts.method == Method::HEAD)
}

/// A span's name must not be made of what clients send.
fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "HTTP",
    }
}

/// Who is asked for what, and by which settings.
#[derive(Clone, Copy)]
struct Asked<'a> {
    shared: &'a Shared,
    now: &'a InForce,
    route: &'static Route,
    parameter: &'a str,
}

/// The record is in `slot` until the response owns it.
async fn steps(
    Asked { shared, now, route, parameter }: Asked<'_>,
    parts: &Parts,
    body: Body,
    slot: &mut Option<Record>,
) -> Result<Response, Fault> {
    let Some(record) = slot.as_mut() else {
        return Err(Fault::new(FaultCode::Internal, "a request without a record"));
    };
    let options = match admitted(now, route, parts, record) {
        Ok(options) => options,
        Err(fault) => {
            intake::forget(&parts.headers, body, now.settings.body_bytes_max);
            return Err(fault);
        }
    };
    let deadline = Deadline::after(record.started(), options.deadline);
    let limits = now.limits(deadline);
    let facts = route.operation.facts();
    let mut request = begun(route, parts, record);
    let mut model = parameter.to_owned();
    let body = match facts.request {
        Content::Empty => CallBody::Full(Bytes::new()),
        Content::Json => {
            let body = intake::read(&parts.headers, body, limits).await?;
            let path = PathFacts {
                operation: route.operation,
                model: route.parameter().map(|_| parameter),
                stream: route.stream,
            };
            let is_marked = body.starts_with(MARK);
            let copy = intake::room_for_copy(&body, limits).await?;
            let peeked = format(route.dialect).peek(body, &path);
            let peeked = peeked.map_err(|fault| if is_marked { marked() } else { fault.into() })?;
            model = peeked.model;
            request.stream = peeked.stream;
            request.fallbacks = peeked.fallbacks;
            CallBody::Full(match copy {
                Some(hold) if !request.fallbacks.is_empty() => Gather::made(peeked.body, hold),
                _ => peeked.body,
            })
        }
        Content::Multipart | Content::Bytes => {
            request.content_type = intake::content_type(&parts.headers);
            CallBody::Stream(intake::stream(&parts.headers, body, limits)?)
        }
    };
    record.model.clone_from(&model);
    record.stream = request.stream;
    record.framing = request.framing;
    let wanted = route.wanted(parameter);
    request.target = match wanted {
        Some(id) => Target::Model { name: id.to_owned(), pin: options.key_pin.clone() },
        None => target(route, facts.addressee, model, &options, parts)?,
    };
    request.headers = options.headers;
    let context = CallContext {
        request_id: record.request_id.clone(),
        deadline,
        trace: record.span().context().clone(),
    };
    let reply = shared.router.call(context, request, body).await;
    let reply = reply.map_err(|fault| if wanted.is_some() { unlisted(fault) } else { fault })?;
    if facts.addressee == Addressee::Provider && route.operation.is_translated() {
        let head_only = parts.method == Method::HEAD;
        return answer::models(reply, slot, head_only, wanted).await;
    }
    answer::relay(reply, slot, now.settings.stream_time_max).await
}

/// Who asks, and what they ask for beside the body.
fn admitted(
    now: &InForce,
    route: &Route,
    parts: &Parts,
    record: &mut Record,
) -> Result<RequestOptions, Fault> {
    record.client_key = now.settings.client_keys.caller(parts, SystemTime::now())?;
    now.rules.options(&parts.headers, route.dialect)
}

/// The request as far as its line and headers say it.
fn begun(route: &Route, parts: &Parts, record: &Record) -> RouterRequest {
    RouterRequest {
        dialect: route.dialect,
        operation: route.operation,
        target: Target::Provider { name: None, pin: None },
        stream: route.stream.unwrap_or(false),
        framing: framing(route, parts),
        form: route.form,
        content_type: String::new(),
        fallbacks: Vec::new(),
        preferred_provider: route.preferred.map(str::to_owned),
        client_key: record.client_key.clone(),
        headers: Vec::new(),
    }
}

/// Why there is no list with the one model that was asked for.
fn unlisted(fault: Fault) -> Fault {
    match fault.code {
        FaultCode::UnknownModel | FaultCode::NoKeySupportsModel => {
            answer::no_such_model(fault.detail.message)
        }
        _ => fault,
    }
}

/// A byte order mark in UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// It cannot be seen in an editor, so it is named.
fn marked() -> Fault {
    let text = "the body begins with a byte order mark (EF BB BF), which is no JSON; send it without, \
                as `utf-8` and not `utf-8-sig`";
    Fault::new(FaultCode::InvalidRequest, text)
}

/// What the request is for.
fn target(
    route: &Route,
    addressee: Addressee,
    name: String,
    options: &RequestOptions,
    parts: &Parts,
) -> Result<Target, Fault> {
    let pin = options.key_pin.clone();
    match addressee {
        Addressee::Model => Ok(Target::Model { name, pin }),
        Addressee::Provider => Ok(Target::Provider { name: provider(route, parts), pin }),
        Addressee::Resource => {
            let text = "the id does not say which provider and key it belongs to";
            Err(Fault::new(FaultCode::InvalidRequest, text))
        }
    }
}

/// Which provider a request without a model is for: it stands in the query or in a header.
fn provider(route: &Route, parts: &Parts) -> Option<String> {
    let header = parts.headers.get(&names::LIST_PROVIDER).and_then(|value| value.to_str().ok());
    let asked = header.map(str::to_owned).or_else(|| query(parts, "provider"));
    match asked.as_deref().map(str::trim) {
        Some("all") => None,
        Some(provider) if !provider.is_empty() => Some(provider.to_owned()),
        // A drop-in prefix lists its own provider, as that provider's API would.
        _ => route.preferred.map(str::to_owned),
    }
}

fn framing(route: &Route, parts: &Parts) -> Framing {
    match route.framing_by_query {
        Some((name, value, framing)) if query(parts, name).as_deref() == Some(value) => framing,
        _ => route.framing,
    }
}

/// The first value of a query parameter.
fn query(parts: &Parts, name: &str) -> Option<String> {
    let query = parts.uri.query()?;
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}
