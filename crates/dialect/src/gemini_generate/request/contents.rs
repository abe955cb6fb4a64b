//! Messages as Google's turns: what the system says apart, results of functions in one turn right
//! after the calls, in the order of the calls and nothing else among them.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::super::media::Place;
use super::super::parts::Parts;
use super::turns::{Run, Turn};
use crate::families::gemini::Gemini;
use crate::fault::RequestFault;
use crate::ir::{Chat, Losses, Message, Part, PartBody, Role};

/// What Google documents for calls that no Gemini has made.
/// <https://ai.google.dev/gemini-api/docs/thought-signatures>
pub(in super::super) const SKIP_SIGNATURE: &str = "skip_thought_signature_validator";

/// A conversation as Google has it.
#[derive(Debug)]
pub(super) struct Contents {
    /// The parts of `systemInstruction`.
    pub(super) system: Vec<Value>,
    /// `contents`.
    pub(super) turns: Vec<Value>,
}

/// Where every call stands and what it calls, by id.
pub(super) type Known<'a> = HashMap<&'a str, (usize, &'a str)>;

/// Writes the messages of `chat`.
pub(super) fn write(
    chat: &Chat,
    place: Place,
    family: &Gemini,
    losses: &mut Losses,
) -> Result<Contents, RequestFault> {
    let known = known(&chat.messages);
    let mut system = Vec::new();
    let mut turns: Vec<Turn> = Vec::new();
    let mut run = Run::default();
    for message in &chat.messages {
        losses.add_if(message.name.is_some(), "messages.name", "turns of Gemini have no names");
        let is_cited = message.parts.iter().any(|part| match &part.body {
            PartBody::Text { annotations, .. } => !annotations.is_empty(),
            _ => false,
        });
        losses.add_if(is_cited, "messages.annotations", "texts of Gemini have no such member");
        let mut parts = Parts::new(place, family.part_resolution, losses);
        match message.role {
            Role::System | Role::Developer => {
                push_all(&mut parts, &message.parts)?;
                system.extend(parts.finish());
            }
            Role::Assistant => {
                push_all(&mut parts, &message.parts)?;
                let parts = parts.finish();
                std::mem::take(&mut run).end(&mut turns);
                match turns.last_mut() {
                    Some(last) if last.role == "model" => last.parts.extend(parts),
                    _ if parts.is_empty() => {}
                    _ => turns.push(Turn { role: "model", parts, has_results: false }),
                }
            }
            Role::User | Role::Tool => {
                push_all(&mut parts, &message.parts)?;
                let parts = parts.finish();
                for part in &message.parts {
                    if let PartBody::ToolResult(result) = &part.body {
                        run.result(result, &known, place, family, losses)?;
                    }
                }
                run.say(parts);
            }
        }
    }
    run.end(&mut turns);
    if turns.is_empty() && !system.is_empty() {
        losses.add("messages.role", "Gemini needs a turn: what the system says is the user's");
        let parts = std::mem::take(&mut system);
        turns.push(Turn { role: "user", parts, has_results: false });
    }
    if family.signs_calls {
        sign(&mut turns);
    }
    let turns = turns.into_iter().map(|turn| json!({ "role": turn.role, "parts": turn.parts }));
    Ok(Contents { system, turns: turns.collect() })
}

fn push_all(out: &mut Parts<'_>, parts: &[Part]) -> Result<(), RequestFault> {
    parts.iter().try_for_each(|part| out.push(part))
}

fn known(messages: &[Message]) -> Known<'_> {
    let parts = messages.iter().flat_map(|message| &message.parts);
    let calls = parts.filter_map(|part| match &part.body {
        PartBody::ToolCall(call) => Some(call),
        _ => None,
    });
    let calls = calls.enumerate();
    calls.map(|(at, call)| (call.id.as_str(), (at, call.name.as_str()))).collect()
}

/// Marks the first call of every step of the current turn that has no signature: the model checks
/// those and no others. The turn began when the user last spoke.
fn sign(turns: &mut [Turn]) {
    let spoke = turns.iter().rposition(|turn| turn.role == "user" && !turn.has_results);
    for turn in turns.iter_mut().skip(spoke.map_or(0, |at| at + 1)) {
        let first = turn.parts.iter_mut().find(|part| part.get("functionCall").is_some());
        if turn.role == "model"
            && let Some(Value::Object(first)) = first
        {
            first.entry("thoughtSignature").or_insert_with(|| json!(SKIP_SIGNATURE));
        }
    }
}
