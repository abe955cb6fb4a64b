//! Takes what only its maker can read out of a request's bytes: details of reasoning, signatures of
//! calls and of thinking chunks. What is said in words stays.

use std::sync::LazyLock;

use bytes::Bytes;
use memchr::memmem::Finder;
use weir_types::Dialect;

use super::{call, hosts};
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
        cut_details(&message, &mut cuts, |detail, cuts| {
            let is_gone = strip_block(detail, cuts, &mut losses)?;
            losses.add_if(is_gone, "thinking.redacted", WHY);
            Ok(is_gone)
        })?;
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

/// Members in which seals of other formats travel.
static CARRIERS: LazyLock<[Finder<'static>; 2]> =
    LazyLock::new(|| ["reasoning_details", "extra_content"].map(Finder::new));

/// The request without what other formats have sealed: details of reasoning that stand under another
/// format's name, and signatures of calls. What such a detail says in words stands beside it, too.
/// `None` if there is nothing of the kind.
///
/// # Errors
/// It is not a JSON object, or has a member twice that is looked at.
pub(super) fn strip_foreign(body: &Bytes, vendor: &str) -> Result<Option<Written>, RequestFault> {
    // Most requests have neither, and this is on the way of all of them.
    if !CARRIERS.iter().any(|name| name.find(body).is_some()) {
        return Ok(None);
    }
    let takes_googles = hosts::of(vendor).extra_content;
    let document = Spot::document(body)?;
    let (mut cuts, mut losses) = (Cuts::default(), Losses::default());
    for message in document.list("messages")? {
        cut_details(&message, &mut cuts, |detail, _| {
            let is_gone = is_anothers(&detail.text("format")?);
            let is_redacted = detail.text("type")? == "reasoning.encrypted";
            let lost = if is_redacted { "thinking.redacted" } else { "thinking.signature" };
            losses.add_if(is_gone, lost, WHY);
            Ok(is_gone)
        })?;
        for called in message.list("tool_calls")? {
            let Some(extra) = called.member("extra_content")? else { continue };
            let owners = extra.names()?;
            let is_gone = owners.iter().any(|owner| match &**owner {
                call::GOOGLE => !takes_googles,
                other => is_anothers(other),
            });
            if is_gone {
                losses.add("tool_calls.signature", WHY);
                cuts.remove_members(&called, &["extra_content"])?;
            }
        }
    }
    Ok((!cuts.is_empty()).then(|| Written { body: cuts.apply(body), losses }))
}

/// Takes out the details of reasoning that `is_gone` says it of; with the last one their member, too.
fn cut_details(
    message: &Spot<'_>,
    cuts: &mut Cuts,
    mut is_gone: impl FnMut(&Spot<'_>, &mut Cuts) -> Result<bool, RequestFault>,
) -> Result<(), RequestFault> {
    let details = message.list("reasoning_details")?;
    let gone: Vec<_> =
        details.iter().map(|detail| is_gone(detail, cuts)).collect::<Result<_, _>>()?;
    if !gone.is_empty() && gone.iter().all(|gone| *gone) {
        cuts.remove_members(message, &["reasoning_details"])?;
    } else {
        cuts.remove_elements(&details, &gone);
    }
    Ok(())
}

/// Whether `name` is that of another format.
fn is_anothers(name: &str) -> bool {
    Dialect::from_label(name).is_some_and(|dialect| dialect != Dialect::OpenAiChat)
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

    #[test]
    fn what_other_formats_sealed_goes_and_a_hosts_own_stays() {
        let left = |body: &'static str, vendor: &str| {
            strip_foreign(&Bytes::from_static(body.as_bytes()), vendor).unwrap().map(|written| {
                let lost: Vec<_> = written.losses.iter().map(|loss| &*loss.member).collect();
                (String::from_utf8(written.body.to_vec()).unwrap(), lost.join(" "))
            })
        };
        for (details, expected, lost) in [
            (
                r#"[{"type":"reasoning.text","text":"a","signature":"s","format":"anthropic_messages"}]"#,
                r#"{"messages":[{"role":"assistant","content":"b"}]}"#,
                "thinking.signature",
            ),
            (
                r#"[{"type":"reasoning.encrypted","data":"s","format":"openai_responses"} ,{"type":"reasoning.text","text":"a"}]"#,
                r#"{"messages":[{"role":"assistant","content":"b","reasoning_details":[{"type":"reasoning.text","text":"a"}]}]}"#,
                "thinking.redacted",
            ),
            (
                r#"[{"type":"reasoning.text","text":"a","signature":"s","format":"anthropic-claude-v1"},{"type":"reasoning.encrypted","data":"s","format":"bedrock_converse"}]"#,
                r#"{"messages":[{"role":"assistant","content":"b","reasoning_details":[{"type":"reasoning.text","text":"a","signature":"s","format":"anthropic-claude-v1"}]}]}"#,
                "thinking.redacted",
            ),
        ] {
            let body = format!(
                r#"{{"messages":[{{"role":"assistant","content":"b","reasoning_details":{details}}}]}}"#
            );
            let body = Box::leak(body.into_boxed_str());
            let expected = Some((expected.to_owned(), lost.to_owned()));
            assert_eq!(left(body, "openrouter"), expected);
            assert_eq!(left(body, "openai"), expected);
        }
        let own = r#"{"messages":[{"role":"assistant","reasoning_details":[{"type":
            "reasoning.encrypted","data":"s","format":"google-gemini-v1"},{"text":"a"}]}],
            "extra_content":{"anthropic_messages":1}}"#;
        assert_eq!(left(own, "openrouter"), None);
        let call = r#"{"messages":[{"tool_calls":[{"id":"1","extra_content":{"google":{"thought_signature":"s"}}}]}]}"#;
        assert_eq!(left(call, "gemini"), None);
        let bare = r#"{"messages":[{"tool_calls":[{"id":"1"}]}]}"#;
        let expected = Some((bare.to_owned(), "tool_calls.signature".to_owned()));
        assert_eq!(left(call, "openai"), expected);
        let call = r#"{"messages":[{"tool_calls":[{"id":"1","extra_content":{"anthropic_messages":{"thought_signature":"s"}}}]}]}"#;
        assert_eq!(left(call, "gemini"), expected);
    }
}
