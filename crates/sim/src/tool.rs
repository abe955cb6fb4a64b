//! Which of the offered tools an answer calls, and with which arguments.
//!
//! A tool is called if `tool_choice` demands it, or if the user's last message contains its name.
//! Arguments are made from the tool's own JSON Schema. Pure.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::refusal::Refusal;
use crate::request::{LastWords, Request};

/// Deepest nesting of made-up arguments.
const DEPTH_MAX: u32 = 8;

/// A call in an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ToolCall {
    pub(crate) name: String,
    /// JSON text, as the dialect wants it.
    pub(crate) arguments: String,
}

#[derive(Debug, Deserialize)]
struct Tool {
    function: Function,
}

#[derive(Debug, Deserialize)]
struct Function {
    name: String,
    #[serde(default)]
    parameters: Value,
}

/// What `tool_choice` says.
enum Choice {
    None,
    Auto,
    Required,
    Named(String),
}

/// The calls that this request gets instead of a text; empty if it gets a text.
///
/// # Errors
/// The 400 for tools or a choice that make no sense.
pub(crate) fn calls(request: &Request<'_>, said: &LastWords) -> Result<Vec<ToolCall>, Refusal> {
    let Some(raw) = request.tools else {
        return Ok(Vec::new());
    };
    let tools: Vec<Tool> = serde_json::from_str(raw.get())
        .map_err(|error| Refusal::bad_member("tools", &error.to_string()))?;
    let choice = choice(request)?;
    let named = |name: &str| tools.iter().find(|tool| tool.function.name == name);
    let mut called: Vec<&Tool> = match &choice {
        Choice::None => return Ok(Vec::new()),
        Choice::Named(name) => vec![named(name).ok_or_else(|| {
            Refusal::bad_member("tool_choice", &format!("tool '{name}' is not among the tools"))
        })?],
        // After a tool's answer the model speaks, or it would call for ever.
        Choice::Auto if said.role == "tool" => return Ok(Vec::new()),
        Choice::Auto | Choice::Required => {
            tools.iter().filter(|tool| said.user.contains(&tool.function.name)).collect()
        }
    };
    if called.is_empty() && matches!(choice, Choice::Required) {
        called.extend(tools.first());
    }
    if request.parallel_tool_calls == Some(false) {
        called.truncate(1);
    }
    Ok(called.into_iter().map(call).collect())
}

fn choice(request: &Request<'_>) -> Result<Choice, Refusal> {
    let Some(raw) = request.tool_choice else {
        return Ok(Choice::Auto);
    };
    let wrong = |why: &str| Refusal::bad_member("tool_choice", why);
    let value: Value =
        serde_json::from_str(raw.get()).map_err(|error| wrong(&error.to_string()))?;
    match value.as_str() {
        Some("none") => return Ok(Choice::None),
        Some("auto") => return Ok(Choice::Auto),
        Some("required") => return Ok(Choice::Required),
        Some(_) => return Err(wrong("expected 'none', 'auto', 'required' or a function")),
        None if value.is_null() => return Ok(Choice::Auto),
        None => {}
    }
    let name = value.pointer("/function/name").and_then(Value::as_str);
    name.map(|name| Choice::Named(name.to_owned())).ok_or_else(|| wrong("function.name is missing"))
}

fn call(tool: &Tool) -> ToolCall {
    let arguments = match sample("arguments", &tool.function.parameters, 0) {
        arguments @ Value::Object(_) => arguments,
        _ => Value::Object(Map::new()),
    };
    ToolCall { name: tool.function.name.clone(), arguments: arguments.to_string() }
}

/// A value that fits the schema as far as its type, enum and properties say.
fn sample(name: &str, schema: &Value, depth: u32) -> Value {
    if let Some(value) = schema.get("const").or_else(|| schema.pointer("/enum/0")) {
        return value.clone();
    }
    let kind = schema.get("type");
    let kind = kind.and_then(|kind| kind.as_str().or_else(|| kind.get(0)?.as_str()));
    let has_properties = schema.get("properties").is_some();
    match kind.unwrap_or(if has_properties { "object" } else { "string" }) {
        "object" if depth < DEPTH_MAX => {
            let properties = schema.get("properties").and_then(Value::as_object);
            let samples = properties.into_iter().flatten();
            samples.map(|(name, inner)| (name.clone(), sample(name, inner, depth + 1))).collect()
        }
        "array" if depth < DEPTH_MAX => {
            schema.get("items").map_or(json!([]), |inner| json!([sample(name, inner, depth + 1)]))
        }
        "object" => json!({}),
        "array" => json!([]),
        "integer" => json!(7),
        "number" => json!(1.5),
        "boolean" => json!(true),
        "null" => Value::Null,
        _ => json!(format!("sample {name}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Asked;

    const TOOLS: &str = r#"[{"type":"function","function":{"name":"get_weather","parameters":
        {"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"},
        "unit":{"enum":["C","F"]},"tags":{"type":"array","items":{"type":"boolean"}}}}}},
        {"type":"function","function":{"name":"get_time"}}]"#;

    fn called(extra: &str, said: &str, role: &str) -> Result<Vec<String>, Refusal> {
        let body = format!(r#"{{"model":"m","messages":[],"tools":{TOOLS}{extra}}}"#);
        let request = Request::parse(body.as_bytes(), Asked::Chat)?;
        let said = LastWords { role: role.into(), user: said.into() };
        Ok(calls(&request, &said)?.into_iter().map(|call| call.name).collect())
    }

    #[test]
    fn tools_are_called_when_asked_for() {
        let both = "use get_weather and get_time";
        for (extra, said, role, expected) in [
            ("", "hello", "user", vec![]),
            ("", both, "user", vec!["get_weather", "get_time"]),
            ("", both, "tool", vec![]),
            (r#","parallel_tool_calls":false"#, both, "user", vec!["get_weather"]),
            (r#","tool_choice":"none""#, both, "user", vec![]),
            (r#","tool_choice":"required""#, "hello", "user", vec!["get_weather"]),
            (r#","tool_choice":"required""#, "get_time!", "user", vec!["get_time"]),
            (
                r#","tool_choice":{"type":"function","function":{"name":"get_time"}}"#,
                "hello",
                "tool",
                vec!["get_time"],
            ),
        ] {
            assert_eq!(called(extra, said, role).unwrap(), expected, "{extra} {said} {role}");
        }
        for extra in [
            r#","tool_choice":"often""#,
            r#","tool_choice":{}"#,
            r#","tool_choice":{"function":{"name":"other"}}"#,
        ] {
            let refusal = called(extra, "", "user").unwrap_err();
            assert_eq!(refusal.param.as_deref(), Some("tool_choice"), "{extra}");
        }
    }

    #[test]
    fn arguments_follow_the_schema() {
        let tools: Vec<Tool> = serde_json::from_str(TOOLS).unwrap();
        let arguments: Value = serde_json::from_str(&call(&tools[0]).arguments).unwrap();
        let expected = json!({"city": "sample city", "days": 7, "unit": "C", "tags": [true]});
        assert_eq!(arguments, expected);
        assert_eq!(call(&tools[1]).arguments, "{}");
    }
}
