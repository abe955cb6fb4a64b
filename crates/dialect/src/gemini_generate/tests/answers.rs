//! Whole answers, errors and what is observed of them.

use serde_json::json;
use weir_types::Usage;

use super::*;
use crate::ir::{
    Answer, ChatAnswer, Choice, Error, ErrorKind, Finish, FinishReason, Sealed, Thinking,
};

fn chat(bytes: &[u8]) -> ChatAnswer {
    let Answer::Chat(answer) = GeminiGenerate.read_answer(Operation::Chat, bytes).unwrap() else {
        panic!("not a conversation")
    };
    answer
}

fn written(answer: ChatAnswer) -> (Value, Vec<String>) {
    let request = Request::Chat(Box::new(other(Vec::new())));
    let asked = asked(&request, Operation::Chat);
    split(&GeminiGenerate.write_answer(&Answer::Chat(answer), &asked).unwrap())
}

#[test]
fn every_fixture_is_written_as_it_was_read() {
    let all = fixtures("answers");
    assert!(all.len() >= 10);
    for (name, bytes) in all {
        let answer = chat(&bytes);
        let facts = GeminiGenerate.observe_answer(&bytes).unwrap();
        assert_eq!(facts.usage, answer.usage, "{name}");
        assert!(!facts.is_error && facts.finish.is_some(), "{name}");
        let (mut back, losses) = written(answer);
        let mut expected = json(&bytes);
        // Filters have many words, and the same usage two spellings of nothing.
        for body in [&mut back, &mut expected] {
            if body["usageMetadata"]["candidatesTokenCount"] == 0 {
                body["usageMetadata"].as_object_mut().unwrap().remove("candidatesTokenCount");
            }
        }
        assert_eq!(back, expected, "{name}");
        assert_eq!(losses, Vec::<String>::new(), "{name}");
    }
}

fn fixture(kind: &str, wanted: &str) -> Vec<u8> {
    fixtures(kind).into_iter().find(|(name, _)| name == wanted).unwrap().1
}

#[test]
fn calls_end_in_tool_calls_and_limits_stay_limits() {
    let reason = |name: &str| chat(&fixture("answers", name)).choices[0].finish.clone();
    assert_eq!(reason("function-call"), Some(Finish::new(FinishReason::ToolCalls)));
    assert_eq!(reason("trap-02-limit-with-call"), Some(Finish::new(FinishReason::Length)));
    assert_eq!(reason("blocked"), Some(Finish::new(FinishReason::ContentFilter)));
    assert_eq!(
        reason("malformed-call"),
        Some(Finish::new(FinishReason::Other("MALFORMED_FUNCTION_CALL".into())))
    );
}

#[test]
fn trap_08_signatures_are_read_where_they_are() {
    let answer = chat(&fixture("answers", "trap-08-parallel-calls"));
    let signed: Vec<_> = answer.choices[0]
        .parts
        .iter()
        .map(|part| match &part.body {
            PartBody::ToolCall(call) => call.signature.is_some(),
            _ => panic!("not a call"),
        })
        .collect();
    assert_eq!(signed, [true, false]);
}

#[test]
fn trap_22_cached_tokens_are_counted_once() {
    let answer = chat(&fixture("answers", "trap-22-cached"));
    let expected = Usage {
        input_tokens: 1000,
        output_tokens: 25,
        cached_input_tokens: 900,
        reasoning_tokens: 20,
        ..Usage::default()
    };
    assert_eq!(answer.usage, expected);
}

#[test]
fn calls_without_ids_get_the_same_ones_every_time() {
    let body = json!({"responseId": "r7", "candidates": [{"content": {"parts": [
        {"functionCall": {"name": "f"}}, {"functionCall": {"name": "f", "args": null}}]}}]});
    let ids: Vec<_> = chat(body.to_string().as_bytes()).choices[0]
        .parts
        .iter()
        .map(|part| match &part.body {
            PartBody::ToolCall(call) => (call.id.clone(), call.arguments.clone()),
            _ => panic!("not a call"),
        })
        .collect();
    assert_eq!(ids, [("call_r7_0".into(), "{}".into()), ("call_r7_1".into(), "{}".into())]);
}

