//! Drives one plan: does what it says, tells it what came of that, keeps the records.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use weir_quota::{Health, NoKeyReason, Outcome, Scope};
use weir_rpc::Timings;
use weir_telemetry::{SpanKind, semconv};
use weir_types::{Attempt, FailureClass, Fault, KeyName, ProviderName, QuotaMode, TraceContext};

use super::Call;
use super::relay::{Answered, Held, Tried, outage};
use crate::admission::{Lease, Pool};
use crate::catalog::Target;
use crate::clock::now;
use crate::plan::{Action, Event, Plan, QueuePlace, Rejection, classify, micros};

/// One plan under way.
pub(super) struct Run<'a> {
    pub(super) call: &'a Call,
    pub(super) plan: Plan,
    pub(super) parent: &'a TraceContext,
    pub(super) lease: Option<Lease>,
    /// Whom the lease is for; the plan may have gone on to another target when it is settled.
    pub(super) leased_for: Arc<Target>,
    /// When the last thing happened. Reading a clock is not free, so it is read once per event.
    pub(super) clock: Instant,
    pub(super) attempts: Vec<Attempt>,
    pub(super) first_choice: ProviderName,
    /// How long the slot of the present attempt was waited for, backoffs not counted, and until when.
    pub(super) wait: Duration,
    pub(super) granted_at: Instant,
    /// How the limits were kept that were met last.
    pub(super) quota_mode: QuotaMode,
}

/// A place in a queue, however it is entered.
enum Entrance {
    Fresh(QueuePlace),
    Rotate { outcome: Outcome, class: weir_quota::Class, then: Option<QueuePlace> },
    Wait { outcome: Outcome, then: QueuePlace },
}

// === impl Entrance ===

