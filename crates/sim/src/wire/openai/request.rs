//! Request bodies of the OpenAI format, read as far as an answer depends on them.
//!
//! Messages, prompts and inputs stay raw JSON until somebody needs a part of them. The first member
//! that OpenAI would not know is remembered.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Asked, Route, embedding, error, messages, rerank, tools};
use crate::ask::{Ask, Chat, Choice, LastWords, Task, Words};
use crate::refusal::Refusal;

/// Members that are known and of no use here.
const CHAT: &[&str] = &[
    "audio",
    "function_call",
    "functions",
    "logit_bias",
    "logprobs",
    "metadata",
    "modalities",
    "moderation",
    "prediction",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning_effort",
    "safety_identifier",
    "seed",
    "service_tier",
    "stop",
    "store",
    "top_logprobs",
    "user",
    "verbosity",
    "web_search_options",
];
const COMPLETION: &[&str] =
    &["best_of", "echo", "logit_bias", "logprobs", "seed", "stop", "suffix", "user"];
const EMBEDDINGS: &[&str] = &["user"];
const RERANK: &[&str] = &["max_tokens_per_doc", "rank_fields", "truncate_prompt_tokens", "user"];

/// The members of all bodies.
#[derive(Debug, Default)]
pub(super) struct Request<'a> {
    model: Option<Cow<'a, str>>,
    messages: Option<&'a RawValue>,
    prompt: Option<&'a RawValue>,
    input: Option<&'a RawValue>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    tools: Option<&'a RawValue>,
    tool_choice: Option<&'a RawValue>,
    response_format: Option<&'a RawValue>,
    parallel_tool_calls: Option<bool>,
    n: Option<u32>,
    max_tokens: Option<usize>,
    max_completion_tokens: Option<usize>,
    pub(super) dimensions: Option<usize>,
    pub(super) encoding_format: Option<Cow<'a, str>>,
    pub(super) query: Option<Cow<'a, str>>,
    pub(super) documents: Option<&'a RawValue>,
    pub(super) top_n: Option<usize>,
    pub(super) return_documents: Option<bool>,
    /// The first member that OpenAI does not know.
    pub(super) unknown: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: Option<bool>,
}

/// Text that is borrowed where it can be.
#[derive(Deserialize)]
struct Str<'a>(#[serde(borrow)] Cow<'a, str>);

/// Choices of one answer.
const CHOICES_MAX: u32 = 16;

impl<'a> Request<'a> {
    /// Reads a body and checks that the members which the route cannot do without are there.
    ///
    /// # Errors
    /// The 400 that OpenAI would answer.
    pub(super) fn parse(body: &'a [u8], route: &Route<'_>) -> Result<Self, Refusal> {
        let mut json = serde_json::Deserializer::from_slice(body);
        let read = serde::Deserializer::deserialize_map(&mut json, Members(route.asked));
        let request = read.and_then(|request| json.end().map(|()| request)).map_err(|error| {
            if error.is_data() {
                return Refusal::bad_request(error.to_string()).with_code("invalid_type");
            }
            let why = format!("We could not parse the JSON body of your request: {error}");
            Refusal::bad_request(why)
        })?;
        if route.model.is_empty() && request.model.as_deref().is_none_or(str::is_empty) {
            return Err(error::missing("model"));
        }
        let (member, value) = match route.asked {
            Asked::Completion => ("prompt", request.prompt),
            Asked::Embeddings => ("input", request.input),
            Asked::Rerank => ("documents", request.documents),
            _ => ("messages", request.messages),
        };
        let value = value.ok_or_else(|| error::missing(member))?;
        if route.asked == Asked::Chat && !value.get().starts_with('[') {
            return Err(Refusal::bad_member(member, "expected an array of messages"));
        }
        if !(1..=CHOICES_MAX).contains(&request.n.unwrap_or(1)) {
            return Err(Refusal::bad_member("n", "expected a number from 1 to 16"));
        }
        if request.stream_options.is_some() && request.stream != Some(true) {
            let why = "the 'stream_options' parameter is only allowed when 'stream' is enabled";
            return Err(Refusal::bad_member("stream_options", why));
        }
        Ok(request)
    }

    /// What the body asks for.
    ///
    /// # Errors
    /// The 400 for members that make no sense.
    pub(super) fn ask(self, route: &Route<'a>) -> Result<Ask<'a>, Refusal> {
        let task = match route.asked {
            Asked::Embeddings => Task::Embed(embedding::read(&self)?),
            Asked::Rerank => Task::Rerank(rerank::read(&self)?),
            _ => Task::Chat(self.chat(route)?),
        };
        let path_names_it = !route.model.is_empty();
        let model =
            if path_names_it { route.model.clone() } else { self.model.unwrap_or_default() };
        Ok(Ask { model, stream: self.stream.unwrap_or(false), task })
    }

    /// The text that stands for the whole question: what decides the answer and its price.
    pub(super) fn question(&self) -> &'a str {
        self.messages.or(self.prompt).or(self.input).map_or("", RawValue::get)
    }

