//! The way there: what the edge looks at, and requests into and out of the form between formats.

mod block;
mod names;
mod read;
mod thinking;
mod tools;
mod turns;
mod write;

pub(super) use block::input;
pub(super) use read::read;
pub(super) use write::write;

use bytes::Bytes;
use serde_json::Value;

use crate::fault::RequestFault;
use crate::json::{Members, Splices};
use crate::peek::{self, PathFacts, Peeked};

/// Looks at `body`. Anthropic has a member `fallbacks` of its own: unless every entry is
/// `provider/model`, it is that one, and it stays.
///
/// # Errors
/// What is wrong and where.
pub(super) fn peek(body: Bytes, path: &PathFacts<'_>) -> Result<Peeked, RequestFault> {
    let without = match Members::scan(&body) {
        Ok(members) if is_anthropics(&members) => {
            let mut splices = Splices::default();
            splices.remove_member("fallbacks");
            splices.apply(&body, &members)
        }
        // What is wrong with it is said in the words of all formats.
        _ => return peek::peek(body, path),
    };
    Ok(Peeked { body, outline: None, ..peek::peek(without, path)? })
}

fn is_anthropics(members: &Members<'_>) -> bool {
    let Ok(Some(value)) = members.value("fallbacks") else { return false };
    let is_ours = |entry: &Value| entry.as_str().is_some_and(|entry| entry.contains('/'));
    !value.as_array().is_some_and(|entries| entries.iter().all(is_ours))
}
