//! What is read is written again with the same meaning; and the traps of wire formats, one by one.

mod answers;
mod requests;
mod streams;
mod streams_written;
mod translated;

use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::Value;
use weir_types::{Dialect, Form, Operation};

use super::OpenAiChat;
use crate::format::{Asked, Format, Target, Written};
use crate::ir::{Chat, Request};
use crate::peek::PathFacts;

const FORMAT: OpenAiChat = OpenAiChat;

/// Where the fixtures of a kind are.
fn folder(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/openai_chat").join(kind)
}

/// Name and content of every fixture of a kind.
fn fixtures(kind: &str) -> Vec<(String, Bytes)> {
    let mut paths: Vec<_> =
        std::fs::read_dir(folder(kind)).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let name = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
    paths.iter().map(|path| (name(path), std::fs::read(path).unwrap().into())).collect()
}

/// What is written of the fixture: it may have a form of its own.
fn written_form(kind: &str, name: &str, body: &Bytes) -> Value {
    let own = std::fs::read(folder(&format!("{kind}_written")).join(format!("{name}.json")));
    serde_json::from_slice(own.as_deref().unwrap_or(body)).unwrap()
}

fn operation(name: &str) -> Operation {
    match name.split('-').next().unwrap() {
        "embedding" => Operation::Embedding,
        "rerank" => Operation::Rerank,
        _ => Operation::Chat,
    }
}

/// Fixtures of a host are named after it.
fn vendor(name: &str) -> &str {
    let hosts = ["openrouter", "vllm", "gemini"];
    let is_of = |host: &&str| name.split('-').any(|word| word == *host);
    hosts.into_iter().find(is_of).unwrap_or("openai")
}

fn read(body: &[u8], operation: Operation) -> Request {
    FORMAT.read_request(&Bytes::copy_from_slice(body), &PathFacts::of(operation)).unwrap()
}

fn model(request: &Request) -> String {
    match request {
        Request::Chat(chat) | Request::CountTokens(chat) => chat.model.clone(),
        Request::Embedding(embedding) => embedding.model.clone(),
        Request::Rerank(rerank) => rerank.model.clone(),
    }
}

fn write_for(request: &Request, vendor: &str) -> Written {
    let model = model(request);
    let target = Target { operation: Operation::Chat, model: &model, known_as: &model, vendor };
    FORMAT.write_request(request, &target).unwrap()
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

fn members(written: &Written) -> Vec<&str> {
    written.losses.iter().map(|loss| loss.member.as_ref()).collect()
}

fn plain_request() -> Request {
    Request::Chat(Box::new(Chat::new(Dialect::OpenAiChat)))
}

fn asked(request: &Request) -> Asked<'_> {
    let operation = match request {
        Request::Embedding(_) => Operation::Embedding,
        Request::Rerank(_) => Operation::Rerank,
        _ => Operation::Chat,
    };
    Asked {
        operation,
        form: Form::Usual,
        model: "p/m",
        request,
        now: 1_760_000_000,
        id: "0192-abcd",
    }
}
