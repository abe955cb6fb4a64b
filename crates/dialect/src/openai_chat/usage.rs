//! Token counts, in the spellings that hosts of this family use.

use serde_json::value::RawValue;
use serde_json::{Value, json};
use weir_types::Usage;

use crate::json::Members;

/// The counts of a `usage` member; `None` if it holds none. What is not a number counts as absent,
/// so that an odd member does not cost the others.
pub(super) fn read(raw: &[u8]) -> Option<Usage> {
    let counts = Members::part(raw).ok()?;
    let details = |name| Members::part(member(&counts, name)?).ok();
    let input = details("prompt_tokens_details").or_else(|| details("input_tokens_details"));
    let output = details("completion_tokens_details").or_else(|| details("output_tokens_details"));
    let of_input = |name| input.as_ref().and_then(|details| count(details, name));
    let usage = Usage {
        input_tokens: count(&counts, "prompt_tokens")
            .or_else(|| count(&counts, "input_tokens"))
            .unwrap_or(0),
        output_tokens: count(&counts, "completion_tokens")
            .or_else(|| count(&counts, "output_tokens"))
            .unwrap_or(0),
        cached_input_tokens: of_input("cached_tokens")
            .or_else(|| count(&counts, "prompt_cache_hit_tokens"))
            .unwrap_or(0),
        cache_write_tokens: of_input("cache_write_tokens").unwrap_or(0),
        reasoning_tokens: output
            .and_then(|details| count(&details, "reasoning_tokens"))
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
