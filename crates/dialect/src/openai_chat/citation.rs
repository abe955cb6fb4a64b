//! What a text refers to. Chat completions know the web alone: `url_citation`, with the place in
//! the whole text that it stands for.

use serde_json::{Value, json};

/// Why an annotation is lost.
pub(super) const NOT_OF_THE_WEB: &str = "the target's annotations are web addresses alone";

/// An annotation of a text before which `offset` characters stand; `None` if it is of another kind.
pub(super) fn moved(annotation: &Value, offset: usize) -> Option<Value> {
    if annotation.get("type")?.as_str()? != "url_citation" {
        return None;
    }
    let mut annotation = annotation.clone();
    let citation = annotation.get_mut("url_citation")?.as_object_mut()?;
    for name in ["start_index", "end_index"] {
        let at = citation.get(name).and_then(Value::as_u64).unwrap_or(0);
        let at = at.saturating_add(u64::try_from(offset).unwrap_or(0));
        citation.insert(name.to_owned(), json!(at));
    }
    for name in ["url", "title"] {
        citation.entry(name).or_insert_with(|| json!(""));
    }
    Some(annotation)
}
