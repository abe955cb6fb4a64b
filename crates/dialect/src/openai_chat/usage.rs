//! Token counts, in the spellings that hosts of this family use.

use serde::Deserialize;
use serde_json::value::RawValue;
use weir_types::Usage;

/// Members are kept raw: a host that writes something else than a number into one of them must
/// not cost the others.
#[derive(Deserialize)]
struct Counts<'a> {
    #[serde(borrow)]
    prompt_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    input_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    completion_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    output_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    prompt_cache_hit_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    prompt_tokens_details: Option<&'a RawValue>,
    #[serde(borrow)]
    input_tokens_details: Option<&'a RawValue>,
    #[serde(borrow)]
    completion_tokens_details: Option<&'a RawValue>,
    #[serde(borrow)]
    output_tokens_details: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Details<'a> {
    #[serde(borrow)]
    cached_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning_tokens: Option<&'a RawValue>,
}

/// The counts of a `usage` member; `None` if it holds none.
pub(super) fn read(raw: &RawValue) -> Option<Usage> {
    let counts: Counts<'_> = serde_json::from_str(raw.get()).ok()?;
    let details = |raw: Option<&'_ RawValue>, pick: fn(Details<'_>) -> Option<u64>| {
        pick(serde_json::from_str(raw?.get()).ok()?)
    };
    let cached = |raw| details(raw, |details| count(details.cached_tokens));
    let reasoning = |raw| details(raw, |details| count(details.reasoning_tokens));
    let usage = Usage {
        input_tokens: count(counts.prompt_tokens)
            .or_else(|| count(counts.input_tokens))
            .unwrap_or(0),
        output_tokens: count(counts.completion_tokens)
            .or_else(|| count(counts.output_tokens))
            .unwrap_or(0),
        cached_input_tokens: cached(counts.prompt_tokens_details)
            .or_else(|| cached(counts.input_tokens_details))
            .or_else(|| count(counts.prompt_cache_hit_tokens))
            .unwrap_or(0),
        reasoning_tokens: reasoning(counts.completion_tokens_details)
            .or_else(|| reasoning(counts.output_tokens_details))
            .unwrap_or(0),
    };
    (!usage.is_empty()).then_some(usage)
}

fn count(raw: Option<&RawValue>) -> Option<u64> {
    raw?.get().parse().ok()
}

/// The text of a raw value, if it is a string that says something.
pub(super) fn text(raw: Option<&RawValue>) -> Option<String> {
    let text: String = serde_json::from_str(raw?.get()).ok()?;
    (!text.is_empty()).then_some(text)
}
