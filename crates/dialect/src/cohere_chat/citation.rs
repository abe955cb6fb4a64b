//! Citations and what they are in other formats: annotations of a text.
//!
//! A citation whose source has a web address becomes OpenAI's `url_citation`; any other stays as
//! Cohere has it (`sources` marks it). Places are counted in characters of the block that
//! `content_index` names. <https://docs.cohere.com/docs/documents-and-citations>

use serde_json::{Value, json};

use crate::ir::{Part, PartBody};

/// Gives each citation to the text that it is of. `parts` are the blocks of `content`, in order.
/// One of a text that is not there (of a tool plan, say) goes to the last text, kind and all.
pub(super) fn attach(citations: Vec<Value>, parts: &mut [Part]) {
    let is_text = |part: &Part| matches!(part.body, PartBody::Text { .. });
    for citation in citations {
        let named = citation.get("content_index").and_then(Value::as_u64);
        let named = named.and_then(|at| usize::try_from(at).ok());
        let named = named.filter(|at| parts.get(*at).is_some_and(is_text));
        let place = named.or_else(|| parts.iter().rposition(is_text));
        let part = place.and_then(|at| parts.get_mut(at));
        if let Some(Part { body: PartBody::Text { annotations, .. }, .. }) = part {
            annotations.push(read(citation));
        }
    }
}

/// A citation as an annotation.
pub(super) fn read(citation: Value) -> Value {
    let kind = citation.get("type").and_then(Value::as_str);
    if kind.is_some_and(|kind| kind != "TEXT_CONTENT") {
        return citation;
    }
    let sources = citation.get("sources").and_then(Value::as_array);
    let documents = sources.into_iter().flatten().filter_map(|source| source.get("document"));
    let found = documents.into_iter().find_map(|document| {
        let url = document.get("url")?.as_str().filter(|url| url.starts_with("http"))?;
        Some((url, document.get("title").and_then(Value::as_str)))
    });
    let Some((url, title)) = found else { return citation };
    json!({
        "type": "url_citation",
        "url_citation": {
            "start_index": citation.get("start"),
            "end_index": citation.get("end"),
            "url": url,
            "title": title.unwrap_or(url),
        },
    })
}

/// An annotation of `text`, which is block `index`, as a citation; `None` if it is of a form that
/// Cohere has nothing for.
pub(super) fn write(annotation: &Value, text: &str, index: usize) -> Option<Value> {
    if annotation.get("sources").is_some_and(Value::is_array) {
        let mut citation = annotation.clone();
        let kind = citation.get("type").and_then(Value::as_str);
        let is_of_text = kind.is_none_or(|kind| kind == "TEXT_CONTENT");
        if is_of_text && (index > 0 || citation.get("content_index").is_some()) {
            citation["content_index"] = json!(index);
        }
        return Some(citation);
    }
    // OpenAI's Responses have the members beside the type, chat has them in an object.
    let members = annotation.get("url_citation").unwrap_or(annotation);
    let url = members.get("url")?.as_str()?;
    let place = |name: &str| {
        let at = members.get(name).and_then(Value::as_u64)?;
        usize::try_from(at).ok()
    };
    let mut document = json!({ "url": url });
    if let Some(title) = members.get("title").filter(|title| title.is_string()) {
        document["title"] = title.clone();
    }
    let mut citation = json!({
        "sources": [{ "type": "document", "id": url, "document": document }],
        "type": "TEXT_CONTENT",
        "content_index": index,
    });
    if let (Some(start), Some(end)) = (place("start_index"), place("end_index")) {
        let cited: String = text.chars().skip(start).take(end.saturating_sub(start)).collect();
        citation["start"] = json!(start);
        citation["end"] = json!(end);
        citation["text"] = json!(cited);
    }
    Some(citation)
}
