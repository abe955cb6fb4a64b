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
    usual(body).map_or_else(|| leisurely(body), Ok)
}

fn leisurely(body: &[u8]) -> Result<AnswerFacts, AnswerFault> {
    whole::observe(body, |document| AnswerFacts {
        usage: document.raw("usage").and_then(usage::read).unwrap_or_default(),
        finish: document.raw("choices").and_then(finish),
        is_error: false,
        id: None,
    })
}

/// The same of an answer as they mostly are, in one pass. What occurs twice is unusual.
fn usual(body: &[u8]) -> Option<AnswerFacts> {
    let mut facts = AnswerFacts::default();
    let (mut usages, mut lists, mut finishes) = (0, 0, 0);
    whole::glance(body, |cursor, name| match name {
        b"usage" => {
            usages += 1;
            facts.usage = usage::take(cursor).unwrap_or_default();
        }
        b"choices" => {
            lists += 1;
            cursor.elements(|cursor, index| {
                if index > 0 {
                    return;
                }
                cursor.members(|cursor, name| {
                    if name == b"finish_reason" {
                        finishes += 1;
                        facts.finish =
                            cursor.text().filter(|text| !text.is_empty()).map(str::to_owned);
                    }
                });
            });
        }
        _ => {}
    })?;
    (usages <= 1 && lists <= 1 && finishes <= 1).then_some(facts)
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
    fn the_usual_is_found_in_one_pass_and_the_rest_without() {
        let usual_ones = [
            r#"{"object":"chat.completion","choices":[{"finish_reason":"stop","message":{"content":"a\n"}},7],
                "usage":{"prompt_tokens":9,"prompt_tokens":null,"completion_tokens_details":{"reasoning_tokens":3}}}"#,
            r#"{"choices":[{"finish_reason":null}],"usage":null,"error":null}"#,
            r#"{"choices":[[{"finish_reason":"no"}]],"usage":[1]}"#,
            r#"{"choices":[{"finish_reason":""},{"finish_reason":"no"}],"usage":{}}"#,
            r#"{"choices":{"finish_reason":"no"}}"#,
            "{}",
        ];
        let others = [
            r#"{"choices":[{"finish_reason":"stop","finish_reason":"stop"}]}"#,
            r#"{"usage":{"prompt_tokens":9},"usage":{"prompt_tokens":7}}"#,
            r#"{"\u0075sage":{"prompt_tokens":9}}"#,
            r#"{"usage":{"prompt_\u0074okens":9}}"#,
            r#"{"choices":[{"finish_\u0072eason":"stop"}]}"#,
            r#"{"choices":[{"finish_reason":"st\u006fp"}]}"#,
            r#"{"error":{"message":"no"}}"#,
            r#"{"type":"error"}"#,
            r#"{"error":"","choices":[{"finish_reason":"stop"}]}"#,
            "[]",
        ];
        for body in usual_ones {
            assert_eq!(usual(body.as_bytes()), Some(leisurely(body.as_bytes()).unwrap()), "{body}");
        }
        for body in others {
            assert_eq!(usual(body.as_bytes()), None, "{body}");
            assert_eq!(observe(body.as_bytes()), leisurely(body.as_bytes()), "{body}");
        }
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
