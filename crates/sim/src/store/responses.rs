//! Responses that are kept: <https://platform.openai.com/docs/api-reference/responses>. Each is its
//! key's. One that is made in the background takes its time, and can be stopped until it is over.

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use super::{Given, Shelf, Store, Visit, now_us, text};
use crate::answer::events::Events;
use crate::call::Call;
use crate::refusal::Refusal;

/// More are not kept; the oldest goes.
const KEPT_MAX: usize = 1000;

/// Parameters of a call for one.
const ONE: [&str; 5] = ["include", "include[]", "include_obfuscation", "starting_after", "stream"];
/// Parameters of the list of what one was made from.
const ITEMS: [&str; 5] = ["after", "include", "include[]", "limit", "order"];

/// A response that is kept.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    nth: u64,
    /// As it is when it is complete.
    document: Value,
    /// What it was made from.
    items: Vec<Value>,
    /// The same as a stream, if it was asked for as one.
    events: Option<Events>,
    created_us: u64,
    canceled: bool,
}

impl Store {
    /// Whether `body` goes on from a response that its key has.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn check_earlier(&self, call: &Call<'_>, body: &[u8]) -> Result<(), Refusal> {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let Some(earlier) = body.get("previous_response_id").and_then(Value::as_str) else {
            return Ok(());
        };
        let place = (call.key.to_owned(), earlier.to_owned());
        match self.with(|shelf| shelf.responses.contains_key(&place)) {
            true => Ok(()),
            false => Err(Refusal::bad_request(format!(
                "Previous response with id '{earlier}' not found."
            ))
            .with_code("previous_response_not_found")
            .about("previous_response_id")),
        }
    }

    /// Keeps the response `document`, if `body` does not forbid it; what is answered now: one that is
    /// made in the background has only begun.
    pub(crate) fn keep_response(
        &self,
        call: &Call<'_>,
        body: &[u8],
        document: &[u8],
        events: Option<Events>,
    ) -> Option<Vec<u8>> {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let document: Value = serde_json::from_slice(document).unwrap_or_default();
        if body.get("store") == Some(&Value::Bool(false)) {
            return None;
        }
        let id = document.get("id").and_then(Value::as_str)?.to_owned();
        let created_us = now_us();
        self.with(|shelf| {
            shelf.count += 1;
            let nth = shelf.count;
            let items = items(body.get("input").unwrap_or(&Value::Null), nth);
            let kept = Kept { nth, document, items, events, created_us, canceled: false };
            let begun = kept.is_background().then(|| kept.shown(created_us, u64::MAX));
            shelf.responses.insert((call.key.to_owned(), id), kept);
            shelf.forget_oldest();
            begun.map(|begun| begun.to_string().into_bytes())
        })
    }
}

impl Shelf {
    fn forget_oldest(&mut self) {
        if self.responses.len() <= KEPT_MAX {
            return;
        }
        let oldest = self.responses.iter().min_by_key(|(_, kept)| kept.nth);
        if let Some(place) = oldest.map(|(place, _)| place.clone()) {
            self.responses.remove(&place);
        }
    }
}

impl Kept {
    fn is_background(&self) -> bool {
        self.document.get("background") == Some(&Value::Bool(true))
    }

    /// As it is at `now_us`, if it takes `pace_us` to make.
    fn shown(&self, now_us: u64, pace_us: u64) -> Value {
        let past = now_us.saturating_sub(self.created_us);
        let status = match (self.canceled, self.is_background()) {
            (true, _) => "cancelled",
            (false, true) if past < pace_us / 4 => "queued",
            (false, true) if past < pace_us => "in_progress",
            _ => return self.document.clone(),
        };
        let mut document = self.document.clone();
        document["status"] = json!(status);
        document["output"] = json!([]);
        document["usage"] = Value::Null;
        document["incomplete_details"] = Value::Null;
        document
    }
}

/// The input as items with ids.
fn items(input: &Value, nth: u64) -> Vec<Value> {
    let listed = match input {
        Value::String(said) => {
            vec![json!({"role": "user", "content": [{"type": "input_text", "text": said}]})]
        }
        Value::Array(items) => items.clone(),
        _ => Vec::new(),
    };
    let with_id = |(at, mut item): (usize, Value)| {
        if let Some(members) = item.as_object_mut() {
            members.entry("type").or_insert_with(|| json!("message"));
            let hash = text::hash(&[&nth.to_be_bytes(), &at.to_be_bytes()]);
            members.entry("id").or_insert_with(|| json!(text::id("msg_", hash)));
            if members["type"] == "message" {
                members.entry("status").or_insert_with(|| json!("completed"));
            }
        }
        item
    };
    listed.into_iter().enumerate().map(with_id).collect()
}

