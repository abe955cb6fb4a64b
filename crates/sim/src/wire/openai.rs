//! OpenAI's chat completions and what stands beside them: completions, embeddings, models, and the
//! rerank call of those who imitate it.
//!
//! The usual format, and the upstream of benchmarks: only the end of a path counts, bodies are read
//! no further than an answer depends on them, and JSON is written by hand. Unknown members of a
//! body are refused, as are calls and results that do not belong together.

mod chat;
mod completion;
mod embedding;
mod error;
mod media;
mod messages;
mod mistral;
mod models;
mod request;
mod rerank;
pub(crate) mod tools;

use std::borrow::Cow;

use super::{Asked, Host, Route, Spoken, Told, Wire};
use crate::answer::events::Events;
use crate::answer::reply::Tokens;
use crate::answer::{CREATED, Done, push, push_number, push_string};
use crate::ask::{Ask, Task};
use crate::call::{Call, percent_decoded};
use crate::refusal::Refusal;

pub(crate) use error::{invalid, missing, said};
use media::House;
pub(crate) use media::Media;
pub(crate) use mistral::Mistral;

#[derive(Debug)]
pub(crate) struct OpenAi;

impl Wire for OpenAi {
    fn route<'a>(&self, call: &Call<'a>) -> Option<Route<'a>> {
        let path = call.path;
        if call.is_get() {
            if path.ends_with("/models") {
                return Some(Route::to(Asked::Models));
            }
            let (_, model) = path.split_once("/models/")?;
            return Some(Route::of_model(Asked::Model, model));
        }
        let asked = if path.ends_with("/chat/completions") {
            Asked::Chat
        } else if path.ends_with("/completions") {
            Asked::Completion
        } else if path.ends_with("/embeddings") {
            Asked::Embeddings
        } else if path.ends_with("/rerank") && !path.ends_with("/v2/rerank") {
            Asked::Rerank
        } else {
            Asked::Media(media::asked(path, House::OpenAi)?)
        };
        Some(match deployment(path) {
            Some(model) => Route { host: Host::Azure, ..Route::of_model(asked, model) },
            None => Route::to(asked),
        })
    }

    fn read<'a>(
        &self,
        call: &Call<'a>,
        route: &Route<'a>,
        body: &'a [u8],
    ) -> Result<Ask<'a>, Refusal> {
        if route.host == Host::Azure && call.query("api-version").is_none() {
            return Err(Refusal::bad_request("Resource not found").with_code("404").not_found());
        }
        if let Asked::Media(media) = route.asked {
            return media::read(call, route, media, body, House::OpenAi);
        }
        let request = request::Request::parse(body, route)?;
        if let Some(unknown) = request.unknown.as_deref().filter(|_| !call.lenient) {
            return Err(error::unknown(unknown));
        }
        request.ask(route)
    }

    fn whole(&self, route: &Route<'_>, ask: &Ask<'_>, done: &Done) -> Vec<u8> {
        match (done, &ask.task) {
            (Done::Reply(reply), Task::Chat(chat)) if route.asked == Asked::Completion => {
                completion::whole(&ask.model, chat, reply)
            }
            (Done::Reply(reply), Task::Chat(chat)) => chat::whole(&ask.model, chat, reply),
            (Done::Vectors(vectors), Task::Embed(embed)) => {
                embedding::whole(&ask.model, embed, vectors)
            }
            (Done::Scores(scores), Task::Rerank(rerank)) => {
                rerank::whole(&ask.model, rerank, scores)
            }
            (Done::Bytes(bytes), _) => bytes.clone(),
            _ => Vec::new(),
        }
    }

    fn stream(&self, route: &Route<'_>, ask: &Ask<'_>, told: Told<'_>) -> Events {
        if route.asked == Asked::Completion {
            return completion::events(&ask.model, told);
        }
        chat::events(&ask.model, told)
    }

    fn models(&self, route: &Route<'_>, names: &[String]) -> Vec<u8> {
        match route.asked {
            Asked::Model => models::one(&route.model),
            _ => models::list(names),
        }
    }

    fn error(&self, route: &Route<'_>, refusal: &Refusal) -> Spoken {
        Spoken::plain(refusal.status, error::json(route.host, refusal))
    }

    fn error_event(&self, route: &Route<'_>, refusal: &Refusal, _earlier: usize) -> Vec<u8> {
        format!("data: {}\n\n", error::json(route.host, refusal)).into_bytes()
    }
}

impl Refusal {
    fn not_found(self) -> Self {
        Self { status: 404, ..self }
    }
}

/// The deployment in a path of Azure's older form.
fn deployment(path: &str) -> Option<Cow<'_, str>> {
    let (_, rest) = path.split_once("/openai/deployments/")?;
    rest.split('/').next().map(percent_decoded)
}

/// Appends the members that come before the choices, which are left open.
fn push_head(out: &mut Vec<u8>, id: &str, object: &str, model: &str) {
    push(out, "{\"id\":\"");
    push(out, id);
    push(out, "\",\"object\":\"");
    push(out, object);
    push(out, "\",\"created\":");
    push_number(out, CREATED as usize);
    push(out, ",\"model\":");
    push_string(out, model);
    push(out, ",\"system_fingerprint\":\"fp_weir_sim\",\"choices\":[");
}

/// Appends `"usage":{...}` with the details that clients expect.
fn push_usage(out: &mut Vec<u8>, tokens: Tokens) {
    push(out, "\"usage\":{\"prompt_tokens\":");
    push_number(out, tokens.prompt);
    push(out, ",\"completion_tokens\":");
    push_number(out, tokens.completion);
    push(out, ",\"total_tokens\":");
    push_number(out, tokens.prompt + tokens.completion);
    push(out, ",\"prompt_tokens_details\":{\"cached_tokens\":0}");
    push(out, ",\"completion_tokens_details\":{\"reasoning_tokens\":0}}");
}

#[cfg(test)]
mod tests;
