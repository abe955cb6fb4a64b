//! Every fixture, there and back, and what all tests of this format share.

mod answers;
mod rules;
mod streams;

use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use serde_json::Value;
use weir_types::{Dialect, Form, Operation};

use super::AnthropicMessages;
use crate::format::{Asked, Format, Target, Written};
use crate::ir::{Chat, Request};
use crate::peek::PathFacts;

/// Fixtures of which the vendor's rules leave something else.
const BENT: [&str; 4] = [
    "trap-06-text-before-result",
    "trap-15-thinking-and-forced-tool",
    "trap-16-budget-to-adaptive",
    "trap-28-five-marks",
];

/// The files of a folder, by name without its end.
fn fixtures(folder: &str) -> Vec<(String, Vec<u8>)> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/anthropic_messages");
    let mut files: Vec<_> = fs::read_dir(root.join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, fs::read(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

fn fixture(folder: &str, name: &str) -> Vec<u8> {
    fixtures(folder).into_iter().find(|(found, _)| found == name).unwrap().1
}

fn operation(name: &str) -> Operation {
    if name.starts_with("count") { Operation::CountTokens } else { Operation::Chat }
}

fn read_request(name: &str, body: &[u8]) -> Request {
    let path = PathFacts::of(operation(name));
    AnthropicMessages.read_request(&Bytes::copy_from_slice(body), &path).unwrap()
}

fn chat_of(name: &str) -> Chat {
    match read_request(name, &fixture("requests", name)) {
        Request::Chat(chat) | Request::CountTokens(chat) => *chat,
        other => panic!("{other:?}"),
    }
}

fn write_request(chat: &Chat, model: &str) -> Result<Written, crate::RequestFault> {
    let target = Target { operation: Operation::Chat, model, known_as: model, vendor: "anthropic" };
    AnthropicMessages.write_request(&Request::Chat(Box::new(chat.clone())), &target)
}

/// The document that is written, and what it lacks.
fn written(chat: &Chat, model: &str) -> (Value, Vec<String>) {
    let written = write_request(chat, model).unwrap();
    let losses = written.losses.iter().map(|loss| loss.member.to_string()).collect();
    (json(&written.body), losses)
}

fn json(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap()
}

fn asked(request: &Request) -> Asked<'_> {
    Asked {
        operation: Operation::Chat,
        form: Form::Usual,
        model: "claude",
        request,
        now: 7,
        id: "r-1",
    }
}

fn empty_request() -> Request {
    Request::Chat(Box::new(Chat::new(Dialect::AnthropicMessages)))
}

/// Text in place of one block of text is the same, and so is a member that is null or the default.
fn normal(mut value: Value) -> Value {
    fn walk(value: &mut Value) {
        match value {
            Value::Object(members) => {
                for name in ["content", "system"] {
                    if let Some(text @ Value::String(_)) = members.get(name).cloned()
                        && members.get("type").is_none_or(|kind| kind == "tool_result")
                    {
                        let block = serde_json::json!([{ "type": "text", "text": text }]);
                        members.insert(name.into(), block);
                    }
                }
                members.retain(|_, value| !value.is_null());
                members.values_mut().for_each(walk);
            }
            Value::Array(list) => list.iter_mut().for_each(walk),
            _ => {}
        }
    }
    walk(&mut value);
    value
}

#[test]
fn requests_come_out_as_they_went_in() {
    let all = fixtures("requests");
    assert!(all.len() >= 25);
    for (name, body) in all {
        let request = read_request(&name, &body);
        let before = json(&body);
        let model = before["model"].as_str().unwrap();
        let target =
            Target { operation: operation(&name), model, known_as: model, vendor: "anthropic" };
        let written = AnthropicMessages.write_request(&request, &target).unwrap();
        let after = json(&written.body);
        if BENT.contains(&name.as_str()) {
            continue;
        }
        assert_eq!(normal(after), normal(before), "{name}");
        assert!(written.losses.is_empty(), "{name}: {:?}", written.losses);
    }
}

#[test]
fn a_second_translation_changes_nothing_more() {
    for (name, body) in fixtures("requests") {
        let model = json(&body)["model"].as_str().unwrap().to_owned();
        let target = Target {
            operation: operation(&name),
            model: &model,
            known_as: &model,
            vendor: "anthropic",
        };
        let write = |request: &Request| AnthropicMessages.write_request(request, &target).unwrap();
        let once = write(&read_request(&name, &body)).body;
        let twice = write(&read_request(&name, &once));
        assert_eq!(json(&once), json(&twice.body), "{name}");
        assert!(twice.losses.is_empty(), "{name}: {:?}", twice.losses);
    }
}

#[test]
fn broken_requests_are_refused_with_their_place() {
    let read = |body: &str| {
        let path = PathFacts::of(Operation::Chat);
        AnthropicMessages.read_request(&Bytes::copy_from_slice(body.as_bytes()), &path)
    };
    for (body, param) in [
        (r#"{"model":"m"}"#, "messages"),
        (r#"{"messages":[{"role":"tool","content":"x"}]}"#, "messages[0].role"),
        (r#"{"messages":[{"role":"user"}]}"#, "messages[0].content"),
        (
            r#"{"messages":[{"role":"user","content":[{"text":"x"}]}]}"#,
            "messages[0].content[0].type",
        ),
        (
            r#"{"messages":[{"role":"user","content":[{"type":"tool_result"}]}]}"#,
            "messages[0].content[0].tool_use_id",
        ),
        (r#"{"messages":[],"thinking":{"type":"enabled"}}"#, "thinking.budget_tokens"),
        (r#"{"messages":[],"tool_choice":{"type":"tool"}}"#, "tool_choice.name"),
        (r#"{"messages":[],"output_config":{"effort":"huge"}}"#, "output_config.effort"),
        (r#"{"messages":[],"max_tokens":-1}"#, "max_tokens"),
    ] {
        let fault = read(body).unwrap_err();
        assert_eq!(fault.param.as_deref(), Some(param), "{body}: {fault}");
        assert!(!fault.is_targets);
    }
    assert!(read("[]").is_err() && read("{").is_err());
    let path = PathFacts::of(Operation::Embedding);
    let body = Bytes::from_static(b"{}");
    assert!(AnthropicMessages.read_request(&body, &path).unwrap_err().is_targets);
}

#[test]
fn anthropics_own_fallbacks_stay_and_ours_are_taken_out() {
    let peek = |body: &'static str| {
        let path = PathFacts::of(Operation::Chat);
        AnthropicMessages.peek(Bytes::from_static(body.as_bytes()), &path)
    };
    for own in [
        r#"{"model":"a/b","stream":true,"fallbacks":[{"model":"claude-opus-4-8"}]}"#,
        r#"{"model":"a/b","stream":true,"fallbacks":"default"}"#,
        r#"{"model":"a/b","stream":true,"fallbacks":["claude-opus-4-8"]}"#,
        r#"{"model":"a/b","stream":true,"fallbacks":["p/m",{"model":"x"}]}"#,
    ] {
        let peeked = peek(own).unwrap();
        assert_eq!((peeked.model.as_str(), peeked.stream), ("a/b", true));
        assert_eq!((peeked.body, peeked.fallbacks.len()), (Bytes::from(own), 0));
    }
    let ours = peek(r#"{"model":"a/b","fallbacks":["p/m","q/n"]}"#).unwrap();
    assert_eq!(ours.fallbacks, ["p/m", "q/n"]);
    assert_eq!(ours.body, r#"{"model":"a/b"}"#);
    let none = peek(r#"{"model":"a/b","fallbacks":null}"#).unwrap();
    assert_eq!((none.body, none.fallbacks.len()), (Bytes::from(r#"{"model":"a/b"}"#), 0));
    assert!(peek(r#"{"fallbacks":[{}]}"#).is_err());
}

#[test]
fn no_request_and_no_answer_panics() {
    let path = PathFacts::of(Operation::Chat);
    for folder in ["requests", "answers", "errors"] {
        for (_, body) in fixtures(folder) {
            for at in (0..body.len()).step_by(7) {
                let mut broken = body.clone();
                broken[at] = b'0';
                let _ = AnthropicMessages.read_answer(Operation::Chat, &broken);
                let _ = AnthropicMessages.observe_answer(&broken);
                let _ = AnthropicMessages.read_error(&broken);
                let _ = AnthropicMessages.read_models(&broken);
                let read = AnthropicMessages.read_request(&Bytes::from(broken), &path);
                if let Ok(Request::Chat(chat)) = read {
                    let _ = write_request(&chat, "claude-opus-4-6");
                }
            }
        }
    }
}