impl Entrance {
    /// How much of the wait is none for a slot: if the place itself is granted, and if what it went on
    /// with is.
    fn backoff(&self) -> (Duration, Duration) {
        match self {
            Self::Fresh(ask) | Self::Wait { then: ask, .. } => (ask.delay, ask.delay),
            Self::Rotate { then, .. } => {
                (Duration::ZERO, then.as_ref().map_or(Duration::ZERO, |then| then.delay))
            }
        }
    }
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
            wait: Duration::ZERO,
            granted_at: call.started,
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
            self.count_retries();
            let event = match action {
                Action::Call => {
                    let tried = match self.plan.hedge_after() {
                        None => self.attempt().await.into(),
                        // In a box: most requests have none and are no larger for it.
                        Some(after) => Box::pin(self.hedged(after)).await,
                    };
                    match tried {
                        Tried::Answered(answered) => return Ok(answered),
                        Tried::Failed(fault) => self.failed(fault),
                        Tried::Next(next) => {
                            action = next;
                            continue;
                        }
                    }
                }
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
            let provider = self.target().provider.clone();
            let was_spared = self.plan.is_spared();
            action = self.plan.on(event, self.clock, fastrand::f64());
            if self.plan.is_spared() && !was_spared {
                self.call.shared.telemetry.metrics.not_retried(&provider.name);
            }
        }
    }

    pub(super) fn target(&self) -> &Arc<Target> {
        self.plan.target()
    }

    /// The attempt at the plan's target failed; its lease is held.
    fn failed(&mut self, mut fault: Fault) -> Event {
        let key =
            self.lease.as_ref().map_or_else(|| KeyName::from(""), |lease| lease.key().clone());
        let target = self.target().clone();
        let took = self.note_failure(&target, &key, &mut fault);
        let outage = outage(&self.call.shared.breakers, &fault, &key, &target);
        Event::Failed { fault, took, outage }
    }

    /// What holds the slot from now on.
    pub(super) fn hold(&mut self) -> Held {
        let target = self.plan.target().clone();
        Held::new(self.lease.take(), target, self.call.shared.breakers.clone())
    }

    /// Where the time went up to now, with what the worker said of its last attempt.
    pub(super) fn timings(&self, of_worker: Timings) -> Timings {
        let queue_us = micros(self.wait);
        let granted = self.granted_at.saturating_duration_since(self.call.started);
        let earlier_us = micros(granted.saturating_sub(self.wait));
        let Timings { worker_us, upstream_us, .. } = of_worker;
        let elsewhere = [queue_us, earlier_us, worker_us, upstream_us];
        let total_us = micros(self.clock.saturating_duration_since(self.call.started));
        let router_us = elsewhere.into_iter().fold(total_us, u64::saturating_sub);
        Timings { queue_us, router_us, worker_us, upstream_us, earlier_us }
    }

    /// The plan's target is tried again: its pool has so many retries less.
    fn count_retries(&mut self) {
        let retries = self.plan.take_retries();
        if retries > 0
            && let Some(pool) = self.pool()
        {
            pool.retries.take(retries, self.target().provider.retries_percent);
        }
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
        let backoff = entrance.backoff();
        let result = match (entrance, self.lease.take()) {
            (Entrance::Fresh(ask), _) => pool.acquire(ask, deadline).await,
            (Entrance::Rotate { outcome, class, then }, Some(lease)) => {
                self.count_cooldowns(&self.leased_for, &outcome);
                lease.rotate(outcome, class, then, deadline).granted().await
            }
            (Entrance::Wait { outcome, then }, Some(lease)) => {
                self.count_cooldowns(&self.leased_for, &outcome);
                lease.settle_then(outcome, then, deadline).granted().await
            }
            (_, None) => Err(Rejection::Defect("a lease is given back that is not held".into())),
        };
        self.quota_mode = pool.mode();
        self.clock = now();
        let wait = self.clock.saturating_duration_since(since);
        let provider = &self.target().provider.name;
        if span.is_recording() {
            span.set(semconv::WEIR_PROVIDER, &**provider);
            span.set(semconv::WEIR_QUEUE_WAIT_US, i64::try_from(micros(wait)).unwrap_or(i64::MAX));
        }
        match result {
            Ok(lease) => {
                let (direct, moved) = backoff;
                let backoff = if lease.is_from_then() { moved } else { direct };
                let waited = wait.saturating_sub(backoff);
                telemetry.metrics.granted(provider, lease.key(), waited);
                if span.is_recording() {
                    span.set(semconv::WEIR_KEY, &**lease.key());
                }
                let (key, arrival) = (lease.key().clone(), lease.arrival());
                let (from_then, may_probe) = (lease.is_from_then(), lease.may_probe());
                if self.plan.is_first_attempt() {
                    pool.retries.came(self.target().provider.retries_percent);
                }
                (self.wait, self.granted_at) = (waited, self.clock);
                self.lease = Some(lease);
                self.leased_for = self.plan.target().clone();
                Event::Granted { key, arrival, from_then, may_probe }
            }
            Err(refusal) => {
                if matches!(refusal, Rejection::Full { .. }) {
                    telemetry.metrics.dropped(provider);
                }
                self.hear_of_outage(&refusal);
                let is_unknown =
                    matches!(refusal, Rejection::NoKey { reason: NoKeyReason::Unknown, .. });
                self.call.is_outdated.store(is_unknown && self.attempts.is_empty(), Relaxed);
                span.fail(refusal.label(), "");
                Event::Refused(refusal)
            }
        }
    }

    /// A place rests because of an outage that another router may have counted: this one need not count
    /// again before it takes a probe's failure for what it is.
    fn hear_of_outage(&self, refusal: &Rejection) {
        let Rejection::NoKey { reason: NoKeyReason::Cooling, cause: Some(cause), .. } = refusal
        else {
            return;
        };
        let target = self.target();
        // Servers that cannot be reached rest for that alone.
        if cause.class.is_servers() && cause.class != FailureClass::Unreachable {
            for key in target.class.keys.iter() {
                self.call.shared.breakers.told(target.place(key), target.provider.outage_after());
            }
        }
    }

    /// Gives the slot back, if one is held.
    fn settle(&mut self, outcome: Option<Outcome>) {
        let (Some(outcome), Some(lease)) = (outcome, self.lease.take()) else {
            return;
        };
        self.count_cooldowns(&self.leased_for, &outcome);
        lease.settle(outcome);
    }

    /// Counts what is told to cool.
    pub(super) fn count_cooldowns(&self, target: &Target, outcome: &Outcome) {
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

    /// Records a failed attempt; how long it took.
    pub(super) fn note_failure(
        &mut self,
        target: &Target,
        key: &KeyName,
        fault: &mut Fault,
    ) -> Duration {
        let class = classify(fault);
        let took = self.tick();
        let took = self.note_repeated(std::mem::take(&mut fault.detail.attempts), took);
        let status = fault.detail.upstream.as_ref().map_or(0, |answer| answer.status);
        self.record(&target.provider.name, key, status, Some(class), took);
        let provider = &self.target().provider;
        if provider.max_retries > 0
            && let Some(pool) = self.pool()
        {
            let has_any = pool.retries.has_any(provider.retries_percent, self.clock);
            self.plan.may_retry_more(has_any);
        }
        took
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

    /// Records an attempt.
    pub(super) fn record(
        &mut self,
        provider: &ProviderName,
        key: &KeyName,
        status: u16,
        class: Option<FailureClass>,
        took: Duration,
    ) {
        self.call.shared.telemetry.metrics.attempt(provider, key, class);
        self.attempts.push(Attempt {
            provider: provider.clone(),
            key: key.clone(),
            status,
            class,
            duration_us: micros(took),
        });
    }

    fn pool(&self) -> Option<&Arc<Pool>> {
        self.call.snapshot.pools.get(&self.plan.target().provider.name)
    }
}
