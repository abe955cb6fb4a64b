//! What a whole answer says about itself, read without building the document.

use serde::de::IgnoredAny;
use serde_json::Value;

use super::super::finish;
use crate::fault::AnswerFault;
use crate::format::AnswerFacts;
use crate::json::{Members, elements};

/// Reads a whole answer. What is JSON but has an unknown shape says nothing and is no error.
///
/// # Errors
/// The body is not JSON.
pub(in super::super) fn observe(body: &[u8]) -> Result<AnswerFacts, AnswerFault> {
    let Ok(document) = Members::scan(body) else {
        return match serde_json::from_slice::<IgnoredAny>(body) {
            // Errors may come in a list of one.
            Ok(_) => Ok(AnswerFacts { is_error: is_error_list(body), ..AnswerFacts::default() }),
            Err(error) => Err(AnswerFault::NotJson(error.to_string())),
        };
    };
    let either = |camel: &str, snake: &str| {
        let raw = |name| document.raw(name).ok().flatten().filter(|raw| *raw != b"null");
        raw(camel).or_else(|| raw(snake))
    };
    let metadata = either("usageMetadata", "usage_metadata");
    let metadata: Option<Value> = metadata.and_then(|raw| serde_json::from_slice(raw).ok());
    let candidates = either("candidates", "candidates");
    let feedback = either("promptFeedback", "prompt_feedback");
    let blocked = || word(feedback?, "blockReason", "block_reason");
    Ok(AnswerFacts {
        usage: metadata.as_ref().map(finish::usage).unwrap_or_default(),
        finish: candidates.and_then(finish_reason).or_else(blocked),
        is_error: either("error", "error").is_some() && candidates.is_none(),
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

fn is_error_list(body: &[u8]) -> bool {
    let Ok(ranges) = elements(body) else { return false };
    let [one] = ranges.as_slice() else { return false };
    let members = body.get(one.clone()).and_then(|raw| Members::scan(raw).ok());
    members.is_some_and(|members| matches!(members.raw("error"), Ok(Some(_))))
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
