//! Takes what only its maker can read out of a request's bytes: details of reasoning, signatures of
//! calls and of thinking chunks. What is said in words stays.

use bytes::Bytes;

use crate::fault::RequestFault;
use crate::format::Written;
use crate::ir::Losses;
use crate::json::{Cuts, Spot};
use crate::sealed::WHY;

/// The request without what is sealed; `None` if nothing is.
///
/// # Errors
/// It is not a JSON object, or has a member twice that is looked at.
pub(super) fn strip(body: &Bytes) -> Result<Option<Written>, RequestFault> {
    let document = Spot::document(body)?;
    let (mut cuts, mut losses) = (Cuts::default(), Losses::default());
    for message in document.list("messages")? {
        let details = message.list("reasoning_details")?;
        let mut gone = Vec::with_capacity(details.len());
        for detail in &details {
            let is_gone = strip_block(detail, &mut cuts, &mut losses)?;
            losses.add_if(is_gone, "thinking.redacted", WHY);
            gone.push(is_gone);
        }
        if !gone.is_empty() && gone.iter().all(|gone| *gone) {
            cuts.remove_members(&message, &["reasoning_details"])?;
        } else {
            cuts.remove_elements(&details, &gone);
        }
        for chunk in message.list("content")? {
            strip_block(&chunk, &mut cuts, &mut losses)?;
        }
        for call in message.list("tool_calls")? {
            if call.member("extra_content")?.is_some() {
                losses.add("tool_calls.signature", WHY);
                cuts.remove_members(&call, &["extra_content"])?;
            }
        }
    }
    if cuts.is_empty() {
        return Ok(None);
    }
    Ok(Some(Written { body: cuts.apply(body), losses }))
}

/// Takes the signature out of a block of reasoning; says whether nothing but what is sealed is in it.
fn strip_block(
    block: &Spot<'_>,
    cuts: &mut Cuts,
    losses: &mut Losses,
) -> Result<bool, RequestFault> {
    let kind = block.text("type")?;
    if kind == "reasoning.encrypted" || !(kind == "thinking" || kind.starts_with("reasoning.")) {
        return Ok(kind == "reasoning.encrypted");
    }
    if block.member("signature")?.is_none() {
        return Ok(false);
    }
    losses.add("thinking.signature", WHY);
    let words = ["text", "summary", "thinking"];
    let mut has_words = false;
    for name in words {
        has_words |= block.member(name)?.is_some();
    }
    if has_words {
        cuts.remove_members(block, &["signature"])?;
    }
    Ok(!has_words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seals_go_and_every_other_byte_stays() {
        let body = r#"{"messages": [{"role":"assistant" , "content":[{"type":"thinking","thinking":
            [{"type":"text","text":"a"}], "signature":"x"},{"type":"text","text":"b"}],
            "reasoning_details":[{"type":"reasoning.text","text":"c","signature":"y"} ,
            {"type":"reasoning.encrypted","data":"z"}], "tool_calls":[{"id":"1","type":"function",
            "extra_content":{"google":{"thought_signature":"w"}},"function":{"name":"f"}}]},
            {"role":"assistant","content":"d", "reasoning_details":[{"type":"reasoning.encrypted",
            "data":"v"}]}]}"#;
        let expected = r#"{"messages": [{"role":"assistant" , "content":[{"type":"thinking","thinking":
            [{"type":"text","text":"a"}]},{"type":"text","text":"b"}],
            "reasoning_details":[{"type":"reasoning.text","text":"c"}], "tool_calls":[{"id":"1","type":"function","function":{"name":"f"}}]},
            {"role":"assistant","content":"d"}]}"#;
        let written = strip(&Bytes::from_static(body.as_bytes())).unwrap().unwrap();
        assert_eq!(written.body, expected);
        assert!(strip(&written.body).unwrap().is_none());
    }
}
