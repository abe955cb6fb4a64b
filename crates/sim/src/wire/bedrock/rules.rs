//! What excludes what in a request: tools, cache points, thinking.

use serde_json::Value;

use crate::refusal::Refusal;
use crate::schema;
use crate::wire::{items, text};

const POINTS_MAX: usize = 4;

fn refuse<T>(message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::bad_request(message))
}

/// The tools that may be called.
pub(super) fn tools(body: &Value) -> impl Iterator<Item = &Value> {
    let config = body.get("toolConfig").unwrap_or(&Value::Null);
    items(config, "tools").iter().filter_map(|tool| tool.get("toolSpec"))
}

/// # Errors
/// The first rule that the body breaks.
pub(super) fn check(body: &Value, model: &str) -> Result<(), Refusal> {
    check_tools(body)?;
    check_schemas(body)?;
    if model.contains("nova") {
        check_nova(body)?;
    }
    let limits = body.get("inferenceConfig").unwrap_or(&Value::Null);
    let is_blank = |stop: &Value| stop.as_str().is_some_and(|stop| stop.trim().is_empty());
    if model.contains("claude") && items(limits, "stopSequences").iter().any(is_blank) {
        return refuse(
            "The model returned the following errors: stop_sequences: each stop sequence must \
             contain non-whitespace",
        );
    }
    let points = points(body);
    if points > POINTS_MAX {
        return refuse(format!(
            "The request has {points} cachePoint blocks. At most {POINTS_MAX} are allowed."
        ));
    }
    Ok(())
}

/// The schema that the answer must fit.
pub(super) fn form(body: &Value) -> Option<Value> {
    let schema = body.pointer("/outputConfig/textFormat/structure/jsonSchema/schema")?;
    serde_json::from_str(schema.as_str()?).ok()
}

/// Schemas that a model is held to.
fn check_schemas(body: &Value) -> Result<(), Refusal> {
    let form = form(body);
    let held = form.iter().map(|schema| ("outputConfig.textFormat.structure.jsonSchema", schema));
    let strict = tools(body).filter(|tool| tool.get("strict") == Some(&Value::Bool(true)));
    let strict =
        strict.filter_map(|tool| Some(("toolConfig.tools", tool.pointer("/inputSchema/json")?)));
    match held.chain(strict).find_map(|(at, held)| Some((at, schema::flaw(held)?))) {
        Some((at, flaw)) => {
            refuse(format!("The model returned the following errors: {at}: {flaw}"))
        }
        None => Ok(()),
    }
}

/// What Nova takes at the top of a tool's schema, and where it keeps nothing.
/// <https://docs.aws.amazon.com/nova/latest/userguide/prompting-tool-troubleshooting.html>
fn check_nova(body: &Value) -> Result<(), Refusal> {
    let schemas = tools(body).filter_map(|tool| tool.pointer("/inputSchema/json")?.as_object());
    let taken = |name: &&String| matches!(name.as_str(), "type" | "properties" | "required");
    if let Some(name) = schemas.flat_map(|schema| schema.keys()).find(|name| !taken(name)) {
        return refuse(format!(
            "The model returned the following errors: Malformed input request: extraneous key \
             [{name}] at the top of a tool's schema is not permitted, please reformat your input \
             and try again."
        ));
    }
    let config = body.get("toolConfig").unwrap_or(&Value::Null);
    if items(config, "tools").iter().any(|tool| tool.get("cachePoint").is_some()) {
        return refuse(
            "You invoked an unsupported model or your request did not allow prompt caching for \
             toolConfig.tools.",
        );
    }
    Ok(())
}

fn check_tools(body: &Value) -> Result<(), Refusal> {
    let messages = items(body, "messages");
    let blocks = messages.iter().flat_map(|message| items(message, "content"));
    let uses = |block: &Value| block.get("toolUse").or_else(|| block.get("toolResult")).is_some();
    let Some(config) = body.get("toolConfig") else {
        if blocks.into_iter().any(uses) {
            return refuse(
                "The toolConfig field must be defined when using toolUse and toolResult content \
                 blocks.",
            );
        }
        return Ok(());
    };
    if items(config, "tools").is_empty() {
        return refuse(
            "1 validation error detected: Value at 'toolConfig.tools' failed to satisfy \
             constraint: Member must have length greater than or equal to 1",
        );
    }
    let names: Vec<&str> = tools(body).map(|tool| text(tool, "name")).collect();
    for (nth, name) in names.iter().enumerate() {
        if names.iter().take(nth).any(|earlier| earlier == name) {
            return refuse(format!("The tool names in toolConfig must be unique: {name}"));
        }
    }
    let choice = config.get("toolChoice").unwrap_or(&Value::Null);
    if let Some(tool) = choice.get("tool") {
        let name = text(tool, "name");
        if !names.contains(&name) {
            return refuse(format!(
                "The toolChoice names the tool {name}, which is not in toolConfig.tools."
            ));
        }
    }
    let forced = choice.get("tool").or_else(|| choice.get("any")).is_some();
    if forced && thinks(body) {
        return refuse("Thinking may not be enabled when tool_choice forces tool use.");
    }
    Ok(())
}

/// Whether a model of Anthropic's or Amazon's is told to think.
pub(super) fn thinks(body: &Value) -> bool {
    let fields = body.get("additionalModelRequestFields").unwrap_or(&Value::Null);
    let kind = |name: &str| fields.get(name).map_or("", |it| text(it, "type"));
    !matches!(kind("thinking"), "" | "disabled") || kind("reasoningConfig") == "enabled"
}

/// How many marks for the cache there are.
pub(super) fn points(body: &Value) -> usize {
    let blocks = items(body, "messages").iter().flat_map(|message| items(message, "content"));
    let config = body.get("toolConfig").unwrap_or(&Value::Null);
    let others = items(body, "system").iter().chain(items(config, "tools"));
    blocks.chain(others).filter(|block| block.get("cachePoint").is_some()).count()
}
