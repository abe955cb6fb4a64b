//! The format against fixtures and against the vendor's rules. Fixtures are files; what they follow
//! stands in `SOURCES.md` beside them.

mod answers;
mod fixtures;
mod models;
mod odd;
mod ranks;
mod requests;
mod rules;
mod streams;
mod thinking;

use bytes::Bytes;
use serde_json::Value;
use weir_types::{Dialect, Form, Operation};

use super::BedrockConverse;
use crate::format::{Asked, Format, Target, Written};
use crate::ir::{Chat, Loss, Message, Part, PartBody, Request, Role, Sealed, ToolCall, ToolResult};
use crate::{PathFacts, RequestFault};

const CLAUDE: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
const OWN: Dialect = Dialect::BedrockConverse;
const OTHER: Dialect = Dialect::OpenAiChat;

/// The model that a fixture is meant for, by the first word of its name.
fn model_of(name: &str) -> &'static str {
    match name.split('-').next().unwrap() {
        "opus" => "global.anthropic.claude-opus-4-8",
        "nova" => "us.amazon.nova-2-lite-v1:0",
        "gpt" => "openai.gpt-oss-120b-1:0",
        "llama" => "meta.llama3-3-70b-instruct-v1:0",
        "profile" => {
            "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abcdef123456"
        }
        _ => CLAUDE,
    }
}

fn target(model: &str) -> Target<'_> {
    Target { operation: Operation::Chat, model, known_as: model, vendor: "bedrock" }
}

fn read(body: &Value, operation: Operation) -> Request {
    let body = Bytes::from(body.to_string());
    BedrockConverse.read_request(&body, &PathFacts::of(operation)).unwrap()
}

fn json(written: &Written) -> Value {
    serde_json::from_slice(&written.body).unwrap()
}

fn try_write(chat: &Chat, model: &str) -> Result<Written, RequestFault> {
    BedrockConverse.write_request(&Request::Chat(Box::new(chat.clone())), &target(model))
}

/// The body that `chat` is for `model`, and the members that are lost.
fn write(chat: &Chat, model: &str) -> (Value, Vec<String>) {
    let written = try_write(chat, model).unwrap();
    (json(&written), members(written.losses.iter()))
}

fn members<'a>(losses: impl Iterator<Item = &'a Loss>) -> Vec<String> {
    losses.map(|loss| loss.member.to_string()).collect()
}

/// A conversation in another format.
fn chat(messages: Vec<Message>) -> Chat {
    Chat { messages, ..Chat::new(OTHER) }
}

fn said(role: Role, parts: Vec<Part>) -> Message {
    Message { role, parts, name: None }
}

fn user(text: &str) -> Message {
    said(Role::User, vec![Part::text(text)])
}

fn call(id: &str, name: &str, arguments: &str) -> Part {
    Part::new(PartBody::ToolCall(ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: arguments.to_owned(),
        is_custom: false,
        signature: None,
    }))
}

fn result(id: &str, parts: Vec<Part>) -> Part {
    let call_id = id.to_owned();
    Part::new(PartBody::ToolResult(ToolResult { call_id, name: None, parts, is_error: None }))
}

fn sealed(origin: Dialect, data: &str) -> Sealed {
    Sealed { origin, data: data.to_owned() }
}

fn asked(request: &Request) -> Asked<'_> {
    Asked {
        operation: Operation::Chat,
        form: Form::Usual,
        model: "m",
        request,
        now: 1,
        id: "req-1",
    }
}
