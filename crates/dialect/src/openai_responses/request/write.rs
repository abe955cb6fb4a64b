//! Writes a request: its members, one by one. Items are written by [`super::items`].

use serde_json::{Map, Value, json};
use weir_types::Dialect;

use super::items::Items;
use super::{INCLUDE_LOGPROBS, STATE};
use crate::fault::RequestFault;
use crate::format::{Target, Written};
use crate::ir::{Chat, Effort, Losses, OutputFormat, Reasoning, Request};
use crate::json;
use crate::openai_responses::tools;

/// Members that chat of the same vendor calls alike and means alike.
const SHARED: [&str; 5] = [
    "moderation",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
];

/// Members of `extra` that are written as part of another member.
const WITHIN: [&str; 4] = ["include", "reasoning", "text", "tool_choice"];

/// What a request for a count may hold.
/// <https://platform.openai.com/docs/api-reference/responses/input-tokens>
const COUNTED: [&str; 12] = [
    "conversation",
    "input",
    "instructions",
    "model",
    "parallel_tool_calls",
    "personality",
    "previous_response_id",
    "reasoning",
    "text",
    "tool_choice",
    "tools",
    "truncation",
];

/// The least `max_output_tokens` that is taken.
/// <https://platform.openai.com/docs/api-reference/responses/create>
const OUTPUT_TOKENS_MIN: u64 = 16;

const NO_MEMBER: &str = "the target has no such member";

/// Writes a request.
pub(in crate::openai_responses) fn write(
    request: &Request,
    target: &Target<'_>,
) -> Result<Written, RequestFault> {
    let (chat, counts) = match request {
        Request::Chat(chat) => (chat, false),
        Request::CountTokens(chat) => (chat, true),
        Request::Embedding(_) | Request::Rerank(_) => {
            let (dialect, operation) = (Dialect::OpenAiResponses, target.operation);
            return Err(RequestFault::unserved(dialect, operation));
        }
    };
    let mut body = Body { members: Map::new(), chat, losses: Losses::default() };
    body.set("model", json!(target.model));
    body.conversation()?;
    body.tools();
    body.sampling();
    body.reasoning();
    body.text();
    body.bookkeeping()?;
    body.extra();
    let Body { mut members, losses, .. } = body;
    if counts {
        members.retain(|name, _| COUNTED.contains(&name.as_str()));
    }
    Ok(Written { body: json::object(&members), losses })
}

struct Body<'a> {
    members: Map<String, Value>,
    chat: &'a Chat,
    losses: Losses,
}

