//! Which pages may call us from a browser.
//!
//! Requests without `Origin` do not come from a page's script: for them the layer costs one look
//! into the header map. Answers never allow credentials: nothing here reads cookies.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::Either;
use http::header::{self, HeaderName};
use http::{Method, Request, Response};
use tower::{Layer, Service};
use tower_http::cors::{AllowHeaders, AllowOrigin, Cors, CorsLayer};

use crate::{Settings, names};

/// How long a browser may remember the answer to a preflight.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_hours(24);

/// What OpenAI's SDKs, tracing libraries and our own documentation send from a page.
const USUAL_HEADERS: [&str; 22] = [
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
    "x-stainless-arch",
    "x-stainless-helper-method",
    "x-stainless-lang",
    "x-stainless-os",
    "x-stainless-package-version",
    "x-stainless-retry-count",
    "x-stainless-runtime",
    "x-stainless-runtime-version",
];

/// tower-http's layer, entered only by requests that carry `Origin`.
#[derive(Clone)]
pub(crate) struct OnOrigin {
    cors: Arc<CorsLayer>,
}

impl OnOrigin {
    /// From the settings' origins and headers.
    pub(crate) fn new(settings: &Settings) -> Self {
        let origin = if settings.allowed_origins.iter().any(|origin| origin == "*") {
            AllowOrigin::any()
        } else {
            let patterns: Vec<_> =
                settings.allowed_origins.iter().map(|text| OriginPattern::new(text)).collect();
            AllowOrigin::predicate(move |origin, _| {
                origin.to_str().is_ok_and(|origin| {
                    is_localhost(origin) || patterns.iter().any(|p| p.matches(origin))
                })
            })
        };
        let cors = CorsLayer::new()
            .allow_origin(origin)
            .allow_methods([Method::GET, Method::POST])
            .allow_headers(request_headers(&settings.allowed_headers))
            .expose_headers(names::EXPOSED)
            .max_age(PREFLIGHT_MAX_AGE);
        Self { cors: Arc::new(cors) }
    }
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
enum OriginPattern {
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

impl<S> Layer<S> for OnOrigin {
    type Service = OnOriginService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        OnOriginService { cors: Arc::clone(&self.cors), inner }
    }
}

/// The service of [`OnOrigin`].
#[derive(Clone)]
pub(crate) struct OnOriginService<S> {
    cors: Arc<CorsLayer>,
    inner: S,
}

impl<S, Q, R> Service<Request<Q>> for OnOriginService<S>
where
    S: Service<Request<Q>, Response = Response<R>> + Clone,
    R: Default,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Either<<Cors<S> as Service<Request<Q>>>::Future, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        if !request.headers().contains_key(header::ORIGIN) {
            return Either::Right(self.inner.call(request));
        }
        // The clone was not polled for readiness; axum's routes are always ready.
        Either::Left(self.cors.layer(self.inner.clone()).call(request))
    }
}
