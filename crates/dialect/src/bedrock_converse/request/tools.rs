//! Tools and whether they are called.
//!
//! Two things the format lacks: a choice of none, and conversations with calls but without tools.
//! Both are refused or impossible, so tools are defined anew from the conversation, and what keeps
//! the model from calling them is said in another way.

use serde_json::{Map, Value, json};
use weir_types::Dialect;

use super::super::blocks;
use super::cache::Block;
use super::model::{self, Family};
use crate::custom::{self, Simple};
use crate::fault::RequestFault;
use crate::fields::Fields;
use crate::ir::{Chat, Losses, PartBody, Tool, ToolBody, ToolChoice};
use crate::schema::{closed, inline_refs};

const OWN: Dialect = Dialect::BedrockConverse;
const UNAVAILABLE: &str =
    "Was used earlier in this conversation. Not available now: never call it.";

/// What Nova takes at the top of a tool's schema; with anything else the tool is refused or never
/// called. <https://docs.aws.amazon.com/nova/latest/userguide/prompting-tool-troubleshooting.html>
const NOVA_TOP: [&str; 3] = ["type", "properties", "required"];
/// Members that only describe, or say what is so anyway for a caller that knows the schema.
const ANNOTATIONS: [&str; 7] =
    ["$schema", "$id", "$comment", "title", "description", "examples", "additionalProperties"];

/// Reads `toolConfig`.
pub(super) fn read(mut config: Fields, chat: &mut Chat) -> Result<(), RequestFault> {
    let path = config.at("tools");
    for (at, raw) in config.list("tools")?.into_iter().enumerate() {
        if let Some(point) = raw.get("cachePoint") {
            if let Some(last) = chat.tools.last_mut() {
                last.cache = Some(blocks::mark(point));
            }
            continue;
        }
        if raw.get("toolSpec").is_none() {
            let name = raw.pointer("/systemTool/name").and_then(Value::as_str);
            let name = name.unwrap_or("systemTool").to_owned();
            let body = ToolBody::Hosted { dialect: OWN, name, raw };
            chat.tools.push(Tool { body, cache: None });
            continue;
        }
        let mut tool = Fields::new(raw, format!("{path}[{at}]"))?;
        let Some(mut spec) = tool.object("toolSpec")? else { continue };
        let parameters = match spec.object("inputSchema")? {
            Some(mut schema) => schema.any("json"),
            None => None,
        };
        chat.tools.push(Tool {
            body: ToolBody::Function {
                name: spec.required_text("name")?,
                description: spec.text("description")?,
                parameters,
                strict: spec.flag("strict")?,
            },
            cache: None,
        });
    }
    if let Some(mut choice) = config.object("toolChoice")? {
        chat.tool_choice = if let Some(mut tool) = choice.object("tool")? {
            Some(ToolChoice::Function(tool.required_text("name")?))
        } else if choice.has("any") {
            Some(ToolChoice::Required)
        } else {
            Some(ToolChoice::Auto)
        };
    }
    Ok(())
}

/// What a request says of tools.
#[derive(Debug, Default)]
pub(super) struct Tools {
    /// `toolConfig.tools`; empty: there is no `toolConfig`.
    pub blocks: Vec<Block>,
    /// `toolConfig.toolChoice`.
    pub choice: Option<Value>,
    /// `additionalModelRequestFields.tool_choice`, for what only Claude can be told; never beside
    /// `choice`, which Bedrock refuses.
    pub claude_choice: Option<Value>,
}

impl Tools {
    /// A tool must be called.
    pub(super) fn is_forced(&self) -> bool {
        let claudes = self.claude_choice.as_ref().and_then(|choice| choice.get("type")?.as_str());
        self.choice.as_ref().is_some_and(|choice| choice.get("auto").is_none())
            || matches!(claudes, Some("any" | "tool"))
    }
}

