//! Whole answers, errors, lists of models.

use serde_json::json;
use weir_framing::{Framing, Writer};
use weir_types::Usage;

use super::*;
use crate::AnswerFault;
use crate::ir::{
    Answer, ChatAnswer, Choice, Error, ErrorKind, Finish, FinishReason, Source, Thinking,
};
use crate::models::Models;

fn read_chat(body: &Value) -> ChatAnswer {
    match BedrockConverse.read_answer(Operation::Chat, body.to_string().as_bytes()) {
        Ok(Answer::Chat(chat)) => chat,
        other => panic!("{other:?}"),
    }
}

fn written(answer: &Answer) -> Written {
    let request = Request::Chat(Box::new(Chat::new(OWN)));
    BedrockConverse.write_answer(answer, &asked(&request)).unwrap()
}

#[test]
fn answers_are_written_as_they_were_read() {
    let all = fixtures::all("answers");
    assert!(all.len() >= 10);
    for (name, body) in all {
        if name == "malformed-tool-use" {
            let read = BedrockConverse.read_answer(Operation::Chat, body.to_string().as_bytes());
            assert_eq!(read, Err(AnswerFault::Broken("malformed_tool_use".into())));
            continue;
        }
        let read = read_chat(&body);
        let again = written(&Answer::Chat(read.clone()));
        assert!(again.losses.is_empty(), "{name}: {:?}", again.losses);
        let mut expected = body.clone();
        match name.as_str() {
            "trap-02-calls-but-end-turn" => expected["stopReason"] = json!("tool_use"),
            "guardrail" => expected["stopReason"] = json!("content_filtered"),
            _ => {}
        }
        assert_eq!(json(&again), expected, "{name}");
        let facts = BedrockConverse.observe_answer(body.to_string().as_bytes()).unwrap();
        assert_eq!(facts.usage, read.usage, "{name}");
        assert_eq!(facts.finish.as_deref(), body["stopReason"].as_str(), "{name}");
        assert!(!facts.is_error, "{name}");
    }
}

#[test]
fn trap_22_cached_tokens_are_part_of_the_input() {
    let read = read_chat(&fixtures::one("answers", "trap-22-cache"));
    let expected = Usage {
        input_tokens: 1310,
        output_tokens: 5,
        cached_input_tokens: 1000,
        cache_write_tokens: 300,
        reasoning_tokens: 0,
    };
    assert_eq!(read.usage, expected);
}

#[test]
fn reasons_and_calls_are_read() {
    let read = read_chat(&fixtures::one("answers", "trap-02-calls-but-end-turn"));
    assert_eq!(read.choices[0].finish, Some(Finish::new(FinishReason::ToolCalls)));
    let PartBody::ToolCall(call) = &read.choices[0].parts[0].body else { panic!("no call") };
    assert_eq!(call.arguments, "{}");
    let stop = read_chat(&fixtures::one("answers", "stop-sequence"));
    let finish = stop.choices[0].finish.clone().unwrap();
    assert_eq!(finish.reason, FinishReason::StopSequence);
    assert_eq!(finish.stop_sequence.as_deref(), Some("three"));
}

#[test]
fn answers_of_other_formats_are_written() {
    let thinking =
        Thinking { text: "Hm.".into(), signature: Some(sealed(OTHER, "x")), ..Thinking::default() };
    let image = crate::ir::Image { source: Source::Url("https://x".into()), detail: None };
    let parts = vec![
        Part::new(PartBody::Thinking(thinking)),
        Part::new(PartBody::Refusal("No.".into())),
        Part::new(PartBody::Image(image)),
        call("", "f", "{broken"),
        call("", "g", "{}"),
    ];
    let finish = Some(Finish::new(FinishReason::Stop));
    let usage =
        Usage { input_tokens: 10, cached_input_tokens: 4, output_tokens: 2, ..Usage::default() };
    let choices = vec![Choice { parts, finish, ..Choice::default() }, Choice::default()];
    let answer = written(&Answer::Chat(ChatAnswer { choices, usage, ..ChatAnswer::default() }));
    assert_eq!(members(answer.losses.iter()), ["choices", "message.image", "thinking.signature"]);
    let broken = json!({ "input": "{broken" });
    let ids = ["tooluse_req-1_1", "tooluse_req-1_2"];
    assert_eq!(
        json(&answer),
        json!({
            "output": { "message": { "role": "assistant", "content": [
                { "reasoningContent": { "reasoningText": { "text": "Hm." } } },
                { "text": "No." },
                { "toolUse": { "toolUseId": ids[0], "name": "f", "input": broken } },
                { "toolUse": { "toolUseId": ids[1], "name": "g", "input": {} } },
            ] } },
            "stopReason": "tool_use",
            "usage": { "inputTokens": 6, "outputTokens": 2, "totalTokens": 12,
                "cacheReadInputTokens": 4, "cacheWriteInputTokens": 0 },
            "metrics": { "latencyMs": 0 },
        })
    );
}

#[test]
fn counted_tokens_are_read_and_written() {
    let body = fixtures::one("counts/answers", "tokens").to_string();
    let read = BedrockConverse.read_answer(Operation::CountTokens, body.as_bytes());
    assert_eq!(read, Ok(Answer::Tokens(1042)));
    assert_eq!(json(&written(&Answer::Tokens(1042))), json!({ "inputTokens": 1042 }));
    let facts = BedrockConverse.observe_answer(body.as_bytes()).unwrap();
    assert_eq!(facts.usage.input_tokens, 1042);
    assert!(BedrockConverse.read_answer(Operation::CountTokens, b"{}").is_err());
}

