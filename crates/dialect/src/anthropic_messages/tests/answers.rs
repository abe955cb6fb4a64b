//! Answers, errors and lists of models.

use serde_json::json;
use weir_types::{Dialect, Usage};

use super::*;
use crate::ir::{
    self, Answer, ChatAnswer, Choice, ErrorKind, Finish, FinishReason, Part, PartBody, Sealed,
    Thinking, ToolCall,
};

fn read(name: &str, body: &[u8]) -> Answer {
    AnthropicMessages.read_answer(operation(name), body).unwrap()
}

fn chat(name: &str) -> ChatAnswer {
    match read(name, &fixture("answers", name)) {
        Answer::Chat(chat) => chat,
        other => panic!("{other:?}"),
    }
}

fn write(answer: &Answer) -> (Value, Vec<String>) {
    let request = empty_request();
    let written = AnthropicMessages.write_answer(answer, &asked(&request)).unwrap();
    let losses = written.losses.iter().map(|loss| loss.member.to_string()).collect();
    (json(&written.body), losses)
}

#[test]
fn answers_come_out_as_they_went_in() {
    let all = fixtures("answers");
    assert!(all.len() >= 10);
    for (name, body) in all {
        let (after, losses) = write(&read(&name, &body));
        let mut before = json(&body);
        if name == "trap-02-calls-but-end-turn" {
            before["stop_reason"] = json!("tool_use");
        }
        assert_eq!(normal(after), normal(before), "{name}");
        assert!(losses.is_empty(), "{name}: {losses:?}");
    }
}

#[test]
fn answers_are_observed_as_they_are_read() {
    for (name, body) in fixtures("answers") {
        let facts = AnthropicMessages.observe_answer(&body).unwrap();
        assert!(!facts.is_error, "{name}");
        if let Answer::Chat(answer) = read(&name, &body) {
            assert_eq!(facts.usage, answer.usage, "{name}");
            let said = json(&body)["stop_reason"].as_str().map(str::to_owned);
            assert_eq!(facts.finish, said, "{name}");
        }
    }
    for (name, body) in fixtures("errors") {
        let facts = AnthropicMessages.observe_answer(&body).unwrap();
        assert_eq!(facts.is_error, name != "aws", "{name}");
    }
    assert!(AnthropicMessages.observe_answer(b"<html>").is_err());
    assert!(AnthropicMessages.read_answer(Operation::Chat, &fixture("errors", "api")).is_err());
    assert!(AnthropicMessages.read_answer(Operation::CountTokens, b"{}").is_err());
}

#[test]
fn trap_22_cached_tokens_are_within_and_beside() {
    let usage = chat("trap-22-cached").usage;
    let expected = Usage {
        input_tokens: 21 + 188_086 + 1000,
        output_tokens: 393,
        cached_input_tokens: 1000,
        cache_write_tokens: 188_086,
        ..Usage::default()
    };
    assert_eq!(usage, expected);
    assert_eq!(chat("trap-12-thoughts").usage.reasoning_tokens, 312);
}

#[test]
fn trap_12_thoughts_keep_order_number_and_seals() {
    let answer = chat("trap-12-thoughts");
    let thoughts: Vec<_> = answer.choices[0]
        .parts
        .iter()
        .filter_map(|part| match &part.body {
            PartBody::Thinking(thinking) => Some(thinking),
            _ => None,
        })
        .collect();
    assert_eq!(thoughts.len(), 3);
    assert!(thoughts[1].redacted.is_some());
    assert!(thoughts[2].text.is_empty() && thoughts[2].signature.is_some());
}

