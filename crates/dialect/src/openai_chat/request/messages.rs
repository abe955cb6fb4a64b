//! Reads the messages of a request.

use serde_json::Value;
use weir_types::Dialect;

use super::parts;
use crate::fault::RequestFault;
use crate::fields::Fields;
use crate::ir::{Media, Message, Part, PartBody, Role, Source, ToolCall, ToolResult};
use crate::openai_chat::{call, reasoning};

/// Takes `messages`.
pub(super) fn read(fields: &mut Fields) -> Result<Vec<Message>, RequestFault> {
    if !fields.has("messages") {
        return Err(fields.missing("messages", "an array of messages"));
    }
    let list = fields.objects("messages")?;
    if list.is_empty() {
        return Err(fields.wrong("messages", "must have at least one message"));
    }
    let mut older = OlderCalls::default();
    list.into_iter().map(|message| one(message, &mut older)).collect()
}

fn one(mut fields: Fields, older: &mut OlderCalls) -> Result<Message, RequestFault> {
    let role = fields.required_text("role")?;
    let mark = parts::mark(&mut fields)?;
    let mut message = match role.as_str() {
        "system" => said(&mut fields, Role::System)?,
        "developer" => said(&mut fields, Role::Developer)?,
        "user" => said(&mut fields, Role::User)?,
        "assistant" => assistant(&mut fields, older)?,
        "tool" => tool(&mut fields)?,
        "function" => older.result(&mut fields)?,
        other => {
            let known = "system, developer, user, assistant, tool or function";
            return Err(fields.wrong("role", format_args!("must be {known}, found \"{other}\"")));
        }
    };
    // Some clients mark a message in place of its last block.
    if let Some(last) = message.parts.last_mut() {
        last.cache = last.cache.take().or(mark);
    }
    Ok(message)
}

fn said(fields: &mut Fields, role: Role) -> Result<Message, RequestFault> {
    if !fields.has("content") {
        return Err(fields.missing("content", "a string or an array of parts"));
    }
    Ok(Message { role, parts: parts::content(fields)?, name: fields.text("name")? })
}

fn assistant(fields: &mut Fields, older: &mut OlderCalls) -> Result<Message, RequestFault> {
    let words = ["reasoning_content", "reasoning"].map(|name| fields.any(name));
    let thoughts = reasoning::read(fields.any("reasoning_details"), words);
    let mut list: Vec<_> =
        thoughts.into_iter().map(|block| Part::new(PartBody::Thinking(block))).collect();
    list.extend(parts::content(fields)?);
    annotate(fields, &mut list);
    if let Some(refusal) = fields.text("refusal")?.filter(|text| !text.is_empty()) {
        list.push(Part::new(PartBody::Refusal(refusal)));
    }
    if let Some(mut audio) = fields.object("audio")? {
        let source = Source::File { dialect: Dialect::OpenAiChat, id: audio.required_text("id")? };
        list.push(Part::new(PartBody::Audio(Media { source, media_type: None })));
    }
    for called in fields.objects("tool_calls")? {
        list.push(Part::new(PartBody::ToolCall(tool_call(called)?)));
    }
    if let Some(called) = fields.object("function_call")? {
        list.push(Part::new(PartBody::ToolCall(older.call(called)?)));
    }
    Ok(Message { role: Role::Assistant, parts: list, name: fields.text("name")? })
}

/// Gives the first text what it refers to.
fn annotate(fields: &mut Fields, list: &mut [Part]) {
    let Some(Value::Array(found)) = fields.any("annotations") else { return };
    let texts = list.iter_mut().filter_map(|part| match &mut part.body {
        PartBody::Text { annotations, .. } => Some(annotations),
        _ => None,
    });
    if let Some(annotations) = texts.into_iter().next() {
        annotations.extend(found);
    }
}

fn tool_call(mut fields: Fields) -> Result<ToolCall, RequestFault> {
    let id = fields.required_text("id")?;
    let signature = fields.any("extra_content").as_ref().and_then(call::signature);
    if let Some(mut custom) = fields.object("custom")? {
        let name = custom.required_text("name")?;
        let arguments = custom.required_text("input")?;
        return Ok(ToolCall { id, name, arguments, is_custom: true, signature });
    }
    let Some(mut function) = fields.object("function")? else {
        return Err(fields.missing("function", "an object"));
    };
    let name = function.required_text("name")?;
    let arguments = call::arguments(function.any("arguments").as_ref());
    Ok(ToolCall { id, name, arguments, is_custom: false, signature })
}

fn tool(fields: &mut Fields) -> Result<Message, RequestFault> {
    let call_id = fields.required_text("tool_call_id")?;
    let name = fields.text("name")?;
    Ok(result(ToolResult { call_id, name, parts: parts::content(fields)?, is_error: None }))
}

fn result(result: ToolResult) -> Message {
    let parts = vec![Part::new(PartBody::ToolResult(result))];
    Message { role: Role::Tool, parts, name: None }
}

/// Calls in the older form have no ids: a result belongs to the last call of its name.
#[derive(Debug, Default)]
struct OlderCalls {
    made: usize,
    open: Vec<(String, String)>,
}

impl OlderCalls {
    fn call(&mut self, mut fields: Fields) -> Result<ToolCall, RequestFault> {
        let name = fields.required_text("name")?;
        let arguments = call::arguments(fields.any("arguments").as_ref());
        let id = format!("call_function_{}", self.made);
        self.made += 1;
        self.open.push((name.clone(), id.clone()));
        Ok(ToolCall { id, name, arguments, is_custom: false, signature: None })
    }

    fn result(&mut self, fields: &mut Fields) -> Result<Message, RequestFault> {
        let name = fields.required_text("name")?;
        let Some(at) = self.open.iter().rposition(|(called, _)| *called == name) else {
            return Err(fields.wrong("name", "is of a function that no message before has called"));
        };
        let (_, call_id) = self.open.remove(at);
        let parts = parts::content(fields)?;
        Ok(result(ToolResult { call_id, name: Some(name), parts, is_error: None }))
    }
}
