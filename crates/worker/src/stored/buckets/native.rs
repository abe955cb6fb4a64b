//! Jobs for clients that speak the provider's own words: what they say passes, as far as it is about the
//! key's own buckets.

use std::borrow::Cow;

use bytes::Bytes;
use http::Method;
use weir_dialect::buckets::{Cloud, Place, jobs, of_place};
use weir_rpc::Body as Incoming;
use weir_types::{FailureClass, Fault, FaultCode, Operation};

use super::super::visit::{Visit, not_there};
use super::super::wire::Ask;
use super::jobs::{job, look};
use crate::fault;

const JSON: &str = "application/json";

pub(super) async fn serve(
    visit: &Visit<'_>,
    cloud: &dyn Cloud,
    body: Incoming,
) -> Result<Bytes, Fault> {
    match visit.request.operation {
        Operation::BatchCreate => create(visit, cloud, body).await,
        Operation::BatchList => list(visit).await,
        Operation::BatchRetrieve => retrieve(visit, &job(visit, cloud)?).await,
        Operation::BatchCancel => {
            let job = job(visit, cloud)?;
            // Whose it is, is known before anything is done to it.
            retrieve(visit, &job).await?;
            let uri = visit.uri(Operation::BatchCancel, &job, &[])?;
            Ok(visit.wire.read(Ask::new(Method::POST, uri)).await?.1)
        }
        other => Err(fault::unsupported(&visit.wire.shared, other, false)),
    }
}

async fn create(visit: &Visit<'_>, cloud: &dyn Cloud, body: Incoming) -> Result<Bytes, Fault> {
    let shared = &visit.wire.shared;
    let body = body.collect(shared.request_bytes_max, shared.memory.budget()).await?;
    for place in &jobs::places(&body)? {
        if of_place(visit.buckets(), place).is_none() {
            return Err(elsewhere(visit, cloud, place));
        }
    }
    let uri = visit.uri(Operation::BatchCreate, "", &[])?;
    Ok(visit.wire.read(Ask::new(Method::POST, uri).with(body, JSON)).await?.1)
}

/// Another key may have the bucket.
fn elsewhere(visit: &Visit<'_>, cloud: &dyn Cloud, place: &Place) -> Fault {
    let text = format!(
        "{}: {} is in none of the buckets that batch_s3_config of key {} names, or not behind their \
         prefixes",
        visit.wire.shared.provider,
        place.uri(cloud.scheme()),
        visit.key.name
    );
    Fault::new(FaultCode::Forbidden, text).with_class(FailureClass::Refused)
}

async fn retrieve(visit: &Visit<'_>, job: &str) -> Result<Bytes, Fault> {
    let answer = look(visit, job).await?;
    let own = jobs::own(&answer, visit.buckets()).map_err(|fault| visit.wire.broken(&fault))?;
    own.ok_or_else(|| not_there("job", job))
}

async fn list(visit: &Visit<'_>) -> Result<Bytes, Fault> {
    let pairs: Vec<(Cow<'_, str>, Cow<'_, str>)> = visit.query().collect();
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
    let ask = Ask::new(Method::GET, visit.uri(Operation::BatchList, "", &pairs)?);
    let (_, answer) = visit.wire.read(ask).await?;
    jobs::only_within(&answer, visit.buckets()).map_err(|fault| visit.wire.broken(&fault))
}
