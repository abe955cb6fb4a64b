//! Whole answers and errors, read and written.

use serde_json::json;
use weir_types::Usage;

use super::*;
use crate::ir::{
    Answer, ChatAnswer, Choice, EmbeddingAnswer, Error, ErrorKind, Finish, FinishReason, Part,
    PartBody, Ranked, RerankAnswer, ToolCall, Vector,
};

fn chat(body: &Value) -> ChatAnswer {
    match FORMAT.read_answer(Operation::Chat, body.to_string().as_bytes()).unwrap() {
        Answer::Chat(answer) => answer,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_answer_is_written_as_it_was_read() {
    let all = fixtures("answers");
    assert!(all.len() >= 10, "{}", all.len());
    for (name, body) in all {
        let operation = operation(&name);
        let answer = FORMAT.read_answer(operation, &body).unwrap();
        let request = plain_request();
        let written = FORMAT.write_answer(&answer, &asked(&request)).unwrap();
        assert_eq!(json(&written.body), written_form("answers", &name, &body), "{name}");
        // Which text ended an answer, only some hosts say.
        let lost = written.losses.iter().find(|loss| loss.member != "stop_sequence");
        assert_eq!(lost, None, "{name}");
        if operation == Operation::Chat {
            let facts = FORMAT.observe_answer(&written.body).unwrap();
            let Answer::Chat(answer) = answer else { panic!("{name}") };
            assert_eq!(facts.usage, answer.usage, "{name}");
        }
    }
}

#[test]
fn trap_29_an_answer_without_choices_is_none() {
    for body in [
        json!({"id": "x", "choices": null}),
        json!({"choices": []}),
        json!({"choices": [7]}),
        json!({"data": 7}),
        json!([]),
    ] {
        let body = body.to_string();
        assert!(FORMAT.read_answer(Operation::Chat, body.as_bytes()).is_err(), "{body}");
        assert!(FORMAT.read_answer(Operation::Embedding, body.as_bytes()).is_err(), "{body}");
        assert!(FORMAT.read_answer(Operation::Rerank, body.as_bytes()).is_err(), "{body}");
    }
    assert!(FORMAT.read_answer(Operation::Chat, b"<html>").is_err());
}

#[test]
fn reasons_are_made_true() {
    let choice = |message: Value, finish: &str| {
        chat(&json!({"choices": [{"message": message, "finish_reason": finish}]})).choices[0]
            .finish
            .clone()
            .unwrap()
            .reason
    };
    let calls = json!({"tool_calls": [{"function": {"name": "f", "arguments": ""}}]});
    assert_eq!(choice(calls.clone(), "stop"), FinishReason::ToolCalls);
    assert_eq!(choice(calls, "length"), FinishReason::Length);
    assert_eq!(choice(json!({"refusal": "no"}), "stop"), FinishReason::Refusal);
    assert_eq!(choice(json!({"content": "x"}), "model_length"), FinishReason::ContextWindow);
    assert_eq!(choice(json!({}), "odd"), FinishReason::Other("odd".to_owned()));
}

#[test]
fn what_an_answer_lacks_is_made() {
    let call = |name: &str| {
        Part::new(PartBody::ToolCall(ToolCall {
            id: String::new(),
            name: name.to_owned(),
            arguments: "{}".to_owned(),
            is_custom: false,
            signature: None,
        }))
    };
    let citation = |at: u64| {
        json!({"type": "url_citation", "url_citation": {"url": "u",
        "start_index": at, "end_index": at + 1}})
    };
    let annotations = vec![citation(0), json!({"type": "char_location"})];
    let cited = Part::new(PartBody::Text { text: "ö!".to_owned(), annotations });
    let finish = Some(Finish::new(FinishReason::Stop));
    let parts = vec![Part::text("né"), cited, call("f"), call("g")];
    let answer = Answer::Chat(ChatAnswer {
        choices: vec![Choice { index: 0, parts, finish, logprobs: None }],
        ..ChatAnswer::default()
    });
    let request = plain_request();
    let written = FORMAT.write_answer(&answer, &asked(&request)).unwrap();
    assert_eq!(members(&written), ["citations"]);
    let document = json(&written.body);
    assert_eq!(document["id"], "chatcmpl-0192-abcd");
    assert_eq!((&document["model"], &document["created"]), (&json!("p/m"), &json!(1_760_000_000)));
    assert_eq!(document.get("usage"), None, "zeros would pass for a count");
    let choice = &document["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    let message = &choice["message"];
    assert_eq!(message["content"], "néö!");
    assert_eq!(message["annotations"][0]["url_citation"]["start_index"], 2);
    assert_eq!(message["tool_calls"][0]["id"], "call_0192abcd_0");
    assert_eq!(message["tool_calls"][1]["id"], "call_0192abcd_1");
    let mut older = Chat::new(Dialect::OpenAiChat);
    older.legacy_functions = true;
    let request = Request::Chat(Box::new(older));
    let written = FORMAT.write_answer(&answer, &asked(&request)).unwrap();
    let choice = &json(&written.body)["choices"][0];
    assert_eq!(choice["message"]["function_call"], json!({"name": "f", "arguments": "{}"}));
    assert_eq!(
        (&choice["finish_reason"], choice["message"].get("tool_calls")),
        (&json!("function_call"), None)
    );
    assert_eq!(members(&written), ["citations", "tool_calls"]);
}

#[test]
fn trap_22_cached_tokens_are_counted_once() {
    let usage = Usage {
        input_tokens: 30,
        output_tokens: 4,
        cached_input_tokens: 20,
        cache_write_tokens: 5,
        reasoning_tokens: 1,
    };
    let choices = vec![Choice::default()];
    let answer = Answer::Chat(ChatAnswer { choices, usage, ..ChatAnswer::default() });
    let request = plain_request();
    let written = json(&FORMAT.write_answer(&answer, &asked(&request)).unwrap().body);
    assert_eq!(
        (&written["usage"]["prompt_tokens"], &written["usage"]["total_tokens"]),
        (&json!(30), &json!(34))
    );
    assert_eq!(
        written["usage"]["prompt_tokens_details"],
        json!({"cached_tokens": 20, "cache_write_tokens": 5})
    );
    assert_eq!(chat(&written).usage, usage);
}

#[test]
fn vectors_are_given_as_they_were_asked_for() {
    let vector =
        |value: Value, encoding: &str| Vector { index: 0, encoding: encoding.to_owned(), value };
    let answer =
        |vectors| Answer::Embedding(EmbeddingAnswer { vectors, ..EmbeddingAnswer::default() });
    let base64 =
        read(br#"{"model":"e","input":"a","encoding_format":"base64"}"#, Operation::Embedding);
    let floats = read(br#"{"model":"e","input":"a"}"#, Operation::Embedding);
    let given = |answer: &Answer, request: &Request| {
        let written = FORMAT.write_answer(answer, &asked(request)).unwrap();
        json(&written.body)["data"].clone()
    };
    let numbers = answer(vec![vector(json!([1.0, -2.5, 0]), "float")]);
    // 1.0 is 00 00 80 3F, the least significant byte first.
    assert_eq!(given(&numbers, &base64)[0]["embedding"], "AACAPwAAIMAAAAAA");
    assert_eq!(given(&numbers, &floats)[0]["embedding"], json!([1.0, -2.5, 0]));
    let text = answer(vec![vector(json!("AACAPwAAIMAAAAAA"), "base64")]);
    assert_eq!(given(&text, &floats)[0]["embedding"], json!([1.0, -2.5, 0.0]));
    assert_eq!(given(&text, &base64)[0]["embedding"], "AACAPwAAIMAAAAAA");
    let several = answer(vec![vector(json!([1]), "int8"), vector(json!([1.0]), "float")]);
    assert_eq!(given(&several, &floats).as_array().unwrap().len(), 1);
}

#[test]
fn documents_are_repeated_if_they_were_asked_for() {
    let ranked = |index| Ranked { index, score: 0.5, document: None };
    let results = vec![ranked(1), ranked(0), ranked(9)];
    let answer = Answer::Rerank(RerankAnswer { results, ..RerankAnswer::default() });
    let request = read(
        br#"{"model":"r","query":"q","documents":["a",{"text":"b"}],"return_documents":true}"#,
        Operation::Rerank,
    );
    let written = json(&FORMAT.write_answer(&answer, &asked(&request)).unwrap().body);
    assert_eq!(
        written["results"][0],
        json!({"index": 1, "relevance_score": 0.5,
        "document": {"text": "b"}})
    );
    assert_eq!(written["results"][1]["document"], json!({"text": "a"}));
    assert_eq!(written["results"][2].get("document"), None);
    assert_eq!(written["id"], "rerank-0192-abcd");
}

#[test]
fn every_error_is_read_and_written_again() {
    let all = fixtures("errors");
    assert!(all.len() >= 6, "{}", all.len());
    for (name, body) in all {
        let read = FORMAT.read_error(&body);
        assert!(!read.message.is_empty(), "{name}");
        let mut error = Error::new(read.status.unwrap_or(400), read.message.clone());
        error.label.clone_from(&read.kind);
        error.code = Some(read.code.clone()).filter(|code| !code.is_empty());
        error.param = Some(read.param.clone()).filter(|param| !param.is_empty());
        let again = FORMAT.read_error(&FORMAT.write_error(&error));
        assert_eq!((&again.message, &again.code), (&read.message, &read.code), "{name}");
        assert_eq!(again.param, read.param, "{name}");
    }
    let bare = Error { kind: ErrorKind::RateLimited, ..Error::new(429, "slow down") };
    assert_eq!(FORMAT.read_error(&FORMAT.write_error(&bare)).kind, "rate_limit_error");
}
