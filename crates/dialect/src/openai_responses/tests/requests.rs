//! Requests: what is read is written again, and what other formats ask for is said as it is here.

use bytes::Bytes;
use serde_json::{Value, json};
use weir_types::{Dialect, Operation};

use super::*;
use crate::fault::RequestFault;
use crate::ir::{
    CacheMark, Document, Effort, Image, Reasoning, Sealed, Source, Thinking, Tool, ToolBody,
    ToolChoice, ToolResult,
};

fn written(chat: Chat) -> Result<(Value, Vec<String>), RequestFault> {
    let written = FORMAT.write_request(&Request::Chat(Box::new(chat)), &target("gpt-5.1"))?;
    let losses = written.losses.iter().map(|loss| loss.member.to_string()).collect();
    Ok((value(&written.body), losses))
}

/// Fixtures that are written differently and mean the same: easy messages without their type, ids
/// of items, several summary parts, members that were empty.
const OTHER_WORDS: &[&str] = &[
    "output-message-history",
    "reasoning-history",
    "roles",
    "trap-04-empty-arguments",
    "trap-17-encrypted-reasoning",
    "trap-30-reasoning-without-id-or-summary",
];

#[test]
fn every_request_is_written_as_it_was_read() {
    let mut otherwise = Vec::new();
    for (name, body) in fixtures("requests") {
        let request = read_request(&body);
        let written = FORMAT.write_request(&request, &target("gpt-5.1")).unwrap();
        let mut again = read_request(&written.body);
        let (Request::Chat(again), Request::Chat(first)) = (&mut again, &request) else {
            panic!("{name}")
        };
        // The target's name of the model takes the place of the client's.
        again.model.clone_from(&first.model);
        assert_eq!(again, first, "{name}");
        assert!(written.losses.is_empty(), "{name}: {:?}", written.losses);
        let mut before = value(&body);
        before["model"] = json!("gpt-5.1");
        if before != value(&written.body) {
            otherwise.push(name);
        }
    }
    assert_eq!(otherwise, OTHER_WORDS);
}

#[test]
fn state_of_the_provider_is_named_and_goes_nowhere_else() {
    let expected = [
        ("state-previous-response", "previous_response_id"),
        ("state-conversation", "conversation"),
        ("state-prompt", "prompt"),
        ("state-background", "background"),
        ("state-item-reference", "input.item_reference"),
        ("state-compaction", "input.compaction"),
    ];
    for (name, member) in expected {
        let chat = chat(&value(&fixture("requests", name)));
        assert_eq!(chat.needs_state, Some(member), "{name}");
    }
    for (name, body) in fixtures("requests") {
        if !name.starts_with("state-") {
            assert_eq!(chat(&value(&body)).needs_state, None, "{name}");
        }
    }
    let not = chat(&json!({"model": "m", "input": "x", "background": false}));
    assert_eq!(not.needs_state, None);
}

