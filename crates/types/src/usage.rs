//! Token counts of one answer, as the provider reported them.

/// Tokens, 0 where the provider said nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt, cached ones included.
    pub input_tokens: u64,
    /// Tokens of the answer, reasoning included.
    pub output_tokens: u64,
    /// The part of `input_tokens` that was read from a provider's cache.
    pub cached_input_tokens: u64,
    /// The part of `output_tokens` that was reasoning.
    pub reasoning_tokens: u64,
}

impl Usage {
    /// Whether the provider reported anything.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.input_tokens == 0 && self.output_tokens == 0
    }
}
