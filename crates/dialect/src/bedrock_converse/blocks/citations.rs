//! Citations: what a text refers to. Those of web pages have a form in most formats; places in
//! documents stay as Converse has them.

use serde_json::{Map, Value, json};

/// A citation as an annotation between formats.
pub(in crate::bedrock_converse) fn annotation(citation: Value) -> Value {
    let Some(url) = citation.pointer("/location/web/url").cloned() else { return citation };
    let mut page = Map::new();
    page.insert("url".to_owned(), url);
    if let Some(title) = citation.get("title") {
        page.insert("title".to_owned(), title.clone());
    }
    json!({ "type": "url_citation", "url_citation": page })
}

/// The same the other way round; `None` if it is of a format of which nothing is known here.
pub(in crate::bedrock_converse) fn citation(annotation: &Value) -> Option<Value> {
    if let Some(page) = annotation.get("url_citation") {
        let mut citation = Map::new();
        if let Some(title) = page.get("title").filter(|title| title.is_string()) {
            citation.insert("title".to_owned(), title.clone());
        }
        let url = page.get("url").filter(|url| url.is_string())?;
        citation.insert("location".to_owned(), json!({ "web": { "url": url } }));
        return Some(Value::Object(citation));
    }
    let is_own = annotation.get("type").is_none()
        && ["location", "sourceContent"].iter().any(|name| annotation.get(name).is_some());
    is_own.then(|| annotation.clone())
}

/// What marks a text as subject to a guardrail, kept beside the text; see [`guard`].
const GUARD: &str = "guardContent";

/// The annotation of a text that stood in a `guardContent` block.
pub(super) fn guarded(qualifiers: Option<Value>) -> Value {
    json!({ "type": GUARD, "qualifiers": qualifiers.unwrap_or(Value::Null) })
}

/// The `guardContent` block of `text`, if it came in one.
pub(super) fn guard(text: &str, annotations: &[Value]) -> Option<Value> {
    let mark = annotations
        .iter()
        .find(|annotation| annotation.get("type").and_then(Value::as_str) == Some(GUARD))?;
    let mut block = Map::new();
    block.insert("text".to_owned(), json!(text));
    if let Some(qualifiers) = mark.get("qualifiers").filter(|list| list.is_array()) {
        block.insert("qualifiers".to_owned(), qualifiers.clone());
    }
    Some(json!({ "guardContent": { "text": block } }))
}
