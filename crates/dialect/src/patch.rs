//! A request on its way to a provider of the same format: the model's name and what the vendor's
//! quirks demand, spliced into the client's bytes.
//!
//! What does not change is not copied: the result is the pieces between the edits and the edits.

#[cfg(test)]
mod tests;

use std::ops::Range;

use bytes::Bytes;
use memchr::memmem;
use weir_types::Outline;

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
    /// Where the body's members stand, if that is known.
    pub outline: Option<&'a Outline>,
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
    let told = patch.outline.and_then(|outline| Members::outlined(body, outline));
    let members = told.map_or_else(|| Members::scan(body), Ok)?;
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
    let Patch { model, quirks, features, .. } = *patch;
    let mut splices = Splices::default();
    let wanted = quoted(model);
    match members.find("model")? {
        // Nobody was asked for one: what there is of it is the provider's to read.
        _ if model.is_empty() => {}
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
