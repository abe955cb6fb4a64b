//! The way in: the model's name and what a host's quirks demand, spliced into the client's bytes.

use std::ops::Range;

use bytes::Bytes;
use memchr::memmem;

use crate::json::{JsonFault, Member, Members, Splices, elements, quoted};

/// What a host demands, applied in this order. Names are those of top-level members.
#[derive(Debug, Clone, Copy, Default)]
pub struct Changes<'a> {
    /// Old name, new name. A member that already has the new name wins.
    pub renames: &'a [(&'a str, &'a str)],
    /// Removed.
    pub drops: &'a [&'a str],
    /// Removed too: what depends on the model.
    pub more_drops: &'a [&'a str],
    /// Member, JSON text to replace, JSON text to put in its place.
    pub values: &'a [(&'a str, &'a str, &'a str)],
    /// Member, JSON text that replaces its value if that is an object.
    pub objects: &'a [(&'a str, &'a str)],
    /// Removed from messages, from the blocks of their content, and from tools.
    pub block_drops: &'a [&'a str],
    /// String members that are dropped when longer than so many bytes.
    pub text_bytes_max: &'a [(&'a str, usize)],
}

/// The request with the model called `model` and the changes applied; the same bytes where
/// nothing changes.
///
/// # Errors
/// The body is not a JSON object, or has two members called `model`.
pub fn patch(body: &Bytes, model: &str, changes: &Changes<'_>) -> Result<Bytes, JsonFault> {
    let members = Members::scan(body)?;
    let mut splices = Splices::default();
    let wanted = quoted(model);
    match members.find("model")? {
        Some(member) if body.get(member.value.clone()) == Some(&wanted[..]) => {}
        Some(member) => splices.replace(member.value.clone(), wanted),
        None => splices.insert_member("model", wanted),
    }
    for member in members.iter() {
        change(body, &members, member, changes, &mut splices);
    }
    for name in changes.block_drops {
        let needle = format!("\"{name}\"");
        if memmem::find(body, needle.as_bytes()).is_some() {
            for list in ["messages", "tools"] {
                if let Some(member) = members.find(list)? {
                    drop_in_list(body, &member.value, name, &mut splices)?;
                }
            }
        }
    }
    Ok(splices.apply(body, &members))
}

/// Drops `name` from each object of the list at `range`, and of the lists called `content` there.
fn drop_in_list(
    body: &Bytes,
    range: &Range<usize>,
    name: &str,
    splices: &mut Splices,
) -> Result<(), JsonFault> {
    for element in elements(body.get(range.clone()).unwrap_or_default())? {
        let element = element.start + range.start..element.end + range.start;
        let raw = body.get(element.clone()).unwrap_or_default();
        if raw.first() != Some(&b'{') {
            continue;
        }
        let members = Members::scan(raw)?;
        splices.remove_within(&element, &members, name);
        if let Some(content) = members.find("content")? {
            let content = content.value.start + element.start..content.value.end + element.start;
            drop_in_list(body, &content, name, splices)?;
        }
    }
    Ok(())
}

fn change(
    body: &Bytes,
    members: &Members<'_>,
    member: &Member,
    changes: &Changes<'_>,
    splices: &mut Splices,
) {
    let name = members.name(member);
    let raw = body.get(member.value.clone()).unwrap_or_default();
    let is_present = |name: &str| members.iter().any(|other| members.name(other) == name);
    if let Some((_, new)) = changes.renames.iter().find(|(old, _)| name == *old) {
        if is_present(new) {
            splices.remove_member(&name);
        } else {
            splices.replace(member.key.clone(), quoted(new));
        }
        return;
    }
    // Two quotes are not counted.
    let is_too_long = changes.text_bytes_max.iter().any(|(limited, bytes_max)| {
        name == *limited && raw.first() == Some(&b'"') && raw.len() > bytes_max + 2
    });
    if is_too_long || changes.drops.contains(&&*name) || changes.more_drops.contains(&&*name) {
        splices.remove_member(&name);
        return;
    }
    let value = changes.values.iter().find(|(of, old, _)| name == *of && raw == old.as_bytes());
    let object = changes.objects.iter().find(|(of, _)| name == *of && raw.first() == Some(&b'{'));
    let with = value.map(|(_, _, new)| new).or_else(|| object.map(|(_, new)| new));
    if let Some(with) = with {
        splices.replace(member.value.clone(), Bytes::copy_from_slice(with.as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patched(body: &'static str, changes: &Changes<'_>) -> String {
        let patched = patch(&Bytes::from_static(body.as_bytes()), "m", changes).unwrap();
        String::from_utf8(patched.to_vec()).unwrap()
    }

    #[test]
    fn only_the_model_changes() {
        let none = Changes::default();
        let body =
            "{ \"messages\": [ {\"content\":\"\\u00e9\"} ],\"model\" :\"openai/x\", \"n\":1 }";
        assert_eq!(patched(body, &none), body.replace("\"openai/x\"", "\"m\""));
        assert_eq!(patched("{}", &none), "{\"model\":\"m\"}");
        let same = Bytes::from_static(br#"{"model":"m"}"#);
        assert_eq!(patch(&same, "m", &none).unwrap().as_ptr(), same.as_ptr());
        assert!(patch(&Bytes::from_static(br#"{"model":"a","model":"b"}"#), "m", &none).is_err());
    }

    #[test]
    fn quirks_are_applied() {
        let changes = Changes {
            renames: &[("max_completion_tokens", "max_tokens")],
            drops: &["store"],
            more_drops: &["stop"],
            values: &[("reasoning_effort", "\"minimal\"", "\"low\"")],
            objects: &[("tool_choice", "\"any\"")],
            block_drops: &[],
            text_bytes_max: &[("user", 3)],
        };
        let body = r#"{"model":"m","max_completion_tokens":5,"store":true,"stop":["x"],
            "reasoning_effort":"minimal","tool_choice":{"type":"function"},"user":"abcd"}"#;
        assert_eq!(
            patched(body, &changes).replace(char::is_whitespace, ""),
            r#"{"model":"m","max_tokens":5,"reasoning_effort":"low","tool_choice":"any"}"#
        );
        let kept = r#"{"model":"m","max_tokens":7,"tool_choice":"auto","user":"abc"}"#;
        assert_eq!(patched(kept, &changes), kept);
        let both = r#"{"model":"m","max_completion_tokens":5,"max_tokens":7}"#;
        assert_eq!(patched(both, &changes), r#"{"model":"m","max_tokens":7}"#);
    }

    #[test]
    fn members_of_blocks_are_dropped_and_schemas_left_alone() {
        let changes = Changes { block_drops: &["cache_control"], ..Changes::default() };
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
}
