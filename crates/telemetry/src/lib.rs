//! Traces, metrics and logs: the only place that knows OpenTelemetry and Prometheus.
//!
//! Rooms hold a [`Telemetry`] and call it; what is switched off costs a branch.

mod metrics;
mod trace;

pub use metrics::{Metrics, RequestRecord};
pub use trace::{Span, SpanKind, Tracer, Value};

use std::sync::Arc;

/// What a room needs to be seen. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Telemetry {
    /// Spans.
    pub tracer: Tracer,
    /// Counters, histograms, gauges.
    pub metrics: Arc<Metrics>,
}
