//! Lists of models: `GET /v1/models`, whose entries are called `name` and not `id`.
//! <https://docs.cohere.com/reference/list-models>
//!
//! Pages are the caller's affair: `next_page_token` has no place in a list of models.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::fault::AnswerFault;
use crate::json;
use crate::models::Models;

/// What Cohere says of a model beside its name.
const MEMBERS: [&str; 9] = [
    "is_deprecated",
    "endpoints",
    "finetuned",
    "context_length",
    "tokenizer_url",
    "default_endpoints",
    "features",
    "sampling_defaults",
    "supports_vision",
];

/// Reads one page.
pub(super) fn read(body: &[u8]) -> Result<Models, AnswerFault> {
    let mut document: Value = json::read(body).map_err(|_| AnswerFault::NotAList)?;
    let list = match document.get_mut("models").map(Value::take) {
        Some(Value::Array(list)) => list,
        Some(Value::Null) => Vec::new(),
        _ => return Err(AnswerFault::NotAList),
    };
    let mut models = Models::default();
    for entry in list {
        let Value::Object(entry) = entry else { continue };
        let Some(name) = entry.get("name").and_then(Value::as_str).map(str::to_owned) else {
            continue;
        };
        let mut own = Map::new();
        own.insert("id".to_owned(), json!(name));
        own.insert("object".to_owned(), json!("model"));
        own.insert("created".to_owned(), json!(0));
        own.insert("owned_by".to_owned(), json!("cohere"));
        own.extend(
            entry.into_iter().filter(|(member, value)| member != "name" && !value.is_null()),
        );
        models.insert(name, own);
    }
    Ok(models)
}

/// Writes all of it as one page.
pub(super) fn write(models: &Models) -> Bytes {
    let entry = |(id, known): (&str, &Map<String, Value>)| {
        let mut entry = Map::new();
        entry.insert("name".to_owned(), json!(id));
        for member in MEMBERS {
            if let Some(value) = known.get(member) {
                entry.insert(member.to_owned(), value.clone());
            }
        }
        Value::Object(entry)
    };
    let list: Vec<Value> = models.iter().map(entry).collect();
    json::text(&json!({ "models": list }))
}
