//! Files and batches of providers that have none of their own kind: files are objects in buckets that
//! the key names, batches are jobs over them.
//!
//! What a client asks for takes calls of several kinds, all with the one key and within the one attempt.
//! What is said in them, `weir_dialect::buckets` knows; here is who is asked, in which order. Keeps
//! nothing: of a file that passes no more is held than a part of it.

mod files;
mod jobs;
mod lines;
mod native;
mod places;
mod put;
mod results;
mod sink;
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
use weir_rpc::{Body as Incoming, Frame, Header, Reply, WorkerRequest};
use weir_types::{CallContext, Fault, Form, Operation, Usage};
use weir_upstream::{Body, Client};

use crate::call::Call;
use crate::{Shared, fault, raw};
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

/// Whether `request` is for something that is kept so.
pub(crate) fn are_meant(shared: &Shared, request: &WorkerRequest) -> bool {
    shared.vendor.stored.iter().any(|route| {
        route.in_buckets && route.operation == request.operation && route.dialect == request.dialect
    })
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
    let served = serve(&visit, body).await;
    shared.count_calls();
    match served {
        Ok(Served::Document(document, losses)) => Ok(documented(call, document, &losses)),
        Ok(Served::Bytes(response)) => {
            let (head, body) = response.into_parts();
            let said = places::answered(&visit, &head);
            match raw::open(&call, &head, body).await {
                Ok(raw) => Ok(with_headers(raw.into_reply(call), said)),
                Err(fault) => Err(failed(&mut call, fault)),
            }
        }
        Ok(Served::Passed(head, document)) => {
            let said = places::answered(&visit, &head);
            Ok(with_headers(given(call, &head, document, &Losses::default()), said))
        }
        Err(fault) => Err(failed(&mut call, fault)),
    }
}

fn failed(call: &mut Call, mut fault: Fault) -> Fault {
    call.ended(&Usage::default(), None, Some(&mut fault));
    fault
}

async fn serve(visit: &Visit<'_>, body: Incoming) -> Result<Served, Fault> {
    if visit.request.form == Form::Objects {
        return places::serve(visit, body).await;
    }
    let document = |document| Ok(Served::Document(document, Losses::default()));
    if visit.is_native {
        return document(native::serve(visit, body).await?);
    }
    match visit.request.operation {
        Operation::FileUpload => {
            let (document, losses) = upload::take(visit, body).await?;
            Ok(Served::Document(document, losses))
        }
        Operation::FileList => document(files::list(visit).await?),
        Operation::FileRetrieve => document(files::retrieve(visit).await?),
        Operation::FileDelete => document(files::delete(visit).await?),
        Operation::FileContent => Ok(Served::Bytes(Box::new(results::content(visit).await?))),
        Operation::BatchCreate => {
            let (document, losses) = jobs::create(visit, body).await?;
            Ok(Served::Document(document, losses))
        }
        Operation::BatchList => document(jobs::list(visit).await?),
        Operation::BatchRetrieve => document(jobs::retrieve(visit).await?),
        Operation::BatchCancel => document(jobs::cancel(visit).await?),
        other => Err(fault::unsupported(&visit.wire.shared, other, false)),
    }
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
