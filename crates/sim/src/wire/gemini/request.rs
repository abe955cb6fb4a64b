//! From a body to what it asks for.

use std::borrow::Cow;

use serde_json::Value;

use super::rules::{calling, declarations, has, list, member, word};
use super::{error, images, ranking, rules, schema, turns};
use crate::ask::{Ask, Chat, Choice, Embed, Encoding, LastWords, Task, Tool, Words};
use crate::call::Call;
use crate::refusal::Refusal;
use crate::shape::Reading;
use crate::wire::{Asked, Host, Route};

/// Most texts of one batch.
const BATCH_MAX: usize = 100;

/// # Errors
/// What Google would refuse.
pub(super) fn read<'a>(
    call: &Call<'a>,
    route: &Route<'a>,
    body: &'a [u8],
) -> Result<Ask<'a>, Refusal> {
    let body: Value = serde_json::from_slice(body)
        .map_err(|error| Refusal::bad_request(format!("Invalid JSON payload received. {error}")))?;
    if route.asked == Asked::Rerank {
        return ranking::read(call, &body);
    }
    let shape = match (route.asked, route.host) {
        (Asked::Count, Host::Vertex) => &schema::VERTEX_COUNT_TOKENS,
        (Asked::Count, _) => &schema::COUNT_TOKENS,
        (Asked::Embedding, _) => &schema::EMBED,
        (Asked::Embeddings, _) => &schema::BATCH_EMBED,
        (Asked::Predict, _) => &schema::PREDICT,
        (Asked::Media(_), _) => &images::SHAPE,
        (_, Host::Vertex) => &schema::VERTEX_GENERATE,
        _ => &schema::GENERATE,
    };
    let reading = Reading { lenient: call.lenient, snake: true };
    shape.check(&body, reading).map_err(|flaw| error::invalid(&flaw))?;
    if matches!(route.asked, Asked::Media(_)) {
        return images::ask(route, &body);
    }
    let task = match route.asked {
        Asked::Count => Task::Count(counted(&body, route)?),
        Asked::Embedding => embedding(&body, route)?,
        Asked::Embeddings => batch(&body, route)?,
        Asked::Predict => prediction(&body)?,
        _ => {
            if route.host == Host::Vertex && call.path.starts_with("/v1/") {
                turns::refuse_ids(list(&body, "contents"))?;
            }
            check(&body, route)?;
            Task::Chat(chat(&body))
        }
    };
    Ok(Ask { model: route.model.clone(), stream: route.stream, task })
}

fn check(body: &Value, route: &Route<'_>) -> Result<(), Refusal> {
    turns::check(list(body, "contents"), &route.model, route.host)?;
    let system = member(body, "systemInstruction").unwrap_or(&Value::Null);
    if list(system, "parts").iter().any(|part| !has(part, "text")) {
        return Err(Refusal::bad_request("system_instruction: only text parts are supported"));
    }
    rules::check(body, &route.model)
}

fn question(body: &Value) -> String {
    let found = ["systemInstruction", "contents", "tools"].into_iter();
    let found = found.filter_map(|name| member(body, name));
    found.map(Value::to_string).collect::<Vec<_>>().join(",")
}

fn counted(body: &Value, route: &Route<'_>) -> Result<usize, Refusal> {
    let inner = member(body, "generateContentRequest");
    if inner.is_some() == has(body, "contents") {
        let message = "* CountTokensRequest: exactly one of contents and generate_content_request \
                       must be set";
        return Err(Refusal::bad_request(message));
    }
    let counted = inner.unwrap_or(body);
    check(counted, route)?;
    Ok(question(counted).len())
}