/// Works out what is said of tools.
///
/// # Errors
/// The model cannot be made to call a tool, or a schema cannot be written for it.
pub(super) fn written(
    chat: &Chat,
    family: Family,
    model: &str,
    losses: &mut Losses,
) -> Result<Tools, RequestFault> {
    let tools = shown(chat, family, model, losses)?;
    let asked = chat.tools.iter().filter(|tool| tool.cache.is_some()).count();
    let kept = tools.blocks.iter().filter(|block| block.cache.is_some()).count();
    losses.add_marks_of_tools_if(kept < asked);
    Ok(tools)
}

/// The tools that the model is shown, and which of them it may or must call.
fn shown(
    chat: &Chat,
    family: Family,
    model: &str,
    losses: &mut Losses,
) -> Result<Tools, RequestFault> {
    let is_claude = matches!(family, Family::Claude(_));
    let is_none = chat.tool_choice == Some(ToolChoice::None);
    let has_history = has_history(chat);
    let mut tools = Tools::default();
    if is_none && !has_history {
        return Ok(tools);
    }
    // Claude can be told not to call; others are not shown what they could call.
    if chat.tools.is_empty() || (is_none && !is_claude) {
        if has_history {
            tools.blocks = from_history(chat);
            tools.claude_choice = is_claude.then(|| json!({ "type": "none" }));
        }
        return Ok(tools);
    }
    tools.blocks = definitions(chat, family, model::takes_schemas(model), losses)?;
    if is_none {
        tools.claude_choice = Some(json!({ "type": "none" }));
        return Ok(tools);
    }
    tools.choice = choice(chat, &mut tools.blocks);
    if tools.is_forced() && matches!(family, Family::Claude(row) if !row.forced_tools) {
        let text = "this model always thinks and cannot be made to call a tool; use `auto`";
        return Err(RequestFault::unsupported("tool_choice", text));
    }
    if chat.parallel_tool_calls == Some(false) {
        if is_claude {
            let mut choice = in_claudes_words(tools.choice.take().as_ref());
            choice.insert("disable_parallel_tool_use".to_owned(), json!(true));
            tools.claude_choice = Some(Value::Object(choice));
        } else {
            losses.add("parallel_tool_calls", "the target has no such member");
        }
    }
    Ok(tools)
}

/// A choice as Claude itself takes it.
fn in_claudes_words(choice: Option<&Value>) -> Map<String, Value> {
    let name = choice.and_then(|choice| choice.pointer("/tool/name"));
    let kind = match choice {
        _ if name.is_some() => "tool",
        Some(choice) if choice.get("any").is_some() => "any",
        _ => "auto",
    };
    let mut said = Map::new();
    said.insert("type".to_owned(), json!(kind));
    said.extend(name.map(|name| ("name".to_owned(), name.clone())));
    said
}

fn has_history(chat: &Chat) -> bool {
    let mut parts = chat.messages.iter().flat_map(|message| &message.parts);
    parts.any(|part| matches!(part.body, PartBody::ToolCall(_) | PartBody::ToolResult(_)))
}

/// Definitions of the tools that were called so far, each once.
fn from_history(chat: &Chat) -> Vec<Block> {
    let parts = chat.messages.iter().flat_map(|message| &message.parts);
    let mut names: Vec<&str> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for part in parts {
        let name = match &part.body {
            PartBody::ToolCall(call) => Some(call.name.as_str()),
            PartBody::ToolResult(result) => result.name.as_deref(),
            _ => None,
        };
        names.extend(name.filter(|name| !name.is_empty() && seen.insert(*name)));
    }
    if names.is_empty() {
        names.push("tool");
    }
    let define = |name: &str| {
        let schema = json!({ "json": { "type": "object", "properties": {} } });
        let spec = json!({ "name": name, "description": UNAVAILABLE, "inputSchema": schema });
        Block { value: json!({ "toolSpec": spec }), cache: None }
    };
    names.into_iter().map(define).collect()
}

