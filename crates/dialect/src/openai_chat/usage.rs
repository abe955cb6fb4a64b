//! Token counts, in the spellings that hosts of this family use.

use serde_json::Value;
use serde_json::value::RawValue;
use weir_types::Usage;

/// The counts of a `usage` member; `None` if it holds none.
pub(super) fn read(raw: &RawValue) -> Option<Usage> {
    let document: Value = serde_json::from_str(raw.get()).ok()?;
    let count = |names: &[&str]| {
        names.iter().find_map(|pointer| document.pointer(pointer)?.as_u64()).unwrap_or(0)
    };
    let usage = Usage {
        input_tokens: count(&["/prompt_tokens", "/input_tokens"]),
        output_tokens: count(&["/completion_tokens", "/output_tokens"]),
        cached_input_tokens: count(&[
            "/prompt_tokens_details/cached_tokens",
            "/input_tokens_details/cached_tokens",
            "/prompt_cache_hit_tokens",
        ]),
        reasoning_tokens: count(&[
            "/completion_tokens_details/reasoning_tokens",
            "/output_tokens_details/reasoning_tokens",
        ]),
    };
    (!usage.is_empty()).then_some(usage)
}

/// The text of a raw value, if it is a string that says something.
pub(super) fn text(raw: Option<&RawValue>) -> Option<String> {
    let text: String = serde_json::from_str(raw?.get()).ok()?;
    (!text.is_empty()).then_some(text)
}
