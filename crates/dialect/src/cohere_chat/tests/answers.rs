//! Whole answers, errors and lists of models.

use serde_json::{Value, json};
use weir_types::{Operation, Usage};

use super::{asked, fixture, fixtures, foreign, json, operation, read};
use crate::cohere_chat::CohereChat;
use crate::fault::AnswerFault;
use crate::format::Format;
use crate::ir::{
    Answer, ChatAnswer, Choice, Error, ErrorContext, ErrorKind, Finish, FinishReason, Part,
    PartBody, Ranked, Request, RerankAnswer, ToolCall,
};

fn request() -> Request {
    Request::Chat(Box::new(foreign(Vec::new())))
}

fn chat(name: &str) -> ChatAnswer {
    match CohereChat.read_answer(Operation::Chat, &fixture("answers", name)).unwrap() {
        Answer::Chat(chat) => chat,
        other => panic!("{other:?}"),
    }
}

/// What is not the same on purpose, taken away: what is billed, and what a repaired answer says.
fn plain(name: &str, mut answer: Value) -> Value {
    let members = answer.as_object_mut().unwrap();
    members.remove("response_type");
    members.remove("images");
    if let Some(usage) = members.get_mut("usage").and_then(Value::as_object_mut) {
        usage.remove("billed_units");
    }
    if let Some(meta) = members.remove("meta") {
        members.insert("billed".to_owned(), meta["billed_units"]["input_tokens"].clone());
    }
    if name == "trap-02-complete-with-calls" {
        members.remove("finish_reason");
    }
    answer
}

#[test]
fn every_answer_is_the_same_when_written_again() {
    let files = fixtures("answers");
    assert!(files.len() >= 10);
    for (name, body) in files {
        if ["chat-timeout", "chat-error"].contains(&name.as_str()) {
            continue;
        }
        let operation = operation(&name);
        let answer = CohereChat.read_answer(operation, &body).unwrap();
        // Read, written and read again nothing is lost, whatever form it came in.
        let request = match operation {
            Operation::Embedding => read(operation, &fixture("requests", "embed-texts")),
            _ => request(),
        };
        let Ok(written) = CohereChat.write_answer(&answer, &asked(operation, &request)) else {
            assert_eq!(answer, Answer::Tokens(3));
            continue;
        };
        let again = CohereChat.read_answer(operation, &written.body).unwrap();
        if name == "embed-images" {
            continue;
        }
        assert_eq!(again, answer, "{name}");
        let is_other_form = [
            "chat-billed-only",
            "chat-citations-of-the-web",
            "chat-logprobs",
            "embed-bare-list",
            "trap-04-no-arguments",
        ];
        if !is_other_form.contains(&name.as_str()) {
            assert_eq!(plain(&name, json(&written.body)), plain(&name, json(&body)), "{name}");
        }
    }
}

