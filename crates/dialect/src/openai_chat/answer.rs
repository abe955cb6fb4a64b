//! The way back, whole answers: usage and finish reason, read without building the document.

pub(super) mod read;
pub(super) mod write;

pub(super) use read::read;
pub(super) use write::write;

use super::usage;
use crate::fault::AnswerFault;
use crate::format::AnswerFacts;
use crate::json::Members;
use crate::whole;

/// Reads a whole answer. What is JSON but has an unknown shape says nothing and is no error.
///
/// # Errors
/// The body is not JSON.
pub(super) fn observe(body: &[u8]) -> Result<AnswerFacts, AnswerFault> {
    whole::observe(body, |document| AnswerFacts {
        usage: document.raw("usage").and_then(usage::read).unwrap_or_default(),
        finish: document.raw("choices").and_then(finish),
        is_error: false,
        id: None,
    })
}

/// The first choice's finish reason.
fn finish(choices: &[u8]) -> Option<String> {
    let choice = Members::first_of(choices).ok()?;
    let text = choice.text("finish_reason").ok()??;
    (!text.is_empty()).then(|| text.into_owned())
}

#[cfg(test)]
mod tests {
    use weir_types::Usage;

    use super::*;

    #[test]
    fn usage_and_finish_are_observe() {
        let body = br#"{"id":"x","choices":[{"index":0,"message":{"content":"hi"},
            "finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":4,
            "prompt_tokens_details":{"cached_tokens":2},
            "completion_tokens_details":{"reasoning_tokens":3}}}"#;
        let answer = observe(body).unwrap();
        assert_eq!(answer.finish.as_deref(), Some("stop"));
        let expected = Usage {
            input_tokens: 9,
            output_tokens: 4,
            cached_input_tokens: 2,
            reasoning_tokens: 3,
            ..Usage::default()
        };
        assert_eq!((answer.usage, answer.is_error), (expected, false));
    }

    #[test]
    fn odd_shapes_are_not_errors_and_broken_bodies_are() {
        assert_eq!(observe(br#"{"choices":"?","usage":7}"#), Ok(AnswerFacts::default()));
        assert_eq!(observe(b"[]"), Ok(AnswerFacts::default()));
        assert!(observe(br#"{"error":{"message":"no"}}"#).unwrap().is_error);
        assert!(!observe(br#"{"error":null,"choices":[]}"#).unwrap().is_error);
        for broken in [&b"<html>"[..], b"", br#"{"choices":["#, br#"{"choices":"?","usage"#] {
            assert!(observe(broken).is_err(), "{broken:?}");
        }
    }
}
