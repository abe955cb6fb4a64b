//! Files as objects in buckets that the key names, and batches as jobs over them. What is said in calls,
//! `weir_dialect::buckets` knows.

mod files;
mod jobs;
mod native;
pub(super) mod objects;
mod places;
mod put;
mod session;
mod sink;
mod unfinished;

use weir_dialect::AnswerFault;
use weir_dialect::buckets::{self, Bucket, Cloud, Place};
use weir_rpc::Body as Incoming;
use weir_types::{Fault, Form, Operation};

use super::Served;
use super::upload;
use super::visit::Visit;
use crate::fault;

/// A request, and the service that has the key's buckets.
struct At<'v> {
    visit: &'v Visit<'v>,
    cloud: &'static dyn Cloud,
}

pub(super) async fn serve(visit: &Visit<'_>, body: Incoming) -> Result<Served, Fault> {
    let own = visit.wire.shared.vendor.routes.first().map(|route| route.dialect);
    let unserved = || fault::unsupported(&visit.wire.shared, visit.request.operation, false);
    let cloud = own.and_then(buckets::of).ok_or_else(unserved)?;
    visit.check_storage(cloud)?;
    if visit.request.form == Form::Objects {
        return objects::serve(visit, cloud, body).await;
    }
    if visit.is_native {
        return Ok(Served::just(native::serve(visit, cloud, body).await?));
    }
    let at = &At { visit, cloud };
    match visit.request.operation {
        Operation::FileUpload => {
            let (document, losses) = upload::take(visit, &sink::Objects { at }, body).await?;
            Ok(Served::Document(document, losses))
        }
        Operation::FileList => Ok(Served::just(files::list(at).await?)),
        Operation::FileRetrieve => Ok(Served::just(files::retrieve(at).await?)),
        Operation::FileDelete => Ok(Served::just(files::delete(at).await?)),
        Operation::FileContent => Ok(Served::Bytes(Box::new(files::content(at).await?))),
        Operation::BatchCreate => {
            let (document, losses) = jobs::create(at, body).await?;
            Ok(Served::Document(document, losses))
        }
        Operation::BatchList => Ok(Served::just(jobs::list(at).await?)),
        Operation::BatchRetrieve => Ok(Served::just(jobs::retrieve(at).await?)),
        Operation::BatchCancel => Ok(Served::just(jobs::cancel(at).await?)),
        other => Err(fault::unsupported(&visit.wire.shared, other, false)),
    }
}

impl<'v> At<'v> {
    /// The address of the object `key` in `bucket`, or with an empty one of the bucket.
    fn uri(&self, bucket: &str, key: &str, query: &[(&str, &str)]) -> Result<http::Uri, Fault> {
        self.visit.object_uri(self.cloud, bucket, key, query)
    }

    /// What the request is for, and its bucket.
    fn file(&self) -> Result<(Place, &'v Bucket), Fault> {
        self.visit.file(self.cloud)
    }

    fn broken(&self, fault: &AnswerFault) -> Fault {
        self.visit.wire.broken(fault)
    }
}
