//! Cohere's second version.

use serde_json::{Value, json};

use crate::wire::testing::{get, patched, post, refuses, takes};

const PATH: &str = "/v2/chat";
const KEY: [(&str, &str); 1] = [("authorization", "Bearer k")];

fn user(text: &str) -> Value {
    json!({"role": "user", "content": text})
}

fn hello() -> Value {
    json!({"model": "command-a", "messages": [user("hello")]})
}

fn tools() -> Value {
    let tool = |name: &str, properties: Value| {
        json!({"type": "function", "function":
        {"name": name, "parameters": {"type": "object", "properties": properties}}})
    };
    json!([tool("f", json!({"a": {"type": "integer"}})), tool("g", json!({}))])
}

fn calls(ids: &[&str]) -> Value {
    let call = |id: &&str| {
        json!({"id": id, "type": "function",
        "function": {"name": "f", "arguments": "{}"}})
    };
    json!({"role": "assistant", "tool_calls": ids.iter().map(call).collect::<Vec<_>>()})
}

fn result(id: &str) -> Value {
    json!({"role": "tool", "tool_call_id": id, "content": "1"})
}

fn turns(messages: &[Value]) -> Value {
    json!({"messages": messages, "tools": tools()})
}

fn ask(patch: &Value) -> Value {
    post(PATH, &KEY, &patched(&hello(), patch)).json()
}

#[test]
fn answers_in_words_and_calls() {
    let answer = ask(&json!({"anything": 1}));
    let text = answer["message"]["content"][0]["text"].as_str().unwrap();
    assert!(text.ends_with("You said: hello"), "{text}");
    assert_eq!(answer["finish_reason"], "COMPLETE");
    assert_eq!(ask(&json!({"max_tokens": 2}))["finish_reason"], "MAX_TOKENS");
    let called = ask(&json!({"tools": tools(), "tool_choice": "REQUIRED"}));
    let call = &called["message"]["tool_calls"][0]["function"];
    assert_eq!((&call["name"], &call["arguments"]), (&json!("f"), &json!(r#"{"a":7}"#)));
    assert_eq!(called["finish_reason"], "TOOL_CALL");
    let after = ask(&turns(&[user("call f"), calls(&["c1"]), result("c1")]));
    assert_eq!(after["finish_reason"], "COMPLETE");
}

#[test]
fn streams_come_in_the_documented_order() {
    let wish = json!({"stream": true, "thinking": {"type": "enabled"}});
    let said = post(PATH, &KEY, &patched(&hello(), &wish));
    let expected = [
        "message-start",
        "content-start",
        "content-delta",
        "content-end",
        "content-start",
        "content-delta",
        "content-delta",
        "content-end",
        "message-end",
        "",
    ];
    assert_eq!(said.names(), expected);
    let events = said.events();
    assert!(events[..9].iter().all(|(name, data)| data["type"] == name.as_str()));
    assert_eq!(events[9].1, "[DONE]");
    assert_eq!((&events[1].1["index"], &events[4].1["index"]), (&json!(0), &json!(1)));
    let whole = ask(&json!({"thinking": {"type": "enabled"}}));
    let text = said.joined("/delta/message/content/text");
    assert_eq!(text, whole["message"]["content"][1]["text"]);
    assert_eq!(events[8].1["delta"]["usage"], whole["usage"]);
    let wish = json!({"stream": true, "tools": tools(), "messages": [user("f and g")]});
    let said = post(PATH, &KEY, &patched(&hello(), &wish));
    let call = ["tool-call-start", "tool-call-delta", "tool-call-delta", "tool-call-end"];
    let expected =
        [&["message-start", "tool-plan-delta"][..], &call, &call, &["message-end", ""]].concat();
    assert_eq!(said.names(), expected);
    let arguments = said.joined("/delta/message/tool_calls/function/arguments");
    assert_eq!(arguments, r#"{"a":7}{}"#);
}

#[test]
fn what_cohere_refuses_is_refused() {
    refuses(
        PATH,
        &KEY,
        &hello(),
        &[
            (json!({"model": null}), "model is required"),
            (json!({"messages": []}), "must not be empty"),
            (json!({"stream": "yes"}), "stream must be a valid boolean"),
            (json!({"messages": [{"role": "developer", "content": "x"}]}), "messages.0.role"),
            (json!({"messages": [{"role": "user"}]}), "messages.0.content is required"),
            (json!({"messages": [{"role": "user", "content": [{"type": "x"}]}]}), "content.0.type"),
            (
                json!({"messages": [user("x"), {"role": "assistant", "content": "y"}]}),
                "last message",
            ),
            (json!({"messages": [{"role": "assistant"}]}), "content or tool_calls"),
            (json!({"tools": tools(), "tool_choice": "auto"}), "'REQUIRED', 'NONE'"),
            (json!({"tool_choice": "REQUIRED"}), "requires tools"),
            (json!({"p": 1.5}), "from 0.01 to 0.99"),
            (json!({"response_format": {"type": "json_schema"}}), "'json_object'"),
            (
                json!({"tools": tools(), "response_format": {"type": "json_object"}}),
                "not supported with tools",
            ),
            (turns(&[user("x"), calls(&["c1"])]), "missing: c1"),
            (turns(&[user("x"), calls(&["c1"]), user("y")]), "missing: c1"),
            (turns(&[user("x"), result("c1")]), "no tool call found with id 'c1'"),
        ],
    );
    takes(
        PATH,
        &KEY,
        &hello(),
        &[
            json!({"unknown": {}}),
            turns(&[user("x"), calls(&["c1", "c2"]), result("c2"), result("c1"), user("y")]),
        ],
    );
    let refused = post(PATH, &KEY, &json!({})).json();
    assert!(refused["id"].is_string() && refused["message"].is_string());
}

#[test]
fn vectors_scores_and_models() {
    let body = json!({"model": "e", "input_type": "search_query", "texts": ["x", "y"],
        "embedding_types": ["float", "ubinary"], "output_dimension": 16});
    let answer = post("/v2/embed", &KEY, &body).json();
    assert_eq!(answer["embeddings"]["float"][1].as_array().unwrap().len(), 16);
    assert_eq!(answer["embeddings"]["ubinary"][0].as_array().unwrap().len(), 2);
    refuses(
        "/v2/embed",
        &KEY,
        &body,
        &[
            (json!({"input_type": null}), "input_type is required"),
            (json!({"texts": null}), "exactly one of texts"),
            (json!({"texts": vec!["x"; 97]}), "at most 96"),
            (json!({"embedding_types": ["hex"]}), "embedding_types.0"),
        ],
    );
    let body = json!({"model": "r", "query": "weir", "documents": ["sea", "a weir"], "top_n": 1});
    let answer = post("/v2/rerank", &KEY, &body).json();
    assert_eq!(answer["results"].as_array().unwrap().len(), 1);
    assert_eq!(answer["results"][0]["index"], 1);
    refuses(
        "/v2/rerank",
        &KEY,
        &body,
        &[
            (json!({"query": null}), "query is required"),
            (json!({"documents": []}), "must have 1 to 1000"),
        ],
    );
    for target in ["/cohere/v1/models", "/v1/models?endpoint=chat", "/v1/models?page_size=9"] {
        assert_eq!(get(target, &KEY).json()["models"][1]["name"], "m2", "{target}");
    }
    assert_eq!(get("/v1/models", &KEY).json()["data"][1]["id"], "m2");
}
