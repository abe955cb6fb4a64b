//! Why an answer ended, in this format's words.

use crate::ir::{Finish, FinishReason};

/// Why the text is lost that ended an answer.
pub(super) const NO_TEXT: &str = "the client's format does not say which text it was";

/// Reads a finish reason, the words of hosts that have their own included. `stop_text` is the stop
/// text that was met, where the host says it.
pub(super) fn read(word: &str, stop_text: Option<&str>) -> Finish {
    let reason = match word {
        "stop" if stop_text.is_some() => FinishReason::StopSequence,
        "stop" | "eos" | "end_turn" | "COMPLETE" | "STOP" => FinishReason::Stop,
        "stop_sequence" => FinishReason::StopSequence,
        "length" | "max_tokens" | "MAX_TOKENS" => FinishReason::Length,
        "tool_calls" | "function_call" | "tool_use" | "tool_call" => FinishReason::ToolCalls,
        "content_filter" | "safety" => FinishReason::ContentFilter,
        "refusal" => FinishReason::Refusal,
        "model_length" => FinishReason::ContextWindow,
        "error" | "abort" | "insufficient_system_resource" => FinishReason::Error(word.to_owned()),
        other => FinishReason::Other(other.to_owned()),
    };
    Finish { reason, stop_sequence: stop_text.map(str::to_owned) }
}

/// What an answer has, as far as its finish reason depends on it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Holds {
    /// Calls of tools.
    pub(super) calls: bool,
    /// A refusal in words.
    pub(super) refusal: bool,
    /// The calls are written in the older form.
    pub(super) legacy: bool,
}

/// Writes a finish reason: one of the five words that this format has.
pub(super) fn write(reason: &FinishReason, holds: Holds) -> &'static str {
    match reason.clone().with_calls(holds.calls) {
        FinishReason::ToolCalls if holds.legacy => "function_call",
        FinishReason::ToolCalls => "tool_calls",
        FinishReason::Length | FinishReason::ContextWindow => "length",
        FinishReason::ContentFilter => "content_filter",
        FinishReason::Refusal if !holds.refusal => "content_filter",
        FinishReason::Refusal
        | FinishReason::Stop
        | FinishReason::StopSequence
        | FinishReason::Pause
        | FinishReason::Error(_)
        | FinishReason::Other(_) => "stop",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_the_format_survives() {
        let holds = Holds::default();
        for word in ["stop", "length", "tool_calls", "content_filter"] {
            assert_eq!(write(&read(word, None).reason, holds), word);
        }
        let legacy = Holds { calls: true, legacy: true, ..holds };
        assert_eq!(write(&read("function_call", None).reason, legacy), "function_call");
        assert_eq!(write(&FinishReason::Stop, Holds { calls: true, ..holds }), "tool_calls");
        assert_eq!(write(&FinishReason::Length, Holds { calls: true, ..holds }), "length");
        assert_eq!(write(&FinishReason::Refusal, holds), "content_filter");
        assert_eq!(read("stop", Some("END")).stop_sequence.as_deref(), Some("END"));
    }
}
