//! From the configuration to the rooms' settings. Secrets are resolved here, for workers alone.
//!
//! A value that refers to an unset variable makes the keys that need it unusable, each with its
//! reason; it never becomes an empty secret, a direct connection or another address.

use std::time::Duration;

use weir_budget::Budget;
use weir_config::{
    Config, Custom, Key, Network, Provider, Proxy, ProxyType, ProxyVariables, SecretRef,
    process_variable,
};
use weir_provider::Vendor;
use weir_quota::Timing;
use weir_rpc::LinkSettings;
use weir_runtime::Hosts;
use weir_types::{Dialect, Operation, OperationSet};
use weir_upstream::{Credentials, Reach};

use crate::cli::PublicArgs;
use crate::client_keys;
use crate::ids::Ids;
use crate::keys::{Missing, worker_key};

const MIB: usize = 1 << 20;

/// The edge's part; `hosts` are the names of its listener.
pub(crate) fn edge(
    config: &Config,
    (hosts, ids): (Hosts, &Ids),
    budget: Budget,
    args: &PublicArgs,
) -> weir_edge::Settings {
    let client = &config.client;
    weir_edge::Settings {
        client_keys: client_keys::edge(config),
        ids: ids.of(config),
        hosts,
        allowed_origins: client.allowed_origins.clone(),
        allowed_headers: client.allowed_headers.clone(),
        required_headers: client.required_headers.clone(),
        header_allowlist: client.header_filter.allowlist.clone(),
        header_denylist: client.header_filter.denylist.clone(),
        body_bytes_max: body_bytes_max(config),
        request_deadline: client.request_deadline,
        body_rate_min: usize::try_from(args.body_rate_min).unwrap_or(usize::MAX),
        stream_quiet_max: client.stream_keep_alive,
        stream_time_max: args.stream_seconds_max.map(Duration::from_secs),
        budget,
        ..weir_edge::Settings::default()
    }
}

/// The router's part. `timing` is the quota store's, `serves_share` whether the store can be lost
/// and the router is to serve its share then.
pub(crate) fn router(config: &Config, timing: Timing, serves_share: bool) -> weir_router::Settings {
    weir_router::Settings {
        providers: served(config)
            .map(|(provider, vendor)| router_provider(provider, vendor))
            .collect(),
        client_keys: client_keys::router(config),
        request_deadline: config.client.request_deadline,
        timing,
        serves_share,
        ..weir_router::Settings::default()
    }
}

/// The workers' part, in declared order, secrets resolved: those of all providers, or of the one called
/// `only`.
pub(crate) fn workers(
    config: &Config,
    only: Option<&str>,
    memory: &weir_worker::Memory,
) -> Vec<weir_worker::Settings> {
    let is_meant =
        |provider: &Provider| only.is_none_or(|name| provider.name.eq_ignore_ascii_case(name));
    let served = served(config).filter(|(provider, _)| is_meant(provider));
    served.map(|(provider, vendor)| worker(config, provider, vendor, memory)).collect()
}

/// What the links between the services of one gateway may cost, as far as the configuration says.
pub(crate) fn link(config: &Config, budget: Budget) -> LinkSettings {
    // A worker that hears nothing from its router drops its calls before their slots are given on.
    let silence_max = config.quota_store.lease_ttl / 2;
    LinkSettings { silence_max, budget, ..LinkSettings::new(body_bytes_max(config)) }
}

fn served(config: &Config) -> impl Iterator<Item = (&Provider, &'static Vendor)> {
    let with_vendor =
        |provider| Some((provider, weir_provider::vendor(Provider::vendor(provider))?));
    config.providers.iter().filter_map(with_vendor)
}

fn body_bytes_max(config: &Config) -> usize {
    bytes(config.client.max_request_body_size_mb)
}

/// What all large answers that the workers of a process hold may take together.
pub(crate) fn answers_max(config: &Config) -> usize {
    bytes(config.client.max_buffered_answers_mb)
}

fn bytes(mebibytes: u32) -> usize {
    usize::try_from(mebibytes).unwrap_or(usize::MAX).saturating_mul(MIB)
}

