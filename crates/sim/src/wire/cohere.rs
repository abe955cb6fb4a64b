//! Cohere's second version: chat, embeddings, rerank, models.
//!
//! Lenient about members it does not know, strict about those it does.

mod answer;
mod request;
mod schema;
mod turns;

use serde_json::json;

use super::{Asked, Route, Spoken, Told, Wire};
use crate::answer::events::{Events, named};
use crate::answer::{Done, text};
use crate::ask::{Ask, Task};
use crate::call::{Call, percent_decoded};
use crate::refusal::Refusal;

#[derive(Debug)]
pub(crate) struct Cohere;

/// Parameters that only Cohere's list of models has.
const LIST_PARAMETERS: [&str; 4] = ["endpoint", "page_size", "page_token", "default_only"];

impl Wire for Cohere {
    fn route<'a>(&self, call: &Call<'a>) -> Option<Route<'a>> {
        let path = call.path;
        if call.is_get() {
            let here = path.contains("/cohere/")
                || LIST_PARAMETERS.iter().any(|name| call.query(name).is_some());
            if !here {
                return None;
            }
            if path.ends_with("/models") {
                return Some(Route::to(Asked::Models));
            }
            let (_, model) = path.split_once("/models/")?;
            return Some(Route::of_model(Asked::Model, percent_decoded(model)));
        }
        let asked = [
            ("/v2/chat", Asked::Chat),
            ("/v2/embed", Asked::Embeddings),
            ("/v2/rerank", Asked::Rerank),
        ];
        let (_, asked) = asked.into_iter().find(|(end, _)| path.ends_with(end))?;
        Some(Route::to(asked))
    }

    fn read<'a>(
        &self,
        _call: &Call<'a>,
        route: &Route<'a>,
        body: &'a [u8],
    ) -> Result<Ask<'a>, Refusal> {
        request::read(route, body)
    }

    fn whole(&self, _route: &Route<'_>, ask: &Ask<'_>, done: &Done) -> Vec<u8> {
        match (done, &ask.task) {
            (Done::Reply(reply), Task::Chat(_)) => answer::whole(reply),
            (Done::Vectors(vectors), Task::Embed(embed)) => {
                answer::vectors(&ask.model, embed, vectors)
            }
            (Done::Scores(scores), Task::Rerank(rerank)) => {
                answer::scores(&ask.model, rerank, scores)
            }
            _ => Vec::new(),
        }
    }

    fn stream(&self, _route: &Route<'_>, _ask: &Ask<'_>, told: Told<'_>) -> Events {
        answer::events(told.reply, told.chunks)
    }

    fn models(&self, route: &Route<'_>, names: &[String]) -> Vec<u8> {
        answer::models(route, names)
    }

    fn error(&self, _route: &Route<'_>, refusal: &Refusal) -> Spoken {
        let message = said(refusal);
        let id = text::id("", text::hash(&[message.as_bytes()]));
        let mut body = json!({"id": id, "message": message});
        if let Some(code) = &refusal.code {
            body["code"] = json!(code);
        }
        Spoken::plain(refusal.status, body.to_string())
    }

    /// A stream that fails says so in its last event.
    fn error_event(&self, _route: &Route<'_>, refusal: &Refusal, _earlier: usize) -> Vec<u8> {
        let delta = json!({"error": said(refusal), "finish_reason": "ERROR"});
        named("message-end", &json!({"type": "message-end", "delta": delta}))
    }

    fn garbage_event(&self, _route: &Route<'_>) -> Vec<u8> {
        b"event: content-delta\ndata: {\"type\":\"content-delta\",\"ind\n\n".to_vec()
    }
}

fn said(refusal: &Refusal) -> String {
    if !refusal.message.is_empty() {
        return refusal.message.clone();
    }
    let usual = match refusal.status {
        401 => "invalid api token",
        402 => "Please add or update your payment method",
        403 => "you do not have access to this resource",
        404 => return format!("model '{}' not found", refusal.model),
        408 | 504 => "the request timed out",
        413 => "request too large",
        422 => "invalid request: unprocessable entity",
        429 => "You are past the per minute request limit, please wait and try again later.",
        498 => "invalid token",
        499 => "request cancelled",
        503 | 529 => "service temporarily unavailable",
        500.. => "internal server error",
        _ => "invalid request",
    };
    usual.to_owned()
}

#[cfg(test)]
mod tests;
