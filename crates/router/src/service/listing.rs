//! The list of models: every provider is asked at once. A list costs a provider next to nothing and
//! takes none of its slots; one that is slow is left out, or what it last said is given.

mod turns;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream;
use tokio::time::{Instant, timeout_at};
use weir_rpc::{Body, Frame, Header, Reply, ReplyHead, RouterRequest, Timings, WorkerRequest};
use weir_telemetry::{SpanKind, semconv};
use weir_types::headers::{LEFT_OUT, OUTDATED, passes_by_itself};
use weir_types::{
    Attempt, CallContext, Commit, Deadline, FailureClass, Fault, FaultCode, KeyName, ModelName,
    Operation, Patience, ProviderName, QuotaMode, TraceContext,
};

use super::Call;
use super::relay::{Answered, Held, cut_off};
use crate::catalog::Target;
use crate::lists::{List, Recent};
use crate::plan::{classify, exhausted, micros};
use turns::Turns;

/// One provider's list.
struct Listed {
    head: ReplyHead,
    body: Bytes,
}

/// What came of one provider.
struct Outcome {
    provider: ProviderName,
    list: Option<List>,
    /// Its list was not to be had just now.
    fault: Option<Fault>,
    attempts: Vec<Attempt>,
    timings: Timings,
    quota_mode: QuotaMode,
}

impl Outcome {
    fn known(provider: &ProviderName, list: Option<List>, fault: Option<Fault>) -> Self {
        let attempts = Vec::new();
        let (timings, quota_mode) = (Timings::default(), QuotaMode::default());
        Self { provider: provider.clone(), list, fault, attempts, timings, quota_mode }
    }
}

/// Asks all providers, or the one that the request names, or the one that serves the model that it
/// names. The answer has one chunk per provider that answered, in declared order; its head says whose
/// list is missing and whose is an old one.
///
/// # Errors
/// Nobody can be asked, or nobody has a list: the first provider's reason, with every attempt. Where a
/// model is asked for, a provider without a list is no error.
pub(super) async fn serve(call: &Call, parent: &TraceContext) -> Result<Answered, Fault> {
    let (targets, is_for_model) = match &call.request.target {
        weir_types::Target::Provider { name, pin } => {
            let catalogs = &call.snapshot.catalogs;
            (catalogs.listing(&call.request, name.as_deref(), pin.as_deref())?, false)
        }
        of_model => {
            // Who serves it, is asked as of any other request: a list is everybody's.
            let chat = RouterRequest { operation: Operation::Chat, ..call.request.clone() };
            let target = call.snapshot.catalogs.route(&chat)?.primary?;
            let (name, pin) = (&target.provider.name, of_model.pin());
            (call.snapshot.catalogs.listing(&chat, Some(name), pin)?, true)
        }
    };
    // Of a model that is asked for, it has been said.
    let seen = match is_for_model {
        false => call.snapshot.catalogs.seen(&call.request, &targets)?,
        true => Vec::new(),
    };
    let asked = targets.iter().map(|target| recent_or_asked(call, target, parent));
    let mut outcomes = join_all(asked).await;
    let attempts = outcomes.iter_mut().flat_map(|one| std::mem::take(&mut one.attempts)).collect();
    if outcomes.iter().all(|one| one.list.is_none()) && !is_for_model {
        let nobody = || Fault::new(FaultCode::Internal, "no provider was asked");
        let mut fault = outcomes.into_iter().find_map(|one| one.fault).unwrap_or_else(nobody);
        fault.detail.attempts = attempts;
        return Err(fault);
    }
    let Some(target) = targets.into_iter().next() else {
        return Err(Fault::new(FaultCode::Internal, "no provider was asked"));
    };
    let lost = outcomes.iter().map(|one| one.quota_mode);
    let quota_mode = lost.into_iter().find(|mode| *mode != QuotaMode::Exact).unwrap_or_default();
    let (provider, key) = match outcomes.as_slice() {
        [only] => {
            let key = only.list.as_ref().map(|list| list.key.clone());
            (only.provider.clone(), key.unwrap_or_else(|| KeyName::from("")))
        }
        _ => (ProviderName::from(""), KeyName::from("")),
    };
    let head = ReplyHead {
        status: 200,
        content_type: "application/json".to_owned(),
        headers: missing(&outcomes),
        provider,
        key,
        attempts,
        timings: slowest(call, &outcomes),
        quota_mode,
        seen,
        parts: Vec::new(),
        kept: None,
    };
    let lists = outcomes.into_iter().filter_map(|one| one.list);
    let end = Frame::End(Box::default());
    let frames: Vec<Frame> = lists.map(|list| Frame::Chunk(list.body)).chain([end]).collect();
    // There was no slot.
    let held = Held::new(None, target, call.shared.breakers.clone());
    Ok(Answered { head, frames: Box::pin(stream::iter(frames)), held })
}

