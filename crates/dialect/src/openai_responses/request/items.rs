//! Writes messages as the items of `input`, and the first system message as `instructions`.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use weir_types::Dialect;

use crate::fault::RequestFault;
use crate::ir::{Chat, Losses, Message, Part, PartBody, Role, Thinking, ToolCall, ToolResult};
use crate::openai_responses::{content, items};

/// A conversation, written.
#[derive(Default)]
pub(super) struct Items {
    /// The first system message, if it is plain text.
    pub(super) instructions: Option<String>,
    /// Everything else.
    pub(super) input: Vec<Value>,
}

impl Items {
    /// Writes the messages of `chat`.
    pub(super) fn write(chat: &Chat, losses: &mut Losses) -> Result<Self, RequestFault> {
        let calls = chat.messages.iter().flat_map(|message| &message.parts);
        let custom_calls = calls
            .filter_map(|part| match &part.body {
                PartBody::ToolCall(call) if call.is_custom => Some(call.id.as_str()),
                _ => None,
            })
            .collect();
        let instructions = chat.messages.first().and_then(plain_system);
        let written = usize::from(instructions.is_some());
        let mut writer = Writer { chat, losses, custom_calls, input: Vec::new() };
        for message in chat.messages.iter().skip(written) {
            writer.losses.add_if(message.name.is_some(), "messages.name", NO_NAMES);
            match message.role {
                Role::Assistant => writer.assistant(message)?,
                Role::User | Role::Tool => writer.user(message)?,
                Role::System => writer.message("system", &message.parts)?,
                Role::Developer => writer.message("developer", &message.parts)?,
            }
        }
        let Writer { input, .. } = writer;
        Ok(Self { instructions: instructions.map(str::to_owned), input })
    }

    /// The member `input`: the user's words alone, if there is nothing else.
    pub(super) fn input(self) -> Value {
        match self.input.as_slice() {
            [only] if only.get("role").is_some_and(|role| role == "user") => {
                match only.get("content") {
                    Some(words @ Value::String(_)) => words.clone(),
                    _ => Value::Array(self.input),
                }
            }
            _ => Value::Array(self.input),
        }
    }
}

const NO_NAMES: &str = "the target has no names of participants";

/// The text of a system message that is nothing but one text.
pub(in crate::openai_responses) fn plain_system(message: &Message) -> Option<&str> {
    match (message.role, message.parts.as_slice()) {
        (Role::System, [Part { body: PartBody::Text { text, .. }, cache: None }]) => Some(text),
        _ => None,
    }
}

struct Writer<'a> {
    chat: &'a Chat,
    losses: &'a mut Losses,
    custom_calls: BTreeSet<&'a str>,
    input: Vec<Value>,
}

