//! A request, read. The model and the stream flag stand in the path.

use bytes::Bytes;
use serde_json::{Map, Value};
use weir_types::{Dialect, Operation};

use super::super::calls::Calls;
use super::super::{camel, embedding, parts};
use super::{config, tools};
use crate::fault::RequestFault;
use crate::fields::Fields;
use crate::ir::{Chat, Extra, Message, Part, Request, Role};
use crate::peek::PathFacts;
use crate::state;

/// A prompt that Google keeps, and a template of Model Armor that guards prompts and answers.
const STATE: [&str; 2] = ["cachedContent", "modelArmorConfig"];

/// Reads a request.
pub(in super::super) fn read(body: &Bytes, path: &PathFacts<'_>) -> Result<Request, RequestFault> {
    let document = Fields::document(body)?;
    let mut fields = camel::fields(Value::Object(document.rest()), "")?;
    match path.operation {
        Operation::Chat => Ok(Request::Chat(Box::new(chat(fields, path)?))),
        Operation::CountTokens => {
            let inner = camel::object(&mut fields, "generateContentRequest")?;
            Ok(Request::CountTokens(Box::new(chat(inner.unwrap_or(fields), path)?)))
        }
        Operation::Embedding => embedding::read(fields, path).map(Request::Embedding),
        operation => Err(RequestFault::untranslatable(Dialect::GeminiGenerate, operation)),
    }
}

/// The model's name without what kind of thing it is.
pub(in super::super) fn model(path: &PathFacts<'_>, stated: Option<String>) -> String {
    let name = path.model.map(str::to_owned).or(stated).unwrap_or_default();
    name.strip_prefix("models/").map_or_else(|| name.clone(), str::to_owned)
}

fn chat(mut fields: Fields, path: &PathFacts<'_>) -> Result<Chat, RequestFault> {
    let mut chat = Chat::new(Dialect::GeminiGenerate);
    let stated = fields.text("model")?;
    chat.model = model(path, stated);
    chat.stream = path.stream.unwrap_or(false);
    if let Some(system) = fields.any("systemInstruction") {
        system_message(system, &mut chat)?;
    }
    messages(&mut fields, &mut chat)?;
    tools::read(&mut fields, &mut chat)?;
    if let Some(config) = camel::object(&mut fields, "generationConfig")? {
        config::read(config, &mut chat)?;
    }
    chat.service_tier = fields.text("serviceTier")?.and_then(|tier| service_tier(&tier));
    chat.store = fields.flag("store")?;
    if let Some(labels) = fields.object("labels")? {
        chat.metadata = labels.rest();
    }
    chat.extra.extend(fields.rest());
    state::note(&mut chat, &STATE, &[]);
    Ok(chat)
}

/// In OpenAI's words.
fn service_tier(tier: &str) -> Option<String> {
    match tier.to_ascii_lowercase().as_str() {
        "unspecified" => None,
        "standard" => Some("default".to_owned()),
        other => Some(other.to_owned()),
    }
}

fn system_message(system: Value, chat: &mut Chat) -> Result<(), RequestFault> {
    let parts = match system {
        Value::String(text) => vec![Part::text(text)],
        other => {
            let mut content = camel::fields(other, "systemInstruction")?;
            read_parts(&mut content, &mut Calls::default())?
        }
    };
    if !parts.is_empty() {
        chat.messages.push(Message { role: Role::System, parts, name: None });
    }
    Ok(())
}

fn messages(fields: &mut Fields, chat: &mut Chat) -> Result<(), RequestFault> {
    if !fields.has("contents") {
        return Err(fields.missing("contents", "an array of turns"));
    }
    let mut calls = Calls::default();
    for (path, value) in camel::many(fields, "contents") {
        let mut content = camel::fields(value, path)?;
        let role = match content.text("role")?.as_deref() {
            None | Some("user" | "function" | "") => Role::User,
            Some("model") => Role::Assistant,
            Some("system") => Role::System,
            Some(_) => return Err(content.wrong("role", "must be \"user\" or \"model\"")),
        };
        if role == Role::Assistant {
            calls.begin_turn();
        }
        let parts = read_parts(&mut content, &mut calls)?;
        chat.messages.push(Message { role, parts, name: None });
    }
    Ok(())
}

fn read_parts(content: &mut Fields, calls: &mut Calls) -> Result<Vec<Part>, RequestFault> {
    let mut out = Vec::new();
    for (path, value) in camel::many(content, "parts") {
        parts::read(value, path, calls, &mut out)?;
    }
    Ok(out)
}

/// Keeps what is left of an object for its own format, by the path of each member.
pub(super) fn keep(extra: &mut Extra, prefix: &str, rest: Map<String, Value>) {
    extra.extend(rest.into_iter().map(|(name, value)| (format!("{prefix}.{name}"), value)));
}
