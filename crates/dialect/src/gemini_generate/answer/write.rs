//! A whole answer, written for a client of this format.

use bytes::Bytes;
use serde_json::{Map, Value, json};
use weir_types::Dialect;

use super::super::media::Place;
use super::super::parts::Parts;
use super::super::{embedding, finish};
use super::{grounding, write_logprobs};
use crate::fault::AnswerFault;
use crate::format::{Asked, Written};
use crate::ir::{Answer, ChatAnswer, Choice, FinishReason, Losses, Part, PartBody};

/// Members that only this format has: what else an answer holds is another format's.
/// <https://ai.google.dev/api/generate-content#GenerateContentResponse>
const OWN_MEMBERS: [&str; 3] = ["createTime", "modelStatus", "promptFeedback"];

/// Writes a whole answer.
pub(in super::super) fn write(answer: &Answer, asked: &Asked<'_>) -> Result<Written, AnswerFault> {
    let mut losses = Losses::default();
    let document = match answer {
        Answer::Chat(answer) => chat(answer, asked, &mut losses),
        Answer::Tokens(total) => json!({ "totalTokens": total }),
        Answer::Embedding(answer) => embedding::write_answer(answer, asked, &mut losses)?,
        Answer::Rerank(_) => {
            let dialect = Dialect::GeminiGenerate;
            return Err(AnswerFault::untranslatable(dialect, asked.operation));
        }
    };
    Ok(Written { body: Bytes::from(document.to_string()), losses })
}

fn chat(answer: &ChatAnswer, asked: &Asked<'_>, losses: &mut Losses) -> Value {
    let mut document = Map::new();
    // A prompt that was refused has no candidates here.
    let is_blocked = answer.extra.contains_key("promptFeedback")
        && answer.choices.iter().all(|choice| choice.parts.is_empty())
        && !answer.extra.contains_key("candidates");
    if !is_blocked {
        let candidates = answer.choices.iter().map(|choice| candidate(choice, answer, losses));
        document.insert("candidates".to_owned(), candidates.collect());
    }
    for (name, value) in &answer.extra {
        match name.as_str() {
            "candidates" => {}
            own if OWN_MEMBERS.contains(&own) => {
                document.insert(name.clone(), value.clone());
            }
            _ => losses.add(name.clone(), "Gemini's answers have no such member"),
        }
    }
    let tier = answer.service_tier.as_deref().is_some_and(|tier| tier != "default");
    losses.add_if(tier, "service_tier", "Gemini's answers have no such member");
    if let Some(metadata) = finish::usage_metadata(&answer.usage) {
        document.insert("usageMetadata".to_owned(), metadata);
    }
    let (model, id) = names(&answer.model, &answer.id, asked);
    document.insert("modelVersion".to_owned(), json!(model));
    document.insert("responseId".to_owned(), json!(id));
    Value::Object(document)
}

/// What an answer calls its model and itself.
pub(in super::super) fn names<'a>(
    model: &'a str,
    id: &'a str,
    asked: &Asked<'a>,
) -> (&'a str, &'a str) {
    let or = |own: &'a str, other: &'a str| if own.is_empty() { other } else { own };
    (or(model, asked.model), or(id, asked.id))
}

fn candidate(choice: &Choice, answer: &ChatAnswer, losses: &mut Losses) -> Value {
    let parts = parts(&choice.parts, losses);
    let mut candidate = Map::new();
    candidate.insert("content".to_owned(), json!({ "role": "model", "parts": parts }));
    if let Some(ended) = &choice.finish {
        let has_text = ended.stop_sequence.is_some();
        losses.add_if(has_text, "stop_sequence", "Gemini's answers do not say it");
        candidate.insert("finishReason".to_owned(), json!(finish::write(&ended.reason)));
        if ended.reason == FinishReason::Refusal {
            candidate.insert("finishMessage".to_owned(), json!("the model declines"));
        }
    }
    candidate.insert("index".to_owned(), json!(choice.index));
    if let Some(result) = choice.logprobs.as_ref().and_then(write_logprobs) {
        candidate.insert("logprobsResult".to_owned(), result);
    }
    let kept = answer.extra.get("candidates").and_then(Value::as_array);
    let place = usize::try_from(choice.index).unwrap_or(usize::MAX);
    let kept = kept.and_then(|kept| kept.get(place)).and_then(Value::as_object);
    candidate.extend(kept.into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())));
    if !candidate.contains_key("groundingMetadata") && !candidate.contains_key("citationMetadata") {
        candidate.extend(sources(&choice.parts));
    }
    Value::Object(candidate)
}

fn parts(parts: &[Part], losses: &mut Losses) -> Vec<Value> {
    let mut out = Parts::new(Place::CLIENT, true, losses);
    let mut refused = false;
    for part in parts {
        if let PartBody::Text { annotations, .. } = &part.body {
            let is_web =
                |one: &Value| one.pointer("/url_citation/url").is_some_and(Value::is_string);
            let is_lost = !annotations.iter().all(is_web);
            out.lose(is_lost, "message.annotations", "sources of Gemini are in the web");
        }
        // What a client is shown is not fetched by Google.
        refused |= out.push(part).is_err();
    }
    let out = out.finish();
    losses.add_if(refused, "message.content", "a file of another provider");
    out
}

/// `groundingMetadata` for the annotations of `parts`.
fn sources(parts: &[Part]) -> Option<(String, Value)> {
    let texts: Vec<_> = parts
        .iter()
        .enumerate()
        .filter_map(|(at, part)| match &part.body {
            PartBody::Text { text, annotations } if !annotations.is_empty() => {
                Some((at as u64, text.as_str(), annotations.as_slice()))
            }
            _ => None,
        })
        .collect();
    grounding(&texts).map(|found| ("groundingMetadata".to_owned(), found))
}
