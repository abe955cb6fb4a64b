//! Requests of this format, read and written.

use serde_json::json;

use super::*;
use crate::ir::{Effort, PartBody, Reasoning, Role, Sealed, Source, ToolChoice};

fn chat(body: &Value) -> Chat {
    match read(body.to_string().as_bytes(), Operation::Chat) {
        Request::Chat(chat) => *chat,
        other => panic!("{other:?}"),
    }
}

fn refused(body: &Value) -> String {
    let body = Bytes::from(body.to_string());
    FORMAT.read_request(&body, &PathFacts::of(Operation::Chat)).unwrap_err().message
}

#[test]
fn every_request_is_written_as_it_was_read() {
    let all = fixtures("requests");
    assert!(all.len() >= 25, "{}", all.len());
    for (name, body) in all {
        let request = read(&body, operation(&name));
        let written = write_for(&request, vendor(&name));
        assert_eq!(json(&written.body), written_form("requests", &name, &body), "{name}");
        assert!(written.losses.is_empty(), "{name}: {:?}", written.losses);
        let again = write_for(&read(&written.body, operation(&name)), vendor(&name));
        assert_eq!(json(&again.body), json(&written.body), "{name}, the second time");
    }
}

#[test]
fn the_path_wins_over_the_body() {
    let body = Bytes::from_static(br#"{"model":"a","messages":[{"role":"user","content":"x"}]}"#);
    let path = PathFacts { operation: Operation::Chat, model: Some("b"), stream: Some(true) };
    let Request::Chat(chat) = FORMAT.read_request(&body, &path).unwrap() else { panic!() };
    assert_eq!((chat.model.as_str(), chat.stream), ("b", true));
    let counted = FORMAT.read_request(&body, &PathFacts::of(Operation::CountTokens)).unwrap_err();
    assert!(counted.is_targets);
}

#[test]
fn members_find_their_places() {
    let chat = chat(&json!({
        "model": "m", "fallbacks": ["p/m"],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "a",
                "cache_control": {"type": "ephemeral", "ttl": "1h"}}]},
            {"role": "assistant", "content": "b", "reasoning": "hm", "refusal": null,
                "annotations": [{"type": "url_citation", "url_citation": {"url": "u"}}],
                "tool_calls": null, "function_call": null, "audio": null},
        ],
        "reasoning_effort": "minimal", "thinking": {"type": "enabled", "budget_tokens": 2000},
        "tool_choice": "any", "top_k": -1, "max_completion_tokens": 5.0, "max_tokens": 9,
        "stream": null, "safety_identifier": "s", "min_p": 0.1, "logit_bias": null,
    }));
    assert_eq!(chat.messages[0].parts[0].cache.as_ref().unwrap().ttl.as_deref(), Some("1h"));
    let answer = &chat.messages[1].parts;
    assert!(matches!(&answer[0].body, PartBody::Thinking(block) if block.text == "hm"));
    assert!(
        matches!(&answer[1].body, PartBody::Text { annotations, .. } if annotations.len() == 1)
    );
    let wanted = Reasoning {
        enabled: Some(true),
        effort: Some(Effort::Minimal),
        budget_tokens: Some(2000),
        ..Reasoning::default()
    };
    assert_eq!(chat.reasoning, Some(wanted));
    assert_eq!(chat.tool_choice, Some(ToolChoice::Required));
    assert_eq!((chat.sampling.top_k, chat.sampling.max_output_tokens), (None, Some(5)));
    assert_eq!(chat.user.as_deref(), Some("s"));
    assert_eq!(Value::Object(chat.extra), json!({"min_p": 0.1}));
}

