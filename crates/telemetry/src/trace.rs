//! Spans, explicit instead of ambient: a parent is an argument, a child a value.

use weir_types::TraceContext;

/// Starts spans. The default one is off.
#[derive(Debug, Clone, Default)]
pub struct Tracer {}

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
    /// A whole number.
    Int(i64),
    /// Yes or no.
    Bool(bool),
}

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

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl Tracer {
    /// Starts a span below `parent`. When tracing is off, the span is empty and its context is
    /// the parent's, so that a client's trace still reaches the provider.
    #[must_use]
    pub fn start(&self, parent: &TraceContext, _name: &'static str, _kind: SpanKind) -> Span {
        Span { context: parent.clone() }
    }
}

/// A span; ends when dropped.
#[derive(Debug)]
pub struct Span {
    context: TraceContext,
}

impl Span {
    /// What the next span or hop takes as its parent.
    #[must_use]
    pub fn context(&self) -> &TraceContext {
        &self.context
    }

    /// Whether anybody will see it; lets callers skip making values.
    #[must_use]
    pub fn is_recording(&self) -> bool {
        false
    }

    /// Sets an attribute.
    pub fn set(&mut self, _key: &'static str, _value: impl Into<Value>) {}

    /// Renames the span once more is known (`chat gpt-4o`).
    pub fn rename(&mut self, _name: String) {}

    /// Marks the span as failed; `kind` becomes `error.type`.
    pub fn fail(&mut self, _kind: &str, _message: &str) {}

    /// Adds a moment with attributes.
    pub fn event(&mut self, _name: &'static str, _attributes: &[(&'static str, Value)]) {}
}
