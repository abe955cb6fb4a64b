//! Anthropic's messages.

use serde_json::{Value, json};

use crate::answer::reply::seal;
use crate::wire::testing::{get, patched, post, refuses, takes};

const PATH: &str = "/v1/messages";
const HEAD: [(&str, &str); 2] = [("x-api-key", "k"), ("anthropic-version", "2023-06-01")];
const VERTEX: &str = "/v1/projects/p/locations/l/publishers/anthropic/models";

fn hello() -> Value {
    json!({"model": "claude-sonnet-4-5", "max_tokens": 100,
        "messages": [{"role": "user", "content": "hello"}]})
}

fn tools() -> Value {
    json!([{"name": "f", "input_schema": {"type": "object",
        "properties": {"a": {"type": "integer"}}}},
        {"name": "g", "input_schema": {"type": "object"}}])
}

fn calls(ids: &[&str]) -> Value {
    let call = |id: &&str| json!({"type": "tool_use", "id": id, "name": "f", "input": {}});
    json!({"role": "assistant", "content": ids.iter().map(call).collect::<Vec<_>>()})
}

fn results(ids: &[&str]) -> Value {
    let result = |id: &&str| json!({"type": "tool_result", "tool_use_id": id, "content": "1"});
    json!({"role": "user", "content": ids.iter().map(result).collect::<Vec<_>>()})
}

fn user(text: &str) -> Value {
    json!({"role": "user", "content": text})
}

fn turns(messages: &[Value]) -> Value {
    json!({"messages": messages, "tools": tools()})
}

fn ask(patch: &Value) -> Value {
    post(PATH, &HEAD, &patched(&hello(), patch)).json()
}

#[test]
fn answers_and_counts() {
    let answer = ask(&json!({}));
    let text = answer["content"][0]["text"].as_str().unwrap();
    assert!(text.ends_with("You said: hello"), "{text}");
    assert_eq!(answer["stop_reason"], "end_turn");
    let count = |body: &Value| post("/v1/messages/count_tokens", &HEAD, body).json();
    let bare = patched(&hello(), &json!({"max_tokens": null}));
    assert_eq!(count(&bare)["input_tokens"], answer["usage"]["input_tokens"]);
    let more = count(&patched(&bare, &json!({"tools": tools()})));
    assert!(more["input_tokens"].as_u64() > answer["usage"]["input_tokens"].as_u64());
    let refused = count(&hello());
    assert_eq!(refused["error"]["message"], "max_tokens: Extra inputs are not permitted");
    let cut = ask(&json!({"max_tokens": 2}));
    assert_eq!(
        (&cut["stop_reason"], &cut["content"][0]["text"]),
        (&json!("max_tokens"), &json!("This is "))
    );
    let called = ask(&json!({"tools": tools(), "tool_choice": {"type": "tool", "name": "f"}}));
    assert_eq!(called["content"][0]["input"], json!({"a": 7}));
    assert_eq!(called["stop_reason"], "tool_use");
    let marked = ask(&json!({"cache_control": {"type": "ephemeral"}}))["usage"].clone();
    let parts = ["input_tokens", "cache_read_input_tokens"].map(|name| marked[name].as_u64());
    assert_eq!(
        parts[0].unwrap() + parts[1].unwrap(),
        answer["usage"]["input_tokens"].as_u64().unwrap()
    );
    let spoken = ask(&turns(&[user("call f"), calls(&["t1"]), results(&["t1"])]));
    assert_eq!(spoken["content"][0]["type"], "text");
}

#[test]
fn a_text_is_streamed_in_the_documented_order() {
    let said = post(PATH, &HEAD, &patched(&hello(), &json!({"stream": true})));
    assert_eq!(
        said.names(),
        [
            "message_start",
            "content_block_start",
            "ping",
            "content_block_delta",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ]
    );
    let (events, whole) = (said.events(), ask(&json!({})));
    assert!(events.iter().all(|(name, data)| data["type"] == name.as_str()));
    assert_eq!(said.joined("/delta/text"), whole["content"][0]["text"]);
    assert_eq!(events[0].1["message"]["id"], whole["id"]);
    assert_eq!(events[6].1["usage"], whole["usage"]);
}

