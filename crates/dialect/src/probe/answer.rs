//! Whole answers: a text, why it ended, and the tokens.

use bytes::Bytes;
use serde_json::{Value, json};
use weir_types::{Dialect, Usage};

use crate::fault::AnswerFault;
use crate::format::{AnswerFacts, Asked, Written};
use crate::ir::{self, ChatAnswer, Choice, Finish, FinishReason, Losses, Part, PartBody};

/// What a whole answer says about itself.
pub(super) fn observe(body: &[u8]) -> Result<AnswerFacts, AnswerFault> {
    let document = document(body)?;
    let finish = document.get("why").and_then(Value::as_str).map(str::to_owned);
    let is_error = document.get("oops").is_some();
    Ok(AnswerFacts { usage: usage(&document), finish, is_error, id: None })
}

pub(super) fn read(body: &[u8]) -> Result<ir::Answer, AnswerFault> {
    let document = document(body)?;
    let Some(said) = document.get("said").and_then(Value::as_str) else {
        return Err(AnswerFault::Shape("`said` is missing".to_owned()));
    };
    let why = document.get("why").and_then(Value::as_str).unwrap_or("end");
    let parts = if said.is_empty() { Vec::new() } else { vec![Part::text(said)] };
    let choice = Choice { parts, finish: Some(finish(why)), ..Choice::default() };
    let usage = usage(&document);
    Ok(ir::Answer::Chat(ChatAnswer { choices: vec![choice], usage, ..ChatAnswer::default() }))
}

pub(super) fn write(answer: &ir::Answer, asked: &Asked<'_>) -> Result<Written, AnswerFault> {
    let ir::Answer::Chat(chat) = answer else {
        return Err(AnswerFault::untranslatable(Dialect::Probe, asked.operation));
    };
    let mut losses = Losses::default();
    losses.add_if(chat.choices.len() > 1, "choices", "an answer is one text");
    let mut said = String::new();
    let first = chat.choices.first();
    for part in first.map(|choice| choice.parts.as_slice()).unwrap_or_default() {
        match &part.body {
            PartBody::Text { text, .. } | PartBody::Refusal(text) => said.push_str(text),
            _ => losses.add("message", "an answer is text and nothing else"),
        }
    }
    let finish = first.and_then(|choice| choice.finish.as_ref());
    let mut body = json!({ "said": said, "why": finish.map_or("end", word) });
    put_usage(&mut body, &chat.usage);
    Ok(Written { body: Bytes::from(body.to_string()), losses })
}

fn document(body: &[u8]) -> Result<Value, AnswerFault> {
    serde_json::from_slice(body).map_err(|error| AnswerFault::NotJson(error.to_string()))
}

/// The tokens, where they are said.
pub(super) fn usage(document: &Value) -> Usage {
    let count = |name| document.get(name).and_then(Value::as_u64).unwrap_or(0);
    Usage { input_tokens: count("in"), output_tokens: count("out"), ..Usage::default() }
}

/// Adds the tokens, where they are known.
pub(super) fn put_usage(body: &mut Value, usage: &Usage) {
    if let (false, Some(body)) = (usage.is_empty(), body.as_object_mut()) {
        body.insert("in".to_owned(), json!(usage.input_tokens));
        body.insert("out".to_owned(), json!(usage.output_tokens));
    }
}

/// Why an answer ended, by this format's word.
pub(super) fn finish(why: &str) -> Finish {
    Finish::new(match why {
        "end" => FinishReason::Stop,
        "full" => FinishReason::Length,
        "hush" => FinishReason::ContentFilter,
        other => FinishReason::Other(other.to_owned()),
    })
}

/// This format's word for why an answer ended.
pub(super) fn word(finish: &Finish) -> &str {
    match &finish.reason {
        FinishReason::Length | FinishReason::ContextWindow => "full",
        FinishReason::ContentFilter | FinishReason::Refusal => "hush",
        FinishReason::Other(word) => word,
        FinishReason::Stop
        | FinishReason::StopSequence
        | FinishReason::ToolCalls
        | FinishReason::Pause
        | FinishReason::Error(_) => "end",
    }
}
