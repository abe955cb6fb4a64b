//! Whole answers, by operation; those of chat are read and written here.
//! <https://docs.cohere.com/reference/chat#response>

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use weir_types::{Dialect, Operation};

use super::request::arguments;
use super::{citation, embedding, rerank, usage};
use crate::custom;
use crate::fault::AnswerFault;
use crate::format::{AnswerFacts, Asked, Written};
use crate::ir::{
    Answer, ChatAnswer, Choice, Finish, FinishReason, Losses, Part, PartBody, Thinking, ToolCall,
};
use crate::whole;

/// Looks at a whole answer. What is JSON but has an unknown shape says nothing and is no error.
pub(super) fn observe(body: &[u8]) -> Result<AnswerFacts, AnswerFault> {
    whole::observe(body, |document| {
        let counts = document.value("usage").or_else(|| document.value("meta"));
        let finish = document.text("finish_reason").map(Cow::into_owned);
        // The message of a chat is an object, that of an error is text.
        let is_text = document.raw("message").is_some_and(|raw| raw.starts_with(b"\""));
        AnswerFacts {
            usage: counts.as_ref().and_then(usage::read).unwrap_or_default(),
            is_error: is_text && finish.is_none() && document.is_no_answer(),
            finish,
            id: None,
        }
    })
}

/// Reads a whole answer.
pub(super) fn read(operation: Operation, body: &[u8]) -> Result<Answer, AnswerFault> {
    let document = whole::document(body)?;
    match operation {
        Operation::Chat | Operation::Responses => {
            read_chat(document)?.unless_broken().map(Answer::Chat)
        }
        Operation::Embedding => embedding::read_answer(&document).map(Answer::Embedding),
        Operation::Rerank => rerank::read_answer(&document).map(Answer::Rerank),
        Operation::CountTokens => {
            let tokens = document.get("tokens").and_then(Value::as_array);
            let shape = || AnswerFault::Shape("`tokens` is not there".to_owned());
            Ok(Answer::Tokens(tokens.ok_or_else(shape)?.len() as u64))
        }
        other => Err(AnswerFault::untranslatable(Dialect::CohereChat, other)),
    }
}

/// Writes a whole answer.
pub(super) fn write(answer: &Answer, asked: &Asked<'_>) -> Result<Written, AnswerFault> {
    let mut losses = Losses::default();
    let document = match answer {
        Answer::Chat(chat) => write_chat(chat, asked, &mut losses),
        Answer::Embedding(embedding) => embedding::write_answer(embedding, asked),
        Answer::Rerank(rerank) => rerank::write_answer(rerank, asked, &mut losses),
        Answer::Tokens(_) => {
            // A client of `/v1/tokenize` wants the tokens and not their number.
            return Err(AnswerFault::untranslatable(Dialect::CohereChat, asked.operation));
        }
    };
    Ok(Written { body: Bytes::from(document.to_string()), losses })
}

fn read_chat(document: Value) -> Result<ChatAnswer, AnswerFault> {
    let shape = |what: &str| AnswerFault::Shape(what.to_owned());
    let Value::Object(mut members) = document else { return Err(shape("not an object")) };
    let Some(Value::Object(message)) = members.shift_remove("message") else {
        return Err(shape("`message` is not an object"));
    };
    let parts = parts(message);
    let has_calls = parts.iter().any(|part| matches!(part.body, PartBody::ToolCall(_)));
    let reason = members.shift_remove("finish_reason");
    let finish = reason.as_ref().and_then(Value::as_str).map(|reason| finish(reason, has_calls));
    let usage = members.shift_remove("usage").as_ref().and_then(usage::read).unwrap_or_default();
    let logprobs = members.shift_remove("logprobs").and_then(|list| read_logprobs(&list));
    let id = members.shift_remove("id");
    Ok(ChatAnswer {
        id: id.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned(),
        choices: vec![Choice { index: 0, parts, finish, logprobs }],
        usage,
        extra: members,
        ..ChatAnswer::default()
    })
}

