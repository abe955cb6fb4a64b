//! Fixtures of this format, read and written; what the other formats' side needs is built here.

mod answers;
mod errors;
mod odd;
mod requests;
mod streams;

use std::path::PathBuf;

use bytes::Bytes;
use serde_json::Value;
use weir_types::{Dialect, Form, Operation};

use super::OpenAiResponses;
use crate::format::{Asked, Format, Target};
use crate::ir::{Chat, Message, Part, PartBody, Request, Role, ToolCall};
use crate::peek::PathFacts;

const FORMAT: OpenAiResponses = OpenAiResponses;

/// The fixtures of one folder: name without ending, content.
fn fixtures(folder: &str) -> Vec<(String, Bytes)> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/openai_responses");
    let mut all: Vec<_> = std::fs::read_dir(root.join(folder))
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, Bytes::from(std::fs::read(path).unwrap()))
        })
        .collect();
    all.sort();
    all
}

fn fixture(folder: &str, wanted: &str) -> Bytes {
    let found = fixtures(folder).into_iter().find(|(name, _)| name == wanted);
    found.unwrap_or_else(|| panic!("no fixture {folder}/{wanted}")).1
}

fn value(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

fn read_request(body: &Bytes) -> Request {
    FORMAT.read_request(body, &PathFacts::of(Operation::Responses)).unwrap()
}

fn chat(body: &Value) -> Chat {
    match read_request(&Bytes::from(body.to_string())) {
        Request::Chat(chat) => *chat,
        other => panic!("{other:?}"),
    }
}

fn target(model: &str) -> Target<'_> {
    Target { operation: Operation::Responses, model, known_as: model, vendor: "openai" }
}

fn asked(request: &Request) -> Asked<'_> {
    let operation = Operation::Responses;
    Asked {
        operation,
        form: Form::Usual,
        model: "openai/gpt-5.1",
        request,
        now: 1_700_000_000,
        id: "req-1",
    }
}

/// A request of the format `source` that says `parts` as the user.
fn foreign(source: Dialect, messages: Vec<Message>) -> Chat {
    Chat { messages, ..Chat::new(source) }
}

fn message(role: Role, parts: Vec<Part>) -> Message {
    Message { role, parts, name: None }
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
