//! One attempt: the worker's call with its guard, up to the head of the answer.

use std::time::Duration;

use weir_rpc::WorkerRequest;
use weir_telemetry::{Span, SpanKind, semconv};
use weir_types::{CallContext, Deadline, FailureClass, Fault, FaultCode};

use super::relay::Answered;
use super::run::Run;
use crate::plan::{Conclusion, classify, learn};

/// How much longer than the worker's own limit the router waits.
const GUARD_SLACK: Duration = Duration::from_secs(1);

impl Run<'_> {
    /// Makes one attempt with the key that is held.
    ///
    /// # Errors
    /// Why there is no answer; the slot is still held.
    pub(super) async fn attempt(&mut self) -> Result<Answered, Fault> {
        let number = u32::try_from(self.attempts.len()).unwrap_or(u32::MAX).saturating_add(1);
        let mut span = self.attempt_span(number);
        let result = self.call_worker(&span, number).await;
        let mut reply = match result {
            Ok(reply) => reply,
            Err(fault) => {
                if span.is_recording() {
                    span.set(semconv::WEIR_FAILURE_CLASS, classify(&fault).label());
                    span.fail(fault.code.kind(), &fault.detail.message);
                }
                return Err(fault);
            }
        };
        let took = self.tick();
        let took = self.note_repeated(std::mem::take(&mut reply.head.attempts), took);
        self.record(reply.head.status, None, took);
        if let Some(lease) = self.lease().filter(|lease| lease.may_probe()) {
            lease.answered(learn(Conclusion::Answered, lease.key(), self.target()));
        }
        reply.head.attempts = std::mem::take(&mut self.attempts);
        reply.head.timings = self.timings(reply.head.timings);
        reply.head.quota_mode = self.quota_mode;
        let mut held = self.hold();
        held.keep(span);
        Ok(Answered { head: reply.head, frames: reply.frames, held })
    }

    async fn call_worker(&self, span: &Span, number: u32) -> Result<weir_rpc::Reply, Fault> {
        let call = self.call;
        let target = self.target();
        let provider = &target.provider;
        let Some(lease) = self.lease() else {
            return Err(Fault::new(FaultCode::Internal, "an attempt needs a slot"));
        };
        let Some(worker) = call.workers.get(&provider.name) else {
            let message = format!("the provider `{}` has no worker", provider.name);
            return Err(Fault::new(FaultCode::Unavailable, message));
        };
        let Some(body) = call.body.body() else {
            return Err(Fault::new(FaultCode::Internal, "the request's body is already sent"));
        };
        // While a body is still arriving, only the worker knows whether the provider is waited for.
        let is_here = call.body.is_replayable();
        let guard_at = self.clock + provider.attempt_guard + GUARD_SLACK;
        let limit = if is_here { guard_at.min(call.deadline) } else { call.deadline };
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
            content_type: call.request.content_type.clone(),
            attempt: number,
            is_fallback: provider.name != self.first_choice,
            headers: call.request.headers.clone(),
        };
        let answer = worker.call(context, request, body);
        let in_time = tokio::time::timeout_at(limit.into(), answer).await;
        in_time.unwrap_or_else(|_| {
            Err(if limit < call.deadline { silent(provider) } else { too_late(provider) })
        })
    }

    fn attempt_span(&self, number: u32) -> Span {
        let tracer = &self.call.shared.telemetry.tracer;
        let mut span = tracer.start(self.parent, "attempt", SpanKind::Client);
        if span.is_recording() {
            let target = self.target();
            span.set(semconv::WEIR_PROVIDER, &*target.provider.name);
            span.set(semconv::WEIR_MODEL, &*target.model);
            span.set(semconv::WEIR_ATTEMPT, i64::from(number));
            if let Some(lease) = self.lease() {
                span.set(semconv::WEIR_KEY, &**lease.key());
            }
        }
        span
    }
}

fn resource(target: &weir_types::Target) -> Option<String> {
    match target {
        weir_types::Target::Resource { id, .. } => Some(id.clone()),
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
