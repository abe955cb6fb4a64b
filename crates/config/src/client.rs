//! `client`: what clients may do.
//!
//! Most of the section steers parts that Weir does not have (a log store, a dashboard, tools).
//! Those fields are accepted and checked for their type; `UNACTED` names them. A field that
//! protects something is an error instead, unless the user accepts the loss.

use std::net::IpAddr;
use std::time::Duration;

use schemars::{JsonSchema, Schema};

use crate::network::is_header_name;
use crate::reader::{Field, Section};
use crate::report::Draft;
use crate::unacted::is_empty;

/// What clients may do.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(deny_unknown_fields, transform = add_unacted)]
pub struct Client {
    /// Origins whose pages may call: `*`, `https://a.example`, `https://*.a.example`.
    #[schemars(with = "Option<Vec<String>>", extend("default" = []))]
    pub allowed_origins: Vec<String>,
    /// Weir's extension: names under which clients ask for the gateway, besides addresses and
    /// `localhost`: `gateway.example.com`, `*.example.com`, `*`.
    #[schemars(with = "Option<Vec<String>>", extend("default" = []))]
    pub allowed_hosts: Vec<String>,
    /// Request headers that pages may send besides the usual ones.
    #[schemars(with = "Option<Vec<String>>")]
    pub allowed_headers: Vec<String>,
    /// Headers without which a request is refused.
    #[schemars(with = "Option<Vec<String>>")]
    pub required_headers: Vec<String>,
    /// Which `x-bf-eh-*` headers reach the provider.
    #[schemars(rename = "header_filter_config", with = "Option<HeaderFilter>")]
    pub header_filter: HeaderFilter,
    /// The longest request body, in MiB.
    #[schemars(with = "Option<u32>", range(min = 1, max = 4096), extend("default" = 100))]
    pub max_request_body_size_mb: u32,
    /// Weir's extension: what all large answers that are held may take together, per process, in MiB.
    #[schemars(with = "Option<u32>", range(min = 1, max = 1_048_576), extend("default" = 1024))]
    pub max_buffered_answers_mb: u32,
    /// Whether requests without a client key (`governance.virtual_keys`) are refused.
    #[schemars(with = "Option<bool>", extend("default" = false))]
    pub enforce_auth_on_inference: bool,
    /// Older name of the same.
    #[schemars(with = "Option<bool>", extend("default" = false))]
    pub enforce_governance_header: bool,
    /// Weir's extension: how long a request may take to its first content, queue included.
    #[schemars(rename = "request_deadline_in_seconds")]
    #[schemars(with = "Option<u64>", range(min = 1, max = 86_400), extend("default" = 600))]
    pub request_deadline: Duration,
    /// Weir's extension: after so long without an event a stream says that it is alive, as a comment or
    /// a ping. 0: never.
    #[schemars(rename = "stream_keep_alive_in_seconds")]
    #[schemars(with = "Option<u64>", range(max = 3600), extend("default" = 0))]
    pub stream_keep_alive: Option<Duration>,
}

/// Which of the clients' own headers reach the provider. `*` at the end stands for any ending.
#[derive(Debug, Clone, Default, PartialEq, Eq, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct HeaderFilter {
    /// Those that do; also without the prefix. Empty: all with the prefix.
    #[schemars(with = "Option<Vec<String>>")]
    pub allowlist: Vec<String>,
    /// Those that do not.
    #[schemars(with = "Option<Vec<String>>")]
    pub denylist: Vec<String>,
}

impl Default for Client {
    fn default() -> Self {
        Self {
            allowed_origins: Vec::new(),
            allowed_hosts: Vec::new(),
            allowed_headers: Vec::new(),
            required_headers: Vec::new(),
            header_filter: HeaderFilter::default(),
            max_request_body_size_mb: 100,
            max_buffered_answers_mb: 1024,
            enforce_auth_on_inference: false,
            enforce_governance_header: false,
            request_deadline: Duration::from_mins(10),
            stream_keep_alive: None,
        }
    }
}

