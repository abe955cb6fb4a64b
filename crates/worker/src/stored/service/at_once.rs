//! Batches that are made of their requests: a file of these is the batch, from its upload on, and so is the
//! file of its results. Nobody else keeps either.

use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::Method;
use tokio::sync::mpsc;
use weir_dialect::RequestFault;
use weir_dialect::batches::document::{Document, Request, deleted, hours};
use weir_dialect::batches::side::{Side, files};
use weir_dialect::batches::{Batch, FilePage, Interface, List, Records};
use weir_dialect::ir::Losses;
use weir_rpc::Body as Incoming;
use weir_types::{FailureClass, Fault, FaultCode, Operation};
use weir_upstream::Pieces;

use super::super::Served;
use super::super::upload::{self, New, Sink, Store};
use super::super::visit::not_there;
use super::super::wire::Ask;
use super::{At, Walk, check_purpose, written};
use crate::fault;

/// Members of a request for a batch that mean something here.
const MEMBERS: [&str; 3] = ["input_file_id", "endpoint", "completion_window"];
const JSON: &str = "application/json";
/// Pieces up to this length go up together.
const PIECE_BYTES: usize = 32 * 1024;

pub(super) async fn serve(at: &At<'_>, body: Incoming) -> Result<Served, Fault> {
    match at.visit.request.operation {
        Operation::FileUpload => {
            let (document, losses) = upload::take(at.visit, &Begins { at }, body).await?;
            Ok(Served::Document(document, losses))
        }
        Operation::BatchCreate => create(at, body).await,
        Operation::FileList => Ok(Served::just(list(at).await?)),
        Operation::FileRetrieve => {
            let (side, own) = side(at)?;
            let file = side.of(&at.retrieve(&own).await?);
            let file = file.ok_or_else(|| not_there("file", &side.id(&own)))?;
            Ok(Served::just(file.document().to_string().into()))
        }
        Operation::FileDelete => delete(at).await,
        Operation::FileContent => content(at).await,
        other => Err(fault::unsupported(&at.visit.wire.shared, other, false)),
    }
}

/// Which file of which batch the request is about.
fn side(at: &At<'_>) -> Result<(Side, String), Fault> {
    let id = at.visit.request.resource.as_deref().unwrap_or_default();
    Side::of_id(id).ok_or_else(|| not_there("file", id))
}

/// The batch that its file is; it was made when that was uploaded.
async fn create(at: &At<'_>, body: Incoming) -> Result<Served, Fault> {
    let shared = &at.visit.wire.shared;
    let body = body.collect(shared.request_bytes_max, shared.memory.budget()).await?;
    let asked = Request::read(&body)?;
    let (side, own) = asked.input(Side::of_id)?;
    if side != Side::Input {
        let why = "input_file_id: it holds the results of a batch, not requests";
        return Err(RequestFault::invalid("input_file_id", why).into());
    }
    let endpoint = Interface::named(asked.needed("endpoint")?, "endpoint")?;
    let window = hours(asked.needed("completion_window")?, 24..=24)?;
    let mut losses = Losses::default();
    asked.lost(&MEMBERS, &mut losses);
    let batch = at.retrieve(&own).await?;
    let batch = Batch { endpoint: endpoint.path().to_owned(), window, ..batch };
    Ok(Served::Document(written(&batch), losses))
}

/// A page of the files of all batches, those of the newest first.
async fn list(at: &At<'_>) -> Result<Bytes, Fault> {
    let wanted = FilePage::read(at.visit.query())?;
    let after = match &wanted.page.after {
        None => None,
        Some(id) => Some(Side::of_id(id).ok_or_else(|| {
            RequestFault::invalid("after", "after: no id of a file of this provider")
        })?),
    };
    let (own, is_first) = match after {
        None => (None, false),
        Some((side, own)) => (Some(own), side == Side::Output),
    };
    let mut list = List::new(&wanted.page, own.is_some());
    if let (Some(own), true) = (&own, is_first) {
        // The other file of the same batch comes next.
        let batch = at.retrieve(own).await?;
        let rest = files(&batch, &wanted).skip_while(|file| *file != output(&batch));
        for file in rest.skip(1) {
            list.add(file);
        }
    }
    let mut walk = Walk { after: own, is_over: !wanted.has_any() };
    while let Some(batches) = walk.next(at, Operation::BatchList).await? {
        for document in batches {
            let batch = at.service.batch(&document).map_err(|fault| at.broken(&fault))?;
            for file in files(&batch, &wanted) {
                if list.add(file) {
                    return Ok(list.document());
                }
            }
        }
    }
    Ok(list.document())
}

fn output(batch: &Batch) -> Document {
    Side::Output.of(batch).map(|file| file.document()).unwrap_or_default()
}

