//! Documents by relevance: `/v1/rerank`, as vLLM, Jina and others have it; OpenAI itself has none.

use bytes::Bytes;
use serde_json::{Map, Value, json};
use weir_types::Dialect;

use super::embedding;
use crate::fault::{AnswerFault, RequestFault};
use crate::fields::Fields;
use crate::format::{Asked, Target, Written};
use crate::ir::{Losses, Ranked, Request, Rerank, RerankAnswer};
use crate::json::{self, Taken};

/// Reads a request.
pub(super) fn read_request(mut fields: Fields, model: String) -> Result<Request, RequestFault> {
    let query = fields.required_text("query")?;
    if !fields.has("documents") {
        return Err(fields.missing("documents", "an array of texts"));
    }
    Ok(Request::Rerank(Rerank {
        source: Dialect::OpenAiChat,
        model,
        query,
        documents: fields.list("documents")?,
        top_n: fields.count("top_n")?,
        return_documents: fields.flag("return_documents")?,
        extra: fields.rest(),
    }))
}

/// Writes a request.
pub(super) fn write_request(rerank: &Rerank, target: &Target<'_>) -> Result<Written, RequestFault> {
    let mut losses = Losses::default();
    let documents: Vec<_> = match rerank.source {
        Dialect::OpenAiChat => rerank.documents.clone(),
        _ => rerank.documents.iter().map(plain).collect(),
    };
    let mut out = Map::from_iter([
        ("model".to_owned(), json!(target.model)),
        ("query".to_owned(), json!(rerank.query)),
        ("documents".to_owned(), Value::Array(documents)),
    ]);
    if let Some(top_n) = rerank.top_n {
        out.insert("top_n".to_owned(), json!(top_n));
    }
    if let Some(wanted) = rerank.return_documents {
        out.insert("return_documents".to_owned(), json!(wanted));
    }
    for (name, value) in &rerank.extra {
        match rerank.source {
            Dialect::OpenAiChat => {
                out.entry(name.clone()).or_insert_with(|| value.clone());
            }
            _ => losses.add(name.clone(), "the target has no such member"),
        }
    }
    Ok(Written { body: json::object(&out), losses })
}

/// A document that is no more than a text, as a text.
fn plain(document: &Value) -> Value {
    match document.as_object() {
        Some(members) if members.len() == 1 => {
            members.get("text").filter(|text| text.is_string()).unwrap_or(document).clone()
        }
        _ => document.clone(),
    }
}

/// Reads an answer.
pub(super) fn read_answer(mut document: Taken) -> Result<RerankAnswer, AnswerFault> {
    let shape = |what: &str| AnswerFault::Shape(what.to_owned());
    let list = document.take("results").or_else(|| document.take("data"));
    let Some(Value::Array(list)) = list else {
        return Err(shape("`results` is not a list"));
    };
    let results = list.into_iter().map(|mut entry| {
        let score = entry.get("relevance_score").or_else(|| entry.get("score"));
        let score = score.and_then(Value::as_f64);
        let index = entry.get("index").and_then(Value::as_u64);
        let (Some(index), Some(score)) = (index, score) else {
            return Err(shape("a result has no index or no score"));
        };
        let document = entry.get_mut("document").map(Value::take).filter(|found| !found.is_null());
        Ok(Ranked { index, score, document })
    });
    let results = results.collect::<Result<_, _>>()?;
    let text =
        |name: &str| document.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let usage = document.get("usage").map(embedding::counts).unwrap_or_default();
    Ok(RerankAnswer { id: text("id"), model: text("model"), results, is_partial: false, usage })
}

/// Writes an answer.
pub(super) fn write_answer(answer: &RerankAnswer, asked: &Asked<'_>) -> Written {
    let request = match asked.request {
        Request::Rerank(request) => Some(request),
        _ => None,
    };
    let wanted = request.filter(|request| request.return_documents == Some(true));
    let results = answer.results.iter().map(|ranked| {
        let mut result = json!({"index": ranked.index, "relevance_score": ranked.score});
        // A provider that does not repeat documents does not keep the client from having them.
        let at = usize::try_from(ranked.index).ok();
        let sent = || wanted?.documents.get(at?).cloned();
        if let Some(document) = ranked.document.clone().or_else(sent)
            && let Some(members) = result.as_object_mut()
        {
            let document = match document {
                Value::String(text) => json!({"text": text}),
                other => other,
            };
            members.insert("document".to_owned(), document);
        }
        result
    });
    let made = || format!("rerank-{}", asked.id);
    let id = if answer.id.is_empty() { made() } else { answer.id.clone() };
    let model = if answer.model.is_empty() { asked.model } else { &answer.model };
    let tokens = answer.usage.input_tokens;
    let document = json!({
        "id": id,
        "object": "rerank",
        "model": model,
        "results": results.collect::<Vec<_>>(),
        "usage": {
            "prompt_tokens": tokens,
            "total_tokens": tokens.saturating_add(answer.usage.output_tokens),
        },
    });
    let mut losses = Losses::default();
    losses.add_if(answer.is_partial, "results", RerankAnswer::PARTIAL);
    Written { body: Bytes::from(document.to_string()), losses }
}
