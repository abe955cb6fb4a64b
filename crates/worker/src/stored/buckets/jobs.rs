//! Batches as jobs: made, looked at, listed, stopped.

use bytes::Bytes;
use http::Method;
use weir_dialect::RequestFault;
use weir_dialect::batches::document::parsed;
use weir_dialect::batches::line;
use weir_dialect::buckets::Cloud;
use weir_dialect::buckets::jobs::{self, Job, List, Wanted};
use weir_dialect::ir::Losses;
use weir_rpc::Body as Incoming;
use weir_types::{FailureClass, Fault, FaultCode, Operation};

use super::super::visit::{Visit, known_as, not_there};
use super::super::wire::Ask;
use super::At;
use crate::clock::unix_seconds;

const JSON: &str = "application/json";

/// Makes one.
pub(super) async fn create(at: &At<'_>, body: Incoming) -> Result<(Bytes, Losses), Fault> {
    let At { visit, cloud } = *at;
    let shared = &visit.wire.shared;
    let body = body.collect(shared.request_bytes_max, shared.memory.budget()).await?;
    let mut losses = Losses::default();
    let wanted = Wanted::read(&body, cloud.terms(), &mut losses)?;
    let bucket = visit.bucket_of(cloud, &wanted.input)?;
    let tag = wanted.input.named(bucket).tag;
    let mut invocation = wanted.invocation.as_deref();
    let model = match (&tag, &wanted.model) {
        (Some(tag), named) => {
            line::check_endpoint(&wanted.endpoint, tag.interface)?;
            let named = named.as_deref().map(|name| known_as(visit, name));
            if named.is_some_and(|named| named != tag.model) {
                let why = format!("model: the lines of the file are for `{}`", tag.model);
                return Err(RequestFault::invalid("model", why).into());
            }
            invocation = cloud.invocation();
            tag.model.clone()
        }
        (None, Some(model)) => known_as(visit, model).to_owned(),
        (None, None) => {
            let why = "model: missing; the file holds records of the provider's own, which name no \
                       model";
            return Err(RequestFault::invalid("model", why).into());
        }
    };
    let role = wanted.role.as_deref().or(visit.key.storage.role.as_deref());
    if cloud.needs_role() && role.is_none() {
        return Err(no_role());
    }
    let output = wanted.input.results(bucket, Visit::unique());
    let token = Visit::unique().token();
    let job = Job {
        token: &token,
        role,
        model: &cloud.model(&model_id(visit, &model)),
        input: &wanted.input,
        output: &output,
        hours: wanted.hours,
        invocation,
    };
    let ask = Ask::new(Method::POST, visit.uri(Operation::BatchCreate, "", &[])?)
        .with(cloud.job(&job), JSON);
    let (_, answer) = visit.wire.read(ask).await?;
    let made = jobs::made_in(cloud, &answer).map_err(|fault| at.broken(&fault))?;
    Ok((jobs::begun(&made, &wanted, unix_seconds()), losses))
}

fn no_role() -> Fault {
    let why = "role_arn: missing; a batch is worked off as a role that may read and write the bucket: \
               send its ARN as `role_arn` in the request, or set bedrock_key_config.role_arn";
    let fault = Fault::new(FaultCode::InvalidRequest, why).with_class(FailureClass::Caller);
    fault.with_param("role_arn")
}

/// The model as jobs name it.
fn model_id(visit: &Visit<'_>, model: &str) -> String {
    let resolved = visit.key.resolve(model);
    let name = resolved.wire_name.unwrap_or(resolved.name);
    format!("{}{name}", resolved.variable("arn").unwrap_or_default())
}

/// The job that the request is about.
pub(super) fn job(visit: &Visit<'_>, cloud: &dyn Cloud) -> Result<String, Fault> {
    let id = visit.request.resource.as_deref().unwrap_or_default();
    cloud.job_of(id).ok_or_else(|| not_there("batch", id))
}

/// How far one is.
pub(super) async fn retrieve(at: &At<'_>) -> Result<Bytes, Fault> {
    let job = job(at.visit, at.cloud)?;
    let answer = look(at.visit, &job).await?;
    let batch = jobs::batch(at.cloud, &answer, at.visit.buckets());
    batch.map_err(|fault| at.broken(&fault))?.ok_or_else(|| not_there("batch", &job))
}

/// Its document.
pub(super) async fn look(visit: &Visit<'_>, job: &str) -> Result<Bytes, Fault> {
    let ask = Ask::new(Method::GET, visit.uri(Operation::BatchRetrieve, job, &[])?);
    Ok(visit.wire.read(ask).await?.1)
}

/// Stops one, and says how far it is then.
pub(super) async fn cancel(at: &At<'_>) -> Result<Bytes, Fault> {
    let visit = at.visit;
    let job = job(visit, at.cloud)?;
    // Whose it is, is known before anything is done to it.
    retrieve(at).await?;
    visit.wire.read(Ask::new(Method::POST, visit.uri(Operation::BatchCancel, &job, &[])?)).await?;
    retrieve(at).await
}

/// A page of them, the newest first.
pub(super) async fn list(at: &At<'_>) -> Result<Bytes, Fault> {
    let At { visit, cloud } = *at;
    let page = jobs::page_of(cloud, visit.query())?;
    let mut list = List::new(&page);
    let near = match (&page.after, cloud.near()) {
        (Some(job), Some(near)) => {
            let document = parsed(&look(visit, job).await?).map_err(|fault| at.broken(&fault))?;
            near(&document)
        }
        _ => None,
    };
    let paging = cloud.jobs();
    let mut next: Option<String> = None;
    loop {
        let mut query = vec![paging.limit];
        query.extend(cloud.order());
        if let Some((name, value)) = &near {
            query.push((name, value));
        }
        if let Some(next) = &next {
            query.push((paging.next.0, next));
        }
        let ask = Ask::new(Method::GET, visit.uri(Operation::BatchList, "", &query)?);
        let (_, answer) = visit.wire.read(ask).await?;
        next = list.add(cloud, &answer, visit.buckets()).map_err(|fault| at.broken(&fault))?;
        if next.is_none() {
            return Ok(list.document());
        }
    }
}
