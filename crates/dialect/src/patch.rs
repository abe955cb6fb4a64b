//! A request on its way to a provider of the same format: the model's name and what the vendor's
//! quirks demand, spliced into the client's bytes.
//!
//! What does not change is not copied: the result is the pieces between the edits and the edits.

use std::ops::Range;

use bytes::Bytes;
use memchr::memmem;

use crate::fault::RequestFault;
use crate::ir::Losses;
use crate::json::{JsonFault, Member, Members, Splices, Spot, elements, quoted};
use crate::names::{self, NameRule};
use crate::quirks::Quirks;

/// What is to change.
#[derive(Debug, Clone, Copy)]
pub struct Patch<'a> {
    /// The model as the vendor names it.
    pub model: &'a str,
    /// What the vendor demands.
    pub quirks: &'a Quirks,
    /// Features in trial that go into the body, where [`Quirks::features`] says so.
    pub features: &'a [&'a str],
}

/// A request that is ready to be sent.
#[derive(Debug, Clone, Default)]
pub struct Patched {
    /// The body, in pieces.
    pub parts: Vec<Bytes>,
    /// How many answers it asks for (`n`); 1 if it does not say.
    pub choices: u32,
    /// What the vendor's quirks took out of it.
    pub losses: Losses,
}

impl Patched {
    /// The body in one piece; copied if it is in several.
    #[must_use]
    pub fn joined(&self) -> Bytes {
        match self.parts.as_slice() {
            [] => Bytes::new(),
            [one] => one.clone(),
            parts => parts.concat().into(),
        }
    }
}

/// The request with the model called as `patch` says and the quirks applied; the same bytes, in one
/// piece, where nothing changes.
///
/// # Errors
/// The body is not a JSON object, has two members called `model`, or asks for what the vendor cannot
/// be told.
pub fn apply(body: &Bytes, patch: &Patch<'_>) -> Result<Patched, RequestFault> {
    let members = Members::scan(body)?;
    for (name, harmless) in patch.quirks.refuses {
        if let Some(raw) = members.raw(name)?.filter(|raw| !harmless.contains(raw)) {
            return Err(refused(name, raw));
        }
    }
    let mut losses = Losses::default();
    let parts = parts(body, &members, patch, &mut losses)?;
    let choices = members.raw("n")?.and_then(|raw| std::str::from_utf8(raw).ok()?.parse().ok());
    Ok(Patched { parts, choices: choices.unwrap_or(1), losses })
}

fn refused(name: &'static str, raw: &[u8]) -> RequestFault {
    const SHOWN_MAX: usize = 40;
    let found = String::from_utf8_lossy(raw);
    let found: String = found.chars().take(SHOWN_MAX).collect();
    let text = format!(
        "`{name}` is {found}, which this provider cannot be told, and without it the request would \
         mean something else; leave it out, or send the request to another provider"
    );
    RequestFault::unsupported(name, text)
}

/// Members whose absence takes nothing from a request: the route says whether the answer is streamed
/// and of which model, and hosts that refuse to be asked for usage report it by themselves.
const SAID_OTHERWISE: [&str; 3] = ["model", "stream", "stream_options"];

const REFUSES: &str = "the provider refuses the member";

fn parts(
    body: &Bytes,
    members: &Members<'_>,
    patch: &Patch<'_>,
    losses: &mut Losses,
) -> Result<Vec<Bytes>, JsonFault> {
    let Patch { model, quirks, features } = *patch;
    let mut splices = Splices::default();
    let wanted = quoted(model);
    match members.find("model")? {
        Some(_) if quirks.omits_model => splices.remove_member("model"),
        None if quirks.omits_model => {}
        Some(member) if body.get(member.value.clone()) == Some(&wanted[..]) => {}
        Some(member) => splices.replace(member.value.clone(), wanted),
        None => splices.insert_member("model", wanted),
    }
    if let Some((list, prefix)) = quirks.models_within {
        name_within(body, list, &format!("{prefix}{model}"), &mut splices)?;
    }
    if quirks.change_members() {
        let model_drops: Vec<_> = quirks.drops_for(model).collect();
        for member in members.iter() {
            change(body, members, member, quirks, &model_drops, &mut splices, losses);
        }
    }
    for (name, raw) in quirks.adds {
        if members.find(name)?.is_none() {
            splices.insert_member(name, Bytes::from_static(raw.as_bytes()));
        }
    }
    if let Some(name) = quirks.features.filter(|_| !features.is_empty())
        && members.find(name)?.is_none()
    {
        let names: Vec<_> = features.iter().map(|name| quoted(name)).collect();
        let list = [b"[", names.join(&b","[..]).as_slice(), b"]"].concat();
        splices.insert_member(name, list);
    }
    for name in quirks.block_drops {
        let needle = format!("\"{name}\"");
        if memmem::find(body, needle.as_bytes()).is_some() {
            for list in ["messages", "tools"] {
                if let Some(member) = members.find(list)? {
                    let is_lost = drop_in_list(body, &member.value, name, &mut splices)?;
                    losses.add_if(is_lost, name, REFUSES);
                }
            }
        }
    }
    if let Some(rule) = &quirks.call_ids
        && memmem::find(body, b"\"tool_call").is_some()
    {
        fit_call_ids(body, rule, &mut splices)?;
    }
    Ok(splices.pieces(body, members))
}

