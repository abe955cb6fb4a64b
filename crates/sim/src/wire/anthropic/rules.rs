//! What excludes what in a request: thinking, tools, sampling, cache marks, output schemas.

use serde_json::Value;

use super::{family, turns};
use crate::refusal::Refusal;
use crate::schema;
use crate::wire::{count, items, text};

const MARKS_MAX: usize = 4;

fn refuse<T>(message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::bad_request(message))
}

/// Whether and how the model is told to think.
pub(super) fn thinking(body: &Value) -> &str {
    body.get("thinking").map_or("", |thinking| text(thinking, "type"))
}

/// # Errors
/// The first rule that the body breaks.
pub(super) fn check(body: &Value, model: &str) -> Result<(), Refusal> {
    items(body, "system").iter().try_for_each(turns::check_text)?;
    turns::check(items(body, "messages"), model, thinking(body) == "enabled")?;
    check_thinking(body, model)?;
    check_tools(body, model)?;
    let empty = |stop: &&Value| stop.as_str().is_some_and(|stop| stop.trim().is_empty());
    if items(body, "stop_sequences").iter().any(|stop| empty(&stop)) {
        return refuse("stop_sequences: each stop sequence must contain non-whitespace");
    }
    let marks = marks(body);
    if marks > MARKS_MAX {
        return refuse(format!(
            "A maximum of 4 blocks with cache_control may be provided. Found {marks}."
        ));
    }
    let held = form(body).map(|schema| ("output_config.format.schema", schema));
    let strict =
        items(body, "tools").iter().filter(|tool| tool.get("strict") == Some(&true.into()));
    let strict = strict.filter_map(|tool| Some(("tools.input_schema", tool.get("input_schema")?)));
    match held.into_iter().chain(strict).find_map(|(at, held)| Some((at, schema::flaw(held)?))) {
        Some((at, flaw)) => refuse(format!("{at}: {flaw}")),
        None => Ok(()),
    }
}

/// The schema that the answer must fit.
pub(super) fn form(body: &Value) -> Option<&Value> {
    body.pointer("/output_config/format/schema")
}

fn check_thinking(body: &Value, model: &str) -> Result<(), Refusal> {
    let kind = thinking(body);
    let has = |name: &str| body.get(name).is_some_and(|value| !value.is_null());
    if family::is_adaptive_only(model) && matches!(kind, "enabled" | "disabled") {
        return refuse(format!(
            "thinking.type: \"{kind}\" is not supported for this model. Use \"adaptive\" and \
             `output_config.effort`."
        ));
    }
    let sampling = ["temperature", "top_p", "top_k"].into_iter().find(|name| has(name));
    if let Some(name) = sampling.filter(|_| family::is_unsampled(model)) {
        return refuse(format!("`{name}` is not supported for this model."));
    }
    let effort = body.get("output_config").map_or("", |output| text(output, "effort"));
    let wanted = kind == "disabled" && matches!(effort, "xhigh" | "max");
    if wanted && family::thinks_by_itself(model) {
        return refuse(format!(
            "thinking.type: \"disabled\" is not supported with `output_config.effort` \"{effort}\" \
             for this model."
        ));
    }
    if matches!(kind, "" | "disabled") {
        return Ok(());
    }
    let budget = body.get("thinking").and_then(|thinking| count(thinking, "budget_tokens"));
    let most = count(body, "max_tokens");
    if budget.zip(most).is_some_and(|(budget, most)| budget >= most) {
        return refuse("`max_tokens` must be greater than `thinking.budget_tokens`.");
    }
    let temperature = body.get("temperature").and_then(Value::as_f64);
    if temperature.is_some_and(|temperature| (temperature - 1.0).abs() > f64::EPSILON) {
        return refuse("`temperature` may only be set to 1 when thinking is enabled.");
    }
    if has("top_k") {
        return refuse("`top_k` must be unset when thinking is enabled.");
    }
    let top_p = body.get("top_p").and_then(Value::as_f64);
    if top_p.is_some_and(|top_p| top_p < 0.95) {
        return refuse(
            "`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled.",
        );
    }
    Ok(())
}

fn check_tools(body: &Value, model: &str) -> Result<(), Refusal> {
    let names: Vec<&str> = items(body, "tools").iter().map(|tool| text(tool, "name")).collect();
    for (nth, name) in names.iter().enumerate() {
        if !name.is_empty() && names.iter().take(nth).any(|earlier| earlier == name) {
            return refuse("tools: Tool names must be unique.");
        }
    }
    let Some(choice) = body.get("tool_choice").filter(|choice| !choice.is_null()) else {
        return Ok(());
    };
    if names.is_empty() {
        return refuse("tool_choice: may only be specified while providing tools");
    }
    let kind = text(choice, "type");
    if kind == "tool" && !names.contains(&text(choice, "name")) {
        let name = text(choice, "name");
        return refuse(format!("tool_choice.name: Tool '{name}' not found in provided tools"));
    }
    if !matches!(kind, "any" | "tool") {
        return Ok(());
    }
    if family::is_adaptive_only(model) {
        return refuse("tool_choice: forced tool use is not supported for this model.");
    }
    match thinking(body) {
        "" | "disabled" => Ok(()),
        _ => refuse("Thinking may not be enabled when tool_choice forces tool use."),
    }
}

/// How many marks for the cache there are.
pub(super) fn marks(body: &Value) -> usize {
    let marked =
        |block: &Value| usize::from(block.get("cache_control").is_some_and(|mark| !mark.is_null()));
    let blocks = items(body, "messages").iter().flat_map(|message| items(message, "content"));
    let inner = blocks.clone().flat_map(|block| items(block, "content"));
    let others = items(body, "system").iter().chain(items(body, "tools"));
    marked(body) + blocks.chain(inner).chain(others).map(marked).sum::<usize>()
}