fn router_provider(provider: &Provider, vendor: &Vendor) -> weir_router::ProviderSettings {
    let network = &provider.network;
    let server = |key: &Key| provider.keys.iter().position(|first| first.shares_server(key));
    // A key that can keep nothing is asked only where no other can: it says what is missing.
    let some_keep = provider.keys.iter().any(|key| key.use_for_batch_api && key.keeps_files());
    let key = |key: &Key| weir_router::KeySettings {
        server: server(key).unwrap_or_default(),
        name: key.name.clone(),
        weight: key.weight,
        rules: key.rules(),
        enabled: key.enabled,
        use_for_batch_api: key.use_for_batch_api && (key.keeps_files() || !some_keep),
    };
    // On a server of one's own a model may be loaded at any moment.
    let is_own = vendor.keys_may_be_empty || provider.custom.is_some();
    let model_missing_rest = Duration::from_secs(if is_own { 5 } else { 60 });
    weir_router::ProviderSettings {
        model_missing_rest,
        keys: provider.keys.iter().map(key).collect(),
        concurrency: provider.pool.concurrency,
        buffer: provider.pool.buffer_size,
        leeway: provider.pool.least_busy_within,
        max_retries: network.max_retries,
        backoff_initial: network.retry_backoff_initial,
        backoff_max: network.retry_backoff_max,
        commit: network.commit,
        slow_failure: network.slow_failure,
        breaker_failures: network.breaker_failures,
        hedge_after: network.hedge_after,
        hedges_percent: network.hedge_max_percent,
        retries_percent: network.retry_max_percent,
        attempt_guard: first_token(network, vendor)
            .unwrap_or_default()
            .max(network.default_request_timeout),
        operations: operations(provider, vendor),
        formats: formats(vendor),
        ..weir_router::ProviderSettings::new(provider.name.clone())
    }
}

/// In which formats a vendor is asked what passes within one alone.
fn formats(vendor: &Vendor) -> Vec<(Operation, Dialect)> {
    let own = vendor.all_routes().filter(|route| !route.operation.is_translated());
    own.map(|route| (route.operation, route.dialect)).collect()
}

/// What may be asked: what the vendor offers, less what `allowed_requests` leaves out, plus what
/// `request_path_overrides` adds.
fn operations(provider: &Provider, vendor: &Vendor) -> OperationSet {
    let allowed = |operation: Operation, stream: bool| {
        if stream && !operation.streams() {
            return false;
        }
        let name = operation.config_name(stream);
        let Some(custom) = &provider.custom else {
            return vendor.offers(operation, stream);
        };
        let overridden = custom.request_path_overrides.iter().any(|(request, _)| request == name);
        (overridden || vendor.offers(operation, stream))
            && custom.allowed_requests.as_ref().is_none_or(|requests| requests.allows(name))
    };
    both(allowed).collect()
}

/// Every (operation, stream) that `wanted` accepts.
fn both(wanted: impl Fn(Operation, bool) -> bool) -> impl Iterator<Item = (Operation, bool)> {
    let pairs =
        Operation::ALL.into_iter().flat_map(|operation| [(operation, false), (operation, true)]);
    pairs.filter(move |&(operation, stream)| wanted(operation, stream))
}

fn worker(
    config: &Config,
    provider: &Provider,
    vendor: &'static Vendor,
    memory: &weir_worker::Memory,
) -> weir_worker::Settings {
    let network = &provider.network;
    let mut missing = Missing::default();
    let base_url = missing.take("network_config.base_url", &network.base_url);
    let mut hidden = Vec::new();
    let extra_headers = network.extra_headers.iter().filter_map(|(name, value)| {
        let path = format!("network_config.extra_headers.{name}");
        let text = missing.take(&path, value)?;
        // What stands in the file itself is for everybody who reads it.
        if matches!(value, SecretRef::Env(_)) {
            hidden.push(text.clone());
        }
        Some((name.clone(), text))
    });
    let extra_headers = extra_headers.collect();
    let upstream = upstream(provider, &mut missing);
    hidden.extend(upstream.proxy.secrets());
    let missing = missing.reason();
    weir_worker::Settings {
        provider: provider.name.clone(),
        vendor,
        base_url: base_url.map(|url| url.expose().to_owned()),
        custom: provider.custom.as_ref().map(custom),
        keys: enabled_keys(provider)
            .map(|key| worker_key(key, vendor, missing.as_deref()))
            .collect(),
        extra_headers,
        hidden,
        header_allowlist: config.client.header_filter.allowlist.clone(),
        beta_overrides: network.beta_header_overrides.clone(),
        timeouts: weir_worker::Timeouts {
            attempt: network.default_request_timeout,
            first_token: first_token(network, vendor),
            stream_idle: network.stream_idle_timeout,
            pace: network.stream_throughput_guard.map(|guard| weir_worker::Pace {
                characters_per_second: guard.minimum_output_characters_per_second,
                window: guard.probe_window,
            }),
            stream_comments: network.stream_comment_timeout,
        },
        health_check: network.health_check.as_ref().map(|check| weir_worker::HealthCheck {
            path: check.path.clone(),
            interval: check.interval,
            timeout: check.timeout,
        }),
        request_bytes_max: body_bytes_max(config),
        answer_bytes_max: bytes(network.max_answer_size_mb),
        held_bytes_max: bytes(network.max_held_stream_mb),
        event_bytes_max: bytes(network.max_event_size_mb),
        memory: memory.clone(),
        upstream,
    }
}

