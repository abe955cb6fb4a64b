//! The format against its fixtures, and its rules one by one.

mod answers;
mod embeddings;
mod requests;
mod streams;

use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use serde_json::Value;
use weir_types::{Dialect, Operation};

use super::GeminiGenerate;
use crate::fault::RequestFault;
use crate::format::{Asked, Format, Target, Written};
use crate::ir::{Chat, Message, Part, PartBody, Request, Role, ToolCall, ToolResult};
use crate::peek::PathFacts;

const MODEL: &str = "gemini-2.5-flash";

/// Every fixture of `kind`: its name and its bytes.
fn fixtures(kind: &str) -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/gemini_generate");
    let files = fs::read_dir(folder.join(kind)).unwrap();
    let mut files: Vec<_> = files
        .map(|file| {
            let path = file.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, fs::read(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

fn path(operation: Operation) -> PathFacts<'static> {
    PathFacts { operation, model: Some(MODEL), stream: Some(false) }
}

fn read(operation: Operation, body: &Value) -> Result<Request, RequestFault> {
    let body = Bytes::from(body.to_string());
    GeminiGenerate.read_request(&body, &path(operation))
}

fn target(operation: Operation, model: &'static str, vendor: &'static str) -> Target<'static> {
    Target { operation, model, vendor }
}

/// Writes a conversation for `model` of the Gemini API.
fn write(chat: &Chat, model: &'static str) -> Result<(Value, Vec<String>), RequestFault> {
    let request = Request::Chat(Box::new(chat.clone()));
    let written =
        GeminiGenerate.write_request(&request, &target(Operation::Chat, model, "gemini"))?;
    Ok(split(&written))
}

fn split(written: &Written) -> (Value, Vec<String>) {
    let losses = written.losses.iter().map(|loss| loss.member.to_string()).collect();
    (json(&written.body), losses)
}

/// A conversation that another format has read.
fn other(messages: Vec<(Role, Vec<PartBody>)>) -> Chat {
    let mut chat = Chat::new(Dialect::OpenAiChat);
    chat.messages = messages
        .into_iter()
        .map(|(role, parts)| {
            let parts = parts.into_iter().map(Part::new).collect();
            Message { role, parts, name: None }
        })
        .collect();
    chat
}

fn said(text: &str) -> PartBody {
    Part::text(text).body
}

fn call(id: &str, name: &str, signature: Option<&str>) -> PartBody {
    PartBody::ToolCall(ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: "{}".to_owned(),
        is_custom: false,
        signature: signature.map(|data| super::parts::seal(data.to_owned())),
    })
}

fn result(id: &str, parts: Vec<PartBody>) -> PartBody {
    let parts = parts.into_iter().map(Part::new).collect();
    PartBody::ToolResult(ToolResult { call_id: id.to_owned(), name: None, parts, is_error: None })
}

fn asked(request: &Request, operation: Operation) -> Asked<'_> {
    Asked { operation, model: MODEL, request, now: 1_700_000_000, id: "req-1" }
}
