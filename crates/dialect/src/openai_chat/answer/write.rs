//! Writes whole answers.

use serde_json::{Map, Value, json};
use weir_types::Dialect;

use crate::custom;
use crate::fault::AnswerFault;
use crate::format::{Asked, Written};
use crate::ir::{
    Answer, ChatAnswer, Choice, Losses, Media, PartBody, Request, Source, Thinking, block_name,
};
use crate::json;
use crate::openai_chat::finish::{self, Holds};
use crate::openai_chat::{call, citation, embedding, reasoning, rerank, usage};

/// Members of the answer itself that other hosts of this format have, and clients know.
const KEPT: &[&str] = &["system_fingerprint", "citations", "search_results", "moderation"];

/// Counts and times that providers tell beside those that every format has.
const MEASURES: &[&str] = &["usage", "metrics"];

/// Writes an answer.
pub(in crate::openai_chat) fn write(
    answer: &Answer,
    asked: &Asked<'_>,
) -> Result<Written, AnswerFault> {
    match answer {
        Answer::Chat(answer) => Ok(chat(answer, asked)),
        Answer::Embedding(answer) => Ok(embedding::write_answer(answer, asked)),
        Answer::Rerank(answer) => Ok(rerank::write_answer(answer, asked)),
        Answer::Tokens(_) => Err(AnswerFault::untranslatable(Dialect::OpenAiChat, asked.operation)),
    }
}

fn chat(answer: &ChatAnswer, asked: &Asked<'_>) -> Written {
    let mut losses = Losses::default();
    let choices: Vec<_> =
        answer.choices.iter().map(|one| choice(one, asked, &mut losses)).collect();
    let mut document = Map::new();
    let mut put = |name: &str, value: Value| document.insert(name.to_owned(), value);
    put("id", json!(answer_id(&answer.id, asked)));
    put("object", json!("chat.completion"));
    put("created", json!(answer.created.unwrap_or(asked.now)));
    put("model", json!(if answer.model.is_empty() { asked.model } else { &answer.model }));
    put("choices", json!(choices));
    if !answer.usage.is_empty() {
        put("usage", usage::write(&answer.usage));
    }
    if let Some(tier) = &answer.service_tier {
        put("service_tier", json!(tier));
    }
    for (name, value) in &answer.extra {
        if KEPT.contains(&name.as_str()) {
            put(name, value.clone());
        } else if !MEASURES.contains(&name.as_str()) {
            losses.add(name.clone(), "the client's format has no such member");
        }
    }
    Written { body: json::object(&document), losses }
}

/// The provider's id, or one made of the request's.
pub(in crate::openai_chat) fn answer_id(id: &str, asked: &Asked<'_>) -> String {
    if id.is_empty() { format!("chatcmpl-{}", asked.id) } else { id.to_owned() }
}

/// Whether the client reads `function_call`.
pub(in crate::openai_chat) fn is_legacy(asked: &Asked<'_>) -> bool {
    matches!(asked.request, Request::Chat(chat) if chat.legacy_functions)
}

fn choice(choice: &Choice, asked: &Asked<'_>, losses: &mut Losses) -> Value {
    let custom = custom::names(asked.request);
    let mut said = Said { choice: choice.index, custom: &custom, ..Said::default() };
    for part in &choice.parts {
        said.part(&part.body, asked, losses);
    }
    let legacy = is_legacy(asked);
    let holds = Holds { calls: !said.calls.is_empty(), refusal: !said.refusal.is_empty(), legacy };
    let has_text = choice.finish.as_ref().is_some_and(|finish| finish.stop_sequence.is_some());
    losses.add_if(has_text, "stop_sequence", finish::NO_TEXT);
    let reason = match &choice.finish {
        Some(finish) => finish::write(&finish.reason, holds),
        None => finish::write(&crate::ir::FinishReason::Stop, holds),
    };
    json!({
        "index": choice.index,
        "message": said.message(legacy, losses),
        "logprobs": choice.logprobs,
        "finish_reason": reason,
    })
}

