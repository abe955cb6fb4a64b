//! Batches that are made of files of the vendor's own.

use bytes::Bytes;
use http::{Method, Uri};
use weir_dialect::RequestFault;
use weir_dialect::batches::document::{OUTPUT, Request, deleted, hours};
use weir_dialect::batches::line::check_endpoint;
use weir_dialect::batches::{Batch, File, FilePage, Files, List, Records, id};
use weir_dialect::ir::Losses;
use weir_rpc::Body as Incoming;
use weir_types::{Fault, FaultCode, Operation};

use super::super::Served;
use super::super::parts::{Parts, Taker};
use super::super::upload::{self, New, Sink, Store};
use super::super::visit::{known_as, not_there};
use super::super::wire::Ask;
use super::{At, Walk, check_purpose, written};
use crate::fault;

/// Members of a request for a batch that mean something here.
const MEMBERS: [&str; 4] = ["input_file_id", "endpoint", "completion_window", "model"];
const JSON: &str = "application/json";

pub(super) async fn serve(
    at: &At<'_>,
    files: &'static dyn Files,
    body: Incoming,
) -> Result<Served, Fault> {
    match at.visit.request.operation {
        Operation::FileUpload => {
            let store = Uploads { at, files };
            let (document, losses) = upload::take(at.visit, &store, body).await?;
            Ok(Served::Document(document, losses))
        }
        Operation::BatchCreate => create(at, files, body).await,
        Operation::FileList => Ok(Served::just(list(at, files).await?)),
        Operation::FileRetrieve => {
            let file = retrieve(at, files, &file_of(at)?).await?;
            Ok(Served::just(file.document().to_string().into()))
        }
        Operation::FileDelete => {
            let own = file_of(at)?;
            let uri = at.visit.uri(Operation::FileDelete, &own, &[])?;
            at.visit.wire.read(Ask::new(Method::DELETE, uri)).await?;
            Ok(Served::just(deleted(&id::file(&own), true)))
        }
        Operation::FileContent => content(at, files).await,
        other => Err(fault::unsupported(&at.visit.wire.shared, other, false)),
    }
}

/// What the vendor calls the file that the request is about.
fn file_of(at: &At<'_>) -> Result<String, Fault> {
    let id = at.visit.request.resource.as_deref().unwrap_or_default();
    id::of_file(id).ok_or_else(|| not_there("file", id))
}

async fn retrieve(at: &At<'_>, files: &dyn Files, own: &str) -> Result<File, Fault> {
    let document = at.get(Operation::FileRetrieve, own, &[]).await?;
    files.file(&document).map_err(|fault| at.broken(&fault))
}

/// A file's bytes: as they are, unless they are the results of a batch.
async fn content(at: &At<'_>, files: &dyn Files) -> Result<Served, Fault> {
    let own = file_of(at)?;
    let file = retrieve(at, files, &own).await?;
    let uri = at.visit.uri(Operation::FileContent, &own, &[])?;
    if file.purpose == OUTPUT {
        return at.results(uri).await;
    }
    let response = at.visit.wire.ask(Ask::new(Method::GET, uri)).await?;
    Ok(Served::Bytes(Box::new(response)))
}

/// A page of files, in the vendor's order.
async fn list(at: &At<'_>, files: &dyn Files) -> Result<Bytes, Fault> {
    let wanted = FilePage::read(at.visit.query())?;
    let mut list = List::new(&wanted.page, false);
    let mut walk = Walk { after: None, is_over: false };
    while let Some(page) = walk.next(at, Operation::FileList).await? {
        for document in page {
            let file = files.file(&document).map_err(|fault| at.broken(&fault))?;
            if wanted.has(&file.purpose) && list.add(file.document()) {
                return Ok(list.document());
            }
        }
    }
    Ok(list.document())
}

