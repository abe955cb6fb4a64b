//! Serves client requests: drives the plan, holds the slot to the last byte, keeps the records.
//!
//! Knows workers by provider and bodies as bytes. A call is one future; dropping it, or the
//! answer's stream, drops the worker's call first and gives the slot back then.

mod attempt;
mod hedged;
mod listing;
mod relay;
mod run;
mod stored;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use weir_rpc::{
    Body, CallFuture, ExplainFuture, ExplainRequest, Reply, RouterRequest, RouterService,
};
use weir_telemetry::{SpanKind, semconv};
use weir_types::{Attempt, CallContext, Fault, FaultCode, Operation, Target, TraceContext};

use crate::clock::now;
use crate::plan::{Bounds, Plan, micros};
use crate::shared::{Shared, Snapshot};
use crate::workers::{WorkerMap, Workers};
use relay::Answered;
use run::Run;

/// The router, one per core; cheap, because all state is in [`Shared`].
#[derive(Clone)]
pub struct Router {
    shared: Arc<Shared>,
    workers: Workers,
}

/// One client request on its way.
pub(crate) struct Call {
    shared: Arc<Shared>,
    snapshot: Arc<Snapshot>,
    workers: Arc<WorkerMap>,
    context: CallContext,
    request: RouterRequest,
    body: Source,
    started: Instant,
    deadline: Instant,
    /// A pool knew none of its keys, or the router not the client's, and nothing was asked of anybody yet:
    /// another configuration may be in force.
    is_outdated: AtomicBool,
}

/// The request's body, for one attempt after another.
struct Source {
    /// None after a stream was taken. The lock only makes a stream what threads may share.
    body: Mutex<Option<Body>>,
    is_replayable: bool,
}

// === impl Router ===

impl Router {
    /// A router over `shared` that reaches providers through `workers`.
    #[must_use]
    pub fn new(shared: Arc<Shared>, workers: impl Into<Workers>) -> Self {
        Self { shared, workers: workers.into() }
    }
}

impl RouterService for Router {
    fn call(&self, context: CallContext, request: RouterRequest, body: Body) -> CallFuture {
        let workers = self.workers.clone();
        let mut call = Call::new(self.shared.clone(), &workers, context, request, body);
        Box::pin(async move {
            loop {
                let served = call.serve().await;
                if served.is_ok() || !call.renew(&workers).await {
                    return served;
                }
            }
        })
    }

    fn explain(&self, request: ExplainRequest) -> ExplainFuture {
        let shared = self.shared.clone();
        Box::pin(async move { crate::explain::live(&shared, &request).await })
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router").field("shared", &self.shared).finish_non_exhaustive()
    }
}

// === impl Call ===

impl Call {
    fn new(
        shared: Arc<Shared>,
        workers: &Workers,
        context: CallContext,
        request: RouterRequest,
        body: Body,
    ) -> Self {
        let started = now();
        let snapshot = shared.snapshot();
        let workers = workers.of(&snapshot);
        let longest = started + snapshot.settings.request_deadline;
        let deadline = context.deadline.instant().min(longest);
        let body = Source::new(body);
        let is_outdated = AtomicBool::new(false);
        Self { shared, snapshot, workers, context, request, body, started, deadline, is_outdated }
    }

    /// Whether it is to be served anew, by another configuration.
    async fn renew(&mut self, workers: &Workers) -> bool {
        if !std::mem::take(self.is_outdated.get_mut()) {
            return false;
        }
        let Some(snapshot) = self.shared.newer(self.snapshot.generation).await else {
            return false;
        };
        self.workers = workers.of(&snapshot);
        self.snapshot = snapshot;
        true
    }

    async fn serve(&self) -> Result<Reply, Fault> {
        let tracer = &self.shared.telemetry.tracer;
        let mut span = tracer.start(&self.context.trace, "router", SpanKind::Internal);
        if span.is_recording() {
            span.set(semconv::WEIR_REQUEST_ID, &*self.context.request_id);
            span.set(semconv::WEIR_MODEL, self.request.target.model());
            span.set(semconv::WEIR_STREAM, self.request.stream);
        }
        let served = if self.started >= self.deadline {
            Err(Fault::new(FaultCode::DeadlineExceeded, "the request's deadline has passed"))
        } else if self.is_listing() {
            listing::serve(self, span.context()).await
        } else if stored::is_list(&self.request) {
            Box::pin(stored::serve(self, span.context())).await
        } else {
            self.route(span.context()).await
        };
        match served {
            Ok(mut answered) => {
                if span.is_recording() {
                    span.set(semconv::WEIR_PROVIDER, &*answered.head.provider);
                    span.set(semconv::WEIR_KEY, &*answered.head.key);
                    span.set(semconv::WEIR_ATTEMPTS, count(&answered.head.attempts));
                }
                answered.held.keep(span);
                Ok(answered.into_reply())
            }
            Err(fault) => {
                // The edge has read of it.
                if !self.snapshot.catalogs.knows_client(&self.request) {
                    self.is_outdated.store(true, Ordering::Relaxed);
                }
                span.set(semconv::WEIR_ATTEMPTS, count(&fault.detail.attempts));
                span.fail(fault.code.kind(), &fault.detail.message);
                Err(fault)
            }
        }
    }

    async fn route(&self, parent: &TraceContext) -> Result<Answered, Fault> {
        let route = self.snapshot.catalogs.route(&self.request)?;
        let bounds = Bounds {
            deadline: self.deadline,
            replayable: self.body.is_replayable,
            attempts_max: self.snapshot.settings.attempts_max,
            hedge_after: self.request.patience.hedge_after,
        };
        let (plan, first) = Plan::begin(route, bounds)?;
        let mut run = Run::new(self, plan, parent);
        run.drive(first).await
    }

    /// Whether it asks every provider, one as a whole, or that of a model, for a list that means the
    /// same everywhere.
    fn is_listing(&self) -> bool {
        let operation = self.request.operation;
        match self.request.target {
            Target::Provider { .. } => operation.is_translated(),
            Target::Model { .. } => operation == Operation::ListModels,
            Target::Resource { .. } | Target::Place { .. } => false,
        }
    }

    fn elapsed_us(&self) -> u64 {
        micros(now().saturating_duration_since(self.started))
    }
}

// === impl Source ===

impl Source {
    fn new(body: Body) -> Self {
        let is_replayable = body.pieces().is_some();
        Self { body: Mutex::new(Some(body)), is_replayable }
    }

    /// The body for an attempt; `None` if it has been sent and is gone.
    fn body(&self) -> Option<Body> {
        let mut body = self.body.lock().unwrap_or_else(PoisonError::into_inner);
        body.as_ref()?.again().or_else(|| body.take())
    }
}

fn count(attempts: &[Attempt]) -> i64 {
    i64::try_from(attempts.len()).unwrap_or(i64::MAX)
}
