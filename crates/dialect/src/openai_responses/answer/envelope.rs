//! The object `response` but for its output: what a client's SDK demands of it, most of which only
//! repeats the request. Whole answers and streams put it around what they have.

use serde_json::{Map, Value, json};
use weir_types::Usage;

use crate::custom;
use crate::format::Asked;
use crate::ir::{Chat, Finish, FinishReason, Losses, Request};
use crate::openai_responses::request::{self, plain_system};
use crate::openai_responses::{tools, usage};
use crate::stored::UNKEPT;

/// How far a response is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::openai_responses) enum State<'a> {
    /// It is being made.
    InProgress,
    /// It has ended, and why, if that is known.
    Ended(Option<&'a Finish>),
}

/// The members that stay the same while a response is made.
pub(in crate::openai_responses) struct Envelope {
    members: Map<String, Value>,
    now: u64,
    custom_tools: Vec<String>,
    /// What ids of items are made of.
    id: String,
}

impl Envelope {
    /// The response to what `asked` says.
    pub(in crate::openai_responses) fn new(asked: &Asked<'_>) -> Self {
        let nothing = Chat::new(weir_types::Dialect::OpenAiResponses);
        let chat = match asked.request {
            Request::Chat(chat) | Request::CountTokens(chat) => chat,
            Request::Embedding(_) | Request::Rerank(_) => &nothing,
        };
        Self {
            members: members(asked, chat),
            now: asked.now,
            custom_tools: custom::names(asked.request),
            id: asked.id.to_owned(),
        }
    }

    /// Notes what the provider says of the response.
    pub(in crate::openai_responses) fn is_of(&mut self, model: &str, created: Option<u64>) {
        if !model.is_empty() {
            self.set("model", json!(model));
        }
        if let Some(created) = created {
            self.set("created_at", json!(created));
        }
    }

    /// Notes how the provider ranked the request.
    pub(in crate::openai_responses) fn is_served_as(&mut self, tier: &str) {
        self.set("service_tier", json!(tier));
    }

    fn set(&mut self, name: &str, value: Value) {
        self.members.insert(name.to_owned(), value);
    }

    /// Whether `name` is a tool that takes plain text.
    pub(in crate::openai_responses) fn is_custom(&self, name: &str) -> bool {
        self.custom_tools.iter().any(|custom| custom == name)
    }

    /// An id for the item `at` of the output.
    pub(in crate::openai_responses) fn item_id(&self, prefix: &str, at: usize) -> String {
        format!("{prefix}_{}_{at}", self.id)
    }

    /// The whole object.
    pub(in crate::openai_responses) fn document(
        &self,
        state: State<'_>,
        output: &[Value],
        tokens: &Usage,
    ) -> Value {
        let mut members = self.members.clone();
        let mut set = |name: &str, value| members.insert(name.to_owned(), value);
        set("output", json!(output));
        set("usage", usage::write(tokens));
        set("status", json!(state.word()));
        match state.word() {
            "completed" => {
                set("completed_at", json!(self.now));
            }
            "incomplete" => {
                set("incomplete_details", json!({ "reason": state.reason() }));
            }
            "failed" => {
                let message = "the provider ended the answer with an error";
                set("error", json!({ "code": "server_error", "message": message }));
            }
            _ => {}
        }
        Value::Object(members)
    }
}

impl State<'_> {
    /// The response's `status`.
    pub(in crate::openai_responses) fn word(self) -> &'static str {
        let finish = match self {
            Self::InProgress => return "in_progress",
            Self::Ended(finish) => finish,
        };
        match finish.map(|finish| &finish.reason) {
            Some(FinishReason::Length | FinishReason::ContextWindow) => "incomplete",
            Some(FinishReason::ContentFilter) => "incomplete",
            Some(FinishReason::Other(word)) if is_incomplete(word) => "incomplete",
            Some(FinishReason::Error(_)) => "failed",
            _ => "completed",
        }
    }

    /// `status` of the item that was being made at the end.
    pub(in crate::openai_responses) fn item(self) -> &'static str {
        if self.word() == "incomplete" { "incomplete" } else { "completed" }
    }

    fn reason(self) -> String {
        match self {
            Self::Ended(Some(finish)) => match &finish.reason {
                FinishReason::ContentFilter => "content_filter".to_owned(),
                FinishReason::Other(word) => word.clone(),
                _ => "max_output_tokens".to_owned(),
            },
            _ => "max_output_tokens".to_owned(),
        }
    }
}

/// Whether this format says `word` of responses that are not complete.
fn is_incomplete(word: &str) -> bool {
    matches!(word, "steered" | "max_messages")
}

fn members(asked: &Asked<'_>, chat: &Chat) -> Map<String, Value> {
    let sampling = &chat.sampling;
    let extra = |name: &str| chat.extra.get(name).cloned().unwrap_or(Value::Null);
    let mut nothing_lost = Losses::default();
    let tools = chat.tools.iter().map(|tool| tools::write(tool, chat, &mut nothing_lost));
    let tools: Vec<_> = tools.collect();
    let document = json!({
        "id": format!("{UNKEPT}{}", asked.id),
        "object": "response",
        "created_at": asked.now,
        "status": "in_progress",
        "background": false,
        "completed_at": null,
        "error": null,
        "incomplete_details": null,
        "instructions": chat.messages.first().and_then(plain_system),
        "max_output_tokens": sampling.max_output_tokens,
        "max_tool_calls": extra("max_tool_calls"),
        "model": asked.model,
        "output": [],
        "parallel_tool_calls": chat.parallel_tool_calls.unwrap_or(true),
        "previous_response_id": null,
        "prompt_cache_key": extra("prompt_cache_key"),
        "reasoning": reasoning(chat),
        "safety_identifier": extra("safety_identifier"),
        "service_tier": chat.service_tier,
        // Nothing is kept: the provider may have no such thing, and the gateway does not.
        "store": false,
        "temperature": sampling.temperature,
        "text": text(chat),
        "tool_choice": tools::write_choice(chat).unwrap_or_else(|| json!("auto")),
        "tools": tools,
        "top_logprobs": sampling.top_logprobs.unwrap_or(0),
        "top_p": sampling.top_p,
        "truncation": chat.extra.get("truncation").cloned().unwrap_or_else(|| json!("disabled")),
        "usage": null,
        "user": chat.user,
        "metadata": chat.metadata,
    });
    match document {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn reasoning(chat: &Chat) -> Value {
    let reasoning = chat.reasoning.as_ref();
    let effort = reasoning.and_then(|reasoning| reasoning.effort());
    let effort = effort.map(|effort| effort.label());
    json!({ "effort": effort, "summary": reasoning.and_then(request::summary) })
}

fn text(chat: &Chat) -> Value {
    let format = chat.output.as_ref().map(request::format);
    let mut members = Map::new();
    members.insert("format".to_owned(), format.unwrap_or_else(|| json!({ "type": "text" })));
    if let Some(verbosity) = &chat.verbosity {
        members.insert("verbosity".to_owned(), json!(verbosity));
    }
    Value::Object(members)
}