#[test]
fn seals_of_other_formats_are_given_their_origin_back() {
    let chat = chat(&json!({"model": "m", "messages": [{"role": "assistant", "content": "x",
        "reasoning_content": "A", "reasoning_details": [
            {"type": "reasoning.text", "text": "A", "signature": "s1",
                "format": "anthropic_messages", "index": 0},
            {"type": "reasoning.encrypted", "data": "r1", "format": "anthropic_messages",
                "index": 1}],
        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f",
            "arguments": "{}"}, "extra_content": {"google": {"thought_signature": "g"}}}]}]}));
    let seal = |data: &str, origin| Some(Sealed { origin, data: data.to_owned() });
    let parts = &chat.messages[0].parts;
    let PartBody::Thinking(first) = &parts[0].body else { panic!("{parts:?}") };
    assert_eq!(first.signature, seal("s1", Dialect::AnthropicMessages));
    let PartBody::Thinking(second) = &parts[1].body else { panic!("{parts:?}") };
    assert_eq!(second.redacted, seal("r1", Dialect::AnthropicMessages));
    let PartBody::ToolCall(call) = &parts[3].body else { panic!("{parts:?}") };
    assert_eq!(call.signature, seal("g", Dialect::GeminiGenerate));
    // OpenAI itself gets none of it back, and hears of no member that it does not know.
    let written = write_for(&Request::Chat(Box::new(chat)), "openai");
    assert_eq!(members(&written), ["messages.thinking", "thinking.signature"]);
    let message = &json(&written.body)["messages"][0];
    assert_eq!(message.as_object().unwrap().len(), 3, "{message}");
}

#[test]
fn a_file_is_what_it_is_by_its_source() {
    let chat = chat(&json!({"model": "m", "messages": [{"role": "user", "content": [
        {"type": "file", "file": {"filename": "a.bin", "file_data": "AAAA"}},
        {"type": "file", "file": {"file_data": "https://example.com/a.pdf"}}]}]}));
    let sources = chat.messages[0].parts.iter().map(|part| match &part.body {
        PartBody::Document(document) => document.source.clone(),
        other => panic!("{other:?}"),
    });
    let sources: Vec<_> = sources.collect();
    let media_type = "application/pdf".to_owned();
    assert_eq!(sources[0], Source::Base64 { media_type, data: "AAAA".to_owned() });
    assert_eq!(sources[1], Source::Url("https://example.com/a.pdf".to_owned()));
    assert_eq!(chat.messages[0].role, Role::User);
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let user = json!({"role": "user", "content": "x"});
    for (body, expected) in [
        (json!({"model": "m"}), "`messages` is missing"),
        (json!({"messages": []}), "`messages` must have at least one message"),
        (json!({"messages": [{"role": "robot"}]}), "`messages[0].role` must be system"),
        (json!({"messages": [{"role": "user"}]}), "`messages[0].content` is missing"),
        (json!({"messages": [{"role": "user", "content": 7}]}), "`messages[0].content` must be"),
        (
            json!({"messages": [{"role": "user", "content": [{"text": "a"}]}]}),
            "`messages[0].content[0].type` is missing",
        ),
        (
            json!({"messages": [{"role": "tool", "content": "x"}]}),
            "`messages[0].tool_call_id` is missing",
        ),
        (
            json!({"messages": [{"role": "function", "name": "f", "content": "x"}]}),
            "`messages[0].name` is of a function that no message before has called",
        ),
        (
            json!({"messages": [{"role": "assistant", "tool_calls": [{"id": "a"}]}]}),
            "`messages[0].tool_calls[0].function` is missing",
        ),
        (json!({"messages": [user], "tool_choice": "sometimes"}), "`tool_choice` must be auto"),
        (json!({"messages": [user], "reasoning_effort": "huge"}), "`reasoning_effort` must be"),
        (
            json!({"messages": [user], "response_format": {"type": "xml"}}),
            "`response_format.type` must be",
        ),
        (json!({"messages": [user], "temperature": "hot"}), "`temperature` must be a number"),
        (json!({"messages": [user], "n": 5_000_000_000_u64}), "`n` is larger"),
    ] {
        let message = refused(&body);
        assert!(message.contains(expected), "{message}");
    }
    let body = Bytes::from_static(br#"{"model":"m","input":[]}"#);
    assert!(FORMAT.read_request(&body, &PathFacts::of(Operation::Embedding)).is_err());
    let body = Bytes::from_static(br#"{"model":"m","query":"q"}"#);
    assert!(FORMAT.read_request(&body, &PathFacts::of(Operation::Rerank)).is_err());
}
