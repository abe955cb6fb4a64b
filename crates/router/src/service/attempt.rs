//! One attempt: the worker's call with its guard, up to the head of the answer.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use weir_rpc::{CallFuture, Reply, WorkerRequest};
use weir_telemetry::{Span, SpanKind, semconv};
use weir_types::{CallContext, Commit, Deadline, FailureClass, Fault, FaultCode};

use super::relay::{Answered, stood_still};
use super::run::Run;
use crate::admission::{Lease, Watch};
use crate::catalog::Target;
use crate::plan::{Conclusion, classify, learn};

/// How much longer than the worker's own limit the router waits.
const GUARD_SLACK: Duration = Duration::from_secs(1);

/// An attempt under way.
pub(super) struct Trying {
    /// Before `lease`: first the worker's call ends, then the slot is given back.
    answer: CallFuture,
    pub(super) lease: Lease,
    pub(super) target: Arc<Target>,
    span: Span,
    /// When it is given up, and whether that is the guard's doing.
    limit: Instant,
    is_guard: bool,
    watch: Watch,
    pub(super) begun: Instant,
}

impl Trying {
    /// The head of the answer, or why there is none. May be dropped and asked again.
    pub(super) async fn head(&mut self) -> Result<Reply, Fault> {
        let Self { answer, lease, watch, .. } = self;
        let while_held = poll_fn(|context| {
            if lease.poll_lost(watch, context).is_ready() {
                return Poll::Ready(Err(stood_still()));
            }
            answer.as_mut().poll(context)
        });
        let in_time = tokio::time::timeout_at(self.limit.into(), while_held).await;
        let provider = &self.target.provider;
        in_time.unwrap_or_else(|_| {
            Err(if self.is_guard { silent(provider) } else { too_late(provider) })
        })
    }

    /// Ends it because another one spoke first: its lease.
    pub(super) fn cancel(self) -> Lease {
        let Self { answer, lease, mut span, .. } = self;
        drop(answer);
        span.set(semconv::WEIR_FAILURE_CLASS, FailureClass::Cancelled.label());
        lease
    }

    /// Ends it because it failed: its lease.
    pub(super) fn fail(self, fault: &Fault) -> Lease {
        let Self { answer, lease, mut span, .. } = self;
        drop(answer);
        if span.is_recording() {
            span.set(semconv::WEIR_FAILURE_CLASS, classify(fault).label());
            span.fail(fault.code.kind(), &fault.detail.message);
        }
        lease
    }
}

