//! Takes thought signatures out of a request's bytes, for a Gemini that did not give them.
//!
//! A call without one is refused by newer models, so calls get the documented word that says that
//! there is none to be checked.

use bytes::Bytes;

use super::request::SKIP_SIGNATURE;
use crate::fault::RequestFault;
use crate::format::Written;
use crate::ir::Losses;
use crate::json::{Cuts, Spot, quoted};
use crate::sealed::WHY;

/// Google takes both spellings.
const SIGNATURE: [&str; 2] = ["thoughtSignature", "thought_signature"];
const CALL: [&str; 2] = ["functionCall", "function_call"];

/// The request without signatures; `None` if it has none.
///
/// # Errors
/// It is not a JSON object, or has a member twice that is looked at.
pub(super) fn strip(body: &Bytes) -> Result<Option<Written>, RequestFault> {
    let document = Spot::document(body)?;
    let contents = document.list("contents")?;
    let (mut cuts, mut losses) = (Cuts::default(), Losses::default());
    cuts.remove_inner(&contents, "parts", |parts, cuts| {
        parts.iter().map(|part| strip_part(part, cuts, &mut losses)).collect()
    })?;
    if cuts.is_empty() {
        return Ok(None);
    }
    Ok(Some(Written { body: cuts.apply(body), losses }))
}

/// Says whether nothing is left of the part.
fn strip_part(part: &Spot<'_>, cuts: &mut Cuts, losses: &mut Losses) -> Result<bool, RequestFault> {
    let names = part.names()?;
    let has = |wanted: &[&str]| names.iter().any(|name| wanted.contains(&&**name));
    if !has(&SIGNATURE) {
        return Ok(false);
    }
    if !has(&CALL) {
        losses.add("thinking.signature", WHY);
        let is_alone = names.iter().all(|name| SIGNATURE.contains(&&**name) || name == "thought");
        if !is_alone {
            cuts.remove_members(part, &SIGNATURE)?;
        }
        return Ok(is_alone);
    }
    for name in SIGNATURE {
        if let Some(signature) = part.member(name)?
            && part.text(name)? != SKIP_SIGNATURE
        {
            losses.add("tool_calls.signature", WHY);
            cuts.replace(&signature, quoted(SKIP_SIGNATURE));
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_go_and_every_other_byte_stays() {
        let body = r#"{"contents": [{"role":"user","parts":[{"text":"a"}]}, {"role":"model","parts":
            [{"text":"t","thought":true}, {"text" : "b" , "thoughtSignature":"x"},
            {"thoughtSignature":"y","functionCall":{"name":"f","args":{}} },
            {"function_call":{"name":"f"}, "thought_signature": "z"},
            {"functionCall":{"name":"g"}}, {"thoughtSignature":"w"}]}]}"#;
        let expected = r#"{"contents": [{"role":"user","parts":[{"text":"a"}]}, {"role":"model","parts":
            [{"text":"t","thought":true}, {"text" : "b"},
            {"thoughtSignature":"skip_thought_signature_validator","functionCall":{"name":"f","args":{}} },
            {"function_call":{"name":"f"}, "thought_signature": "skip_thought_signature_validator"},
            {"functionCall":{"name":"g"}}]}]}"#;
        let written = strip(&Bytes::from_static(body.as_bytes())).unwrap().unwrap();
        assert_eq!(written.body, expected);
        let lost: Vec<_> = written.losses.iter().map(|loss| &*loss.member).collect();
        assert_eq!(lost, ["thinking.signature", "tool_calls.signature"]);
        assert!(strip(&written.body).unwrap().is_none());
    }
}
