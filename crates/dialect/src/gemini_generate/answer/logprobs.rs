//! Probabilities of tokens: Google's two lists, and OpenAI's one.

use serde_json::{Map, Value, json};

/// Reads `logprobsResult` into the form of OpenAI chat's `logprobs`; `None` if it has no tokens.
pub(in super::super) fn read(result: &Value) -> Option<Value> {
    let chosen = result.get("chosenCandidates").and_then(Value::as_array)?;
    let top = result.get("topCandidates").and_then(Value::as_array);
    let content = chosen.iter().enumerate().map(|(at, token)| {
        let others = top.and_then(|top| top.get(at)?.get("candidates")?.as_array());
        let others: Vec<_> = others.into_iter().flatten().map(entry).collect();
        let mut entry = entry(token);
        entry.insert("top_logprobs".to_owned(), json!(others));
        entry
    });
    Some(json!({ "content": content.collect::<Vec<_>>(), "refusal": null }))
}

fn entry(token: &Value) -> Map<String, Value> {
    let text = token.get("token").and_then(Value::as_str).unwrap_or_default();
    let logprob = token.get("logProbability").cloned().unwrap_or_else(|| json!(-9999.0));
    let mut entry = Map::new();
    entry.insert("token".to_owned(), json!(text));
    entry.insert("logprob".to_owned(), logprob);
    entry.insert("bytes".to_owned(), json!(text.as_bytes()));
    entry
}

/// The inverse of [`read`].
pub(in super::super) fn write(logprobs: &Value) -> Option<Value> {
    let content = logprobs.get("content").and_then(Value::as_array)?;
    let candidate = |entry: &Value| {
        json!({
            "token": entry.get("token").and_then(Value::as_str).unwrap_or_default(),
            "logProbability": entry.get("logprob").and_then(Value::as_f64).unwrap_or_default(),
        })
    };
    let chosen: Vec<_> = content.iter().map(candidate).collect();
    let top: Vec<_> = content
        .iter()
        .map(|entry| {
            let others = entry.get("top_logprobs").and_then(Value::as_array);
            let others: Vec<_> = others.into_iter().flatten().map(candidate).collect();
            json!({ "candidates": others })
        })
        .collect();
    Some(json!({ "chosenCandidates": chosen, "topCandidates": top }))
}
