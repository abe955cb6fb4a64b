//! Tools and the choice among them, both ways.
//! <https://platform.openai.com/docs/api-reference/responses/create#responses-create-tools>

use serde_json::{Map, Value, json};
use weir_types::Dialect;

use crate::fault::RequestFault;
use crate::fields::Fields;
use crate::ir::{Chat, Extra, Losses, Tool, ToolBody, ToolChoice};

/// Before the name of a member of a tool that the form between formats lacks: in `extra` it stands
/// as `tools.defer_loading`, an object of its values by the names of the tools.
pub(super) const REST: &str = "tools.";

/// Reads the tools.
pub(super) fn read(list: Vec<Fields>, extra: &mut Extra) -> Result<Vec<Tool>, RequestFault> {
    let tools = list.into_iter().map(|fields| Ok(Tool { body: tool(fields, extra)?, cache: None }));
    tools.collect()
}

fn tool(mut fields: Fields, extra: &mut Extra) -> Result<ToolBody, RequestFault> {
    let Some(kind) = fields.peek("type").and_then(Value::as_str).map(str::to_owned) else {
        return Err(fields.missing("type", "the kind of tool"));
    };
    if !matches!(kind.as_str(), "function" | "custom") {
        let raw = Value::Object(fields.rest());
        return Ok(ToolBody::Hosted { dialect: Dialect::OpenAiResponses, name: kind, raw });
    }
    fields.any("type");
    let name = fields.required_text("name")?;
    let description = fields.text("description")?;
    let body = if kind == "custom" {
        let format = fields.any("format").map(nested_format);
        ToolBody::Custom { name: name.clone(), description, format }
    } else {
        let parameters = match fields.any("parameters") {
            Some(other) if !other.is_object() => {
                return Err(fields.wrong("parameters", "must be a JSON Schema object"));
            }
            parameters => parameters,
        };
        let strict = fields.flag("strict")?;
        ToolBody::Function { name: name.clone(), description, parameters, strict }
    };
    for (member, value) in fields.rest() {
        let all = extra.entry(format!("{REST}{member}")).or_insert_with(|| json!({}));
        if let Value::Object(all) = all {
            all.insert(name.clone(), value);
        }
    }
    Ok(body)
}

/// A grammar as chat has it: `{"type": "grammar", "grammar": {…}}`.
fn nested_format(format: Value) -> Value {
    let is_flat = format.get("type").and_then(Value::as_str) == Some("grammar")
        && format.get("grammar").is_none();
    match format {
        Value::Object(mut members) if is_flat => {
            members.shift_remove("type");
            json!({ "type": "grammar", "grammar": members })
        }
        other => other,
    }
}

/// A grammar as this format has it: flat.
fn flat_format(format: &Value) -> Value {
    let Some(Value::Object(grammar)) = format.get("grammar") else { return format.clone() };
    let mut members = grammar.clone();
    members.insert("type".to_owned(), json!("grammar"));
    Value::Object(members)
}

/// Writes one tool.
pub(super) fn write(tool: &Tool, chat: &Chat, losses: &mut Losses) -> Value {
    let is_own = chat.source == Dialect::OpenAiResponses;
    losses.add_if(tool.cache.is_some(), "cache_control", "the target keeps prompts by itself");
    let mut members = Map::new();
    let named = match &tool.body {
        ToolBody::Function { name, description, parameters, strict } => {
            members.insert("type".to_owned(), json!("function"));
            members.insert("name".to_owned(), json!(name));
            if let Some(description) = description {
                members.insert("description".to_owned(), json!(description));
            }
            let parameters = match parameters {
                Some(parameters) => parameters.clone(),
                None if is_own => Value::Null,
                None => json!({ "type": "object", "properties": {} }),
            };
            members.insert("parameters".to_owned(), parameters);
            // Here functions are strict unless told otherwise; in every other format they are not.
            let strict = if is_own { *strict } else { strict.or(Some(false)) };
            members.insert("strict".to_owned(), json!(strict));
            name
        }
        ToolBody::Custom { name, description, format } => {
            members.insert("type".to_owned(), json!("custom"));
            members.insert("name".to_owned(), json!(name));
            if let Some(description) = description {
                members.insert("description".to_owned(), json!(description));
            }
            if let Some(format) = format {
                members.insert("format".to_owned(), flat_format(format));
            }
            name
        }
        ToolBody::Hosted { raw, .. } => return raw.clone(),
    };
    for (member, values) in chat.extra.iter().filter(|_| is_own) {
        if let (Some(member), Some(value)) = (member.strip_prefix(REST), values.get(named)) {
            members.insert(member.to_owned(), value.clone());
        }
    }
    Value::Object(members)
}

/// Reads the choice. One that only this format has goes to `extra`.
pub(super) fn read_choice(
    fields: &mut Fields,
    extra: &mut Extra,
) -> Result<Option<ToolChoice>, RequestFault> {
    let Some(value) = fields.any("tool_choice") else { return Ok(None) };
    let choice = match value.as_str() {
        Some("auto") => Some(ToolChoice::Auto),
        Some("none") => Some(ToolChoice::None),
        Some("required") => Some(ToolChoice::Required),
        Some(_) => {
            let why = "must be \"auto\", \"none\", \"required\" or an object";
            return Err(fields.wrong("tool_choice", why));
        }
        None => {
            let object = Fields::new(value.clone(), fields.at("tool_choice"))?;
            choice(object)?
        }
    };
    if choice.is_none() {
        extra.insert("tool_choice".to_owned(), value);
    }
    Ok(choice)
}

fn choice(mut fields: Fields) -> Result<Option<ToolChoice>, RequestFault> {
    match fields.required_text("type")?.as_str() {
        "function" | "custom" => Ok(Some(ToolChoice::Function(fields.required_text("name")?))),
        "allowed_tools" => {
            let required = fields.text("mode")?.as_deref() == Some("required");
            let mut names = Vec::new();
            for mut tool in fields.objects("tools")? {
                match tool.required_text("type")?.as_str() {
                    "function" | "custom" => names.push(tool.required_text("name")?),
                    _ => return Ok(None),
                }
            }
            Ok(Some(ToolChoice::Allowed { required, names }))
        }
        _ => Ok(None),
    }
}

/// Writes the choice; `None` if none was made.
pub(super) fn write_choice(chat: &Chat) -> Option<Value> {
    let named = |name: &str| {
        let is_custom = chat.tools.iter().any(
            |tool| matches!(&tool.body, ToolBody::Custom { name: custom, .. } if custom == name),
        );
        json!({ "type": if is_custom { "custom" } else { "function" }, "name": name })
    };
    Some(match chat.tool_choice.as_ref() {
        None => {
            let is_own = chat.source == Dialect::OpenAiResponses;
            return chat.extra.get("tool_choice").filter(|_| is_own).cloned();
        }
        Some(ToolChoice::Auto) => json!("auto"),
        Some(ToolChoice::None) => json!("none"),
        Some(ToolChoice::Required) => json!("required"),
        Some(ToolChoice::Function(name)) => named(name),
        Some(ToolChoice::Allowed { required, names }) => json!({
            "type": "allowed_tools",
            "mode": if *required { "required" } else { "auto" },
            "tools": names.iter().map(|name| named(name)).collect::<Vec<_>>(),
        }),
    })
}
