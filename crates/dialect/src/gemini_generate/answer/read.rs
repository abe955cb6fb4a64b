//! A whole answer, read.

use serde_json::{Map, Value};
use weir_types::{Dialect, Operation};

use super::super::calls::Calls;
use super::super::{camel, embedding, finish, parts, rerank};
use super::{annotations, read_logprobs};
use crate::fault::{AnswerFault, RequestFault};
use crate::fields::Fields;
use crate::ir::{Answer, ChatAnswer, Choice, Finish, FinishReason, Part, PartBody};
use crate::whole;

/// Members of a candidate that are read; the others are kept for the format itself.
const CANDIDATES: &str = "candidates";

/// An answer that is not of its format, in the words of a request's reader.
fn shape(fault: RequestFault) -> AnswerFault {
    AnswerFault::Shape(fault.message)
}

/// Reads a whole answer.
pub(in super::super) fn read(operation: Operation, body: &[u8]) -> Result<Answer, AnswerFault> {
    let document = whole::document(body)?;
    match operation {
        Operation::Chat => chat(document)?.unless_broken().map(Answer::Chat),
        Operation::CountTokens => {
            let total = document.get("totalTokens").or_else(|| document.get("total_tokens"));
            let total = total.and_then(Value::as_u64);
            let missing = || AnswerFault::Shape("`totalTokens` is missing".to_owned());
            total.map(Answer::Tokens).ok_or_else(missing)
        }
        Operation::Embedding => embedding::read_answer(&document).map(Answer::Embedding),
        Operation::Rerank => rerank::read_answer(&document).map(Answer::Rerank),
        operation => Err(AnswerFault::untranslatable(Dialect::GeminiGenerate, operation)),
    }
}

fn chat(document: Value) -> Result<ChatAnswer, AnswerFault> {
    let mut fields = camel::fields(document, "").map_err(shape)?;
    let known = [CANDIDATES, "promptFeedback", "usageMetadata"];
    if !known.iter().any(|name| fields.has(name)) {
        return Err(AnswerFault::Shape("it has no candidates".to_owned()));
    }
    let mut answer = ChatAnswer {
        id: fields.text("responseId").map_err(shape)?.unwrap_or_default(),
        model: fields.text("modelVersion").map_err(shape)?.unwrap_or_default(),
        ..ChatAnswer::default()
    };
    if let Some(metadata) = fields.any("usageMetadata") {
        answer.usage = finish::usage(&metadata);
    }
    let mut calls = Calls::of_answer(&answer.id);
    let mut kept = Vec::new();
    for (at, (path, value)) in camel::many(&mut fields, CANDIDATES).into_iter().enumerate() {
        let candidate = camel::fields(value, path).map_err(shape)?;
        let (choice, rest) = choice(candidate, at, &mut calls).map_err(shape)?;
        answer.choices.push(choice);
        kept.push(Value::Object(rest));
    }
    if answer.choices.is_empty() {
        let is_blocked = fields.peek("promptFeedback").is_some_and(is_blocked);
        let finish = is_blocked.then(|| Finish::new(FinishReason::ContentFilter));
        answer.choices.push(Choice { finish, ..Choice::default() });
    }
    answer.choices.sort_by_key(|choice| choice.index);
    answer.extra = fields.rest();
    if kept.iter().any(|rest| rest.as_object().is_some_and(|rest| !rest.is_empty())) {
        answer.extra.insert(CANDIDATES.to_owned(), Value::Array(kept));
    }
    Ok(answer)
}

/// Whether `promptFeedback` says that the prompt was refused.
pub(in super::super) fn is_blocked(feedback: &Value) -> bool {
    let reason = feedback.get("blockReason").or_else(|| feedback.get("block_reason"));
    reason.and_then(Value::as_str).is_some_and(|reason| !reason.is_empty())
}

fn choice(
    mut candidate: Fields,
    at: usize,
    calls: &mut Calls,
) -> Result<(Choice, Map<String, Value>), RequestFault> {
    let index = candidate.count("index")?.unwrap_or(at as u64);
    let index = u32::try_from(index).map_err(|_| candidate.wrong("index", "is too large"))?;
    let word = candidate.text("finishReason")?.unwrap_or_default();
    let before = calls.count();
    let mut out = Vec::new();
    let mut places = Vec::new();
    if let Some(mut content) = camel::object(&mut candidate, "content")? {
        for (place, (path, value)) in camel::many(&mut content, "parts").into_iter().enumerate() {
            parts::read(value, path, calls, &mut out)?;
            places.resize(out.len(), place as u64);
        }
    }
    let logprobs = candidate.any("logprobsResult").as_ref().and_then(read_logprobs);
    let finish = finish::read(&word, calls.count() > before);
    let rest = candidate.rest();
    annotate(&mut out, &places, &rest);
    Ok((Choice { index, parts: out, finish, logprobs }, rest))
}

fn annotate(parts: &mut [Part], places: &[u64], candidate: &Map<String, Value>) {
    if !["groundingMetadata", "citationMetadata"].iter().any(|name| candidate.contains_key(*name)) {
        return;
    }
    let candidate = Value::Object(candidate.clone());
    for (part, place) in parts.iter_mut().zip(places) {
        if let PartBody::Text { text, annotations: list } = &mut part.body {
            *list = annotations(&candidate, text, *place);
        }
    }
}