#[test]
fn what_is_no_answer_is_told() {
    for body in [&b"<html>"[..], b"[]", b"{}", br#"{"output":{"message":{"content":1}}}"#] {
        assert!(BedrockConverse.read_answer(Operation::Chat, body).is_err());
    }
    assert!(BedrockConverse.observe_answer(b"<html>").is_err());
    assert!(BedrockConverse.observe_answer(br#"{"message":"no"}"#).unwrap().is_error);
}

#[test]
fn errors_are_read_and_written() {
    let all = fixtures::all("errors");
    assert!(all.len() >= 6);
    for (name, body) in all {
        let read = BedrockConverse.read_error(body.to_string().as_bytes());
        let expected = match name.as_str() {
            "validation" => ("", "ValidationException"),
            "namespaced" => ("", "AccessDeniedException"),
            "model-error" => ("", "ModelErrorException"),
            "quota" => ("", "ServiceQuotaExceededException"),
            "code" => ("ValidationException", ""),
            "unknown-operation" => ("", "UnknownOperationException"),
            _ => ("", ""),
        };
        assert_eq!((read.code.as_str(), read.kind.as_str()), expected, "{name}");
        assert_eq!(read.message.is_empty(), name == "unknown-operation", "{name}");
        let mut error = Error::new(400, read.message.clone());
        error.label.clone_from(&read.kind);
        let written = BedrockConverse.write_error(&error);
        let again = BedrockConverse.read_error(&written);
        let is_known = !matches!(expected.1, "" | "UnknownOperationException");
        assert_eq!(again.kind, if is_known { expected.1 } else { "ValidationException" });
        assert!(!again.message.is_empty());
    }
    assert_eq!(BedrockConverse.read_error(b"<html>"), crate::ErrorBody::default());
    let limited = BedrockConverse.write_error(&Error::new(429, "Slow down."));
    let limited: Value = serde_json::from_slice(&limited).unwrap();
    assert_eq!(limited, json!({ "message": "Slow down.", "__type": "ThrottlingException" }));
}

#[test]
fn errors_within_streams_are_exceptions() {
    for (status, name) in [
        (400, "validationException"),
        (401, "validationException"),
        (429, "throttlingException"),
        (500, "internalServerException"),
        (503, "serviceUnavailableException"),
        (504, "modelStreamErrorException"),
    ] {
        let mut out = Writer::new(Framing::Sse);
        BedrockConverse.error_event(&Error::new(status, "m"), &mut out);
        let text = String::from_utf8(out.take().to_vec()).unwrap();
        assert!(text.contains(&format!("event: {name}\n")), "{text}");
        assert!(text.contains("\"message\":\"m\""), "{text}");
    }
    let mut mine = Error::new(424, "m");
    mine.kind = ErrorKind::Internal;
    mine.label = "ModelStreamErrorException".into();
    let mut out = Writer::new(Framing::Sse);
    BedrockConverse.error_event(&mine, &mut out);
    let text = String::from_utf8(out.take().to_vec()).unwrap();
    assert!(text.contains("\"originalStatusCode\":424"), "{text}");
}

#[test]
fn lists_of_models_are_read_and_written() {
    let body = fixtures::one("models", "foundation-models");
    let models = BedrockConverse.read_models(body.to_string().as_bytes()).unwrap();
    let (id, entry) = models.iter().last().unwrap();
    assert_eq!(id, CLAUDE.trim_start_matches("us."));
    assert_eq!((&entry["id"], &entry["owned_by"]), (&json!(id), &json!("Anthropic")));
    let again: Value = serde_json::from_slice(&BedrockConverse.write_models(&models)).unwrap();
    let by_id = |list: &Value| {
        let mut list = list["modelSummaries"].as_array().unwrap().clone();
        list.sort_by_key(|entry| entry["modelId"].to_string());
        list
    };
    assert_eq!(by_id(&again), by_id(&body));
    let profiles = fixtures::one("models", "inference-profiles").to_string();
    let profiles = BedrockConverse.read_models(profiles.as_bytes()).unwrap();
    assert_eq!(profiles.iter().next().unwrap().0, CLAUDE);
    assert!(BedrockConverse.read_models(b"{}").is_err());
    let other = Models::parse(br#"[{"id":"openai/gpt","owned_by":"openai"}]"#).unwrap();
    let other: Value = serde_json::from_slice(&BedrockConverse.write_models(&other)).unwrap();
    let summary =
        json!({ "modelId": "openai/gpt", "modelName": "openai/gpt", "providerName": "openai" });
    assert_eq!(other, json!({ "modelSummaries": [summary] }));
}

#[test]
fn a_kind_from_the_header_gets_into_the_body() {
    let body = Bytes::from_static(br#"{"message":"slow down"}"#);
    let told = BedrockConverse.error_with_kind(body, "ThrottlingException");
    let read = BedrockConverse.read_error(&told);
    assert_eq!((&*read.kind, &*read.message), ("ThrottlingException", "slow down"));
    let page = Bytes::from_static(b"<html>");
    assert_eq!(BedrockConverse.error_with_kind(page.clone(), "X"), page);
}