impl Writer<'_> {
    /// A turn of the user's: results of tools first, then what else there is.
    fn user(&mut self, message: &Message) -> Result<(), RequestFault> {
        let mut rest = Vec::new();
        for part in &message.parts {
            match &part.body {
                PartBody::ToolResult(result) => self.result(result)?,
                PartBody::Foreign { raw, .. } if is_item(raw) => {
                    self.input.push(raw.clone());
                }
                _ => rest.push(part.clone()),
            }
        }
        if rest.is_empty() { Ok(()) } else { self.message("user", &rest) }
    }

    fn message(&mut self, role: &str, parts: &[Part]) -> Result<(), RequestFault> {
        let content = match parts {
            [Part { body: PartBody::Text { text, .. }, cache: None }] => json!(text),
            parts => Value::Array(self.content(parts)?),
        };
        if content.as_array().is_none_or(|list| !list.is_empty()) {
            self.input.push(json!({ "type": "message", "role": role, "content": content }));
        }
        Ok(())
    }

    fn content(&mut self, parts: &[Part]) -> Result<Vec<Value>, RequestFault> {
        let mut list = Vec::with_capacity(parts.len());
        for part in parts {
            list.extend(content::write(part, self.chat, self.losses)?);
        }
        Ok(list)
    }

    fn result(&mut self, result: &ToolResult) -> Result<(), RequestFault> {
        let why = "the target has no mark for failed tools";
        self.losses.add_if(result.is_error == Some(true), "messages.tool_result.is_error", why);
        let output = match result.parts.as_slice() {
            [] => json!(""),
            [Part { body: PartBody::Text { text, .. }, cache: None }] => json!(text),
            [Part { body: PartBody::Json(value), cache: None }] => json!(value.to_string()),
            parts => Value::Array(self.content(parts)?),
        };
        let is_custom = self.custom_calls.contains(result.call_id.as_str());
        let kind = if is_custom { "custom_tool_call_output" } else { "function_call_output" };
        self.input.push(json!({ "type": kind, "call_id": result.call_id, "output": output }));
        Ok(())
    }

    /// A turn of the model's: an item for each thing, texts that follow one another in one message.
    fn assistant(&mut self, message: &Message) -> Result<(), RequestFault> {
        let mut said = Vec::new();
        for part in &message.parts {
            match &part.body {
                PartBody::Text { text, annotations } => {
                    let flat: Vec<_> = annotations.iter().filter_map(content::flat).collect();
                    let is_less = flat.len() < annotations.len();
                    self.losses.add_if(is_less, "messages.annotations", "of an unknown kind");
                    said.push(json!({ "type": "output_text", "text": text, "annotations": flat }));
                }
                PartBody::Refusal(text) => {
                    said.push(json!({ "type": "refusal", "refusal": text }));
                }
                other => {
                    self.said(&mut said);
                    self.item(other)?;
                }
            }
            let why = "the target keeps prompts by itself";
            self.losses.add_if(part.cache.is_some(), "cache_control", why);
        }
        self.said(&mut said);
        Ok(())
    }

    /// What the model said in words, as one message.
    fn said(&mut self, said: &mut Vec<Value>) {
        if said.is_empty() {
            return;
        }
        let list = std::mem::take(said);
        if let [only] = list.as_slice()
            && only.get("annotations").and_then(Value::as_array).is_some_and(Vec::is_empty)
            && let Some(text) = only.get("text")
        {
            let item = json!({ "type": "message", "role": "assistant", "content": text });
            self.input.push(item);
            return;
        }
        // In this form an id is required; it names nothing.
        self.input.push(json!({
            "type": "message",
            "id": format!("msg_{}", self.input.len()),
            "role": "assistant",
            "status": "completed",
            "content": list,
        }));
    }

    fn item(&mut self, body: &PartBody) -> Result<(), RequestFault> {
        match body {
            PartBody::Thinking(thinking) => self.thinking(thinking),
            PartBody::ToolCall(call) => self.call(call),
            PartBody::ToolResult(result) => self.result(result)?,
            PartBody::Foreign { raw, .. } => self.input.push(raw.clone()),
            // Media have no member among what the model said, and words are messages.
            PartBody::Image(_)
            | PartBody::Audio(_)
            | PartBody::Video(_)
            | PartBody::Document(_)
            | PartBody::Json(_)
            | PartBody::Text { .. }
            | PartBody::Refusal(_) => {}
        }
        Ok(())
    }

    fn call(&mut self, call: &ToolCall) {
        let why = "only its maker can read it";
        self.losses.add_if(call.signature.is_some(), "thinking.signature", why);
        self.input.push(items::write_call(None, call, None));
    }

    /// Reasoning goes back only to the provider that it came from: another one refuses what it has
    /// not made itself.
    fn thinking(&mut self, thinking: &Thinking) {
        let encrypted = items::encrypted(thinking);
        let is_own = self.chat.source == Dialect::OpenAiResponses;
        if encrypted.is_none() && !is_own {
            let is_sealed = thinking.signature.is_some() || thinking.redacted.is_some();
            let why = "only its maker can read it";
            self.losses.add_if(is_sealed, "thinking.signature", why);
            let why = "the target takes back only reasoning of its own";
            self.losses.add_if(!thinking.text.is_empty(), "messages.thinking", why);
            return;
        }
        let summary = if thinking.is_summary { thinking.text.as_str() } else { "" };
        let mut item = items::reasoning(thinking.id.as_deref(), summary, encrypted);
        if !thinking.is_summary
            && !thinking.text.is_empty()
            && let Value::Object(members) = &mut item
        {
            let content = json!([{ "type": "reasoning_text", "text": thinking.text }]);
            members.insert("content".to_owned(), content);
        }
        self.input.push(item);
    }
}

/// Whether a block that only this format knows is an item, and not content of a message.
fn is_item(raw: &Value) -> bool {
    let kind = raw.get("type").and_then(Value::as_str).unwrap_or("item_reference");
    !["input_", "output_", "computer_screenshot"].iter().any(|start| kind.starts_with(start))
}
