//! The names and help texts of everything that is measured: one family per metric.
//!
//! Names start with `weir_` and end with their unit; counters end with `_total`, which the
//! library adds, as it does with the unit.

use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::histogram::Histogram;

/// Names and values, in the order in which they are written.
pub(super) type Labels = Vec<(&'static str, Arc<str>)>;

/// One family per metric.
#[derive(Debug, Default)]
pub(super) struct Families {
    pub(super) in_flight: Gauge,
    pub(super) requests: Family<Labels, Counter>,
    pub(super) durations: Family<Labels, Histogram>,
    pub(super) first_bytes: Family<Labels, Histogram>,
    pub(super) first_tokens: Family<Labels, Histogram>,
    pub(super) tokens: Family<Labels, Counter>,
    pub(super) client_requests: Family<Labels, Counter>,
    pub(super) client_tokens: Family<Labels, Counter>,
    pub(super) broken: Family<Labels, Counter>,
    pub(super) attempts: Family<Labels, Counter>,
    pub(super) grants: Family<Labels, Counter>,
    pub(super) waits: Family<Labels, Histogram>,
    pub(super) dropped: Family<Labels, Counter>,
    pub(super) not_retried: Family<Labels, Counter>,
    pub(super) quota_rebuilt: Family<Labels, Counter>,
    pub(super) cooldowns: Family<Labels, Counter>,
    pub(super) pool_leases: Family<Labels, Gauge>,
    pub(super) pool_tickets: Family<Labels, Gauge>,
    pub(super) pool_cooling: Family<Labels, Gauge>,
    pub(super) pool_concurrency: Family<Labels, Gauge>,
    pub(super) pool_buffer: Family<Labels, Gauge>,
    pub(super) quota_modes: Family<Labels, Gauge>,
    pub(super) connections: Family<Labels, Gauge>,
    pub(super) insecure: Family<Labels, Gauge>,
    pub(super) health_checks: Family<Labels, Counter>,
    pub(super) servers_unwell: Family<Labels, Gauge>,
    pub(super) memory_budget: Gauge,
    pub(super) memory_used: Gauge,
    pub(super) config_reloads: Family<Labels, Counter>,
    pub(super) config_versions: Family<Labels, Gauge>,
    pub(super) config_loaded: Gauge,
    pub(super) config_stale: Gauge,
}

impl Families {
    /// Puts every family on the page.
    pub(super) fn register(&self, registry: &mut Registry) {
        let version = vec![("version", env!("CARGO_PKG_VERSION"))];
        registry.register("build", "The version that runs", Info::new(version));
        let in_flight = "Client requests under way";
        registry.register("requests_in_flight", in_flight, self.in_flight.clone());
        registry.register("requests", "Client requests that ended", self.requests.clone());
        registry.register("tokens", "Tokens that providers reported", self.tokens.clone());
        let of_keys = "Requests of each client key that ended";
        registry.register("client_key_requests", of_keys, self.client_requests.clone());
        let of_keys = "Tokens that providers reported to each client key";
        registry.register("client_key_tokens", of_keys, self.client_tokens.clone());
        let broken = "Answers that broke after their head";
        registry.register("answers_broken", broken, self.broken.clone());
        registry.register("attempts", "Upstream tries by outcome", self.attempts.clone());
        registry.register("grants", "Slots given, by key", self.grants.clone());
        let dropped = "Requests refused because the buffer was full";
        registry.register("requests_dropped", dropped, self.dropped.clone());
        let not_retried = "Requests not tried again because too many were";
        registry.register("requests_not_retried", not_retried, self.not_retried.clone());
        registry.register("cooldowns", "Cooldowns begun, by scope", self.cooldowns.clone());
        registry.register("pool_leases", "Slots in use", self.pool_leases.clone());
        registry.register("queue_depth", "Requests waiting for a slot", self.pool_tickets.clone());
        registry.register("pool_cooling", "Scopes cooling", self.pool_cooling.clone());
        let concurrency = "Slots that the configuration allows";
        registry.register("pool_concurrency", concurrency, self.pool_concurrency.clone());
        let buffer = "Waiting requests that the configuration allows";
        registry.register("queue_limit", buffer, self.pool_buffer.clone());
        let mode = "1 for how limits are kept at present: exact, share or refuse";
        registry.register("quota_mode", mode, self.quota_modes.clone());
        let rebuilt = "Pools that were thrown away because what was stored was none";
        registry.register("quota_rebuilt", rebuilt, self.quota_rebuilt.clone());
        let connections = "Connections to the provider in use, or streams of HTTP/2";
        registry.register("upstream_connections", connections, self.connections.clone());
        let insecure = "1 where the provider's certificate is not checked";
        registry.register("upstream_insecure", insecure, self.insecure.clone());
        let checks = "Times a server was asked how it is";
        registry.register("health_checks", checks, self.health_checks.clone());
        let unwell = "Servers that are not well, as they were last asked";
        registry.register("servers_unwell", unwell, self.servers_unwell.clone());
        for (name, help, gauge) in [
            ("memory_budget", "What bodies may take of memory", &self.memory_budget),
            ("memory_used", "What bodies take of memory", &self.memory_used),
        ] {
            registry.register_with_unit(name, help, Unit::Bytes, gauge.clone());
        }
        self.register_configuration(registry);
        self.register_times(registry);
    }

    fn register_configuration(&self, registry: &mut Registry) {
        let reloads = "Changed configuration files by what became of them: taken or refused";
        registry.register("config_reloads", reloads, self.config_reloads.clone());
        let version = "1 for the version of the configuration in force";
        registry.register("config_version", version, self.config_versions.clone());
        let loaded = "When the configuration in force was taken, since 1970";
        let unit = || Unit::Seconds;
        registry.register_with_unit(
            "config_loaded_timestamp",
            loaded,
            unit(),
            self.config_loaded.clone(),
        );
        let stale = "1 while the configuration file is another one than that in force";
        registry.register("config_stale", stale, self.config_stale.clone());
    }

    fn register_times(&self, registry: &mut Registry) {
        for (name, help, family) in [
            ("request_duration", "First byte in to last byte out", &self.durations),
            ("time_to_first_byte", "First byte in to first byte out", &self.first_bytes),
            ("time_to_first_token", "Sent to first content", &self.first_tokens),
            ("queue_wait", "Waiting for a slot", &self.waits),
        ] {
            registry.register_with_unit(name, help, Unit::Seconds, family.clone());
        }
    }
}
