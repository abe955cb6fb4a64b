//! From a body to what it asks for.

use serde_json::Value;

use super::{error, rules, schema};
use crate::ask::{Ask, Chat, Choice, LastWords, Task, Tool, Words};
use crate::call::Call;
use crate::refusal::Refusal;
use crate::shape::Reading;
use crate::wire::{Asked, Host, Route, count, items, question, text};

/// # Errors
/// What Anthropic would refuse.
pub(super) fn read<'a>(
    call: &Call<'a>,
    route: &Route<'a>,
    body: &'a [u8],
) -> Result<Ask<'a>, Refusal> {
    let vertex = route.host == Host::Vertex;
    if !vertex && call.header("anthropic-version").is_empty() {
        return Err(Refusal::bad_request("anthropic-version: header is required"));
    }
    let body: Value = serde_json::from_slice(body).map_err(|error| {
        Refusal::bad_request(format!("The request body is not valid JSON: {error}"))
    })?;
    let shape = match route.asked {
        Asked::Count => &schema::COUNT_BODY,
        _ if vertex => &schema::VERTEX_BODY,
        _ => &schema::MESSAGES_BODY,
    };
    let reading = Reading { lenient: call.lenient, snake: false };
    // The version is no member of the table for counting; there it may be anywhere.
    let counted = route.asked == Asked::Count && vertex;
    let bare = if counted { without(&body, "anthropic_version") } else { None };
    shape.check(bare.as_ref().unwrap_or(&body), reading).map_err(|flaw| error::invalid(&flaw))?;
    let model = match route.model.is_empty() {
        true => text(&body, "model").to_owned().into(),
        false => route.model.clone(),
    };
    rules::check(&body, &model)?;
    let asked = question(&body, &["system", "messages", "tools"]);
    if route.asked == Asked::Count {
        return Ok(Ask { model, stream: false, task: Task::Count(asked.len()) });
    }
    let stream = body.get("stream").and_then(Value::as_bool).unwrap_or(false);
    Ok(Ask { model, stream, task: Task::Chat(chat(&body, asked)) })
}

/// A body that came through Amazon's door.
///
/// # Errors
/// What is wrong with its shape, or what Anthropic would refuse.
pub(in super::super) fn at_amazons(
    body: &Value,
    model: &str,
    lenient: bool,
) -> Result<Chat<'static>, Refusal> {
    let reading = Reading { lenient, snake: false };
    schema::AMAZON_BODY.check(body, reading).map_err(|flaw| error::invalid(&flaw))?;
    rules::check(body, model)?;
    Ok(chat(body, question(body, &["system", "messages", "tools"])))
}

fn without(body: &Value, name: &str) -> Option<Value> {
    let mut members = body.as_object()?.clone();
    members.shift_remove(name);
    Some(Value::Object(members))
}

fn chat(body: &Value, question: String) -> Chat<'static> {
    let tools = items(body, "tools").iter().filter(|tool| tool.get("input_schema").is_some());
    let tool = |tool: &Value| Tool {
        name: text(tool, "name").to_owned(),
        schema: tool.get("input_schema").cloned().unwrap_or(Value::Null),
    };
    let choice = body.get("tool_choice").unwrap_or(&Value::Null);
    let thinking = body.get("thinking").unwrap_or(&Value::Null);
    let alone = choice.get("disable_parallel_tool_use").and_then(Value::as_bool);
    Chat {
        tools: tools.map(tool).collect(),
        choice: match text(choice, "type") {
            "none" => Choice::None,
            "any" => Choice::Required,
            "tool" => Choice::Named(text(choice, "name").to_owned()),
            _ => Choice::Auto,
        },
        parallel: !alone.unwrap_or(false),
        form: rules::form(body).cloned(),
        tokens_max: count(body, "max_tokens"),
        thinks: !matches!(rules::thinking(body), "" | "disabled"),
        hides_thoughts: text(thinking, "display") == "omitted",
        cached: rules::marks(body) > 0,
        ..Chat::new(question.into(), Words::Known(last_words(items(body, "messages"))))
    }
}

fn last_words(messages: &[Value]) -> LastWords {
    let mut said = LastWords::default();
    for message in messages.iter().filter(|message| text(message, "role") != "system") {
        let blocks = items(message, "content");
        said.after_tool = blocks.iter().any(|block| text(block, "type") == "tool_result");
        if text(message, "role") != "user" {
            continue;
        }
        let texts = blocks.iter().filter(|block| text(block, "type") == "text");
        let joined = texts.map(|block| text(block, "text")).collect::<Vec<_>>().join(" ");
        let words = message.get("content").and_then(Value::as_str).unwrap_or(&joined);
        // A turn of results alone says nothing new.
        if !words.is_empty() {
            words.clone_into(&mut said.user);
        }
    }
    said
}
