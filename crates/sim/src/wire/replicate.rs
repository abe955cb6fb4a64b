//! Replicate: predictions are ordered, looked for, streamed and cancelled.
//!
//! Every model has inputs of its own; others are refused, so that a wrong name for one is seen.

mod request;
mod schema;

use serde_json::{Value, json};

use super::{Asked, Route, Spoken, Told, Wire};
use crate::answer::Done;
use crate::answer::events::{Events, Kind};
use crate::answer::reply::{Content, Reply};
use crate::answer::text;
use crate::ask::{Ask, Task};
use crate::call::{Call, percent_decoded};
use crate::refusal::Refusal;

#[derive(Debug)]
pub(crate) struct Replicate;

/// Every prediction was made at this time.
const CREATED: &str = "2025-06-15T15:06:40.000Z";

impl Wire for Replicate {
    fn route<'a>(&self, call: &Call<'a>) -> Option<Route<'a>> {
        let (_, rest) = call.path.split_once("/v1/")?;
        if call.is_get() {
            if rest == "deployments" {
                return Some(Route::to(Asked::Models));
            }
            let (asked, id) = match rest.split_once('/')? {
                ("predictions", id) => (Asked::Order, id),
                ("stream", id) => (Asked::Events, id),
                _ => return None,
            };
            return (!id.contains('/')).then(|| Route::of_model(asked, id));
        }
        let (what, rest) = rest.split_once('/').unwrap_or((rest, ""));
        match what {
            "predictions" if rest.is_empty() => Some(Route::to(Asked::Chat)),
            "predictions" => Some(Route::of_model(Asked::Cancel, rest.strip_suffix("/cancel")?)),
            "models" | "deployments" => {
                let model = rest.strip_suffix("/predictions")?;
                Some(Route::of_model(Asked::Chat, percent_decoded(model)))
            }
            _ => None,
        }
    }

    fn read<'a>(
        &self,
        call: &Call<'a>,
        route: &Route<'a>,
        body: &'a [u8],
    ) -> Result<Ask<'a>, Refusal> {
        request::read(call, route, body)
    }

    fn takes_orders(&self) -> bool {
        true
    }

    /// A prediction that is done; its id and its addresses are the order's.
    fn whole(&self, _route: &Route<'_>, ask: &Ask<'_>, done: &Done) -> Vec<u8> {
        let (Done::Reply(reply), Task::Chat(_)) = (done, &ask.task) else { return Vec::new() };
        let pieces: Vec<&str> = text::split(said(reply), 3).collect();
        // Some models give their text in one piece.
        let output =
            if schema::is_openais(&ask.model) { json!(said(reply)) } else { json!(pieces) };
        json!({
            "model": ask.model,
            "version": "hidden",
            "input": {},
            "logs": "",
            "output": output,
            "data_removed": false,
            "error": null,
            "status": "succeeded",
            "created_at": CREATED,
            "started_at": CREATED,
            "completed_at": CREATED,
            "metrics": {
                "predict_time": 0.5,
                "total_time": 0.6,
                "input_token_count": reply.tokens.prompt,
                "output_token_count": reply.tokens.completion,
            },
        })
        .to_string()
        .into_bytes()
    }

    fn stream(&self, _route: &Route<'_>, _ask: &Ask<'_>, told: Told<'_>) -> Events {
        let mut events = Events::default();
        for (nth, piece) in text::split(said(told.reply), told.chunks).enumerate() {
            let lines = piece.replace('\n', "\ndata: ");
            let event = format!("event: output\nid: 1750000000:{nth}\ndata: {lines}\n\n");
            events.raw(Kind::Content, |out| out.extend_from_slice(event.as_bytes()));
        }
        events.named(Kind::Finish, "done", &json!({}));
        events
    }

    fn models(&self, _route: &Route<'_>, names: &[String]) -> Vec<u8> {
        let entry = |name: &String| json!({"owner": "acme", "name": name, "current_release": {}});
        let list: Vec<Value> = names.iter().map(entry).collect();
        json!({"next": null, "previous": null, "results": list}).to_string().into_bytes()
    }

    fn error(&self, _route: &Route<'_>, refusal: &Refusal) -> Spoken {
        let (title, usual) = words(refusal.status);
        let detail = if refusal.message.is_empty() { usual } else { &refusal.message };
        let mut body = json!({"detail": detail, "status": refusal.status});
        if !title.is_empty() {
            body["title"] = json!(title);
        }
        if let Some(field) = &refusal.param {
            body["invalid_fields"] =
                json!([{"type": "invalid", "field": field, "description": detail}]);
        }
        Spoken::plain(refusal.status, body.to_string())
    }

    fn error_event(&self, _route: &Route<'_>, refusal: &Refusal, _earlier: usize) -> Vec<u8> {
        let code = refusal.code.as_deref().unwrap_or("E1000");
        let detail = json!({"detail": format!("The prediction failed. ({code})")});
        format!("event: error\ndata: {detail}\n\nevent: done\ndata: {{\"reason\": \"error\"}}\n\n")
            .into_bytes()
    }

    /// Text cannot be wrong; what ends the stream can.
    fn garbage_event(&self, _route: &Route<'_>) -> Vec<u8> {
        b"event: output\ndata: \xff\xfe\n\n".to_vec()
    }
}

fn said(reply: &Reply) -> &str {
    match &reply.content {
        Content::Text(text) => text,
        Content::Calls(_) => "",
    }
}

/// Title and detail of an error.
fn words(status: u16) -> (&'static str, &'static str) {
    match status {
        401 => ("Unauthenticated", "You did not pass a valid authentication token"),
        402 => ("Insufficient credit", "You have insufficient credit to run this model."),
        404 => ("", "The requested resource could not be found."),
        422 => ("Input validation failed", "the input is not valid"),
        429 => ("", "Request was throttled. Your rate limit for creating predictions is reached."),
        500.. => ("Internal server error", "Something went wrong"),
        _ => ("Bad request", "the request is not valid"),
    }
}

#[cfg(test)]
mod tests;
