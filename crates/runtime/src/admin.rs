//! What an operator and an orchestrator ask a process: alive? ready? how busy?
//!
//! Served on a listener of its own, never on the public port. Knows no metric and no dependency:
//! both are answered by closures.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Map, Value, json};

use crate::{Drain, Hosts, is_own_origin};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// <https://prometheus.io/docs/specs/om/open_metrics_spec/>
const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// How much of an unknown host's name is repeated.
const HOST_CHARS_MAX: usize = 128;

/// Whether requests should be sent here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readiness {
    /// The verdict.
    pub ready: bool,
    /// What it rests on, for people and dashboards: one member per part of the process.
    pub detail: Map<String, Value>,
}

/// Asks one question of the process.
type Ask<T> = Arc<dyn Fn() -> T + Send + Sync>;

/// What the admin listener answers from. Cheap to clone.
#[derive(Clone)]
pub struct AdminState {
    readiness: Ask<Readiness>,
    metrics: Ask<String>,
    drain: Drain,
}

impl AdminState {
    /// Answers `/readyz` from `readiness` and `drain`, `/metrics` (OpenMetrics text) from
    /// `metrics`.
    #[must_use]
    pub fn new(
        drain: Drain,
        readiness: impl Fn() -> Readiness + Send + Sync + 'static,
        metrics: impl Fn() -> String + Send + Sync + 'static,
    ) -> Self {
        Self { readiness: Arc::new(readiness), metrics: Arc::new(metrics), drain }
    }
}

impl fmt::Debug for AdminState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminState").field("drain", &self.drain).finish_non_exhaustive()
    }
}

/// `/healthz` (200 while the event loop turns), `/readyz` (200, or 503 when not ready or
/// draining, with the detail as JSON) and `/metrics`, for whoever asks for one of `hosts` and is no
/// page of somebody else's.
pub fn admin(state: AdminState, hosts: impl Fn() -> Hosts + Send + Sync + 'static) -> Router {
    let hosts: Ask<Hosts> = Arc::new(hosts);
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(state)
        .layer(from_fn_with_state(hosts, guard))
}

/// No page of another site may ask, and none may be taken for one of ours.
async fn guard(State(hosts): State<Ask<Hosts>>, request: Request, next: Next) -> Response {
    let (uri, headers) = (request.uri(), request.headers());
    let hosts = hosts();
    let text = match hosts.stranger(uri, headers) {
        Some(host) => {
            let host: String = host.chars().take(HOST_CHARS_MAX).collect();
            format!(
                "this process is not known as \"{host}\"; ask for it by its address or as localhost, \
                 or add the name to client.allowed_hosts or --allowed-host"
            )
        }
        None => {
            let origins = headers.get_all(header::ORIGIN);
            if origins.into_iter().all(|origin| is_own_origin(origin, uri, headers)) {
                return next.run(request).await;
            }
            "pages of other sites may not ask here".to_owned()
        }
    };
    let body = json!({ "status": "forbidden", "detail": text });
    (StatusCode::FORBIDDEN, [(header::CONTENT_TYPE, JSON)], format!("{body}\n")).into_response()
}

async fn healthz() -> Response {
    ([(header::CONTENT_TYPE, JSON)], "{\"status\":\"alive\"}\n").into_response()
}

async fn readyz(State(state): State<AdminState>) -> Response {
    let Readiness { ready, detail } = (state.readiness)();
    let (status, text) = match (state.drain.is_draining(), ready) {
        (true, _) => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
        (false, true) => (StatusCode::OK, "ready"),
        (false, false) => (StatusCode::SERVICE_UNAVAILABLE, "not_ready"),
    };
    let mut body = Map::from_iter([("status".to_owned(), Value::from(text))]);
    body.insert("detail".to_owned(), Value::Object(detail));
    (status, [(header::CONTENT_TYPE, JSON)], format!("{}\n", Value::Object(body))).into_response()
}

async fn metrics(State(state): State<AdminState>) -> Response {
    ([(header::CONTENT_TYPE, OPEN_METRICS)], (state.metrics)()).into_response()
}