/// Calls the model `name` in each object of the list `list`, where it is named.
fn name_within(
    body: &[u8],
    list: &str,
    name: &str,
    splices: &mut Splices,
) -> Result<(), JsonFault> {
    for one in Spot::document(body)?.list(list)? {
        if let Some(named) = one.member("model")? {
            splices.replace(named.range(), quoted(name));
        }
    }
    Ok(())
}

/// Writes ids of calls that `rule` refuses in a form that it takes, the same for call and result. An
/// answer has ids of its own, so there is nothing to be given back.
fn fit_call_ids(body: &[u8], rule: &NameRule, splices: &mut Splices) -> Result<(), JsonFault> {
    let mut found = Vec::new();
    for message in Spot::document(body)?.list("messages")? {
        found.extend(message.member("tool_call_id")?);
        for call in message.list("tool_calls")? {
            found.extend(call.member("id")?);
        }
    }
    let id = |spot: &Spot<'_>| serde_json::from_slice::<String>(spot.raw()).ok();
    let forms = names::forms_of_ids(found.iter().filter_map(id).collect(), rule);
    for spot in found {
        if let Some(form) = id(&spot).and_then(|id| forms.get(&id)) {
            splices.replace(spot.range(), quoted(form));
        }
    }
    Ok(())
}

/// Drops `name` from each object of the list at `range`, and of the lists called `content` there;
/// whether any has it.
fn drop_in_list(
    body: &Bytes,
    range: &Range<usize>,
    name: &str,
    splices: &mut Splices,
) -> Result<bool, JsonFault> {
    let mut is_there = false;
    for element in elements(body.get(range.clone()).unwrap_or_default())? {
        let element = element.start + range.start..element.end + range.start;
        let raw = body.get(element.clone()).unwrap_or_default();
        if raw.first() != Some(&b'{') {
            continue;
        }
        let members = Members::scan(raw)?;
        is_there |= splices.remove_within(&element, &members, name);
        if let Some(content) = members.find("content")? {
            let content = content.value.start + element.start..content.value.end + element.start;
            is_there |= drop_in_list(body, &content, name, splices)?;
        }
    }
    Ok(is_there)
}

