//! What stands between two turns of the model: results of functions, and what the user says.

use serde_json::{Map, Value, json};

use super::super::media::Place;
use super::super::parts::Parts;
use super::contents::Known;
use crate::families::gemini::Gemini;
use crate::fault::RequestFault;
use crate::ir::{Document, Losses, Part, PartBody, Source, ToolResult};

/// One turn.
#[derive(Debug)]
pub(super) struct Turn {
    /// `user` or `model`.
    pub(super) role: &'static str,
    /// Its parts.
    pub(super) parts: Vec<Value>,
    /// It holds results of functions.
    pub(super) has_results: bool,
}

/// Messages of tools and of the user without one of the model between them.
#[derive(Debug, Default)]
pub(super) struct Run {
    /// With the place of the call that each belongs to.
    results: Vec<(usize, Value)>,
    /// Media that cannot stand inside of a result.
    lifted: Vec<Value>,
    said: Vec<Vec<Value>>,
}

impl Run {
    /// What the user says in one message.
    pub(super) fn say(&mut self, parts: Vec<Value>) {
        if !parts.is_empty() {
            self.said.push(parts);
        }
    }

    /// The result of a function.
    pub(super) fn result(
        &mut self,
        result: &ToolResult,
        known: &Known<'_>,
        place: Place,
        family: &Gemini,
        losses: &mut Losses,
    ) -> Result<(), RequestFault> {
        let mut values = Vec::new();
        let mut shown = Vec::new();
        for part in &result.parts {
            match value(part, place, losses) {
                Some(value) => values.push(value),
                None => shown.push(part),
            }
        }
        let mut media = Parts::new(place, family.part_resolution, losses);
        shown.into_iter().try_for_each(|part| media.push(part))?;
        let media = media.finish();
        let call = known.get(result.call_id.as_str());
        let name = call.map(|(_, name)| *name).or(result.name.as_deref());
        let mut response = Map::new();
        if !result.call_id.is_empty() {
            response.insert("id".to_owned(), json!(result.call_id));
        }
        response.insert("name".to_owned(), json!(name.unwrap_or(&result.call_id)));
        response.insert("response".to_owned(), object(values, result.is_error == Some(true)));
        let (inside, outside): (Vec<_>, Vec<_>) = media.into_iter().partition(|part| {
            family.media_in_results && (part.get("inlineData").is_some() || place.is_vertex)
        });
        if !inside.is_empty() {
            response.insert("parts".to_owned(), Value::Array(inside));
        }
        self.lifted.extend(outside);
        let at = call.map_or(usize::MAX, |(at, _)| *at);
        self.results.push((at, json!({ "functionResponse": response })));
        Ok(())
    }

    /// Gives the turns: first the results, then what was said.
    pub(super) fn end(mut self, turns: &mut Vec<Turn>) {
        self.results.sort_by_key(|(at, _)| *at);
        if !self.results.is_empty() {
            let results = self.results.into_iter().map(|(_, result)| result);
            let parts = results.chain(self.lifted).collect();
            turns.push(Turn { role: "user", parts, has_results: true });
        }
        let said = self.said.into_iter();
        turns.extend(said.map(|parts| Turn { role: "user", parts, has_results: false }));
    }
}

/// What can stand in `response`; `None` for media. Text that is a JSON object stands as one.
fn value(part: &Part, place: Place, losses: &mut Losses) -> Option<Value> {
    let text = match &part.body {
        PartBody::Json(value) => return Some(value.clone()),
        PartBody::Text { text, .. } | PartBody::Refusal(text) => text,
        PartBody::Document(document) => {
            let Document { source: Source::Text(text), title, context, citations } = document
            else {
                return None;
            };
            let why = "documents of Gemini have no such member in results of functions";
            losses.add_if(title.is_some(), "messages.document.title", why);
            losses.add_if(context.is_some(), "messages.document.context", why);
            losses.add_if(*citations == Some(true), "messages.document.citations", why);
            text
        }
        _ => return None,
    };
    let is_object = !place.is_own && text.trim_start().starts_with('{');
    let object = is_object.then(|| serde_json::from_str(text).ok()).flatten();
    Some(object.unwrap_or_else(|| json!(text)))
}

/// Google's convention: `output` and `error`, or an object as it is.
fn object(mut values: Vec<Value>, is_error: bool) -> Value {
    let value = if values.len() == 1 {
        values.pop().unwrap_or_default()
    } else if values.iter().all(Value::is_string) {
        let texts: Vec<_> = values.iter().filter_map(Value::as_str).collect();
        json!(texts.join("\n"))
    } else {
        Value::Array(values)
    };
    match value {
        value if is_error => json!({ "error": value }),
        value @ Value::Object(_) => value,
        value => json!({ "output": value }),
    }
}
