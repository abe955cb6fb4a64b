//! Tools and the choice between them, both ways.

use serde_json::{Map, Value, json};
use weir_types::Dialect;

use super::super::{camel, schema};
use super::read::keep;
use crate::custom::{self, Function, Simple};
use crate::fault::RequestFault;
use crate::fields::Fields;
use crate::ir::{Chat, Extra, Losses, Tool, ToolBody, ToolChoice};

/// Reads `tools` and `toolConfig`.
pub(super) fn read(fields: &mut Fields, chat: &mut Chat) -> Result<(), RequestFault> {
    for (path, value) in camel::many(fields, "tools") {
        let mut tool = camel::fields(value, path)?;
        for (path, value) in camel::many(&mut tool, "functionDeclarations") {
            let declaration = camel::fields(value, path)?;
            let body = function(declaration, &mut chat.extra)?;
            chat.tools.push(Tool { body, cache: None });
        }
        for (name, value) in tool.rest() {
            let raw = json!({ name.as_str(): value });
            let body = ToolBody::Hosted { dialect: Dialect::GeminiGenerate, name, raw };
            chat.tools.push(Tool { body, cache: None });
        }
    }
    if let Some(mut config) = camel::object(fields, "toolConfig")? {
        if let Some(calling) = camel::object(&mut config, "functionCallingConfig")? {
            choice(calling, chat)?;
        }
        keep(&mut chat.extra, "toolConfig", config.rest());
    }
    Ok(())
}

fn function(mut declaration: Fields, extra: &mut Extra) -> Result<ToolBody, RequestFault> {
    let name = declaration.required_text("name")?;
    let description = declaration.text("description")?;
    let json = declaration.any("parametersJsonSchema");
    let own = declaration.any("parameters").map(schema::to_json_schema);
    let parameters = json.or(own);
    keep(extra, "tools.functionDeclarations", declaration.rest());
    Ok(ToolBody::Function { name, description, parameters, strict: None })
}

fn choice(mut calling: Fields, chat: &mut Chat) -> Result<(), RequestFault> {
    let mode = calling.text("mode")?.unwrap_or_default();
    let mut names = calling.texts("allowedFunctionNames")?;
    chat.tool_choice = match mode.to_ascii_uppercase().as_str() {
        "" | "MODE_UNSPECIFIED" => None,
        "AUTO" => Some(ToolChoice::Auto),
        "NONE" => Some(ToolChoice::None),
        "ANY" => Some(match names.len() {
            0 => ToolChoice::Required,
            1 => ToolChoice::Function(names.remove(0)),
            _ => ToolChoice::Allowed { required: true, names },
        }),
        "VALIDATED" if names.is_empty() => {
            let member = "toolConfig.functionCallingConfig.mode".to_owned();
            chat.extra.insert(member, json!("VALIDATED"));
            Some(ToolChoice::Auto)
        }
        "VALIDATED" => Some(ToolChoice::Allowed { required: false, names }),
        _ => return Err(calling.wrong("mode", "must be AUTO, ANY, NONE or VALIDATED")),
    };
    keep(&mut chat.extra, "toolConfig.functionCallingConfig", calling.rest());
    Ok(())
}

/// Writes `tools` and `toolConfig` into `body`.
pub(super) fn write(chat: &Chat, body: &mut Map<String, Value>, losses: &mut Losses) {
    let mut functions = Vec::new();
    let mut hosted = Vec::new();
    for tool in &chat.tools {
        losses.add_if(tool.cache.is_some(), "tools.cache_control", "Gemini caches by itself");
        match custom::simple(&tool.body, losses) {
            Simple::Function(function) => {
                let is_strict = function.strict.is_some();
                losses.add_if(is_strict, "tools.strict", "Gemini has no such member");
                functions.push(declaration(function));
            }
            Simple::Hosted { raw, .. } => hosted.push(raw.clone()),
        }
    }
    let has_functions = !functions.is_empty();
    let functions = has_functions.then(|| json!({ "functionDeclarations": functions }));
    let tools: Vec<_> = functions.into_iter().chain(hosted).collect();
    if !tools.is_empty() {
        body.insert("tools".to_owned(), Value::Array(tools));
    }
    if let Some(choice) = chat.tool_choice.as_ref().filter(|_| has_functions) {
        let calling = calling_config(choice);
        body.insert("toolConfig".to_owned(), json!({ "functionCallingConfig": calling }));
    }
    losses.add_if(
        chat.parallel_tool_calls == Some(false),
        "parallel_tool_calls",
        "Gemini may call several functions at once",
    );
}

fn declaration(function: Function<'_>) -> Value {
    let mut declaration = Map::new();
    declaration.insert("name".to_owned(), json!(function.name));
    if let Some(description) = function.description {
        declaration.insert("description".to_owned(), json!(description));
    }
    if let Some(parameters) = function.parameters.filter(|schema| !schema::takes_nothing(schema)) {
        let mut parameters = parameters.into_owned();
        schema::tidy(&mut parameters);
        declaration.insert("parametersJsonSchema".to_owned(), parameters);
    }
    Value::Object(declaration)
}

fn calling_config(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto => json!({ "mode": "AUTO" }),
        ToolChoice::None => json!({ "mode": "NONE" }),
        ToolChoice::Required => json!({ "mode": "ANY" }),
        ToolChoice::Function(name) => json!({ "mode": "ANY", "allowedFunctionNames": [name] }),
        ToolChoice::Allowed { required, names } => {
            let mode = if *required { "ANY" } else { "VALIDATED" };
            json!({ "mode": mode, "allowedFunctionNames": names })
        }
    }
}
