//! Tools and tool choice of OpenAI's chat; responses have the same in a flatter form.

use serde_json::Value;

use super::error;
use crate::ask::{Choice, Tool};
use crate::refusal::Refusal;
use crate::shape::is_name;

/// Most tools of one request.
const TOOLS_MAX: usize = 128;

/// Tools that may be called, and whether they must be.
///
/// # Errors
/// The 400 for tools or a choice that make no sense.
pub(crate) fn read(tools: &str, choice: Option<&str>) -> Result<(Vec<Tool>, Choice), Refusal> {
    let wrong = |error: serde_json::Error| Refusal::bad_member("tools", &error.to_string());
    let list: Vec<Value> = serde_json::from_str(tools).map_err(wrong)?;
    if list.is_empty() || list.len() > TOOLS_MAX {
        return Err(Refusal::bad_member("tools", "expected 1 to 128 tools"));
    }
    let mut tools = Vec::new();
    for (nth, tool) in list.iter().enumerate() {
        let place = format!("tools[{nth}]");
        match tool.get("type").and_then(Value::as_str) {
            Some("function") => {
                let function = tool.get("function");
                let function =
                    function.ok_or_else(|| error::missing(&format!("{place}.function")))?;
                tools.push(function_of(function, &format!("{place}.function"))?);
            }
            Some("custom") => {
                let name = tool.pointer("/custom/name").and_then(Value::as_str);
                let name = name.ok_or_else(|| error::missing(&format!("{place}.custom.name")))?;
                tools.push(Tool { name: name.to_owned(), schema: Value::Null });
            }
            Some(_) => {
                let why = "expected 'function' or 'custom'";
                return Err(Refusal::bad_member(&format!("{place}.type"), why));
            }
            None => return Err(error::missing(&format!("{place}.type"))),
        }
    }
    let choice: Value = match choice {
        Some(raw) => serde_json::from_str(raw)
            .map_err(|error| Refusal::bad_member("tool_choice", &error.to_string()))?,
        None => Value::Null,
    };
    choose(tools, &choice, |choice| {
        choice.pointer("/function/name").or_else(|| choice.pointer("/custom/name"))
    })
}

/// A function that may be called, out of the object that describes it.
///
/// # Errors
/// The 400 for a name or a schema that OpenAI does not take.
pub(crate) fn function_of(function: &Value, place: &str) -> Result<Tool, Refusal> {
    let name = function.get("name").and_then(Value::as_str);
    let name = name.ok_or_else(|| error::missing(&format!("{place}.name")))?;
    if !is_name(name, 64, "_-") {
        let why = "string does not match pattern. Expected a string that matches the pattern \
                   '^[a-zA-Z0-9_-]+$' of at most 64 characters";
        return Err(Refusal::bad_member(&format!("{place}.name"), why));
    }
    let schema = function.get("parameters").cloned().unwrap_or(Value::Null);
    let flawed = |why: &str| {
        let message = format!("Invalid schema for function '{name}': {why}.");
        let refusal = Refusal::bad_request(message).with_code("invalid_function_parameters");
        Err(refusal.about(&format!("{place}.parameters")))
    };
    if !schema.is_object() && !schema.is_null() {
        return flawed("schema must be a JSON object");
    }
    let kind = schema.get("type").and_then(Value::as_str);
    if kind.is_some_and(|kind| kind != "object") {
        return flawed("schema must be a JSON Schema of 'type: \"object\"'");
    }
    if function.get("strict") == Some(&Value::Bool(true)) && schema.is_object() {
        let closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
        if !closed {
            return flawed("'additionalProperties' is required to be supplied and to be false");
        }
        let required = schema.get("required").and_then(Value::as_array);
        let names = schema.get("properties").and_then(Value::as_object);
        let listed = |name: &String| {
            required.is_some_and(|all| all.iter().any(|one| one.as_str() == Some(name)))
        };
        if !names.is_none_or(|names| names.keys().all(listed)) {
            return flawed("'required' must include every key in properties");
        }
    }
    Ok(Tool { name: name.to_owned(), schema })
}

/// Tools and choice. `name_of` finds the name in a choice that names one tool.
///
/// # Errors
/// The 400 for a choice that makes no sense.
pub(crate) fn choose(
    mut tools: Vec<Tool>,
    choice: &Value,
    name_of: impl Fn(&Value) -> Option<&Value>,
) -> Result<(Vec<Tool>, Choice), Refusal> {
    let wrong = |why: &str| Err(Refusal::bad_member("tool_choice", why));
    match choice {
        Value::Null => return Ok((tools, Choice::Auto)),
        Value::String(word) => {
            return match word.as_str() {
                "none" => Ok((tools, Choice::None)),
                "auto" => Ok((tools, Choice::Auto)),
                "required" => Ok((tools, Choice::Required)),
                _ => wrong("expected 'none', 'auto', 'required' or a function"),
            };
        }
        Value::Object(_) => {}
        _ => return wrong("expected a text or an object"),
    }
    if choice.get("type").and_then(Value::as_str) == Some("allowed_tools") {
        let allowed = choice.get("allowed_tools").unwrap_or(choice);
        let listed = allowed.get("tools").and_then(Value::as_array);
        let listed: Vec<&str> = listed
            .into_iter()
            .flatten()
            .filter_map(|tool| tool.get("name").or_else(|| name_of(tool)).and_then(Value::as_str))
            .collect();
        tools.retain(|tool| listed.contains(&tool.name.as_str()));
        return match allowed.get("mode").and_then(Value::as_str) {
            Some("auto") => Ok((tools, Choice::Auto)),
            Some("required") => Ok((tools, Choice::Required)),
            _ => wrong("expected 'auto' or 'required' as mode"),
        };
    }
    let Some(name) = name_of(choice).and_then(Value::as_str) else {
        return wrong("function.name is missing");
    };
    if !tools.iter().any(|tool| tool.name == name) {
        return wrong(&format!("tool '{name}' is not among the tools"));
    }
    let choice = Choice::Named(name.to_owned());
    Ok((tools, choice))
}
