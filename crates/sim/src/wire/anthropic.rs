//! Anthropic's messages, at its own door and at those of Google's and Microsoft's clouds.
//!
//! Strict as the service is: members that it does not know, turns out of order, calls without
//! results, empty texts, thoughts whose signature it never gave, and what newer models no longer
//! take.

mod answer;
mod error;
mod family;
mod request;
mod rules;
mod schema;
mod turns;

pub(super) use answer::{events, whole};
pub(super) use request::at_amazons;

use super::{Asked, Host, Route, Spoken, Told, Wire};
use crate::answer::Done;
use crate::answer::events::Events;
use crate::ask::{Ask, Task};
use crate::call::{Call, percent_decoded};
use crate::refusal::Refusal;

#[derive(Debug)]
pub(crate) struct Anthropic;

impl Wire for Anthropic {
    fn route<'a>(&self, call: &Call<'a>) -> Option<Route<'a>> {
        let path = call.path;
        if call.is_get() {
            let here = call.headers.contains_key("anthropic-version");
            if !here && !path.contains("/anthropic/") {
                return None;
            }
            if path.ends_with("/models") {
                return Some(Route::to(Asked::Models));
            }
            let (_, model) = path.split_once("/models/")?;
            return Some(Route::of_model(Asked::Model, model));
        }
        if path.ends_with("/messages") {
            return Some(Route::to(Asked::Chat));
        }
        if path.ends_with("/messages/count_tokens") {
            return Some(Route::to(Asked::Count));
        }
        let (_, called) = path.split_once("/publishers/anthropic/models/")?;
        let (model, method) = called.rsplit_once(':')?;
        if method != "rawPredict" && method != "streamRawPredict" {
            return None;
        }
        let route = match model {
            "count-tokens" => Route::to(Asked::Count),
            _ => Route::of_model(Asked::Chat, percent_decoded(model)),
        };
        Some(Route { host: Host::Vertex, ..route })
    }

    fn read<'a>(
        &self,
        call: &Call<'a>,
        route: &Route<'a>,
        body: &'a [u8],
    ) -> Result<Ask<'a>, Refusal> {
        request::read(call, route, body)
    }

    fn whole(&self, _route: &Route<'_>, ask: &Ask<'_>, done: &Done) -> Vec<u8> {
        match (done, &ask.task) {
            (Done::Reply(reply), Task::Chat(_)) => whole(&ask.model, reply),
            (Done::Tokens(tokens), _) => format!("{{\"input_tokens\":{tokens}}}").into_bytes(),
            _ => Vec::new(),
        }
    }

    fn stream(&self, _route: &Route<'_>, ask: &Ask<'_>, told: Told<'_>) -> Events {
        events(&ask.model, told.reply, told.chunks)
    }

    fn models(&self, route: &Route<'_>, names: &[String]) -> Vec<u8> {
        answer::models(route, names)
    }

    fn error(&self, _route: &Route<'_>, refusal: &Refusal) -> Spoken {
        let mut spoken = Spoken::plain(refusal.status, error::json(refusal).to_string());
        if matches!(refusal.status, 408 | 409 | 429 | 500..) {
            spoken.headers.push(("x-should-retry", "true".to_owned()));
        }
        spoken
    }

    fn error_event(&self, _route: &Route<'_>, refusal: &Refusal, _earlier: usize) -> Vec<u8> {
        crate::answer::events::named("error", &error::json(refusal))
    }

    fn garbage_event(&self, _route: &Route<'_>) -> Vec<u8> {
        b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"ind\n\n".to_vec()
    }

    fn id_header(&self) -> &'static str {
        "request-id"
    }

    fn limit_headers(&self, what: &str) -> [String; 2] {
        ["remaining", "reset"].map(|part| format!("anthropic-ratelimit-{what}-{part}"))
    }
}

#[cfg(test)]
mod tests;
