//! Documents to be cited: `{"id": …, "data": {…}}`, in the request or in a tool's result.
//!
//! `data` has whatever members the client likes. One with a `text` is taken apart: title, text,
//! and the rest as the document's context; any other is a document whose text is JSON. Written
//! the same way round, so that a document that came from here is the same again.

use serde_json::{Map, Value};
use weir_types::Dialect;

use crate::fault::RequestFault;
use crate::ir::{Document, Source};

/// Reads a document: a text, or an object.
pub(super) fn read(value: Value, citations: Option<bool>) -> Document {
    let plain = |text: String| Document {
        source: Source::Text(text),
        title: None,
        context: None,
        citations,
    };
    let mut object = match value {
        Value::String(text) => return plain(text),
        Value::Object(object) => object,
        other => return plain(other.to_string()),
    };
    let id = object.shift_remove("id").filter(|id| !id.is_null());
    let mut data = match object.shift_remove("data") {
        Some(Value::Object(data)) => data,
        Some(Value::String(text)) => Map::from_iter([("text".to_owned(), Value::String(text))]),
        // No `data`: the members themselves are it.
        _ => object,
    };
    let is_apart = data.get("text").is_some_and(Value::is_string)
        && data.get("title").is_none_or(Value::is_string);
    if !is_apart {
        data.extend(id.map(|id| ("id".to_owned(), id)));
        return plain(Value::Object(data).to_string());
    }
    let mut text = |name: &str| match data.shift_remove(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    let source = Source::Text(text("text").unwrap_or_default());
    let title = text("title");
    data.extend(id.map(|id| ("id".to_owned(), id)));
    let context = (!data.is_empty()).then(|| Value::Object(data).to_string());
    Document { source, title, context, citations }
}

/// Writes a document that stands at `member`.
///
/// # Errors
/// It is not text: Cohere's models read no files.
pub(super) fn write(document: &Document, member: &'static str) -> Result<Value, RequestFault> {
    let text = match &document.source {
        Source::Text(text) => text,
        Source::File { dialect, .. } if *dialect != Dialect::CohereChat => {
            let why = format!("a file kept by {} cannot be read by Cohere", dialect.label());
            return Err(RequestFault::unsupported(member, why));
        }
        Source::Url(_) | Source::Base64 { .. } | Source::File { .. } => {
            let why = "Cohere's models take documents as text only";
            return Err(RequestFault::unsupported(member, why));
        }
    };
    let object = |text: &str| match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Some(object),
        _ => None,
    };
    let mut data = Map::new();
    let bare = document.title.is_none() && document.context.is_none();
    match object(text).filter(|_| bare) {
        Some(members) => data = members,
        None => {
            data.extend(document.title.clone().map(|title| ("title".to_owned(), title.into())));
            data.insert("text".to_owned(), text.clone().into());
        }
    }
    if let Some(context) = &document.context {
        match object(context) {
            Some(members) => {
                for (name, value) in members {
                    data.entry(name).or_insert(value);
                }
            }
            None => {
                data.insert("context".to_owned(), context.clone().into());
            }
        }
    }
    let mut whole = Map::new();
    if data.get("id").is_some_and(Value::is_string) {
        whole.extend(data.shift_remove("id").map(|id| ("id".to_owned(), id)));
    }
    whole.insert("data".to_owned(), Value::Object(data));
    Ok(Value::Object(whole))
}