fn enabled_keys(provider: &Provider) -> impl Iterator<Item = &Key> {
    provider.keys.iter().filter(|key| key.enabled)
}

fn custom(custom: &Custom) -> weir_worker::Custom {
    let allowed = custom.allowed_requests.as_ref().map(|requests| {
        let names = both(|operation, stream| requests.allows(operation.config_name(stream)));
        names.map(|(operation, stream)| operation.config_name(stream).to_owned()).collect()
    });
    weir_worker::Custom {
        allowed_requests: allowed,
        path_overrides: custom.request_path_overrides.clone(),
        is_key_less: custom.is_key_less,
        does_not_send_done_marker: custom.does_not_send_done_marker,
        wait_for_usage: custom.wait_for_usage,
    }
}

fn upstream(provider: &Provider, missing: &mut Missing) -> weir_upstream::Settings {
    let network = &provider.network;
    let authorities = [
        missing.take("network_config.ca_cert_pem", &network.ca_cert_pem),
        missing.take("proxy_config.ca_cert_pem", &provider.proxy.ca_cert_pem),
    ];
    weir_upstream::Settings {
        connect_timeout: connect_timeout(network),
        pool_idle_timeout: network.keep_alive_timeout,
        max_conns_per_host: usize::try_from(network.max_conns_per_host).unwrap_or(usize::MAX),
        enforce_http2: network.enforce_http2,
        reach: match network.allow_private_network {
            Some(false) => Reach::PublicOnly,
            // Only this file says where calls go.
            Some(true) | None => Reach::NoMetadata,
        },
        ca_pem: authorities.into_iter().flatten().collect(),
        insecure_skip_verify: network.insecure_skip_verify,
        proxy: proxy(&provider.proxy, missing),
    }
}

/// A server of one's own may read a long prompt for minutes before its first token.
const OWN_FIRST_TOKEN: Duration = Duration::from_mins(5);

/// How long a stream may take to its first token, where that is not as long as an answer may.
fn first_token(network: &Network, vendor: &Vendor) -> Option<Duration> {
    let own = || network.default_request_timeout.max(OWN_FIRST_TOKEN);
    network.first_token_timeout.or_else(|| vendor.keys_may_be_empty.then(own))
}

/// A connection that takes longer than this will not come.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// Shorter than an attempt, so that what was in the way of a connection can still be told.
fn connect_timeout(network: &Network) -> Duration {
    let attempt = network.default_request_timeout;
    let first_token = network.first_token_timeout.unwrap_or(attempt);
    (attempt.min(first_token) * 3 / 4).min(CONNECT_MAX)
}

fn proxy(proxy: &Proxy, missing: &mut Missing) -> weir_upstream::Proxy {
    let username = missing.take("proxy_config.username", &proxy.username);
    let password = missing.take("proxy_config.password", &proxy.password);
    let credentials = username.zip(password).map(|(username, password)| Credentials {
        username: username.expose().to_owned(),
        password,
    });
    let url = missing.take("proxy_config.url", &proxy.url);
    match (proxy.kind, url) {
        (ProxyType::Http, Some(url)) => weir_upstream::Proxy::Http { url, credentials },
        (ProxyType::Socks5, Some(url)) => weir_upstream::Proxy::Socks5 { url, credentials },
        (ProxyType::Environment, _) => environment_proxy(),
        // Without its URL the proxy is missing, and with it every key: nothing goes out.
        (ProxyType::None | ProxyType::Http | ProxyType::Socks5, _) => weir_upstream::Proxy::None,
    }
}

fn environment_proxy() -> weir_upstream::Proxy {
    let variables = ProxyVariables::read(process_variable);
    weir_upstream::Proxy::Environment {
        http_proxy: variables.http_proxy,
        https_proxy: variables.https_proxy,
        no_proxy: variables.no_proxy,
    }
}

#[cfg(test)]
mod tests;
