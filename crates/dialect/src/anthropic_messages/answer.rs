//! The way back, whole answers: read, written, and looked at on the way through.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::request::input;
use super::usage::{self, Counts};
use super::{OWN, block, citation, words};
use crate::fault::{AnswerFault, RequestFault};
use crate::fields::Fields;
use crate::format::{AnswerFacts, Asked, Written};
use crate::ir::{
    Answer, ChatAnswer, Choice, FinishReason, Losses, Part, PartBody, Thinking, block_name,
};
use crate::json;
use crate::whole;

/// Looks at a whole answer. What is JSON but has an unknown shape says nothing and is no error.
///
/// # Errors
/// The body is not JSON.
pub(super) fn observe(body: &[u8]) -> Result<AnswerFacts, AnswerFault> {
    whole::observe(body, |document| AnswerFacts {
        usage: document.value("usage").map(|usage| Counts::of(&usage)).unwrap_or_default().usage(),
        finish: document.text("stop_reason").map(Cow::into_owned),
        is_error: false,
        id: None,
    })
}

/// Reads a message.
///
/// # Errors
/// It is not one.
pub(super) fn read(body: &[u8]) -> Result<Answer, AnswerFault> {
    let document = whole::document(body)?;
    if document.get("type").is_some_and(|kind| kind == "error") {
        return Err(AnswerFault::Shape("it is an error".into()));
    }
    read_message(document).map_err(|fault| AnswerFault::Shape(fault.message))
}

fn read_message(document: Value) -> Result<Answer, RequestFault> {
    let mut fields = Fields::new(document, "")?;
    fields.any("type");
    fields.any("role");
    let mut answer = ChatAnswer {
        id: fields.text("id")?.unwrap_or_default(),
        model: fields.text("model")?.unwrap_or_default(),
        ..ChatAnswer::default()
    };
    let Some(content) = fields.any("content") else {
        return Err(fields.missing("content", "an array of blocks"));
    };
    let parts = block::read_content(content, "content")?;
    let stop_sequence = fields.text("stop_sequence")?;
    let finish = fields.text("stop_reason")?.map(|reason| {
        let mut finish = words::finish(&reason, stop_sequence.as_deref());
        finish.reason = finish.reason.with_calls(has_calls(&parts));
        finish
    });
    answer.choices.push(Choice { index: 0, parts, finish, logprobs: None });
    if let Some(mut counts) = fields.any("usage") {
        answer.usage = Counts::of(&counts).usage();
        if let Value::Object(counts) = &mut counts {
            let tier = counts.shift_remove("service_tier");
            let tier = tier.as_ref().and_then(Value::as_str).map(words::tier_served);
            answer.service_tier = tier.map(str::to_owned);
            counts.retain(|name, value| usage::OWN.contains(&name.as_str()) && !value.is_null());
        }
        if counts.as_object().is_some_and(|counts| !counts.is_empty()) {
            answer.extra.insert("usage".into(), counts);
        }
    }
    answer.extra.extend(fields.rest());
    Ok(Answer::Chat(answer))
}

fn has_calls(parts: &[Part]) -> bool {
    parts.iter().any(|part| matches!(part.body, PartBody::ToolCall(_)))
}

/// Reads a count of tokens.
///
/// # Errors
/// It is not one.
pub(super) fn read_count(body: &[u8]) -> Result<Answer, AnswerFault> {
    let document = whole::document(body)?;
    let count = document.get("input_tokens").and_then(Value::as_u64);
    let count = count.ok_or_else(|| AnswerFault::Shape("`input_tokens` is missing".into()))?;
    Ok(Answer::Tokens(count))
}

/// Writes a count of tokens.
pub(super) fn write_count(tokens: u64) -> Written {
    let body = json!({ "input_tokens": tokens }).to_string();
    Written { body: Bytes::from(body), losses: Losses::default() }
}

