//! Which pages may call us from a browser: none, unless the settings say whose.
//!
//! Answers never allow credentials: nothing here reads cookies. Who may not call is turned away by the
//! gate.

use std::time::Duration;

use http::Method;
use http::header::{HeaderName, HeaderValue};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use crate::{Settings, names};

/// How long a browser may remember the answer to a preflight.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_hours(24);

/// What OpenAI's SDKs, tracing libraries and our own documentation send from a page.
const USUAL_HEADERS: [&str; 26] = [
    "accept",
    "authorization",
    "content-type",
    "openai-beta",
    "openai-organization",
    "openai-project",
    "traceparent",
    "tracestate",
    "user-agent",
    "x-api-key",
    "x-bf-api-key",
    "x-request-id",
    "x-request-timeout-ms",
    "x-requested-with",
    "x-weir-commit",
    "x-weir-first-token-timeout-ms",
    "x-weir-hedge-ms",
    "x-weir-stream-idle-timeout-ms",
    "x-stainless-arch",
    "x-stainless-helper-method",
    "x-stainless-lang",
    "x-stainless-os",
    "x-stainless-package-version",
    "x-stainless-retry-count",
    "x-stainless-runtime",
    "x-stainless-runtime-version",
];

/// Whose pages may call.
#[derive(Debug)]
pub(crate) enum Origins {
    All,
    /// Those that fit; none where there is no pattern, which is the default.
    Listed(Vec<OriginPattern>),
}

impl Origins {
    /// From the settings' list.
    pub(crate) fn new(settings: &Settings) -> Self {
        if settings.allowed_origins.iter().any(|origin| origin.trim() == "*") {
            return Self::All;
        }
        Self::Listed(settings.allowed_origins.iter().map(|text| OriginPattern::new(text)).collect())
    }

    /// Whether a page of `origin` may.
    pub(crate) fn allow(&self, origin: &HeaderValue) -> bool {
        match self {
            Self::All => true,
            Self::Listed(patterns) => origin.to_str().is_ok_and(|origin| {
                let is_developers = !patterns.is_empty() && is_localhost(origin);
                is_developers || patterns.iter().any(|pattern| pattern.matches(origin))
            }),
        }
    }
}

/// tower-http's layer, to be entered only by requests of pages that may call.
pub(crate) fn layer(origins: &Origins, settings: &Settings) -> CorsLayer {
    let origin = match origins {
        Origins::All => AllowOrigin::any(),
        Origins::Listed(_) => AllowOrigin::mirror_request(),
    };
    CorsLayer::new()
        .allow_origin(origin)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers(request_headers(&settings.allowed_headers))
        .expose_headers(names::EXPOSED)
        .max_age(PREFLIGHT_MAX_AGE)
}

fn request_headers(configured: &[String]) -> AllowHeaders {
    if configured.is_empty() || configured.iter().any(|name| name.trim() == "*") {
        return AllowHeaders::mirror_request();
    }
    let names = USUAL_HEADERS.iter().copied().chain(configured.iter().map(|name| name.trim()));
    AllowHeaders::list(names.filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok()))
}

/// A pattern of `allowed_origins`: exact, or with a `*` for one or more labels of the host.
#[derive(Debug)]
pub(crate) enum OriginPattern {
    Exact(String),
    Wild { before: String, after: String },
}

impl OriginPattern {
    fn new(text: &str) -> Self {
        let text = text.trim().trim_end_matches('/').to_ascii_lowercase();
        match text.split_once('*') {
            Some((before, after)) => {
                Self::Wild { before: before.to_owned(), after: after.to_owned() }
            }
            None => Self::Exact(text),
        }
    }

    fn matches(&self, origin: &str) -> bool {
        match self {
            Self::Exact(exact) => exact.eq_ignore_ascii_case(origin),
            Self::Wild { before, after } => {
                let origin = origin.to_ascii_lowercase();
                let middle = origin
                    .strip_prefix(before.as_str())
                    .and_then(|rest| rest.strip_suffix(after.as_str()));
                // The star stands for labels of a host, never for a port, path or scheme.
                middle.is_some_and(|labels| {
                    !labels.is_empty()
                        && labels
                            .bytes()
                            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'))
                })
            }
        }
    }
}

/// Pages that a developer serves to himself.
fn is_localhost(origin: &str) -> bool {
    let Some(host) = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"))
    else {
        return false;
    };
    let (host, port) = match host.rfind(':') {
        Some(at) if !host.ends_with(']') => (&host[..at], &host[at + 1..]),
        _ => (host, ""),
    };
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
        && port.bytes().all(|digit| digit.is_ascii_digit())
}