pub(crate) fn read(field: &Field<'_>) -> Option<Client> {
    let mut section = field.section()?;
    let default = Client::default();
    let client = Client {
        allowed_origins: origins(&mut section).unwrap_or(default.allowed_origins),
        allowed_hosts: hosts(&mut section).unwrap_or(default.allowed_hosts),
        allowed_headers: header_names(&mut section, "allowed_headers"),
        required_headers: header_names(&mut section, "required_headers"),
        header_filter: section
            .field("header_filter_config")
            .and_then(|field| header_filter(&field))
            .unwrap_or_default(),
        max_request_body_size_mb: section
            .whole("max_request_body_size_mb", 1..=4096)
            .and_then(|n| u32::try_from(n).ok())
            .unwrap_or(default.max_request_body_size_mb),
        max_buffered_answers_mb: section
            .whole("max_buffered_answers_mb", 1..=1_048_576)
            .and_then(|n| u32::try_from(n).ok())
            .unwrap_or(default.max_buffered_answers_mb),
        enforce_auth_on_inference: section.flag("enforce_auth_on_inference").unwrap_or_default(),
        enforce_governance_header: section.flag("enforce_governance_header").unwrap_or_default(),
        request_deadline: section
            .whole("request_deadline_in_seconds", 1..=86_400)
            .map_or(default.request_deadline, Duration::from_secs),
        stream_keep_alive: section
            .whole("stream_keep_alive_in_seconds", 0..=3600)
            .filter(|seconds| *seconds > 0)
            .map(Duration::from_secs),
    };
    for unacted in UNACTED {
        unacted.read(&mut section);
    }
    section.finish_open();
    Some(client)
}

fn origins(section: &mut Section<'_>) -> Option<Vec<String>> {
    let items = section.field("allowed_origins")?.items()?;
    let mut origins = Vec::new();
    for item in items {
        let Some(text) = item.text() else {
            continue;
        };
        let host = text.split_once("://").map(|(_, host)| host);
        let sound = host.is_some_and(|h| !h.is_empty() && !h.contains(['/', '?', '#', ' ', '@']));
        if text != "*" && !sound {
            let draft = Draft::error("not an origin");
            let expected = "\"*\", or scheme and host, as https://app.example.com";
            item.report(draft.expected(expected).found("another string"));
        }
        origins.push(text.to_owned());
    }
    Some(origins)
}

fn hosts(section: &mut Section<'_>) -> Option<Vec<String>> {
    let items = section.field("allowed_hosts")?.items()?;
    let mut hosts = Vec::new();
    for item in items {
        let Some(text) = item.text() else {
            continue;
        };
        if !is_allowed_host(text) {
            let draft = Draft::error("not a host's name");
            item.report(draft.expected(HOST_EXPECTED).found("another string"));
        }
        hosts.push(text.to_owned());
    }
    Some(hosts)
}

/// What [`is_allowed_host`] takes, in words.
pub const HOST_EXPECTED: &str =
    "a name without scheme and port, as gateway.example.com or *.example.com, an address, or *";

/// Whether `text` can say under which names the gateway is asked for.
#[must_use]
pub fn is_allowed_host(text: &str) -> bool {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if text == "*" || bare.unwrap_or(text).parse::<IpAddr>().is_ok() {
        return true;
    }
    let name = text.strip_prefix("*.").unwrap_or(text);
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    !name.is_empty() && !name.starts_with('.') && name.bytes().all(sound)
}

fn header_names(section: &mut Section<'_>, name: &'static str) -> Vec<String> {
    let items = section.field(name).and_then(|field| field.items()).unwrap_or_default();
    let mut names = Vec::new();
    for item in items {
        let Some(text) = item.text() else {
            continue;
        };
        if is_header_name(text) {
            names.push(text.to_owned());
        } else {
            let draft = Draft::error("not a header's name");
            item.report(draft.expected("letters, digits and hyphens").found("another string"));
        }
    }
    names
}

fn header_filter(field: &Field<'_>) -> Option<HeaderFilter> {
    let mut section = field.section()?;
    let filter = HeaderFilter {
        allowlist: header_names(&mut section, "allowlist"),
        denylist: header_names(&mut section, "denylist"),
    };
    section.finish();
    Some(filter)
}

// === what is accepted only ===

/// A field that is accepted and has no effect.
struct Unacted {
    name: &'static str,
    kind: Kind,
    does: &'static str,
}

