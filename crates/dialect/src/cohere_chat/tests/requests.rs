//! Requests: read and written again they mean the same.

use serde_json::{Value, json};
use weir_types::{Dialect, Operation};

use super::{fixture, fixtures, foreign, json, operation, read, says, target, words, written};
use crate::cohere_chat::CohereChat;
use crate::format::Format;
use crate::ir::{Chat, EmbeddingInput, PartBody, Request, Role, Source, ToolBody, ToolChoice};
use crate::peek::PathFacts;

/// Several ways to write one thing, made one.
fn plain(mut request: Value) -> Value {
    let members = request.as_object_mut().unwrap();
    if members.get("stream") == Some(&json!(false)) {
        members.remove("stream");
    }
    for message in members.get_mut("messages").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(content) = message.get_mut("content") {
            if content.is_object() {
                *content = json!([content.take()]);
            }
            let list = content.as_array().filter(|list| list.len() == 1);
            let text = list.and_then(|list| list[0].get("text").cloned());
            *content = text.unwrap_or_else(|| content.take());
        }
        let calls = message.get_mut("tool_calls").and_then(Value::as_array_mut);
        for call in calls.into_iter().flatten() {
            if call["function"]["arguments"] == "" {
                call["function"]["arguments"] = json!("{}");
            }
        }
    }
    let documents = members.get_mut("documents").and_then(Value::as_array_mut);
    for document in documents.into_iter().flatten().filter(|document| document.is_string()) {
        *document = json!({ "data": { "text": document.take() } });
    }
    let format = members.get_mut("response_format").and_then(Value::as_object_mut);
    if let Some(format) = format
        && let Some(schema) = format.remove("schema")
    {
        format.insert("json_schema".to_owned(), schema);
    }
    request
}

#[test]
fn every_request_is_the_same_when_written_again() {
    let files = fixtures("requests");
    assert!(files.len() >= 25);
    for (name, body) in files {
        let request = read(operation(&name), &body);
        let before = json(&body);
        let model = before["model"].as_str().unwrap();
        let written = CohereChat.write_request(&request, &target(model)).unwrap();
        assert_eq!(plain(json(&written.body)), plain(before), "{name}");
        assert!(written.losses.is_empty(), "{name}: {:?}", written.losses);
        let again = read(operation(&name), &written.body);
        assert_eq!(again, request, "{name}");
    }
}

fn chat(name: &str) -> Chat {
    match read(Operation::Chat, &fixture("requests", name)) {
        Request::Chat(chat) => *chat,
        other => panic!("{other:?}"),
    }
}

