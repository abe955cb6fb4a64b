//! `network_config`: how a provider is called, and how long it may take.

mod headers;
mod health_check;

use std::time::Duration;

use schemars::{JsonSchema, Schema};
use weir_types::Commit;

use crate::endpoint;
use crate::pem;
use crate::reader::{Field, Section};
use crate::reference::SecretRef;
use crate::report::Draft;

pub(crate) use headers::is_header_name;
pub use health_check::HealthCheck;

/// How a provider is called.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(deny_unknown_fields, transform = add_older_spellings)]
pub struct Network {
    /// Where paths are appended. Default: the provider's own address.
    pub base_url: SecretRef,
    /// Headers added to every call.
    #[schemars(schema_with = "headers_schema")]
    pub extra_headers: Vec<(String, SecretRef)>,
    /// How long one attempt may take; a stream: to its first content.
    #[schemars(rename = "default_request_timeout_in_seconds")]
    #[schemars(with = "Option<u64>", extend("default" = 30))]
    pub default_request_timeout: Duration,
    /// Further attempts after the first.
    #[schemars(with = "Option<u32>", range(max = 100), extend("default" = 0))]
    pub max_retries: u32,
    /// Weir's extension: of a hundred requests so many may be tried again, in the long run. 100: all, as
    /// often as `max_retries` allows.
    #[schemars(with = "Option<u32>", range(min = 1, max = 100), extend("default" = 20))]
    pub retry_max_percent: u32,
    /// The first wait before another attempt, in milliseconds or as "500ms".
    #[schemars(with = "Option<Backoff>", extend("default" = 500))]
    pub retry_backoff_initial: Duration,
    /// The longest wait before another attempt, in milliseconds or as "5s".
    #[schemars(with = "Option<Backoff>", extend("default" = 5000))]
    pub retry_backoff_max: Duration,
    /// Weir's extension: a failure that may pass and took longer than this is not tried again while a
    /// fallback is left.
    #[schemars(rename = "slow_failure_in_seconds")]
    #[schemars(with = "Option<u64>", range(min = 1, max = 86_400), extend("default" = 10))]
    pub slow_failure: Duration,
    /// Weir's extension: so many failures of a model in a row are an outage, in which it is spared. 0:
    /// none are.
    #[schemars(with = "Option<u32>", range(max = 1000), extend("default" = 5))]
    pub breaker_failures: u32,
    /// Weir's extension: after so many milliseconds without a first token a fallback is asked as well.
    /// 0: never.
    #[schemars(rename = "hedge_after_ms")]
    #[schemars(with = "Option<u64>", range(max = 3_600_000), extend("default" = 0))]
    pub hedge_after: Option<Duration>,
    /// Weir's extension: of a hundred requests that may be hedged so many are.
    #[schemars(with = "Option<u32>", range(min = 1, max = 100), extend("default" = 10))]
    pub hedge_max_percent: u32,
    /// Calls to one host of the provider at once, per worker process: connections, or streams of
    /// HTTP/2.
    #[schemars(with = "Option<u32>", range(min = 1, max = 10_000), extend("default" = 5000))]
    pub max_conns_per_host: u32,
    /// How long a stream may be silent between two chunks.
    #[schemars(rename = "stream_idle_timeout_in_seconds")]
    #[schemars(with = "Option<u64>", range(max = 3600), extend("default" = 60))]
    pub stream_idle_timeout: Duration,
    /// Weir's extension: the longest whole answer that is taken, in MiB.
    #[schemars(with = "Option<u32>", range(min = 1, max = 4096), extend("default" = 256))]
    pub max_answer_size_mb: u32,
    /// Weir's extension: the longest event of a stream, in MiB.
    #[schemars(with = "Option<u32>", range(min = 1, max = 1024), extend("default" = 64))]
    pub max_event_size_mb: u32,
    /// Weir's extension: how long a stream may go on with nothing but comments.
    #[schemars(rename = "stream_comment_timeout_in_seconds")]
    #[schemars(with = "Option<u64>", range(max = 86_400), extend("default" = 600))]
    pub stream_comment_timeout: Duration,
    /// How long an unused connection is kept: less than servers keep it, many of them 5 s.
    #[schemars(rename = "keep_alive_timeout_in_seconds")]
    #[schemars(with = "Option<u64>", range(max = 3600), extend("default" = 4))]
    pub keep_alive_timeout: Duration,
    /// Weir's extension: how long a stream may take to its first token. Default: the request
    /// timeout; servers of one's own (ollama, vllm, sgl): at least five minutes.
    #[schemars(rename = "first_token_timeout_in_seconds")]
    #[schemars(with = "Option<u64>", range(max = 86_400))]
    pub first_token_timeout: Option<Duration>,
    /// Weir's extension: when streams begin for a client that does not say.
    #[schemars(schema_with = "commit_schema")]
    pub commit: Commit,
    /// Weir's extension: of a stream that is to be complete before it begins no more is held back, in
    /// MiB.
    #[schemars(with = "Option<u32>", range(min = 1, max = 1024), extend("default" = 16))]
    pub max_held_stream_mb: u32,
    /// Call with HTTP/2 only.
    #[schemars(with = "Option<bool>")]
    pub enforce_http2: bool,
    /// Do not verify the provider's certificate. A last resort: anyone in between can read along.
    #[schemars(with = "Option<bool>")]
    pub insecure_skip_verify: bool,
    /// Certificates trusted besides the system's, PEM.
    pub ca_cert_pem: SecretRef,
    /// Anthropic beta headers to pass or drop, by prefix.
    #[schemars(schema_with = "overrides_schema")]
    pub beta_header_overrides: Vec<(String, bool)>,
    /// Whether the provider may be at a private address. Absent: it may be where this file says.
    pub allow_private_network: Option<bool>,
    /// Give a stream up that starts too slowly.
    pub stream_throughput_guard: Option<ThroughputGuard>,
    /// Weir's extension: ask the servers how they are, before a request finds out (ollama, vllm, sgl).
    pub health_check: Option<HealthCheck>,
}

