//! What a whole answer says about itself, read without building the document.

use serde_json::Value;

use super::super::finish;
use crate::fault::AnswerFault;
use crate::format::AnswerFacts;
use crate::json::{Members, elements};
use crate::whole;

/// Reads a whole answer. What is JSON but has an unknown shape says nothing and is no error.
///
/// # Errors
/// The body is not JSON.
pub(in super::super) fn observe(body: &[u8]) -> Result<AnswerFacts, AnswerFault> {
    whole::observe(body, |document| {
        let either = |camel, snake| document.raw(camel).or_else(|| document.raw(snake));
        let metadata = either("usageMetadata", "usage_metadata");
        let metadata: Option<Value> = metadata.and_then(|raw| serde_json::from_slice(raw).ok());
        let feedback = either("promptFeedback", "prompt_feedback");
        let blocked = || word(feedback?, "blockReason", "block_reason");
        AnswerFacts {
            usage: metadata.as_ref().map(finish::usage).unwrap_or_default(),
            finish: document.raw("candidates").and_then(finish_reason).or_else(blocked),
            is_error: false,
            id: None,
        }
    })
}

fn finish_reason(candidates: &[u8]) -> Option<String> {
    let first = elements(candidates).ok()?.into_iter().next()?;
    word(candidates.get(first)?, "finishReason", "finish_reason")
}

fn word(object: &[u8], camel: &str, snake: &str) -> Option<String> {
    let members = Members::scan(object).ok()?;
    let text = |name| members.text(name).ok().flatten().filter(|text| !text.is_empty());
    text(camel).or_else(|| text(snake)).map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_shapes_are_not_errors_and_broken_bodies_are() {
        assert_eq!(observe(br#"{"candidates":"?","usageMetadata":7}"#), Ok(AnswerFacts::default()));
        assert_eq!(observe(b"[]"), Ok(AnswerFacts::default()));
        assert!(observe(br#"[{"error":{"code":429}}]"#).unwrap().is_error);
        assert!(observe(br#"{"error":{"code":429}}"#).unwrap().is_error);
        for broken in [&b"<html>"[..], b"", br#"{"candidates":["#] {
            assert!(observe(broken).is_err(), "{broken:?}");
        }
        let blocked = observe(br#"{"promptFeedback":{"blockReason":"SAFETY"}}"#).unwrap();
        assert_eq!(blocked.finish.as_deref(), Some("SAFETY"));
    }
}