/// Whose list is missing, and whose is what it last said.
fn missing(outcomes: &[Outcome]) -> Vec<Header> {
    let named = |header: &str, is_old: bool| {
        let failed = outcomes.iter().filter(|one| one.fault.is_some());
        let named = failed.filter(|one| one.list.is_some() == is_old);
        let names: Vec<&str> = named.map(|one| one.provider.as_str()).collect();
        (!names.is_empty()).then(|| (header.to_owned(), names.join(", ")))
    };
    named(LEFT_OUT, false).into_iter().chain(named(OUTDATED, true)).collect()
}

/// What `target` said within the last minute; else what it says.
async fn recent_or_asked(call: &Call, target: &Arc<Target>, parent: &TraceContext) -> Outcome {
    let provider = &target.provider.name;
    // What a client sends along may change the list; what its format needs does not.
    let by_itself = |name: &str| passes_by_itself(name, call.request.dialect);
    let is_usual = call.request.target.pin().is_none()
        && call.request.headers.iter().all(|(name, _)| by_itself(name));
    let lists = &call.shared.lists;
    if is_usual {
        match lists.recent(provider, Instant::now()) {
            Recent::Fresh(list) => return Outcome::known(provider, Some(list), None),
            Recent::Failed(fault, list) => return Outcome::known(provider, list, Some(fault)),
            Recent::Nothing => {}
        }
    }
    match ask(call, target, parent).await {
        Ok(Listed { head, body }) => {
            let list = List { body, key: head.key };
            if is_usual {
                lists.gave(provider, list.clone(), Instant::now());
            }
            let known = Outcome::known(provider, Some(list), None);
            let ReplyHead { attempts, timings, quota_mode, .. } = head;
            Outcome { attempts, timings, quota_mode, ..known }
        }
        Err(mut fault) => {
            let attempts = std::mem::take(&mut fault.detail.attempts);
            let last = is_usual.then(|| lists.failed(provider, fault.clone(), Instant::now()));
            Outcome { attempts, ..Outcome::known(provider, last.flatten(), Some(fault)) }
        }
    }
}

/// One provider's list: from its first key that gives one. What may pass is tried again by the
/// provider's retry settings, for as long as lists are waited for.
async fn ask(call: &Call, target: &Arc<Target>, parent: &TraceContext) -> Result<Listed, Fault> {
    let settings = &call.snapshot.settings;
    let limit = (Instant::now() + settings.listing_patience).min(call.deadline.into());
    let attempts_max = usize::try_from(settings.attempts_max).unwrap_or(usize::MAX);
    let mut turns = Turns::new(target);
    let mut attempts = Vec::new();
    let mut last = None;
    while let Some(key) = turns.key() {
        let begun = Instant::now();
        let asked = ask_with(call, target, key, (attempts.len(), limit), parent).await;
        attempts.push(tried(call, target, key, &asked, begun));
        let fault = match asked {
            Ok(mut listed) => {
                listed.head.attempts = attempts;
                return Ok(listed);
            }
            Err(fault) => fault,
        };
        let wait = turns.failed(key, &fault, fastrand::f64());
        last = Some(match classify(&fault).refuses_key() {
            true => exhausted(target, &[(key.clone(), fault)]),
            false => fault,
        });
        let in_time = wait.filter(|wait| Instant::now() + *wait < limit);
        let Some(wait) = in_time.filter(|_| attempts.len() < attempts_max) else { break };
        tokio::time::sleep(wait).await;
    }
    let nobody = || Fault::new(FaultCode::NoEligibleKeys, "the provider has no key to list with");
    let mut fault = last.unwrap_or_else(nobody);
    fault.detail.attempts = attempts;
    Err(fault)
}

/// What is told of one try.
fn tried(
    call: &Call,
    target: &Target,
    key: &KeyName,
    asked: &Result<Listed, Fault>,
    begun: Instant,
) -> Attempt {
    let (status, class) = match asked {
        Ok(listed) => (listed.head.status, None),
        Err(fault) => {
            let status = fault.detail.upstream.as_ref().map_or(0, |answer| answer.status);
            (status, Some(classify(fault)))
        }
    };
    let provider = target.provider.name.clone();
    call.shared.telemetry.metrics.attempt(&provider, key, class);
    let duration_us = micros(begun.elapsed());
    Attempt { provider, key: key.clone(), status, class, duration_us }
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
        commit: Commit::default(),
        patience: Patience::default(),
        content_type: String::new(),
        outline: None,
        attempt: u32::try_from(at).unwrap_or(u32::MAX).saturating_add(1),
        is_fallback: false,
        headers: call.request.headers.clone(),
        query: String::new(),
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
fn slowest(call: &Call, outcomes: &[Outcome]) -> Timings {
    let sum = |t: &Timings| t.queue_us + t.router_us + t.worker_us + t.upstream_us + t.earlier_us;
    let timings = outcomes.iter().map(|one| one.timings).max_by_key(sum);
    let timings = timings.unwrap_or_default();
    let collecting = call.elapsed_us().saturating_sub(sum(&timings));
    Timings { upstream_us: timings.upstream_us + collecting, ..timings }
}
