//! Tokens of a prediction: in its `metrics`, or in the log of models that only write them there.

use serde_json::Value;
use weir_types::Usage;

/// What a prediction says of its tokens; all zero if it says nothing.
pub(super) fn of(prediction: &Value) -> Usage {
    let metric =
        |name: &str| prediction.pointer("/metrics").and_then(|all| all.get(name)?.as_u64());
    let log = prediction.get("logs").and_then(Value::as_str).unwrap_or_default();
    let count = |name: &str, words: &str| metric(name).or_else(|| logged(log, words)).unwrap_or(0);
    Usage {
        input_tokens: count("input_token_count", "Input token count:"),
        output_tokens: count("output_token_count", "Output token count:"),
        reasoning_tokens: count("reasoning_token_count", "Reasoning tokens:"),
        ..Usage::default()
    }
}

/// The number behind `words` where they stand last.
fn logged(log: &str, words: &str) -> Option<u64> {
    let (_, after) = log.rsplit_once(words)?;
    let after = after.trim_start();
    let end = after.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(after.len());
    after.get(..end)?.parse().ok()
}
