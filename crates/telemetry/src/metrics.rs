//! Prometheus metrics with bounded label sets.
//!
//! Label values come from the configuration (providers, keys) or from closed sets (operation,
//! status, class). A name that is not registered is counted under `other`, so no client can make
//! series. Models are not labels. Updates on the hot path look handles up and add to atomics.

mod clients;
mod families;
mod handles;
mod histogram;
mod series;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use prometheus_client::metrics::counter::Counter;
use weir_types::{FailureClass, Operation, QuotaMode, Usage};

use handles::Handles;
use histogram::Histogram;
use series::Series;

/// What became of a changed configuration.
const TAKEN: &str = "taken";
const REFUSED: &str = "refused";

/// Everything this process measures.
#[derive(Default)]
pub struct Metrics {
    series: Series,
    /// Providers, and what counts the connections to each.
    connections: Mutex<Vec<(Arc<str>, Count)>>,
}

/// Counts when it is asked; `None` if there is nothing to count any more.
type Count = Box<dyn Fn() -> Option<usize> + Send + Sync>;

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("series", &self.series).finish_non_exhaustive()
    }
}

/// One finished client request, for metrics and the log line.
#[derive(Debug, Clone)]
pub struct RequestRecord<'a> {
    /// What was asked; `None` for a request that matched no operation.
    pub operation: Option<Operation>,
    /// The name of the client's key, one of the configured ones.
    pub client_key: Option<&'a str>,
    /// Who answered; empty if no provider did.
    pub provider: &'a str,
    /// The HTTP status the client got.
    pub status: u16,
    /// Whether the answer was a stream.
    pub stream: bool,
    /// From the first byte of the request to the last byte of the answer.
    pub duration: Duration,
    /// From the first byte of the request to the first byte of the answer's body.
    pub first_byte: Option<Duration>,
    /// What it cost.
    pub usage: Usage,
    /// How the answer broke, if it did.
    pub broken: bool,
}

