//! Documents by relevance, as Vertex AI ranks them: a service beside its models, which no client of
//! this format asks by way of it. Written and its answers read, and not the other way round.
//! <https://docs.cloud.google.com/generative-ai-app-builder/docs/reference/rest/v1/projects.locations.rankingConfigs/rank>

use serde_json::{Map, Value, json};
use weir_types::Dialect;

use crate::fault::{AnswerFault, RequestFault};
use crate::format::Target;
use crate::ir::{Losses, Ranked, Rerank, RerankAnswer};

/// Writes a request. Records are called by their place; who asks has them, so they are not repeated.
pub(super) fn write(
    rerank: &Rerank,
    target: &Target<'_>,
    losses: &mut Losses,
) -> Result<Value, RequestFault> {
    if !super::request::is_vertex(target) {
        return Err(RequestFault::unserved(Dialect::GeminiGenerate, target.operation));
    }
    for name in rerank.extra.keys() {
        losses.add(name.clone(), "Vertex AI has no such member");
    }
    let records = rerank.documents.iter().enumerate().map(|(at, document)| {
        let mut record = Map::from_iter([("id".to_owned(), json!(at.to_string()))]);
        record.extend(said(document));
        record
    });
    let mut body = Map::from_iter([
        ("model".to_owned(), json!(target.model)),
        ("query".to_owned(), json!(rerank.query)),
        ("records".to_owned(), records.collect()),
        ("ignoreRecordDetailsInResponse".to_owned(), json!(true)),
    ]);
    if let Some(top_n) = rerank.top_n {
        body.insert("topN".to_owned(), json!(top_n));
    }
    Ok(Value::Object(body))
}

/// Title and content of a document. What has other members than these two is told as JSON.
fn said(document: &Value) -> Vec<(String, Value)> {
    let content = |text: String| vec![("content".to_owned(), Value::String(text))];
    match document {
        Value::String(text) => content(text.clone()),
        Value::Object(members) if !members.is_empty() => {
            let known = members.iter().map(|(name, value)| {
                let name = match name.as_str() {
                    "title" => "title",
                    "text" => "content",
                    _ => return None,
                };
                value.is_string().then(|| (name.to_owned(), value.clone()))
            });
            known.collect::<Option<_>>().unwrap_or_else(|| content(document.to_string()))
        }
        other => content(other.to_string()),
    }
}

/// Reads an answer. What is 0 is not written down by this vendor.
pub(super) fn read_answer(document: &Value) -> Result<RerankAnswer, AnswerFault> {
    let shape = |what: &str| AnswerFault::Shape(what.to_owned());
    let Some(records) = document.get("records").and_then(Value::as_array) else {
        return Err(shape("`records` is not an array"));
    };
    let one = |record: &Value| {
        let score = match record.get("score") {
            None => 0.0,
            Some(score) => score.as_f64()?,
        };
        Some(Ranked { index: record.get("id")?.as_str()?.parse().ok()?, score, document: None })
    };
    let results: Option<Vec<_>> = records.iter().map(one).collect();
    let results = results.ok_or_else(|| shape("a record's `id` or `score` is not one of ours"))?;
    Ok(RerankAnswer { results, ..RerankAnswer::default() })
}
