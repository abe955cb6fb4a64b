//! Writes the conversation.
//!
//! Results of tools are messages of their own, in front of what the user says in the same turn.
//! Images that a tool gave are lifted into the user's next turn: results are text or documents.
//! Documents of a user's turn go to the request's `documents`.

use serde_json::{Map, Value, json};
use weir_types::Dialect;

use super::super::{citation, document};
use crate::custom;
use crate::fault::RequestFault;
use crate::ir::{
    Chat, Image, Losses, Message, Part, PartBody, Role, Source, Thinking, ToolCall, ToolResult,
};

/// What is written so far.
pub(super) struct Conversation<'a> {
    chat: &'a Chat,
    pub(super) losses: &'a mut Losses,
    pub(super) messages: Vec<Value>,
    pub(super) documents: Vec<Value>,
    /// What the documents say about being cited; the last one wins, but "yes" over "no".
    pub(super) cited: Option<bool>,
    /// Blocks that wait for the next user turn.
    lifted: Vec<Value>,
    /// Made-up ids of calls that have none and wait for their result, with the tool's name.
    pending: Vec<(String, String)>,
    ids: u32,
}

/// The blocks of an assistant's turn and what stands beside them.
#[derive(Default)]
struct Said {
    blocks: Vec<Value>,
    plan: Vec<String>,
    calls: Vec<Value>,
    citations: Vec<Value>,
}

impl<'a> Conversation<'a> {
    /// Nothing yet.
    pub(super) fn new(chat: &'a Chat, losses: &'a mut Losses) -> Self {
        Self {
            chat,
            losses,
            messages: Vec::new(),
            documents: Vec::new(),
            cited: None,
            lifted: Vec::new(),
            pending: Vec::new(),
            ids: 0,
        }
    }

    /// Writes every message.
    pub(super) fn write(&mut self) -> Result<(), RequestFault> {
        for message in &self.chat.messages {
            let has_name = message.name.is_some();
            self.losses.add_if(has_name, "messages.name", "Cohere has no names of participants");
            match message.role {
                Role::System | Role::Developer => self.system(message),
                Role::Assistant => self.assistant(message)?,
                Role::User | Role::Tool => self.user(message)?,
            }
        }
        self.flush();
        Ok(())
    }

    fn system(&mut self, message: &Message) {
        self.flush();
        let mut blocks = Vec::new();
        for part in &message.parts {
            self.note(part);
            match &part.body {
                PartBody::Text { text, .. } => blocks.push(text_block(text)),
                other => blocks.extend(own(other)),
            }
        }
        self.push("system", blocks);
    }

    fn user(&mut self, message: &Message) -> Result<(), RequestFault> {
        let is_result = |part: &&Part| matches!(part.body, PartBody::ToolResult(_));
        for part in message.parts.iter().filter(is_result) {
            self.note(part);
            if let PartBody::ToolResult(result) = &part.body {
                self.result(result)?;
            }
        }
        let has_words = message.parts.iter().any(|part| !is_result(&part));
        if !has_words && !message.parts.is_empty() {
            return Ok(());
        }
        let mut blocks = std::mem::take(&mut self.lifted);
        for part in message.parts.iter().filter(|part| !is_result(part)) {
            self.note(part);
            blocks.extend(self.users_part(&part.body)?);
        }
        self.push("user", blocks);
        Ok(())
    }

    fn users_part(&mut self, body: &PartBody) -> Result<Option<Value>, RequestFault> {
        Ok(match body {
            PartBody::Text { text, .. } | PartBody::Refusal(text) => Some(text_block(text)),
            PartBody::Json(value) => Some(text_block(&value.to_string())),
            PartBody::Image(image) => Some(image_block(image)?),
            PartBody::Document(document) => {
                self.documents.push(document::write(document, "messages.document")?);
                if self.cited != Some(true) && document.citations.is_some() {
                    self.cited = document.citations;
                }
                None
            }
            other => own(other),
        })
    }

    fn assistant(&mut self, message: &Message) -> Result<(), RequestFault> {
        self.flush();
        let is_call = |part: &Part| matches!(part.body, PartBody::ToolCall(_));
        let has_calls = message.parts.iter().any(is_call);
        let mut said = Said::default();
        for part in &message.parts {
            self.note(part);
            match &part.body {
                PartBody::Text { text, annotations } => {
                    if text.is_empty() && has_calls {
                        continue;
                    }
                    for annotation in annotations {
                        match citation::write(annotation, text, said.blocks.len()) {
                            Some(citation) => said.citations.push(citation),
                            None => self.losses.add("messages.annotations", "not a citation"),
                        }
                    }
                    said.blocks.push(text_block(text));
                }
                PartBody::Refusal(text) => said.blocks.push(text_block(text)),
                PartBody::Thinking(thinking) => self.thinking(thinking, has_calls, &mut said),
                PartBody::ToolCall(call) => said.calls.push(self.call(call)),
                other => said.blocks.extend(own(other)),
            }
        }
        let mut members = Map::new();
        members.insert("role".to_owned(), json!("assistant"));
        if !said.blocks.is_empty() || !has_calls {
            members.insert("content".to_owned(), content(said.blocks));
        }
        if !said.plan.is_empty() {
            members.insert("tool_plan".to_owned(), json!(said.plan.join("\n\n")));
        }
        for (name, list) in [("tool_calls", said.calls), ("citations", said.citations)] {
            if !list.is_empty() {
                members.insert(name.to_owned(), Value::Array(list));
            }
        }
        self.messages.push(Value::Object(members));
        Ok(())
    }

