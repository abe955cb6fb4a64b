//! What is known of one request, and what is made of it when its last byte has gone: the span's
//! attributes, the metrics and one log line. Written by `Drop`, so that no way out is forgotten;
//! whoever ends a request properly says so before.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use weir_rpc::{ReplyHead, Timings};
use weir_runtime::ClientStall;
use weir_telemetry::{RequestRecord, Span, SpanKind, Telemetry, semconv};
use weir_types::{
    Dialect, Fault, Form, Framing, KeyName, Operation, ProviderName, RequestId, Usage, told,
};

use crate::options;

/// The status that is logged when the client went away before the head; nobody receives it.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The client went away; what a record says if nobody says anything else.
    ClientGone,
    /// The client stopped taking bytes.
    ClientStalled,
    /// All bytes were handed over, those of an error answer too.
    Complete,
    /// The answer broke after its head.
    Broken,
}

impl Outcome {
    const fn label(self) -> &'static str {
        match self {
            Self::ClientGone => "client_gone",
            Self::ClientStalled => "client_stalled",
            Self::Complete => "complete",
            Self::Broken => "broken",
        }
    }
}

/// What is known of a request by its first line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestLine {
    /// `METHOD path`, or the method alone where no route matches.
    pub(crate) route: &'static str,
    /// The format in which the client reads answers and errors.
    pub(crate) dialect: Dialect,
    /// And its form.
    pub(crate) form: Form,
    /// `None` if no route matched.
    pub(crate) operation: Option<Operation>,
}

/// One request under way.
pub(crate) struct Record {
    telemetry: Telemetry,
    span: Span,
    route: &'static str,
    started: Instant,
    first_byte: Option<Duration>,
    outcome: Outcome,
    /// The request's id.
    pub(crate) request_id: RequestId,
    /// The format in which the client reads answers and errors.
    pub(crate) dialect: Dialect,
    /// And its form.
    pub(crate) form: Form,
    /// How the client wants a stream framed.
    pub(crate) framing: Framing,
    /// Tells whether the client's connection stood still.
    stall: Option<ClientStall>,
    /// The name of the client's key; `None` if it presented none.
    pub(crate) client_key: Option<Arc<str>>,
    /// What was asked; `None` if no route matched.
    pub(crate) operation: Option<Operation>,
    /// The model as the client wrote it, empty if it named none.
    pub(crate) model: String,
    /// Whether the client asked for a stream.
    pub(crate) stream: bool,
    /// The status the client gets, 0 until it is known.
    status: u16,
    provider: Option<ProviderName>,
    key: Option<KeyName>,
    attempts: Option<HeaderValue>,
    timings: Timings,
    usage: Usage,
    finish: Option<String>,
    failure: Option<Failure>,
}

struct Failure {
    kind: &'static str,
    message: String,
}

impl Record {
    /// A request that arrived at `started`.
    pub(crate) fn start(
        telemetry: &Telemetry,
        asked: RequestLine,
        parts: &Parts,
        started: Instant,
    ) -> Self {
        let RequestLine { route, dialect, form, operation } = asked;
        telemetry.metrics.request_started();
        let request_id = options::request_id(&parts.headers);
        let trace = options::trace(&parts.headers);
        let mut span = telemetry.tracer.start(&trace, route, SpanKind::Server);
        if span.is_recording() {
            describe(&mut span, parts, route, &request_id);
        }
        Self {
            telemetry: telemetry.clone(),
            span,
            route,
            started,
            first_byte: None,
            outcome: Outcome::ClientGone,
            request_id,
            dialect,
            form,
            framing: Framing::default(),
            stall: parts.extensions.get::<ClientStall>().cloned(),
            client_key: None,
            operation,
            model: String::new(),
            stream: false,
            status: 0,
            provider: None,
            key: None,
            attempts: None,
            timings: Timings::default(),
            usage: Usage::default(),
            finish: None,
            failure: None,
        }
    }

    /// When the request arrived.
    pub(crate) const fn started(&self) -> Instant {
        self.started
    }

    /// The request's span.
    pub(crate) const fn span(&self) -> &Span {
        &self.span
    }

    /// The head of the answer is known.
    pub(crate) fn answered(&mut self, status: u16, head: &ReplyHead) {
        self.status = status;
        self.provider = Some(head.provider.clone());
        self.key = Some(head.key.clone());
        self.timings = head.timings;
    }

    /// The head of an error answer is known.
    pub(crate) fn refused(&mut self, status: u16, fault: &Fault) {
        self.status = status;
        self.failed(fault);
    }

    /// Who answers, or was asked last.
    pub(crate) fn provider(&self) -> Option<&ProviderName> {
        self.provider.as_ref()
    }