#[test]
fn answers_are_observed_without_being_read() {
    for (name, body) in fixtures("answers") {
        let facts = CohereChat.observe_answer(&body).unwrap();
        assert!(!facts.is_error, "{name}");
        let document = json(&body);
        assert_eq!(facts.finish.as_deref(), document["finish_reason"].as_str(), "{name}");
        if ["chat-timeout", "chat-error"].contains(&name.as_str()) {
            continue;
        }
        let usage = match CohereChat.read_answer(operation(&name), &body).unwrap() {
            Answer::Chat(chat) => chat.usage,
            Answer::Embedding(embedding) => embedding.usage,
            Answer::Rerank(rerank) => rerank.usage,
            Answer::Tokens(_) => Usage::default(),
        };
        assert_eq!(facts.usage, usage, "{name}");
    }
    assert!(CohereChat.observe_answer(br#"{"id":"x","message":"no"}"#).unwrap().is_error);
    assert!(CohereChat.observe_answer(b"<html>").is_err());
    assert!(CohereChat.observe_answer(b"[]").is_ok());
}

#[test]
fn usage_is_what_the_model_saw() {
    let usage = chat("chat-cached").usage;
    assert_eq!((usage.input_tokens, usage.output_tokens, usage.cached_input_tokens), (140, 2, 64));
    let usage = chat("chat-billed-only").usage;
    assert_eq!((usage.input_tokens, usage.output_tokens), (9, 2));
    let images = CohereChat.observe_answer(&fixture("answers", "embed-images")).unwrap();
    assert_eq!(images.usage.input_tokens, 120);
}

#[test]
fn trap_02_an_answer_that_calls_tools_says_so() {
    let reason = |name: &str| chat(name).choices.remove(0).finish.unwrap().reason;
    assert_eq!(reason("trap-02-complete-with-calls"), FinishReason::ToolCalls);
    assert_eq!(reason("trap-02-max-tokens-with-calls"), FinishReason::Length);
    let late = CohereChat.read_answer(Operation::Chat, &fixture("answers", "chat-timeout"));
    assert_eq!(late, Err(AnswerFault::Broken("TIMEOUT".into())));
    assert_eq!(reason("chat-stop-sequence"), FinishReason::StopSequence);
}

#[test]
fn trap_04_calls_without_arguments_have_an_empty_object() {
    for part in &chat("trap-04-no-arguments").choices[0].parts {
        let PartBody::ToolCall(call) = &part.body else { panic!("{part:?}") };
        assert_eq!(call.arguments, "{}");
    }
}

#[test]
fn citations_of_the_web_are_openai_s_annotations() {
    let answer = chat("chat-citations-of-the-web");
    let PartBody::Text { annotations, .. } = &answer.choices[0].parts[0].body else { panic!() };
    let expected = json!({ "type": "url_citation", "url_citation": {
        "start_index": 0, "end_index": 3, "url": "https://example.com/ann", "title": "Ann" } });
    assert_eq!(annotations, &[expected]);
    let request = request();
    let written =
        CohereChat.write_answer(&Answer::Chat(answer), &asked(Operation::Chat, &request)).unwrap();
    let citation = &json(&written.body)["message"]["citations"][0];
    assert_eq!((&citation["text"], &citation["end"]), (&json!("Ann"), &json!(3)));
    assert_eq!(citation["sources"][0]["document"]["url"], "https://example.com/ann");
}

#[test]
fn probabilities_are_in_the_form_of_openai() {
    let logprobs = chat("chat-logprobs").choices.remove(0).logprobs.unwrap();
    let expected = json!({ "token": "ue", "logprob": -0.5, "bytes": null, "top_logprobs": [] });
    assert_eq!(logprobs["content"][1], expected);
}

#[test]
fn answers_of_others_are_named_after_the_request() {
    let call = ToolCall {
        id: "toolu_1".to_owned(),
        name: "f".to_owned(),
        arguments: "{}".to_owned(),
        is_custom: false,
        signature: None,
    };
    let parts = vec![Part::text("I look."), Part::new(PartBody::ToolCall(call))];
    let finish = Some(Finish::new(FinishReason::ToolCalls));
    let choice = Choice { parts, finish, ..Choice::default() };
    let second = Choice { index: 1, ..Choice::default() };
    let answer = ChatAnswer { choices: vec![choice, second], ..ChatAnswer::default() };
    let request = request();
    let written =
        CohereChat.write_answer(&Answer::Chat(answer), &asked(Operation::Chat, &request)).unwrap();
    let expected = json!({
        "id": "req-1",
        "finish_reason": "TOOL_CALL",
        "message": {
            "role": "assistant",
            "content": [{ "type": "text", "text": "I look." }],
            "tool_calls": [{ "id": "toolu_1", "type": "function",
                "function": { "name": "f", "arguments": "{}" } }],
        },
    });
    assert_eq!(json(&written.body), expected);
    assert_eq!(written.losses.iter().next().unwrap().member, "choices");
}

#[test]
fn documents_are_repeated_where_that_was_asked_for() {
    let body = r#"{"model":"m","query":"q","documents":["a","b"],"return_documents":true}"#;
    let request = read(Operation::Rerank, &body.into());
    let results = vec![Ranked { index: 1, score: 0.5, document: None }];
    let answer = Answer::Rerank(RerankAnswer { results, ..RerankAnswer::default() });
    let written = CohereChat.write_answer(&answer, &asked(Operation::Rerank, &request)).unwrap();
    let expected = json!({ "index": 1, "relevance_score": 0.5, "document": { "text": "b" } });
    assert_eq!(json(&written.body)["results"][0], expected);
}

#[test]
fn answers_of_another_shape_are_refused() {
    for (operation, body) in [
        (Operation::Chat, r#"{"message":"no"}"#),
        (Operation::Chat, "[]"),
        (Operation::Embedding, r#"{"embeddings":"?"}"#),
        (Operation::Rerank, r#"{"results":[{"index":0}]}"#),
        (Operation::CountTokens, "{}"),
    ] {
        let fault = CohereChat.read_answer(operation, body.as_bytes()).unwrap_err();
        assert!(matches!(fault, AnswerFault::Shape(_)), "{body}");
    }
}

#[test]
fn every_error_is_read_and_written() {
    let files = fixtures("errors");
    assert!(files.len() >= 6);
    for (name, body) in files {
        let read = CohereChat.read_error(&body);
        assert!(!read.message.is_empty(), "{name}");
        let mut error = Error::new(read.status.unwrap_or(400), read.message.clone());
        error.code = (!read.code.is_empty()).then(|| read.code.clone());
        error.label = read.kind.clone();
        let again = CohereChat.read_error(&CohereChat.write_error(&error));
        assert_eq!((again.message, again.code), (read.message, read.code), "{name}");
    }
    assert_eq!(CohereChat.read_error(b"<html>").message, "");
    let typed = CohereChat.read_error(&fixture("errors", "503-typed"));
    assert_eq!((typed.status, typed.kind.as_str()), (Some(503), "overloaded"));
}

#[test]
fn errors_have_a_message_an_id_and_a_type() {
    let mut error = Error::new(429, "slow down");
    error.context = ErrorContext { request_id: "r1".to_owned(), ..ErrorContext::default() };
    assert_eq!(error.kind, ErrorKind::RateLimited);
    let expected = json!({ "id": "r1", "type": "too_many_requests", "message": "slow down" });
    assert_eq!(json(&CohereChat.write_error(&error)), expected);
}

#[test]
fn models_are_named_and_not_numbered() {
    let body = br#"{"models":[{"name":"command-a","endpoints":["chat"],"context_length":288000,
        "finetuned":false,"tokenizer_url":null},{"name":null},7],"next_page_token":"x"}"#;
    let models = CohereChat.read_models(body).unwrap();
    let (id, entry) = models.iter().next().unwrap();
    assert_eq!((id, &entry["owned_by"]), ("command-a", &json!("cohere")));
    assert_eq!(models.iter().count(), 1);
    let expected = json!({ "models": [{ "name": "command-a", "endpoints": ["chat"],
        "finetuned": false, "context_length": 288_000 }] });
    assert_eq!(json(&CohereChat.write_models(&models)), expected);
    assert!(CohereChat.read_models(b"{}").is_err());
}