/// When a stream starts too slowly.
#[derive(Debug, Clone, Copy, PartialEq, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend("x-required" = ["minimum_output_characters_per_second"]))]
pub struct ThroughputGuard {
    /// The slowest rate that is accepted.
    #[schemars(with = "u32", range(min = 1, max = 100_000))]
    pub minimum_output_characters_per_second: u32,
    /// How long the rate is measured.
    #[schemars(rename = "probe_window_in_seconds")]
    #[schemars(with = "Option<u64>", range(min = 1, max = 60), extend("default" = 5))]
    pub probe_window: Duration,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            base_url: SecretRef::None,
            extra_headers: Vec::new(),
            default_request_timeout: Duration::from_secs(30),
            max_retries: 0,
            retry_backoff_initial: Duration::from_millis(500),
            retry_backoff_max: Duration::from_secs(5),
            slow_failure: Duration::from_secs(10),
            retry_max_percent: 20,
            breaker_failures: 5,
            hedge_after: None,
            hedge_max_percent: 10,
            max_conns_per_host: 5000,
            stream_idle_timeout: Duration::from_mins(1),
            max_answer_size_mb: 256,
            max_event_size_mb: 64,
            stream_comment_timeout: Duration::from_mins(10),
            keep_alive_timeout: Duration::from_secs(4),
            first_token_timeout: None,
            commit: Commit::default(),
            max_held_stream_mb: 16,
            enforce_http2: false,
            insecure_skip_verify: false,
            ca_cert_pem: SecretRef::None,
            beta_header_overrides: Vec::new(),
            allow_private_network: None,
            stream_throughput_guard: None,
            health_check: None,
        }
    }
}

/// The longest time that can be set, in seconds: a day.
const SECONDS_MAX: u64 = 86_400;
/// The longest backoff that can be set, in milliseconds: an hour.
const BACKOFF_MAX: u64 = 3_600_000;
/// Older names of the two backoff fields.
const OLDER_SPELLINGS: [(&str, &str); 2] = [
    ("retry_backoff_initial", "retry_backoff_initial_ms"),
    ("retry_backoff_max", "retry_backoff_max_ms"),
];

