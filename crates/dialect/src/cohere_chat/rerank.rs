//! Documents by relevance: `/v2/rerank`. <https://docs.cohere.com/reference/rerank>
//!
//! Documents are texts; an object is written as JSON, which is the YAML that the vendor asks for.
//! Documents are never repeated by the vendor: where that is wanted, the request has them.

use serde_json::{Map, Value, json};
use weir_types::Dialect;

use super::usage;
use crate::fault::{AnswerFault, RequestFault};
use crate::fields::Fields;
use crate::format::{Asked, Target, Written};
use crate::ir::{self, Losses, Ranked, Rerank, RerankAnswer};
use crate::json;
use crate::peek::PathFacts;

/// Reads a request.
pub(super) fn read_request(
    mut fields: Fields,
    path: &PathFacts<'_>,
) -> Result<Rerank, RequestFault> {
    let model = fields.text("model")?.or_else(|| path.model.map(str::to_owned));
    let model = model.ok_or_else(|| fields.missing("model", "a string"))?;
    let query = fields.required_text("query")?;
    if !fields.has("documents") {
        return Err(fields.missing("documents", "an array of strings"));
    }
    let documents = fields.list("documents")?;
    if let Some(at) = documents.iter().position(|one| !one.is_string() && !one.is_object()) {
        return Err(fields.wrong("documents", format!("must be strings; number {at} is none")));
    }
    Ok(Rerank {
        source: Dialect::CohereChat,
        model,
        query,
        documents,
        top_n: fields.count("top_n")?,
        return_documents: fields.flag("return_documents")?,
        extra: fields.rest(),
    })
}

/// Writes a request.
pub(super) fn write_request(rerank: &Rerank, target: &Target<'_>) -> Result<Written, RequestFault> {
    let mut losses = Losses::default();
    let mut body = Map::new();
    let document = |document: &Value| match document {
        Value::String(text) => text.clone(),
        Value::Object(members) if members.len() == 1 => match members.get("text") {
            Some(Value::String(text)) => text.clone(),
            _ => document.to_string(),
        },
        other => other.to_string(),
    };
    let documents: Vec<String> = rerank.documents.iter().map(document).collect();
    body.insert("model".to_owned(), json!(target.model));
    body.insert("query".to_owned(), json!(rerank.query));
    body.insert("documents".to_owned(), json!(documents));
    if let Some(top_n) = rerank.top_n {
        body.insert("top_n".to_owned(), json!(top_n));
    }
    for (name, value) in &rerank.extra {
        if rerank.source == Dialect::CohereChat || name == "max_tokens_per_doc" {
            body.insert(name.clone(), value.clone());
        } else {
            losses.add(name.clone(), "Cohere has no such member");
        }
    }
    Ok(Written { body: json::object(&body), losses })
}

/// Reads an answer.
pub(super) fn read_answer(document: &Value) -> Result<RerankAnswer, AnswerFault> {
    let shape = |what: &str| AnswerFault::Shape(what.to_owned());
    let results = document.get("results").and_then(Value::as_array);
    let one = |result: &Value| {
        Some(Ranked {
            index: result.get("index")?.as_u64()?,
            score: result.get("relevance_score")?.as_f64()?,
            document: result.get("document").filter(|document| !document.is_null()).cloned(),
        })
    };
    let results: Option<Vec<Ranked>> =
        results.ok_or_else(|| shape("`results` is not there"))?.iter().map(one).collect();
    Ok(RerankAnswer {
        id: document.get("id").and_then(Value::as_str).unwrap_or_default().to_owned(),
        model: String::new(),
        results: results.ok_or_else(|| shape("a result lacks `index` or `relevance_score`"))?,
        is_partial: false,
        usage: document.get("meta").and_then(usage::read).unwrap_or_default(),
    })
}

/// Writes an answer, the best first.
pub(super) fn write_answer(answer: &RerankAnswer, asked: &Asked<'_>, losses: &mut Losses) -> Value {
    losses.add_if(answer.is_partial, "results", RerankAnswer::PARTIAL);
    let request = match asked.request {
        ir::Request::Rerank(rerank) => Some(rerank),
        _ => None,
    };
    let repeats = request.is_some_and(|rerank| rerank.return_documents == Some(true));
    let one = |ranked: &Ranked| {
        let mut result = json!({ "index": ranked.index, "relevance_score": ranked.score });
        let given = || {
            let at = usize::try_from(ranked.index).ok()?;
            request?.documents.get(at).cloned()
        };
        if repeats && let Some(document) = ranked.document.clone().or_else(given) {
            result["document"] = match document {
                Value::String(text) => json!({ "text": text }),
                other => other,
            };
        }
        result
    };
    let results: Vec<Value> = answer.results.iter().map(one).collect();
    json!({
        "id": if answer.id.is_empty() { asked.id } else { &answer.id },
        "results": results,
        "meta": usage::write_meta(&answer.usage),
    })
}