fn chat(body: &Value) -> Chat<'static> {
    let calling = calling(body);
    let allowed = list(calling, "allowedFunctionNames");
    let offered = declarations(body).filter(|declared| {
        let name = word(declared, "name");
        allowed.is_empty() || allowed.iter().any(|one| one.as_str() == Some(name))
    });
    let tool = |declared: &Value| {
        let schema =
            member(declared, "parametersJsonSchema").or_else(|| member(declared, "parameters"));
        Tool {
            name: word(declared, "name").to_owned(),
            schema: schema.cloned().unwrap_or(Value::Null),
        }
    };
    let config = member(body, "generationConfig").unwrap_or(&Value::Null);
    let thinking = member(config, "thinkingConfig").unwrap_or(&Value::Null);
    let number = |name| member(config, name).and_then(Value::as_u64);
    let flag = |value, name| member(value, name).and_then(Value::as_bool).unwrap_or(false);
    Chat {
        tools: offered.map(tool).collect(),
        choice: match word(calling, "mode") {
            "ANY" => Choice::Required,
            "NONE" => Choice::None,
            _ => Choice::Auto,
        },
        form: form(config),
        tokens_max: number("maxOutputTokens").and_then(|most| usize::try_from(most).ok()),
        choices: number("candidateCount").map_or(1, |count| count.clamp(1, 8) as u32),
        thinks: flag(thinking, "includeThoughts"),
        cached: has(body, "cachedContent"),
        ..Chat::new(question(body).into(), Words::Known(last_words(list(body, "contents"))))
    }
}

/// What the answer must look like, if not like words.
fn form(config: &Value) -> Option<Value> {
    let schema = member(config, "responseJsonSchema").or_else(|| member(config, "responseSchema"));
    let is_json = word(config, "responseMimeType") == "application/json";
    is_json.then(|| schema.cloned().unwrap_or(Value::Null))
}

fn texts(content: &Value) -> String {
    let parts = list(content, "parts").iter().map(|part| word(part, "text"));
    parts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ")
}

fn last_words(contents: &[Value]) -> LastWords {
    let mut said = LastWords::default();
    for content in contents {
        said.after_tool = list(content, "parts").iter().any(|part| has(part, "functionResponse"));
        let words = texts(content);
        if word(content, "role") != "model" && !words.is_empty() {
            said.user = words;
        }
    }
    said
}

fn embed(inputs: Vec<Cow<'static, str>>, length: Option<&Value>) -> Task<'static> {
    let dimensions = length.and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
    Task::Embed(Embed { inputs, dimensions, encodings: vec![Encoding::Float] })
}

/// A request that names a model names the one of the path.
fn check_embedding(one: &Value, route: &Route<'_>) -> Result<(), Refusal> {
    let named = word(one, "model");
    let bare = named.strip_prefix("models/").unwrap_or(named);
    if !named.is_empty() && (bare != route.model || bare == named) {
        let message = format!("* model: expected 'models/{}', found '{named}'", route.model);
        return Err(Refusal::bad_request(message).about("model"));
    }
    let Some(content) = member(one, "content") else {
        return Ok(());
    };
    let parts = list(content, "parts");
    if parts.is_empty() {
        return Err(Refusal::bad_request("* EmbedContentRequest.content: content is empty"));
    }
    let mut parts = parts.iter();
    parts.try_for_each(|part| turns::check_part(part, "user", "content.parts", route.host))
}

fn embedding(body: &Value, route: &Route<'_>) -> Result<Task<'static>, Refusal> {
    check_embedding(body, route)?;
    let text = member(body, "content").map(texts).unwrap_or_default();
    Ok(embed(vec![text.into()], member(body, "outputDimensionality")))
}

fn batch(body: &Value, route: &Route<'_>) -> Result<Task<'static>, Refusal> {
    let requests = list(body, "requests");
    if requests.is_empty() || requests.len() > BATCH_MAX {
        let message = "* BatchEmbedContentsRequest.requests: expected 1 to 100 requests";
        return Err(Refusal::bad_request(message));
    }
    requests.iter().try_for_each(|one| check_embedding(one, route))?;
    let text = |one: &Value| member(one, "content").map(texts).unwrap_or_default().into();
    let length = requests.first().and_then(|one| member(one, "outputDimensionality"));
    Ok(embed(requests.iter().map(text).collect(), length))
}

fn prediction(body: &Value) -> Result<Task<'static>, Refusal> {
    let instances = list(body, "instances");
    if instances.is_empty() {
        return Err(Refusal::bad_request("instances: expected at least one"));
    }
    let text = |one: &Value| word(one, "content").to_owned().into();
    let length = member(body, "parameters").and_then(|it| member(it, "outputDimensionality"));
    Ok(embed(instances.iter().map(text).collect(), length))
}
