//! OpenAI's chat and its neighbours.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::wire::testing::{get, patched, post, refuses, send, takes};

const CHAT: &str = "/v1/chat/completions";

fn hello() -> Value {
    json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]})
}

fn tool(name: &str) -> Value {
    json!({"type": "function", "function": {"name": name,
        "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}}})
}

fn ask(patch: &Value) -> Value {
    post(CHAT, &[], &patched(&hello(), patch)).json()
}

fn calling(results: &Value) -> Value {
    let call = |id: &str| {
        json!({"id": id, "type": "function",
        "function": {"name": "f", "arguments": "{}"}})
    };
    let mut messages = vec![
        json!({"role": "user", "content": "hi"}),
        json!({"role": "assistant", "content": null, "tool_calls": [call("c1"), call("c2")]}),
    ];
    messages.extend(results.as_array().unwrap().iter().cloned());
    json!({"messages": messages, "tools": [tool("f")]})
}

#[test]
fn the_same_request_gets_the_same_answer_and_another_one_another() {
    assert_eq!(ask(&json!({})), ask(&json!({})));
    let answer = ask(&json!({"temperature": 1}));
    assert_eq!(answer["id"], ask(&json!({}))["id"]);
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    let text = answer["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(text.ends_with("You said: hello"), "{text}");
    assert_eq!(answer["usage"]["total_tokens"], 9 + text.len().div_ceil(4));
    let cut = ask(&json!({"max_tokens": 2}));
    assert_eq!(cut["choices"][0]["finish_reason"], "length");
    assert_eq!(cut["choices"][0]["message"]["content"], "This is ");
}

#[test]
fn a_stream_adds_up_to_the_whole_answer() {
    let wish = json!({"stream": true, "stream_options": {"include_usage": true}, "n": 2});
    let said = post(CHAT, &[], &patched(&hello(), &wish));
    let events: Vec<Value> = said.events().into_iter().map(|(_, data)| data).collect();
    assert_eq!(events.len(), 2 * (1 + 2 + 1) + 2);
    let whole = ask(&json!({"n": 2}));
    for index in 0..2 {
        let of_choice = events.iter().filter(|event| event["choices"][0]["index"] == index);
        let text: String = of_choice
            .filter_map(|event| event["choices"][0]["delta"]["content"].as_str())
            .collect();
        assert_eq!(text, whole["choices"][index]["message"]["content"]);
    }
    assert_eq!(events[events.len() - 2]["usage"], whole["usage"]);
    assert_eq!(events[events.len() - 2]["choices"], json!([]));
    assert_eq!(events[events.len() - 1], "[DONE]");
    assert_eq!(events[1]["id"], whole["id"]);
    let plain = post(CHAT, &[], &patched(&hello(), &json!({"stream": true}))).events();
    assert!(plain.iter().all(|(_, event)| event.get("usage").is_none()));
}

#[test]
fn tool_calls_are_the_same_whole_and_streamed() {
    let wish = json!({"tools": [tool("f")], "tool_choice": "required"});
    let whole = ask(&wish);
    let message = &whole["choices"][0]["message"];
    assert_eq!(message["content"], Value::Null);
    let call = &message["tool_calls"][0];
    assert_eq!((&call["type"], &call["function"]["name"]), (&"function".into(), &"f".into()));
    assert_eq!(call["function"]["arguments"], r#"{"a":7}"#);
    assert_eq!(whole["choices"][0]["finish_reason"], "tool_calls");
    let stream = patched(&patched(&hello(), &wish), &json!({"stream": true}));
    let said = post(CHAT, &[], &stream);
    assert_eq!(said.joined("/choices/0/delta/tool_calls/0/function/arguments"), r#"{"a":7}"#);
    assert_eq!(said.joined("/choices/0/delta/tool_calls/0/id"), call["id"].as_str().unwrap());
    let answered = calling(&json!([{"role": "tool", "tool_call_id": "c2", "content": "1"},
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "2"}]}]));
    assert_eq!(ask(&answered)["choices"][0]["finish_reason"], "stop");
    let allowed = json!({"tools": [tool("f"), tool("g")], "tool_choice": {"type": "allowed_tools",
        "allowed_tools": {"mode": "required", "tools": [tool("g")]}}});
    let called = &ask(&allowed)["choices"][0]["message"]["tool_calls"];
    assert_eq!(called[0]["function"]["name"], "g");
}

#[test]
fn what_openai_refuses_is_refused() {
    let reply = |id: &str| json!({"role": "tool", "tool_call_id": id, "content": "1"});
    let message = |message: Value| json!({"messages": [message]});
    refuses(
        CHAT,
        &[],
        &hello(),
        &[
            (json!({"model": null}), "Missing required parameter: 'model'"),
            (json!({"messages": null}), "Missing required parameter: 'messages'"),
            (json!({"messages": "hi"}), "expected an array"),
            (json!({"n": 99}), "from 1 to 16"),
            (json!({"extra": 1}), "Unknown parameter: 'extra'"),
            (json!({"temperature": "hot"}), "Invalid type for 'temperature'"),
            (json!({"temperature": 3}), "from 0 to 2"),
            (json!({"stream": "yes"}), "Invalid type for 'stream'"),
            (json!({"prompt": "x"}), "Unknown parameter: 'prompt'"),
            (json!({"stream_options": {"include_usage": true}}), "only allowed when 'stream'"),
            (json!({"tool_choice": "auto"}), "only allowed when 'tools'"),
            (json!({"parallel_tool_calls": true}), "only allowed when 'tools'"),
            (json!({"tools": []}), "1 to 128 tools"),
            (json!({"tools": [{"function": {"name": "f"}}]}), "'tools[0].type'"),
            (json!({"tools": [tool("a.b")]}), "does not match pattern"),
            (json!({"tools": [tool(&"x".repeat(65))]}), "does not match pattern"),
            (json!({"tools": [tool("f")], "tool_choice": "often"}), "expected 'none', 'auto'"),
            (json!({"tools": [tool("f")], "tool_choice": {}}), "function.name is missing"),
            (
                json!({"tools": [tool("f")], "tool_choice": {"function": {"name": "other"}}}),
                "not among the tools",
            ),
            (
                json!({"tools": [{"type": "function", "function": {"name": "f", "strict": true,
                "parameters": {"type": "object", "properties": {"a": {}}}}}]}),
                "'additionalProperties' is required",
            ),
            (json!({"model": "o3", "max_tokens": 9}), "Use 'max_completion_tokens' instead"),
            (message(json!({"role": "user"})), "'messages[0].content'"),
            (message(json!({"content": "x"})), "'messages[0].role'"),
            (message(json!({"role": "king", "content": "x"})), "'king' is none of"),
            (message(json!({"role": "assistant"})), "got null"),
            (message(json!({"role": "user", "content": 1})), "a string or an array"),
            (message(json!({"role": "user", "content": [{"text": "x"}]})), "content[0].type"),
            (message(json!({"role": "user", "content": [{"type": "x"}]})), "'x' is not supported"),
            (message(reply("c1")), "must be a response to a preceeding message"),
            (calling(&json!([])), "did not have response messages: c1, c2"),
            (calling(&json!([reply("c1")])), "did not have response messages: c2"),
            (calling(&json!([reply("c1"), {"role": "user", "content": "x"}])), "c2"),
            (calling(&json!([reply("c1"), reply("c3")])), "must be a response"),
            (
                calling(&json!([{"role": "tool", "tool_call_id": "c1",
                "content": [{"type": "image_url"}]}])),
                "not supported in a message of 'tool'",
            ),
        ],
    );
    takes(
        CHAT,
        &[],
        &hello(),
        &[
            json!({"tools": [{"type": "custom", "custom": {"name": "f"}}], "seed": 1}),
            json!({"messages": []}),
            json!({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}),
        ],
    );
    let broken = send(&http::Method::POST, CHAT, &[], b"{", false);
    assert!(String::from_utf8_lossy(&broken.body).contains("could not parse the JSON body"));
    let lenient = patched(&hello(), &json!({"extra": 1})).to_string();
    assert_eq!(send(&http::Method::POST, CHAT, &[], lenient.as_bytes(), true).status, 200);
}

#[test]
fn every_base_and_azures_older_form_are_known() {
    for path in ["/chat/completions", "/openai/v1/chat/completions", "/v9/chat/completions"] {
        assert_eq!(post(path, &[], &hello()).status, 200, "{path}");
    }
    let path = "/openai/deployments/my%20own/chat/completions";
    let body = patched(&hello(), &json!({"model": null}));
    let said = post(&format!("{path}?api-version=2024-10-21"), &[("api-key", "k")], &body);
    assert_eq!((said.status, said.model.as_str()), (200, "my own"));
    let lacking = post(path, &[], &body);
    assert_eq!((lacking.status, &lacking.json()["error"]["code"]), (404, &json!("404")));
    let nothing = post("/v1/images", &[], &hello());
    assert_eq!((nothing.status, nothing.json()["error"]["code"].is_null()), (404, true));
    assert_eq!(get("/v1/models", &[]).json()["data"][1]["id"], "m2");
    assert_eq!(get("/v1/models/m2", &[]).json()["object"], "model");
}

#[test]
fn completions_add_up() {
    let body = json!({"model": "m", "prompt": ["once", "upon"]});
    let path = "/v1/completions";
    let whole = post(path, &[], &body).json();
    let text = whole["choices"][0]["text"].as_str().unwrap();
    assert!(text.ends_with("You said: once upon"), "{text}");
    let wish = json!({"stream": true, "stream_options": {"include_usage": true}});
    let stream = post(path, &[], &patched(&body, &wish));
    assert_eq!(stream.events().len(), 2 + 3);
    assert_eq!(stream.joined("/choices/0/text"), text);
    refuses(
        path,
        &[],
        &body,
        &[
            (json!({"prompt": null}), "'prompt'"),
            (json!({"messages": []}), "Unknown parameter: 'messages'"),
        ],
    );
}

#[test]
fn embeddings_are_read_in_every_form_and_written_in_two() {
    let path = "/v1/embeddings";
    let body = json!({"model": "e", "input": "x", "dimensions": 8});
    let floats = post(path, &[], &body).json();
    let wish = json!({"input": ["x", "y"], "encoding_format": "base64"});
    let text = post(path, &[], &patched(&body, &wish)).json();
    let floats: Vec<f32> = serde_json::from_value(floats["data"][0]["embedding"].clone()).unwrap();
    let bytes = STANDARD.decode(text["data"][0]["embedding"].as_str().unwrap()).unwrap();
    let decoded: Vec<f32> =
        bytes.chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    assert_eq!(floats, decoded);
    assert_ne!(text["data"][0]["embedding"], text["data"][1]["embedding"]);
    assert_eq!(text["data"][1]["index"], 1);
    for (input, count) in
        [(json!("a"), 1), (json!(["a", "b"]), 2), (json!([1, 2, 3]), 1), (json!([[1, 2], [3]]), 2)]
    {
        let answer = post(path, &[], &json!({"model": "e", "input": input})).json();
        let list = answer["data"].as_array().unwrap();
        assert_eq!(list.len(), count, "{input}");
        assert_eq!(list[0]["embedding"].as_array().unwrap().len(), 16);
    }
    refuses(
        path,
        &[],
        &body,
        &[
            (json!({"input": []}), "at least one"),
            (json!({"input": {"a": 1}}), "a text, texts or tokens"),
            (json!({"dimensions": 0}), "from 1 to 8192"),
            (json!({"encoding_format": "hex"}), "'float' or 'base64'"),
            (json!({"stream": true}), "Unknown parameter: 'stream'"),
        ],
    );
}

#[test]
fn rerank_sorts() {
    let body = json!({"model": "r", "query": "weir", "documents": ["sea", {"text": "a weir"}],
        "top_n": 1});
    let answer = post("/v1/rerank", &[], &body).json();
    assert_eq!(answer["results"].as_array().unwrap().len(), 1);
    assert_eq!(answer["results"][0]["index"], 1);
    assert_eq!(answer["results"][0]["document"]["text"], "a weir");
    refuses(
        "/rerank",
        &[],
        &body,
        &[
            (json!({"query": null}), "'query'"),
            (json!({"documents": []}), "at least one"),
            (json!({"documents": [1]}), "texts, or objects"),
            (json!({"top_n": 0}), "at least 1"),
        ],
    );
}
