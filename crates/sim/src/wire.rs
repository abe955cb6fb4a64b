//! Wire formats: what a service's requests, answers, streams and errors look like.
//!
//! A format is a [`Wire`] in a file and a folder of its own, and knows no other. It reads strictly
//! what its service would take and refuses the rest in the service's words. Nothing here is shared
//! with the gateway's own formats: a mistake there must not be repeated here. Pure.

pub(crate) mod anthropic;
pub(crate) mod bedrock;
pub(crate) mod cohere;
pub(crate) mod gemini;
pub(crate) mod openai;
pub(crate) mod replicate;
pub(crate) mod responses;
pub(crate) mod s3;

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use crate::answer::Done;
use crate::answer::events::Events;
use crate::answer::reply::Reply;
use crate::ask::{Ask, Chat};
use crate::call::Call;
use crate::refusal::Refusal;
use crate::store;
pub(crate) use openai::Media;

/// One wire format.
pub(crate) trait Wire: fmt::Debug + Sync {
    /// What a call asks for, told by its path; `None` if the path is not this format's.
    fn route<'a>(&self, call: &Call<'a>) -> Option<Route<'a>>;

    /// Reads the body of a `POST`.
    ///
    /// # Errors
    /// What the real service would refuse.
    fn read<'a>(
        &self,
        call: &Call<'a>,
        route: &Route<'a>,
        body: &'a [u8],
    ) -> Result<Ask<'a>, Refusal>;

    /// The body of an answer that is not streamed.
    fn whole(&self, route: &Route<'_>, ask: &Ask<'_>, done: &Done) -> Vec<u8>;

    /// The events of a streamed answer, its content in `chunks` pieces.
    fn stream(&self, route: &Route<'_>, ask: &Ask<'_>, told: Told<'_>) -> Events;

    /// The list of models, or the one that the route names.
    fn models(&self, route: &Route<'_>, names: &[String]) -> Vec<u8>;

    /// An error answer.
    fn error(&self, route: &Route<'_>, refusal: &Refusal) -> Spoken;

    /// An error in the middle of a stream, after `earlier` events.
    fn error_event(&self, route: &Route<'_>, refusal: &Refusal, earlier: usize) -> Vec<u8>;

    /// An event that is not JSON.
    fn garbage_event(&self, _route: &Route<'_>) -> Vec<u8> {
        b"data: {\"id\":\"broken\",\"choices\":[{\"delta\":{\"con\n\n".to_vec()
    }

    /// What a key that is not let in is told.
    fn wrong_key(&self, _route: &Route<'_>) -> Refusal {
        Refusal::of_status(401, "")
    }

    /// Requests are orders: their answers are fetched later (`service/orders.rs`).
    fn takes_orders(&self) -> bool {
        false
    }

    /// Answers are kept, and later requests may go on from them (`store/responses.rs`).
    fn keeps(&self) -> bool {
        false
    }

    /// The type of a streamed answer.
    fn stream_type(&self, _route: &Route<'_>) -> &'static str {
        "text/event-stream; charset=utf-8"
    }

    /// The header that names the request in an answer.
    fn id_header(&self) -> &'static str {
        "x-request-id"
    }

    /// The headers that say how much of a limit (`requests`, `tokens`) is left and when it refills.
    fn limit_headers(&self, what: &str) -> [String; 2] {
        ["remaining", "reset"].map(|part| format!("x-ratelimit-{part}-{what}"))
    }
}

/// An error answer, written.
#[derive(Debug)]
pub(crate) struct Spoken {
    pub(crate) status: u16,
    pub(crate) body: String,
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Spoken {
    pub(crate) fn plain(status: u16, body: String) -> Self {
        Self { status, body, headers: Vec::new() }
    }
}

/// What a stream tells.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told<'t> {
    pub(crate) chat: &'t Chat<'t>,
    pub(crate) reply: &'t Reply,
    pub(crate) chunks: u32,
}

/// What a path asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Route<'a> {
    pub(crate) asked: Asked,
    /// The model that the path names; empty if the body does.
    pub(crate) model: Cow<'a, str>,
    /// The path asks for a stream.
    pub(crate) stream: bool,
    pub(crate) host: Host,
    /// A stream is one JSON array instead of events.
    pub(crate) array: bool,
}

impl Asked {
    /// The call has a body that says more.
    pub(crate) fn has_body(self) -> bool {
        !matches!(
            self,
            Self::Models
                | Self::Profiles
                | Self::Model
                | Self::Order
                | Self::Events
                | Self::Cancel
                | Self::Stored
                | Self::Nothing
        )
    }
}

impl<'a> Route<'a> {
    pub(crate) fn to(asked: Asked) -> Self {
        Self { asked, ..Self::default() }
    }

    pub(crate) fn of_model(asked: Asked, model: impl Into<Cow<'a, str>>) -> Self {
        Self { asked, model: model.into(), ..Self::default() }
    }
}

/// Kinds of calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Asked {
    #[default]
    Chat,
    Completion,
    Count,
    /// One vector.
    Embedding,
    /// Vectors.
    Embeddings,
    /// Vectors by a general form of prediction.
    Predict,
    Rerank,
    /// Sound, images, judgements, the text of documents.
    Media(Media),
    Models,
    /// Models by the regions that serve them together.
    Profiles,
    Model,
    /// An order, whose id stands in the place of the model's name.
    Order,
    /// The events of one.
    Events,
    /// That one be given up.
    Cancel,
    /// A long conversation made short.
    Compact,
    /// Something about files, batches or responses, which `store` reads.
    Stored,
    /// A path that nobody knows.
    Nothing,
}

/// Whose door a format is served at, where that changes it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Host {
    #[default]
    Own,
    Vertex,
    Azure,
    /// Amazon's, where bodies are in the words of the model's maker.
    Invoke,
}

