//! Lists of models: `GET /foundation-models` and `GET /inference-profiles` of the control plane.
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_ListFoundationModels.html>

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::fault::AnswerFault;
use crate::json;
use crate::models::Models;

/// Members that only other formats' entries have, or that stand under another name here.
const NOT_OURS: [&str; 5] = ["id", "object", "created", "owned_by", "name"];

/// Reads a list.
pub(super) fn read(body: &[u8]) -> Result<Models, AnswerFault> {
    let mut document: Value = json::read(body).map_err(|_| AnswerFault::NotAList)?;
    let mut models = Models::default();
    let mut is_list = false;
    let lists = [
        ("modelSummaries", "modelId", "modelName"),
        ("inferenceProfileSummaries", "inferenceProfileId", "inferenceProfileName"),
    ];
    for (list, id, name) in lists {
        let Some(Value::Array(entries)) = document.get_mut(list).map(Value::take) else { continue };
        is_list = true;
        for entry in entries {
            let Value::Object(mut entry) = entry else { continue };
            let text = |name: &str| entry.get(name).and_then(Value::as_str).map(str::to_owned);
            let Some(id) = text(id) else { continue };
            let owner = text("providerName").unwrap_or_else(|| "aws".to_owned());
            let name = text(name);
            entry.insert("id".to_owned(), json!(id));
            entry.insert("object".to_owned(), json!("model"));
            entry.insert("created".to_owned(), json!(0));
            entry.insert("owned_by".to_owned(), json!(owner));
            if let Some(name) = name {
                entry.insert("name".to_owned(), json!(name));
            }
            models.insert(id, entry);
        }
    }
    if is_list { Ok(models) } else { Err(AnswerFault::NotAList) }
}

/// Writes a list of foundation models.
pub(super) fn write(models: &Models) -> Bytes {
    let summaries: Vec<_> = models.iter().map(|(id, entry)| summary(id, entry)).collect();
    json::text(&json!({ "modelSummaries": summaries }))
}

fn summary(id: &str, entry: &Map<String, Value>) -> Value {
    // Lists that the gateway has made name models as its callers do, by the entry's own `id`.
    let text = |name: &str| entry.get(name).and_then(Value::as_str);
    let id = text("id").unwrap_or(id);
    let mut summary = Map::new();
    summary.insert("modelId".to_owned(), json!(id));
    let name = text("modelName").or_else(|| text("name")).unwrap_or(id);
    summary.insert("modelName".to_owned(), json!(name));
    let owner = text("providerName").or_else(|| text("owned_by")).unwrap_or_default();
    summary.insert("providerName".to_owned(), json!(owner));
    if text("modelArn").is_some() || text("modelId").is_some() {
        for (name, value) in entry {
            if !NOT_OURS.contains(&name.as_str()) && !summary.contains_key(name) {
                summary.insert(name.clone(), value.clone());
            }
        }
    }
    Value::Object(summary)
}