/// Makes a batch of a file.
async fn create(at: &At<'_>, files: &dyn Files, body: Incoming) -> Result<Served, Fault> {
    let shared = &at.visit.wire.shared;
    let body = body.collect(shared.request_bytes_max, shared.memory.budget()).await?;
    let asked = Request::read(&body)?;
    let own = asked.input(id::of_file)?;
    hours(asked.needed("completion_window")?, 24..=24)?;
    let endpoint = asked.needed("endpoint")?;
    let file = retrieve(at, files, &own).await?;
    let tag = file.tag.ok_or_else(|| {
        let why = "input_file_id: the file was not uploaded here with the purpose `batch`";
        RequestFault::invalid("input_file_id", why)
    })?;
    check_endpoint(endpoint, tag.interface)?;
    if let Some(named) = asked.text("model")?.map(|name| known_as(at.visit, name))
        && named != tag.model
    {
        let why = format!("model: the lines of the file are for `{}`", tag.model);
        return Err(RequestFault::invalid("model", why).into());
    }
    let mut losses = Losses::default();
    asked.lost(&MEMBERS, &mut losses);
    let resolved = at.visit.key.resolve(&tag.model);
    let model = resolved.wire_name.unwrap_or(resolved.name);
    let uri = at.visit.uri_of(model, Operation::BatchCreate, "", &[])?;
    let body = files.batch_of(&own, &files.named(&tag, &file.filename));
    let made = at.read(Ask::new(Method::POST, uri).with(body, JSON)).await?;
    let batch = at.service.batch(&made).map_err(|fault| at.broken(&fault))?;
    // What has just been made may not yet say of what.
    let batch = Batch { input: Some(file.id), endpoint: endpoint.to_owned(), ..batch };
    Ok(Served::Document(written(&batch), losses))
}

/// Where new files go.
struct Uploads<'a, 'v> {
    at: &'a At<'v>,
    files: &'static dyn Files,
}

impl<'a, 'v> Store for Uploads<'a, 'v> {
    type Sink = Uploading<'a, 'v>;

    fn check(&self, purpose: &str) -> Result<(), Fault> {
        check_purpose(purpose)
    }

    fn records(&self) -> &'static dyn Records {
        self.at.service
    }

    fn open(&self, new: New) -> Result<Uploading<'a, 'v>, Fault> {
        let (at, files) = (self.at, self.files);
        let tag =
            new.tag.ok_or_else(|| Fault::new(FaultCode::Internal, "lines without a model"))?;
        let named = files.named(&tag, &new.filename);
        let taker = Steps { at, files, named, place: None };
        Ok(Uploading { at, files, parts: Parts::new(&at.visit.wire, taker) })
    }
}

/// A file on its way.
struct Uploading<'a, 'v> {
    at: &'a At<'v>,
    files: &'static dyn Files,
    parts: Parts<Steps<'a, 'v>>,
}

impl Sink for Uploading<'_, '_> {
    async fn push(&mut self, bytes: Bytes) -> Result<(), Fault> {
        self.parts.push(&self.at.visit.wire, bytes).await
    }

    async fn finish(self, _: u64) -> Result<Bytes, Fault> {
        let (answer, _) = self.parts.finish().await?;
        let document = self.at.parsed(&answer)?;
        let file = self.files.uploaded(&document).map_err(|fault| self.at.broken(&fault))?;
        Ok(file.document().to_string().into())
    }
}

/// The steps of an upload. One that is not finished, the vendor forgets.
struct Steps<'a, 'v> {
    at: &'a At<'v>,
    files: &'static dyn Files,
    named: String,
    /// Where its bytes go, once it has begun.
    place: Option<Uri>,
}

impl Steps<'_, '_> {
    async fn send(&mut self, part: Bytes, offset: u64, is_last: bool) -> Result<Bytes, Fault> {
        let uri = match &self.place {
            Some(place) => place.clone(),
            None => self.begin().await?,
        };
        let step = self.files.step(part, offset, is_last);
        Ok(self.at.visit.wire.read(Ask::new(Method::POST, uri).step(step)).await?.1)
    }

    /// Begins it.
    async fn begin(&mut self) -> Result<Uri, Fault> {
        let visit = self.at.visit;
        let (step, header) = self.files.begin(&self.named);
        let uri = visit.uri(Operation::FileUpload, "", &[])?;
        let (head, _) = visit.wire.read(Ask::new(Method::POST, uri.clone()).step(step)).await?;
        let place = visit.session(&uri, &head.headers, header)?;
        self.place = Some(place.clone());
        Ok(place)
    }
}

impl Taker for Steps<'_, '_> {
    type Done = Bytes;

    async fn take(&mut self, part: Bytes, offset: u64) -> Result<(), Fault> {
        self.send(part, offset, false).await.map(|_| ())
    }

    async fn last(mut self, part: Bytes, offset: u64) -> Result<Bytes, Fault> {
        self.send(part, offset, true).await
    }
}
