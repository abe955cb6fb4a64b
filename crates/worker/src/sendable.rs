//! A request's body, ready to be sent: looked at where it is a document, passed on where it is not.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt;
use weir_dialect::RequestFault;
use weir_dialect::form::FormRewrite;
use weir_dialect::ir::Losses;
use weir_provider::{Fit, refuses_sealed};
use weir_rpc::{Body as Incoming, WorkerRequest};
use weir_types::{Content, Fault, FaultCode, Operation};
use weir_upstream::Outgoing;

use crate::upload::Upload;
use crate::way::{self, Ready, Start, Way};
use crate::{Shared, form, lines};

/// A request's body, ready to be sent.
pub(crate) struct Sendable {
    pub(crate) outgoing: Outgoing,
    pub(crate) upload: Option<Upload>,
    pub(crate) way: Way,
    pub(crate) losses: Losses,
    /// As in [`Ready::features`].
    pub(crate) features: String,
}

impl Sendable {
    fn of(ready: Ready) -> Self {
        let Ready { parts, way, losses, features, .. } = ready;
        Self { outgoing: Outgoing::parts(parts), upload: None, way, losses, features }
    }
}

/// The body, and all of it if it is a document that must be looked at.
pub(crate) async fn opened(
    body: Incoming,
    shared: &Arc<Shared>,
    key: usize,
    request: &WorkerRequest,
) -> Result<(Incoming, Option<Bytes>), Fault> {
    if request.operation.facts().request != Content::Json {
        return Ok((unlooked(body, shared, key, request), None));
    }
    let document = body.collect(shared.request_bytes_max, shared.memory.budget()).await?;
    Ok((Incoming::Full(Bytes::new()), Some(document)))
}

/// A body that is no document. Of files only the lines are looked at that are for batches.
fn unlooked(body: Incoming, shared: &Arc<Shared>, key: usize, request: &WorkerRequest) -> Incoming {
    match request.operation {
        Operation::FileUpload => lines::sent(body, shared, key, &request.content_type),
        _ => body,
    }
}

/// The request for the provider: `document` if it was looked at, else `body` as it is.
pub(crate) fn of_body(
    body: Incoming,
    document: Option<&Bytes>,
    fit: Fit,
    start: &Start<'_>,
    content_type: &str,
) -> Result<Sendable, RequestFault> {
    match document {
        Some(document) => Ok(Sendable::of(way::ready(document, fit, start)?)),
        None => unread(body, start, content_type),
    }
}

/// A body that is not looked at, but for the model that a form names.
fn unread(body: Incoming, start: &Start<'_>, content_type: &str) -> Result<Sendable, RequestFault> {
    let way = Way::Same { format: start.provider, errors: start.errors, choices: 1 };
    let operation = start.operations.0;
    let (outgoing, upload) = match (operation.facts().request, body) {
        (Content::Empty, _) => (Outgoing::parts(Vec::new()), None),
        (Content::Multipart, body) if operation.has_model() => {
            let model = (!start.quirks.omits_model).then_some(start.wire_model);
            form::rewritten(body, FormRewrite::new(content_type, model)?)?
        }
        (_, Incoming::Full(bytes)) => (Outgoing::from(bytes), None),
        (_, Incoming::Pieces(pieces)) => (Outgoing::parts(pieces.to_vec()), None),
        (_, Incoming::Stream(pieces)) => {
            let (upload, pieces) = Upload::watch(Box::pin(pieces.map_err(Into::into)));
            (Outgoing::stream(pieces, None), Some(upload))
        }
    };
    let mut losses = Losses::default();
    let features = start.line(&start.features.told(&[], &mut losses));
    Ok(Sendable { outgoing, upload, way, losses, features })
}

/// The body for one more try, if what was refused is sealed and can be left out.
pub(crate) fn unsealed(
    fault: &Fault,
    document: &Bytes,
    fit: Fit,
    start: &Start<'_>,
) -> Option<Sendable> {
    let refuses = fault.code == FaultCode::UpstreamRejected
        && refuses_sealed(fault.detail.code.as_deref().unwrap_or_default(), &fault.detail.message);
    if !refuses || start.is_unsealed {
        return None;
    }
    let ready = way::ready(document, fit, &Start { is_unsealed: true, ..*start }).ok()?;
    ready.is_stripped.then(|| Sendable::of(ready))
}