/// Deletes a file. That of results goes with its batch; that of requests is kept by nobody, but what is
/// under way for it is stopped.
async fn delete(at: &At<'_>) -> Result<Served, Fault> {
    let (side, own) = side(at)?;
    let batch = at.retrieve(&own).await?;
    let file = side.of(&batch).ok_or_else(|| not_there("file", &side.id(&own)))?;
    let is_gone = match (side, file_has_ended(&batch)) {
        (Side::Output, _) => {
            let uri = at.visit.uri(Operation::BatchDelete, &own, &[])?;
            at.visit.wire.read(Ask::new(Method::DELETE, uri)).await?;
            true
        }
        (Side::Input, false) => {
            let uri = at.visit.uri(Operation::BatchCancel, &own, &[])?;
            at.visit.wire.read(Ask::new(Method::POST, uri)).await?;
            true
        }
        (Side::Input, true) => false,
    };
    Ok(Served::just(deleted(&file.id, is_gone)))
}

fn file_has_ended(batch: &Batch) -> bool {
    !matches!(batch.status, "in_progress" | "cancelling")
}

async fn content(at: &At<'_>) -> Result<Served, Fault> {
    let (side, own) = side(at)?;
    if side == Side::Input {
        let why = "the requests of a batch are given back by the provider to nobody; only its results \
                   are";
        let fault = Fault::new(FaultCode::UnsupportedOperation, why);
        return Err(fault.with_class(FailureClass::Caller));
    }
    at.results(at.visit.uri(Operation::BatchResults, &own, &[])?).await
}

/// Where new files go: each begins a batch.
struct Begins<'a, 'v> {
    at: &'a At<'v>,
}

impl<'a, 'v> Store for Begins<'a, 'v> {
    type Sink = Beginning<'a, 'v>;

    fn check(&self, purpose: &str) -> Result<(), Fault> {
        check_purpose(purpose)
    }

    fn records(&self) -> &'static dyn Records {
        self.at.service
    }

    fn open(&self, new: New) -> Result<Beginning<'a, 'v>, Fault> {
        let (tell, told) = mpsc::channel::<Bytes>(1);
        let pieces: Pieces = Box::pin(stream::unfold(told, |mut told| async {
            Some((Ok(told.recv().await?), told))
        }));
        let at = self.at;
        let ask = Ask::new(Method::POST, at.visit.uri(Operation::BatchCreate, "", &[])?);
        let ask = ask.with(Bytes::new(), JSON);
        let sent = at.visit.wire.put(ask, pieces, None);
        let answer = Box::pin(async { Ok(sent.await?.1) });
        Ok(Beginning { at, answer, tell, held: BytesMut::new(), filename: new.filename })
    }
}

type Answer<'a> = Pin<Box<dyn Future<Output = Result<Bytes, Fault>> + Send + 'a>>;

/// A batch whose requests are on their way.
struct Beginning<'a, 'v> {
    at: &'a At<'v>,
    /// Dropped first: a request that was not finished must not look as if it were.
    answer: Answer<'a>,
    tell: mpsc::Sender<Bytes>,
    /// Short pieces, which go together.
    held: BytesMut,
    filename: String,
}

impl Beginning<'_, '_> {
    async fn send(&mut self, bytes: Bytes) -> Result<(), Fault> {
        if bytes.is_empty() {
            return Ok(());
        }
        tokio::select! {
            biased;
            answer = &mut self.answer => match answer {
                Ok(_) => Err(self.at.visit.wire.broken(&"it answered before all had come")),
                Err(fault) => Err(fault),
            },
            sent = self.tell.send(bytes) => {
                let gone = |_| Fault::new(FaultCode::Internal, "nobody sends the requests any more");
                sent.map_err(gone)
            }
        }
    }
}

impl Sink for Beginning<'_, '_> {
    async fn push(&mut self, bytes: Bytes) -> Result<(), Fault> {
        if self.held.len() + bytes.len() <= PIECE_BYTES {
            self.held.extend_from_slice(&bytes);
            return Ok(());
        }
        let held = self.held.split().freeze();
        self.send(held).await?;
        self.send(bytes).await
    }

    async fn finish(mut self, received: u64) -> Result<Bytes, Fault> {
        let held = self.held.split().freeze();
        self.send(held).await?;
        let Self { at, answer, tell, filename, .. } = self;
        drop(tell);
        let document = at.parsed(&answer.await?)?;
        let batch = at.service.batch(&document).map_err(|fault| at.broken(&fault))?;
        let file = Side::Input.of(&batch);
        let mut file = file.ok_or_else(|| at.visit.wire.broken(&"it names no batch"))?;
        (file.filename, file.bytes) = (filename, received);
        Ok(file.document().to_string().into())
    }
}
