//! Writes tools and whether they are to be called.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::write::{Draft, mark};
use crate::custom::{self, Function, Simple};
use crate::ir::{Tool, ToolBody, ToolChoice};
use crate::schema::closed;

/// What was written.
#[derive(Debug, Default)]
pub(super) struct Tools {
    pub(super) list: Vec<Value>,
    pub(super) choice: Option<Value>,
    /// A tool must be called.
    pub(super) is_forced: bool,
}

/// Writes the tools of `draft`'s request.
pub(super) fn write(draft: &mut Draft<'_>) -> Tools {
    let chat = draft.chat;
    let mut list = Vec::with_capacity(chat.tools.len());
    for tool in &chat.tools {
        if is_allowed(tool, chat.tool_choice.as_ref()) {
            list.push(write_tool(draft, tool));
        } else {
            draft.losses.add_marks_of_tools_if(tool.cache.is_some());
        }
    }
    // A choice without tools is refused, and there is nothing to choose from.
    if list.is_empty() {
        return Tools::default();
    }
    let mut choice = match &chat.tool_choice {
        None => Map::new(),
        Some(ToolChoice::Auto | ToolChoice::Allowed { required: false, .. }) => kind("auto"),
        Some(ToolChoice::None) => kind("none"),
        Some(ToolChoice::Required | ToolChoice::Allowed { required: true, .. }) => kind("any"),
        Some(ToolChoice::Function(name)) => {
            let mut choice = kind("tool");
            choice.insert("name".into(), json!(name));
            choice
        }
    };
    let mut is_forced = matches!(word(&choice), "any" | "tool");
    if is_forced && !draft.claude.forced_tools {
        let why = "this model refuses to be forced to call a tool and decides itself";
        draft.losses.add("tool_choice", why);
        choice = kind("auto");
        is_forced = false;
    }
    if chat.parallel_tool_calls == Some(false) && word(&choice) != "none" {
        choice.entry("type").or_insert_with(|| json!("auto"));
        choice.insert("disable_parallel_tool_use".into(), json!(true));
    }
    let choice = (!choice.is_empty()).then_some(Value::Object(choice));
    Tools { list, choice, is_forced }
}

fn kind(word: &str) -> Map<String, Value> {
    [("type".to_owned(), json!(word))].into_iter().collect()
}

fn word(choice: &Map<String, Value>) -> &str {
    choice.get("type").and_then(Value::as_str).unwrap_or_default()
}

/// There is no way to allow some tools only but to offer no others.
fn is_allowed(tool: &Tool, choice: Option<&ToolChoice>) -> bool {
    let Some(ToolChoice::Allowed { names, .. }) = choice else { return true };
    let name = match &tool.body {
        ToolBody::Function { name, .. } | ToolBody::Custom { name, .. } => name.as_str(),
        ToolBody::Hosted { name, raw, .. } => {
            raw.get("name").and_then(Value::as_str).unwrap_or(name)
        }
    };
    names.iter().any(|allowed| allowed == name)
}

fn write_tool(draft: &mut Draft<'_>, tool: &Tool) -> Value {
    let mut written = match custom::simple(&tool.body, &mut draft.losses) {
        Simple::Function(asked) => function(draft, asked),
        Simple::Hosted { raw, .. } => raw.as_object().cloned().unwrap_or_default(),
    };
    if let Some(cache) = &tool.cache {
        written.insert("cache_control".into(), mark(cache, &mut draft.losses));
    }
    Value::Object(written)
}

fn function(draft: &mut Draft<'_>, asked: Function<'_>) -> Map<String, Value> {
    let Function { name, description, parameters, strict } = asked;
    let mut written = Map::new();
    written.insert("name".into(), json!(name));
    if let Some(description) = description {
        written.insert("description".into(), json!(description));
    }
    let mut parameters = match parameters.map(Cow::into_owned) {
        Some(Value::Object(parameters)) => parameters,
        _ => Map::new(),
    };
    // The type is demanded even of a tool without arguments, and so is that it is an object.
    if parameters.get("type").and_then(Value::as_str) != Some("object") {
        parameters.insert("type".into(), json!("object"));
        parameters.entry("properties").or_insert_with(|| json!({}));
    }
    let mut parameters = Value::Object(parameters);
    let is_strict = strict == Some(true);
    if is_strict && draft.claude.schemas {
        if closed::close(&mut parameters) {
            let why = "the schema was narrowed to what can be enforced";
            draft.losses.add("tools.parameters", why);
        }
        written.insert("strict".into(), json!(true));
    } else {
        draft.losses.add_if(is_strict, "tools.strict", "this model does not enforce schemas");
    }
    written.insert("input_schema".into(), parameters);
    if draft.is_own() {
        for (member, of_tools) in &draft.chat.extra {
            let member = member.strip_prefix("tools.");
            if let (Some(member), Some(value)) = (member, of_tools.get(name)) {
                written.insert(member.to_owned(), value.clone());
            }
        }
    }
    written
}
