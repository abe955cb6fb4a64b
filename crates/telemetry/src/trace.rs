//! Spans, explicit instead of ambient: a parent is an argument, a child a value.
//!
//! Requests move between threads and processes, so no span hides in a thread-local. Without an
//! exporter a [`Tracer`] is empty: starting a span copies the parent's context and nothing else,
//! and the client's trace still reaches the provider.

use std::borrow::Cow;
use std::str::FromStr;

use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanId, Status, TraceContextExt, TraceFlags, TraceId,
    TraceState, Tracer as _,
};
use opentelemetry::{Array, Context, KeyValue};
use opentelemetry_sdk::trace::{SdkTracer, Span as SdkSpan};
use weir_types::{TraceContext, TraceParent, told};

use crate::semconv;

/// Starts spans. The default one is off.
#[derive(Debug, Clone, Default)]
pub struct Tracer {
    sdk: Option<SdkTracer>,
}

/// Which side of a call a span is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// Serves a remote caller.
    Server,
    /// Calls a remote service.
    Client,
    /// Neither.
    Internal,
}

/// An attribute's value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Text.
    Text(String),
    /// Text that is known when compiling; costs no copy.
    Label(&'static str),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// Yes or no.
    Bool(bool),
    /// Several texts.
    Texts(Vec<String>),
}

/// A span; ends when dropped.
#[derive(Debug)]
pub struct Span {
    context: TraceContext,
    /// Boxed, so that futures that hold a span stay small; absent if it will not be exported.
    sdk: Option<Box<SdkSpan>>,
}

impl Tracer {
    pub(crate) const fn new(sdk: SdkTracer) -> Self {
        Self { sdk: Some(sdk) }
    }

    /// Whether spans are exported at all.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.sdk.is_some()
    }

    /// Starts a span below `parent`. When tracing is off, the span is empty and its context is
    /// the parent's, so that a client's trace still reaches the provider.
    #[must_use]
    pub fn start(&self, parent: &TraceContext, name: &'static str, kind: SpanKind) -> Span {
        let Some(tracer) = &self.sdk else {
            return Span { context: parent.clone(), sdk: None };
        };
        let builder = SpanBuilder::from_name(name).with_kind(kind.into());
        let span = tracer.build_with_context(builder, &sdk_context(parent, kind));
        let own = span.span_context();
        let context = if own.is_valid() {
            TraceContext { parent: Some(trace_parent(own)), state: parent.state.clone() }
        } else {
            // After shutdown the SDK hands out empty spans.
            parent.clone()
        };
        let sdk = span.is_recording().then(|| Box::new(span));
        Span { context, sdk }
    }
}

impl Span {
    /// What the next span or hop takes as its parent.
    #[must_use]
    pub fn context(&self) -> &TraceContext {
        &self.context
    }

    /// Whether it will be exported; lets callers skip making values.
    #[must_use]
    pub fn is_recording(&self) -> bool {
        self.sdk.is_some()
    }

    /// Sets an attribute.
    pub fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        if let Some(span) = &mut self.sdk {
            span.set_attribute(KeyValue::new(key, sdk_value(value.into())));
        }
    }

    /// Renames the span once more is known (`chat gpt-4o`).
    pub fn rename(&mut self, name: String) {
        if let Some(span) = &mut self.sdk {
            span.update_name(bounded(name));
        }
    }

    /// Marks the span as failed; `kind` becomes `error.type`.
    pub fn fail(&mut self, kind: &str, message: &str) {
        if let Some(span) = &mut self.sdk {
            span.set_attribute(KeyValue::new(semconv::ERROR_TYPE, told(kind).into_owned()));
            span.set_status(Status::error(told(message).into_owned()));
        }
    }

    /// Adds a moment with attributes.
    pub fn event(&mut self, name: &'static str, attributes: &[(&'static str, Value)]) {
        if let Some(span) = &mut self.sdk {
            let attributes = attributes
                .iter()
                .map(|(key, value)| KeyValue::new(*key, sdk_value(value.clone())))
                .collect();
            span.add_event(Cow::Borrowed(name), attributes);
        }
    }
}

// === impl Value ===

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Float(number)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<Vec<String>> for Value {
    fn from(texts: Vec<String>) -> Self {
        Self::Texts(texts)
    }
}

// === impl SpanKind ===

impl From<SpanKind> for opentelemetry::trace::SpanKind {
    fn from(kind: SpanKind) -> Self {
        match kind {
            SpanKind::Server => Self::Server,
            SpanKind::Client => Self::Client,
            SpanKind::Internal => Self::Internal,
        }
    }
}

fn sdk_value(value: Value) -> opentelemetry::Value {
    match value {
        Value::Text(text) => bounded(text).into(),
        Value::Label(text) => text.into(),
        Value::Int(number) => number.into(),
        Value::Float(number) => number.into(),
        Value::Bool(truth) => truth.into(),
        Value::Texts(texts) => {
            let texts = texts.into_iter().map(|text| bounded(text).into()).collect();
            opentelemetry::Value::Array(Array::String(texts))
        }
    }
}

fn bounded(text: String) -> String {
    match told(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(cut) => cut,
    }
}

/// A parent as the SDK wants it. A server span's parent lives in another process.
fn sdk_context(parent: &TraceContext, kind: SpanKind) -> Context {
    let Some(id) = &parent.parent else {
        return Context::new();
    };
    // A state that does not parse is dropped here and still passed on by us, untouched.
    let state = parent.state.as_deref().and_then(|state| TraceState::from_str(state).ok());
    Context::new().with_remote_span_context(SpanContext::new(
        TraceId::from_bytes(id.trace_id),
        SpanId::from_bytes(id.span_id),
        TraceFlags::new(id.flags),
        kind == SpanKind::Server,
        state.unwrap_or_default(),
    ))
}

fn trace_parent(context: &SpanContext) -> TraceParent {
    TraceParent {
        trace_id: context.trace_id().to_bytes(),
        span_id: context.span_id().to_bytes(),
        flags: context.trace_flags().to_u8(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn off_passes_the_context_on_unchanged() {
        let tracer = Tracer::default();
        let parent = TraceContext {
            parent: TraceParent::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"),
            state: Some(Arc::from("vendor=a:b,other=c")),
        };
        assert!(parent.parent.is_some());
        let mut span = tracer.start(&parent, "edge", SpanKind::Server);
        assert!(!tracer.is_on());
        assert!(!span.is_recording());
        span.set("k", "v");
        span.rename("other".to_owned());
        span.fail("kind", "message");
        span.event("moment", &[("k", Value::Int(1))]);
        assert_eq!(span.context(), &parent);
        let state = span.context().state.as_ref();
        assert!(state.zip(parent.state.as_ref()).is_some_and(|(a, b)| Arc::ptr_eq(a, b)));

        let none = tracer.start(&TraceContext::default(), "edge", SpanKind::Server);
        assert_eq!(none.context(), &TraceContext::default());
    }
}
