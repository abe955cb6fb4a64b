//! From a body to what it asks for.

use serde_json::{Value, json};

use super::{answer, items, schema};
use crate::ask::{Ask, Chat, Choice, Ready, Task, Words};
use crate::call::Call;
use crate::refusal::Refusal;
use crate::shape::Reading;
use crate::wire::openai::{invalid, missing, tools};
use crate::wire::{self, Asked, Route, count, question, text};

/// # Errors
/// What OpenAI would refuse.
pub(super) fn read<'a>(
    call: &Call<'a>,
    route: &Route<'a>,
    body: &'a [u8],
) -> Result<Ask<'a>, Refusal> {
    let body: Value = serde_json::from_slice(body).map_err(|error| {
        Refusal::bad_request(format!("We could not parse the JSON body of your request: {error}"))
    })?;
    let counts = route.asked == Asked::Count;
    let shape = match route.asked {
        Asked::Count => &schema::COUNT_BODY,
        Asked::Compact => &schema::COMPACT_BODY,
        _ => &schema::BODY,
    };
    let reading = Reading { lenient: call.lenient, snake: false };
    shape.check(&body, reading).map_err(|flaw| invalid(&flaw))?;
    let has = |name: &str| body.get(name).is_some_and(|value| !value.is_null());
    if !has("model") && !has("prompt") {
        return Err(missing("model"));
    }
    let continues = check_state(&body)?;
    if !has("input") && !has("prompt") && !continues {
        return Err(missing("input"));
    }
    if has("stream_options") && body.get("stream") != Some(&Value::Bool(true)) {
        let why = "it is only allowed when 'stream' is enabled";
        return Err(Refusal::bad_member("stream_options", why));
    }
    items::check(wire::items(&body, "input"), call.key, continues)?;
    let (tools, choice) = tools_of(&body)?;
    let asked = question(&body, &["instructions", "input", "tools", "previous_response_id"]);
    let model = text(&body, "model").to_owned().into();
    if route.asked == Asked::Compact {
        let made = answer::compacted(&body, asked.len(), &items::seal(call.key));
        return Ok(Ask { model, stream: false, task: Task::Media(Ready::document(&made)) });
    }
    if counts {
        return Ok(Ask { model, stream: false, task: Task::Count(asked.len()) });
    }
    let reasoning = body.get("reasoning").unwrap_or(&Value::Null);
    let words = items::last_words(body.get("input").unwrap_or(&Value::Null));
    let flag = |name: &str, usual| body.get(name).and_then(Value::as_bool).unwrap_or(usual);
    let chat = Chat {
        tools,
        choice,
        parallel: flag("parallel_tool_calls", true),
        form: form(&body),
        tokens_max: count(&body, "max_output_tokens"),
        thinks: reasoning.is_object() && text(reasoning, "effort") != "none",
        hides_thoughts: reasoning.get("summary").is_none_or(Value::is_null),
        seal: sealed(&body).then(|| items::seal(call.key)),
        echo: Some(Box::new(echo(&body))),
        ..Chat::new(asked.into(), Words::Known(words))
    };
    Ok(Ask { model, stream: flag("stream", false), task: Task::Chat(chat) })
}

/// What the answer repeats of the request.
fn echo(body: &Value) -> Value {
    let given = |name: &str, usual: Value| match body.get(name) {
        None | Some(Value::Null) => usual,
        Some(value) => value.clone(),
    };
    json!({
        "store": given("store", json!(true)),
        "background": given("background", json!(false)),
        "metadata": given("metadata", json!({})),
        "previous_response_id": given("previous_response_id", Value::Null),
    })
}

/// What the answer must look like, if not like words.
fn form(body: &Value) -> Option<Value> {
    let format = body.pointer("/text/format")?;
    let is_json = matches!(text(format, "type"), "json_schema" | "json_object");
    is_json.then(|| format.get("schema").cloned().unwrap_or(Value::Null))
}

/// Whether sealed reasoning is asked for.
fn sealed(body: &Value) -> bool {
    let mut wanted = wire::items(body, "include").iter();
    wanted.any(|name| name.as_str() == Some("reasoning.encrypted_content"))
}

/// Whether the conversation continues one that this service has kept.
fn check_state(body: &Value) -> Result<bool, Refusal> {
    let earlier = text(body, "previous_response_id");
    if !earlier.is_empty() && body.get("conversation").is_some_and(|value| !value.is_null()) {
        let why = "it cannot be used together with 'conversation'";
        return Err(Refusal::bad_member("previous_response_id", why));
    }
    if earlier.is_empty() {
        return Ok(body.get("conversation").is_some_and(|value| !value.is_null()));
    }
    // Its own ids are known by their form; whether there is such a one, whoever keeps them knows.
    let digits = earlier.strip_prefix("resp_").unwrap_or_default();
    if digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(true);
    }
    let message = format!("Previous response with id '{earlier}' not found.");
    let refusal = Refusal::bad_request(message).with_code("previous_response_not_found");
    Err(refusal.about("previous_response_id"))
}

fn tools_of(body: &Value) -> Result<(Vec<crate::ask::Tool>, Choice), Refusal> {
    let listed = wire::items(body, "tools");
    let choice = body.get("tool_choice").unwrap_or(&Value::Null);
    if listed.is_empty() {
        return match choice {
            Value::Null => Ok((Vec::new(), Choice::Auto)),
            Value::String(word) if word != "required" => Ok((Vec::new(), Choice::Auto)),
            _ => {
                let why = "tool choice must be specified with 'tools' parameter";
                Err(Refusal::bad_member("tool_choice", why))
            }
        };
    }
    let functions = listed.iter().enumerate().filter(|(_, tool)| text(tool, "type") == "function");
    let read = functions.map(|(nth, tool)| tools::function_of(tool, &format!("tools[{nth}]")));
    let tools = read.collect::<Result<Vec<_>, _>>()?;
    let hosted = choice.is_object()
        && !matches!(text(choice, "type"), "function" | "custom" | "allowed_tools" | "");
    if hosted {
        return Ok((tools, Choice::Auto));
    }
    tools::choose(tools, choice, |choice| choice.get("name"))
}
