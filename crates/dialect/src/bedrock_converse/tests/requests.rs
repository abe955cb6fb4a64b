//! Requests of this format, read and written again.

use serde_json::json;

use super::*;

/// Fixtures that are not written as they were read, because the vendor would refuse them or the
/// form between formats has no place for what makes no difference.
const MENDED: [&str; 5] = [
    "trap-06-text-before-tool-result",
    "trap-13-empty-text",
    "trap-18-history-without-tools",
    "trap-19-equal-document-names",
    "trap-28-cache-points",
];

fn again(name: &str, body: &Value) -> (Request, Value) {
    let request = read(body, Operation::Chat);
    let written = BedrockConverse.write_request(&request, &target(model_of(name))).unwrap();
    (request, json(&written))
}

#[test]
fn requests_are_written_as_they_were_read() {
    let all = fixtures::all("requests");
    assert!(all.len() >= 25);
    for (name, body) in all {
        let (request, written) = again(&name, &body);
        if MENDED.contains(&name.as_str()) {
            // What has been mended stays as it is.
            let (_, twice) = again(&name, &written);
            assert_eq!(twice, written, "{name}");
            continue;
        }
        assert_eq!(written, body, "{name}");
        assert_eq!(read(&written, Operation::Chat), request, "{name}");
    }
}

#[test]
fn nothing_of_a_request_is_lost_on_the_way_to_its_own_format() {
    for (name, body) in fixtures::all("requests") {
        let request = read(&body, Operation::Chat);
        let written = BedrockConverse.write_request(&request, &target(model_of(&name))).unwrap();
        // It asks for five cache points, one more than there may be.
        let lost = if name == "trap-28-cache-points" { vec!["cache_control"] } else { vec![] };
        assert_eq!(members(written.losses.iter()), lost, "{name}");
    }
}

#[test]
fn counting_has_the_same_body_one_level_deeper() {
    for (name, body) in fixtures::all("counts") {
        let request = read(&body, Operation::CountTokens);
        let written = BedrockConverse.write_request(&request, &target(CLAUDE)).unwrap();
        assert_eq!(json(&written), body, "{name}");
    }
    let chat = Chat {
        sampling: crate::ir::Sampling { max_output_tokens: Some(9), ..Default::default() },
        ..chat(vec![user("Hi")])
    };
    let request = Request::CountTokens(Box::new(chat));
    let written = BedrockConverse.write_request(&request, &target(CLAUDE)).unwrap();
    let messages = json!([{ "role": "user", "content": [{ "text": "Hi" }] }]);
    assert_eq!(json(&written), json!({ "input": { "converse": { "messages": messages } } }));
    let odd = Bytes::from_static(br#"{"input":{"invokeModel":{"body":"e30="}}}"#);
    let path = PathFacts::of(Operation::CountTokens);
    let fault = BedrockConverse.read_request(&odd, &path).unwrap_err();
    assert!(fault.is_targets);
}

#[test]
fn the_path_says_model_and_stream() {
    let body = Bytes::from_static(br#"{"messages":[]}"#);
    let path = PathFacts { operation: Operation::Chat, model: Some("m"), stream: Some(true) };
    let Request::Chat(chat) = BedrockConverse.read_request(&body, &path).unwrap() else {
        panic!("not a chat");
    };
    assert_eq!((chat.model.as_str(), chat.stream), ("m", true));
}

#[test]
fn what_is_wrong_is_named() {
    for (body, param) in [
        (json!({ "messages": 1 }), "messages"),
        (json!({ "messages": [{ "role": "tool", "content": [] }] }), "messages[0].role"),
        (json!({ "messages": [{ "role": "user", "content": "x" }] }), "messages[0].content"),
        (
            json!({ "messages": [{ "role": "user", "content": [{ "text": 1 }] }] }),
            "messages[0].content[0].text",
        ),
        (
            json!({ "messages": [{ "role": "assistant", "content": [{ "toolUse": {} }] }] }),
            "messages[0].content[0].toolUse.toolUseId",
        ),
        (json!({ "inferenceConfig": { "maxTokens": -1 } }), "inferenceConfig.maxTokens"),
        (
            json!({ "outputConfig": { "textFormat": { "structure": { "jsonSchema": {
                "schema": "{" } } } } }),
            "outputConfig.textFormat.structure.jsonSchema.schema",
        ),
    ] {
        let body = Bytes::from(body.to_string());
        let path = PathFacts::of(Operation::Chat);
        let fault = BedrockConverse.read_request(&body, &path).unwrap_err();
        assert_eq!(fault.param.as_deref(), Some(param));
        assert!(!fault.is_targets);
    }
}

#[test]
fn the_members_of_the_form_between_formats_are_filled() {
    let Request::Chat(chat) = read(&fixtures::one("requests", "claude-cache"), Operation::Chat)
    else {
        panic!("not a chat");
    };
    let system = &chat.messages[0];
    assert_eq!(system.role, Role::System);
    assert_eq!(system.parts[0].cache.as_ref().unwrap().ttl.as_deref(), Some("1h"));
    assert!(chat.messages[1].parts[0].cache.is_some());
    assert!(chat.messages[1].parts[1].cache.is_none());
    assert!(chat.tools[0].cache.is_some());
    let Request::Chat(chat) = read(&fixtures::one("requests", "claude-extras"), Operation::Chat)
    else {
        panic!("not a chat");
    };
    assert_eq!(chat.service_tier.as_deref(), Some("flex"));
    assert_eq!(chat.metadata["team"], "search");
    let extra: Vec<_> = chat.extra.keys().map(String::as_str).collect();
    assert_eq!(
        extra,
        ["performanceConfig", "additionalModelResponseFieldPaths", "projectIdentifier"]
    );
}

#[test]
fn the_body_of_a_request_that_passes_gets_no_model() {
    let body = Bytes::from_static(br#"{"messages":[]}"#);
    let patch =
        crate::Patch { model: "m", quirks: &crate::Quirks::NONE, features: &[], outline: None };
    assert_eq!(BedrockConverse.patch(&body, &patch).unwrap().joined(), body);
}
