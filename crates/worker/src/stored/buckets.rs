//! Files as objects in buckets that the key names, and batches as jobs over them. What is said in calls,
//! `weir_dialect::buckets` knows.

mod files;
mod jobs;
mod native;
pub(super) mod objects;
mod places;
mod put;
mod sink;

use weir_dialect::ir::Losses;
use weir_rpc::Body as Incoming;
use weir_types::{Fault, Form, Operation};

use super::Served;
use super::upload;
use super::visit::Visit;
use crate::fault;

pub(super) async fn serve(visit: &Visit<'_>, body: Incoming) -> Result<Served, Fault> {
    visit.check_storage()?;
    if visit.request.form == Form::Objects {
        return objects::serve(visit, body).await;
    }
    let document = |document| Ok(Served::Document(document, Losses::default()));
    if visit.is_native {
        return document(native::serve(visit, body).await?);
    }
    match visit.request.operation {
        Operation::FileUpload => {
            let store = sink::Objects { visit };
            let (document, losses) = upload::take(visit, &store, body).await?;
            Ok(Served::Document(document, losses))
        }
        Operation::FileList => document(files::list(visit).await?),
        Operation::FileRetrieve => document(files::retrieve(visit).await?),
        Operation::FileDelete => document(files::delete(visit).await?),
        Operation::FileContent => Ok(Served::Bytes(Box::new(files::content(visit).await?))),
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
