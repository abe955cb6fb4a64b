//! Takes encrypted reasoning out of a request's bytes, for an account that it does not belong to.
//!
//! An item goes as a whole: without the reasoning its id names something that is not there. So does
//! the id of the call that it led to, which the provider would look for it by.

use bytes::Bytes;

use crate::fault::RequestFault;
use crate::format::Written;
use crate::ir::Losses;
use crate::json::{Cuts, Spot};
use crate::sealed::WHY;

/// The request without reasoning that is encrypted; `None` if it has none.
///
/// # Errors
/// It is not a JSON object, or has a member twice that is looked at.
pub(super) fn strip(body: &Bytes) -> Result<Option<Written>, RequestFault> {
    let document = Spot::document(body)?;
    let items = document.list("input")?;
    let mut cuts = Cuts::default();
    let mut gone = Vec::with_capacity(items.len());
    // The call, or the calls, that what has just been taken out led to.
    let mut led_to = false;
    for item in &items {
        let kind = item.text("type")?;
        let is_gone = kind == "reasoning" && !item.text("encrypted_content")?.is_empty();
        let is_call = matches!(kind.as_str(), "function_call" | "custom_tool_call");
        if led_to && is_call {
            cuts.remove_members(item, &["id"])?;
        }
        led_to = is_gone || (led_to && is_call);
        gone.push(is_gone);
    }
    cuts.remove_elements(&items, &gone);
    if cuts.is_empty() {
        return Ok(None);
    }
    let mut losses = Losses::default();
    losses.add("thinking.redacted", WHY);
    Ok(Some(Written { body: cuts.apply(body), losses }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encrypted_reasoning_goes_and_every_other_byte_stays() {
        let body = r#"{"input": [{"role":"user","content":"a"} ,
            {"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"x"},
            {"type":"function_call","id":"fc_1" , "call_id":"c","name":"f","arguments":"{}"},
            {"type":"function_call_output","call_id":"c","output":"b"},
            {"type":"reasoning","id":"rs_2","summary":[]}, {"type":"message","id":"msg_1",
            "role":"assistant","content":[]}], "store":false}"#;
        let expected = r#"{"input": [{"role":"user","content":"a"},
            {"type":"function_call" , "call_id":"c","name":"f","arguments":"{}"},
            {"type":"function_call_output","call_id":"c","output":"b"},
            {"type":"reasoning","id":"rs_2","summary":[]}, {"type":"message","id":"msg_1",
            "role":"assistant","content":[]}], "store":false}"#;
        let written = strip(&Bytes::from_static(body.as_bytes())).unwrap().unwrap();
        assert_eq!(written.body, expected);
        assert!(strip(&written.body).unwrap().is_none());
        assert!(strip(&Bytes::from_static(br#"{"input":"encrypted_content"}"#)).unwrap().is_none());
    }
}
