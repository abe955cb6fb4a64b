//! The way back, whole answers: usage and finish reason, read without building the document.

use serde::de::IgnoredAny;
use weir_types::Usage;

use super::usage;
use crate::json::{Members, elements};

/// What a whole answer says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// Tokens, if reported.
    pub usage: Usage,
    /// The first choice's finish reason.
    pub finish: Option<String>,
    /// The body is an error although its status says success.
    pub is_error: bool,
}

/// The body is not JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the answer is not JSON: {0}")]
pub struct NotJson(String);

/// Reads a whole answer. What is JSON but has an unknown shape says nothing and is no error.
///
/// # Errors
/// The body is not JSON.
pub fn read(body: &[u8]) -> Result<Answer, NotJson> {
    let Ok(document) = Members::scan(body) else {
        return match serde_json::from_slice::<IgnoredAny>(body) {
            Ok(_) => Ok(Answer::default()),
            Err(error) => Err(NotJson(error.to_string())),
        };
    };
    let member = |name| document.raw(name).ok().flatten().filter(|raw| *raw != b"null");
    let choices = member("choices");
    Ok(Answer {
        usage: member("usage").and_then(usage::read).unwrap_or_default(),
        finish: choices.and_then(finish),
        is_error: member("error").is_some() && choices.is_none(),
    })
}

/// The first choice's finish reason.
fn finish(choices: &[u8]) -> Option<String> {
    let first = elements(choices).ok()?.into_iter().next()?;
    let choice = Members::scan(choices.get(first)?).ok()?;
    let text = choice.text("finish_reason").ok()??;
    (!text.is_empty()).then(|| text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_and_finish_are_read() {
        let body = br#"{"id":"x","choices":[{"index":0,"message":{"content":"hi"},
            "finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":4,
            "prompt_tokens_details":{"cached_tokens":2},
            "completion_tokens_details":{"reasoning_tokens":3}}}"#;
        let answer = read(body).unwrap();
        assert_eq!(answer.finish.as_deref(), Some("stop"));
        let expected = Usage {
            input_tokens: 9,
            output_tokens: 4,
            cached_input_tokens: 2,
            reasoning_tokens: 3,
        };
        assert_eq!((answer.usage, answer.is_error), (expected, false));
    }

    #[test]
    fn odd_shapes_are_not_errors_and_broken_bodies_are() {
        assert_eq!(read(br#"{"choices":"?","usage":7}"#), Ok(Answer::default()));
        assert_eq!(read(b"[]"), Ok(Answer::default()));
        assert!(read(br#"{"error":{"message":"no"}}"#).unwrap().is_error);
        assert!(!read(br#"{"error":null,"choices":[]}"#).unwrap().is_error);
        for broken in [&b"<html>"[..], b"", br#"{"choices":["#, br#"{"choices":"?","usage"#] {
            assert!(read(broken).is_err(), "{broken:?}");
        }
    }
}