#[test]
fn what_others_answer_is_written() {
    let origin = Dialect::GeminiGenerate;
    let seal = Some(Sealed { origin, data: "x".into() });
    let call = |arguments: &str, is_custom| {
        Part::new(PartBody::ToolCall(ToolCall {
            id: "call_1".into(),
            name: "f".into(),
            arguments: arguments.into(),
            is_custom,
            signature: None,
        }))
    };
    let thought = |text: &str, signature: Option<Sealed>| {
        let thinking = Thinking { text: text.into(), signature, ..Thinking::default() };
        Part::new(PartBody::Thinking(thinking))
    };
    let parts = vec![
        thought("hm", seal.clone()),
        thought("", seal),
        Part::new(PartBody::Refusal("no".into())),
        call("{}", false),
        call("{\"a\":", false),
        call("*** patch", true),
    ];
    let finish = Some(Finish::new(FinishReason::Stop));
    let choice = Choice { index: 0, parts, finish, logprobs: None };
    let usage = Usage { input_tokens: 10, cached_input_tokens: 4, ..Usage::default() };
    let answer = ChatAnswer { choices: vec![choice.clone(), choice], usage, ..Default::default() };
    let (message, losses) = write(&Answer::Chat(answer));
    assert_eq!(losses, ["choices", "thinking.signature"]);
    assert_eq!(message["id"], "msg_r-1");
    assert_eq!(message["model"], "claude");
    assert_eq!(message["stop_reason"], "tool_use");
    assert_eq!(message["usage"]["input_tokens"], 6);
    assert_eq!(message["usage"]["cache_read_input_tokens"], 4);
    let content = message["content"].as_array().unwrap();
    assert_eq!(content.len(), 5);
    assert_eq!(content[0], json!({ "type": "thinking", "thinking": "hm", "signature": "" }));
    assert_eq!(content[2]["input"], json!({}));
    assert_eq!(content[3]["input"], json!({ "input": "{\"a\":" }));
    assert_eq!(content[4]["input"], json!({ "input": "*** patch" }));
}

#[test]
fn every_end_has_a_word() {
    for (reason, word) in [
        (FinishReason::Stop, "end_turn"),
        (FinishReason::Length, "max_tokens"),
        (FinishReason::ContentFilter, "refusal"),
        (FinishReason::Pause, "pause_turn"),
        (FinishReason::Error("error".into()), "end_turn"),
        (FinishReason::Other("eos".into()), "end_turn"),
    ] {
        assert_eq!(crate::anthropic_messages::words::stop_reason(&reason, false), word);
    }
    let length = FinishReason::Length;
    assert_eq!(crate::anthropic_messages::words::stop_reason(&length, true), "max_tokens");
}

#[test]
fn errors_are_read_and_written() {
    let all = fixtures("errors");
    assert!(all.len() >= 6);
    for (name, body) in all {
        let read = AnthropicMessages.read_error(&body);
        assert!(!read.message.is_empty(), "{name}");
        if matches!(name.as_str(), "vertex" | "aws") {
            continue;
        }
        let before = json(&body);
        assert_eq!(read.kind, before["error"]["type"].as_str().unwrap(), "{name}");
        let mut error = ir::Error::new(500, read.message);
        error.label = read.kind;
        error.context.request_id = "req_011CSHoEeqs5C35K2UUqR7Fy".into();
        let mut after = json(&AnthropicMessages.write_error(&error));
        if name == "rate-limit" {
            assert_eq!(read.code, "ramp_limit_exceeded");
            after["error"]["details"] = before["error"]["details"].clone();
        }
        assert_eq!(after, before, "{name}");
    }
    let vertex = AnthropicMessages.read_error(&fixture("errors", "vertex"));
    assert_eq!((vertex.status, vertex.kind.as_str()), (Some(404), "NOT_FOUND"));
    assert_eq!(AnthropicMessages.read_error(b"<html>"), crate::ErrorBody::default());
}

#[test]
fn the_gateways_own_errors_take_anthropics_words() {
    let mut error = ir::Error::new(429, "too many");
    error.label = "request_dropped".into();
    error.param = Some("model".into());
    let document = json(&AnthropicMessages.write_error(&error));
    let expected = json!({
        "type": "error",
        "error": { "type": "rate_limit_error", "message": "model: too many" },
    });
    assert_eq!(document, expected);
    error.kind = ErrorKind::QuotaExhausted;
    let document = json(&AnthropicMessages.write_error(&error));
    assert_eq!(document["error"]["type"], "billing_error");
}

#[test]
fn lists_of_models_go_there_and_back() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/anthropic_messages");
    let body = fs::read(root.join("models.json")).unwrap();
    let models = AnthropicMessages.read_models(&body).unwrap();
    let openai = json(&models.document());
    assert_eq!(openai["data"][0]["id"], "claude-haiku-4-5-20251001");
    assert_eq!(openai["data"][0]["created"], 1_759_276_800);
    assert_eq!(openai["data"][0]["object"], "model");
    let mut expected = json(&body);
    expected["data"].as_array_mut().unwrap().reverse();
    expected["first_id"] = json!("claude-haiku-4-5-20251001");
    expected["last_id"] = json!("claude-opus-5-5");
    assert_eq!(json(&AnthropicMessages.write_models(&models)), expected);
    let none = json(&AnthropicMessages.write_models(&crate::Models::default()));
    assert_eq!(none["first_id"], Value::Null);
    assert!(AnthropicMessages.read_models(b"{}").is_err());
}