impl Metrics {
    /// Gives a provider and its keys series of their own; others are counted under `other`.
    /// May be called again when the configuration changes: counts go on.
    pub fn register<'a>(&self, provider: &str, keys: impl IntoIterator<Item = &'a str>) {
        self.series.register(provider, keys);
    }

    /// Edge: a client request begins.
    pub fn request_started(&self) {
        self.series.families.in_flight.inc();
    }

    /// Edge: a client request ended.
    pub fn request_finished(&self, record: &RequestRecord<'_>) {
        self.series.families.in_flight.dec();
        self.series.with(record.provider, |of| count_request(of, record));
        if let Some(key) = record.client_key {
            self.series.clients.count(key, record, &self.series.families);
        }
    }

    /// Router: an upstream try ended or got its head; `class` is `None` for success.
    pub fn attempt(&self, provider: &str, key: &str, class: Option<FailureClass>) {
        self.series.with(provider, |of| inc(of.attempts(key, class)));
    }

    /// Router: a request got its slot after this wait.
    pub fn granted(&self, provider: &str, key: &str, wait: Duration) {
        self.series.with(provider, |of| {
            of.grants(key).inc();
            of.waits().observe(wait);
        });
    }

    /// Router: a request was refused because the buffer is full.
    pub fn dropped(&self, provider: &str) {
        self.series.with(provider, |of| inc(Some(of.dropped())));
    }

    /// Router: a request was not tried again because its pool had no retries left.
    pub fn not_retried(&self, provider: &str) {
        self.series.with(provider, |of| inc(Some(of.not_retried())));
    }

    /// Router: what the pool looks like.
    pub fn pool(&self, provider: &str, leases: u32, tickets: u32, cooling: u32) {
        self.series.with(provider, |of| {
            of.pool_leases().set(i64::from(leases));
            of.pool_tickets().set(i64::from(tickets));
            of.pool_cooling().set(i64::from(cooling));
        });
    }

    /// Router: how the pool's limits are kept at present.
    pub fn quota_mode(&self, provider: &str, mode: QuotaMode) {
        self.series.with(provider, |of| {
            for (at, other) in QuotaMode::ALL.into_iter().enumerate() {
                if let Some(gauge) = of.quota_mode(at, other) {
                    gauge.set(i64::from(other == mode));
                }
            }
        });
    }

    /// Router: what the configuration allows the pool.
    pub fn pool_limits(&self, provider: &str, concurrency: u32, buffer: u32) {
        self.series.with(provider, |of| {
            of.pool_concurrency().set(i64::from(concurrency));
            of.pool_buffer().set(i64::from(buffer));
        });
    }

    /// Router: a scope (`endpoint`, `key`, `key_model`) was told to cool.
    pub fn cooled(&self, provider: &str, scope: &'static str) {
        self.series.with(provider, |of| inc(of.cooldowns(scope)));
    }

    /// Router: whether what the store had of the pool was thrown away just now.
    pub fn quota_rebuilt(&self, provider: &str, just_now: bool) {
        self.series.with(provider, |of| {
            of.quota_rebuilt().inc_by(u64::from(just_now));
        });
    }

    /// Worker: time from sending to the first content.
    pub fn first_token(&self, provider: &str, operation: Operation, after: Duration) {
        self.series.with(provider, |of| observe(of.first_tokens(operation), after));
    }

    /// Worker: `count` says how many connections to the provider are in use, each time the page is
    /// asked for, until it says `None`.
    pub fn upstream_connections(
        &self,
        provider: &str,
        count: impl Fn() -> Option<usize> + Send + Sync + 'static,
    ) {
        let mut counted = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        counted.push((provider.into(), Box::new(count)));
    }

    /// Worker: whether the provider's certificate is not checked.
    pub fn insecure(&self, provider: &str, is_insecure: bool) {
        self.series.with(provider, |of| {
            of.insecure().set(i64::from(is_insecure));
        });
    }

    /// Worker: a server was asked how it is.
    pub fn health_check(&self, provider: &str, is_well: bool) {
        self.series.with(provider, |of| {
            of.health_checks(is_well).inc();
        });
    }

    /// Worker: so many servers are not well, as they were last asked.
    pub fn servers_unwell(&self, provider: &str, count: usize) {
        self.series.with(provider, |of| {
            of.servers_unwell().set(i64::try_from(count).unwrap_or(i64::MAX));
        });
    }

    /// What bodies may take of the process's memory, and what they take, in bytes.
    pub fn memory(&self, budget: usize, used: usize) {
        let families = &self.series.families;
        families.memory_budget.set(i64::try_from(budget).unwrap_or(i64::MAX));
        families.memory_used.set(i64::try_from(used).unwrap_or(i64::MAX));
    }

    /// The configuration in force, and when it was taken.
    pub fn configuration(&self, version: &str, at: SystemTime) {
        let families = &self.series.families;
        families.config_versions.clear();
        let labels = vec![("version", Arc::from(version))];
        families.config_versions.get_or_create(&labels).set(1);
        let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        families.config_loaded.set(i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
        families.config_stale.set(0);
        // Shown as 0, so that the first of them is a change.
        for outcome in [TAKEN, REFUSED] {
            drop(families.config_reloads.get_or_create(&vec![("outcome", Arc::from(outcome))]));
        }
    }

    /// A changed configuration was taken, or refused.
    pub fn reloaded(&self, is_taken: bool) {
        let families = &self.series.families;
        let outcome = if is_taken { TAKEN } else { REFUSED };
        families.config_reloads.get_or_create(&vec![("outcome", Arc::from(outcome))]).inc();
        families.config_stale.set(i64::from(!is_taken));
    }

    /// The page for `/metrics`: OpenMetrics text.
    #[must_use]
    pub fn render(&self) -> String {
        self.count_connections();
        self.series.render()
    }

    fn count_connections(&self) {
        let mut counted = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        counted.retain(|(provider, count)| {
            let in_use = count();
            let shown = i64::try_from(in_use.unwrap_or(0)).unwrap_or(i64::MAX);
            self.series.with(provider, |of| {
                of.connections().set(shown);
            });
            in_use.is_some()
        });
    }
}

fn count_request(of: Handles<'_>, record: &RequestRecord<'_>) {
    inc(of.requests(record.operation, record.stream, record.status));
    observe(of.durations(record.operation, record.stream), record.duration);
    if let Some(after) = record.first_byte {
        observe(of.first_bytes(record.operation, record.stream), after);
    }
    let usage = &record.usage;
    let counts = [
        usage.input_tokens,
        usage.output_tokens,
        usage.cached_input_tokens,
        usage.reasoning_tokens,
    ];
    for (kind, tokens) in counts.into_iter().enumerate().filter(|(_, tokens)| *tokens > 0) {
        if let Some(counter) = of.tokens(kind) {
            counter.inc_by(tokens);
        }
    }
    if record.broken {
        of.broken().inc();
    }
}

fn inc(counter: Option<&Counter>) {
    if let Some(counter) = counter {
        counter.inc();
    }
}

fn observe(histogram: Option<&Histogram>, duration: Duration) {
    if let Some(histogram) = histogram {
        histogram.observe(duration);
    }
}

#[cfg(test)]
mod tests;
