//! The list of models: what the provider offers, as far as its keys let callers use it.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream;
use http::Request;
use tokio::time::Instant;
use weir_dialect::ir::Losses;
use weir_dialect::{Models, format};
use weir_provider::Asked;
use weir_rpc::{Frame, Reply, ReplyHead, Timings, WorkerRequest};
use weir_types::{CallContext, Content, FailureClass, Fault, FaultCode, Operation, QuotaMode};
use weir_upstream::{Client, Outgoing};

use crate::call::{ErrorContext, Limit};
use crate::clients::Features;
use crate::endpoint::is_allowed;
use crate::headers::{self, Expect};
use crate::sender::Sender;
use crate::shared::Key;
use crate::way::Way;
use crate::{Shared, fault, rejection, whole};

/// Asks every server of the provider (there are several where keys carry URLs) and joins what
/// they say. One that answers is enough; if none does, the failure of the asked key is returned.
pub(crate) async fn list(
    shared: Arc<Shared>,
    client: Client,
    context: CallContext,
    request: WorkerRequest,
) -> Result<Reply, Fault> {
    let started = Instant::now();
    fault::check_provider(&shared, &request)?;
    if !is_allowed(shared.custom.as_ref(), Operation::ListModels, false) {
        return Err(fault::unsupported(&shared, Operation::ListModels, false));
    }
    let asked = shared.key(&request.key).ok_or_else(|| fault::no_key(&shared, &request.key))?;
    let limit = Limit::new(&shared, &context, false, None, started);
    let mut servers = vec![asked];
    for key in &shared.keys {
        if servers.iter().all(|server| server.endpoints.base() != key.endpoints.base()) {
            servers.push(key);
        }
    }
    let asks = servers.into_iter().map(async |key| {
        let found = ask(&shared, &client, key, &request, &context, limit).await;
        found.map_err(|mut fault| {
            key.hide_in(&mut fault);
            fault
        })
    });
    let mut models = Models::default();
    let mut first_fault = None;
    let mut has_answer = false;
    for answer in join_all(asks).await {
        match answer {
            Ok(found) => {
                has_answer = true;
                models.extend(found);
            }
            Err(fault) => first_fault = first_fault.or(Some(fault)),
        }
    }
    if let (Some(fault), false) = (first_fault, has_answer) {
        return Err(fault);
    }
    let document = models.list(&shared.provider, shared.keys.iter().map(|key| &key.rules));
    let upstream = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    let head = ReplyHead {
        status: 200,
        content_type: "application/json".to_owned(),
        headers: Vec::new(),
        provider: shared.provider.clone(),
        key: asked.name.clone(),
        attempts: Vec::new(),
        timings: Timings { upstream_us: upstream, ..Timings::default() },
        quota_mode: QuotaMode::default(),
        seen: Vec::new(),
        parts: Vec::new(),
        kept: None,
    };
    let frames = [Frame::Chunk(document), Frame::End(Box::default())];
    Ok(Reply { head, frames: Box::pin(stream::iter(frames)) })
}

/// The list of one server; empty where the provider has no lists.
async fn ask(
    shared: &Shared,
    client: &Client,
    key: &Key,
    request: &WorkerRequest,
    context: &CallContext,
    limit: Limit,
) -> Result<Models, Fault> {
    let Some(endpoint) = key.endpoints.of(Operation::ListModels, key.model.choices) else {
        return Ok(Models::default());
    };
    let uri = endpoint
        .uri(Operation::ListModels, false, "", "")
        .map_err(|why| Fault::new(FaultCode::Internal, why))?;
    let expect = Expect { stream: None, answer: Content::Json, content_type: None };
    let callers = &request.headers;
    let features = Features::new(&shared.headers.clients, callers, endpoint.route.dialect);
    let features = features.told(&[], &mut Losses::default()).join(",");
    let headers =
        headers::of_call(&shared.headers, endpoint, callers, &context.trace, &expect, &features);
    let sender = Sender { authorizer: endpoint.authorizer.as_deref(), client };
    let send = || {
        let mut call = Request::new(Outgoing::parts(Vec::new()));
        call.method_mut().clone_from(&endpoint.route.method);
        call.uri_mut().clone_from(&uri);
        call.headers_mut().clone_from(&headers);
        sender.send(shared, call, limit)
    };
    let sent = match send().await {
        Err(failed) if failed.is_stale => send().await,
        sent => sent,
    };
    let (head, body) = sent.map_err(|failed| failed.fault)?.into_parts();
    let format = format(endpoint.route.dialect);
    if !head.status.is_success() {
        let way = Way::Same { format, errors: None, choices: 1 };
        let asked = ErrorContext {
            shared,
            key: Some(key),
            model: "",
            limit,
            way: &way,
            asked: Asked::with(b""),
            has_clients_headers: shared
                .headers
                .clients
                .have_chosen(callers, endpoint.route.dialect),
        };
        return Err(rejection::rejected(asked, (&endpoint.route.method, &uri), &head, body).await);
    }
    let (bytes, _held) = whole::read(shared, limit, Bytes::new(), body).await?;
    format
        .read_models(&bytes)
        .map_err(|error| fault::broken(shared, &error.to_string(), FailureClass::Unusable))
}
