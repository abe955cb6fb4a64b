//! One request through the edge, step by step. Every step that fails gives a fault; one place
//! turns it into a response.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use futures_util::FutureExt;
use http::Method;
use http::request::Parts;
use weir_rpc::{Body as CallBody, RouterRequest};
use weir_types::{CallContext, Deadline, Dialect, Fault, FaultCode, Operation};

use crate::app::App;
use crate::client::Wishes;
use crate::record::Record;
use crate::route::Route;
use crate::{answer, error, intake, names, peek};

/// Serves a request on an inference route.
pub(crate) async fn serve(app: Arc<App>, route: &'static Route, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let head_only = parts.method == Method::HEAD;
    let started = Instant::now();
    let operation = Some(route.operation);
    let mut slot = Some(Record::start(&app.telemetry, route.name, operation, &parts, started));
    // Costs nothing while nothing panics; without it the connection would die without a word.
    let steps = AssertUnwindSafe(steps(&app, route, &parts, body, &mut slot)).catch_unwind();
    let answered = steps.await.unwrap_or_else(|_| {
        Err(Fault::new(FaultCode::Internal, "a defect of the gateway; see its log"))
    });
    match (answered, slot) {
        (Ok(response), _) => response,
        (Err(fault), Some(record)) => error::response(&fault, record, head_only),
        (Err(fault), None) => {
            let record = Record::start(&app.telemetry, route.name, operation, &parts, started);
            error::response(&fault, record, head_only)
        }
    }
}

/// Answers what no route or method matches.
pub(crate) fn refuse(app: &App, fault: &Fault, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let method = method_label(&parts.method);
    let record = Record::start(&app.telemetry, method, None, &parts, Instant::now());
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

/// The record is in `slot` until the response owns it.
async fn steps(
    app: &App,
    route: &'static Route,
    parts: &Parts,
    body: Body,
    slot: &mut Option<Record>,
) -> Result<Response, Fault> {
    let Some(record) = slot.as_mut() else {
        return Err(Fault::new(FaultCode::Internal, "a request without a record"));
    };
    let wishes = app.rules.wishes(&parts.headers)?;
    let deadline = Deadline::after(record.started(), wishes.deadline);
    let (request, body) = if route.operation == Operation::ListModels {
        (list_request(route, parts, wishes), Bytes::new())
    } else {
        let limits = app.limits(deadline);
        let body = intake::read(&parts.headers, body, limits).await?;
        let peeked = peek::peek(body, route.operation)?;
        record.model.clone_from(&peeked.model);
        record.stream = peeked.stream;
        let request = RouterRequest {
            dialect: Dialect::OpenAi,
            operation: route.operation,
            model: peeked.model,
            stream: peeked.stream,
            fallbacks: peeked.fallbacks,
            key_pin: wishes.key_pin,
            only_provider: None,
            preferred_provider: route.preferred.map(str::to_owned),
            headers: wishes.headers,
        };
        (request, peeked.body)
    };
    let context = CallContext {
        request_id: record.request_id.clone(),
        deadline,
        trace: record.span().context().clone(),
    };
    let reply = app.router.call(context, request, CallBody::Full(body)).await?;
    if route.operation == Operation::ListModels {
        return answer::models(reply, slot, parts.method == Method::HEAD).await;
    }
    answer::relay(app, reply, slot).await
}

/// A list of models has no body to peek at; what limits it stands in the query and a header.
fn list_request(route: &Route, parts: &Parts, wishes: Wishes) -> RouterRequest {
    let header = parts.headers.get(&names::LIST_PROVIDER).and_then(|value| value.to_str().ok());
    let asked = header.map(str::to_owned).or_else(|| query(parts, "provider"));
    let only_provider = match asked.as_deref().map(str::trim) {
        Some("all") => None,
        Some(provider) if !provider.is_empty() => Some(provider.to_owned()),
        // A drop-in prefix lists its own provider, as that provider's API would.
        _ => route.preferred.map(str::to_owned),
    };
    RouterRequest {
        dialect: Dialect::OpenAi,
        operation: Operation::ListModels,
        model: String::new(),
        stream: false,
        fallbacks: Vec::new(),
        key_pin: wishes.key_pin,
        only_provider,
        preferred_provider: route.preferred.map(str::to_owned),
        headers: wishes.headers,
    }
}

/// The first value of a query parameter. Provider names need no decoding, so none is done.
fn query(parts: &Parts, name: &str) -> Option<String> {
    let pairs = parts.uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
    pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
}
