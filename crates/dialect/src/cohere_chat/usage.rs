//! Token counts: `usage` of a chat answer and `meta` of the others, which have one shape.
//!
//! `tokens` is what the model saw and wrote, `billed_units` what is paid for; the latter stands in
//! where a host leaves the former out. Cached tokens are part of the input tokens.

use serde_json::{Map, Value, json};
use weir_types::Usage;

/// The counts of a `usage` or `meta` member; `None` if it holds none.
pub(super) fn read(usage: &Value) -> Option<Usage> {
    let of = |group: &str, name: &str| count(usage.get(group)?.get(name)?).filter(|n| *n > 0);
    let media = || {
        let text = of("billed_units", "text_tokens").unwrap_or(0);
        text.checked_add(of("billed_units", "image_tokens").unwrap_or(0))
    };
    let input = of("tokens", "input_tokens").or_else(|| of("billed_units", "input_tokens"));
    let output = of("tokens", "output_tokens").or_else(|| of("billed_units", "output_tokens"));
    let usage = Usage {
        input_tokens: input.or_else(media).unwrap_or(0),
        output_tokens: output.unwrap_or(0),
        cached_input_tokens: usage.get("cached_tokens").and_then(count).unwrap_or(0),
        ..Usage::default()
    };
    (!usage.is_empty()).then_some(usage)
}

/// Counts are numbers with a fraction in Cohere's schema.
fn count(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| {
        let float = value.as_f64()?;
        // Up to 2^53 every whole number is one float.
        (0.0..=9_007_199_254_740_992.0).contains(&float).then_some(float as u64)
    })
}

/// `usage` of a chat answer; `None` if nothing is known. What Cohere would bill is not known for
/// another's answer: clients that read `billed_units` find the same counts there.
pub(super) fn write(usage: &Usage) -> Option<Value> {
    (!usage.is_empty()).then(|| {
        let counts = json!({
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
        });
        let mut members = Map::new();
        members.insert("billed_units".to_owned(), counts.clone());
        members.insert("tokens".to_owned(), counts);
        if usage.cached_input_tokens > 0 {
            members.insert("cached_tokens".to_owned(), json!(usage.cached_input_tokens));
        }
        Value::Object(members)
    })
}

/// `meta` of an answer that is no chat.
pub(super) fn write_meta(usage: &Usage) -> Value {
    let mut meta = json!({ "api_version": { "version": "2" } });
    if !usage.is_empty() {
        meta["billed_units"] = json!({ "input_tokens": usage.input_tokens });
    }
    meta
}
