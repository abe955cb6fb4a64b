//! Rerank as servers with OpenAI's format offer it beside their chat.

use serde_json::{Value, json};

use super::error;
use super::request::Request;
use crate::answer::{text, tokens_of};
use crate::ask::Rerank;
use crate::refusal::Refusal;

/// # Errors
/// The 400 for a question or documents that make no sense.
pub(super) fn read(request: &Request<'_>) -> Result<Rerank, Refusal> {
    let query = request.query.as_deref().ok_or_else(|| error::missing("query"))?;
    let raw = request.documents.map_or("[]", serde_json::value::RawValue::get);
    let wrong = || Refusal::bad_member("documents", "expected texts, or objects with a text");
    let documents: Vec<Value> = serde_json::from_str(raw).map_err(|_| wrong())?;
    if documents.is_empty() {
        return Err(Refusal::bad_member("documents", "expected at least one"));
    }
    if request.top_n == Some(0) {
        return Err(Refusal::bad_member("top_n", "expected at least 1"));
    }
    let text = |document: &Value| {
        let text = document.as_str().or_else(|| document.get("text")?.as_str());
        text.map(str::to_owned).ok_or_else(wrong)
    };
    let documents = documents.iter().map(text).collect::<Result<_, _>>()?;
    let echo = request.return_documents.unwrap_or(true);
    let (query, top) = (query.to_owned(), request.top_n);
    Ok(Rerank { query, documents, top, echo, records: Vec::new() })
}

pub(super) fn whole(model: &str, rerank: &Rerank, scores: &[(usize, f64)]) -> Vec<u8> {
    let result = |(nth, score): &(usize, f64)| {
        let mut result = json!({"index": nth, "relevance_score": score});
        if let Some(text) = rerank.documents.get(*nth).filter(|_| rerank.echo) {
            result["document"] = json!({"text": text});
        }
        result
    };
    let results: Vec<Value> = scores.iter().map(result).collect();
    let bytes = rerank.documents.iter().map(String::len).sum::<usize>() + rerank.query.len();
    let id = text::id("rerank-", text::hash(&[model.as_bytes(), rerank.query.as_bytes()]));
    let tokens = tokens_of(bytes);
    json!({"id": id, "model": model, "results": results,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens}})
    .to_string()
    .into_bytes()
}
