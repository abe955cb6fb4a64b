//! Writes tools and the choice among them.

use serde_json::{Map, Value, json};

use super::write::Draft;
use crate::ir::{Tool, ToolBody, ToolChoice};

/// Writes each definition, with the tool's name.
pub(super) fn definitions(draft: &mut Draft<'_>) -> Vec<(String, Value)> {
    let mut list = Vec::new();
    for tool in &draft.chat.tools {
        let (name, mut written) = definition(tool);
        draft.marks.put_on_tool(tool.cache.as_ref(), &mut written);
        list.push((name, written));
    }
    list
}

fn definition(tool: &Tool) -> (String, Value) {
    match &tool.body {
        ToolBody::Function { name, description, parameters, strict } => {
            let mut function = Map::from_iter([("name".to_owned(), json!(name))]);
            let mut put = |name: &str, value: Option<Value>| {
                value.map(|value| function.insert(name.to_owned(), value))
            };
            put("description", description.as_ref().map(|text| json!(text)));
            put("parameters", parameters.clone().map(with_properties));
            put("strict", strict.map(|strict| json!(strict)));
            (name.clone(), json!({"type": "function", "function": function}))
        }
        ToolBody::Custom { name, description, format } => {
            let mut custom = Map::from_iter([("name".to_owned(), json!(name))]);
            if let Some(description) = description {
                custom.insert("description".to_owned(), json!(description));
            }
            if let Some(format) = format {
                custom.insert("format".to_owned(), format.clone());
            }
            (name.clone(), json!({"type": "custom", "custom": custom}))
        }
        ToolBody::Hosted { name, raw, .. } => (name.clone(), raw.clone()),
    }
}

/// OpenAI refuses an object that says nothing of its properties.
fn with_properties(mut schema: Value) -> Value {
    if let Some(members) = schema.as_object_mut() {
        let is_object = members.get("type").is_some_and(|kind| kind == "object");
        let says = ["properties", "$ref", "anyOf", "oneOf", "allOf"];
        if members.is_empty() {
            members.insert("type".to_owned(), json!("object"));
        }
        if members.len() == 1 || (is_object && !says.iter().any(|name| members.contains_key(*name)))
        {
            members.entry("properties").or_insert_with(|| json!({}));
        }
    }
    schema
}

/// Writes everything about tools. Without tools there is no choice among them: OpenAI refuses one.
pub(super) fn write(draft: &mut Draft<'_>, mut definitions: Vec<(String, Value)>) {
    if definitions.is_empty() {
        return;
    }
    let choice = match &draft.chat.tool_choice {
        None => None,
        Some(ToolChoice::Auto) => Some(json!("auto")),
        Some(ToolChoice::None) => Some(json!("none")),
        Some(ToolChoice::Required) => Some(json!("required")),
        Some(ToolChoice::Function(name)) => Some(named(name, &definitions)),
        Some(ToolChoice::Allowed { required, names }) => {
            let mode = if *required { "required" } else { "auto" };
            if draft.host.allowed_tools {
                let tools: Vec<_> = names.iter().map(|name| named(name, &definitions)).collect();
                let allowed = json!({"mode": mode, "tools": tools});
                Some(json!({"type": "allowed_tools", "allowed_tools": allowed}))
            } else {
                // The same by another way: what may not be called is not shown.
                let had = definitions.len();
                definitions.retain(|(name, _)| names.contains(name));
                let marked = draft.chat.tools.iter().any(|tool| tool.cache.is_some());
                draft.losses.add_marks_of_tools_if(marked && definitions.len() < had);
                Some(json!(mode))
            }
        }
    };
    if definitions.is_empty() {
        return;
    }
    let tools: Vec<_> = definitions.into_iter().map(|(_, written)| written).collect();
    draft.put("tools", tools);
    draft.put_some("tool_choice", choice);
    draft.put_some("parallel_tool_calls", draft.chat.parallel_tool_calls);
}

fn named(name: &str, definitions: &[(String, Value)]) -> Value {
    let tool = definitions.iter().find(|(defined, _)| defined == name);
    let is_custom = tool.is_some_and(|(_, written)| written.get("custom").is_some());
    let kind = if is_custom { "custom" } else { "function" };
    let body = Map::from_iter([("name".to_owned(), json!(name))]);
    let mut written = Map::from_iter([("type".to_owned(), json!(kind))]);
    written.insert(kind.to_owned(), Value::Object(body));
    Value::Object(written)
}