#[test]
fn items_of_one_turn_are_one_message() {
    let chat = chat(&value(&fixture("requests", "reasoning-history")));
    let roles: Vec<_> = chat.messages.iter().map(|m| (m.role, m.parts.len())).collect();
    let expected = [(Role::User, 1), (Role::Assistant, 4), (Role::Tool, 1), (Role::Tool, 1)];
    assert_eq!(roles, expected);
    let kinds: Vec<_> = chat.messages[1]
        .parts
        .iter()
        .map(|part| match &part.body {
            PartBody::Thinking(thinking) => {
                assert!(thinking.signature.is_some() != thinking.redacted.is_some());
                thinking.id.clone().unwrap()
            }
            PartBody::ToolCall(call) => call.id.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(kinds, ["rs_1", "call_1", "rs_2", "call_2"]);
    assert_eq!(chat.reasoning.unwrap().effort, Some(Effort::High));
    // Two messages of the model's stay two.
    let body = json!({"model": "m", "input": [
        {"role": "assistant", "content": "a"}, {"role": "assistant", "content": "b"},
    ]});
    assert_eq!(super::chat(&body).messages.len(), 2);
}

#[test]
fn trap_12_and_30_reasoning_keeps_order_number_and_seals() {
    let (body, _) =
        written(chat(&value(&fixture("requests", "trap-12-several-reasoning-items")))).unwrap();
    let sealed: Vec<_> = body["input"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|i| i.get("encrypted_content"))
        .collect();
    assert_eq!(sealed, ["a", "b", "c"]);
    let name = "trap-30-reasoning-without-id-or-summary";
    let (body, _) = written(chat(&value(&fixture("requests", name)))).unwrap();
    let item = json!({"type": "reasoning", "summary": [], "encrypted_content": "gAAAAB1"});
    assert_eq!(body["input"][1], item);
}

#[test]
fn trap_04_a_call_without_arguments_has_an_empty_object() {
    let chat = chat(&value(&fixture("requests", "trap-04-empty-arguments")));
    let PartBody::ToolCall(call) = &chat.messages[1].parts[0].body else { panic!() };
    assert_eq!(call.arguments, "{}");
}

#[test]
fn trap_06_results_stand_before_the_text_of_their_turn() {
    let result = |id: &str| {
        Part::new(PartBody::ToolResult(ToolResult {
            call_id: id.to_owned(),
            name: None,
            parts: vec![Part::text("ok")],
            is_error: Some(true),
        }))
    };
    let chat = foreign(
        Dialect::AnthropicMessages,
        vec![
            message(Role::System, vec![Part::text("Be brief.")]),
            message(Role::Assistant, vec![call("a", "f", "{}"), call("b", "f", "{}")]),
            message(Role::User, vec![Part::text("and?"), result("a"), result("b")]),
        ],
    );
    let (body, losses) = written(chat).unwrap();
    let kinds: Vec<_> = body["input"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["type"].as_str().unwrap())
        .collect();
    let calls = ["function_call", "function_call", "function_call_output", "function_call_output"];
    assert_eq!(kinds, [&calls[..], &["message"]].concat());
    assert_eq!(body["instructions"], "Be brief.");
    assert_eq!(body["store"], false);
    assert_eq!(losses, ["messages.tool_result.is_error"]);
}

#[test]
fn reasoning_of_others_is_not_sent_back() {
    let thinking = Part::new(PartBody::Thinking(Thinking {
        text: "Hm".to_owned(),
        signature: Some(Sealed { origin: Dialect::AnthropicMessages, data: "s".to_owned() }),
        ..Thinking::default()
    }));
    let messages = vec![message(Role::Assistant, vec![thinking, Part::text("a"), Part::text("b")])];
    let (body, losses) = written(foreign(Dialect::AnthropicMessages, messages)).unwrap();
    assert_eq!(losses, ["messages.thinking", "thinking.signature"]);
    assert_eq!(body["input"][0]["content"].as_array().unwrap().len(), 2);
    assert_eq!(body["input"][0]["status"], "completed");
}

#[test]
fn what_has_no_member_is_a_loss_and_what_changes_the_meaning_is_refused() {
    let mut chat = foreign(Dialect::OpenAiChat, vec![message(Role::User, vec![Part::text("x")])]);
    chat.sampling.seed = Some(1);
    chat.sampling.stop = vec!["x".to_owned()];
    chat.sampling.logprobs = Some(true);
    chat.cache = Some(CacheMark::default());
    chat.extra.insert("prompt_cache_key".to_owned(), json!("k"));
    chat.extra.insert("web_search_options".to_owned(), json!({}));
    chat.reasoning =
        Some(Reasoning { budget_tokens: Some(2000), visible: Some(true), ..Default::default() });
    let (body, losses) = written(chat.clone()).unwrap();
    assert_eq!(losses, ["cache_control", "seed", "stop", "web_search_options"]);
    assert_eq!(body["prompt_cache_key"], "k");
    assert_eq!(body["reasoning"], json!({"effort": "medium", "summary": "auto"}));
    assert_eq!(body["include"], json!(["message.output_text.logprobs"]));
    chat.modalities = vec!["audio".to_owned()];
    assert!(written(chat).unwrap_err().is_targets);
}

#[test]
fn files_of_others_are_refused_and_texts_become_text() {
    let ask = |source| {
        let document = Document { source, title: Some("T".into()), context: None, citations: None };
        let part = Part::new(PartBody::Document(document));
        written(foreign(Dialect::AnthropicMessages, vec![message(Role::User, vec![part])]))
    };
    let file = Source::File { dialect: Dialect::AnthropicMessages, id: "file_1".to_owned() };
    assert!(ask(file).unwrap_err().is_targets);
    assert!(ask(Source::Url("gs://b/x".to_owned())).unwrap_err().is_targets);
    let (body, _) = ask(Source::Text("text".to_owned())).unwrap();
    let content = json!([{"type": "input_text", "text": "T\n\ntext"}]);
    assert_eq!(body["input"][0]["content"], content);
    let image = Image { source: Source::Url("https://x/y.png".to_owned()), detail: None };
    let part = Part::new(PartBody::Image(image));
    let messages = vec![message(Role::User, vec![part])];
    let (body, _) = written(foreign(Dialect::AnthropicMessages, messages)).unwrap();
    assert_eq!(body["input"][0]["content"][0]["detail"], "auto");
}

#[test]
fn functions_of_others_are_not_made_strict() {
    let mut chat = foreign(Dialect::OpenAiChat, vec![message(Role::User, vec![Part::text("x")])]);
    let function = ToolBody::Function {
        name: "f".to_owned(),
        description: None,
        parameters: None,
        strict: None,
    };
    let custom = ToolBody::Custom {
        name: "c".to_owned(),
        description: None,
        format: Some(json!({"type": "grammar", "grammar": {"syntax": "lark", "definition": "d"}})),
    };
    chat.tools = [function, custom].map(|body| Tool { body, cache: None }).to_vec();
    chat.tool_choice = Some(ToolChoice::Function("c".to_owned()));
    let (body, losses) = written(chat).unwrap();
    let empty = json!({"type": "object", "properties": {}});
    let function = json!({"type": "function", "name": "f", "parameters": empty, "strict": false});
    assert_eq!(body["tools"][0], function);
    assert_eq!(
        body["tools"][1]["format"],
        json!({"type": "grammar", "syntax": "lark", "definition": "d"})
    );
    assert_eq!(body["tool_choice"], json!({"type": "custom", "name": "c"}));
    assert!(losses.is_empty());
}

#[test]
fn a_count_asks_for_nothing_that_counts_not() {
    let body = fixture("requests", "everything");
    let path = PathFacts::of(Operation::CountTokens);
    let request = FORMAT.read_request(&body, &path).unwrap();
    assert!(matches!(request, Request::CountTokens(_)));
    let target = Target { operation: Operation::CountTokens, ..target("gpt-5.1") };
    let written = value(&FORMAT.write_request(&request, &target).unwrap().body);
    let names: Vec<_> = written.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "model",
        "instructions",
        "input",
        "parallel_tool_calls",
        "reasoning",
        "text",
        "truncation",
    ];
    assert_eq!(names, expected);
}

#[test]
fn faults_say_where() {
    let cases = [
        (json!({"model": "m"}), "input"),
        (json!({"model": "m", "input": 7}), "input"),
        (json!({"model": "m", "input": ["x"]}), "input[0]"),
        (json!({"model": "m", "input": [{}]}), "input[0].type"),
        (json!({"model": "m", "input": [{"role": "tool", "content": "x"}]}), "input[0].role"),
        (json!({"model": "m", "input": [{"role": "user"}]}), "input[0].content"),
        (
            json!({"model": "m", "input": [
                {"role": "user", "content": [{"type": "input_image"}]},
            ]}),
            "input[0].content[0].image_url",
        ),
        (
            json!({"model": "m", "input": [{"type": "function_call", "call_id": "c"}]}),
            "input[0].name",
        ),
        (json!({"model": "m", "input": "x", "tools": [{"type": "function"}]}), "tools[0].name"),
        (json!({"model": "m", "input": "x", "tool_choice": "any"}), "tool_choice"),
        (json!({"model": "m", "input": "x", "reasoning": {"effort": "huge"}}), "reasoning.effort"),
        (
            json!({"model": "m", "input": "x", "text": {"format": {"type": "xml"}}}),
            "text.format.type",
        ),
    ];
    for (body, param) in cases {
        let bytes = Bytes::from(body.to_string());
        let fault = FORMAT.read_request(&bytes, &PathFacts::of(Operation::Responses)).unwrap_err();
        assert_eq!(fault.param.as_deref(), Some(param), "{body}: {fault}");
        assert!(!fault.is_targets, "{body}");
    }
    let path = PathFacts::of(Operation::Embedding);
    assert!(FORMAT.read_request(&Bytes::from_static(b"{}"), &path).unwrap_err().is_targets);
}

#[test]
fn limits_and_efforts_that_would_be_refused_are_not_sent() {
    let words = vec![message(Role::User, vec![Part::text("x")])];
    let mut chat = foreign(Dialect::AnthropicMessages, words);
    chat.sampling.max_output_tokens = Some(1);
    chat.reasoning = Some(Reasoning { enabled: Some(false), ..Reasoning::default() });
    let (body, losses) = written(chat.clone()).unwrap();
    assert_eq!(body["max_output_tokens"], 16);
    assert_eq!(body.get("reasoning"), None);
    assert_eq!(losses, ["max_tokens", "reasoning"]);
    chat.source = Dialect::OpenAiChat;
    assert_eq!(written(chat).unwrap().0["reasoning"]["effort"], "none");
}

#[test]
fn a_breakpoint_says_no_time_of_another_host() {
    for (ttl, expected) in
        [("1h", json!({"mode": "explicit"})), ("12h", json!({"mode": "explicit", "ttl": "12h"}))]
    {
        let mut part = Part::text("x");
        part.cache = Some(CacheMark { ttl: Some(ttl.to_owned()) });
        let chat = foreign(Dialect::OpenAiChat, vec![message(Role::User, vec![part])]);
        let (body, _) = written(chat).unwrap();
        assert_eq!(body["input"][0]["content"][0]["prompt_cache_breakpoint"], expected);
    }
}
