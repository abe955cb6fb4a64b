//! From a body to what it asks for.

use std::borrow::Cow;

use serde_json::Value;

use super::{schema, turns};
use crate::ask::{Ask, Chat, Choice, Embed, Encoding, LastWords, Rerank, Task, Tool, Words};
use crate::refusal::Refusal;
use crate::shape::{Flaw, Reading, What};
use crate::wire::{Asked, Route, count, items, question, text};

/// Most inputs of one request, and most documents.
const INPUTS_MAX: usize = 96;
const DOCUMENTS_MAX: usize = 1000;

fn refuse<T>(message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::bad_request(message))
}

/// # Errors
/// What Cohere would refuse.
pub(super) fn read<'a>(route: &Route<'a>, body: &'a [u8]) -> Result<Ask<'a>, Refusal> {
    let body: Value = serde_json::from_slice(body)
        .map_err(|error| Refusal::bad_request(format!("invalid json syntax: {error}")))?;
    let shape = match route.asked {
        Asked::Embeddings => &schema::EMBED,
        Asked::Rerank => &schema::RERANK,
        _ => &schema::CHAT,
    };
    shape.check(&body, Reading::default()).map_err(|flaw| invalid(&flaw))?;
    let task = match route.asked {
        Asked::Embeddings => embed(&body)?,
        Asked::Rerank => rerank(&body)?,
        _ => Task::Chat(chat(&body)?),
    };
    let stream = body.get("stream").and_then(Value::as_bool).unwrap_or(false);
    Ok(Ask { model: text(&body, "model").to_owned().into(), stream, task })
}

fn invalid(flaw: &Flaw) -> Refusal {
    let dot = if flaw.path.is_empty() { "" } else { "." };
    let path = &flaw.path;
    Refusal::bad_request(match &flaw.what {
        What::Unknown(name) => format!("invalid request: unknown field: {path}{dot}{name}"),
        What::Missing(name) => format!("invalid request: {path}{dot}{name} is required"),
        What::Wrong(expected) => format!("invalid type: {path} must be {expected}"),
        What::Union(_) => format!("invalid request: {path} must have exactly one member"),
    })
}

fn chat(body: &Value) -> Result<Chat<'static>, Refusal> {
    let messages = items(body, "messages");
    turns::check(messages)?;
    let tools = items(body, "tools");
    let choice = match text(body, "tool_choice") {
        "REQUIRED" => Choice::Required,
        "NONE" => Choice::None,
        _ => Choice::Auto,
    };
    if tools.is_empty() && choice != Choice::Auto {
        return refuse("invalid request: tool_choice requires tools to be specified");
    }
    let json = body.pointer("/response_format/type").and_then(Value::as_str) == Some("json_object");
    if json && !(tools.is_empty() && items(body, "documents").is_empty()) {
        return refuse("invalid request: response_format is not supported with tools or documents");
    }
    let tool = |tool: &Value| {
        let function = tool.get("function").unwrap_or(&Value::Null);
        Tool {
            name: text(function, "name").to_owned(),
            schema: function.get("parameters").cloned().unwrap_or(Value::Null),
        }
    };
    let thinking = body.get("thinking").map_or("", |thinking| text(thinking, "type"));
    let asked = question(body, &["messages", "tools", "documents"]);
    Ok(Chat {
        tools: tools.iter().map(tool).collect(),
        choice,
        form: json.then(|| {
            let format = body.get("response_format").unwrap_or(&Value::Null);
            // The second is its older name.
            let schema = format.get("json_schema").or_else(|| format.get("schema"));
            schema.cloned().unwrap_or(Value::Null)
        }),
        tokens_max: count(body, "max_tokens"),
        thinks: thinking == "enabled",
        ..Chat::new(asked.into(), Words::Known(last_words(messages)))
    })
}

fn texts(parts: &[Value]) -> String {
    let texts = parts.iter().map(|part| text(part, "text")).filter(|text| !text.is_empty());
    texts.collect::<Vec<_>>().join(" ")
}

fn last_words(messages: &[Value]) -> LastWords {
    let user = messages.iter().rfind(|message| text(message, "role") == "user");
    let whole = user.and_then(|user| user.get("content")).and_then(Value::as_str);
    let words = whole.map_or_else(
        || user.map(|user| texts(items(user, "content"))).unwrap_or_default(),
        str::to_owned,
    );
    let after_tool = messages.last().is_some_and(|last| text(last, "role") == "tool");
    LastWords { user: words, after_tool }
}

fn embed(body: &Value) -> Result<Task<'static>, Refusal> {
    let given = ["texts", "images", "inputs"].map(|name| items(body, name));
    if given.iter().filter(|list| !list.is_empty()).count() != 1 {
        return refuse("invalid request: exactly one of texts, images or inputs must be specified");
    }
    let [plain, images, mixed] = given;
    let whole = plain.iter().chain(images).filter_map(Value::as_str);
    let whole = whole.map(|text| Cow::Owned(text.to_owned()));
    let mixed = mixed.iter().map(|input| Cow::Owned(texts(items(input, "content"))));
    let inputs: Vec<Cow<'static, str>> = whole.chain(mixed).collect();
    if inputs.len() > INPUTS_MAX {
        return refuse(format!("invalid request: at most {INPUTS_MAX} inputs are allowed"));
    }
    let mut encodings: Vec<Encoding> = items(body, "embedding_types")
        .iter()
        .map(|kind| match kind.as_str() {
            Some("int8") => Encoding::Int8,
            Some("uint8") => Encoding::Uint8,
            Some("binary") => Encoding::Binary,
            Some("ubinary") => Encoding::Ubinary,
            Some("base64") => Encoding::Base64,
            _ => Encoding::Float,
        })
        .collect();
    if encodings.is_empty() {
        encodings.push(Encoding::Float);
    }
    Ok(Task::Embed(Embed { inputs, dimensions: count(body, "output_dimension"), encodings }))
}

fn rerank(body: &Value) -> Result<Task<'static>, Refusal> {
    let documents = items(body, "documents").iter().filter_map(Value::as_str);
    let documents: Vec<String> = documents.map(str::to_owned).collect();
    if !(1..=DOCUMENTS_MAX).contains(&documents.len()) {
        return refuse(format!(
            "invalid request: list of documents must have 1 to {DOCUMENTS_MAX}"
        ));
    }
    let top = count(body, "top_n");
    let query = text(body, "query").to_owned();
    Ok(Task::Rerank(Rerank { query, documents, top, echo: false, records: Vec::new() }))
}
