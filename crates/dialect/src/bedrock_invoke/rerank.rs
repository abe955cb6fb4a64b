//! Documents by relevance, in Cohere's words, which Amazon's own model speaks too. Cohere's asks besides in
//! which version of its interface.
//! <https://docs.cohere.com/docs/cohere-on-aws/amazon-bedrock>

use serde_json::{Map, Value, json};

use crate::fault::AnswerFault;
use crate::format::{Target, Written};
use crate::ir::{Losses, Ranked, Rerank, RerankAnswer};
use crate::{json, whole};

/// What Cohere's model takes and Amazon's does not.
const COHERES: &str = "max_tokens_per_doc";

/// Writes a request.
pub(super) fn write(rerank: &Rerank, target: &Target<'_>) -> Written {
    let mut losses = Losses::default();
    let is_coheres = target.known_as.contains("cohere");
    let documents: Vec<_> = rerank.documents.iter().map(text).collect();
    let mut body = Map::from_iter([("query".to_owned(), json!(rerank.query))]);
    if let Some(top_n) = rerank.top_n {
        // More than there are would be refused.
        let all = u64::try_from(documents.len()).unwrap_or(u64::MAX);
        body.insert("top_n".to_owned(), json!(top_n.min(all)));
    }
    body.insert("documents".to_owned(), json!(documents));
    if is_coheres {
        body.insert("api_version".to_owned(), json!(2));
    }
    for (name, value) in &rerank.extra {
        if is_coheres && name == COHERES {
            body.insert(name.clone(), value.clone());
        } else {
            losses.add(name.clone(), "the model's maker has no such member");
        }
    }
    Written { body: json::object(&body), losses }
}

/// A document as a text: one that is no more than that, or its JSON.
fn text(document: &Value) -> String {
    let whole = match document {
        Value::String(text) => Some(text),
        Value::Object(members) if members.len() == 1 => match members.get("text") {
            Some(Value::String(text)) => Some(text),
            _ => None,
        },
        _ => None,
    };
    whole.cloned().unwrap_or_else(|| document.to_string())
}

/// Reads an answer.
pub(super) fn read_answer(body: &[u8]) -> Result<RerankAnswer, AnswerFault> {
    let document = whole::document(body)?;
    let shape = |what: &str| AnswerFault::Shape(what.to_owned());
    let results = document.get("results").and_then(Value::as_array);
    let one = |result: &Value| {
        Some(Ranked {
            index: result.get("index")?.as_u64()?,
            score: result.get("relevance_score")?.as_f64()?,
            document: None,
        })
    };
    let results: Option<Vec<_>> =
        results.ok_or_else(|| shape("`results` is not an array"))?.iter().map(one).collect();
    let results = results.ok_or_else(|| shape("a result lacks `index` or `relevance_score`"))?;
    let id = document.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(RerankAnswer { id, results, ..RerankAnswer::default() })
}
