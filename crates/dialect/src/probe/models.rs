//! Lists of models: `{"have": ["model"]}`.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::fault::AnswerFault;
use crate::models::Models;

pub(super) fn read(body: &[u8]) -> Result<Models, AnswerFault> {
    let document: Value = serde_json::from_slice(body).map_err(|_| AnswerFault::NotAList)?;
    let names = document.get("have").and_then(Value::as_array).ok_or(AnswerFault::NotAList)?;
    let mut models = Models::default();
    for name in names.iter().filter_map(Value::as_str) {
        let entry = [
            ("id", json!(name)),
            ("object", json!("model")),
            ("created", json!(0)),
            ("owned_by", json!("probe")),
        ];
        models.insert(
            name,
            entry.map(|(name, value)| (name.to_owned(), value)).into_iter().collect(),
        );
    }
    Ok(models)
}

pub(super) fn write(models: &Models) -> Bytes {
    let names: Vec<_> = models.iter().map(|(name, _)| name).collect();
    Bytes::from(json!({ "have": names }).to_string())
}
