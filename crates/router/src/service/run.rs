//! Drives one plan: does what it says, tells it what came of that, keeps the records.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use weir_quota::{Health, NoKeyReason, Outcome, Scope};
use weir_rpc::Timings;
use weir_telemetry::{SpanKind, semconv};
use weir_types::{Attempt, FailureClass, Fault, ProviderName, QuotaMode, TraceContext};

use super::relay::{Answered, Held};
use super::{Call, now};
use crate::admission::{Lease, Pool};
use crate::catalog::Target;
use crate::plan::{Action, Event, Plan, QueuePlace, Rejection, classify, micros};

/// One plan under way.
pub(super) struct Run<'a> {
    pub(super) call: &'a Call,
    plan: Plan,
    pub(super) parent: &'a TraceContext,
    lease: Option<Lease>,
    /// Whom the lease is for; the plan may have gone on to another target when it is settled.
    leased_for: Arc<Target>,
    /// When the last thing happened. Reading a clock is not free, so it is read once per event.
    pub(super) clock: Instant,
    pub(super) attempts: Vec<Attempt>,
    pub(super) first_choice: ProviderName,
    queued: Duration,
    /// Time that failed attempts took.
    failed: Duration,
    /// How the limits were kept that were met last.
    pub(super) quota_mode: QuotaMode,
}

/// A place in a queue, however it is entered.
enum Entrance {
    Fresh(QueuePlace),
    Rotate { outcome: Outcome, class: weir_quota::Class, then: Option<QueuePlace> },
    Wait { outcome: Outcome, then: QueuePlace },
}

// === impl Run ===

impl<'a> Run<'a> {
    pub(super) fn new(call: &'a Call, plan: Plan, parent: &'a TraceContext) -> Self {
        Self {
            call,
            first_choice: plan.target().provider.name.clone(),
            leased_for: plan.target().clone(),
            plan,
            parent,
            lease: None,
            clock: call.started,
            attempts: Vec::new(),
            queued: Duration::ZERO,
            failed: Duration::ZERO,
            quota_mode: QuotaMode::Exact,
        }
    }

    /// Does what the plan says from its `first` action on.
    ///
    /// # Errors
    /// What the plan ends with, with every attempt that was made.
    pub(super) async fn drive(&mut self, first: Action) -> Result<Answered, Fault> {
        let mut action = first;
        loop {
            let event = match action {
                Action::Call => match self.attempt().await {
                    Ok(answered) => return Ok(answered),
                    Err(mut fault) => {
                        self.note_failure(&mut fault);
                        Event::Failed(fault)
                    }
                },
                Action::Acquire { settle, ask } => {
                    self.settle(settle);
                    self.admit(Entrance::Fresh(ask)).await
                }
                Action::Rotate { outcome, class, then } => {
                    self.admit(Entrance::Rotate { outcome, class, then }).await
                }
                Action::Wait { outcome, then } => {
                    self.admit(Entrance::Wait { outcome, then }).await
                }
                Action::Finish { settle, mut fault } => {
                    self.settle(settle);
                    fault.detail.attempts = std::mem::take(&mut self.attempts);
                    fault.detail.quota_mode = self.quota_mode;
                    return Err(fault);
                }
            };
            action = self.plan.on(event, self.clock, fastrand::f64());
        }
    }

    pub(super) fn target(&self) -> &Arc<Target> {
        self.plan.target()
    }

    pub(super) fn lease(&self) -> Option<&Lease> {
        self.lease.as_ref()
    }

    /// What holds the slot from now on.
    pub(super) fn hold(&mut self) -> Held {
        let target = self.plan.target().clone();
        Held::new(self.lease.take(), target)
    }

    /// Where the time went up to now, with what the worker said of its last attempt.
    pub(super) fn timings(&self, of_worker: Timings) -> Timings {
        let queue_us = micros(self.queued);
        let upstream_us = micros(self.failed).saturating_add(of_worker.upstream_us);
        let elsewhere = queue_us.saturating_add(upstream_us).saturating_add(of_worker.worker_us);
        let total_us = micros(self.clock.saturating_duration_since(self.call.started));
        let router_us = total_us.saturating_sub(elsewhere);
        Timings { queue_us, router_us, worker_us: of_worker.worker_us, upstream_us }
    }