#[test]
fn thoughts_and_calls_are_streamed_in_blocks_without_gaps() {
    let wish = json!({"tools": tools(), "messages": [user("f and g")], "max_tokens": 4000,
        "thinking": {"type": "enabled", "budget_tokens": 1024}, "stream": true});
    let said = post(PATH, &HEAD, &patched(&hello(), &wish));
    let block = |deltas: usize| {
        let mut names = vec!["content_block_start"];
        names.extend(std::iter::repeat_n("content_block_delta", deltas));
        names.push("content_block_stop");
        names
    };
    let mut expected = vec!["message_start"];
    expected.extend(block(2));
    expected.insert(2, "ping");
    // One call with arguments in pieces, one without any.
    expected.extend(block(3));
    expected.extend(block(1));
    expected.extend(["message_delta", "message_stop"]);
    assert_eq!(said.names(), expected);
    let events = said.events();
    let starts = events.iter().filter(|(name, _)| name == "content_block_start");
    let indices: Vec<u64> = starts.map(|(_, data)| data["index"].as_u64().unwrap()).collect();
    assert_eq!(indices, [0, 1, 2]);
    assert_eq!(said.joined("/delta/partial_json"), r#"{"a":7}"#);
    assert_eq!(said.joined("/delta/signature"), seal(&said.joined("/delta/thinking")));
    let hidden = ask(&json!({"thinking": {"type": "adaptive", "display": "omitted"}}));
    assert_eq!(
        hidden["content"][0],
        json!({"type": "thinking", "thinking": "",
        "signature": seal("")})
    );
}

#[test]
fn bodies_that_do_not_fit_are_refused() {
    let block = |block: Value| json!({"messages": [{"role": "user", "content": [block]}]});
    refuses(
        PATH,
        &HEAD,
        &hello(),
        &[
            (json!({"max_tokens": null}), "max_tokens: Field required"),
            (json!({"model": null}), "model: Field required"),
            (json!({"messages": []}), "at least one message is required"),
            (json!({"max_tokens": "9"}), "max_tokens: Input should be a valid integer"),
            (json!({"temperature": 1.5}), "from 0 to 1"),
            (json!({"n": 1}), "n: Extra inputs are not permitted"),
            (json!({"service_tier": "flex"}), "'auto', 'standard_only'"),
            (json!({"metadata": {"user": "x"}}), "metadata.user: Extra inputs"),
            (json!({"stop_sequences": [" "]}), "non-whitespace"),
            (block(json!({"type": "text", "text": ""})), "text content blocks must be non-empty"),
            (block(json!({"type": "text", "text": " "})), "non-whitespace text"),
            (block(json!({"type": "text", "text": "x", "y": 1})), "content.0.y: Extra inputs"),
            (block(json!({"type": "image_url"})), "messages.0.content.0.type: Input should be"),
            (
                block(
                    json!({"type": "image", "source": {"type": "base64", "media_type": "image/tiff",
                "data": "AAAA"}}),
                ),
                "source.media_type",
            ),
            (
                block(json!({"type": "image", "source": {"type": "url", "url": "http://a"}})),
                "a URL of the scheme https",
            ),
            (json!({"system": [{"type": "text", "text": ""}]}), "must be non-empty"),
            (json!({"messages": [{"role": "tool", "content": "x"}]}), "messages.0.role"),
            (json!({"messages": [user("")]}), "must have non-empty content"),
            (json!({"messages": [{"role": "assistant", "content": "x"}]}), "the \"user\" role"),
            (
                json!({"messages": [user("x"), {"role": "assistant", "content": "so "}]}),
                "trailing whitespace",
            ),
            (
                json!({"messages": [user("x"), {"role": "system", "content": "y"}]}),
                "Unexpected role \"system\"",
            ),
            (
                json!({"output_config": {"format": {"type": "json_schema", "schema":
                {"type": "object", "properties": {}}}}}),
                "'additionalProperties' must be explicitly set to false",
            ),
        ],
    );
    takes(
        PATH,
        &HEAD,
        &hello(),
        &[
            json!({"max_tokens": 0, "metadata": {"user_id": null}, "top_k": 5}),
            json!({"messages": [user("x"), user("y"), {"role": "assistant", "content": "so"}]}),
            json!({"model": "claude-opus-4-8",
            "messages": [user("x"), {"role": "system", "content": "y"}]}),
        ],
    );
    let headless = post(PATH, &HEAD[..1], &hello());
    assert!(headless.json()["error"]["message"].as_str().unwrap().contains("header is required"));
    assert_eq!(headless.json()["error"]["type"], "invalid_request_error");
}

#[test]
fn turns_out_of_order_are_refused() {
    let first = [user("x"), calls(&["t1", "t2"])];
    let with = |more: &[Value]| turns(&[&first[..], more].concat());
    let late = json!({"role": "user", "content": [{"type": "text", "text": "first"},
        {"type": "tool_result", "tool_use_id": "t1"},
        {"type": "tool_result", "tool_use_id": "t2"}]});
    let thought = |signature: &str| {
        json!({"role": "assistant", "content": [
        {"type": "thinking", "thinking": "hm", "signature": signature},
        {"type": "text", "text": "x"}]})
    };
    let thinking = json!({"thinking": {"type": "enabled", "budget_tokens": 1024},
        "max_tokens": 2000});
    refuses(
        PATH,
        &HEAD,
        &hello(),
        &[
            (with(&[]), "without `tool_result` blocks immediately after: t1, t2"),
            (with(&[user("y")]), "messages.1: `tool_use` ids were found without"),
            (with(&[results(&["t1"])]), "immediately after: t2"),
            (with(&[late]), "immediately after: t1, t2"),
            (with(&[results(&["t1", "t2", "t3"])]), "unexpected `tool_use_id`"),
            (with(&[results(&["t1", "t2", "t2"])]), "single result"),
            (turns(&[user("x"), results(&["t1"])]), "unexpected `tool_use_id`"),
            (turns(&[user("x"), calls(&["t1", "t1"]), results(&["t1"])]), "must be unique"),
            (
                turns(&[json!({"role": "user", "content": calls(&["t1"])["content"]})]),
                "can only be in `assistant` messages",
            ),
            (turns(&[user("x"), thought("forged"), user("y")]), "Invalid `signature`"),
            (
                patched(&with(&[results(&["t1", "t2"])]), &thinking),
                "Expected `thinking` or `redacted_thinking`, but found `tool_use`",
            ),
            (
                json!({"model": "claude-opus-4-7",
                "messages": [user("x"), {"role": "assistant", "content": "so"}]}),
                "does not support assistant message prefill",
            ),
        ],
    );
    takes(
        PATH,
        &HEAD,
        &hello(),
        &[
            with(&[results(&["t2", "t1"])]),
            with(&[results(&["t1"]), results(&["t2"]), user("y")]),
            turns(&[user("x"), thought(&seal("hm")), user("y")]),
        ],
    );
}

#[test]
fn tools_thinking_and_marks_are_checked() {
    let named = |name: &str| json!({"tools": [{"name": name, "input_schema": {"type": "object"}}]});
    let thinking = json!({"thinking": {"type": "enabled", "budget_tokens": 1024},
        "max_tokens": 2000});
    let with = |more: Value| patched(&thinking, &more);
    let mark = json!({"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}});
    let marked = |count: usize| {
        json!({"messages": [{"role": "user",
        "content": vec![mark.clone(); count]}]})
    };
    refuses(
        PATH,
        &HEAD,
        &hello(),
        &[
            (named("a.b"), "should match pattern '^[a-zA-Z0-9_-]{1,128}$'"),
            (named(&"x".repeat(129)), "should match pattern"),
            (json!({"tools": [{"name": "f"}]}), "tools.0.input_schema: Field required"),
            (json!({"tools": [{"name": "f", "input_schema": {"type": "string"}}]}), "'object'"),
            (
                json!({"tools": [{"type": "function", "function": {}}, tools()[0], tools()[0]]}),
                "must be unique",
            ),
            (json!({"tool_choice": {"type": "auto"}}), "only be specified while providing tools"),
            (json!({"tools": tools(), "tool_choice": "auto"}), "tool_choice: Input should be"),
            (json!({"tools": tools(), "tool_choice": {"type": "tool", "name": "h"}}), "not found"),
            (with(json!({"tools": tools(), "tool_choice": {"type": "any"}})), "forces tool use"),
            (with(json!({"max_tokens": 1024})), "must be greater than"),
            (with(json!({"temperature": 0.5})), "may only be set to 1"),
            (with(json!({"top_k": 5})), "`top_k` must be unset"),
            (with(json!({"top_p": 0.9})), "`top_p` must be greater"),
            (
                json!({"tools": [{"name": "f", "strict": true, "input_schema": {"type": "object"}}]}),
                "tools.input_schema: For 'object' type",
            ),
            (
                with(json!({"thinking": {"budget_tokens": 100}})),
                "thinking.budget_tokens: Input should be greater than or equal to 1024",
            ),
            (with(json!({"model": "claude-opus-5-5"})), "is not supported for this model"),
            (
                json!({"model": "claude-opus-5", "thinking": {"type": "disabled"},
                "output_config": {"effort": "max"}}),
                "with `output_config.effort`",
            ),
            (
                json!({"model": "claude-fable-5-1", "tools": tools(),
                    "tool_choice": {"type": "any"}}),
                "forced tool use is not supported",
            ),
            (
                json!({"model": "claude-opus-4-7", "temperature": 1}),
                "`temperature` is not supported",
            ),
            (marked(5), "A maximum of 4 blocks with cache_control may be provided. Found 5."),
        ],
    );
    takes(
        PATH,
        &HEAD,
        &hello(),
        &[
            marked(4),
            named(&"x".repeat(128)),
            with(json!({"temperature": 1})),
            json!({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}),
        ],
    );
}

#[test]
fn other_doors_have_rules_of_their_own() {
    assert_eq!(post("/anthropic/v1/messages", &HEAD, &hello()).status, 200);
    let body = patched(&hello(), &json!({"model": null, "anthropic_version": "vertex-2023-10-16"}));
    let target = format!("{VERTEX}/claude-opus-4-1@20250805:rawPredict");
    let said = post(&target, &[], &body);
    assert_eq!((said.status, said.model.as_str()), (200, "claude-opus-4-1@20250805"));
    refuses(
        &target,
        &[],
        &body,
        &[
            (json!({"model": "claude"}), "model: Extra inputs are not permitted"),
            (json!({"anthropic_version": null}), "anthropic_version: Field required"),
            (json!({"anthropic_version": "2023-06-01"}), "'vertex-2023-10-16'"),
        ],
    );
    let stream = patched(&body, &json!({"stream": true}));
    let said = post(&format!("{VERTEX}/claude-opus-4:streamRawPredict"), &[], &stream);
    assert_eq!(said.names()[0], "message_start");
    let count = patched(
        &hello(),
        &json!({"max_tokens": null,
        "anthropic_version": "vertex-2023-10-16"}),
    );
    assert_eq!(post(&format!("{VERTEX}/count-tokens:rawPredict"), &[], &count).status, 200);
    let models = get("/v1/models", &HEAD).json();
    assert_eq!((&models["data"][0]["type"], &models["last_id"]), (&json!("model"), &json!("m2")));
    assert_eq!(get("/v1/models/m1", &HEAD).json()["display_name"], "m1");
    assert_eq!(get("/v1/models", &[]).json()["object"], "list");
}
