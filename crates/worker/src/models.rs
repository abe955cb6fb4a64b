//! The list of models: what the provider offers, as far as its keys let callers use it.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream;
use http::{HeaderMap, Request};
use tokio::time::Instant;
use weir_dialect::openai_chat::models::Models;
use weir_rpc::{Frame, Reply, ReplyHead, Timings, WorkerRequest};
use weir_types::{CallContext, FailureClass, Fault, Operation, QuotaMode};
use weir_upstream::Client;

use crate::attempt::{Asked, Limit};
use crate::endpoint::is_allowed;
use crate::headers::{self, Expect};
use crate::shared::Key;
use crate::{Shared, answer, fault, unary};

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
    let limit = Limit::new(&shared, &context, false, started);
    let mut servers = vec![asked];
    for key in &shared.keys {
        if servers.iter().all(|server| server.endpoints.base() != key.endpoints.base()) {
            servers.push(key);
        }
    }
    let asks = servers.into_iter().map(|key| {
        ask(&shared, &client, key, headers_for(&shared, key, &request, &context), limit)
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
    };
    let frames = [Frame::Chunk(document), Frame::End(Box::default())];
    Ok(Reply { head, frames: Box::pin(stream::iter(frames)) })
}

fn headers_for(
    shared: &Shared,
    key: &Key,
    request: &WorkerRequest,
    context: &CallContext,
) -> HeaderMap {
    let auth = shared.vendor.auth;
    headers::of_call(&key.headers, auth, &request.headers, &context.trace, Expect::List)
}

/// The list of one server; empty where the provider has no lists.
async fn ask(
    shared: &Shared,
    client: &Client,
    key: &Key,
    headers: HeaderMap,
    limit: Limit,
) -> Result<Models, Fault> {
    let Some(uri) = key.endpoints.find(Operation::ListModels, false) else {
        return Ok(Models::default());
    };
    let mut call = Request::new(Bytes::new());
    *call.uri_mut() = uri.clone();
    *call.headers_mut() = headers;
    let sent = client.send(call, limit.at).await;
    let (head, body) = sent.map_err(|error| fault::of_call(shared, &error, limit))?.into_parts();
    if !head.status.is_success() {
        let asked = Asked { shared, secret: key.secret.as_ref(), model: "", limit };
        return Err(answer::refused(asked, &head, body).await);
    }
    let bytes = unary::whole(shared, limit, &head, body).await?;
    Models::parse(&bytes)
        .map_err(|error| fault::broken(shared, &error.to_string(), FailureClass::Transient))
}
