//! Reads tools and the choice among them, in the present form and in the older one (`functions`).

use serde_json::{Value, json};
use weir_types::Dialect;

use super::parts;
use crate::fault::RequestFault;
use crate::fields::Fields;
use crate::ir::{Chat, Tool, ToolBody, ToolChoice};

/// Takes everything about tools.
pub(super) fn read(fields: &mut Fields, chat: &mut Chat) -> Result<(), RequestFault> {
    for entry in fields.objects("tools")? {
        chat.tools.push(tool(entry)?);
    }
    for entry in fields.objects("functions")? {
        chat.legacy_functions = true;
        chat.tools.push(Tool { body: function(entry)?, cache: None });
    }
    chat.tool_choice = choice(fields, "tool_choice")?;
    if fields.has("function_call") {
        chat.legacy_functions = true;
        chat.tool_choice = choice(fields, "function_call")?;
    }
    chat.parallel_tool_calls = fields.flag("parallel_tool_calls")?;
    Ok(())
}

fn tool(mut fields: Fields) -> Result<Tool, RequestFault> {
    let kind = fields.required_text("type")?;
    let cache = parts::mark(&mut fields)?;
    let body = match kind.as_str() {
        "function" => match fields.object("function")? {
            Some(entry) => function(entry)?,
            None => return Err(fields.missing("function", "an object")),
        },
        "custom" => match fields.object("custom")? {
            Some(entry) => custom(entry)?,
            None => return Err(fields.missing("custom", "an object")),
        },
        _ => {
            let mut raw = fields.rest();
            raw.insert("type".to_owned(), json!(kind));
            let raw = Value::Object(raw);
            ToolBody::Hosted { dialect: Dialect::OpenAiChat, name: kind, raw }
        }
    };
    Ok(Tool { body, cache })
}

fn function(mut fields: Fields) -> Result<ToolBody, RequestFault> {
    Ok(ToolBody::Function {
        name: fields.required_text("name")?,
        description: fields.text("description")?,
        parameters: fields.any("parameters"),
        strict: fields.flag("strict")?,
    })
}

fn custom(mut fields: Fields) -> Result<ToolBody, RequestFault> {
    Ok(ToolBody::Custom {
        name: fields.required_text("name")?,
        description: fields.text("description")?,
        format: fields.any("format"),
    })
}

fn choice(fields: &mut Fields, member: &str) -> Result<Option<ToolChoice>, RequestFault> {
    match fields.peek(member) {
        None => return Ok(None),
        Some(Value::String(word)) => {
            let choice = match word.as_str() {
                "auto" => ToolChoice::Auto,
                "none" => ToolChoice::None,
                // Mistral's word.
                "required" | "any" => ToolChoice::Required,
                _ => return Err(fields.wrong(member, "must be auto, none, required or an object")),
            };
            fields.any(member);
            return Ok(Some(choice));
        }
        Some(_) => {}
    }
    let Some(mut object) = fields.object(member)? else { return Ok(None) };
    if let Some(allowed) = object.object("allowed_tools")? {
        return allowed_tools(allowed).map(Some);
    }
    for nested in ["function", "custom"] {
        if let Some(mut named) = object.object(nested)? {
            return Ok(Some(ToolChoice::Function(named.required_text("name")?)));
        }
    }
    Ok(Some(ToolChoice::Function(object.required_text("name")?)))
}

fn allowed_tools(mut fields: Fields) -> Result<ToolChoice, RequestFault> {
    let required = match fields.text("mode")?.as_deref() {
        None | Some("auto") => false,
        Some("required") => true,
        Some(_) => return Err(fields.wrong("mode", "must be auto or required")),
    };
    let names = fields.objects("tools")?.into_iter().map(|mut entry| {
        for nested in ["function", "custom"] {
            if let Some(mut named) = entry.object(nested)? {
                return named.required_text("name");
            }
        }
        entry.required_text("name")
    });
    Ok(ToolChoice::Allowed { required, names: names.collect::<Result<_, _>>()? })
}
