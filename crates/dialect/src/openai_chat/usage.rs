//! Token counts, in the spellings that hosts of this family use.

use serde_json::value::RawValue;
use serde_json::{Value, json};
use weir_types::Usage;

use crate::json::Members;

/// The counts of a `usage` member; `None` if it holds none. What is not a number counts as absent,
/// so that an odd member does not cost the others.
pub(super) fn read(raw: &[u8]) -> Option<Usage> {
    let counts = Members::scan(raw).ok()?;
    let cached = |name| count(&Members::scan(member(&counts, name)?).ok()?, "cached_tokens");
    let reasoning = |name| count(&Members::scan(member(&counts, name)?).ok()?, "reasoning_tokens");
    let written = |name| count(&Members::scan(member(&counts, name)?).ok()?, "cache_write_tokens");
    let usage = Usage {
        input_tokens: count(&counts, "prompt_tokens")
            .or_else(|| count(&counts, "input_tokens"))
            .unwrap_or(0),
        output_tokens: count(&counts, "completion_tokens")
            .or_else(|| count(&counts, "output_tokens"))
            .unwrap_or(0),
        cached_input_tokens: cached("prompt_tokens_details")
            .or_else(|| cached("input_tokens_details"))
            .or_else(|| count(&counts, "prompt_cache_hit_tokens"))
            .unwrap_or(0),
        cache_write_tokens: written("prompt_tokens_details")
            .or_else(|| written("input_tokens_details"))
            .unwrap_or(0),
        reasoning_tokens: reasoning("completion_tokens_details")
            .or_else(|| reasoning("output_tokens_details"))
            .unwrap_or(0),
    };
    (!usage.is_empty()).then_some(usage)
}

fn member<'a>(of: &Members<'a>, name: &str) -> Option<&'a [u8]> {
    of.raw(name).ok()?
}

fn count(of: &Members<'_>, name: &str) -> Option<u64> {
    std::str::from_utf8(member(of, name)?).ok()?.parse().ok()
}

/// The text of a raw value, if it is a string that says something.
pub(super) fn text(raw: Option<&RawValue>) -> Option<String> {
    let text: String = serde_json::from_str(raw?.get()).ok()?;
    (!text.is_empty()).then_some(text)
}

/// Counts as this format writes them.
pub(super) fn write(usage: &Usage) -> Value {
    json!({
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
