//! Cache points: at most four, not after a document or a thought, not where nothing stands before
//! them, and only for models that keep prompts.
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html>

use serde_json::{Value, json};

use super::model::Family;
use crate::ir::{CacheMark, Losses};

const POINTS_MAX: usize = 4;
const MEMBER: &str = "cache_control";

/// A block, and whether the prompt up to it is worth keeping.
#[derive(Debug)]
pub(super) struct Block {
    /// The block.
    pub value: Value,
    /// The mark.
    pub cache: Option<CacheMark>,
}

impl Block {
    /// A cache point cannot follow it.
    fn is_closed(&self) -> bool {
        ["document", "reasoningContent"].iter().any(|name| self.value.get(name).is_some())
    }
}

/// Brings the marks into a form that can be written. `lists` are tools, instructions and turns, in
/// the order of the prompt.
pub(super) fn settle(lists: &mut [&mut Vec<Block>], family: Family, losses: &mut Losses) {
    if !family.caches() {
        for block in lists.iter_mut().flat_map(|list| list.iter_mut()) {
            let had = block.cache.take().is_some();
            losses.add_if(had, MEMBER, "this model keeps no prompts");
        }
        return;
    }
    for list in lists.iter_mut() {
        move_back(list, losses);
    }
    if matches!(family, Family::Nova { .. }) {
        settle_nova(lists, losses);
    }
    let count = lists.iter().flat_map(|list| list.iter()).filter(|b| b.cache.is_some()).count();
    // The later a mark, the more of the prompt it keeps.
    let marked = lists.iter_mut().flat_map(|list| list.iter_mut()).filter(|b| b.cache.is_some());
    for block in marked.take(count.saturating_sub(POINTS_MAX)) {
        block.cache = None;
        losses.add(MEMBER, "Bedrock takes no more than four; the first are left out");
    }
}

/// Moves each mark that cannot follow its block to the nearest block before that it can follow.
fn move_back(list: &mut [Block], losses: &mut Losses) {
    for at in 0..list.len() {
        let Some((block, before)) = list.get_mut(..=at).and_then(<[Block]>::split_last_mut) else {
            continue;
        };
        if !block.is_closed() {
            continue;
        }
        let Some(mark) = block.cache.take() else { continue };
        match before.iter_mut().rev().find(|block| !block.is_closed()) {
            Some(block) => block.cache = Some(mark),
            None => losses.add(MEMBER, "no cache point may follow a document"),
        }
    }
}

/// Nova keeps no tools, and everything for five minutes.
fn settle_nova(lists: &mut [&mut Vec<Block>], losses: &mut Losses) {
    for block in lists.iter_mut().flat_map(|list| list.iter_mut()) {
        if block.value.get("toolSpec").is_some() && block.cache.take().is_some() {
            losses.add(MEMBER, "this model keeps no tools");
        }
        if let Some(mark) = &mut block.cache {
            let ttl = mark.ttl.take();
            let is_long = ttl.is_some_and(|ttl| ttl != "5m");
            losses.add_if(is_long, "cache_control.ttl", "this model keeps prompts for 5 minutes");
        }
    }
}

/// The blocks with their cache points between them.
pub(super) fn with_points(list: Vec<Block>, losses: &mut Losses) -> Vec<Value> {
    let mut values = Vec::with_capacity(list.len());
    for Block { value, cache } in list {
        values.push(value);
        let Some(mark) = cache else { continue };
        values.push(match mark.ttl.as_deref() {
            Some(ttl @ ("5m" | "1h")) => json!({ "cachePoint": { "type": "default", "ttl": ttl } }),
            other => {
                let why = "the target keeps prompts for 5m or 1h";
                losses.add_if(other.is_some(), "cache_control.ttl", why);
                json!({ "cachePoint": { "type": "default" } })
            }
        });
    }
    values
}
