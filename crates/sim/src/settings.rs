//! How a simulated provider behaves when a request asks for nothing special.

use std::time::Duration;

/// Options of one simulated provider. Every one has a flag of `weir sim` (docs/simulator.md).
#[derive(Debug, Clone)]
pub struct Settings {
    /// Time before the head of every answer.
    pub latency: Duration,
    /// Content chunks of a streamed answer, 1 to 10,000.
    pub chunks: u32,
    /// Time between two content chunks.
    pub interval: Duration,
    /// Length of an answer's text in bytes; `None`: a short sentence that repeats the question.
    pub answer_bytes: Option<usize>,
    /// How long a batch takes.
    pub batch_time: Duration,
    /// Length of an embedding when the request names none.
    pub dimensions: usize,
    /// Names that `/v1/models` lists. Any other name is answered as well.
    pub models: Vec<String>,
    /// The only keys that are let in (401 for others); empty: any key, or none at all.
    pub keys: Vec<String>,
    /// How many requests the log holds; the oldest go first. 0 switches the log off.
    pub log_requests: usize,
    /// How many bytes of each request's body the log holds.
    pub log_body_bytes: usize,
    /// Largest request body.
    pub body_bytes_max: usize,
    /// Most connections at a time on one listener; further ones wait.
    pub connections_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        let models = [
            "gpt-4o",
            "gpt-4o-mini",
            "gpt-3.5-turbo-instruct",
            "text-embedding-3-small",
            "text-embedding-3-large",
        ];
        Self {
            latency: Duration::ZERO,
            chunks: 8,
            interval: Duration::ZERO,
            answer_bytes: None,
            batch_time: Duration::from_millis(500),
            dimensions: 1536,
            models: models.map(str::to_owned).to_vec(),
            keys: Vec::new(),
            log_requests: 1000,
            log_body_bytes: 0,
            body_bytes_max: 256 << 20,
            connections_max: 20_000,
        }
    }
}