fn definitions(
    chat: &Chat,
    family: Family,
    takes_strict: bool,
    losses: &mut Losses,
) -> Result<Vec<Block>, RequestFault> {
    let mut blocks = Vec::with_capacity(chat.tools.len());
    for tool in &chat.tools {
        let value = match custom::simple(&tool.body, losses) {
            Simple::Function(function) => {
                let strict = function.strict.filter(|_| takes_strict);
                let is_lost = !takes_strict && function.strict == Some(true);
                losses.add_if(is_lost, "tools.strict", "this model is not held to schemas");
                let mut schema = typed(function.parameters.as_deref());
                if chat.source != OWN {
                    fit(&mut schema, family, strict == Some(true), losses)?;
                }
                spec(function.name, function.description, schema, strict)
            }
            Simple::Hosted { raw, .. } => raw.clone(),
        };
        blocks.push(Block { value, cache: tool.cache.clone() });
    }
    Ok(blocks)
}

fn spec(name: &str, description: Option<&str>, schema: Value, strict: Option<bool>) -> Value {
    let mut spec = Map::new();
    spec.insert("name".to_owned(), json!(name));
    if let Some(text) = description.filter(|text| !text.trim().is_empty()) {
        spec.insert("description".to_owned(), json!(text));
    }
    let schema = Map::from_iter([("json".to_owned(), schema)]);
    spec.insert("inputSchema".to_owned(), Value::Object(schema));
    if let Some(strict) = strict {
        spec.insert("strict".to_owned(), json!(strict));
    }
    json!({ "toolSpec": spec })
}

/// A tool's schema with its type: it must be said, and it must be this one.
fn typed(parameters: Option<&Value>) -> Value {
    match parameters {
        Some(Value::Object(schema)) if !schema.contains_key("type") => {
            let mut typed = Map::new();
            typed.insert("type".to_owned(), json!("object"));
            typed.extend(schema.clone());
            Value::Object(typed)
        }
        Some(schema @ Value::Object(_)) => schema.clone(),
        _ => json!({ "type": "object", "properties": {} }),
    }
}

/// Makes a schema fit what the model takes of schemas.
///
/// # Errors
/// It cannot be written without references.
fn fit(
    schema: &mut Value,
    family: Family,
    is_strict: bool,
    losses: &mut Losses,
) -> Result<(), RequestFault> {
    if is_strict && closed::close(schema) {
        losses.add("tools.parameters", "the schema was narrowed to what can be enforced");
    }
    if !matches!(family, Family::Nova { .. }) {
        return Ok(());
    }
    let is_taken = |name: &String| NOVA_TOP.contains(&name.as_str());
    if !schema.as_object().is_some_and(|top| top.keys().all(is_taken)) {
        *schema = inline_refs(schema)?;
        if let Value::Object(top) = schema {
            let mut rest = top.keys().filter(|name| !is_taken(name));
            let is_narrowed = rest.any(|name| !ANNOTATIONS.contains(&name.as_str()));
            let why = "Nova takes type, properties and required at the top of a schema";
            losses.add_if(is_narrowed, "tools.parameters", why);
            top.retain(|name, _| is_taken(name));
        }
    }
    Ok(())
}

/// The choice; tools that may not be called are taken out of `blocks`.
fn choice(chat: &Chat, blocks: &mut Vec<Block>) -> Option<Value> {
    match chat.tool_choice.as_ref()? {
        // Said by leaving it out: not every model takes a choice.
        ToolChoice::Auto => (chat.source == OWN).then(|| json!({ "auto": {} })),
        ToolChoice::None => None,
        ToolChoice::Required => Some(json!({ "any": {} })),
        ToolChoice::Function(name) => Some(json!({ "tool": { "name": name } })),
        ToolChoice::Allowed { required, names } => {
            let is_named = |block: &Block| {
                let name = block.value.pointer("/toolSpec/name").and_then(Value::as_str);
                name.is_some_and(|name| names.iter().any(|known| known == name))
            };
            if blocks.iter().any(is_named) {
                blocks.retain(is_named);
            }
            match names.as_slice() {
                [name] if *required => Some(json!({ "tool": { "name": name } })),
                _ => required.then(|| json!({ "any": {} })),
            }
        }
    }
}