/// Writes a message.
pub(super) fn write(answer: &ChatAnswer, asked: &Asked<'_>) -> Written {
    let mut losses = Losses::default();
    losses.add_if(answer.choices.len() > 1, "choices", "a message is one answer; the first stays");
    let mut content = Vec::new();
    let mut reason = None;
    let mut stop_sequence = None;
    if let Some(choice) = answer.choices.first() {
        content.extend(choice.parts.iter().filter_map(|part| write_part(&part.body, &mut losses)));
        losses.add_if(choice.logprobs.is_some(), "logprobs", "a message has none");
        let finish = choice.finish.as_ref();
        let has_calls = has_calls(&choice.parts);
        let said = finish.map_or(&FinishReason::Stop, |finish| &finish.reason);
        reason = Some(words::stop_reason(said, has_calls));
        stop_sequence = finish.and_then(|finish| finish.stop_sequence.as_deref());
    }
    let mut message = head(&answer.id, &answer.model, asked);
    message.insert("content".into(), content.into());
    message.insert("stop_reason".into(), json!(reason));
    message.insert("stop_sequence".into(), json!(stop_sequence));
    let mut counts = usage::write(&answer.usage, false);
    for (name, value) in &answer.extra {
        match (name.as_str(), value) {
            ("usage", Value::Object(own)) => {
                let own = own.iter().filter(|(name, _)| usage::OWN.contains(&name.as_str()));
                counts.extend(own.map(|(name, value)| (name.clone(), value.clone())));
            }
            // Only this format's own reader leaves these.
            ("container" | "stop_details" | "diagnostics" | "context_management", value) => {
                message.insert(name.clone(), value.clone());
            }
            _ => losses.add(name.clone(), "a message has no such member"),
        }
    }
    match (served_tier(answer.service_tier.as_deref()), &answer.service_tier) {
        (Some(tier), _) => {
            counts.insert("service_tier".into(), json!(tier));
        }
        (None, tier) => losses.add_if(tier.is_some(), "service_tier", "a message has no such tier"),
    }
    message.insert("usage".into(), counts.into());
    Written { body: json::object(&message), losses }
}

fn served_tier(tier: Option<&str>) -> Option<&str> {
    match tier? {
        "default" => Some("standard"),
        tier @ ("priority" | "batch") => Some(tier),
        _ => None,
    }
}

/// The beginning of a message.
pub(super) fn head(id: &str, model: &str, asked: &Asked<'_>) -> Map<String, Value> {
    let id = if id.is_empty() { format!("msg_{}", asked.id) } else { id.to_owned() };
    let model = if model.is_empty() { asked.model } else { model };
    let members = [
        ("id", json!(id)),
        ("type", json!("message")),
        ("role", json!("assistant")),
        ("model", json!(model)),
    ];
    members.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()
}

fn write_part(body: &PartBody, losses: &mut Losses) -> Option<Value> {
    match body {
        PartBody::Text { text, annotations } => {
            let shown: Vec<_> = annotations.iter().filter_map(citation::shown).collect();
            let why = "a message has no such citation";
            losses.add_if(shown.len() < annotations.len(), "annotations", why);
            let citations = if shown.is_empty() { Value::Null } else { shown.into() };
            Some(json!({ "type": "text", "text": text, "citations": citations }))
        }
        PartBody::Refusal(text) => Some(json!({ "type": "text", "text": text })),
        PartBody::Json(value) => Some(json!({ "type": "text", "text": value.to_string() })),
        PartBody::ToolCall(call) => {
            let why = "only the provider that made a signature can read it";
            losses.add_if(call.signature.is_some(), "thinking.signature", why);
            let input = input(&call.arguments, call.is_custom);
            Some(json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": input }))
        }
        PartBody::Thinking(thinking) => write_thinking(thinking, losses),
        PartBody::Foreign { dialect: OWN, raw } => Some(raw.clone()),
        PartBody::Foreign { raw, .. } => {
            let kind = block_name(raw);
            losses.add(format!("content.{kind}"), "only its own format knows it");
            None
        }
        PartBody::Image(_) => lost(losses, "content.image"),
        PartBody::Audio(_) => lost(losses, "content.audio"),
        PartBody::Video(_) => lost(losses, "content.video"),
        PartBody::Document(_) => lost(losses, "content.document"),
        PartBody::ToolResult(_) => lost(losses, "content.tool_result"),
    }
}

/// What has no block in an answer.
fn lost(losses: &mut Losses, member: &'static str) -> Option<Value> {
    losses.add(member, "a message answers in text and calls of tools");
    None
}

/// Thoughts of other providers are shown, without a signature: they are not taken back.
fn write_thinking(thinking: &Thinking, losses: &mut Losses) -> Option<Value> {
    let own = |sealed: &Option<crate::ir::Sealed>| {
        sealed.as_ref().filter(|sealed| sealed.origin == OWN).map(|sealed| sealed.data.clone())
    };
    if let Some(data) = own(&thinking.redacted) {
        return Some(json!({ "type": "redacted_thinking", "data": data }));
    }
    let signature = own(&thinking.signature);
    let is_foreign =
        thinking.redacted.is_some() || (thinking.signature.is_some() && signature.is_none());
    let why = "only the provider that made a signature can read it";
    losses.add_if(is_foreign, "thinking.signature", why);
    if thinking.text.is_empty() && signature.is_none() {
        return None;
    }
    let signature = signature.unwrap_or_default();
    Some(json!({ "type": "thinking", "thinking": thinking.text, "signature": signature }))
}
