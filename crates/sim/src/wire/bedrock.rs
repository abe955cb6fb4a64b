//! Amazon's Converse: JSON bodies checked to the last member, streams in Amazon's binary frames.
//!
//! A signature is looked at as far as that is possible without the secret it was made with.

mod answer;
pub(crate) mod error;
mod frame;
mod invoke;
pub(crate) mod request;
mod rerank;
mod rules;
mod schema;
mod turns;

use super::{Asked, Host, Route, Spoken, Told, Wire};
use crate::answer::Done;
use crate::answer::events::Events;
use crate::ask::{Ask, Task};
use crate::call::{Call, percent_decoded};
use crate::refusal::Refusal;

#[derive(Debug)]
pub(crate) struct Bedrock;

impl Wire for Bedrock {
    fn route<'a>(&self, call: &Call<'a>) -> Option<Route<'a>> {
        let path = call.path;
        if call.is_get() {
            if path.ends_with("/foundation-models") {
                return Some(Route::to(Asked::Models));
            }
            if path.ends_with("/inference-profiles") {
                return Some(Route::to(Asked::Profiles));
            }
            let (_, model) = path.split_once("/foundation-models/")?;
            return Some(Route::of_model(Asked::Model, percent_decoded(model)));
        }
        let Some((_, rest)) = path.split_once("/model/") else {
            return rerank::route(call);
        };
        let (model, method) = rest.rsplit_once('/')?;
        let (asked, stream) = match method {
            "converse" => (Asked::Chat, false),
            "converse-stream" => (Asked::Chat, true),
            "count-tokens" => (Asked::Count, false),
            "invoke" | "invoke-with-response-stream" => {
                let model = percent_decoded(model);
                let asked = invoke::asked(&model);
                let stream = method != "invoke";
                return Some(Route { stream, host: Host::Invoke, ..Route::of_model(asked, model) });
            }
            _ => return None,
        };
        Some(Route { stream, ..Route::of_model(asked, percent_decoded(model)) })
    }

    fn read<'a>(
        &self,
        call: &Call<'a>,
        route: &Route<'a>,
        body: &'a [u8],
    ) -> Result<Ask<'a>, Refusal> {
        request::check_signature(call)?;
        if route.asked == Asked::Rerank && route.host == Host::Own {
            return rerank::read(call, body);
        }
        if route.host == Host::Invoke {
            return invoke::read(call, route, body);
        }
        request::read(call, route, body)
    }

    fn whole(&self, route: &Route<'_>, ask: &Ask<'_>, done: &Done) -> Vec<u8> {
        if route.host == Host::Invoke {
            return invoke::whole(ask, done);
        }
        match (done, &ask.task) {
            (Done::Reply(reply), Task::Chat(_)) => answer::whole(reply),
            (Done::Scores(scores), _) => rerank::whole(scores),
            (Done::Tokens(tokens), _) => format!("{{\"inputTokens\":{tokens}}}").into_bytes(),
            _ => Vec::new(),
        }
    }

    fn stream(&self, route: &Route<'_>, ask: &Ask<'_>, told: Told<'_>) -> Events {
        if route.host == Host::Invoke {
            return invoke::events(&ask.model, told.reply, told.chunks);
        }
        answer::events(told.reply, told.chunks)
    }

    fn models(&self, route: &Route<'_>, names: &[String]) -> Vec<u8> {
        answer::models(route, names)
    }

    fn error(&self, _route: &Route<'_>, refusal: &Refusal) -> Spoken {
        let (name, message) = error::said(refusal);
        let body = serde_json::json!({"message": message}).to_string();
        let kind = format!("{name}:http://internal.amazon.com/coral/com.amazon.bedrock/");
        Spoken { status: refusal.status, body, headers: vec![("x-amzn-errortype", kind)] }
    }

    fn error_event(&self, _route: &Route<'_>, refusal: &Refusal, _earlier: usize) -> Vec<u8> {
        let (name, message) = error::said(refusal);
        let payload = serde_json::json!({"message": message}).to_string();
        frame::exception(&error::event_name(&name), payload.as_bytes())
    }

    fn garbage_event(&self, route: &Route<'_>) -> Vec<u8> {
        if route.host == Host::Invoke {
            return invoke::chunk(b"{\"type\":\"content_block_delta\",\"ind");
        }
        frame::event("contentBlockDelta", b"{\"contentBlockIndex\":0,\"del")
    }

    fn wrong_key(&self, _route: &Route<'_>) -> Refusal {
        let message = "The security token included in the request is invalid.";
        let refusal = Refusal { status: 403, ..Refusal::bad_request(message) };
        refusal.with_code("UnrecognizedClientException")
    }

    fn stream_type(&self, _route: &Route<'_>) -> &'static str {
        "application/vnd.amazon.eventstream"
    }

    fn id_header(&self) -> &'static str {
        "x-amzn-requestid"
    }
}

#[cfg(test)]
mod tests;
