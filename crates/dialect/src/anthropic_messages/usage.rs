//! Token counts. Anthropic counts what was read from a cache and what was written to one beside
//! `input_tokens`; the form between formats counts them within.

use serde_json::{Map, Value, json};
use weir_types::Usage;

/// Members of `usage` that only Anthropic has.
pub(super) const OWN: [&str; 4] = ["cache_creation", "server_tool_use", "inference_geo", "speed"];

/// Counts as they stand in a `usage` member; what it lacks is not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    input: Option<u64>,
    cache_read: Option<u64>,
    cache_written: Option<u64>,
    output: Option<u64>,
    thinking: Option<u64>,
}

impl Counts {
    /// The counts of a `usage` member. What is not a number counts as absent, so that an odd member
    /// does not cost the others.
    pub(super) fn of(usage: &Value) -> Self {
        let count = |name: &str| usage.get(name).and_then(Value::as_u64);
        let by_ttl = || {
            let parts = usage.get("cache_creation")?.as_object()?;
            Some(parts.values().filter_map(Value::as_u64).fold(0, u64::saturating_add))
        };
        Self {
            input: count("input_tokens"),
            cache_read: count("cache_read_input_tokens"),
            cache_written: count("cache_creation_input_tokens").or_else(by_ttl),
            output: count("output_tokens"),
            thinking: usage
                .pointer("/output_tokens_details/thinking_tokens")
                .and_then(Value::as_u64),
        }
    }

    /// Takes over what `later` has: counts of a stream are of the whole answer so far.
    pub(super) fn set(&mut self, later: &Self) {
        self.input = later.input.or(self.input);
        self.cache_read = later.cache_read.or(self.cache_read);
        self.cache_written = later.cache_written.or(self.cache_written);
        self.output = later.output.or(self.output);
        self.thinking = later.thinking.or(self.thinking);
    }

    /// In the form between formats.
    pub(super) fn usage(&self) -> Usage {
        let cached = self.cache_read.unwrap_or(0);
        let written = self.cache_written.unwrap_or(0);
        let input = self.input.unwrap_or(0);
        Usage {
            input_tokens: input.saturating_add(cached).saturating_add(written),
            output_tokens: self.output.unwrap_or(0),
            cached_input_tokens: cached,
            cache_write_tokens: written,
            reasoning_tokens: self.thinking.unwrap_or(0),
        }
    }
}

/// The counts as Anthropic writes them. If `is_delta` and nothing is known of the prompt, without
/// `input_tokens` and what belongs to it: a zero would take the place of what was said before.
pub(super) fn write(usage: &Usage, is_delta: bool) -> Map<String, Value> {
    let mut counts = Map::new();
    if usage.input_tokens > 0 || !is_delta {
        let beside = usage.cached_input_tokens.saturating_add(usage.cache_write_tokens);
        counts.insert("input_tokens".into(), json!(usage.input_tokens.saturating_sub(beside)));
        counts.insert("cache_creation_input_tokens".into(), json!(usage.cache_write_tokens));
        counts.insert("cache_read_input_tokens".into(), json!(usage.cached_input_tokens));
    }
    counts.insert("output_tokens".into(), json!(usage.output_tokens));
    if usage.reasoning_tokens > 0 {
        let details = json!({ "thinking_tokens": usage.reasoning_tokens });
        counts.insert("output_tokens_details".into(), details);
    }
    counts
}
