//! Lists of models, both ways: Gemini's own, and the publishers' list of Vertex AI.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::fault::AnswerFault;
use crate::json;
use crate::models::Models;

/// Members of an entry that Gemini's clients know, beside the name.
const KNOWN: [&str; 11] = [
    "version",
    "displayName",
    "description",
    "inputTokenLimit",
    "outputTokenLimit",
    "supportedGenerationMethods",
    "temperature",
    "maxTemperature",
    "topP",
    "topK",
    "thinking",
];
/// What a model is said to do if nothing says it.
const METHODS: [&str; 3] = ["generateContent", "streamGenerateContent", "countTokens"];

/// Reads one page.
pub(super) fn read(body: &[u8]) -> Result<Models, AnswerFault> {
    let document: Value = json::read(body).map_err(|_| AnswerFault::NotAList)?;
    let Value::Object(mut document) = document else { return Models::parse(body) };
    let lists = ["models", "publisherModels", "tunedModels"];
    let list = match lists.iter().find_map(|name| document.remove(*name)) {
        Some(Value::Array(list)) => list,
        Some(Value::Null) => Vec::new(),
        Some(_) => return Err(AnswerFault::NotAList),
        // An empty page is `{}`, or only a token for the next; one of another format is not ours.
        None if document.keys().all(|name| name == "nextPageToken") => Vec::new(),
        None => return Models::parse(body),
    };
    let mut models = Models::default();
    for entry in list {
        let Value::Object(entry) = entry else { continue };
        let Some(name) = entry.get("name").and_then(Value::as_str) else { continue };
        let id = name.rsplit_once("models/").map_or(name, |(_, id)| id).to_owned();
        models.insert(id.clone(), general(&id, entry));
    }
    Ok(models)
}

/// The entry as every format has it, with what Google says of it behind.
fn general(id: &str, own: Map<String, Value>) -> Map<String, Value> {
    let mut entry = Map::new();
    entry.insert("id".to_owned(), json!(id));
    entry.insert("object".to_owned(), json!("model"));
    entry.insert("created".to_owned(), json!(0));
    entry.insert("owned_by".to_owned(), json!("google"));
    for (name, value) in own {
        entry.entry(name).or_insert(value);
    }
    entry
}

/// Writes a list as one page.
pub(super) fn write(models: &Models) -> Bytes {
    let list = models.iter().map(|(id, entry)| {
        let mut model = Map::new();
        model.insert("name".to_owned(), json!(format!("models/{id}")));
        for name in KNOWN {
            if let Some(value) = entry.get(name).filter(|value| !value.is_null()) {
                model.insert(name.to_owned(), value.clone());
            }
        }
        let named = entry.get("display_name").or_else(|| entry.get("name"));
        let named = named.and_then(Value::as_str).unwrap_or(id);
        model.entry("displayName").or_insert_with(|| json!(named));
        model.entry("supportedGenerationMethods").or_insert_with(|| json!(METHODS));
        model
    });
    json::text(&json!({ "models": list.collect::<Vec<_>>() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_both_hosts_are_read() {
        let gemini = read(
            br#"{"models":[{"name":"models/gemini-2.5-pro","displayName":"Gemini 2.5 Pro",
            "inputTokenLimit":1048576,"supportedGenerationMethods":["generateContent"]},{"x":1}],
            "nextPageToken":"t"}"#,
        )
        .unwrap();
        let (id, entry) = gemini.iter().next().unwrap();
        assert_eq!((id, &entry["owned_by"]), ("gemini-2.5-pro", &json!("google")));
        let vertex = br#"{"publisherModels":[{"name":"publishers/google/models/gemini-x"}]}"#;
        assert_eq!(read(vertex).unwrap().iter().next().unwrap().0, "gemini-x");
        assert_eq!(read(b"{}").unwrap().iter().count(), 0);
        assert_eq!(read(b"<html>"), Err(AnswerFault::NotAList));
        assert_eq!(read(br#"{"error":{}}"#), Err(AnswerFault::NotAList));
        assert_eq!(read(br#"{"data":[{"id":"a"}]}"#).unwrap().iter().count(), 1);

        let written: Value = serde_json::from_slice(&write(&gemini)).unwrap();
        let first = &written["models"][0];
        assert_eq!(first["name"], "models/gemini-2.5-pro");
        assert_eq!(first["displayName"], "Gemini 2.5 Pro");
        assert_eq!(first.get("owned_by"), None);
    }
}