fn change(
    body: &Bytes,
    members: &Members<'_>,
    member: &Member,
    quirks: &Quirks,
    model_drops: &[&'static str],
    splices: &mut Splices,
    losses: &mut Losses,
) {
    let name = members.name(member);
    let raw = body.get(member.value.clone()).unwrap_or_default();
    let is_present = |name: &str| members.iter().any(|other| members.name(other) == name);
    if let Some((_, new)) = quirks.renames.iter().find(|(old, _)| name == *old) {
        if is_present(new) {
            splices.remove_member(&name);
        } else {
            splices.replace(member.key.clone(), quoted(new));
        }
        return;
    }
    // Two quotes are not counted.
    let too_long = quirks.text_bytes_max.iter().find(|(limited, bytes_max)| {
        name == *limited && raw.first() == Some(&b'"') && raw.len() > bytes_max + 2
    });
    let mut dropped = quirks.drops.iter().chain(model_drops);
    let dropped = dropped.find(|dropped| name == **dropped);
    if let Some(gone) = too_long.map(|(limited, _)| limited).or(dropped) {
        // What would say something has been refused.
        let is_said = SAID_OTHERWISE.contains(gone)
            || quirks.refuses.iter().any(|(refused, _)| refused == gone);
        let says = raw != b"null" && !is_said;
        losses.add_if(says, gone, REFUSES);
        splices.remove_member(gone);
        return;
    }
    let value = quirks.values.iter().find(|(of, old, _)| name == *of && raw == old.as_bytes());
    let object = quirks.objects.iter().find(|(of, _)| name == *of && raw.first() == Some(&b'{'));
    let with = value.map(|(of, _, new)| (of, new)).or_else(|| object.map(|(of, new)| (of, new)));
    if let Some((of, with)) = with {
        losses.add(*of, "the provider has another word for it, which means nearly the same");
        splices.replace(member.value.clone(), Bytes::copy_from_slice(with.as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quirks::ModelDrops;

    fn patch(body: &Bytes, quirks: &Quirks) -> Result<Patched, RequestFault> {
        apply(body, &Patch { model: "m", quirks, features: &["a-1", "b\"2"] })
    }

    fn patched(body: &'static str, quirks: &Quirks) -> String {
        let patched = patch(&Bytes::from_static(body.as_bytes()), quirks).unwrap();
        String::from_utf8(patched.joined().to_vec()).unwrap()
    }

    #[test]
    fn only_the_model_changes() {
        let none = Quirks::NONE;
        let body =
            "{ \"messages\": [ {\"content\":\"\\u00e9\"} ],\"model\" :\"openai/x\", \"n\":1 }";
        assert_eq!(patched(body, &none), body.replace("\"openai/x\"", "\"m\""));
        assert_eq!(patched("{}", &none), "{\"model\":\"m\"}");
        let same = Bytes::from_static(br#"{"model":"m"}"#);
        let pieces = patch(&same, &none).unwrap().parts;
        assert_eq!((pieces.len(), pieces[0].as_ptr()), (1, same.as_ptr()));
        assert!(patch(&Bytes::from_static(br#"{"model":"a","model":"b"}"#), &none).is_err());
    }

    #[test]
    fn quirks_are_applied() {
        let changes = Quirks {
            renames: &[("max_completion_tokens", "max_tokens")],
            drops: &["store"],
            model_drops: &[ModelDrops { prefixes: &["m"], except: &["x"], drops: &["stop"] }],
            values: &[("reasoning_effort", "\"minimal\"", "\"low\"")],
            objects: &[("tool_choice", "\"any\"")],
            block_drops: &[],
            text_bytes_max: &[("user", 3)],
            ..Quirks::NONE
        };
        let body = r#"{"model":"m","max_completion_tokens":5,"store":true,"stop":["x"],
            "reasoning_effort":"minimal","tool_choice":{"type":"function"},"user":"abcd"}"#;
        assert_eq!(
            patched(body, &changes).replace(char::is_whitespace, ""),
            r#"{"model":"m","max_tokens":5,"reasoning_effort":"low","tool_choice":"any"}"#
        );
        let lost = |body: &'static str| {
            let patched = patch(&Bytes::from_static(body.as_bytes()), &changes).unwrap();
            let lost = patched.losses.iter().map(|loss| loss.member.to_string());
            lost.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(lost(body), "reasoning_effort stop store tool_choice user");
        assert_eq!(lost(r#"{"model":"m","max_completion_tokens":5,"store":null}"#), "");
        let kept = r#"{"model":"m","max_tokens":7,"tool_choice":"auto","user":"abc"}"#;
        assert_eq!(patched(kept, &changes), kept);
        let both = r#"{"model":"m","max_completion_tokens":5,"max_tokens":7}"#;
        assert_eq!(patched(both, &changes), r#"{"model":"m","max_tokens":7}"#);
    }

    #[test]
    fn members_of_blocks_are_dropped_and_schemas_left_alone() {
        let changes = Quirks { block_drops: &["cache_control"], ..Quirks::NONE };
        let body = r#"{"model":"m","messages":[{"role":"user","cache_control":{},"content":[
            {"cache_control":{"type":"ephemeral"},"type":"text","text":"\"cache_control\""}]},
            {"role":"user","content":"cache_control"}],"tools":[{"type":"function",
            "cache_control":1,"function":{"parameters":{"cache_control":{"type":"string"}}}}]}"#;
        let expected = r#"{"model":"m","messages":[{"role":"user","content":[
            {"type":"text","text":"\"cache_control\""}]},
            {"role":"user","content":"cache_control"}],"tools":[{"type":"function",
            "function":{"parameters":{"cache_control":{"type":"string"}}}}]}"#;
        let plain = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(plain(&patched(body, &changes)), plain(expected));
        let odd = r#"{"model":"m","messages":"cache_control","tools":[1,"cache_control",[]]}"#;
        assert_eq!(patched(odd, &changes), odd);
    }

    #[test]
    fn ids_of_calls_are_made_to_fit_alike_and_others_stay() {
        let rule = NameRule { bytes_max: 9, beside: Some(""), is_exact: true };
        let changes = Quirks { call_ids: Some(rule), ..Quirks::NONE };
        let body = r#"{"model":"m","messages":[{"role":"assistant","tool_calls":[ {"id" : "toolu_01ABC",
            "type":"function","function":{"name":"f","arguments":"{\"id\":\"toolu_01ABC\"}"}},
            {"id":"abcdefghi","function":{"name":"f"}},{"id":"","function":{"name":"g"}}]},
            {"role":"tool", "tool_call_id":"toolu_01ABC","content":"toolu_01ABC"},
            {"role":"tool","tool_call_id":"abcdefghi","content":"\u00e9"}]}"#;
        let expected = body
            .replace(r#""id" : "toolu_01ABC""#, r#""id" : "ngv3z99cq""#)
            .replace(r#""tool_call_id":"toolu_01ABC""#, r#""tool_call_id":"ngv3z99cq""#);
        assert_eq!(patched(body, &changes), expected);
        assert_eq!(patched(body, &Quirks::NONE), body);
        let fine = r#"{"model":"m","messages":[{"role":"tool","tool_call_id":"abcdefghi"}]}"#;
        assert_eq!(patched(fine, &changes), fine);
    }

    #[test]
    fn a_long_prompt_is_not_copied_for_a_name() {
        let text = format!(r#"{{"model":"other","messages":["{}"],"n":3}}"#, "x".repeat(10_000));
        let body = Bytes::from(text);
        let patched = patch(&body, &Quirks::NONE).unwrap();
        assert_eq!((patched.parts.len(), patched.choices), (3, 3));
        let tail = patched.parts.last().unwrap();
        assert_eq!(tail.as_ptr(), body[body.len() - tail.len()..].as_ptr());
    }

    #[test]
    fn what_the_vendor_cannot_be_told_is_refused_unless_it_says_nothing() {
        let bound = Quirks {
            refuses: &[("geo", &[b"null", b"\"global\""])],
            drops: &["geo"],
            ..Quirks::NONE
        };
        assert_eq!(patched(r#"{"model":"m","geo":"global"}"#, &bound), r#"{"model":"m"}"#);
        let fault = patch(&Bytes::from_static(br#"{"model":"m","geo":"us"}"#), &bound).unwrap_err();
        assert_eq!((fault.param.as_deref(), fault.is_targets), (Some("geo"), true));
        assert!(fault.message.contains("\"us\""), "{fault}");
    }

    #[test]
    fn features_stand_in_the_body_where_the_vendor_wants_them_there() {
        let there = Quirks { features: Some("beta"), ..Quirks::NONE };
        let body = r#"{"model":"m","x":{}}"#;
        assert_eq!(patched(body, &there), r#"{"model":"m","x":{},"beta":["a-1","b\"2"]}"#);
        assert_eq!(patched(body, &Quirks::NONE), body);
        let own = r#"{"model":"m","beta":["mine"]}"#;
        assert_eq!(patched(own, &there), own);
    }

    #[test]
    fn the_model_is_called_alike_in_each_request_of_a_batch() {
        let quirks = Quirks {
            omits_model: true,
            models_within: Some(("requests", "models/")),
            ..Quirks::NONE
        };
        let body = r#"{"requests": [{"model" :"models/gemini/e", "content":{"parts":[{"text":"\u00e9"}]}},
            {"content":{"parts":[]},"x":1.0}], "model":"gemini/e"}"#;
        let expected = r#"{"requests": [{"model" :"models/m", "content":{"parts":[{"text":"\u00e9"}]}},
            {"content":{"parts":[]},"x":1.0}]}"#;
        assert_eq!(patched(body, &quirks), expected);
        let one = r#"{"content":{"model":"x"}}"#;
        assert_eq!(patched(one, &quirks), one);
    }

    #[test]
    fn the_model_leaves_the_body_where_it_stands_in_the_path() {
        let quirks = Quirks {
            omits_model: true,
            adds: &[("anthropic_version", "\"vertex-2023-10-16\"")],
            ..Quirks::NONE
        };
        let body = r#"{"model":"a","max_tokens":1}"#;
        let expected = r#"{"max_tokens":1,"anthropic_version":"vertex-2023-10-16"}"#;
        assert_eq!(patched(body, &quirks), expected);
        let own = r#"{"anthropic_version":"x"}"#;
        assert_eq!(patched(own, &quirks), own);
    }
}