pub(crate) fn read(field: &Field<'_>, vendor: &str) -> Option<Network> {
    let mut section = field.section()?;
    let default = Network::default();
    let seconds = 1..=SECONDS_MAX;
    let network = Network {
        base_url: base_url(&mut section, vendor),
        extra_headers: extra_headers(&mut section, vendor),
        default_request_timeout: section.seconds(
            "default_request_timeout_in_seconds",
            seconds.clone(),
            default.default_request_timeout,
        ),
        max_retries: count(&mut section, "max_retries", 0, 100).unwrap_or(default.max_retries),
        retry_backoff_initial: backoff(&mut section, 0, default.retry_backoff_initial),
        retry_backoff_max: backoff(&mut section, 1, default.retry_backoff_max),
        slow_failure: section.seconds(
            "slow_failure_in_seconds",
            seconds.clone(),
            default.slow_failure,
        ),
        retry_max_percent: count(&mut section, "retry_max_percent", 1, 100)
            .unwrap_or(default.retry_max_percent),
        breaker_failures: count(&mut section, "breaker_failures", 0, 1000)
            .unwrap_or(default.breaker_failures),
        hedge_after: hedge_after(&mut section),
        hedge_max_percent: count(&mut section, "hedge_max_percent", 1, 100)
            .unwrap_or(default.hedge_max_percent),
        max_conns_per_host: count(&mut section, "max_conns_per_host", 1, 10_000)
            .unwrap_or(default.max_conns_per_host),
        stream_idle_timeout: section.seconds(
            "stream_idle_timeout_in_seconds",
            5..=3600,
            default.stream_idle_timeout,
        ),
        max_answer_size_mb: count(&mut section, "max_answer_size_mb", 1, 4096)
            .unwrap_or(default.max_answer_size_mb),
        max_event_size_mb: count(&mut section, "max_event_size_mb", 1, 1024)
            .unwrap_or(default.max_event_size_mb),
        stream_comment_timeout: section.seconds(
            "stream_comment_timeout_in_seconds",
            5..=SECONDS_MAX,
            default.stream_comment_timeout,
        ),
        keep_alive_timeout: section.seconds(
            "keep_alive_timeout_in_seconds",
            1..=3600,
            default.keep_alive_timeout,
        ),
        first_token_timeout: section
            .whole("first_token_timeout_in_seconds", seconds)
            .map(Duration::from_secs),
        commit: section
            .choice("commit", &Commit::ALL.map(|commit| (commit.label(), commit)))
            .unwrap_or_default(),
        max_held_stream_mb: count(&mut section, "max_held_stream_mb", 1, 1024)
            .unwrap_or(default.max_held_stream_mb),
        enforce_http2: section.flag("enforce_http2").unwrap_or_default(),
        insecure_skip_verify: insecure(&mut section),
        ca_cert_pem: section.judged("ca_cert_pem", pem::certificates),
        beta_header_overrides: overrides(&mut section),
        allow_private_network: section.flag("allow_private_network"),
        stream_throughput_guard: throughput_guard(&mut section),
        health_check: health_check::read(&mut section, vendor),
    };
    if network.retry_backoff_initial > network.retry_backoff_max {
        note_backoff(&section, &network);
    }
    section.finish();
    Some(network)
}

fn extra_headers(section: &mut Section<'_>, vendor: &str) -> Vec<(String, SecretRef)> {
    section.field("extra_headers").map(|field| headers::read(&field, vendor)).unwrap_or_default()
}

fn count(section: &mut Section<'_>, name: &'static str, min: u64, max: u64) -> Option<u32> {
    section.whole(name, min..=max).and_then(|n| u32::try_from(n).ok())
}

fn hedge_after(section: &mut Section<'_>) -> Option<Duration> {
    let ms = section.whole("hedge_after_ms", 0..=BACKOFF_MAX);
    ms.filter(|ms| *ms > 0).map(Duration::from_millis)
}

