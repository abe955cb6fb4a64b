//! From what happened to the one atomic that counts it.
//!
//! Each method finds a slot by index and fills it at the first use. Values outside the closed
//! sets (a strange status, a scope of a later version) share a slot.

use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use weir_types::{FailureClass, Operation, QuotaMode};

use super::families::{Families, Labels};
use super::histogram::Histogram;
use super::series::{NONE, OTHER, ProviderSeries, Slot};

/// The kinds of token counts.
pub(super) const TOKEN_KINDS: [&str; 4] = ["input", "output", "cached_input", "reasoning"];
/// What can cool.
pub(super) const SCOPES: [&str; 4] = ["endpoint", "key", "key_model", OTHER];
/// Statuses with a series of their own; others are counted by their hundreds.
const STATUSES: [u16; 18] =
    [200, 400, 401, 402, 403, 404, 405, 408, 409, 413, 415, 422, 429, 499, 500, 502, 503, 504];
const STATUS_GROUPS: [&str; 5] = ["2xx", "3xx", "4xx", "5xx", OTHER];
/// How many values the label `status` has.
pub(super) const STATUS_LABELS: usize = STATUSES.len() + STATUS_GROUPS.len();

/// What is counted for one provider.
#[derive(Debug, Clone, Copy)]
pub(super) struct Handles<'a> {
    pub(super) families: &'a Families,
    pub(super) slots: &'a ProviderSeries,
}