/// What a choice says, sorted into the members of a message.
#[derive(Default)]
struct Said<'a> {
    choice: u32,
    /// The client's tools that take plain text.
    custom: &'a [String],
    text: Option<String>,
    annotations: Vec<Value>,
    refusal: String,
    thoughts: Vec<&'a Thinking>,
    calls: Vec<Value>,
    images: Vec<Value>,
    audio: Option<Value>,
}

impl<'a> Said<'a> {
    fn part(&mut self, body: &'a PartBody, asked: &Asked<'_>, losses: &mut Losses) {
        match body {
            PartBody::Text { text, annotations } => {
                let all = self.text.get_or_insert_default();
                let offset = all.chars().count();
                all.push_str(text);
                for annotation in annotations {
                    let moved = citation::moved(annotation, offset);
                    losses.add_if(moved.is_none(), "citations", citation::NOT_OF_THE_WEB);
                    self.annotations.extend(moved);
                }
            }
            PartBody::Refusal(words) => self.refusal.push_str(words),
            PartBody::Thinking(block) => self.thoughts.push(block),
            PartBody::ToolCall(called) => {
                let made = || call::made_id(asked.id, self.choice, self.calls.len());
                let id = if called.id.is_empty() { made() } else { called.id.clone() };
                let called = call::for_client(called, self.custom);
                self.calls.push(call::write(&called, &id, true));
            }
            PartBody::Image(image) => match image.source.to_url() {
                Some(url) => self.images.push(picture(&url)),
                None => losses.add("image", "an image that only its provider can show"),
            },
            PartBody::Audio(sound) => match sound {
                Media { source: Source::Base64 { data, .. }, .. } => {
                    self.audio = Some(json!({
                        "id": format!("audio_{}", asked.id),
                        "data": data,
                        // OpenAI's sound can be referred to for an hour; this cannot at all.
                        "expires_at": asked.now,
                        "transcript": "",
                    }));
                }
                _ => losses.add("audio", "sound that only its provider can play"),
            },
            PartBody::Json(value) => {
                self.text.get_or_insert_default().push_str(&value.to_string());
            }
            PartBody::Document(_) | PartBody::Video(_) | PartBody::ToolResult(_) => {
                losses.add("content", "a block that answers of the target do not have");
            }
            PartBody::Foreign { raw, .. } => {
                losses
                    .add(block_name(raw).to_owned(), "a block that only the source's clients know");
            }
        }
    }

    fn message(self, legacy: bool, losses: &mut Losses) -> Value {
        let mut message = Map::new();
        let mut put = |name: &str, value: Value| message.insert(name.to_owned(), value);
        put("role", json!("assistant"));
        put("content", json!(self.text));
        put("refusal", json!(Some(self.refusal).filter(|words| !words.is_empty())));
        if let Some(words) = reasoning::words(self.thoughts.iter().copied()) {
            // Clients of one family of hosts know the one name, clients of another the other.
            put("reasoning_content", json!(words));
            put("reasoning", json!(words));
        }
        if !self.thoughts.is_empty() {
            let details = self.thoughts.iter().enumerate();
            let details = details.map(|(at, block)| reasoning::detail(block, at));
            put("reasoning_details", details.collect());
        }
        if !self.annotations.is_empty() {
            put("annotations", Value::Array(self.annotations));
        }
        if !self.images.is_empty() {
            put("images", Value::Array(self.images));
        }
        if let Some(audio) = self.audio {
            put("audio", audio);
        }
        if legacy {
            losses.add_if(
                self.calls.len() > 1,
                "tool_calls",
                "the client takes one call at a time",
            );
            if let Some(function) = self.calls.first().and_then(|called| called.get("function")) {
                put("function_call", function.clone());
            }
        } else if !self.calls.is_empty() {
            put("tool_calls", Value::Array(self.calls));
        }
        Value::Object(message)
    }
}

/// An image as OpenRouter gives those that models make.
pub(in crate::openai_chat) fn picture(url: &str) -> Value {
    json!({"type": "image_url", "image_url": {"url": url}})
}