impl Run<'_> {
    /// Makes one attempt with the key that is held.
    ///
    /// # Errors
    /// Why there is no answer; the slot is still held.
    pub(super) async fn attempt(&mut self) -> Result<Answered, Fault> {
        let Some(lease) = self.lease.take() else {
            return Err(Fault::new(FaultCode::Internal, "an attempt needs a slot"));
        };
        let mut trying = self.begin(lease, self.target().clone(), 1);
        let result = trying.head().await;
        self.conclude(trying, result)
    }

    /// Takes in how an attempt at the plan's target ended.
    ///
    /// # Errors
    /// Why there is no answer; the slot is still held.
    pub(super) fn conclude(
        &mut self,
        trying: Trying,
        result: Result<Reply, Fault>,
    ) -> Result<Answered, Fault> {
        self.clock = trying.begun;
        let mut reply = match result {
            Ok(reply) => reply,
            Err(fault) => {
                self.lease = Some(trying.fail(&fault));
                return Err(fault);
            }
        };
        let Trying { answer, lease, span, .. } = trying;
        drop(answer);
        let took = self.tick();
        let took = self.note_repeated(std::mem::take(&mut reply.head.attempts), took);
        let provider = self.target().provider.name.clone();
        self.record(&provider, lease.key(), reply.head.status, None, took);
        if lease.may_probe() {
            lease.answered(learn(Conclusion::Answered, lease.key(), self.target()));
        }
        self.lease = Some(lease);
        reply.head.attempts = std::mem::take(&mut self.attempts);
        reply.head.timings = self.timings(reply.head.timings);
        reply.head.quota_mode = self.quota_mode;
        let mut held = self.hold();
        held.keep(span);
        Ok(Answered { head: reply.head, frames: reply.frames, held })
    }

    /// Begins an attempt, the `nth` from those that are recorded on.
    pub(super) fn begin(&self, lease: Lease, target: Arc<Target>, nth: usize) -> Trying {
        let call = self.call;
        let number = u32::try_from(self.attempts.len() + nth).unwrap_or(u32::MAX);
        let span = self.attempt_span(&lease, &target, number);
        let provider = &target.provider;
        let commit = call.request.commit.unwrap_or(provider.commit);
        // While a body is still arriving, or a stream is held back, only the worker knows whether the
        // provider is waited for.
        let is_held = call.request.stream && commit == Commit::Complete;
        let is_told_early = call.body.is_replayable && !is_held;
        let guard_at = self.clock + provider.attempt_guard + GUARD_SLACK;
        let limit = if is_told_early { guard_at.min(call.deadline) } else { call.deadline };
        let answer = self.ask_worker(&lease, &target, &span, number, commit);
        let is_guard = limit < call.deadline;
        let (watch, begun) = (Watch::new(), self.clock);
        Trying { answer, lease, target, span, limit, is_guard, watch, begun }
    }

    fn ask_worker(
        &self,
        lease: &Lease,
        target: &Target,
        span: &Span,
        number: u32,
        commit: Commit,
    ) -> CallFuture {
        let call = self.call;
        let provider = &target.provider;
        let fails = |fault| -> CallFuture { Box::pin(std::future::ready(Err(fault))) };
        let Some(worker) = call.workers.get(&provider.name) else {
            let message = format!("the provider `{}` has no worker", provider.name);
            return fails(Fault::new(FaultCode::Unavailable, message));
        };
        let Some(body) = call.body.body() else {
            return fails(Fault::new(FaultCode::Internal, "the request's body is already sent"));
        };
        let context = CallContext {
            request_id: call.context.request_id.clone(),
            deadline: Deadline::at(call.deadline),
            trace: span.context().clone(),
        };
        let request = WorkerRequest {
            dialect: call.request.dialect,
            operation: call.request.operation,
            provider: provider.name.clone(),
            key: lease.key().clone(),
            model: target.model.clone(),
            resource: resource(&call.request.target),
            stream: call.request.stream,
            framing: call.request.framing,
            form: call.request.form,
            commit,
            patience: call.request.patience,
            content_type: call.request.content_type.clone(),
            outline: call.request.outline.clone(),
            attempt: number,
            is_fallback: provider.name != self.first_choice,
            headers: call.request.headers.clone(),
            query: call.request.query.clone(),
        };
        worker.call(context, request, body)
    }

    fn attempt_span(&self, lease: &Lease, target: &Target, number: u32) -> Span {
        let tracer = &self.call.shared.telemetry.tracer;
        let mut span = tracer.start(self.parent, "attempt", SpanKind::Client);
        if span.is_recording() {
            span.set(semconv::WEIR_PROVIDER, &*target.provider.name);
            span.set(semconv::WEIR_MODEL, &*target.model);
            span.set(semconv::WEIR_ATTEMPT, i64::from(number));
            span.set(semconv::WEIR_KEY, &**lease.key());
        }
        span
    }
}

fn resource(target: &weir_types::Target) -> Option<String> {
    match target {
        weir_types::Target::Resource { id, .. } => Some(id.clone()),
        weir_types::Target::Place { place, .. } => Some(place.clone()),
        weir_types::Target::Model { .. } | weir_types::Target::Provider { .. } => None,
    }
}

fn silent(provider: &crate::settings::ProviderSettings) -> Fault {
    let limit = provider.attempt_guard.as_secs();
    let message = format!("`{}` gave no answer within {limit} s", provider.name);
    Fault::new(FaultCode::UpstreamTimedOut, message).with_class(FailureClass::Silent)
}

fn too_late(provider: &crate::settings::ProviderSettings) -> Fault {
    let message = format!("the request's deadline passed while it waited for `{}`", provider.name);
    Fault::new(FaultCode::DeadlineExceeded, message)
}
