//! Reads a whole answer.

use serde_json::Value;
use weir_types::Operation;

use super::output;
use crate::fault::{AnswerFault, RequestFault};
use crate::fields::Fields;
use crate::ir::{Answer, ChatAnswer, Choice, Extra, Part, PartBody};
use crate::openai_responses::{content, items, usage};
use crate::whole;

/// Members that repeat the request, or that have a place of their own.
const KNOWN: [&str; 29] = [
    "background",
    "billing",
    "completed_at",
    "error",
    "incomplete_details",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "object",
    "parallel_tool_calls",
    "previous_response_id",
    "prompt",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning",
    "safety_identifier",
    "status",
    "store",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "usage",
    "user",
];

/// Reads an answer.
pub(in crate::openai_responses) fn read(
    operation: Operation,
    body: &[u8],
) -> Result<Answer, AnswerFault> {
    let document = whole::document(body)?;
    if operation == Operation::CountTokens {
        let count = document.get("input_tokens").and_then(Value::as_u64);
        let missing = || AnswerFault::Shape("`input_tokens` is missing".to_owned());
        return count.map(Answer::Tokens).ok_or_else(missing);
    }
    response(document)?.unless_broken().map(Answer::Chat)
}

fn response(document: Value) -> Result<ChatAnswer, AnswerFault> {
    let shape = |fault: RequestFault| AnswerFault::Shape(fault.message);
    match document.get("status").and_then(Value::as_str) {
        Some(status @ ("queued" | "in_progress")) => {
            return Err(AnswerFault::Shape(format!("the response is still {status}")));
        }
        _ if !document.get("output").is_some_and(Value::is_array) => {
            return Err(AnswerFault::Shape("`output` is missing, or is no array".to_owned()));
        }
        _ => {}
    }
    let usage = document.get("usage").and_then(usage::read).unwrap_or_default();
    let end = serde_json::json!({
        "status": document.get("status"),
        "incomplete_details": document.get("incomplete_details"),
    });
    let mut fields = Fields::new(document, "").map_err(shape)?;
    let mut choice = Choice::default();
    for item in fields.objects("output").map_err(shape)? {
        read_item(item, &mut choice).map_err(shape)?;
    }
    let has = |test: fn(&PartBody) -> bool| choice.parts.iter().any(|part| test(&part.body));
    let has_calls = has(|body| matches!(body, PartBody::ToolCall(_)));
    let has_refusal = has(|body| matches!(body, PartBody::Refusal(_)));
    choice.finish = Some(output::finish(&end, has_calls, has_refusal));
    let created = fields.any("created_at").as_ref().and_then(seconds);
    Ok(ChatAnswer {
        id: fields.text("id").map_err(shape)?.unwrap_or_default(),
        model: fields.text("model").map_err(shape)?.unwrap_or_default(),
        created,
        choices: vec![choice],
        usage,
        service_tier: fields.text("service_tier").map_err(shape)?,
        extra: rest(fields),
    })
}

/// A time, which may be a fraction.
pub(in crate::openai_responses) fn seconds(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_f64().filter(|time| *time >= 0.0).map(|time| time as u64))
}

fn rest(fields: Fields) -> Extra {
    fields.rest().into_iter().filter(|(name, _)| !KNOWN.contains(&name.as_str())).collect()
}

fn read_item(mut item: Fields, choice: &mut Choice) -> Result<(), RequestFault> {
    let kind = item.peek("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    match kind.as_str() {
        "message" => {
            for mut part in item.objects("content")? {
                let logprobs = output::logprobs_in(part.any("logprobs"));
                choice.logprobs = choice.logprobs.take().or(logprobs);
                let part = content::read(part)?;
                let is_empty = matches!(&part.body, PartBody::Text { text, .. } if text.is_empty());
                if !is_empty {
                    choice.parts.push(part);
                }
            }
        }
        "reasoning" => {
            let thinking = items::thinking(&mut item)?;
            if !thinking.text.is_empty() || thinking.redacted.is_some() {
                choice.parts.push(Part::new(PartBody::Thinking(thinking)));
            }
        }
        "function_call" | "custom_tool_call" => {
            let call = items::call(&mut item, kind == "custom_tool_call")?;
            choice.parts.push(Part::new(PartBody::ToolCall(call)));
        }
        _ => {
            let raw = Value::Object(item.rest());
            let image = output::image(&raw).filter(|_| kind == "image_generation_call");
            choice.parts.push(match image {
                Some(media) => Part::new(PartBody::Image(crate::ir::Image {
                    source: media.source,
                    detail: None,
                })),
                None => items::foreign(raw),
            });
        }
    }
    Ok(())
}
