//! OpenAI's responses.
//!
//! What it has answered is kept for whoever asks for it by its id, or goes on from it
//! (`store/responses.rs`); items that refer to single parts of that are refused. Sealed reasoning is bound to the key that it was given
//! to, as the real one's is to an organisation.

mod answer;
mod items;
mod request;
mod schema;

use serde_json::{Value, json};

use super::{Asked, Route, Spoken, Told, Wire, openai};
use crate::answer::Done;
use crate::answer::events::{Events, named};
use crate::ask::{Ask, Task};
use crate::call::Call;
use crate::refusal::Refusal;

#[derive(Debug)]
pub(crate) struct Responses;

impl Wire for Responses {
    fn route<'a>(&self, call: &Call<'a>) -> Option<Route<'a>> {
        if call.path.ends_with("/responses") {
            return Some(Route::to(Asked::Chat));
        }
        if call.path.ends_with("/responses/compact") {
            return Some(Route::to(Asked::Compact));
        }
        call.path.ends_with("/responses/input_tokens").then(|| Route::to(Asked::Count))
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
            (Done::Reply(reply), Task::Chat(chat)) => answer::whole(&ask.model, chat, reply),
            (Done::Tokens(tokens), _) => {
                json!({"object": "response.input_tokens", "input_tokens": tokens})
                    .to_string()
                    .into_bytes()
            }
            (Done::Bytes(bytes), _) => bytes.clone(),
            _ => Vec::new(),
        }
    }

    fn keeps(&self) -> bool {
        true
    }

    fn stream(&self, _route: &Route<'_>, ask: &Ask<'_>, told: Told<'_>) -> Events {
        answer::events(&ask.model, told)
    }

    fn models(&self, route: &Route<'_>, names: &[String]) -> Vec<u8> {
        openai::OpenAi.models(route, names)
    }

    fn error(&self, route: &Route<'_>, refusal: &Refusal) -> Spoken {
        openai::OpenAi.error(route, refusal)
    }

    /// Flat, unlike an error answer.
    fn error_event(&self, _route: &Route<'_>, refusal: &Refusal, earlier: usize) -> Vec<u8> {
        let (_, code, message) = openai::said(refusal);
        let event: Value = json!({"type": "error", "code": code, "message": message,
            "param": refusal.param, "sequence_number": earlier});
        named("error", &event)
    }

    fn garbage_event(&self, _route: &Route<'_>) -> Vec<u8> {
        b"event: response.output_text.delta\ndata: {\"type\":\"response.output_te\n\n".to_vec()
    }
}

#[cfg(test)]
mod tests;
