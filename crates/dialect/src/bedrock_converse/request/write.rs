//! Writes a request.

use serde_json::{Map, Value, json};
use weir_types::Dialect;

use super::super::{rerank, words};
use super::settings::Settings;
use super::{cache, model, settings, tools, turns};
use crate::fault::RequestFault;
use crate::format::{Target, Written};
use crate::ir::{Chat, Losses, Request};
use crate::json;

const OWN: Dialect = Dialect::BedrockConverse;

/// What losses of a prompt are called.
const COUNTED: [&str; 4] = ["messages", "thinking", "tool_calls", "tools"];

pub(in crate::bedrock_converse) fn write(
    request: &Request,
    target: &Target<'_>,
) -> Result<Written, RequestFault> {
    let mut losses = Losses::default();
    let body = match request {
        Request::Chat(chat) => body(chat, target, &mut losses)?,
        Request::CountTokens(chat) => {
            // How the answer is to be does not count, nor what is lost of that.
            let mut lost = Losses::default();
            let mut all = body(chat, target, &mut lost)?;
            let is_counted = |name: &str| COUNTED.iter().any(|member| name.starts_with(member));
            for loss in lost.iter().filter(|loss| is_counted(&loss.member)) {
                losses.add(loss.member.clone(), loss.why.clone());
            }
            let mut prompt = Map::new();
            for name in ["messages", "system", "toolConfig", "additionalModelRequestFields"] {
                if let Some(value) = all.shift_remove(name) {
                    prompt.insert(name.to_owned(), value);
                }
            }
            let mut outer = Map::new();
            outer.insert("input".to_owned(), json!({ "converse": prompt }));
            outer
        }
        Request::Rerank(rerank) => rerank::write(rerank, target, &mut losses),
        Request::Embedding(_) => {
            return Err(RequestFault::unserved(OWN, target.operation));
        }
    };
    Ok(Written { body: json::object(&body), losses })
}

fn body(
    chat: &Chat,
    target: &Target<'_>,
    losses: &mut Losses,
) -> Result<Map<String, Value>, RequestFault> {
    let family = model::family(target.known_as);
    let mut tools = tools::written(chat, family, target.known_as, losses)?;
    let mut turns = turns::written(chat, family, losses)?;
    let settings = settings::written(chat, family, target.known_as, &tools, losses)?;
    let mut lists = vec![&mut tools.blocks, &mut turns.system];
    lists.extend(turns.turns.iter_mut().map(|turn| &mut turn.blocks));
    cache::settle(&mut lists, family, losses);

    let mut body = Map::new();
    let mut put = |name: &str, value: Value| body.insert(name.to_owned(), value);
    let messages: Vec<_> = turns
        .turns
        .into_iter()
        .map(|turn| {
            let content = cache::with_points(turn.blocks, losses);
            json!({ "role": turn.side.word(), "content": content })
        })
        .collect();
    put("messages", Value::Array(messages));
    if !turns.system.is_empty() {
        put("system", Value::Array(cache::with_points(turns.system, losses)));
    }
    let Settings { inference, mut additional, output } = settings;
    if !tools.blocks.is_empty() {
        let mut config = Map::new();
        let list = cache::with_points(tools.blocks, losses);
        config.insert("tools".to_owned(), Value::Array(list));
        if let Some(choice) = tools.choice {
            config.insert("toolChoice".to_owned(), choice);
        }
        put("toolConfig", Value::Object(config));
    }
    if let Some(choice) = tools.claude_choice {
        additional.insert("tool_choice".to_owned(), choice);
    }
    for (name, members) in [
        ("inferenceConfig", inference),
        ("additionalModelRequestFields", additional),
        ("outputConfig", output),
    ] {
        if !members.is_empty() {
            put(name, Value::Object(members));
        }
    }
    let metadata = metadata(chat, losses);
    if !metadata.is_empty() {
        put("requestMetadata", Value::Object(metadata));
    }
    if let Some(tier) = &chat.service_tier {
        match words::tier_written(tier) {
            Some(tier) => {
                put("serviceTier", json!({ "type": tier }));
            }
            None => losses.add_if(tier != "auto", "service_tier", "the target has no such tier"),
        }
    }
    extra(chat, family, &mut body, losses);
    Ok(body)
}

/// Members of one format: put back into this one, told of for others.
fn extra(chat: &Chat, family: model::Family, body: &mut Map<String, Value>, losses: &mut Losses) {
    for (name, value) in &chat.extra {
        if chat.source == OWN {
            merge(body, name, value);
            continue;
        }
        let is_beta = name == "anthropic_beta" && matches!(family, model::Family::Claude(_));
        if is_beta {
            merge(body, "additionalModelRequestFields", &json!({ "anthropic_beta": value }));
        } else {
            losses.add(name.clone(), "the target has no such member");
        }
    }
}

/// Adds `value` as the member `name`; of two objects what is there already stays.
fn merge(into: &mut Map<String, Value>, name: &str, value: &Value) {
    match (into.get_mut(name), value) {
        (Some(Value::Object(there)), Value::Object(more)) => {
            for (name, value) in more {
                merge(there, name, value);
            }
        }
        (Some(_), _) => {}
        (None, value) => {
            into.insert(name.to_owned(), value.clone());
        }
    }
}

/// `requestMetadata`: texts of certain characters.
fn metadata(chat: &Chat, losses: &mut Losses) -> Map<String, Value> {
    const ENTRIES_MAX: usize = 16;
    const BYTES_MAX: usize = 256;
    let is_legal = |text: &str| {
        let is_known = |char: char| {
            char.is_ascii_alphanumeric()
                || char.is_ascii_whitespace()
                || ":_@$#=/+,-.".contains(char)
        };
        text.len() <= BYTES_MAX && text.chars().all(is_known)
    };
    let mut metadata = Map::new();
    for (name, value) in &chat.metadata {
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let fits = !name.is_empty() && is_legal(name) && is_legal(&text);
        if fits && metadata.len() < ENTRIES_MAX {
            metadata.insert(name.clone(), Value::String(text));
        } else {
            let why = "Bedrock takes 16 texts of 256 letters, digits, blanks and :_@$#=/+,-.";
            losses.add("metadata", why);
        }
    }
    metadata
}
