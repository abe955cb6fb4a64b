//! Reads a request into the form between formats.
//!
//! What has no place there goes to [`Chat::extra`], by its name; members of tools that only
//! Anthropic has go there as `tools.<member>`, by the tool's name, and members of messages as
//! `messages.<member>`, without their place.

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::anthropic_messages::block::{cache_mark, read_content};
use crate::anthropic_messages::{OWN, words};
use crate::fault::RequestFault;
use crate::fields::Fields;
use crate::ir::{
    Chat, Effort, Extra, Message, OutputFormat, Part, PartBody, Reasoning, Role, Sampling, Tool,
    ToolBody, ToolChoice,
};
use crate::peek::PathFacts;
use crate::state;

/// A container with what was left in it, and servers that Anthropic asks on the model's behalf.
const STATE: [&str; 2] = ["container", "mcp_servers"];

/// Files put into a container, and what stands for a conversation that Anthropic has shortened.
const STATE_BLOCKS: [(&str, &str); 2] =
    [("container_upload", "messages.container_upload"), ("compaction", "messages.compaction")];

/// Reads a request for chat or for a count of tokens.
///
/// # Errors
/// What is wrong and where.
pub(in super::super) fn read(
    body: &Bytes,
    path: &PathFacts<'_>,
) -> Result<Box<Chat>, RequestFault> {
    let mut fields = Fields::document(body)?;
    let mut chat = Chat::new(OWN);
    let model = fields.text("model")?;
    chat.model = path.model.map(str::to_owned).or(model).unwrap_or_default();
    chat.stream = path.stream.or(fields.flag("stream")?).unwrap_or(false);
    if let Some(system) = fields.any("system") {
        let parts = read_content(system, "system")?;
        chat.messages.push(Message { role: Role::System, parts, name: None });
    }
    if !fields.has("messages") {
        return Err(fields.missing("messages", "an array of messages"));
    }
    for message in fields.objects("messages")? {
        chat.messages.push(read_message(message, &mut chat.extra)?);
    }
    for tool in fields.objects("tools")? {
        chat.tools.push(read_tool(tool, &mut chat.extra)?);
    }
    if let Some(choice) = fields.object("tool_choice")? {
        read_choice(choice, &mut chat)?;
    }
    chat.sampling = Sampling {
        max_output_tokens: fields.count("max_tokens")?,
        temperature: fields.number("temperature")?,
        top_p: fields.number("top_p")?,
        top_k: fields.count("top_k")?,
        stop: fields.texts("stop_sequences")?,
        ..Sampling::default()
    };
    if let Some(thinking) = fields.object("thinking")? {
        read_thinking(thinking, &mut chat)?;
    }
    read_output(&mut fields, &mut chat)?;
    if let Some(mut metadata) = fields.object("metadata")? {
        chat.user = metadata.text("user_id")?;
        chat.metadata = metadata.rest();
    }
    if let Some(tier) = fields.peek("service_tier").and_then(Value::as_str) {
        chat.service_tier = words::tier_asked(tier).map(str::to_owned);
    }
    if chat.service_tier.is_some() {
        fields.any("service_tier");
    }
    chat.cache = cache_mark(&mut fields)?;
    // Says which wire format this is; hosts that demand it in the body are told by their quirks.
    fields.any("anthropic_version");
    chat.extra.extend(fields.rest());
    state::note(&mut chat, &STATE, &STATE_BLOCKS);
    // Where the request may be served; `global` is no bound.
    if chat.extra.get("inference_geo").is_some_and(|place| place != "global") {
        state::note(&mut chat, &["inference_geo"], &[]);
    }
    Ok(Box::new(chat))
}

fn read_message(mut fields: Fields, extra: &mut Extra) -> Result<Message, RequestFault> {
    let role = match fields.required_text("role")?.as_str() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        other => {
            let why = format!("is \"{other}\", expected user, assistant or system");
            return Err(fields.wrong("role", why));
        }
    };
    let path = fields.at("content");
    let Some(content) = fields.any("content") else {
        return Err(fields.missing("content", "a string or an array of blocks"));
    };
    let parts = read_content(content, &path)?;
    for (member, value) in fields.rest() {
        extra.insert(format!("messages.{member}"), value);
    }
    Ok(Message { role, parts, name: None })
}

