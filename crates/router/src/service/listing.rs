//! The list of models: every provider is asked at once, each for one slot.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream;
use weir_rpc::{Frame, ReplyHead, Timings};
use weir_types::{Fault, FaultCode, KeyName, ProviderName, QuotaMode, TraceContext};

use super::Call;
use super::relay::{Answered, Held};
use super::run::Run;
use crate::catalog::{Route, Target};
use crate::plan::Plan;

/// One provider's list.
struct Listed {
    head: ReplyHead,
    body: Bytes,
}

/// Asks all providers, or the one that the request names. The answer has one chunk per provider
/// that answered, in the order of the successful attempts in its head.
///
/// # Errors
/// Nobody can be asked, or nobody answered: the first provider's reason, with every attempt.
pub(super) async fn serve(call: &Call, parent: &TraceContext) -> Result<Answered, Fault> {
    let only = call.request.only_provider.as_deref();
    let pin = call.request.key_pin.as_deref();
    let targets = call.snapshot.catalog.listing(only, pin)?;
    let asked = targets.iter().map(|target| ask(call, target.clone(), parent));
    let results = join_all(asked).await;
    let mut attempts = Vec::new();
    let mut lists: Vec<Listed> = Vec::new();
    let mut first_fault = None;
    for result in results {
        match result {
            Ok(mut listed) => {
                attempts.append(&mut listed.head.attempts);
                lists.push(listed);
            }
            Err(mut fault) => {
                attempts.append(&mut fault.detail.attempts);
                first_fault.get_or_insert(fault);
            }
        }
    }
    if lists.is_empty() {
        let nobody = || Fault::new(FaultCode::Internal, "no provider was asked");
        let mut fault = first_fault.unwrap_or_else(nobody);
        fault.detail.attempts = attempts;
        return Err(fault);
    }
    let lost = lists.iter().map(|listed| listed.head.quota_mode);
    let quota_mode = lost.into_iter().find(|mode| *mode != QuotaMode::Exact).unwrap_or_default();
    let timings = slowest(call, &lists);
    let (provider, key) = answerer(&lists);
    let head = ReplyHead {
        status: 200,
        content_type: "application/json".to_owned(),
        headers: Vec::new(),
        provider,
        key,
        attempts,
        timings,
        quota_mode,
    };
    let end = Frame::End(Box::default());
    let frames: Vec<Frame> =
        lists.into_iter().map(|listed| Frame::Chunk(listed.body)).chain([end]).collect();
    // The slots are free already: every list is here.
    let Some(target) = targets.into_iter().next() else {
        return Err(Fault::new(FaultCode::Internal, "no provider was asked"));
    };
    let held = Held::new(None, target);
    Ok(Answered { head, frames: Box::pin(stream::iter(frames)), held })
}

async fn ask(call: &Call, target: Arc<Target>, parent: &TraceContext) -> Result<Listed, Fault> {
    let route = Route { primary: Ok(target), fallbacks: Vec::new() };
    let (plan, first) = Plan::begin(route, call.deadline, call.body.is_replayable())?;
    let mut run = Run::new(call, plan, parent);
    let mut reply = run.drive(first).await?.into_reply();
    let bytes_max = call.snapshot.settings.listing_bytes_max;
    let mut body = BytesMut::new();
    let collect = async {
        while let Some(frame) = reply.frames.next().await {
            match frame {
                Frame::Chunk(bytes) if body.len() + bytes.len() > bytes_max => {
                    return Err(too_long(&reply.head.provider, bytes_max));
                }
                Frame::Chunk(bytes) => body.extend_from_slice(&bytes),
                Frame::End(end) => return end.fault.map_or(Ok(()), Err),
            }
        }
        Ok(())
    };
    let in_time = tokio::time::timeout_at(call.deadline.into(), collect).await;
    let result = in_time.unwrap_or_else(|_| {
        Err(Fault::new(FaultCode::DeadlineExceeded, "a provider's model list took too long"))
    });
    match result {
        Ok(()) => Ok(Listed { head: reply.head, body: body.freeze() }),
        Err(mut fault) => {
            fault.detail.attempts = reply.head.attempts;
            let class = crate::plan::classify(&fault);
            if let Some(last) = fault.detail.attempts.last_mut() {
                last.class = Some(class);
            }
            Err(fault)
        }
    }
}

fn too_long(provider: &ProviderName, bytes_max: usize) -> Fault {
    let message = format!("the model list of `{provider}` is over {bytes_max} bytes");
    Fault::new(FaultCode::UpstreamBroken, message)
}

/// Where the slowest provider's time went; what it does not explain was spent collecting.
fn slowest(call: &Call, lists: &[Listed]) -> Timings {
    let sum = |t: &Timings| t.queue_us + t.router_us + t.worker_us + t.upstream_us;
    let timings = lists.iter().map(|listed| listed.head.timings).max_by_key(sum);
    let timings = timings.unwrap_or_default();
    let collecting = call.elapsed_us().saturating_sub(sum(&timings));
    Timings { upstream_us: timings.upstream_us + collecting, ..timings }
}

/// Provider and key, if there was only one; else empty.
fn answerer(lists: &[Listed]) -> (ProviderName, KeyName) {
    match lists {
        [only] => (only.head.provider.clone(), only.head.key.clone()),
        _ => (ProviderName::from(""), KeyName::from("")),
    }
}
