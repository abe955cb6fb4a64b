//! Why an answer ended, and what it cost, in Google's words and in ours.

use serde_json::{Map, Value, json};
use weir_types::Usage;

use crate::ir::{Finish, FinishReason};

/// Words for content that a filter withholds.
const FILTERED: [&str; 12] = [
    "SAFETY",
    "RECITATION",
    "LANGUAGE",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
    "MODEL_ARMOR",
    "ESCALATION",
    "PUP_LIMITED_DISABLED",
];
/// Words for which no other format has one.
const OTHERS: [&str; 8] = [
    "OTHER",
    "MALFORMED_FUNCTION_CALL",
    "MALFORMED_RESPONSE",
    "UNEXPECTED_TOOL_CALL",
    "TOO_MANY_TOOL_CALLS",
    "MISSING_THOUGHT_SIGNATURE",
    "NO_IMAGE",
    "IMAGE_OTHER",
];

/// The end that `word` speaks of; `None` if it says that there is none yet.
pub(super) fn read(word: &str, has_calls: bool) -> Option<Finish> {
    let reason = match word {
        "" | "FINISH_REASON_UNSPECIFIED" => return None,
        "STOP" => FinishReason::Stop,
        // The token limit of one request: the rest is had with a token that only Google knows.
        "MAX_TOKENS" | "CONTINUATION" => FinishReason::Length,
        "UNEXPECTED_TOOL_CALL" if has_calls => FinishReason::ToolCalls,
        word if FILTERED.contains(&word) => FinishReason::ContentFilter,
        word => FinishReason::Other(word.to_owned()),
    };
    Some(Finish::new(reason.with_calls(has_calls)))
}

/// Google's word for `reason`.
pub(super) fn write(reason: &FinishReason) -> &str {
    match reason {
        FinishReason::Stop
        | FinishReason::StopSequence
        | FinishReason::ToolCalls
        | FinishReason::Pause => "STOP",
        FinishReason::Length | FinishReason::ContextWindow => "MAX_TOKENS",
        FinishReason::ContentFilter | FinishReason::Refusal => "SAFETY",
        FinishReason::Other(word) if OTHERS.contains(&word.as_str()) => word,
        FinishReason::Error(_) | FinishReason::Other(_) => "OTHER",
    }
}

/// The tokens that `usageMetadata` reports; all zero if none. Thoughts are apart from the
/// candidates there, and cached tokens are part of the prompt.
pub(super) fn usage(metadata: &Value) -> Usage {
    let count = |camel: &str, snake: &str| {
        metadata.get(camel).or_else(|| metadata.get(snake)).and_then(Value::as_u64).unwrap_or(0)
    };
    let thoughts = count("thoughtsTokenCount", "thoughts_token_count");
    let tools = count("toolUsePromptTokenCount", "tool_use_prompt_token_count");
    Usage {
        input_tokens: count("promptTokenCount", "prompt_token_count").saturating_add(tools),
        output_tokens: count("candidatesTokenCount", "candidates_token_count")
            .saturating_add(thoughts),
        cached_input_tokens: count("cachedContentTokenCount", "cached_content_token_count"),
        cache_write_tokens: 0,
        reasoning_tokens: thoughts,
    }
}

/// `usageMetadata` of `usage`; `None` if nothing is known.
pub(super) fn usage_metadata(usage: &Usage) -> Option<Value> {
    if usage.is_empty() {
        return None;
    }
    let mut metadata = Map::new();
    let mut set = |name: &str, count: u64| {
        metadata.insert(name.to_owned(), json!(count));
    };
    if usage.input_tokens > 0 {
        set("promptTokenCount", usage.input_tokens);
    }
    set("candidatesTokenCount", usage.output_tokens.saturating_sub(usage.reasoning_tokens));
    set("totalTokenCount", usage.input_tokens.saturating_add(usage.output_tokens));
    if usage.cached_input_tokens > 0 {
        set("cachedContentTokenCount", usage.cached_input_tokens);
    }
    if usage.reasoning_tokens > 0 {
        set("thoughtsTokenCount", usage.reasoning_tokens);
    }
    Some(Value::Object(metadata))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_has_a_reason() {
        let reason = |word, calls| read(word, calls).map(|finish| finish.reason);
        assert_eq!(reason("STOP", true), Some(FinishReason::ToolCalls));
        assert_eq!(reason("MAX_TOKENS", true), Some(FinishReason::Length));
        assert_eq!(reason("UNEXPECTED_TOOL_CALL", true), Some(FinishReason::ToolCalls));
        assert_eq!(reason("FINISH_REASON_UNSPECIFIED", false), None);
        for word in FILTERED {
            assert_eq!(reason(word, false), Some(FinishReason::ContentFilter), "{word}");
        }
        for word in OTHERS {
            assert_eq!(write(&reason(word, false).unwrap()), word);
        }
        assert_eq!(write(&FinishReason::Other("compaction".into())), "OTHER");
    }

    #[test]
    fn thoughts_are_part_of_the_output_and_cached_tokens_of_the_input() {
        let metadata = json!({"promptTokenCount": 10, "cachedContentTokenCount": 4,
            "candidatesTokenCount": 5, "thoughtsTokenCount": 7, "totalTokenCount": 22});
        let read = usage(&metadata);
        assert_eq!((read.input_tokens, read.output_tokens), (10, 12));
        assert_eq!((read.cached_input_tokens, read.reasoning_tokens), (4, 7));
        assert_eq!(usage_metadata(&read), Some(metadata));
        assert_eq!(usage_metadata(&Usage::default()), None);
    }
}
