//! Every fixture is read and written again; what the vendor's rules and the known traps ask for has
//! a test of its own in the files beside.

mod answers;
mod requests;
mod rules;
mod streams;

use std::path::PathBuf;

use bytes::Bytes;
use serde_json::Value;
use weir_types::{Dialect, Form, Operation};

use super::CohereChat;
use crate::format::{Asked, Format, Target};
use crate::ir::{self, Chat, Message, Part, PartBody, Role};
use crate::peek::PathFacts;

/// The files of one group, by name.
fn fixtures(group: &str) -> Vec<(String, Bytes)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/cohere_chat").join(group);
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, Bytes::from(std::fs::read(path).unwrap()))
        })
        .collect();
    files.sort();
    files
}

fn fixture(group: &str, name: &str) -> Bytes {
    fixtures(group).into_iter().find(|(other, _)| other == name).unwrap().1
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

/// The operation that a fixture's name says; chat if it says none.
fn operation(name: &str) -> Operation {
    match name.split('-').next() {
        Some("embed") => Operation::Embedding,
        Some("rerank") => Operation::Rerank,
        Some("tokenize") => Operation::CountTokens,
        _ => Operation::Chat,
    }
}

fn read(operation: Operation, body: &Bytes) -> ir::Request {
    CohereChat.read_request(body, &PathFacts::of(operation)).unwrap()
}

fn target(model: &str) -> Target<'_> {
    Target { operation: Operation::Chat, model, known_as: model, vendor: "cohere" }
}

fn asked<'a>(operation: Operation, request: &'a ir::Request) -> Asked<'a> {
    Asked {
        operation,
        form: Form::Usual,
        model: "cohere/command-a",
        request,
        now: 1_700_000_000,
        id: "req-1",
    }
}

/// A turn of another format's client.
fn foreign(messages: Vec<Message>) -> Chat {
    Chat { messages, ..Chat::new(Dialect::OpenAiChat) }
}

fn says(role: Role, bodies: Vec<PartBody>) -> Message {
    Message { role, parts: bodies.into_iter().map(Part::new).collect(), name: None }
}

fn words(text: &str) -> PartBody {
    PartBody::Text { text: text.to_owned(), annotations: Vec::new() }
}

/// The request as Cohere gets it, and what it lacks.
fn written(chat: Chat) -> (Value, Vec<String>) {
    let request = ir::Request::Chat(Box::new(chat));
    let written = CohereChat.write_request(&request, &target("command-a")).unwrap();
    let losses = written.losses.iter().map(|loss| loss.member.to_string()).collect();
    (json(&written.body), losses)
}

fn refused(chat: Chat) -> String {
    let request = ir::Request::Chat(Box::new(chat));
    let fault = CohereChat.write_request(&request, &target("command-a")).unwrap_err();
    fault.param.unwrap_or_default().into_owned()
}
