//! Starts and stops the export of spans.
//!
//! Finished spans go through a bounded queue to the SDK's own thread, which posts them in batches.
//! A request never waits for the collector: when it is slow or away, spans are dropped, counted
//! and reported once in a while.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{Context, InstrumentationScope, KeyValue};
use opentelemetry_otlp::{Protocol, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider, Span, SpanData,
    SpanExporter, SpanLimits, SpanProcessor,
};

use crate::otlp_http::Poster;
use crate::trace::Tracer;
use crate::trace_settings::{Sampling, TraceSettings};

/// At most one line about failing exports in this time.
const REPORT_INTERVAL: Duration = Duration::from_secs(60);

/// Tracing could not be started or not be ended cleanly.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// No exporter can be made of the settings.
    #[error("cannot start exporting spans: {0}")]
    Start(String),
    /// Spans that were still waiting may be lost.
    #[error("cannot finish exporting spans: {0}")]
    Stop(String),
}

/// Keeps the export alive; end it with [`TraceGuard::shutdown`].
#[derive(Debug)]
#[must_use = "spans that still wait are lost if the guard is not shut down"]
pub struct TraceGuard {
    running: Option<(SdkTracerProvider, Arc<Counts>)>,
}

impl TraceGuard {
    /// Sends what has ended so far and waits for it, 5 s at most. Blocks the thread.
    ///
    /// # Errors
    /// [`TraceError::Stop`] if the collector did not take it.
    pub fn flush(&self) -> Result<(), TraceError> {
        let Some((provider, _)) = &self.running else {
            return Ok(());
        };
        provider.force_flush().map_err(|error| TraceError::Stop(error.to_string()))
    }

    /// Sends what has ended so far, waits for at most `timeout` and stops the export. Blocks the
    /// thread; spans that end later are dropped.
    ///
    /// # Errors
    /// [`TraceError::Stop`] if the collector did not take everything in time.
    pub fn shutdown(self, timeout: Duration) -> Result<(), TraceError> {
        let Some((provider, counts)) = self.running else {
            return Ok(());
        };
        let stopped = provider.shutdown_with_timeout(timeout);
        let ended = counts.ended.load(Ordering::Relaxed);
        let dropped = ended.saturating_sub(counts.taken.load(Ordering::Relaxed));
        if dropped > 0 {
            tracing::warn!(spans = dropped, "spans were dropped because the queue was full");
        }
        stopped.map_err(|error| TraceError::Stop(error.to_string()))
    }
}

/// Starts the export that `settings` asks for; with no endpoint both results are off.
///
/// # Errors
/// [`TraceError::Start`] if the exporter cannot be made.
pub fn init_traces(settings: &TraceSettings) -> Result<(Tracer, TraceGuard), TraceError> {
    let Some(endpoint) = &settings.endpoint else {
        return Ok((Tracer::default(), TraceGuard { running: None }));
    };
    let start = |error: &dyn ToString| TraceError::Start(error.to_string());
    let https = endpoint.scheme_str() == Some("https");
    let poster = Poster::new(https, settings.headers.clone(), settings.timeout)
        .map_err(|error| start(&error))?;
    let inner = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(endpoint.to_string())
        .with_timeout(settings.timeout)
        .with_http_client(poster)
        .build()
        .map_err(|error| start(&error))?;

    let counts = Arc::new(Counts::default());
    let exporter = Reporting { inner, counts: Arc::clone(&counts) };
    let batching = BatchConfigBuilder::default()
        .with_max_queue_size(settings.batching.queue_spans_max)
        .with_max_export_batch_size(settings.batching.batch_spans_max)
        .with_scheduled_delay(settings.batching.delay)
        .build();
    let batches = BatchSpanProcessor::builder(exporter).with_batch_config(batching).build();
    let provider = SdkTracerProvider::builder()
        .with_span_processor(Counting { inner: batches, counts: Arc::clone(&counts) })
        .with_sampler(sampler(settings.sampling))
        .with_span_limits(SpanLimits::default())
        .with_resource(resource(settings))
        .build();
    let scope =
        InstrumentationScope::builder("weir").with_version(env!("CARGO_PKG_VERSION")).build();
    let tracer = Tracer::new(provider.tracer_with_scope(scope));
    Ok((tracer, TraceGuard { running: Some((provider, counts)) }))
}

fn sampler(sampling: Sampling) -> Sampler {
    let root = match sampling.ratio {
        ratio if ratio >= 1.0 => Sampler::AlwaysOn,
        ratio if ratio <= 0.0 => Sampler::AlwaysOff,
        ratio => Sampler::TraceIdRatioBased(ratio),
    };
    if sampling.follow_parent { Sampler::ParentBased(Box::new(root)) } else { root }
}

fn resource(settings: &TraceSettings) -> Resource {
    let own = [
        KeyValue::new("service.name", settings.service_name.clone()),
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("telemetry.sdk.name", "opentelemetry"),
        KeyValue::new("telemetry.sdk.language", "rust"),
    ];
    let given =
        settings.resource.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    Resource::builder_empty().with_attributes(own).with_attributes(given).build()
}

/// What became of spans.
#[derive(Debug, Default)]
struct Counts {
    /// Handed to the queue.
    ended: AtomicU64,
    /// Taken out of the queue for an export.
    taken: AtomicU64,
    failures: Mutex<Failures>,
}

#[derive(Debug, Default)]
struct Failures {
    /// Exports that failed since the last report.
    exports: u64,
    /// The spans in them.
    spans: u64,
    reported: Option<Instant>,
}

impl Counts {
    fn failed(&self, spans: u64, error: &dyn std::fmt::Display) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.exports += 1;
        failures.spans += spans;
        if failures.reported.is_some_and(|at| at.elapsed() < REPORT_INTERVAL) {
            return;
        }
        tracing::warn!(
            exports = failures.exports,
            spans = failures.spans,
            error = %error,
            "the collector does not take spans"
        );
        *failures = Failures { reported: Some(Instant::now()), ..Failures::default() };
    }

    fn succeeded(&self) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.reported.take().is_some() {
            tracing::info!("the collector takes spans again");
            *failures = Failures::default();
        }
    }
}

/// The exporter, with our own words for its failures.
#[derive(Debug)]
struct Reporting {
    inner: opentelemetry_otlp::SpanExporter,
    counts: Arc<Counts>,
}

impl SpanExporter for Reporting {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len() as u64;
        self.counts.taken.fetch_add(spans, Ordering::Relaxed);
        let exported = self.inner.export(batch).await;
        match &exported {
            Ok(()) => self.counts.succeeded(),
            Err(error) => self.counts.failed(spans, error),
        }
        exported
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// The batch queue, with a count of what goes in: it does not report what it drops.
#[derive(Debug)]
struct Counting {
    inner: BatchSpanProcessor,
    counts: Arc<Counts>,
}

impl SpanProcessor for Counting {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.inner.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        self.counts.ended.fetch_add(1, Ordering::Relaxed);
        self.inner.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

#[cfg(test)]
mod tests;