/// Formats by who is asked first. The usual one comes first where paths cannot be mistaken.
const POSTED: [&dyn Wire; 8] = [
    &openai::Mistral,
    // Told by its signature where another has the same path.
    &bedrock::Bedrock,
    &openai::OpenAi,
    &anthropic::Anthropic,
    &responses::Responses,
    &gemini::Gemini,
    &cohere::Cohere,
    &replicate::Replicate,
];
/// Lists of models have one path in several formats; the usual one takes what nobody else wants.
const GOTTEN: [&dyn Wire; 6] = [
    &anthropic::Anthropic,
    &gemini::Gemini,
    &bedrock::Bedrock,
    &cohere::Cohere,
    &replicate::Replicate,
    &openai::OpenAi,
];

/// The format of a call and what it asks for. A path that nobody knows is refused by the usual one.
pub(crate) fn of<'a>(call: &Call<'a>) -> (&'static dyn Wire, Route<'a>) {
    if let Some(found) = store::of(call) {
        return found;
    }
    let asked: &[&'static dyn Wire] = if call.is_get() {
        &GOTTEN
    } else if call.method == http::Method::POST {
        &POSTED
    } else {
        &[]
    };
    let found = asked.iter().find_map(|wire| Some((*wire, wire.route(call)?)));
    found.unwrap_or_else(|| (&openai::OpenAi, Route::to(Asked::Nothing)))
}

/// The items of a member that is a list; none if it is something else.
pub(crate) fn items<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The text of a member, empty if it has none.
pub(crate) fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A member that is a number of something.
pub(crate) fn count(value: &Value, name: &str) -> Option<usize> {
    value.get(name).and_then(Value::as_u64).and_then(|count| usize::try_from(count).ok())
}

/// The JSON of some members of a body, one after the other: what an answer follows from.
pub(crate) fn question(body: &Value, members: &[&str]) -> String {
    let found = members.iter().filter_map(|name| body.get(*name));
    found.map(Value::to_string).collect::<Vec<_>>().join(",")
}

/// The two members that rules and the log want to know of a body that was refused.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Glimpse<'a> {
    #[serde(default, borrow)]
    pub(crate) model: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(crate) stream: Option<bool>,
}

impl<'a> Glimpse<'a> {
    pub(crate) fn of(body: &'a [u8]) -> Self {
        serde_json::from_slice(body).unwrap_or_default()
    }
}

#[cfg(test)]
pub(crate) mod testing;