/// A backoff field under either of its names.
fn backoff(section: &mut Section<'_>, index: usize, default: Duration) -> Duration {
    let Some((name, older)) = OLDER_SPELLINGS.get(index).copied() else {
        return default;
    };
    let both = section.field(name).is_some();
    if let (true, Some(field)) = (both, section.field(older)) {
        let draft = Draft::error("the same setting under two names");
        field.report(
            draft.expected(format!("{name} only")).found("both").help("remove the older name"),
        );
    }
    let name = if both || section.field(older).is_none() { name } else { older };
    section.millis(name, 100..=BACKOFF_MAX, default)
}

fn note_backoff(section: &Section<'_>, network: &Network) {
    let initial = network.retry_backoff_initial.as_millis();
    let max = network.retry_backoff_max.as_millis();
    let draft = Draft::warning(format!("the first backoff is cut to the longest, {max} ms"));
    section.report(
        draft
            .expected("retry_backoff_initial of at most retry_backoff_max")
            .found(format!("{initial} and {max}")),
    );
}

fn base_url(section: &mut Section<'_>, vendor: &str) -> SecretRef {
    if vendor == "vllm" {
        let Some(field) = section.field("base_url").filter(|f| !crate::unacted::is_empty(f.value))
        else {
            return SecretRef::None;
        };
        let draft = Draft::error("not a field for vllm");
        let help = "move it to vllm_key_config.url of each key";
        field.report(draft.expected("the address in each key").found("one here").help(help));
        return SecretRef::None;
    }
    section.judged("base_url", endpoint::base)
}

fn insecure(section: &mut Section<'_>) -> bool {
    let on = section.flag("insecure_skip_verify").unwrap_or_default();
    if let (true, Some(field)) = (on, section.field("insecure_skip_verify")) {
        let draft = Draft::warning("the provider's certificate is not verified");
        field.report(draft.help("trust its certificate with ca_cert_pem instead"));
    }
    on
}

fn overrides(section: &mut Section<'_>) -> Vec<(String, bool)> {
    let Some(field) = section.field("beta_header_overrides") else {
        return Vec::new();
    };
    let members = field.members().unwrap_or_default();
    members.iter().filter_map(|(name, f)| Some(((*name).to_owned(), f.flag()?))).collect()
}

fn throughput_guard(network: &mut Section<'_>) -> Option<ThroughputGuard> {
    let mut section = network.field("stream_throughput_guard")?.section()?;
    let minimum = section
        .required("minimum_output_characters_per_second", "a whole number from 1 to 100000")
        .and_then(|field| field.whole(1..=100_000))
        .and_then(|n| u32::try_from(n).ok());
    let window = section.whole("probe_window_in_seconds", 1..=60).unwrap_or(5);
    section.finish();
    Some(ThroughputGuard {
        minimum_output_characters_per_second: minimum?,
        probe_window: Duration::from_secs(window),
    })
}

// === schema ===

/// A wait: a number of milliseconds, or a text with a unit.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum Backoff {
    Millis(u64),
    Text(String),
}

fn add_older_spellings(schema: &mut Schema) {
    for (name, older) in OLDER_SPELLINGS {
        let property = serde_json::json!({
            "description": format!("Older spelling of `{name}`."),
            "type": ["integer", "string", "null"]
        });
        crate::schema::add_property(schema, older, property);
    }
}

fn headers_schema(generator: &mut schemars::SchemaGenerator) -> Schema {
    let value = generator.subschema_for::<SecretRef>();
    schemars::json_schema!({ "type": ["object", "null"], "additionalProperties": value })
}

fn commit_schema(_: &mut schemars::SchemaGenerator) -> Schema {
    schemars::json_schema!({
        "enum": [Commit::First.label(), Commit::Complete.label(), null],
        "default": Commit::default().label()
    })
}

fn overrides_schema(_: &mut schemars::SchemaGenerator) -> Schema {
    schemars::json_schema!({
        "type": ["object", "null"],
        "additionalProperties": { "type": "boolean" }
    })
}
