//! Reads the items of `input` into messages.
//!
//! Items are finer than messages: what a model says in one turn is several of them (reasoning, a
//! message, calls). They are put together to one message again, because the calls of one turn must
//! stand together in every other format.

use serde_json::Value;

use crate::fault::RequestFault;
use crate::fields::Fields;
use crate::ir::{Message, Part, PartBody, Role, ToolResult};
use crate::openai_responses::{content, items};

/// Items that hold what only this provider can unpack, or that change what follows in a way that
/// only it knows, by type: without them the conversation would be another.
const STATE: [(&str, &str); 6] = [
    ("item_reference", "input.item_reference"),
    ("compaction", "input.compaction"),
    ("compaction_trigger", "input.compaction_trigger"),
    ("configuration_update", "input.configuration_update"),
    ("additional_tools", "input.additional_tools"),
    ("program", "input.program"),
];

/// The conversation as far as it has been read.
pub(super) struct Turns<'a> {
    messages: &'a mut Vec<Message>,
    /// The first item that no other format may be without.
    pub(super) needs_state: Option<&'static str>,
}

impl<'a> Turns<'a> {
    /// Continues `messages`.
    pub(super) fn new(messages: &'a mut Vec<Message>) -> Self {
        Self { messages, needs_state: None }
    }

    /// Adds what the user says.
    pub(super) fn user(&mut self, part: Part) {
        self.push(Role::User, vec![part]);
    }

    /// Adds an item.
    pub(super) fn item(&mut self, mut fields: Fields) -> Result<(), RequestFault> {
        let kind = match fields.peek("type").and_then(Value::as_str) {
            Some(kind) => kind.to_owned(),
            // Both may leave out their type.
            None if fields.has("role") => "message".to_owned(),
            None if fields.has("id") => "item_reference".to_owned(),
            None => return Err(fields.missing("type", "the kind of item")),
        };
        match kind.as_str() {
            "message" => self.message(fields)?,
            "reasoning" => {
                let thinking = items::thinking(&mut fields)?;
                self.assistant(Part::new(PartBody::Thinking(thinking)));
            }
            "function_call" | "custom_tool_call" => {
                let call = items::call(&mut fields, kind == "custom_tool_call")?;
                self.assistant(Part::new(PartBody::ToolCall(call)));
            }
            "function_call_output" | "custom_tool_call_output" => {
                let result = Part::new(PartBody::ToolResult(result(fields)?));
                self.push(Role::Tool, vec![result]);
            }
            _ => self.foreign(&kind, fields),
        }
        Ok(())
    }

    fn foreign(&mut self, kind: &str, fields: Fields) {
        let state = STATE.iter().find(|(known, _)| *known == kind);
        self.needs_state = self.needs_state.or_else(|| state.map(|(_, member)| *member));
        let part = items::foreign(Value::Object(fields.rest()));
        // What was done for the model comes from the other side, like a message of the user's.
        if kind.ends_with("_output") || kind.ends_with("_response") {
            self.user(part);
        } else {
            self.assistant(part);
        }
    }

    fn message(&mut self, mut fields: Fields) -> Result<(), RequestFault> {
        let role = match fields.required_text("role")?.as_str() {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "system" => Role::System,
            "developer" => Role::Developer,
            other => {
                let known = "must be user, assistant, system or developer";
                return Err(fields.wrong("role", format_args!("{known}, found {other:?}")));
            }
        };
        let parts = text_or_content(&mut fields, "content")?;
        match self.messages.last_mut() {
            // After reasoning, or between calls whose results are still to come.
            Some(last) if role == Role::Assistant && takes_text(last) => last.parts.extend(parts),
            _ => self.push(role, parts),
        }
        Ok(())
    }

    /// Adds to what the model says in its turn.
    fn assistant(&mut self, part: Part) {
        match self.messages.last_mut() {
            Some(last) if last.role == Role::Assistant => last.parts.push(part),
            _ => self.push(Role::Assistant, vec![part]),
        }
    }

    fn push(&mut self, role: Role, parts: Vec<Part>) {
        self.messages.push(Message { role, parts, name: None });
    }
}

/// Whether a message of the model's belongs to the turn `last`, and does not begin another.
fn takes_text(last: &Message) -> bool {
    let is = |test: fn(&PartBody) -> bool| last.parts.iter().any(|part| test(&part.body));
    last.role == Role::Assistant
        && (is(|body| matches!(body, PartBody::ToolCall(_)))
            || !is(|body| !matches!(body, PartBody::Thinking(_))))
}

fn result(mut fields: Fields) -> Result<ToolResult, RequestFault> {
    let call_id = fields.required_text("call_id")?;
    let parts = text_or_content(&mut fields, "output")?;
    Ok(ToolResult { call_id, name: fields.text("name")?, parts, is_error: None })
}

/// A string, or a list of content.
fn text_or_content(fields: &mut Fields, name: &str) -> Result<Vec<Part>, RequestFault> {
    match fields.peek(name) {
        Some(Value::String(_)) => Ok(fields.text(name)?.map(Part::text).into_iter().collect()),
        Some(Value::Array(_)) => fields.objects(name)?.into_iter().map(content::read).collect(),
        Some(_) => Err(fields.wrong(name, "must be a string or an array of content")),
        None => Err(fields.missing(name, "a string or an array of content")),
    }
}
