//! Prometheus metrics with bounded label sets.

use std::time::Duration;

use weir_types::{FailureClass, Operation, Usage};

/// Everything this process measures.
#[derive(Debug, Default)]
pub struct Metrics {}

/// One finished client request, for metrics and the log line.
#[derive(Debug, Clone)]
pub struct RequestRecord<'a> {
    /// What was asked; `None` for a request that matched no operation.
    pub operation: Option<Operation>,
    /// Who answered, empty if nobody.
    pub provider: &'a str,
    /// The HTTP status the client got.
    pub status: u16,
    /// Whether the answer was a stream.
    pub stream: bool,
    /// From the first byte of the request to the last byte of the answer.
    pub duration: Duration,
    /// From the first byte of the request to the first byte of the answer's body.
    pub first_byte: Option<Duration>,
    /// What it cost.
    pub usage: Usage,
    /// How the answer broke, if it did.
    pub broken: bool,
}

impl Metrics {
    /// Edge: a client request begins.
    pub fn request_started(&self) {}

    /// Edge: a client request ended.
    pub fn request_finished(&self, _record: &RequestRecord<'_>) {}

    /// Router: an upstream try ended or got its head; `class` is `None` for success.
    pub fn attempt(&self, _provider: &str, _key: &str, _class: Option<FailureClass>) {}

    /// Router: a request got its slot after this wait.
    pub fn granted(&self, _provider: &str, _key: &str, _wait: Duration) {}

    /// Router: a request was refused because the buffer is full.
    pub fn dropped(&self, _provider: &str) {}

    /// Router: what the pool looks like.
    pub fn pool(&self, _provider: &str, _leases: u32, _tickets: u32, _cooling: u32) {}

    /// Router: a scope (`endpoint`, `key`, `key_model`) was told to cool.
    pub fn cooled(&self, _provider: &str, _scope: &'static str) {}

    /// Worker: time from sending to the first content.
    pub fn first_token(&self, _provider: &str, _operation: Operation, _after: Duration) {}

    /// Worker: connections to the provider in use.
    pub fn upstream_connections(&self, _provider: &str, _in_use: usize) {}

    /// The exposition text for `/metrics`.
    #[must_use]
    pub fn render(&self) -> String {
        String::new()
    }
}
