//! From a body to what it asks for.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::{error, rules, schema, turns};
use crate::ask::{Ask, Chat, Choice, LastWords, Task, Tool, Words};
use crate::call::{Call, Signature};
use crate::refusal::Refusal;
use crate::shape::Reading;
use crate::wire::{Asked, Route, count, items, question, text};

/// # Errors
/// What Amazon would refuse.
pub(super) fn read<'a>(
    call: &Call<'a>,
    route: &Route<'a>,
    body: &'a [u8],
) -> Result<Ask<'a>, Refusal> {
    let body = json(body)?;
    let counts = route.asked == Asked::Count;
    let shape = if counts { &schema::COUNT_TOKENS } else { &schema::CONVERSE };
    let reading = Reading { lenient: call.lenient, snake: false };
    shape.check(&body, reading).map_err(|flaw| error::invalid(&flaw))?;
    let task = if counts {
        Task::Count(counted(&body, &route.model)?)
    } else {
        check(&body, &route.model)?;
        Task::Chat(chat(&body))
    };
    Ok(Ask { model: route.model.clone(), stream: route.stream, task })
}

/// # Errors
/// It is none.
pub(super) fn json(body: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(body).map_err(|error| {
        Refusal::bad_request(error.to_string()).with_code("SerializationException")
    })
}

fn check(body: &Value, model: &str) -> Result<(), Refusal> {
    turns::check(items(body, "messages"))?;
    rules::check(body, model)
}

fn question_of(body: &Value) -> String {
    question(body, &["system", "messages", "toolConfig"])
}

fn counted(body: &Value, model: &str) -> Result<usize, Refusal> {
    let input = body.get("input").unwrap_or(&Value::Null);
    if let Some(converse) = input.get("converse") {
        check(converse, model)?;
        return Ok(question_of(converse).len());
    }
    let invoked = input.get("invokeModel").map_or("", |invoked| text(invoked, "body"));
    Ok(STANDARD.decode(invoked).map_or(0, |body| body.len()))
}

/// What can be said of a signature without the secret.
pub(crate) fn check_signature(call: &Call<'_>) -> Result<(), Refusal> {
    let Some(signature) = Signature::read(call.header("authorization")) else {
        return Ok(());
    };
    let date = call.header("x-amz-date");
    let signs = |name: &str| signature.signed_headers.split(';').any(|signed| signed == name);
    let flaw = if signature.key_id.is_empty() || signature.region.is_empty() {
        "Authorization header requires 'Credential' parameter."
    } else if signature.service != "bedrock" {
        "Credential should be scoped to correct service: 'bedrock'."
    } else if date.is_empty() || !date.starts_with(signature.date) {
        "Date in Credential scope does not match the date of 'X-Amz-Date'."
    } else if !signs("host") || !signs("x-amz-date") {
        "'Host' and 'X-Amz-Date' must be 'SignedHeader's in the AWS Authorization."
    } else if signature.signature.len() != 64 {
        "Authorization header requires 'Signature' parameter."
    } else {
        return Ok(());
    };
    let refusal = Refusal { status: 403, ..Refusal::bad_request(flaw) };
    Err(refusal.with_code("IncompleteSignatureException"))
}

fn chat(body: &Value) -> Chat<'static> {
    let tool = |tool: &Value| Tool {
        name: text(tool, "name").to_owned(),
        schema: tool.pointer("/inputSchema/json").cloned().unwrap_or(Value::Null),
    };
    let choice = body.pointer("/toolConfig/toolChoice").unwrap_or(&Value::Null);
    let limits = body.get("inferenceConfig").unwrap_or(&Value::Null);
    Chat {
        tools: rules::tools(body).map(tool).collect(),
        choice: match (choice.get("any"), choice.get("tool")) {
            (Some(_), _) => Choice::Required,
            (_, Some(tool)) => Choice::Named(text(tool, "name").to_owned()),
            _ => Choice::Auto,
        },
        form: rules::form(body),
        tokens_max: count(limits, "maxTokens"),
        thinks: rules::thinks(body),
        cached: rules::points(body) > 0,
        ..Chat::new(question_of(body).into(), Words::Known(last_words(items(body, "messages"))))
    }
}

fn last_words(messages: &[Value]) -> LastWords {
    let mut said = LastWords::default();
    for message in messages.iter().filter(|message| text(message, "role") != "system") {
        let blocks = items(message, "content");
        said.after_tool = blocks.iter().any(|block| block.get("toolResult").is_some());
        let texts = blocks.iter().map(|block| text(block, "text")).filter(|text| !text.is_empty());
        let words = texts.collect::<Vec<_>>().join(" ");
        if text(message, "role") == "user" && !words.is_empty() {
            said.user = words;
        }
    }
    said
}