    /// Thinking of Cohere's own models goes back as it came. That of others is a plan where calls
    /// follow; elsewhere only models that think themselves could take it.
    fn thinking(&mut self, thinking: &Thinking, has_calls: bool, said: &mut Said) {
        let is_sealed = thinking.signature.is_some() || thinking.redacted.is_some();
        self.losses.add_if(is_sealed, "thinking.signature", "only its maker can read it");
        let is_own = self.chat.source == Dialect::CohereChat;
        if is_own && !(thinking.is_summary && has_calls) {
            said.blocks.push(json!({ "type": "thinking", "thinking": thinking.text }));
        } else if thinking.text.is_empty() {
            // Nothing is lost but the seal.
        } else if has_calls {
            said.plan.push(thinking.text.clone());
        } else {
            self.losses.add("messages.thinking", "not every model of Cohere's takes it back");
        }
    }

    fn call(&mut self, call: &ToolCall) -> Value {
        let has_seal = call.signature.is_some();
        self.losses.add_if(has_seal, "thinking.signature", "only its maker can read it");
        let id = if call.id.is_empty() {
            let id = self.new_id();
            self.pending.push((call.name.clone(), id.clone()));
            id
        } else {
            call.id.clone()
        };
        json!({
            "id": id,
            "type": "function",
            "function": { "name": call.name, "arguments": custom::json_arguments(call) },
        })
    }

    fn result(&mut self, result: &ToolResult) -> Result<(), RequestFault> {
        let id = self.id_of_result(result);
        let failed = result.is_error == Some(true);
        self.losses.add_if(failed, "messages.is_error", "Cohere has no mark for failed calls");
        let mut blocks = Vec::new();
        for part in &result.parts {
            self.note(part);
            match &part.body {
                PartBody::Text { text, .. } => blocks.push(text_block(text)),
                PartBody::Json(value) => blocks.push(text_block(&value.to_string())),
                PartBody::Document(document) => {
                    let document = document::write(document, "messages.document")?;
                    blocks.push(json!({ "type": "document", "document": document }));
                }
                PartBody::Image(image) => {
                    self.lifted.push(text_block(&format!("Image from tool call {id}:")));
                    self.lifted.push(image_block(image)?);
                }
                other => blocks.extend(own(other)),
            }
        }
        let content = content(blocks);
        self.messages.push(json!({ "role": "tool", "tool_call_id": id, "content": content }));
        Ok(())
    }

    /// Formats without ids give results in the order of the calls, by name.
    fn id_of_result(&mut self, result: &ToolResult) -> String {
        if !result.call_id.is_empty() {
            return result.call_id.clone();
        }
        let named = |(name, _): &(String, String)| Some(name) == result.name.as_ref();
        let at = self.pending.iter().position(named).unwrap_or(0);
        if at < self.pending.len() { self.pending.remove(at).1 } else { self.new_id() }
    }

    fn new_id(&mut self) -> String {
        self.ids += 1;
        format!("call_{}", self.ids)
    }

    fn note(&mut self, part: &Part) {
        self.losses.add_if(part.cache.is_some(), "cache_control", "Cohere has no cache marks");
    }

    fn flush(&mut self) {
        let lifted = std::mem::take(&mut self.lifted);
        if !lifted.is_empty() {
            self.push("user", lifted);
        }
    }

    fn push(&mut self, role: &str, blocks: Vec<Value>) {
        let content = content(blocks);
        self.messages.push(json!({ "role": role, "content": content }));
    }
}

/// A block that only Cohere knows. Media come no further than where they have a member.
fn own(body: &PartBody) -> Option<Value> {
    match body {
        PartBody::Foreign { raw, .. } => Some(raw.clone()),
        _ => None,
    }
}

fn text_block(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}

fn image_block(image: &Image) -> Result<Value, RequestFault> {
    let url = match &image.source {
        Source::Url(url) if !url.starts_with("http") => None,
        source => source.to_url(),
    };
    let Some(url) = url else {
        let why = "Cohere takes images by web address or in the request, not kept elsewhere";
        return Err(RequestFault::unsupported("messages.image", why));
    };
    let mut members = json!({ "url": url });
    if let Some(detail) = &image.detail {
        members["detail"] = json!(detail);
    }
    Ok(json!({ "type": "image_url", "image_url": members }))
}

/// Text alone is written as a string, which every model takes.
fn content(mut blocks: Vec<Value>) -> Value {
    match blocks.as_mut_slice() {
        [] => json!(""),
        [one] if one["type"] == "text" => one["text"].take(),
        _ => Value::Array(blocks),
    }
}