    /// Who was asked, for a request that failed.
    pub(crate) fn asked(&mut self, provider: ProviderName, key: KeyName) {
        self.provider = Some(provider);
        self.key = Some(key);
    }

    /// Every try, as the header shows it.
    pub(crate) fn tried(&mut self, attempts: HeaderValue) {
        self.attempts = Some(attempts);
    }

    /// What went wrong.
    pub(crate) fn failed(&mut self, fault: &Fault) {
        let message = fault.detail.message.clone().into_owned();
        self.failure = Some(Failure { kind: fault.code.kind(), message });
    }

    /// What the answer cost and why the model stopped.
    pub(crate) fn cost(&mut self, usage: Usage, finish: Option<String>) {
        self.usage = usage;
        self.finish = finish;
    }

    /// The first byte of the answer's body goes out now.
    pub(crate) fn first_byte(&mut self) {
        self.first_byte = Some(self.started.elapsed());
    }

    /// Ends the request.
    pub(crate) fn ended(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }

    fn write_span(&mut self, status: u16) {
        if !self.span.is_recording() {
            return;
        }
        let span = &mut self.span;
        span.set(semconv::HTTP_RESPONSE_STATUS_CODE, i64::from(status));
        span.set(semconv::WEIR_STREAM, self.stream);
        if !self.model.is_empty() {
            span.set(semconv::WEIR_MODEL, self.model.as_str());
        }
        if let Some(key) = &self.client_key {
            span.set(semconv::WEIR_CLIENT_KEY, &**key);
        }
        if let Some(provider) = &self.provider {
            span.set(semconv::WEIR_PROVIDER, provider.as_str());
        }
        // A mistake of the client is no failure of this server.
        if let Some(failure) = &self.failure
            && (status >= 500 || self.outcome == Outcome::Broken)
        {
            span.fail(failure.kind, &failure.message);
        }
    }

    /// The one log line of this request. Fields that say nothing are left out.
    fn log(&self, status: u16, duration: Duration) {
        let (method, route) = self.route.split_once(' ').unwrap_or((self.route, ""));
        let trace_id = self.span.context().parent.map(|parent| parent.to_string());
        tracing::info!(
            target: "weir::request",
            request_id = self.request_id.as_str(),
            method,
            route = known(route),
            status,
            outcome = self.outcome.label(),
            client_key = self.client_key.as_deref(),
            provider = self.provider.as_deref(),
            key = self.key.as_deref(),
            model = known(&self.model).map(told).as_deref(),
            stream = self.stream,
            attempts = self.attempts.as_ref().and_then(|value| value.to_str().ok()),
            queue_ms = self.timings.queue_us as f64 / 1000.0,
            first_byte_ms = self.first_byte.map(millis),
            duration_ms = millis(duration),
            input_tokens = self.usage.input_tokens,
            output_tokens = self.usage.output_tokens,
            finish = self.finish.as_deref().map(told).as_deref(),
            error = self.failure.as_ref().map(|failure| failure.kind),
            reason = self.failure.as_ref().map(|failure| failure.message.as_str()),
            // Its bytes 3 to 34 are the trace's id.
            trace_id = trace_id.as_deref().and_then(|text| text.get(3..35)),
            "request"
        );
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let duration = self.started.elapsed();
        let has_stalled = self.stall.as_ref().is_some_and(ClientStall::has_happened);
        if self.outcome == Outcome::ClientGone && has_stalled {
            self.outcome = Outcome::ClientStalled;
        }
        let status = if self.status == 0 { CLIENT_CLOSED_REQUEST } else { self.status };
        self.write_span(status);
        self.telemetry.metrics.request_finished(&RequestRecord {
            operation: self.operation,
            client_key: self.client_key.as_deref(),
            provider: self.provider.as_deref().unwrap_or_default(),
            status,
            stream: self.stream,
            duration,
            first_byte: self.first_byte,
            usage: self.usage,
            broken: self.outcome == Outcome::Broken,
        });
        self.log(status, duration);
    }
}

fn describe(span: &mut Span, parts: &Parts, route: &'static str, request_id: &RequestId) {
    span.set(semconv::HTTP_REQUEST_METHOD, parts.method.as_str());
    span.set(semconv::URL_PATH, parts.uri.path());
    span.set(semconv::WEIR_REQUEST_ID, request_id.as_str());
    if let Some((_, path)) = route.split_once(' ') {
        span.set(semconv::HTTP_ROUTE, path);
    }
    if let Some(agent) = user_agent(&parts.headers) {
        span.set(semconv::USER_AGENT_ORIGINAL, agent);
    }
}

fn user_agent(headers: &HeaderMap) -> Option<&str> {
    headers.get(http::header::USER_AGENT)?.to_str().ok()
}

fn known(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// Milliseconds with three digits after the point.
fn millis(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}