    /// Waits for a slot and a key.
    async fn admit(&mut self, entrance: Entrance) -> Event {
        let Some(pool) = self.pool().cloned() else {
            let why = format!("the provider `{}` has no pool", self.target().provider.name);
            return Event::Refused(Rejection::Defect(why));
        };
        let deadline = self.call.deadline;
        let telemetry = &self.call.shared.telemetry;
        let mut span = telemetry.tracer.start(self.parent, "admission", SpanKind::Internal);
        let since = self.clock;
        let result = match (entrance, self.lease.take()) {
            (Entrance::Fresh(ask), _) => pool.acquire(ask, deadline).await,
            (Entrance::Rotate { outcome, class, then }, Some(lease)) => {
                self.count_cooldowns(&outcome);
                lease.rotate(outcome, class, then, deadline).granted().await
            }
            (Entrance::Wait { outcome, then }, Some(lease)) => {
                self.count_cooldowns(&outcome);
                lease.settle_then(outcome, then, deadline).granted().await
            }
            (_, None) => Err(Rejection::Defect("a lease is given back that is not held".into())),
        };
        self.quota_mode = pool.mode();
        self.clock = now();
        let wait = self.clock.saturating_duration_since(since);
        self.queued += wait;
        let provider = &self.target().provider.name;
        if span.is_recording() {
            span.set(semconv::WEIR_PROVIDER, &**provider);
            span.set(semconv::WEIR_QUEUE_WAIT_US, i64::try_from(micros(wait)).unwrap_or(i64::MAX));
        }
        match result {
            Ok(lease) => {
                telemetry.metrics.granted(provider, lease.key(), wait);
                if span.is_recording() {
                    span.set(semconv::WEIR_KEY, &**lease.key());
                }
                let (key, arrival) = (lease.key().clone(), lease.arrival());
                let (from_then, may_probe) = (lease.is_from_then(), lease.may_probe());
                self.lease = Some(lease);
                self.leased_for = self.plan.target().clone();
                Event::Granted { key, arrival, from_then, may_probe }
            }
            Err(refusal) => {
                if matches!(refusal, Rejection::Full { .. }) {
                    telemetry.metrics.dropped(provider);
                }
                let is_unknown =
                    matches!(refusal, Rejection::NoKey { reason: NoKeyReason::Unknown, .. });
                self.call.is_outdated.store(is_unknown && self.attempts.is_empty(), Relaxed);
                span.fail(refusal.label(), "");
                Event::Refused(refusal)
            }
        }
    }

    /// Gives the slot back, if one is held.
    fn settle(&mut self, outcome: Option<Outcome>) {
        let (Some(outcome), Some(lease)) = (outcome, self.lease.take()) else {
            return;
        };
        self.count_cooldowns(&outcome);
        lease.settle(outcome);
    }

    /// Counts what is told to cool.
    fn count_cooldowns(&self, outcome: &Outcome) {
        let target = &self.leased_for;
        for health in &outcome.health {
            let Health::Cool { scope, .. } = health else {
                continue;
            };
            let label = match scope {
                Scope::Endpoint => "endpoint",
                Scope::Key(_) => "key",
                Scope::KeyModel(..) => "key_model",
            };
            self.call.shared.telemetry.metrics.cooled(&target.provider.name, label);
        }
    }

    /// Reads the clock; how long the attempt took that has just ended.
    pub(super) fn tick(&mut self) -> Duration {
        let granted_at = std::mem::replace(&mut self.clock, now());
        self.clock.saturating_duration_since(granted_at)
    }

    fn note_failure(&mut self, fault: &mut Fault) {
        let class = classify(fault);
        let took = self.tick();
        self.failed += took;
        let took = self.note_repeated(std::mem::take(&mut fault.detail.attempts), took);
        let status = fault.detail.upstream.as_ref().map_or(0, |answer| answer.status);
        self.record(status, Some(class), took);
    }

    /// Records tries that the worker has made again by itself; how much of the time `took` is left
    /// for the last one.
    pub(super) fn note_repeated(&mut self, tries: Vec<Attempt>, took: Duration) -> Duration {
        let repeated = tries.iter().map(|one| Duration::from_micros(one.duration_us)).sum();
        for one in &tries {
            let metrics = &self.call.shared.telemetry.metrics;
            metrics.attempt(&one.provider, &one.key, one.class);
        }
        self.plan.repeated(tries.len());
        self.attempts.extend(tries);
        took.saturating_sub(repeated)
    }

    /// Records an attempt with the key that is held.
    pub(super) fn record(&mut self, status: u16, class: Option<FailureClass>, took: Duration) {
        let Some(lease) = &self.lease else {
            return;
        };
        let provider = &self.plan.target().provider.name;
        self.call.shared.telemetry.metrics.attempt(provider, lease.key(), class);
        self.attempts.push(Attempt {
            provider: provider.clone(),
            key: lease.key().clone(),
            status,
            class,
            duration_us: micros(took),
        });
    }

    fn pool(&self) -> Option<&Arc<Pool>> {
        self.call.snapshot.pools.get(&self.plan.target().provider.name)
    }
}
