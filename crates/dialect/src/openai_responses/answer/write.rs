//! Writes a whole answer.

use bytes::Bytes;
use serde_json::{Value, json};
use weir_types::Dialect;

use super::envelope::{Envelope, State};
use super::output;
use crate::custom;
use crate::fault::AnswerFault;
use crate::format::{Asked, Written};
use crate::ir::{Answer, Choice, Finish, Losses, PartBody, Thinking, ToolCall, block_name};
use crate::openai_responses::{content, items};

/// Writes an answer for the client that asked as `asked` says.
pub(in crate::openai_responses) fn write(
    answer: &Answer,
    asked: &Asked<'_>,
) -> Result<Written, AnswerFault> {
    let chat = match answer {
        Answer::Chat(chat) => chat,
        Answer::Tokens(count) => {
            let document = json!({ "object": "response.input_tokens", "input_tokens": count });
            let body = Bytes::from(document.to_string());
            return Ok(Written { body, losses: Losses::default() });
        }
        Answer::Embedding(_) | Answer::Rerank(_) => {
            let operation = asked.operation;
            return Err(AnswerFault::untranslatable(Dialect::OpenAiResponses, operation));
        }
    };
    let mut envelope = Envelope::new(asked);
    envelope.is_of(&chat.model, chat.created);
    if let Some(tier) = &chat.service_tier {
        envelope.is_served_as(tier);
    }
    let mut losses = Losses::default();
    losses.add_if(chat.choices.len() > 1, "choices", "the client's format has one answer only");
    for name in chat.extra.keys() {
        losses.add(name.clone(), "the client's format has no such member");
    }
    let nothing = Choice::default();
    let choice = chat.choices.first().unwrap_or(&nothing);
    let state = State::Ended(choice.finish.as_ref());
    let mut output = Output { envelope: &envelope, items: Vec::new(), losses, said: Vec::new() };
    output.choice(choice);
    output.said(state.item());
    let lost = choice.finish.as_ref().is_some_and(has_stop_text);
    output.losses.add_if(lost, "stop_sequence", "the client's format does not say it");
    let Output { items, losses, .. } = output;
    let document = envelope.document(state, &items, &chat.usage);
    Ok(Written { body: Bytes::from(document.to_string()), losses })
}

fn has_stop_text(finish: &Finish) -> bool {
    finish.stop_sequence.is_some()
}

struct Output<'a> {
    envelope: &'a Envelope,
    items: Vec<Value>,
    losses: Losses,
    /// Content of the message that is being made.
    said: Vec<Value>,
}

impl Output<'_> {
    fn choice(&mut self, choice: &Choice) {
        let mut logprobs = output::logprobs_out(choice.logprobs.as_ref());
        for part in &choice.parts {
            match &part.body {
                PartBody::Text { text, annotations } => {
                    let flat: Vec<_> = annotations.iter().filter_map(content::flat).collect();
                    let is_less = flat.len() < annotations.len();
                    self.losses.add_if(is_less, "annotations", "of a kind that the client lacks");
                    let logprobs = std::mem::take(&mut logprobs);
                    self.said.push(output::text_part(text, &flat, &logprobs));
                }
                PartBody::Refusal(text) => self.said.push(output::refusal(text)),
                other => {
                    self.said("completed");
                    self.item(other);
                }
            }
        }
    }

    /// Texts that follow one another, as one message.
    fn said(&mut self, status: &str) {
        if self.said.is_empty() {
            return;
        }
        let content = std::mem::take(&mut self.said);
        let id = self.id("msg");
        self.items.push(output::message_item(&id, status, &content));
    }

    fn id(&self, prefix: &str) -> String {
        self.envelope.item_id(prefix, self.items.len())
    }

    fn item(&mut self, body: &PartBody) {
        match body {
            PartBody::Thinking(thinking) => self.thinking(thinking),
            PartBody::ToolCall(call) => self.call(call),
            PartBody::Image(image) => {
                let id = self.id("ig");
                let item = output::image_item(&id, &image.source, &mut self.losses);
                self.items.extend(item);
            }
            PartBody::Foreign { dialect: Dialect::OpenAiResponses, raw } => {
                self.items.push(raw.clone());
            }
            PartBody::Foreign { raw, .. } => {
                self.losses
                    .add(block_name(raw).to_owned(), "the client's format has no such block");
            }
            PartBody::Audio(_) => self.lost("audio"),
            PartBody::Video(_) => self.lost("video"),
            PartBody::Document(_) => self.lost("document"),
            PartBody::Json(_) | PartBody::ToolResult(_) => self.lost("tool_result"),
            PartBody::Text { .. } | PartBody::Refusal(_) => {}
        }
    }

    fn lost(&mut self, member: &'static str) {
        self.losses.add(member, "the client's format has no such output");
    }

    fn thinking(&mut self, thinking: &Thinking) {
        let encrypted = items::encrypted(thinking);
        let is_sealed = thinking.signature.is_some() || thinking.redacted.is_some();
        let why = "only its maker can read it";
        self.losses.add_if(is_sealed && encrypted.is_none(), "thinking.signature", why);
        if thinking.text.is_empty() && encrypted.is_none() {
            return;
        }
        let own = thinking.id.clone().filter(|id| id.starts_with("rs_"));
        let id = own.unwrap_or_else(|| self.id("rs"));
        self.items.push(items::reasoning(Some(&id), &thinking.text, encrypted));
    }

    fn call(&mut self, call: &ToolCall) {
        let why = "only its maker can read it";
        self.losses.add_if(call.signature.is_some(), "thinking.signature", why);
        let mut call = call.clone();
        if !call.is_custom && self.envelope.is_custom(&call.name) {
            call.arguments = custom::unwrapped(&call.arguments);
            call.is_custom = true;
        }
        if call.id.is_empty() {
            call.id = self.id("call");
        }
        let id = self.id(if call.is_custom { "ctc" } else { "fc" });
        let status = (!call.is_custom).then_some("completed");
        self.items.push(items::write_call(Some(&id), &call, status));
    }
}
