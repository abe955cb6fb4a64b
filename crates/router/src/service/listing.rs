//! The list of models: every provider is asked at once. A list costs a provider next to nothing and
//! takes none of its slots; one that is slow is left out, and the others' lists are given.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream;
use tokio::time::{Instant, timeout_at};
use weir_rpc::{Body, Frame, Reply, ReplyHead, Timings, WorkerRequest};
use weir_telemetry::{SpanKind, semconv};
use weir_types::{
    Attempt, CallContext, Deadline, FailureClass, Fault, FaultCode, KeyName, ModelName,
    ProviderName, QuotaMode, TraceContext,
};

use super::Call;
use super::relay::{Answered, Held, cut_off};
use crate::catalog::Target;
use crate::plan::{classify, micros};

/// Keys of one provider that are asked one after another.
const KEYS_MAX: usize = 3;

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
    let weir_types::Target::Provider { name, pin } = &call.request.target else {
        return Err(Fault::new(FaultCode::Internal, "a list is asked of providers"));
    };
    let targets = call.snapshot.catalog.listing(name.as_deref(), pin.as_deref())?;
    let asked = targets.iter().map(|target| ask(call, target, parent));
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

/// One provider's list: from its first key that gives one.
async fn ask(call: &Call, target: &Arc<Target>, parent: &TraceContext) -> Result<Listed, Fault> {
    let patience = call.snapshot.settings.listing_patience;
    let limit = (Instant::now() + patience).min(call.deadline.into());
    let mut attempts = Vec::new();
    let mut last = None;
    for (at, key) in target.class.keys.iter().take(KEYS_MAX).enumerate() {
        let begun = Instant::now();
        let asked = ask_with(call, target, key, (at, limit), parent).await;
        let mut attempt = Attempt {
            provider: target.provider.name.clone(),
            key: key.clone(),
            status: 0,
            class: None,
            duration_us: micros(begun.elapsed()),
        };
        let metrics = &call.shared.telemetry.metrics;
        match asked {
            Ok(mut listed) => {
                metrics.attempt(&attempt.provider, key, None);
                attempt.status = listed.head.status;
                attempts.push(attempt);
                listed.head.attempts = attempts;
                return Ok(listed);
            }
            Err(fault) => {
                let class = classify(&fault);
                metrics.attempt(&attempt.provider, key, Some(class));
                attempt.status = fault.detail.upstream.as_ref().map_or(0, |answer| answer.status);
                attempt.class = Some(class);
                attempts.push(attempt);
                last = Some(fault);
                let of_key = matches!(class, FailureClass::Credential | FailureClass::RateLimited);
                if !of_key || Instant::now() >= limit {
                    break;
                }
            }
        }
    }
    let nobody = || Fault::new(FaultCode::NoEligibleKeys, "the provider has no key to list with");
    let mut fault = last.unwrap_or_else(nobody);
    fault.detail.attempts = attempts;
    Err(fault)
}

async fn ask_with(
    call: &Call,
    target: &Arc<Target>,
    key: &KeyName,
    (at, limit): (usize, Instant),
    parent: &TraceContext,
) -> Result<Listed, Fault> {
    let provider = &target.provider.name;
    let tracer = &call.shared.telemetry.tracer;
    let mut span = tracer.start(parent, "attempt", SpanKind::Client);
    if span.is_recording() {
        span.set(semconv::WEIR_PROVIDER, &**provider);
        span.set(semconv::WEIR_KEY, &**key);
    }
    let context = CallContext {
        request_id: call.context.request_id.clone(),
        deadline: Deadline::at(limit.into_std()),
        trace: span.context().clone(),
    };
    let request = WorkerRequest {
        dialect: call.request.dialect,
        operation: call.request.operation,
        provider: provider.clone(),
        key: key.clone(),
        model: ModelName::from(""),
        resource: None,
        stream: false,
        framing: call.request.framing,
        form: call.request.form,
        content_type: String::new(),
        attempt: u32::try_from(at).unwrap_or(u32::MAX).saturating_add(1),
        is_fallback: false,
        headers: call.request.headers.clone(),
    };
    let listed = async {
        let Some(worker) = call.workers.get(provider) else {
            let message = format!("the provider `{provider}` has no worker");
            return Err(Fault::new(FaultCode::Unavailable, message));
        };
        let reply = worker.call(context, request, Body::Full(Bytes::new())).await?;
        collect(reply, call.snapshot.settings.listing_bytes_max).await
    };
    let in_time = timeout_at(limit, listed).await;
    let result = in_time.unwrap_or_else(|_| {
        let message = format!("the list of models of `{provider}` took too long");
        Err(Fault::new(FaultCode::UpstreamTimedOut, message).with_class(FailureClass::Silent))
    });
    if let Err(fault) = &result {
        span.fail(fault.code.kind(), &fault.detail.message);
    }
    result
}

async fn collect(mut reply: Reply, bytes_max: usize) -> Result<Listed, Fault> {
    let mut body = BytesMut::new();
    while let Some(frame) = reply.frames.next().await {
        match frame {
            Frame::Chunk(bytes) if body.len() + bytes.len() > bytes_max => {
                return Err(too_long(&reply.head.provider, bytes_max));
            }
            Frame::Chunk(bytes) => body.extend_from_slice(&bytes),
            Frame::End(end) => {
                return match end.fault {
                    Some(fault) => Err(fault),
                    None => Ok(Listed { head: reply.head, body: body.freeze() }),
                };
            }
        }
    }
    Err(cut_off())
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
