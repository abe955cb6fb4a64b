//! Files and batches that a vendor has by an interface of its own, for clients that speak OpenAI's. What is
//! said in calls, `weir_dialect::batches` knows.

mod apart;
mod at_once;

use bytes::Bytes;
use http::Method;
use weir_dialect::batches::document::{Document, INPUT, parsed};
use weir_dialect::batches::{self, Batch, Interface, List, Page, Records, Service, id};
use weir_dialect::{AnswerFault, RequestFault};
use weir_rpc::Body as Incoming;
use weir_types::{Fault, Operation};

use super::Served;
use super::results::{Asked, answers};
use super::visit::{Visit, not_there};
use super::wire::Ask;
use crate::fault;

/// A request, and the vendor's words for it.
struct At<'v> {
    visit: &'v Visit<'v>,
    service: &'static dyn Service,
}

pub(super) async fn serve(visit: &Visit<'_>, body: Incoming) -> Result<Served, Fault> {
    let own = visit.wire.shared.vendor.routes.first().map(|route| route.dialect);
    let unserved = || fault::unsupported(&visit.wire.shared, visit.request.operation, false);
    let service = own.and_then(batches::of).ok_or_else(unserved)?;
    let at = At { visit, service };
    match visit.request.operation {
        Operation::BatchList => Ok(Served::just(at.list().await?)),
        Operation::BatchRetrieve => Ok(Served::just(written(&at.retrieve(&at.batch()?).await?))),
        Operation::BatchCancel => {
            let own = at.batch()?;
            let uri = visit.uri(Operation::BatchCancel, &own, &[])?;
            visit.wire.read(Ask::new(Method::POST, uri)).await?;
            Ok(Served::just(written(&at.retrieve(&own).await?)))
        }
        _ => match service.files() {
            None => at_once::serve(&at, body).await,
            Some(files) => apart::serve(&at, files, body).await,
        },
    }
}

fn written(batch: &Batch) -> Bytes {
    batch.document().to_string().into()
}

/// Files for batches alone are taken.
fn check_purpose(purpose: &str) -> Result<(), Fault> {
    if purpose == INPUT {
        return Ok(());
    }
    let shown: String = purpose.chars().take(64).collect();
    let why = format!(
        "purpose: the provider takes files in this format for batches alone; expected `{INPUT}`, found \
         `{shown}`"
    );
    Err(RequestFault::invalid("purpose", why).into())
}

impl At<'_> {
    /// What the vendor calls the batch that the request is about.
    fn batch(&self) -> Result<String, Fault> {
        let id = self.visit.request.resource.as_deref().unwrap_or_default();
        id::of_batch(id).ok_or_else(|| not_there("batch", id))
    }

    fn broken(&self, fault: &AnswerFault) -> Fault {
        self.visit.wire.broken(fault)
    }

    /// A document of the vendor's.
    async fn get(
        &self,
        operation: Operation,
        own: &str,
        query: &[(&str, &str)],
    ) -> Result<Document, Fault> {
        let ask = Ask::new(Method::GET, self.visit.uri(operation, own, query)?);
        self.read(ask).await
    }

    async fn read(&self, ask: Ask) -> Result<Document, Fault> {
        let (_, answer) = self.visit.wire.read(ask).await?;
        self.parsed(&answer)
    }

    fn parsed(&self, answer: &[u8]) -> Result<Document, Fault> {
        parsed(answer).map_err(|fault| self.broken(&fault))
    }

    /// How far a batch is.
    async fn retrieve(&self, own: &str) -> Result<Batch, Fault> {
        let document = self.get(Operation::BatchRetrieve, own, &[]).await?;
        self.service.batch(&document).map_err(|fault| self.broken(&fault))
    }

    /// A page of batches, the newest first.
    async fn list(&self) -> Result<Bytes, Fault> {
        let page = Page::read(self.visit.query())?;
        let after = match &page.after {
            None => None,
            Some(id) => Some(id::of_batch(id).ok_or_else(|| {
                RequestFault::invalid("after", "after: no id of a batch of this provider")
            })?),
        };
        let after = after.filter(|_| self.service.paging().by_id);
        let mut list = List::new(&page, after.is_some());
        let mut walk = Walk { after, is_over: false };
        while let Some(batches) = walk.next(self, Operation::BatchList).await? {
            for document in batches {
                let batch = self.service.batch(&document).map_err(|fault| self.broken(&fault))?;
                if list.add(batch.document()) {
                    return Ok(list.document());
                }
            }
        }
        Ok(list.document())
    }

    /// The file that holds a batch's results, in the words of its requests.
    async fn results(&self, uri: http::Uri) -> Result<Served, Fault> {
        let response = self.visit.wire.ask(Ask::new(Method::GET, uri)).await?;
        let records: &'static dyn Records = self.service;
        let asked = Asked { records, interface: Interface::Chat, model: String::new() };
        Ok(Served::Bytes(Box::new(answers(self.visit, asked, response))))
    }
}

/// A list that is walked through, page by page.
struct Walk {
    /// What asks for the next page.
    after: Option<String>,
    is_over: bool,
}

impl Walk {
    /// The items of the next page; `None`: there is none.
    async fn next(
        &mut self,
        at: &At<'_>,
        operation: Operation,
    ) -> Result<Option<Vec<Document>>, Fault> {
        if self.is_over {
            return Ok(None);
        }
        let paging = at.service.paging();
        let mut query = vec![paging.limit];
        if let Some(after) = &self.after {
            query.push((paging.next.0, after));
        }
        let page = at.get(operation, "", &query).await?;
        let member = match operation {
            Operation::BatchList => at.service.batches(),
            _ => at.service.files().map_or("", |files| files.files()),
        };
        let (items, next) = paging.read(page, member).map_err(|fault| at.broken(&fault))?;
        self.is_over = next.is_none();
        self.after = next;
        Ok(Some(items))
    }
}
