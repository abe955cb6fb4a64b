//! What binds a request to its provider: members that name something which that provider alone
//! keeps, that have it do more than answer, or that protect somebody.
//!
//! Every reader says which of its format's members these are; it knows not what they mean. That a
//! request with one of them goes to no other format is for whoever translates to see to, once.

use serde_json::Value;

use crate::ir::{Chat, PartBody, block_name};

/// Sets [`Chat::needs_state`], unless it is set: to the first of `members` that is in `extra` and
/// says something, or to what `blocks` calls the first block of the conversation that it names.
pub(crate) fn note(
    chat: &mut Chat,
    members: &[&'static str],
    blocks: &[(&'static str, &'static str)],
) {
    if chat.needs_state.is_some() {
        return;
    }
    let said = |name: &&&'static str| chat.extra.get(**name).is_some_and(says_something);
    let member = members.iter().find(said).copied();
    let parts = chat.messages.iter().flat_map(|message| &message.parts);
    let mut named = parts.flat_map(inner).filter_map(|body| match body {
        PartBody::Foreign { raw, .. } => Some(block_name(raw)),
        _ => None,
    });
    let find = |found: &str| blocks.iter().find(|(name, _)| *name == found);
    chat.needs_state =
        member.or_else(|| named.find_map(|name| find(name).map(|(_, member)| *member)));
}

/// Whether a member is more than another word for its absence.
pub(crate) fn says_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Array(list) => !list.is_empty(),
        _ => true,
    }
}

/// A part, and what is in it if it is the result of a tool.
fn inner(part: &crate::ir::Part) -> impl Iterator<Item = &PartBody> {
    let results = match &part.body {
        PartBody::ToolResult(result) => result.parts.as_slice(),
        _ => &[],
    };
    std::iter::once(&part.body).chain(results.iter().map(|part| &part.body))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use weir_types::Dialect;

    use super::*;
    use crate::ir::{Message, Part, Role};

    fn noted(change: impl FnOnce(&mut Chat)) -> Option<&'static str> {
        let mut chat = Chat::new(Dialect::AnthropicMessages);
        change(&mut chat);
        note(&mut chat, &["container", "mcp_servers"], &[("upload", "messages.upload")]);
        chat.needs_state
    }

    #[test]
    fn members_that_say_something_and_blocks_are_found() {
        let member = |name: &str, value: Value| {
            noted(|chat| drop(chat.extra.insert(name.to_owned(), value)))
        };
        assert_eq!(member("container", json!({})), Some("container"));
        assert_eq!(member("mcp_servers", json!([{}])), Some("mcp_servers"));
        assert_eq!(member("mcp_servers", json!([])), None);
        assert_eq!(member("container", json!(false)), None);
        assert_eq!(member("other", json!("x")), None);
        let block = noted(|chat| {
            let dialect = Dialect::AnthropicMessages;
            let raw = json!({"type": "upload"});
            let parts = vec![Part::new(PartBody::Foreign { dialect, raw })];
            chat.messages.push(Message { role: Role::User, parts, name: None });
        });
        assert_eq!(block, Some("messages.upload"));
        assert_eq!(noted(|chat| chat.needs_state = Some("earlier")), Some("earlier"));
    }
}
