//! Traces, metrics and logs: the only place that knows OpenTelemetry and Prometheus.
//!
//! Rooms hold a [`Telemetry`] and call it; what is switched off costs a branch. The process that
//! starts them calls [`init_traces`] and [`init_logs`] once and keeps the guards they return.
//! Reads no environment: the standard `OTEL_*` variables come in through
//! [`TraceSettings::from_vars`]. Knows nothing of requests beyond what a record carries.

mod export;
mod log;
mod metrics;
mod otlp_http;
pub mod semconv;
mod trace;
mod trace_settings;

pub use export::{TraceError, TraceGuard, init_traces};
pub use log::{LogError, LogFormat, LogGuard, LogSettings, Masks, init_logs};
pub use metrics::{Metrics, RequestRecord};
pub use trace::{Span, SpanKind, Tracer, Value};
pub use trace_settings::{Batching, Sampling, TraceSettings, TraceSettingsError};

use std::sync::Arc;

/// What a room needs to be seen. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Telemetry {
    /// Spans.
    pub tracer: Tracer,
    /// Counters, histograms, gauges.
    pub metrics: Arc<Metrics>,
}