fn parts(mut message: Map<String, Value>) -> Vec<Part> {
    let blocks = match message.shift_remove("content") {
        Some(Value::Array(blocks)) => blocks,
        Some(one @ (Value::String(_) | Value::Object(_))) => vec![one],
        _ => Vec::new(),
    };
    let mut parts: Vec<Part> = blocks.into_iter().map(block).collect();
    if let Some(Value::Array(citations)) = message.shift_remove("citations") {
        citation::attach(citations, &mut parts);
    }
    if let Some(Value::String(plan)) = message.shift_remove("tool_plan")
        && !plan.is_empty()
    {
        let thinking = Thinking { text: plan, is_summary: true, ..Thinking::default() };
        parts.push(Part::new(PartBody::Thinking(thinking)));
    }
    if let Some(Value::Array(calls)) = message.shift_remove("tool_calls") {
        parts.extend(calls.into_iter().map(call));
    }
    parts
}

fn block(mut block: Value) -> Part {
    if let Value::String(text) = block {
        return Part::text(text);
    }
    let mut text = |name: &str| match block.get_mut(name).map(Value::take) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    match text("type").as_deref() {
        Some("text") => Part::text(text("text").unwrap_or_default()),
        Some("thinking") => {
            let text = text("thinking").unwrap_or_default();
            Part::new(PartBody::Thinking(Thinking { text, ..Thinking::default() }))
        }
        kind => {
            let kind = kind.map(str::to_owned);
            if let (Value::Object(members), Some(kind)) = (&mut block, kind) {
                members.insert("type".to_owned(), Value::String(kind));
            }
            Part::new(PartBody::Foreign { dialect: Dialect::CohereChat, raw: block })
        }
    }
}

fn call(mut call: Value) -> Part {
    let id = call.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let function = call.get_mut("function").map(Value::take).unwrap_or_default();
    Part::new(PartBody::ToolCall(ToolCall {
        id,
        name: function.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
        arguments: arguments(function.get("arguments").cloned()),
        is_custom: false,
        signature: None,
    }))
}

/// Cohere's reason in the words of the form between.
pub(super) fn finish(reason: &str, has_calls: bool) -> Finish {
    let reason = match reason {
        "COMPLETE" => FinishReason::Stop,
        "STOP_SEQUENCE" => FinishReason::StopSequence,
        "MAX_TOKENS" => FinishReason::Length,
        "TOOL_CALL" => FinishReason::ToolCalls,
        // Both are failures of the provider: the answer is not whole.
        "ERROR" | "TIMEOUT" => FinishReason::Error(reason.to_owned()),
        "ERROR_LIMIT" => FinishReason::ContextWindow,
        "ERROR_TOXIC" => FinishReason::ContentFilter,
        other => FinishReason::Other(other.to_owned()),
    };
    Finish::new(reason.with_calls(has_calls))
}

/// The reason in Cohere's words.
pub(super) fn reason(finish: Option<&Finish>) -> &'static str {
    let Some(finish) = finish else { return "COMPLETE" };
    match &finish.reason {
        FinishReason::Stop if finish.stop_sequence.is_some() => "STOP_SEQUENCE",
        FinishReason::Stop | FinishReason::Refusal | FinishReason::Pause => "COMPLETE",
        FinishReason::StopSequence => "STOP_SEQUENCE",
        FinishReason::Length | FinishReason::ContextWindow => "MAX_TOKENS",
        FinishReason::ToolCalls => "TOOL_CALL",
        // The only word it ever had for what a filter withholds.
        FinishReason::ContentFilter => "ERROR_TOXIC",
        FinishReason::Error(_) => "ERROR",
        FinishReason::Other(_) => "COMPLETE",
    }
}

/// Probabilities in the form of OpenAI chat. A piece of text may be of several tokens; its
/// probability is the product of theirs.
pub(super) fn read_logprobs(list: &Value) -> Option<Value> {
    let items = list.as_array().map_or_else(|| std::slice::from_ref(list), Vec::as_slice);
    let one = |item: &Value| {
        let logprobs = item.get("logprobs")?.as_array()?;
        let sum: f64 = logprobs.iter().filter_map(Value::as_f64).sum();
        let token = item.get("text").and_then(Value::as_str).unwrap_or_default();
        Some(json!({ "token": token, "logprob": sum, "bytes": null, "top_logprobs": [] }))
    };
    let content: Vec<Value> = items.iter().filter_map(one).collect();
    (!content.is_empty()).then(|| json!({ "content": content, "refusal": null }))
}

