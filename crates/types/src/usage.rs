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
    /// The part of `input_tokens` that was written to a provider's cache.
    pub cache_write_tokens: u64,
    /// The part of `output_tokens` that was reasoning.
    pub reasoning_tokens: u64,
}

impl Usage {
    /// Takes over every count that `later` has. Reports within one stream are of the whole answer
    /// so far: they are set, never added.
    pub const fn update(&mut self, later: &Self) {
        const fn set(count: &mut u64, later: u64) {
            if later > 0 {
                *count = later;
            }
        }
        set(&mut self.input_tokens, later.input_tokens);
        set(&mut self.output_tokens, later.output_tokens);
        set(&mut self.cached_input_tokens, later.cached_input_tokens);
        set(&mut self.cache_write_tokens, later.cache_write_tokens);
        set(&mut self.reasoning_tokens, later.reasoning_tokens);
    }

    /// Whether the provider reported anything.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.input_tokens == 0 && self.output_tokens == 0
    }
}
