//! Takes thoughts out of a request's bytes, for a Claude that did not have them, or not so.
//!
//! A thought without its signature is refused as well, so a block goes as a whole. Manual thinking
//! demands that a turn of calls begins with a thought: without one it is not asked for.

use bytes::Bytes;

use crate::fault::RequestFault;
use crate::format::Written;
use crate::ir::Losses;
use crate::json::{Cuts, JsonFault, Spot};
use crate::sealed::WHY;

/// The request without thoughts; `None` if it has none.
///
/// # Errors
/// It is not a JSON object, or has a member twice that is looked at.
pub(super) fn strip(body: &Bytes) -> Result<Option<Written>, RequestFault> {
    let document = Spot::document(body)?;
    let messages = document.list("messages")?;
    let (mut cuts, mut losses) = (Cuts::default(), Losses::default());
    cuts.remove_inner(&messages, "content", |blocks, _| {
        let kinds = blocks.iter().map(|block| block.text("type"));
        let kinds = kinds.collect::<Result<Vec<_>, _>>()?;
        losses.add_if(kinds.iter().any(|kind| kind == "thinking"), "thinking.signature", WHY);
        let is_redacted = kinds.iter().any(|kind| kind == "redacted_thinking");
        losses.add_if(is_redacted, "thinking.redacted", WHY);
        Ok::<_, JsonFault>(kinds.iter().map(|kind| is_thought(kind)).collect())
    })?;
    if cuts.is_empty() {
        return Ok(None);
    }
    let thinking = document.member("thinking")?;
    if let Some(thinking) = thinking
        && thinking.text("type")? == "enabled"
        && is_turn_of_calls(&messages)?
    {
        cuts.remove_members(&document, &["thinking"])?;
        losses.add("thinking", "the turn that goes on does not begin with a thought any more");
    }
    Ok(Some(Written { body: cuts.apply(body), losses }))
}

fn is_thought(kind: &str) -> bool {
    matches!(kind, "thinking" | "redacted_thinking")
}

/// Whether the model's last turn goes on.
fn is_turn_of_calls(messages: &[Spot<'_>]) -> Result<bool, JsonFault> {
    for message in messages.iter().rev() {
        match message.text("role")?.as_str() {
            "assistant" => return Ok(true),
            "system" => {}
            _ => {
                let blocks = message.list("content")?;
                let kinds = blocks.iter().map(|block| block.text("type"));
                let kinds = kinds.collect::<Result<Vec<_>, _>>()?;
                if !kinds.iter().any(|kind| kind == "tool_result") {
                    return Ok(false);
                }
            }
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stripped(body: &'static str) -> Option<(String, Vec<String>)> {
        let written = strip(&Bytes::from_static(body.as_bytes())).unwrap()?;
        let lost = written.losses.iter().map(|loss| loss.member.clone().into_owned()).collect();
        Some((String::from_utf8(written.body.to_vec()).unwrap(), lost))
    }

    #[test]
    fn thoughts_go_and_every_other_byte_stays() {
        let body = r#"{ "model":"c",  "max_tokens": 9, "messages": [ {"role":"user","content":"\u00e9"},
            {"role":"assistant", "content":[ {"type":"thinking","thinking":"a","signature":"x"} ,
            {"data":"y","type":"redacted_thinking"}, {"type":"text", "text":"b" } ]} ,
            {"role":"user","content":"c"} ], "thinking":{"type":"enabled","budget_tokens":1024}}"#;
        let expected = r#"{ "model":"c",  "max_tokens": 9, "messages": [ {"role":"user","content":"\u00e9"},
            {"role":"assistant", "content":[ {"type":"text", "text":"b" } ]} ,
            {"role":"user","content":"c"} ], "thinking":{"type":"enabled","budget_tokens":1024}}"#;
        let (found, lost) = stripped(body).unwrap();
        assert_eq!(found, expected);
        assert_eq!(lost, ["thinking.redacted", "thinking.signature"]);
        assert_eq!(stripped(r#"{"messages":[{"role":"assistant","content":"a"}]}"#), None);
    }

    #[test]
    fn a_turn_of_calls_goes_on_without_manual_thinking() {
        let with = |thinking: &str| {
            format!(
                r#"{{"messages":[{{"role":"user","content":"a"}},{{"role":"assistant","content":[
                {{"type":"thinking","thinking":"","signature":"x"}},{{"type":"tool_use","id":"1",
                "name":"f","input":{{}}}}]}},{{"role":"user","content":[{{"type":"tool_result",
                "tool_use_id":"1"}}]}}],"thinking":{thinking},"max_tokens":9}}"#
            )
        };
        for (thinking, stays) in [
            (r#"{"type":"enabled","budget_tokens":1024}"#, false),
            (r#"{"type":"adaptive"}"#, true),
        ] {
            let written = strip(&Bytes::from(with(thinking))).unwrap().unwrap();
            let left: serde_json::Value = serde_json::from_slice(&written.body).unwrap();
            assert_eq!(left.get("thinking").is_some(), stays, "{left}");
            assert_eq!(written.losses.iter().any(|loss| loss.member == "thinking"), !stays);
            assert_eq!(left["messages"][1]["content"].as_array().unwrap().len(), 1);
        }
    }

    #[test]
    fn a_turn_that_only_thought_goes() {
        let body = r#"{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":[
            {"type":"redacted_thinking","data":"x"}]},{"role":"user","content":"b"}]}"#;
        let expected =
            r#"{"messages":[{"role":"user","content":"a"},{"role":"user","content":"b"}]}"#;
        assert_eq!(stripped(body).unwrap().0, expected);
    }
}
