//! A request, written. The model stands in the path, but for those requests that repeat it inside.

use bytes::Bytes;
use serde_json::{Map, Value, json};
use weir_types::Dialect;

use super::super::{embedding, media::Place, rerank};
use super::{config, contents, tools};
use crate::families::gemini;
use crate::fault::RequestFault;
use crate::format::{Target, Written};
use crate::ir::{Chat, Losses, Request};

/// Writes a request.
pub(in super::super) fn write(
    request: &Request,
    target: &Target<'_>,
) -> Result<Written, RequestFault> {
    let mut losses = Losses::default();
    let body = match request {
        Request::Chat(asked) => Value::Object(chat(asked, target, &mut losses)?),
        Request::CountTokens(asked) => count_tokens(asked, target, &mut losses)?,
        Request::Embedding(asked) => embedding::write(asked, target, &mut losses)?,
        Request::Rerank(asked) => rerank::write(asked, target, &mut losses)?,
    };
    Ok(Written { body: Bytes::from(body.to_string()), losses })
}

/// Whether `target` is Vertex AI and not the Gemini API.
pub(in super::super) fn is_vertex(target: &Target<'_>) -> bool {
    target.vendor == "vertex"
}

fn chat(
    chat: &Chat,
    target: &Target<'_>,
    losses: &mut Losses,
) -> Result<Map<String, Value>, RequestFault> {
    let family = gemini::of(target.known_as);
    let is_own = chat.source == Dialect::GeminiGenerate;
    let place = Place { is_vertex: is_vertex(target), is_own };
    let contents = contents::write(chat, place, family, losses)?;
    let mut body = Map::new();
    body.insert("contents".to_owned(), Value::Array(contents.turns));
    if !contents.system.is_empty() {
        body.insert("systemInstruction".to_owned(), json!({ "parts": contents.system }));
    }
    tools::write(chat, &mut body, losses);
    let config = config::write(chat, family, losses);
    if !config.is_empty() {
        body.insert("generationConfig".to_owned(), Value::Object(config));
    }
    members(chat, place, &mut body, losses);
    if is_own {
        put_back(chat, &mut body, losses);
    } else {
        for name in chat.extra.keys() {
            losses.add(name.clone(), "Gemini has no such member");
        }
    }
    Ok(body)
}

/// The members that stand beside the conversation.
fn members(chat: &Chat, place: Place, body: &mut Map<String, Value>, losses: &mut Losses) {
    let none = "Gemini has no such member";
    match chat.service_tier.as_deref() {
        None | Some("auto") => {}
        Some("default") => {
            body.insert("serviceTier".to_owned(), json!("standard"));
        }
        Some(tier @ ("flex" | "priority")) => {
            body.insert("serviceTier".to_owned(), json!(tier));
        }
        Some(_) => losses.add("service_tier", "Gemini has no such tier"),
    }
    match chat.store {
        Some(store) if !place.is_vertex => {
            body.insert("store".to_owned(), json!(store));
        }
        store => losses.add_if(store == Some(true), "store", none),
    }
    if place.is_own && !chat.metadata.is_empty() {
        body.insert("labels".to_owned(), Value::Object(chat.metadata.clone()));
    } else {
        losses.add_if(!chat.metadata.is_empty(), "metadata", none);
    }
    losses.add_if(chat.user.is_some(), "user", none);
    losses.add_if(chat.verbosity.is_some(), "verbosity", none);
    losses.add_if(chat.cache.is_some(), "cache_control", "Gemini caches by itself");
}

/// Puts members back that only this format has, each where it stood.
fn put_back(chat: &Chat, body: &mut Map<String, Value>, losses: &mut Losses) {
    for (path, value) in &chat.extra {
        if path.starts_with("tools.") {
            losses.add(path.clone(), "it cannot be put back where it stood");
            continue;
        }
        // What a client calls a member may have dots of its own.
        let within = PLACES.iter().find_map(|place| {
            let name = path.strip_prefix(&place.join("."))?.strip_prefix('.')?;
            Some((*place, name))
        });
        let (place, name) = within.unwrap_or((&[], path));
        let mut object = Some(&mut *body);
        for outer in place {
            let found = object.map(|object| object.entry(*outer).or_insert_with(|| json!({})));
            object = found.and_then(Value::as_object_mut);
        }
        if let Some(object) = object {
            object.insert(name.to_owned(), value.clone());
        }
    }
}

/// The objects whose members are kept, innermost first.
const PLACES: [&[&str]; 3] =
    [&["toolConfig", "functionCallingConfig"], &["toolConfig"], &["generationConfig"]];

/// Only the longer form counts what stands beside the conversation, and repeats the model; Vertex
/// AI has the members of both in one.
fn count_tokens(
    asked: &Chat,
    target: &Target<'_>,
    losses: &mut Losses,
) -> Result<Value, RequestFault> {
    let mut body = chat(asked, target, losses)?;
    if is_vertex(target) {
        let counted = ["contents", "systemInstruction", "tools", "generationConfig"];
        body.retain(|name, _| counted.contains(&name.as_str()));
        return Ok(Value::Object(body));
    }
    if body.len() == 1 {
        return Ok(Value::Object(body));
    }
    let mut request = Map::new();
    request.insert("model".to_owned(), json!(resource(target.model)));
    request.extend(body);
    Ok(json!({ "generateContentRequest": request }))
}

/// The model's name as a member of a body.
pub(in super::super) fn resource(model: &str) -> String {
    let is_whole = ["models/", "tunedModels/"].iter().any(|kind| model.starts_with(kind));
    if is_whole { model.to_owned() } else { format!("models/{model}") }
}
