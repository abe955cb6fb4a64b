//! Takes reasoning out of a request's bytes, for a model that did not have it, or not so.
//!
//! Claude refuses a thought without its signature as well, so a block goes as a whole. Its manual
//! thinking demands that a turn of calls begins with a thought: without one it is not asked for.

use bytes::Bytes;

use crate::fault::RequestFault;
use crate::format::Written;
use crate::ir::Losses;
use crate::json::{Cuts, JsonFault, Spot};
use crate::sealed::WHY;

/// The request without reasoning; `None` if it has none.
///
/// # Errors
/// It is not a JSON object, or has a member twice that is looked at.
pub(super) fn strip(body: &Bytes) -> Result<Option<Written>, RequestFault> {
    let document = Spot::document(body)?;
    let messages = document.list("messages")?;
    let (mut cuts, mut losses) = (Cuts::default(), Losses::default());
    cuts.remove_inner(&messages, "content", |blocks, _| {
        let reasoning = blocks.iter().map(|block| block.member("reasoningContent"));
        let reasoning = reasoning.collect::<Result<Vec<_>, _>>()?;
        for block in reasoning.iter().flatten() {
            let is_redacted = block.member("redactedContent")?.is_some();
            let member = if is_redacted { "thinking.redacted" } else { "thinking.signature" };
            losses.add(member, WHY);
        }
        Ok::<_, JsonFault>(reasoning.iter().map(Option::is_some).collect())
    })?;
    if cuts.is_empty() {
        return Ok(None);
    }
    if let Some(fields) = document.member("additionalModelRequestFields")?
        && let Some(thinking) = fields.member("thinking")?
        && thinking.text("type")? == "enabled"
        && is_turn_of_calls(&messages)?
    {
        cuts.remove_members(&fields, &["thinking"])?;
        losses.add("thinking", "the turn that goes on does not begin with a thought any more");
    }
    Ok(Some(Written { body: cuts.apply(body), losses }))
}

/// Whether the model's last turn goes on.
fn is_turn_of_calls(messages: &[Spot<'_>]) -> Result<bool, JsonFault> {
    let Some(last) = messages.last() else { return Ok(false) };
    if last.text("role")? == "assistant" {
        return Ok(true);
    }
    for block in last.list("content")? {
        if block.member("toolResult")?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasoning_goes_and_every_other_byte_stays() {
        let body = r#"{"messages": [{"role":"user","content":[{"text":"a"}]}, {"role":"assistant",
            "content":[{"reasoningContent":{"reasoningText":{"text":"b","signature":"x"}}} ,
            {"text" : "c"} , {"reasoningContent":{"redactedContent":"eA=="}}]},
            {"role":"user","content":[{"text":"d"}]}] , "inferenceConfig":{"maxTokens": 9}}"#;
        let expected = r#"{"messages": [{"role":"user","content":[{"text":"a"}]}, {"role":"assistant",
            "content":[{"text" : "c"}]},
            {"role":"user","content":[{"text":"d"}]}] , "inferenceConfig":{"maxTokens": 9}}"#;
        let written = strip(&Bytes::from_static(body.as_bytes())).unwrap().unwrap();
        assert_eq!(written.body, expected);
        let lost: Vec<_> = written.losses.iter().map(|loss| &*loss.member).collect();
        assert_eq!(lost, ["thinking.redacted", "thinking.signature"]);
        assert!(strip(&written.body).unwrap().is_none());
    }

    #[test]
    fn a_turn_of_calls_goes_on_without_manual_thinking() {
        let body = r#"{"messages":[{"role":"user","content":[{"text":"a"}]},{"role":"assistant",
            "content":[{"reasoningContent":{"reasoningText":{"text":"b","signature":"x"}}},
            {"toolUse":{"toolUseId":"1","name":"f","input":{}}}]},{"role":"user","content":[
            {"toolResult":{"toolUseId":"1","content":[]}}]}],"additionalModelRequestFields":
            {"thinking":{"type":"enabled","budget_tokens":1024},"top_k":3}}"#;
        let written = strip(&Bytes::from_static(body.as_bytes())).unwrap().unwrap();
        let left: serde_json::Value = serde_json::from_slice(&written.body).unwrap();
        assert_eq!(left["additionalModelRequestFields"], serde_json::json!({"top_k": 3}));
    }
}
