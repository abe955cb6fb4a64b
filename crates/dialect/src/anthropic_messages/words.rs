//! Words that stand for things in more than one place: why an answer ends, how urgent it is.

use crate::ir::{Finish, FinishReason};

/// Reads `stop_reason` and `stop_sequence`.
pub(super) fn finish(reason: &str, stop_sequence: Option<&str>) -> Finish {
    let reason = match reason {
        "end_turn" => FinishReason::Stop,
        "stop_sequence" => FinishReason::StopSequence,
        "max_tokens" => FinishReason::Length,
        "tool_use" => FinishReason::ToolCalls,
        "pause_turn" => FinishReason::Pause,
        "refusal" => FinishReason::Refusal,
        "model_context_window_exceeded" => FinishReason::ContextWindow,
        other => FinishReason::Other(other.to_owned()),
    };
    Finish { reason, stop_sequence: stop_sequence.map(str::to_owned) }
}

/// The word for the end of an answer with or without calls of tools.
pub(super) fn stop_reason(reason: &FinishReason, has_calls: bool) -> &'static str {
    match reason.clone().with_calls(has_calls) {
        FinishReason::StopSequence => "stop_sequence",
        FinishReason::Length => "max_tokens",
        FinishReason::ToolCalls => "tool_use",
        FinishReason::Pause => "pause_turn",
        FinishReason::ContentFilter | FinishReason::Refusal => "refusal",
        FinishReason::ContextWindow => "model_context_window_exceeded",
        FinishReason::Other(word) if word == "compaction" => "compaction",
        // SDKs know a closed list of words: one that none of them stands for is an end.
        FinishReason::Other(_) if has_calls => "tool_use",
        FinishReason::Stop | FinishReason::Error(_) | FinishReason::Other(_) => "end_turn",
    }
}

/// OpenAI's word for what a request asks of the service tier.
pub(super) fn tier_asked(tier: &str) -> Option<&'static str> {
    match tier {
        "auto" => Some("auto"),
        "standard_only" => Some("default"),
        _ => None,
    }
}

/// OpenAI's word for the tier that served an answer.
pub(super) fn tier_served(tier: &str) -> &str {
    if tier == "standard" { "default" } else { tier }
}
