//! Tools and the choice of them, both ways.
//!
//! `tool_choice` knows `REQUIRED` and `NONE`; the model's own choice is said by leaving it out.
//! That one tool must be called is said by `REQUIRED`, with no other tool there.

use std::borrow::Cow;

use serde_json::{Map, Value, json};
use weir_types::Dialect;

use crate::custom::{self, Function, Simple};
use crate::fault::RequestFault;
use crate::fields::Fields;
use crate::ir::{Chat, Extra, Losses, Tool, ToolBody, ToolChoice};

/// Reads `tools`.
pub(super) fn read(fields: &mut Fields, extra: &mut Extra) -> Result<Vec<Tool>, RequestFault> {
    let tools = fields.objects("tools")?.into_iter();
    tools.map(|tool| one(tool, extra)).collect()
}

fn one(mut tool: Fields, extra: &mut Extra) -> Result<Tool, RequestFault> {
    let kind = tool.peek("type").and_then(Value::as_str).unwrap_or("function").to_owned();
    if kind != "function" {
        let raw = Value::Object(tool.rest());
        let body = ToolBody::Hosted { dialect: Dialect::CohereChat, name: kind, raw };
        return Ok(Tool { body, cache: None });
    }
    tool.any("type");
    let Some(mut function) = tool.object("function")? else {
        return Err(tool.missing("function", "an object with `name` and `parameters`"));
    };
    let body = ToolBody::Function {
        name: function.required_text("name")?,
        description: function.text("description")?,
        parameters: function.any("parameters"),
        strict: None,
    };
    for (name, value) in tool.rest().into_iter().chain(function.rest()) {
        extra.entry(format!("tools.{name}")).or_insert(value);
    }
    Ok(Tool { body, cache: None })
}

/// Reads `tool_choice`.
pub(super) fn read_choice(fields: &mut Fields) -> Result<Option<ToolChoice>, RequestFault> {
    match fields.text("tool_choice")?.as_deref() {
        None => Ok(None),
        Some("REQUIRED") => Ok(Some(ToolChoice::Required)),
        Some("NONE") => Ok(Some(ToolChoice::None)),
        Some(_) => {
            let why = "must be \"REQUIRED\" or \"NONE\"; leave it out to let the model decide";
            Err(fields.wrong("tool_choice", why))
        }
    }
}

/// Writes `tools`, `strict_tools` and `tool_choice`.
pub(super) fn write(
    chat: &Chat,
    body: &mut Map<String, Value>,
    losses: &mut Losses,
) -> Result<(), RequestFault> {
    let only = match &chat.tool_choice {
        Some(ToolChoice::Function(name)) => Some(std::slice::from_ref(name)),
        Some(ToolChoice::Allowed { names, .. }) => Some(names.as_slice()),
        _ => None,
    };
    let mut tools = Vec::new();
    let mut stricts = Vec::new();
    for tool in &chat.tools {
        losses.add_if(tool.cache.is_some(), "cache_control", "Cohere has no cache marks");
        let (name, written) = match custom::simple(&tool.body, losses) {
            Simple::Function(asked) => (asked.name, function(asked, &mut stricts)),
            Simple::Hosted { name, raw } => (name, raw.clone()),
        };
        if only.is_none_or(|names| names.iter().any(|only| only == name)) {
            tools.push(written);
        }
    }
    let choice = match &chat.tool_choice {
        None | Some(ToolChoice::Auto | ToolChoice::Allowed { required: false, .. }) => None,
        Some(ToolChoice::None) => Some("NONE"),
        Some(
            ToolChoice::Required
            | ToolChoice::Function(_)
            | ToolChoice::Allowed { required: true, .. },
        ) => Some("REQUIRED"),
    };
    if tools.is_empty() {
        if choice == Some("REQUIRED") {
            let why = "a tool must be called, but no such tool is among `tools`";
            return Err(RequestFault::invalid("tool_choice", why));
        }
        return Ok(());
    }
    body.insert("tools".to_owned(), Value::Array(tools));
    // Tools without a required parameter are refused in this mode; a Cohere client's own request
    // is Cohere's to judge. <https://docs.cohere.com/docs/structured-outputs>
    let is_own = chat.source == Dialect::CohereChat;
    let fits = |tool: &Strictness| tool.is_wanted && (is_own || tool.is_possible);
    if stricts.iter().all(fits) {
        body.insert("strict_tools".to_owned(), json!(true));
    } else if stricts.iter().any(|tool| tool.is_wanted) {
        losses.add("tools.strict", "Cohere has one switch for all tools, and not all can have it");
    }
    if let Some(choice) = choice {
        body.insert("tool_choice".to_owned(), json!(choice));
    }
    Ok(())
}

/// Whether calls of a tool must match its schema.
struct Strictness {
    is_wanted: bool,
    is_possible: bool,
}

/// A function as Cohere has it.
fn function(asked: Function<'_>, stricts: &mut Vec<Strictness>) -> Value {
    let Function { name, description, parameters, strict } = asked;
    let required = parameters.as_ref().and_then(|schema| schema.get("required"));
    stricts.push(Strictness {
        is_wanted: strict == Some(true),
        is_possible: required.and_then(Value::as_array).is_some_and(|all| !all.is_empty()),
    });
    let mut function = Map::new();
    function.insert("name".to_owned(), json!(name));
    if let Some(description) = description {
        function.insert("description".to_owned(), json!(description));
    }
    let none = || json!({ "type": "object", "properties": {} });
    let parameters = parameters.map_or_else(none, Cow::into_owned);
    function.insert("parameters".to_owned(), parameters);
    json!({ "type": "function", "function": function })
}
