//! Files and batches of providers that have none of the client's kind: files are objects in buckets that
//! the key names and batches jobs over them, or both are the vendor's, in other words.
//!
//! What a client asks for takes calls of several kinds, all with the one key and within the one attempt.
//! What is said in them, `weir_dialect::buckets` and `weir_dialect::batches` know; here is who is asked,
//! in which order. Keeps nothing: of a file that passes no more is held than a part of it.

mod buckets;
mod form;
mod lines;
mod parts;
mod results;
mod service;
mod upload;
mod visit;
mod wire;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use http::header::CONTENT_TYPE;
use http::response::Parts;
use http::{HeaderValue, Response, StatusCode};
use weir_dialect::ir::Losses;
use weir_provider::{Kept, Route};
use weir_rpc::{Body as Incoming, Frame, Header, Reply, WorkerRequest};
use weir_types::{CallContext, Fault, Usage};
use weir_upstream::{Body, Client};

use crate::call::Call;
use crate::{Shared, raw};
use visit::Visit;

/// What is answered.
enum Served {
    /// A document.
    Document(Bytes, Losses),
    /// A file's bytes.
    Bytes(Box<Response<Body>>),
    /// What the service itself says.
    Passed(Box<Parts>, Bytes),
}

impl Served {
    /// A document that lost nothing.
    fn just(document: Bytes) -> Self {
        Self::Document(document, Losses::default())
    }
}

/// Whether `request` is for something that is kept so.
pub(crate) fn are_meant(shared: &Shared, request: &WorkerRequest) -> bool {
    kept(shared, request).is_some()
}

fn kept(shared: &Shared, request: &WorkerRequest) -> Option<Kept> {
    let mut routes = shared.vendor.stored.iter();
    let is_meant = |route: &&Route| {
        let is_same = route.operation == request.operation && route.dialect == request.dialect;
        is_same && route.kept.is_some()
    };
    routes.find(is_meant).and_then(|route| route.kept)
}

/// Serves it: one attempt, however many calls it takes.
pub(crate) async fn run(
    shared: Arc<Shared>,
    client: Client,
    context: CallContext,
    request: WorkerRequest,
    body: Incoming,
) -> Result<Reply, Fault> {
    let (visit, mut call) = Visit::new(&shared, &client, &context, &request)?;
    let served = match kept(&shared, &request) {
        Some(Kept::ByVendor) => service::serve(&visit, body).await,
        Some(Kept::InBuckets) | None => buckets::serve(&visit, body).await,
    };
    match served {
        Ok(Served::Document(document, losses)) => Ok(documented(call, document, &losses)),
        Ok(Served::Bytes(response)) => {
            let (head, body) = response.into_parts();
            let said = buckets::objects::answered(&visit, &head);
            match raw::open(&call, &head, body).await {
                Ok(raw) => Ok(with_headers(raw.into_reply(call), said)),
                Err(fault) => Err(failed(&mut call, fault)),
            }
        }
        Ok(Served::Passed(head, document)) => {
            let said = buckets::objects::answered(&visit, &head);
            Ok(with_headers(given(call, &head, document, &Losses::default()), said))
        }
        Err(fault) => Err(failed(&mut call, fault)),
    }
}

fn failed(call: &mut Call, mut fault: Fault) -> Fault {
    call.ended(&Usage::default(), None, Some(&mut fault));
    fault
}

fn with_headers(mut reply: Reply, headers: Vec<Header>) -> Reply {
    reply.head.headers.extend(headers);
    reply
}

/// The reply with a document that was made here.
fn documented(call: Call, document: Bytes, losses: &Losses) -> Reply {
    let mut head = Response::new(()).into_parts().0;
    head.status = StatusCode::OK;
    head.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    given(call, &head, document, losses)
}

fn given(mut call: Call, head: &Parts, document: Bytes, losses: &Losses) -> Reply {
    call.ended(&Usage::default(), None, None);
    let head = call.reply_head(head, losses);
    let frames = [Frame::Chunk(document), Frame::End(Box::default())];
    Reply { head, frames: Box::pin(stream::iter(frames)) }
}