/// The other way round; the tokens' numbers are not known.
pub(super) fn write_logprobs(logprobs: &Value) -> Vec<Value> {
    let content = logprobs.get("content").and_then(Value::as_array);
    let one = |token: &Value| {
        let (text, logprob) = (token.get("token")?, token.get("logprob")?);
        Some(json!({ "text": text, "token_ids": [], "logprobs": [logprob] }))
    };
    content.into_iter().flatten().filter_map(one).collect()
}

/// Why something is not told.
pub(super) const NOT_SAID: &str = "Cohere's answers do not say it";

/// Whether it is known which text ended the answer.
pub(super) const fn has_stop_text(finish: &Finish) -> bool {
    finish.stop_sequence.is_some()
}

fn write_chat(answer: &ChatAnswer, asked: &Asked<'_>, losses: &mut Losses) -> Value {
    losses.add_if(answer.choices.len() > 1, "choices", "Cohere's answers have one choice");
    for name in answer.extra.keys() {
        losses.add(name.clone(), "Cohere's answers have no such member");
    }
    let choice = answer.choices.first();
    let message = message(choice.map_or(&[][..], |choice| &choice.parts), losses);
    let mut members = Map::new();
    let id = if answer.id.is_empty() { asked.id } else { &answer.id };
    members.insert("id".to_owned(), json!(id));
    let finish = choice.and_then(|choice| choice.finish.as_ref());
    losses.add_if(finish.is_some_and(has_stop_text), "stop_sequence", NOT_SAID);
    let tier = answer.service_tier.as_deref().is_some_and(|tier| tier != "default");
    losses.add_if(tier, "service_tier", NOT_SAID);
    let reason = reason(finish);
    members.insert("finish_reason".to_owned(), json!(reason));
    members.insert("message".to_owned(), message);
    members.extend(usage::write(&answer.usage).map(|usage| ("usage".to_owned(), usage)));
    let logprobs = choice.and_then(|choice| choice.logprobs.as_ref()).map(write_logprobs);
    if let Some(logprobs) = logprobs.filter(|list| !list.is_empty()) {
        members.insert("logprobs".to_owned(), Value::Array(logprobs));
    }
    Value::Object(members)
}

fn message(parts: &[Part], losses: &mut Losses) -> Value {
    let has_calls = parts.iter().any(|part| matches!(part.body, PartBody::ToolCall(_)));
    let (mut content, mut calls, mut citations) = (Vec::new(), Vec::new(), Vec::new());
    let mut plan = String::new();
    for part in parts {
        match &part.body {
            PartBody::Text { text, annotations } => {
                for annotation in annotations {
                    let citation = citation::write(annotation, text, content.len());
                    losses.add_if(citation.is_none(), "message.annotations", "not a citation");
                    citations.extend(citation);
                }
                content.push(json!({ "type": "text", "text": text }));
            }
            PartBody::Refusal(text) => content.push(json!({ "type": "text", "text": text })),
            PartBody::Thinking(thinking) => {
                let is_sealed = thinking.signature.is_some() || thinking.redacted.is_some();
                losses.add_if(is_sealed, "thinking.signature", "Cohere has no signatures");
                if thinking.is_summary && has_calls {
                    plan.push_str(&thinking.text);
                } else if !thinking.text.is_empty() {
                    content.push(json!({ "type": "thinking", "thinking": thinking.text }));
                }
            }
            PartBody::ToolCall(call) => {
                let is_signed = call.signature.is_some();
                losses.add_if(is_signed, "thinking.signature", "Cohere has no signatures");
                calls.push(json!({
                    "id": call.id,
                    "type": "function",
                    "function": { "name": call.name, "arguments": custom::json_arguments(call) },
                }));
            }
            PartBody::Foreign { dialect: Dialect::CohereChat, raw } => content.push(raw.clone()),
            PartBody::Json(value) => {
                content.push(json!({ "type": "text", "text": value.to_string() }));
            }
            _ => losses.add("message.content", "Cohere's answers are text and calls"),
        }
    }
    let mut message = Map::new();
    message.insert("role".to_owned(), json!("assistant"));
    if !content.is_empty() || !has_calls {
        message.insert("content".to_owned(), Value::Array(content));
    }
    if !plan.is_empty() {
        message.insert("tool_plan".to_owned(), json!(plan));
    }
    for (name, list) in [("tool_calls", calls), ("citations", citations)] {
        if !list.is_empty() {
            message.insert(name.to_owned(), Value::Array(list));
        }
    }
    Value::Object(message)
}