/// Its type, and which values ask for nothing that is missing.
#[derive(Clone, Copy)]
enum Kind {
    /// On or off; warned about if it is on.
    Flag,
    /// On is what Weir does; warned about if it is off.
    Always,
    Number,
    Text,
    Texts,
    Object,
}

const fn unacted(name: &'static str, kind: Kind, does: &'static str) -> Unacted {
    Unacted { name, kind, does }
}

const UNACTED: [Unacted; 27] = [
    unacted("initial_pool_size", Kind::Number, "Objects that are made in advance."),
    unacted("drop_excess_requests", Kind::Always, "Refuse requests when the buffer is full."),
    unacted("enable_logging", Kind::Flag, "Keep requests in the log store."),
    unacted("disable_content_logging", Kind::Always, "Keep no prompts and answers."),
    unacted("allow_per_request_content_storage_override", Kind::Flag, "Log store control."),
    unacted("allow_per_request_raw_override", Kind::Flag, "Log store control."),
    unacted("retain_content_in_object_storage", Kind::Flag, "Log store control."),
    unacted("log_retention_days", Kind::Number, "Log store control."),
    unacted("logging_headers", Kind::Texts, "Headers that are kept in the log store."),
    unacted("hidden_request_types", Kind::Texts, "Request types that are not kept."),
    unacted("allow_direct_keys", Kind::Flag, "Let clients bring a provider's key."),
    unacted("whitelisted_routes", Kind::Texts, "Routes that need no key."),
    unacted("prometheus_labels", Kind::Texts, "Metric labels taken from requests."),
    unacted("compat", Kind::Object, "Conversions between request types."),
    unacted("enable_litellm_fallbacks", Kind::Flag, "Older name of `compat`."),
    unacted("async_job_result_ttl", Kind::Number, "How long results of async jobs are kept."),
    unacted("disable_db_pings_in_health", Kind::Always, "Health checks without a database."),
    unacted("routing_chain_max_depth", Kind::Number, "Bound for chained routing rules."),
    unacted("dual_credential_conflict_behavior", Kind::Text, "Which of two credentials counts."),
    unacted("mcp_agent_depth", Kind::Number, "Tools."),
    unacted("mcp_tool_execution_timeout", Kind::Number, "Tools."),
    unacted("mcp_code_mode_binding_level", Kind::Text, "Tools."),
    unacted("mcp_tool_sync_interval", Kind::Number, "Tools."),
    unacted("mcp_disable_auto_tool_inject", Kind::Always, "Tools."),
    unacted("mcp_external_client_url", Kind::Text, "Tools."),
    unacted("mcp_server_auth_mode", Kind::Text, "Tools."),
    unacted("oauth2_server_config", Kind::Object, "Tools."),
];

impl Unacted {
    fn read(&self, section: &mut Section<'_>) {
        let Some(field) = section.field(self.name) else {
            return;
        };
        match self.kind {
            Kind::Flag => drop(section.unacted_flag(self.name)),
            Kind::Always => {
                if field.flag() == Some(false) {
                    let draft = Draft::warning("accepted, but Weir always does this");
                    field.report(draft.help("set it to true, or leave it out"));
                }
            }
            Kind::Number => {
                if field.number(0.0..=f64::MAX, "a number of 0 or more").is_some() {
                    section.unacted(self.name);
                }
            }
            Kind::Text => {
                if field.text().is_some() {
                    section.unacted(self.name);
                }
            }
            Kind::Texts => {
                let _ = field.texts();
                section.unacted(self.name);
            }
            Kind::Object => {
                if field.is_object() || is_empty(field.value) {
                    section.unacted(self.name);
                } else {
                    field.wrong("an object");
                }
            }
        }
    }
}

fn add_unacted(schema: &mut Schema) {
    for field in UNACTED {
        let kind = match field.kind {
            Kind::Flag | Kind::Always => "boolean",
            Kind::Number => "number",
            Kind::Text => "string",
            Kind::Texts => "array",
            Kind::Object => "object",
        };
        let description = format!("{} Accepted; this build does not act on it.", field.does);
        let property = serde_json::json!({ "description": description, "type": [kind, "null"] });
        crate::schema::add_property(schema, field.name, property);
    }
}
