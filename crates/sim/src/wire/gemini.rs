//! Google's generateContent: Gemini's own door and that of Google's cloud.
//!
//! Bodies are protobuf's JSON: no unknown member anywhere, either spelling of a name. A stream is
//! server-sent events with `alt=sse`, else one JSON array.

mod answer;
mod error;
mod images;
mod ranking;
mod request;
mod rules;
mod schema;
mod turns;

use super::{Asked, Host, Media, Route, Spoken, Told, Wire};
use crate::answer::Done;
use crate::answer::events::Events;
use crate::ask::{Ask, Task};
use crate::call::{Call, percent_decoded};
use crate::refusal::Refusal;

#[derive(Debug)]
pub(crate) struct Gemini;

impl Wire for Gemini {
    fn route<'a>(&self, call: &Call<'a>) -> Option<Route<'a>> {
        let path = call.path;
        let vertex = path.contains("/publishers/") || path.contains("/projects/");
        let host = if vertex { Host::Vertex } else { Host::Own };
        if call.is_get() {
            return listed(call).map(|route| Route { host, ..route });
        }
        if let Some(route) = ranking::route(path) {
            return Some(route);
        }
        let (named, method) = path.rsplit_once(':')?;
        if path.contains("/publishers/") && !path.contains("/publishers/google/") {
            return None;
        }
        let places = ["/models/", "/tunedModels/", "/endpoints/"];
        let model = places.iter().find_map(|place| Some(named.rsplit_once(place)?.1))?;
        let asked = match method {
            "generateContent" | "streamGenerateContent" => Asked::Chat,
            "countTokens" => Asked::Count,
            "embedContent" => Asked::Embedding,
            "batchEmbedContents" => Asked::Embeddings,
            "predict" if model.starts_with("imagen") => Asked::Media(Media::Images),
            "predict" if vertex => Asked::Predict,
            _ => return None,
        };
        let stream = method == "streamGenerateContent";
        let array = stream && call.query("alt") != Some("sse");
        Some(Route { stream, array, host, ..Route::of_model(asked, percent_decoded(model)) })
    }

    fn read<'a>(
        &self,
        call: &Call<'a>,
        route: &Route<'a>,
        body: &'a [u8],
    ) -> Result<Ask<'a>, Refusal> {
        request::read(call, route, body)
    }

    fn whole(&self, route: &Route<'_>, ask: &Ask<'_>, done: &Done) -> Vec<u8> {
        match (done, &ask.task) {
            (Done::Reply(reply), Task::Chat(chat)) => answer::whole(route, chat, reply),
            (Done::Bytes(bytes), _) => bytes.clone(),
            (Done::Scores(scores), Task::Rerank(rerank)) => ranking::whole(rerank, scores),
            (Done::Tokens(tokens), _) => answer::tokens(*tokens),
            (Done::Vectors(vectors), Task::Embed(embed)) => answer::vectors(route, embed, vectors),
            _ => Vec::new(),
        }
    }

    fn stream(&self, route: &Route<'_>, _ask: &Ask<'_>, told: Told<'_>) -> Events {
        answer::events(route, told)
    }

    fn models(&self, route: &Route<'_>, names: &[String]) -> Vec<u8> {
        answer::models(route, names)
    }

    fn error(&self, route: &Route<'_>, refusal: &Refusal) -> Spoken {
        let json = error::json(refusal);
        let body = if route.array { format!("[{json}\n]") } else { json.to_string() };
        Spoken::plain(refusal.status, body)
    }

    fn error_event(&self, route: &Route<'_>, refusal: &Refusal, earlier: usize) -> Vec<u8> {
        answer::framed(route, &error::json(refusal).to_string(), earlier).into_bytes()
    }

    fn garbage_event(&self, route: &Route<'_>) -> Vec<u8> {
        answer::framed(route, "{\"candidates\":[{\"content\":{\"par", 1).into_bytes()
    }

    /// Gemini calls a wrong key a wrong argument.
    fn wrong_key(&self, route: &Route<'_>) -> Refusal {
        if route.host == Host::Vertex {
            return Refusal::of_status(401, "");
        }
        let message = "API key not valid. Please pass a valid API key.";
        Refusal::bad_request(message).about(error::KEY)
    }

    fn stream_type(&self, route: &Route<'_>) -> &'static str {
        if route.array { "application/json; charset=UTF-8" } else { "text/event-stream" }
    }
}

/// Lists of models, and one of them. The older path is told by where its key stands.
fn listed<'a>(call: &Call<'a>) -> Option<Route<'a>> {
    let (before, after) = call.path.rsplit_once("/models")?;
    let here = before.ends_with("/v1beta")
        || before.contains("/publishers/")
        || call.headers.contains_key("x-goog-api-key")
        || call.query("key").is_some();
    match after.strip_prefix('/').filter(|_| here) {
        None if after.is_empty() && here => Some(Route::to(Asked::Models)),
        None => None,
        Some(model) => Some(Route::of_model(Asked::Model, percent_decoded(model))),
    }
}

#[cfg(test)]
mod tests;