/// Answers a call; `steps` follow `responses`.
pub(super) fn answer(visit: &mut Visit<'_>, steps: &[&str]) -> Result<Given, Refusal> {
    let (get, post) = (visit.is(&Method::GET), visit.is(&Method::POST));
    match steps {
        [id] if get => one(visit, id),
        [id] if visit.is(&Method::DELETE) => {
            let place = (visit.call.key.to_owned(), (*id).to_owned());
            visit.shelf.responses.remove(&place).ok_or_else(|| missing(id))?;
            Ok(Given::json(&json!({"id": id, "object": "response", "deleted": true})))
        }
        [id, "cancel"] if post => cancel(visit, id),
        [id, "input_items"] if get => listed(visit, id),
        _ => Err(Refusal::no_route(visit.call.method.as_str(), visit.call.path)),
    }
}

fn missing(id: &str) -> Refusal {
    let message = format!("Response with id '{id}' not found.");
    Refusal { status: 404, ..Refusal::bad_request(message) }
}

fn kept<'v>(visit: &'v mut Visit<'_>, id: &str) -> Result<&'v mut Kept, Refusal> {
    let place = (visit.call.key.to_owned(), id.to_owned());
    visit.shelf.responses.get_mut(&place).ok_or_else(|| missing(id))
}

fn known(visit: &Visit<'_>, names: &[&str]) -> Result<(), Refusal> {
    let pairs = visit.call.query.split('&').filter(|pair| !pair.is_empty());
    let mut names_given =
        pairs.map(|pair| crate::call::percent_decoded(pair.split('=').next().unwrap_or_default()));
    match names_given.find(|name| !names.contains(&&**name)) {
        None => Ok(()),
        Some(name) => Err(Refusal::bad_request(format!("Unknown parameter: '{name}'."))
            .with_code("unknown_parameter")
            .about(&name)),
    }
}

fn one(visit: &mut Visit<'_>, id: &str) -> Result<Given, Refusal> {
    known(visit, &ONE)?;
    let (now, pace) = (visit.now_us, visit.pace_us);
    let after = visit.call.query("starting_after").map(str::parse::<usize>);
    let streams = visit.call.query("stream") == Some("true");
    let kept = kept(visit, id)?;
    if !streams {
        if after.is_some() {
            return Err(Refusal::bad_member("starting_after", "it is for streams"));
        }
        return Ok(Given::json(&kept.shown(now, pace)));
    }
    let Some(events) = &kept.events else {
        let message = "Response was not created with 'stream=true', so it cannot be streamed.";
        return Err(Refusal::bad_request(message));
    };
    let begin = match after {
        None => 0,
        // Events are numbered from 0.
        Some(Ok(after)) if after < events.marks.len() => events.marks[after].0,
        Some(_) => return Err(Refusal::bad_member("starting_after", "there is no such event")),
    };
    let rest = Bytes::copy_from_slice(events.bytes.get(begin..).unwrap_or_default());
    Ok(Given::bytes("text/event-stream; charset=utf-8", rest))
}

fn cancel(visit: &mut Visit<'_>, id: &str) -> Result<Given, Refusal> {
    let (now, pace) = (visit.now_us, visit.pace_us);
    let kept = kept(visit, id)?;
    if !kept.is_background() {
        return Err(Refusal::bad_request("Cannot cancel a synchronous response."));
    }
    kept.canceled |= now.saturating_sub(kept.created_us) < pace;
    Ok(Given::json(&kept.shown(now, pace)))
}

fn listed(visit: &mut Visit<'_>, id: &str) -> Result<Given, Refusal> {
    known(visit, &ITEMS)?;
    let mut items = kept(visit, id)?.items.clone();
    if visit.call.query("order") != Some("asc") {
        items.reverse();
    }
    let name = |item: &Value| item["id"].as_str().unwrap_or_default().to_owned();
    let items: Vec<_> = items.into_iter().map(|item| (name(&item), item)).collect();
    let mut page = visit.page(&items, ("after", None), 20)?;
    page["object"] = json!("list");
    Ok(Given::json(&page))
}
