//! Whole answers: read, written, and looked at on their way.

use std::borrow::Cow;

use serde_json::{Map, Value, json};
use weir_types::{Operation, Usage};

use super::{blocks, rerank, words};
use crate::fault::AnswerFault;
use crate::format::{AnswerFacts, Asked, Written};
use crate::ir::{Answer, ChatAnswer, Choice, Finish, FinishReason, Losses, PartBody};
use crate::json;
use crate::whole;

/// Members of answers that no other format has. None of their names means something else there.
const OWN_MEMBERS: [&str; 4] =
    ["metrics", "additionalModelResponseFields", "trace", "performanceConfig"];

/// Looks at an answer that is passed on. What is JSON of another shape says nothing.
pub(super) fn observe(body: &[u8]) -> Result<AnswerFacts, AnswerFault> {
    whole::observe(body, |document| {
        let usage = match document.value("usage") {
            Some(usage) => words::usage(&usage),
            None => {
                let counted = document.value("inputTokens").as_ref().and_then(Value::as_u64);
                Usage { input_tokens: counted.unwrap_or(0), ..Usage::default() }
            }
        };
        let says = ["__type", "message", "Message"].iter().any(|name| document.raw(name).is_some());
        AnswerFacts {
            usage,
            finish: document.text("stopReason").map(Cow::into_owned),
            is_error: says && document.is_no_answer(),
            id: None,
        }
    })
}

/// Reads an answer.
pub(super) fn read(operation: Operation, body: &[u8]) -> Result<Answer, AnswerFault> {
    let document = whole::document(body)?;
    let shape = |text: &str| AnswerFault::Shape(text.to_owned());
    let Value::Object(mut members) = document else {
        return Err(shape("it is not a JSON object"));
    };
    if operation == Operation::CountTokens {
        let counted = members.get("inputTokens").and_then(Value::as_u64);
        return counted.map(Answer::Tokens).ok_or_else(|| shape("`inputTokens` is missing"));
    }
    if operation == Operation::Rerank {
        return rerank::read_answer(&members).map(Answer::Rerank);
    }
    let mut output = members.remove("output").unwrap_or_default();
    let content = output.pointer_mut("/message/content").map(Value::take);
    let Some(Value::Array(content)) = content else {
        return Err(shape("`output.message.content` is not an array"));
    };
    let parts = blocks::parts(content, "output.message.content")
        .map_err(|fault| AnswerFault::Shape(fault.message))?;
    let has_calls = parts.iter().any(|part| matches!(part.body, PartBody::ToolCall(_)));
    let word = members.remove("stopReason").unwrap_or_default();
    let reason = words::finish(word.as_str().unwrap_or("end_turn")).with_calls(has_calls);
    let finish = Finish {
        reason,
        stop_sequence: stop_sequence(members.get("additionalModelResponseFields")),
    };
    let usage = members.remove("usage").map(|usage| words::usage(&usage)).unwrap_or_default();
    let tier = members.get("serviceTier").and_then(|tier| tier.get("type")?.as_str());
    let service_tier = tier.and_then(words::tier_read).map(str::to_owned);
    if service_tier.is_some() {
        members.remove("serviceTier");
    }
    members.retain(|_, value| !value.is_null());
    let answer = ChatAnswer {
        choices: vec![Choice { index: 0, parts, finish: Some(finish), logprobs: None }],
        usage,
        service_tier,
        extra: members,
        ..ChatAnswer::default()
    };
    answer.unless_broken().map(Answer::Chat)
}

/// The stop text, if the client asked for it by `additionalModelResponseFieldPaths`.
pub(super) fn stop_sequence(fields: Option<&Value>) -> Option<String> {
    let text = fields?.get("stop_sequence")?.as_str()?;
    (!text.is_empty()).then(|| text.to_owned())
}

/// Writes an answer.
pub(super) fn write(answer: &Answer, asked: &Asked<'_>) -> Result<Written, AnswerFault> {
    match answer {
        Answer::Chat(chat) => Ok(write_chat(chat, asked)),
        Answer::Tokens(count) => {
            let body = json::text(&json!({ "inputTokens": count }));
            Ok(Written { body, losses: Losses::default() })
        }
        Answer::Rerank(ranked) => {
            let mut losses = Losses::default();
            let body = json::text(&rerank::write_answer(ranked, &mut losses));
            Ok(Written { body, losses })
        }
        Answer::Embedding(_) => {
            Err(AnswerFault::untranslatable(weir_types::Dialect::BedrockConverse, asked.operation))
        }
    }
}

fn write_chat(chat: &ChatAnswer, asked: &Asked<'_>) -> Written {
    let mut out = blocks::Answered::new(asked.id);
    let first = chat.choices.first();
    let parts = first.map(|choice| choice.parts.as_slice()).unwrap_or_default();
    let has_calls = parts.iter().any(|part| matches!(part.body, PartBody::ToolCall(_)));
    let content: Vec<_> = parts.iter().filter_map(|part| out.block(&part.body)).collect();
    let why = "answers of this format have one choice and no probabilities";
    out.losses.add_if(chat.choices.len() > 1, "choices", why);
    let has_logprobs = first.is_some_and(|choice| choice.logprobs.is_some());
    out.losses.add_if(has_logprobs, "choices.logprobs", why);
    let finish = first.and_then(|choice| choice.finish.as_ref());
    let reason = finish.map_or(FinishReason::Stop, |finish| finish.reason.clone());

    let mut body = Map::new();
    let message = json!({ "role": "assistant", "content": content });
    body.insert("output".to_owned(), json!({ "message": message }));
    let word = words::stop_reason(&reason.with_calls(has_calls));
    body.insert("stopReason".to_owned(), json!(word));
    body.insert("usage".to_owned(), words::token_usage(&chat.usage));
    // Required by the SDKs; how long the provider took is not known here.
    body.insert("metrics".to_owned(), json!({ "latencyMs": 0 }));
    let known = |name: &&String| {
        OWN_MEMBERS.contains(&name.as_str()) || ["serviceTier", "usage"].contains(&name.as_str())
    };
    let others = chat.extra.keys().filter(|name| !known(name));
    for name in others {
        out.losses.add(name.clone(), "answers of this format have no such member");
    }
    for name in OWN_MEMBERS {
        if let Some(value) = chat.extra.get(name) {
            body.insert(name.to_owned(), value.clone());
        }
    }
    if let Some(text) = finish.and_then(|finish| finish.stop_sequence.as_deref())
        && !body.contains_key("additionalModelResponseFields")
    {
        let fields = json!({ "stop_sequence": text });
        body.insert("additionalModelResponseFields".to_owned(), fields);
    }
    if let Some(tier) = chat.service_tier.as_deref().and_then(words::tier_written) {
        body.insert("serviceTier".to_owned(), json!({ "type": tier }));
    } else if let Some(tier) = chat.extra.get("serviceTier") {
        body.insert("serviceTier".to_owned(), tier.clone());
    }
    Written { body: json::object(&body), losses: out.losses }
}