/// `type` says whose a tool is: the client's own have none, or `custom`.
fn read_tool(mut fields: Fields, extra: &mut Extra) -> Result<Tool, RequestFault> {
    let cache = cache_mark(&mut fields)?;
    let kind = fields.peek("type").and_then(Value::as_str).unwrap_or("custom").to_owned();
    if kind != "custom" {
        let raw = Value::Object(fields.rest());
        return Ok(Tool { body: ToolBody::Hosted { dialect: OWN, name: kind, raw }, cache });
    }
    fields.any("type");
    let name = fields.required_text("name")?;
    let body = ToolBody::Function {
        description: fields.text("description")?,
        parameters: fields.any("input_schema"),
        strict: fields.flag("strict")?,
        name: name.clone(),
    };
    for (member, value) in fields.rest() {
        let of_tools = extra.entry(format!("tools.{member}")).or_insert_with(|| Map::new().into());
        if let Value::Object(of_tools) = of_tools {
            of_tools.insert(name.clone(), value);
        }
    }
    Ok(Tool { body, cache })
}

fn read_choice(mut fields: Fields, chat: &mut Chat) -> Result<(), RequestFault> {
    chat.tool_choice = Some(match fields.required_text("type")?.as_str() {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Required,
        "none" => ToolChoice::None,
        "tool" => ToolChoice::Function(fields.required_text("name")?),
        other => {
            let why = format!("is \"{other}\", expected auto, any, tool or none");
            return Err(fields.wrong("type", why));
        }
    });
    chat.parallel_tool_calls = fields.flag("disable_parallel_tool_use")?.map(|disabled| !disabled);
    Ok(())
}

fn read_thinking(mut fields: Fields, chat: &mut Chat) -> Result<(), RequestFault> {
    let mut reasoning = Reasoning::default();
    let kind = fields.required_text("type")?;
    match kind.as_str() {
        "enabled" => {
            reasoning.enabled = Some(true);
            reasoning.budget_tokens = fields.count("budget_tokens")?;
            if reasoning.budget_tokens.is_none() {
                return Err(fields.missing("budget_tokens", "a whole number from 1024 on"));
            }
        }
        "adaptive" => {
            reasoning.enabled = Some(true);
            reasoning.adaptive = true;
        }
        "disabled" | "between_tools" => reasoning.enabled = Some(false),
        other => {
            let why =
                format!("is \"{other}\", expected enabled, disabled, adaptive or between_tools");
            return Err(fields.wrong("type", why));
        }
    }
    reasoning.visible = match fields.peek("display").and_then(Value::as_str) {
        Some("summarized") => Some(true),
        Some("omitted") => Some(false),
        _ => None,
    };
    if reasoning.visible.is_some() {
        fields.any("display");
    }
    let mut rest = fields.rest();
    if kind == "between_tools" {
        rest.insert("type".into(), kind.into());
    }
    if !rest.is_empty() {
        chat.extra.insert("thinking".into(), rest.into());
    }
    chat.reasoning = Some(reasoning);
    Ok(())
}

/// `output_config`, and `output_format`, the older place of its `format`.
fn read_output(fields: &mut Fields, chat: &mut Chat) -> Result<(), RequestFault> {
    let mut format = fields.object("output_format")?;
    if let Some(mut config) = fields.object("output_config")? {
        if let Some(label) = config.text("effort")? {
            let Some(effort) = Effort::from_label(&label) else {
                return Err(config.wrong("effort", format!("is \"{label}\", which is no effort")));
            };
            chat.reasoning.get_or_insert_default().effort = Some(effort);
        }
        format = config.object("format")?.or(format);
        let rest = config.rest();
        if !rest.is_empty() {
            chat.extra.insert("output_config".into(), rest.into());
        }
    }
    if let Some(mut format) = format {
        let kind = format.required_text("type")?;
        if kind != "json_schema" {
            return Err(format.wrong("type", format_args!("is \"{kind}\", expected json_schema")));
        }
        let Some(schema) = format.any("schema") else {
            return Err(format.missing("schema", "a JSON schema"));
        };
        let (name, description) = (format.text("name")?, None);
        let strict = Some(true);
        chat.output = Some(OutputFormat::JsonSchema { name, description, schema, strict });
    }
    Ok(())
}

/// Whether `parts` hold results of tools.
pub(super) fn has_results(parts: &[Part]) -> bool {
    parts.iter().any(|part| matches!(part.body, PartBody::ToolResult(_)))
}
