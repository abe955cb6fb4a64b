//! Lists of models and of deployments, which have an owner and a name each.
//! <https://replicate.com/docs/reference/http#deployments.list>

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::fault::AnswerFault;
use crate::json;
use crate::models::Models;

/// Reads one page.
pub(super) fn read(body: &[u8]) -> Result<Models, AnswerFault> {
    let mut document: Value = json::read(body).map_err(|_| AnswerFault::NotAList)?;
    let Some(Value::Array(list)) = document.get_mut("results").map(Value::take) else {
        return Err(AnswerFault::NotAList);
    };
    let mut models = Models::default();
    for entry in list {
        let text = |name: &str| entry.get(name).and_then(Value::as_str).map(str::to_owned);
        let (Some(owner), Some(name)) = (text("owner"), text("name")) else { continue };
        let id = format!("{owner}/{name}");
        let mut own = Map::new();
        own.insert("id".to_owned(), json!(id));
        own.insert("object".to_owned(), json!("model"));
        own.insert("created".to_owned(), json!(0));
        own.insert("owned_by".to_owned(), json!(owner));
        own.extend(text("description").map(|text| ("description".to_owned(), json!(text))));
        models.insert(id, own);
    }
    Ok(models)
}

/// Writes all of it as one page.
pub(super) fn write(models: &Models) -> Bytes {
    let entry = |(id, _): (&str, &Map<String, Value>)| {
        let (owner, name) = id.split_once('/').unwrap_or(("", id));
        json!({ "owner": owner, "name": name })
    };
    let list: Vec<Value> = models.iter().map(entry).collect();
    json::text(&json!({ "next": null, "previous": null, "results": list }))
}
