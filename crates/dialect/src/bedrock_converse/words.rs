//! Converse's words for why an answer ended, for tokens and for service tiers, and what they are
//! between formats.

use serde_json::{Map, Value, json};
use weir_types::Usage;

use crate::ir::FinishReason;

/// Every stop reason that clients of the format know.
/// <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseResponse.html>
const STOP_REASONS: [&str; 9] = [
    "end_turn",
    "tool_use",
    "max_tokens",
    "stop_sequence",
    "guardrail_intervened",
    "content_filtered",
    "malformed_model_output",
    "malformed_tool_use",
    "model_context_window_exceeded",
];

/// What a stop reason means.
pub(super) fn finish(word: &str) -> FinishReason {
    match word {
        "end_turn" => FinishReason::Stop,
        "tool_use" => FinishReason::ToolCalls,
        "max_tokens" => FinishReason::Length,
        "stop_sequence" => FinishReason::StopSequence,
        "guardrail_intervened" | "content_filtered" => FinishReason::ContentFilter,
        "malformed_model_output" | "malformed_tool_use" => FinishReason::Error(word.to_owned()),
        "model_context_window_exceeded" => FinishReason::ContextWindow,
        other => FinishReason::Other(other.to_owned()),
    }
}

/// The stop reason that says it; one that clients know, since their SDKs have it as an enumeration.
pub(super) fn stop_reason(finish: &FinishReason) -> &'static str {
    match finish {
        FinishReason::Stop | FinishReason::Pause => "end_turn",
        FinishReason::StopSequence => "stop_sequence",
        FinishReason::Length => "max_tokens",
        FinishReason::ToolCalls => "tool_use",
        FinishReason::ContentFilter | FinishReason::Refusal => "content_filtered",
        FinishReason::ContextWindow => "model_context_window_exceeded",
        FinishReason::Error(_) => "malformed_model_output",
        FinishReason::Other(word) => {
            STOP_REASONS.into_iter().find(|known| known == word).unwrap_or("end_turn")
        }
    }
}

/// `usage` as it stands in answers. `inputTokens` is what neither came from a cache nor went into
/// one; between formats both are part of the input.
pub(super) fn usage(value: &Value) -> Usage {
    let count = |name: &str| value.get(name).and_then(Value::as_u64).unwrap_or(0);
    let cached = count("cacheReadInputTokens");
    let written = count("cacheWriteInputTokens");
    Usage {
        input_tokens: count("inputTokens").saturating_add(cached).saturating_add(written),
        output_tokens: count("outputTokens"),
        cached_input_tokens: cached,
        cache_write_tokens: written,
        reasoning_tokens: 0,
    }
}

/// The same the other way round.
pub(super) fn token_usage(usage: &Usage) -> Value {
    let (cached, written) = (usage.cached_input_tokens, usage.cache_write_tokens);
    let fresh = usage.input_tokens.saturating_sub(cached).saturating_sub(written);
    let mut counts = Map::new();
    counts.insert("inputTokens".to_owned(), json!(fresh));
    counts.insert("outputTokens".to_owned(), json!(usage.output_tokens));
    let total = usage.input_tokens.saturating_add(usage.output_tokens);
    counts.insert("totalTokens".to_owned(), json!(total));
    if cached > 0 || written > 0 {
        counts.insert("cacheReadInputTokens".to_owned(), json!(cached));
        counts.insert("cacheWriteInputTokens".to_owned(), json!(written));
    }
    Value::Object(counts)
}

/// The service tier in OpenAI's words; `None` for one that OpenAI has no word for.
pub(super) fn tier_read(word: &str) -> Option<&'static str> {
    ["default", "priority", "flex"].into_iter().find(|known| *known == word)
}

/// The service tier for one in OpenAI's words; `None` where there is none. `auto` is said by
/// leaving it out.
pub(super) fn tier_written(word: &str) -> Option<&'static str> {
    match word {
        "fast" => Some("priority"),
        word => tier_read(word),
    }
}