#[test]
fn answers_of_others_are_written_whole() {
    let sealed = Sealed { origin: Dialect::AnthropicMessages, data: "x".into() };
    let thinking = Thinking { text: "hm".into(), signature: Some(sealed), ..Thinking::default() };
    let mut broken = call("c1", "f", None);
    if let PartBody::ToolCall(call) = &mut broken {
        call.arguments = "{\"a\":".into();
    }
    let parts = [PartBody::Thinking(thinking), said("Hi"), broken];
    let answer = ChatAnswer {
        choices: vec![Choice {
            parts: parts.into_iter().map(Part::new).collect(),
            finish: Some(Finish::new(FinishReason::ToolCalls)),
            ..Choice::default()
        }],
        ..ChatAnswer::default()
    };
    let (body, losses) = written(answer);
    assert_eq!(
        body,
        json!({"candidates": [{"content": {"role": "model", "parts": [
            {"text": "hm", "thought": true}, {"text": "Hi"},
            {"functionCall": {"id": "c1", "name": "f", "args": {"arguments": "{\"a\":"}}}]},
            "finishReason": "STOP", "index": 0}],
            "modelVersion": MODEL, "responseId": "req-1"})
    );
    assert_eq!(losses, ["messages.tool_calls.arguments", "thinking.signature"]);
}

#[test]
fn tokens_and_odd_answers() {
    let tokens = GeminiGenerate.read_answer(Operation::CountTokens, br#"{"totalTokens":31}"#);
    assert_eq!(tokens, Ok(Answer::Tokens(31)));
    assert!(GeminiGenerate.read_answer(Operation::CountTokens, b"{}").is_err());
    let request = Request::Chat(Box::new(other(Vec::new())));
    let asked = asked(&request, Operation::CountTokens);
    let (body, _) = split(&GeminiGenerate.write_answer(&Answer::Tokens(31), &asked).unwrap());
    assert_eq!(body, json!({"totalTokens": 31}));
    for odd in ["<html>", "{}", "[]", r#"{"candidates":[7]}"#] {
        assert!(GeminiGenerate.read_answer(Operation::Chat, odd.as_bytes()).is_err(), "{odd}");
    }
}

#[test]
fn every_error_is_read_and_written() {
    let all = fixtures("errors");
    assert!(all.len() >= 6);
    for (name, bytes) in all {
        let read = GeminiGenerate.read_error(&bytes);
        let document = json(&bytes);
        let document = document.get(0).cloned().unwrap_or(document);
        let stated = &document["error"];
        assert_eq!(read.kind, stated["status"], "{name}");
        assert_eq!(read.message, stated["message"], "{name}");
        assert_eq!(json!(read.status), stated["code"], "{name}");
        let status = read.status.unwrap();
        let error = Error { label: read.kind, ..Error::new(status, read.message) };
        let back = json(&GeminiGenerate.write_error(&error));
        for member in ["code", "message", "status"] {
            assert_eq!(back["error"][member], stated[member], "{name}");
        }
    }
    let key = GeminiGenerate.read_error(&fixture("errors", "api-key"));
    assert_eq!(key.code, "API_KEY_INVALID");
    let invalid = GeminiGenerate.read_error(&fixture("errors", "invalid-argument"));
    assert_eq!((invalid.code.as_str(), invalid.param.as_str()), ("400", "generation_config"));
    let token = br#"{"error":"invalid_grant","error_description":"Bad key"}"#;
    assert_eq!(GeminiGenerate.read_error(token).message, "Bad key");
    assert_eq!(GeminiGenerate.read_error(b"<html>").message, "");
}

#[test]
fn errors_of_the_gateway_have_googles_words() {
    let mut error = Error::new(503, "no key is free");
    error.label = "no_capacity".into();
    error.param = Some("model".into());
    error.context.is_gateways = true;
    error.context.request_id = "r".into();
    let body = json(&GeminiGenerate.write_error(&error));
    assert_eq!(body["error"]["status"], "UNAVAILABLE");
    assert_eq!(body["error"]["details"][0]["fieldViolations"][0]["field"], "model");
    assert_eq!(body["error"]["details"][1]["reason"], "no_capacity");
    assert_eq!(body["error"]["details"][1]["metadata"], json!({"request_id": "r"}));
    for (kind, word, code) in [
        (ErrorKind::QuotaExhausted, "RESOURCE_EXHAUSTED", 429),
        (ErrorKind::TooLarge, "INVALID_ARGUMENT", 413),
        (ErrorKind::Authentication, "UNAUTHENTICATED", 401),
        (ErrorKind::Timeout, "DEADLINE_EXCEEDED", 504),
        (ErrorKind::Internal, "INTERNAL", 500),
    ] {
        let body = json(&GeminiGenerate.write_error(&Error { kind, ..Error::new(0, "") }));
        assert_eq!(body["error"]["status"], word);
        assert_eq!(body["error"]["code"], code);
    }
}

#[test]
fn members_of_other_formats_are_left_out() {
    let mut answer = chat(&fixture("answers", "text"));
    answer.extra.insert("metrics".to_owned(), json!({"latencyMs": 1}));
    answer.extra.insert("createTime".to_owned(), json!("2026-11-01T00:00:00Z"));
    let (body, losses) = written(answer);
    assert_eq!(body["createTime"], "2026-11-01T00:00:00Z");
    assert_eq!(body.get("metrics"), None);
    assert_eq!(losses, ["metrics"]);
}
