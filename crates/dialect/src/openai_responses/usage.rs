//! Token counts of a response.
//! <https://platform.openai.com/docs/api-reference/responses/object#responses/object-usage>

use serde_json::{Value, json};
use weir_types::Usage;

/// The counts of a `usage` member; `None` if it holds none. What is not a number counts as absent,
/// so that an odd member does not cost the others.
pub(super) fn read(counts: &Value) -> Option<Usage> {
    let count = |name: &str| counts.get(name).and_then(Value::as_u64);
    let detail = |of: &str, name: &str| counts.get(of)?.get(name)?.as_u64();
    let usage = Usage {
        input_tokens: count("input_tokens").unwrap_or(0),
        output_tokens: count("output_tokens").unwrap_or(0),
        cached_input_tokens: detail("input_tokens_details", "cached_tokens").unwrap_or(0),
        cache_write_tokens: detail("input_tokens_details", "cache_write_tokens").unwrap_or(0),
        reasoning_tokens: detail("output_tokens_details", "reasoning_tokens").unwrap_or(0),
    };
    (!usage.is_empty()).then_some(usage)
}

/// As [`read`], of bytes.
pub(super) fn read_raw(raw: &[u8]) -> Option<Usage> {
    read(&serde_json::from_slice(raw).ok()?)
}

/// The member `usage`: `null` where nothing is known, else with every detail, as SDKs demand.
pub(super) fn write(usage: &Usage) -> Value {
    if usage.is_empty() {
        return Value::Null;
    }
    json!({
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cached_input_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": { "reasoning_tokens": usage.reasoning_tokens },
        "total_tokens": usage.input_tokens.saturating_add(usage.output_tokens),
    })
}