impl<'a> Handles<'a> {
    pub(super) fn requests(
        self,
        operation: Option<Operation>,
        stream: bool,
        status: u16,
    ) -> Option<&'a Counter> {
        let status = status_index(status);
        let slots = self.slots.operation(operation)?;
        let slot = slots.requests.get(usize::from(stream))?.get(status)?;
        let make = || {
            let mut labels = self.of_request(operation, stream);
            labels.push(("status", status_label(status)));
            labels
        };
        Some(filled(slot, &self.families.requests, make))
    }

    pub(super) fn durations(
        self,
        operation: Option<Operation>,
        stream: bool,
    ) -> Option<&'a Histogram> {
        let slot = self.slots.operation(operation)?.durations.get(usize::from(stream))?;
        Some(filled(slot, &self.families.durations, || self.of_request(operation, stream)))
    }

    pub(super) fn first_bytes(
        self,
        operation: Option<Operation>,
        stream: bool,
    ) -> Option<&'a Histogram> {
        let slot = self.slots.operation(operation)?.first_bytes.get(usize::from(stream))?;
        Some(filled(slot, &self.families.first_bytes, || self.of_request(operation, stream)))
    }

    pub(super) fn first_tokens(self, operation: Operation) -> Option<&'a Histogram> {
        let slot = &self.slots.operation(Some(operation))?.first_tokens;
        let make = || self.labels("operation", Arc::from(operation.label()));
        Some(filled(slot, &self.families.first_tokens, make))
    }

    /// `kind` as in `TOKEN_KINDS`.
    pub(super) fn tokens(self, kind: usize) -> Option<&'a Counter> {
        let (slot, label) = self.slots.tokens.get(kind).zip(TOKEN_KINDS.get(kind))?;
        let make = || self.labels("kind", Arc::from(*label));
        Some(filled(slot, &self.families.tokens, make))
    }

    pub(super) fn broken(self) -> &'a Counter {
        filled(&self.slots.broken, &self.families.broken, || self.provider_only())
    }

    pub(super) fn dropped(self) -> &'a Counter {
        filled(&self.slots.dropped, &self.families.dropped, || self.provider_only())
    }

    pub(super) fn not_retried(self) -> &'a Counter {
        filled(&self.slots.not_retried, &self.families.not_retried, || self.provider_only())
    }

    pub(super) fn quota_rebuilt(self) -> &'a Counter {
        filled(&self.slots.quota_rebuilt, &self.families.quota_rebuilt, || self.provider_only())
    }

    pub(super) fn waits(self) -> &'a Histogram {
        filled(&self.slots.waits, &self.families.waits, || self.provider_only())
    }

    pub(super) fn cooldowns(self, scope: &str) -> Option<&'a Counter> {
        let at = SCOPES.iter().position(|known| *known == scope).unwrap_or(SCOPES.len() - 1);
        let (slot, label) = self.slots.cooldowns.get(at).zip(SCOPES.get(at))?;
        let make = || self.labels("scope", Arc::from(*label));
        Some(filled(slot, &self.families.cooldowns, make))
    }

    pub(super) fn attempts(self, key: &str, class: Option<FailureClass>) -> Option<&'a Counter> {
        let key = self.slots.keys.get(key).unwrap_or(&self.slots.other_key);
        let failed = class.and_then(|class| FailureClass::ALL.iter().position(|c| *c == class));
        let slot = key.attempts.get(failed.map_or(0, |at| at + 1))?;
        let make = || {
            let mut labels = self.labels("key", Arc::clone(&key.name));
            labels.push(("outcome", Arc::from(class.map_or("ok", FailureClass::label))));
            labels
        };
        Some(filled(slot, &self.families.attempts, make))
    }

    pub(super) fn grants(self, key: &str) -> &'a Counter {
        let key = self.slots.keys.get(key).unwrap_or(&self.slots.other_key);
        let make = || self.labels("key", Arc::clone(&key.name));
        filled(&key.grants, &self.families.grants, make)
    }

    pub(super) fn pool_leases(self) -> &'a Gauge {
        filled(&self.slots.pool_leases, &self.families.pool_leases, || self.provider_only())
    }

    pub(super) fn pool_tickets(self) -> &'a Gauge {
        filled(&self.slots.pool_tickets, &self.families.pool_tickets, || self.provider_only())
    }

    pub(super) fn pool_cooling(self) -> &'a Gauge {
        filled(&self.slots.pool_cooling, &self.families.pool_cooling, || self.provider_only())
    }

    pub(super) fn pool_concurrency(self) -> &'a Gauge {
        let family = &self.families.pool_concurrency;
        filled(&self.slots.pool_concurrency, family, || self.provider_only())
    }

    pub(super) fn pool_buffer(self) -> &'a Gauge {
        filled(&self.slots.pool_buffer, &self.families.pool_buffer, || self.provider_only())
    }

    /// `at`: the mode's place in `QuotaMode::ALL`.
    pub(super) fn quota_mode(self, at: usize, mode: QuotaMode) -> Option<&'a Gauge> {
        let slot = self.slots.quota_modes.get(at)?;
        let make = || self.labels("mode", Arc::from(mode.label()));
        Some(filled(slot, &self.families.quota_modes, make))
    }

    pub(super) fn connections(self) -> &'a Gauge {
        filled(&self.slots.connections, &self.families.connections, || self.provider_only())
    }

    pub(super) fn insecure(self) -> &'a Gauge {
        filled(&self.slots.insecure, &self.families.insecure, || self.provider_only())
    }

    pub(super) fn health_checks(self, is_well: bool) -> &'a Counter {
        let [well, unwell] = &self.slots.health_checks;
        let (slot, outcome) = if is_well { (well, "well") } else { (unwell, "unwell") };
        filled(slot, &self.families.health_checks, || self.labels("outcome", Arc::from(outcome)))
    }

    pub(super) fn servers_unwell(self) -> &'a Gauge {
        filled(&self.slots.servers_unwell, &self.families.servers_unwell, || self.provider_only())
    }

    fn provider_only(self) -> Labels {
        vec![("provider", Arc::clone(&self.slots.name))]
    }

    fn labels(self, name: &'static str, value: Arc<str>) -> Labels {
        vec![("provider", Arc::clone(&self.slots.name)), (name, value)]
    }

    fn of_request(self, operation: Option<Operation>, stream: bool) -> Labels {
        let operation = operation.map_or(NONE, Operation::label);
        let mut labels = self.labels("operation", Arc::from(operation));
        labels.push(("stream", Arc::from(if stream { "true" } else { "false" })));
        labels
    }
}

/// The slot's handle; made at the first use.
pub(super) fn filled<'a, M, C>(
    slot: &'a Slot<M>,
    family: &Family<Labels, M, C>,
    labels: impl FnOnce() -> Labels,
) -> &'a M
where
    M: Clone,
    C: MetricConstructor<M>,
{
    slot.get_or_init(|| family.get_or_create_owned(&labels()))
}

pub(super) fn status_index(status: u16) -> usize {
    let group = match status {
        200..300 => 0,
        300..400 => 1,
        400..500 => 2,
        500..600 => 3,
        _ => 4,
    };
    let exact = STATUSES.iter().position(|known| *known == status);
    exact.unwrap_or(STATUSES.len() + group)
}

pub(super) fn status_label(at: usize) -> Arc<str> {
    match (STATUSES.get(at), STATUS_GROUPS.get(at.saturating_sub(STATUSES.len()))) {
        (Some(status), _) => Arc::from(status.to_string()),
        (None, group) => Arc::from(group.copied().unwrap_or(OTHER)),
    }
}
