//! What a text refers to: Anthropic's citations, and OpenAI's annotations, which stand for them in
//! the form between formats.
//!
//! A citation of a web page becomes a `url_citation` with the citation itself beside it, so that
//! nothing is lost on the way back; one of a document has no counterpart and stays as it is.

use serde_json::{Value, json};

/// Reads a citation of a text of which so many characters are known.
pub(super) fn read(raw: Value, chars: usize) -> Value {
    if raw.get("type").and_then(Value::as_str) != Some("web_search_result_location") {
        return raw;
    }
    let text = |name: &str| raw.get(name).and_then(Value::as_str).unwrap_or_default();
    json!({
        "type": "url_citation",
        "url_citation": {
            "url": text("url"),
            "title": text("title"),
            "start_index": 0,
            "end_index": chars,
        },
        "citation": raw,
    })
}

/// Writes an annotation back as the citation that it was; `None` if it was none.
pub(super) fn own(annotation: &Value) -> Option<Value> {
    if let Some(raw @ Value::Object(_)) = annotation.get("citation") {
        return Some(raw.clone());
    }
    let kind = annotation.get("type")?.as_str()?;
    kind.ends_with("_location").then(|| annotation.clone())
}

/// Writes an annotation as a citation for a client; `None` if there is none that says the same.
pub(super) fn shown(annotation: &Value) -> Option<Value> {
    if let Some(raw) = own(annotation) {
        return Some(raw);
    }
    let cited = annotation.get("url_citation")?;
    let url = cited.get("url")?.as_str()?;
    let title = cited.get("title").and_then(Value::as_str);
    // The index is for Anthropic's eyes only; a page that another provider found has none.
    Some(json!({
        "type": "web_search_result_location",
        "url": url,
        "title": title,
        "cited_text": "",
        "encrypted_index": "",
    }))
}