#[test]
fn documents_are_parts_of_the_last_user_turn() {
    let chat = chat("chat-documents");
    let parts = &chat.messages[0].parts;
    let PartBody::Document(first) = &parts[0].body else { panic!("{parts:?}") };
    assert_eq!(first.source, Source::Text("Emperor penguins are the tallest.".to_owned()));
    assert_eq!(first.title.as_deref(), Some("Tall penguins"));
    assert_eq!(first.context.as_deref(), Some(r#"{"id":"doc1"}"#));
    assert_eq!(first.citations, Some(true));
    let PartBody::Document(third) = &parts[2].body else { panic!("{parts:?}") };
    assert_eq!(
        third.source,
        Source::Text(r#"{"snippet":"No text here","n":1,"id":"doc3"}"#.into())
    );
    assert_eq!(parts.len(), 4);
}

#[test]
fn the_plan_stands_between_the_words_and_the_calls() {
    let chat = chat("chat-assistant-thinking-and-calls");
    let bodies: Vec<_> = chat.messages[1].parts.iter().map(|part| &part.body).collect();
    let [PartBody::Thinking(thought), PartBody::Thinking(plan), PartBody::ToolCall(call)] =
        bodies.as_slice()
    else {
        panic!("{bodies:?}")
    };
    assert_eq!((thought.is_summary, plan.is_summary), (false, true));
    assert_eq!(call.arguments, r#"{"city":"Oslo"}"#);
    assert_eq!(chat.messages[2].role, Role::Tool);
}

#[test]
fn choice_and_strictness_are_of_the_tools() {
    assert_eq!(chat("chat-tools").tool_choice, None);
    assert_eq!(chat("chat-tools-required").tool_choice, Some(ToolChoice::Required));
    assert_eq!(chat("chat-tools-none").tool_choice, Some(ToolChoice::None));
    let strict = chat("chat-tools-strict");
    assert!(matches!(strict.tools[0].body, ToolBody::Function { strict: Some(true), .. }));
}

#[test]
fn trap_04_calls_without_arguments_have_an_empty_object() {
    let chat = chat("trap-04-arguments-empty");
    let PartBody::ToolCall(call) = &chat.messages[1].parts[0].body else { panic!() };
    assert_eq!(call.arguments, "{}");
}

#[test]
fn trap_14_references_in_schemas_stay() {
    let chat = chat("trap-14-schema-with-refs");
    let (body, _) = written(Chat { source: Dialect::OpenAiChat, ..chat });
    let parameters = &body["tools"][0]["function"]["parameters"];
    assert_eq!(parameters["properties"]["to"]["$ref"], "#/$defs/address");
    assert!(parameters["$defs"]["address"].is_object());
}

#[test]
fn faults_say_where() {
    for (body, param) in [
        (r#"{"messages":[{"role":"user","content":"x"}]}"#, "model"),
        (r#"{"model":"m"}"#, "messages"),
        (r#"{"model":"m","messages":[]}"#, "messages"),
        (r#"{"model":"m","messages":[{"role":"chatbot"}]}"#, "messages[0].role"),
        (r#"{"model":"m","messages":[{"role":"tool","content":"x"}]}"#, "messages[0].tool_call_id"),
        (
            r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text"}]}]}"#,
            "messages[0].content[0].text",
        ),
        (r#"{"model":"m","messages":[{"role":"user","content":7}]}"#, "messages[0].content"),
        (
            r#"{"model":"m","messages":[{"role":"user","content":"x"}],"tool_choice":"AUTO"}"#,
            "tool_choice",
        ),
        (
            r#"{"model":"m","messages":[{"role":"user","content":"x"}],"thinking":{"type":"?"}}"#,
            "thinking.type",
        ),
    ] {
        let path = PathFacts::of(Operation::Chat);
        let fault = CohereChat.read_request(&body.into(), &path).unwrap_err();
        assert_eq!(fault.param.as_deref(), Some(param), "{fault}");
        assert!(!fault.is_targets);
    }
}

#[test]
fn what_only_cohere_has_is_kept_for_cohere() {
    let body = br#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"x",
        "mark":1}],"mood":"good"}],"safety_mode":"OFF","seed":9223372036854775808}"#;
    let Request::Chat(chat) = read(Operation::Chat, &body[..].into()) else { panic!() };
    let names: Vec<_> = chat.extra.keys().map(String::as_str).collect();
    assert_eq!(names, ["messages.content.mark", "messages.mood", "safety_mode", "seed"]);
    let (again, losses) = written(*chat);
    assert_eq!(again["safety_mode"], "OFF");
    assert_eq!(losses, ["messages.content.mark", "messages.mood"]);
}

#[test]
fn embeddings_of_other_formats_are_of_documents() {
    let body = r#"{"model":"m","texts":["a"],"embedding_types":["base64"]}"#;
    let Request::Embedding(mut embedding) = read(Operation::Embedding, &body.into()) else {
        panic!()
    };
    embedding.source = Dialect::OpenAiChat;
    embedding.user = Some("u".to_owned());
    let request = Request::Embedding(embedding.clone());
    let written = CohereChat.write_request(&request, &target("embed-v4.0")).unwrap();
    let body = json(&written.body);
    assert_eq!(body["input_type"], "search_document");
    assert_eq!(body["embedding_types"], json!(["base64"]));
    assert_eq!(written.losses.iter().next().unwrap().member, "user");
    for input in [
        EmbeddingInput::Tokens(vec![1, 2]),
        EmbeddingInput::Image(Source::Url("https://example.com/a.png".to_owned())),
    ] {
        embedding.inputs = vec![input];
        let request = Request::Embedding(embedding.clone());
        assert!(CohereChat.write_request(&request, &target("m")).unwrap_err().is_targets);
    }
    let mixed = r#"{"model":"m","inputs":[{"content":[{"type":"text","text":"a"},
        {"type":"text","text":"b"}]}]}"#;
    let path = PathFacts::of(Operation::Embedding);
    assert!(CohereChat.read_request(&mixed.into(), &path).unwrap_err().is_targets);
}

#[test]
fn documents_to_be_ordered_are_texts() {
    let body = r#"{"model":"m","query":"q","documents":["a",{"text":"b"},{"t":"c","n":1}],
        "return_documents":true}"#;
    let request = read(Operation::Rerank, &body.into());
    let written = CohereChat.write_request(&request, &target("rerank-v3.5")).unwrap();
    assert_eq!(json(&written.body)["documents"], json!(["a", "b", r#"{"t":"c","n":1}"#]));
    assert_eq!(json(&written.body).get("return_documents"), None);
}

#[test]
fn tokens_are_counted_with_the_tools_or_not_at_all() {
    let mut chat = foreign(vec![says(Role::User, vec![words("Weather?")])]);
    chat.tools = self::chat("chat-tools").tools;
    let request = Request::CountTokens(Box::new(chat));
    let counted = CohereChat.write_request(&request, &target("command-a")).unwrap();
    let text = json(&counted.body)["text"].as_str().unwrap().to_owned();
    assert!(text.starts_with("Weather?\nget_weather\nThe weather in a city.\n{"), "{text}");
    assert!(!counted.losses.is_empty());
    let image = PartBody::Image(crate::ir::Image {
        source: Source::Url("https://example.com/a.png".to_owned()),
        detail: None,
    });
    for parts in [vec![image], vec![words(&"x".repeat(65_537))], vec![]] {
        let chat = foreign(vec![says(Role::User, parts)]);
        let request = Request::CountTokens(Box::new(chat));
        assert!(CohereChat.write_request(&request, &target("m")).unwrap_err().is_targets);
    }
}
