//! The format against its fixtures, and its rules one by one.

mod answers;
mod embeddings;
mod ranks;
mod requests;
mod streams;

use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use serde_json::Value;
use weir_types::{Dialect, Form, Operation};

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
    Target { operation, model, known_as: model, vendor }
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
    Asked { operation, form: Form::Usual, model: MODEL, request, now: 1_700_000_000, id: "req-1" }
}

/// `document` with one of its values after the other put in place of what stands there.
fn mangled(document: &Value) -> Vec<Value> {
    fn places(value: &Value, at: &str, out: &mut Vec<String>) {
        out.push(at.to_owned());
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    places(value, &format!("{at}/{}", name.replace('/', "~1")), out);
                }
            }
            Value::Array(list) => {
                for (index, value) in list.iter().enumerate() {
                    places(value, &format!("{at}/{index}"), out);
                }
            }
            _ => {}
        }
    }
    let mut all = Vec::new();
    places(document, "", &mut all);
    let odd = [Value::Null, Value::from(-7), Value::from("é")];
    let odd =
        odd.into_iter().chain([Value::Array(vec![Value::Null]), serde_json::json!({"a": {}})]);
    let odd: Vec<_> = odd.collect();
    let mut out = Vec::new();
    for place in &all {
        for value in &odd {
            let mut copy = document.clone();
            if let Some(inside) = copy.pointer_mut(place) {
                *inside = value.clone();
                out.push(copy);
            }
        }
    }
    out
}

#[test]
fn nothing_that_is_read_can_break_a_reader_or_a_writer() {
    for (_, bytes) in fixtures("requests") {
        for body in mangled(&json(&bytes)) {
            for operation in [Operation::Chat, Operation::CountTokens, Operation::Embedding] {
                let Ok(request) = read(operation, &body) else { continue };
                for vendor in ["gemini", "vertex"] {
                    let target = target(operation, "gemini-3-flash", vendor);
                    drop(GeminiGenerate.write_request(&request, &target));
                }
            }
        }
    }
    let request = Request::Chat(Box::new(other(Vec::new())));
    for (_, bytes) in fixtures("answers").into_iter().chain(fixtures("errors")) {
        for body in mangled(&json(&bytes)) {
            let body = body.to_string();
            drop(GeminiGenerate.observe_answer(body.as_bytes()));
            drop(GeminiGenerate.read_error(body.as_bytes()));
            drop(GeminiGenerate.read_models(body.as_bytes()));
            for operation in [Operation::Chat, Operation::CountTokens, Operation::Embedding] {
                if let Ok(answer) = GeminiGenerate.read_answer(operation, body.as_bytes()) {
                    let asked = asked(&request, operation);
                    drop(GeminiGenerate.write_answer(&answer, &asked));
                }
            }
            let data = Some(std::borrow::Cow::Borrowed(body.as_bytes()));
            let frame = weir_framing::Frame { raw: b"", name: b"", data, is_exception: false };
            let (mut reader, mut events) = (GeminiGenerate.stream_reader().unwrap(), Vec::new());
            for _ in 0..2 {
                let _ = reader.read(&frame, &mut events);
            }
            let _ = reader.finish(&mut events);
            let asked = asked(&request, Operation::Chat);
            let mut writer = GeminiGenerate.stream_writer(&asked).unwrap();
            let mut out = weir_framing::Writer::new(weir_framing::Framing::Sse);
            events.into_iter().for_each(|event| writer.write(event, &mut out));
            for depth in [crate::format::Depth::Full, crate::format::Depth::Skim] {
                drop(GeminiGenerate.observe(&frame, depth));
            }
        }
    }
}