impl Body<'_> {
    fn set(&mut self, name: &str, value: Value) {
        self.members.insert(name.to_owned(), value);
    }

    fn set_some(&mut self, name: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.set(name, value.into());
        }
    }

    fn is_own(&self) -> bool {
        self.chat.source == Dialect::OpenAiResponses
    }

    /// What only this format has inside of the member `name`.
    fn rest_of(&self, name: &str) -> Map<String, Value> {
        match self.chat.extra.get(name).filter(|_| self.is_own()) {
            Some(Value::Object(members)) => members.clone(),
            _ => Map::new(),
        }
    }

    fn conversation(&mut self) -> Result<(), RequestFault> {
        let mut items = Items::write(self.chat, &mut self.losses)?;
        self.set_some("instructions", items.instructions.take());
        // With a kept prompt or an earlier response, there may be nothing new to say.
        let is_kept = self.is_own() && STATE.iter().any(|name| self.chat.extra.contains_key(*name));
        if !(items.input.is_empty() && is_kept) {
            self.set("input", items.input());
        }
        let lost = self.chat.cache.is_some();
        self.losses.add_if(lost, "cache_control", "the target keeps prompts by itself");
        Ok(())
    }

    fn tools(&mut self) {
        if !self.chat.tools.is_empty() {
            let mut list = Vec::with_capacity(self.chat.tools.len());
            for tool in &self.chat.tools {
                list.push(tools::write(tool, self.chat, &mut self.losses));
            }
            self.set("tools", Value::Array(list));
        }
        self.set_some("tool_choice", tools::write_choice(self.chat));
        self.set_some("parallel_tool_calls", self.chat.parallel_tool_calls);
    }

    fn sampling(&mut self) {
        let sampling = &self.chat.sampling;
        let least = if self.is_own() { 0 } else { OUTPUT_TOKENS_MIN };
        let is_less = sampling.max_output_tokens.is_some_and(|most| most < least);
        self.losses.add_if(is_less, "max_tokens", "raised to the least that the target takes");
        self.set_some("max_output_tokens", sampling.max_output_tokens.map(|most| most.max(least)));
        self.set_some("temperature", sampling.temperature.clone().map(Value::Number));
        self.set_some("top_p", sampling.top_p.clone().map(Value::Number));
        self.set_some("top_logprobs", sampling.top_logprobs);
        let mut include = match self.chat.extra.get("include").filter(|_| self.is_own()) {
            Some(Value::Array(entries)) => entries.clone(),
            _ => Vec::new(),
        };
        if sampling.logprobs == Some(true) {
            include.push(json!(INCLUDE_LOGPROBS));
        }
        if !include.is_empty() {
            self.set("include", Value::Array(include));
        }
        let lost = [
            ("top_k", sampling.top_k.is_some()),
            ("frequency_penalty", sampling.frequency_penalty.is_some()),
            ("presence_penalty", sampling.presence_penalty.is_some()),
            ("seed", sampling.seed.is_some()),
            ("stop", !sampling.stop.is_empty()),
            ("logit_bias", sampling.logit_bias.is_some()),
        ];
        for (member, is_lost) in lost {
            self.losses.add_if(is_lost, member, NO_MEMBER);
        }
    }

    fn reasoning(&mut self) {
        let Some(reasoning) = &self.chat.reasoning else { return };
        let mut members = Map::new();
        // Models that do not reason, and older ones that always do, refuse `none`. Clients of this
        // vendor know which they ask; to others "no thinking" is said to every model.
        let is_vendors = self.is_own() || self.chat.source == Dialect::OpenAiChat;
        let effort = reasoning.effort();
        let said = effort.filter(|effort| is_vendors || *effort != Effort::None);
        let is_lost = effort.is_some() && said.is_none();
        self.losses.add_if(is_lost, "reasoning", "not every model of the target can be told so");
        if let Some(effort) = said {
            members.insert("effort".to_owned(), json!(effort.label()));
        }
        if let Some(summary) = summary(reasoning) {
            members.insert("summary".to_owned(), json!(summary));
        }
        members.extend(self.rest_of("reasoning"));
        if !members.is_empty() || self.is_own() {
            self.set("reasoning", Value::Object(members));
        }
    }

    fn text(&mut self) {
        let mut members = Map::new();
        if let Some(output) = &self.chat.output {
            members.insert("format".to_owned(), format(output));
        }
        if let Some(verbosity) = &self.chat.verbosity {
            members.insert("verbosity".to_owned(), json!(verbosity));
        }
        members.extend(self.rest_of("text"));
        if !members.is_empty() {
            self.set("text", Value::Object(members));
        }
    }

    fn bookkeeping(&mut self) -> Result<(), RequestFault> {
        let chat = self.chat;
        let modalities = chat.modalities.iter().map(String::as_str);
        let others: Vec<_> = modalities.filter(|name| *name != "text").collect();
        if !others.is_empty() && others.len() == chat.modalities.len() {
            let text = format!("the target answers in text only, not in {}", others.join(", "));
            return Err(RequestFault::unsupported("modalities", text));
        }
        self.losses.add_if(!others.is_empty(), "modalities", "the target answers in text only");
        if chat.stream {
            self.set("stream", json!(true));
        }
        // Chat keeps nothing unless told to, and this format keeps everything unless told not to.
        let store = if self.is_own() { chat.store } else { chat.store.or(Some(false)) };
        self.set_some("store", store);
        if !chat.metadata.is_empty() {
            let texts = chat.metadata.iter().map(|(name, value)| {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                (name.clone(), Value::String(text))
            });
            let texts = texts.collect();
            self.set("metadata", Value::Object(texts));
        }
        self.set_some("service_tier", chat.service_tier.clone());
        self.set_some("user", chat.user.clone());
        Ok(())
    }

    fn extra(&mut self) {
        let chat = self.chat;
        for (name, value) in &chat.extra {
            let is_taken = if self.is_own() {
                !WITHIN.contains(&name.as_str()) && !name.starts_with(tools::REST)
            } else {
                chat.source == Dialect::OpenAiChat && SHARED.contains(&name.as_str())
            };
            if is_taken {
                self.members.entry(name.clone()).or_insert_with(|| value.clone());
            } else if !self.is_own() {
                self.losses.add(name.clone(), NO_MEMBER);
            }
        }
    }
}

/// How thoughts are to be shown: as the client says, else as this format does by itself where they
/// are to be shown at all.
pub(in crate::openai_responses) fn summary(reasoning: &Reasoning) -> Option<&str> {
    let shown = (reasoning.visible == Some(true)).then_some("auto");
    reasoning.summary.as_deref().or(shown)
}

/// The member `text.format`.
pub(in crate::openai_responses) fn format(output: &OutputFormat) -> Value {
    match output {
        OutputFormat::Text => json!({ "type": "text" }),
        OutputFormat::JsonObject => json!({ "type": "json_object" }),
        OutputFormat::JsonSchema { name, description, schema, strict } => {
            let mut members = Map::new();
            members.insert("type".to_owned(), json!("json_schema"));
            // The name is required here and means nothing.
            let name = name.as_deref().filter(|name| !name.is_empty()).unwrap_or("answer");
            members.insert("name".to_owned(), json!(name));
            if let Some(description) = description {
                members.insert("description".to_owned(), json!(description));
            }
            members.insert("schema".to_owned(), schema.clone());
            if let Some(strict) = strict {
                members.insert("strict".to_owned(), json!(strict));
            }
            Value::Object(members)
        }
    }
}