    fn chat(&self, route: &Route<'_>) -> Result<Chat<'a>, Refusal> {
        let question = self.question();
        let words = match route.asked {
            Asked::Completion => Words::Unread(question, |raw| {
                Ok(LastWords { user: messages::text_of(raw), after_tool: false })
            }),
            _ => Words::Unread(question, messages::last_words),
        };
        self.refuse_old_limit(route)?;
        let (tools, choice) = match self.tools {
            Some(raw) => tools::read(raw.get(), self.tool_choice.map(RawValue::get))?,
            None if self.tool_choice.is_some() => {
                let why = "'tool_choice' is only allowed when 'tools' are specified";
                return Err(Refusal::bad_member("tool_choice", why));
            }
            None if self.parallel_tool_calls.is_some() => {
                let why = "'parallel_tool_calls' is only allowed when 'tools' are specified";
                return Err(Refusal::bad_member("parallel_tool_calls", why));
            }
            None => (Vec::new(), Choice::Auto),
        };
        Ok(Chat {
            tools,
            choice,
            parallel: self.parallel_tool_calls.unwrap_or(true),
            form: self.response_format.and_then(|raw| form(&serde_json::from_str(raw.get()).ok()?)),
            tokens_max: self.max_completion_tokens.or(self.max_tokens),
            choices: self.n.unwrap_or(1),
            usage: self.stream_options.and_then(|o| o.include_usage).unwrap_or(false),
            ..Chat::new(question.into(), words)
        })
    }

    /// Models that reason take only the newer name of the limit.
    fn refuse_old_limit(&self, route: &Route<'_>) -> Result<(), Refusal> {
        let model = self.model.as_deref().unwrap_or_default();
        let reasons = ["o1", "o3", "o4", "gpt-5"].iter().any(|start| model.starts_with(start));
        if route.asked != Asked::Chat || self.max_tokens.is_none() || !reasons {
            return Ok(());
        }
        let message = "Unsupported parameter: 'max_tokens' is not supported with this model. Use \
                       'max_completion_tokens' instead.";
        let refusal = Refusal::bad_request(message).with_code("unsupported_parameter");
        Err(refusal.about("max_tokens"))
    }
}

/// What the answer must look like, if not like words.
pub(super) fn form(format: &Value) -> Option<Value> {
    let kind = format.get("type").and_then(Value::as_str);
    let schema = format.pointer("/json_schema/schema");
    let is_json = matches!(kind, Some("json_schema" | "json_object"));
    is_json.then(|| schema.cloned().unwrap_or(Value::Null))
}

/// Reads the members of a body.
struct Members(Asked);

impl<'de> Visitor<'de> for Members {
    type Value = Request<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Request<'de>, M::Error> {
        let (mut to, asked) = (Request::default(), self.0);
        let (chat, text) = (asked == Asked::Chat, matches!(asked, Asked::Chat | Asked::Completion));
        while let Some(Str(key)) = map.next_key::<Str<'de>>()? {
            match &*key {
                "model" => to.model = value::<_, Option<Str<'de>>>(&mut map, &key)?.map(|s| s.0),
                "messages" if chat => to.messages = value(&mut map, &key)?,
                "stream" if text => to.stream = value(&mut map, &key)?,
                "stream_options" if text => to.stream_options = value(&mut map, &key)?,
                "tools" if chat => to.tools = value(&mut map, &key)?,
                "tool_choice" if chat => to.tool_choice = value(&mut map, &key)?,
                "response_format" if chat => to.response_format = value(&mut map, &key)?,
                "parallel_tool_calls" if chat => to.parallel_tool_calls = value(&mut map, &key)?,
                "n" if text => to.n = value(&mut map, &key)?,
                "max_tokens" if text => to.max_tokens = value(&mut map, &key)?,
                "max_completion_tokens" if chat => {
                    to.max_completion_tokens = value(&mut map, &key)?;
                }
                "temperature" if text => number(&mut map, &key, 0.0, 2.0)?,
                "top_p" if text => number(&mut map, &key, 0.0, 1.0)?,
                "frequency_penalty" | "presence_penalty" if text => {
                    number(&mut map, &key, -2.0, 2.0)?;
                }
                "prompt" if asked == Asked::Completion => to.prompt = value(&mut map, &key)?,
                "input" if asked == Asked::Embeddings => to.input = value(&mut map, &key)?,
                "dimensions" if asked == Asked::Embeddings => {
                    to.dimensions = value(&mut map, &key)?;
                }
                "encoding_format" if asked == Asked::Embeddings => {
                    to.encoding_format = value::<_, Option<Str<'de>>>(&mut map, &key)?.map(|s| s.0);
                }
                "query" if asked == Asked::Rerank => {
                    to.query = value::<_, Option<Str<'de>>>(&mut map, &key)?.map(|s| s.0);
                }
                "documents" if asked == Asked::Rerank => to.documents = value(&mut map, &key)?,
                "top_n" if asked == Asked::Rerank => to.top_n = value(&mut map, &key)?,
                "return_documents" if asked == Asked::Rerank => {
                    to.return_documents = value(&mut map, &key)?;
                }
                other => {
                    if to.unknown.is_none() && !others(asked).contains(&other) {
                        to.unknown = Some(other.to_owned());
                    }
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(to)
    }
}

fn others(asked: Asked) -> &'static [&'static str] {
    match asked {
        Asked::Completion => COMPLETION,
        Asked::Embeddings => EMBEDDINGS,
        Asked::Rerank => RERANK,
        _ => CHAT,
    }
}

fn value<'de, M: MapAccess<'de>, T: Deserialize<'de>>(
    map: &mut M,
    key: &str,
) -> Result<T, M::Error> {
    map.next_value().map_err(|error| M::Error::custom(format!("Invalid type for '{key}': {error}")))
}

fn number<'de, M: MapAccess<'de>>(
    map: &mut M,
    key: &str,
    low: f64,
    high: f64,
) -> Result<(), M::Error> {
    let number: Option<f64> = value(map, key)?;
    if number.is_none_or(|number| (low..=high).contains(&number)) {
        return Ok(());
    }
    Err(M::Error::custom(format!("Invalid '{key}': expected a number from {low} to {high}")))
}
