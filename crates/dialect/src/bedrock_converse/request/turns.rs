//! The conversation in turns that alternate, the user first, with instructions apart.

use serde_json::{Value, json};
use weir_types::Dialect;

use super::super::blocks::Asking;
use super::cache::Block;
use super::model::Family;
use crate::fault::RequestFault;
use crate::ir::{CacheMark, Chat, Losses, Message, Part, PartBody, Role};

/// What stands for a turn in which nothing is said; empty texts are refused.
const NOTHING: &str = ".";

/// A conversation.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// Instructions.
    pub system: Vec<Block>,
    /// What is said, by turns.
    pub turns: Vec<Turn>,
}

/// A turn.
#[derive(Debug)]
pub(super) struct Turn {
    /// Who speaks.
    pub side: Side,
    /// What is said.
    pub blocks: Vec<Block>,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    User,
    Assistant,
    System,
}

impl Side {
    /// The format's word.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::System => "system",
        }
    }
}

/// Brings the conversation of `chat` into turns.
///
/// # Errors
/// It holds what Bedrock cannot be shown, or ends in a way that the model refuses.
pub(super) fn written(
    chat: &Chat,
    family: Family,
    losses: &mut Losses,
) -> Result<Turns, RequestFault> {
    let is_own = chat.source == Dialect::BedrockConverse;
    let takes_system = family.system_turns() || (is_own && family == Family::Unknown);
    let turns = {
        let mut out = Asking::new(chat.source, losses);
        out.unsigned_thoughts = !matches!(family, Family::Claude(_));
        out.tool_status = family.tool_status();
        collect(chat, takes_system, &mut out)?
    };
    let mut turns = hoist(turns)?;
    turns.turns = merged(turns.turns);
    for turn in turns.turns.iter_mut().filter(|turn| turn.side == Side::User) {
        arrange(&mut turn.blocks);
    }
    if turns.turns.first().is_none_or(|turn| turn.side != Side::User) {
        let why = "conversations begin with the user; a turn that says nothing was put before";
        losses.add("messages", why);
        turns.turns.insert(0, Turn { side: Side::User, blocks: vec![plain(NOTHING)] });
    }
    let is_prefilled = turns.turns.last().is_some_and(|turn| turn.side == Side::Assistant);
    if is_prefilled && matches!(family, Family::Claude(row) if !row.prefill) {
        let text = "this model does not go on with an answer that is begun; \
                    end the conversation with the user's turn";
        return Err(RequestFault::unsupported("messages", text));
    }
    if chat.cache.is_some() {
        let last = turns.turns.iter_mut().rev().find(|turn| turn.side == Side::User);
        if let Some(block) = last.and_then(|turn| turn.blocks.last_mut()) {
            let why = "the end of the prompt has a mark of its own, with another time";
            let differs = block.cache.is_some() && block.cache != chat.cache;
            losses.add_if(differs, "cache_control", why);
            if block.cache.is_none() {
                block.cache.clone_from(&chat.cache);
            }
        }
    }
    Ok(turns)
}

fn plain(text: &str) -> Block {
    Block { value: json!({ "text": text }), cache: None }
}

/// A turn for each message; instructions before the first of them, or all if they may not stand
/// elsewhere, are kept apart.
fn collect(chat: &Chat, takes_system: bool, out: &mut Asking<'_>) -> Result<Turns, RequestFault> {
    let mut turns = Turns::default();
    for message in &chat.messages {
        out.losses.add_if(message.name.is_some(), "messages.name", "the target has no such member");
        let side = match message.role {
            Role::System | Role::Developer => Side::System,
            Role::User | Role::Tool => Side::User,
            Role::Assistant => Side::Assistant,
        };
        let blocks = blocks(message, side, out)?;
        if side == Side::System && (turns.turns.is_empty() || !takes_system) {
            turns.system.extend(instructions(blocks)?);
        } else if !blocks.is_empty() {
            turns.turns.push(Turn { side, blocks });
        }
    }
    Ok(turns)
}

fn blocks(message: &Message, side: Side, out: &mut Asking<'_>) -> Result<Vec<Block>, RequestFault> {
    let mut blocks: Vec<Block> = Vec::with_capacity(message.parts.len());
    for part in &message.parts {
        let value = match side {
            Side::Assistant => out.assistant(part)?,
            Side::User | Side::System => out.user(part)?,
        };
        let cache = mark(part);
        match (value, blocks.last_mut()) {
            (Some(value), _) => blocks.push(Block { value, cache: cache.cloned() }),
            // The prompt up to here is the prompt up to the block before.
            (None, Some(last)) if cache.is_some() => last.cache = cache.cloned(),
            (None, _) => {}
        }
    }
    Ok(blocks)
}

/// The mark of a part; no cache point may stand within a tool's result, so one there is its own.
fn mark(part: &Part) -> Option<&CacheMark> {
    let within = match &part.body {
        PartBody::ToolResult(result) => result.parts.iter().rev().find_map(|p| p.cache.as_ref()),
        _ => None,
    };
    part.cache.as_ref().or(within)
}

/// Instructions as they may stand apart.
fn instructions(blocks: Vec<Block>) -> Result<Vec<Block>, RequestFault> {
    let is_legal =
        |value: &Value| ["text", "guardContent"].iter().any(|name| value.get(name).is_some());
    if blocks.iter().all(|block| is_legal(&block.value)) {
        return Ok(blocks);
    }
    let text = "Bedrock takes only text in instructions";
    Err(RequestFault::unsupported("messages", text))
}

/// Puts instructions that stand where the model refuses them to the others: they may follow a turn
/// of the user's, and the model's turn or nothing follows them.
fn hoist(turns: Turns) -> Result<Turns, RequestFault> {
    let Turns { mut system, turns } = turns;
    let turns = merged(turns);
    let sides: Vec<_> = turns.iter().map(|turn| turn.side).collect();
    let mut kept = Vec::with_capacity(turns.len());
    for (at, turn) in turns.into_iter().enumerate() {
        let follows_user = at.checked_sub(1).and_then(|at| sides.get(at)) == Some(&Side::User);
        let precedes_user = sides.get(at + 1) == Some(&Side::User);
        if turn.side == Side::System && (!follows_user || precedes_user) {
            system.extend(instructions(turn.blocks)?);
        } else {
            kept.push(turn);
        }
    }
    Ok(Turns { system, turns: kept })
}

/// Turns of one side in a row as one.
fn merged(turns: Vec<Turn>) -> Vec<Turn> {
    let mut merged: Vec<Turn> = Vec::with_capacity(turns.len());
    for turn in turns {
        match merged.last_mut() {
            Some(last) if last.side == turn.side => last.blocks.extend(turn.blocks),
            _ => merged.push(turn),
        }
    }
    merged
}

/// Results of tools first, and a text beside a document, which is refused without one.
fn arrange(blocks: &mut Vec<Block>) {
    // Stable: results keep their order, and so does the rest.
    blocks.sort_by_key(|block| block.value.get("toolResult").is_none());
    let has = |name: &str| blocks.iter().any(|block| block.value.get(name).is_some());
    if has("document") && !has("text") {
        let document = blocks.iter().find_map(|block| block.value.pointer("/document/name"));
        let name = document.and_then(Value::as_str).unwrap_or(NOTHING).to_owned();
        blocks.push(plain(&name));
    }
}
