//! Token counts, in the spellings that hosts of this family use.

use serde_json::Value;
use serde_json::value::RawValue;
use weir_types::Usage;

use crate::json;

/// The counts of a `usage` member; `None` if it holds none. What is not a number counts as absent,
/// so that an odd member does not cost the others.
pub(super) fn read(raw: &[u8]) -> Option<Usage> {
    let mut counts = Counts::default();
    json::each_member(raw, |name, value| match name {
        b"prompt_tokens" => counts.input = number(value).or(counts.input),
        b"input_tokens" => counts.input = counts.input.or_else(|| number(value)),
        b"completion_tokens" => counts.output = number(value).or(counts.output),
        b"output_tokens" => counts.output = counts.output.or_else(|| number(value)),
        b"prompt_cache_hit_tokens" => counts.cached = counts.cached.or_else(|| number(value)),
        b"prompt_tokens_details" | b"input_tokens_details" => counts.read_input(value),
        b"completion_tokens_details" | b"output_tokens_details" => counts.read_output(value),
        _ => {}
    })
    .ok()?;
    let usage = Usage {
        input_tokens: counts.input.unwrap_or(0),
        output_tokens: counts.output.unwrap_or(0),
        cached_input_tokens: counts.cached.unwrap_or(0),
        cache_write_tokens: counts.cache_write,
        reasoning_tokens: counts.reasoning,
    };
    (!usage.is_empty()).then_some(usage)
}

/// What was found so far.
#[derive(Default)]
struct Counts {
    input: Option<u64>,
    output: Option<u64>,
    cached: Option<u64>,
    cache_write: u64,
    reasoning: u64,
}

impl Counts {
    // Details that are not an object say nothing.
    fn read_input(&mut self, details: &[u8]) {
        let _none = json::each_member(details, |name, value| match name {
            b"cached_tokens" => self.cached = number(value).or(self.cached),
            b"cache_write_tokens" => self.cache_write = number(value).unwrap_or(self.cache_write),
            _ => {}
        });
    }

    fn read_output(&mut self, details: &[u8]) {
        let _none = json::each_member(details, |name, value| {
            if name == b"reasoning_tokens" {
                self.reasoning = number(value).unwrap_or(self.reasoning);
            }
        });
    }
}

fn number(raw: &[u8]) -> Option<u64> {
    std::str::from_utf8(raw).ok()?.parse().ok()
}

/// The text of a raw value, if it is a string that says something.
pub(super) fn text(raw: Option<&RawValue>) -> Option<String> {
    let text: String = serde_json::from_str(raw?.get()).ok()?;
    (!text.is_empty()).then_some(text)
}

/// Counts as this format writes them.
pub(super) fn write(usage: &Usage) -> Value {
    serde_json::json!({
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens.saturating_add(usage.output_tokens),
        "prompt_tokens_details": {
            "cached_tokens": usage.cached_input_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    })
}

/// The counts of a `usage` member that has been built.
pub(super) fn of(value: &Value) -> Option<Usage> {
    read(value.to_string().as_bytes())
}
