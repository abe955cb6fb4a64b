//! OpenAI's responses.

use serde_json::{Value, json};

use crate::wire::testing::{patched, post, refuses, takes};

const PATH: &str = "/v1/responses";
const KEY: [(&str, &str); 1] = [("authorization", "Bearer k1")];

fn hello() -> Value {
    json!({"model": "gpt-5", "input": "hello"})
}

fn tools() -> Value {
    json!([{"type": "function", "name": "f", "parameters": {"type": "object",
        "properties": {"a": {"type": "integer"}}}}, {"type": "function", "name": "g"}])
}

fn ask(patch: &Value) -> Value {
    post(PATH, &KEY, &patched(&hello(), patch)).json()
}

#[test]
fn an_answer_has_what_the_sdk_requires() {
    let answer = ask(&json!({}));
    assert_eq!((&answer["object"], &answer["status"]), (&json!("response"), &json!("completed")));
    let text = answer["output"][0]["content"][0]["text"].as_str().unwrap();
    assert!(text.ends_with("You said: hello"), "{text}");
    assert_eq!(answer["usage"]["input_tokens_details"]["cache_write_tokens"], 0);
    assert_eq!(answer["usage"]["output_tokens_details"]["reasoning_tokens"], 0);
    let cut = ask(&json!({"max_output_tokens": 16, "input": "x".repeat(100)}));
    assert_eq!(cut["status"], "incomplete");
    assert_eq!(cut["incomplete_details"]["reason"], "max_output_tokens");
    let count = post("/v1/responses/input_tokens", &KEY, &hello()).json();
    assert_eq!(count["input_tokens"], answer["usage"]["input_tokens"]);
    let more =
        post("/v1/responses/input_tokens", &KEY, &patched(&hello(), &json!({"tools": tools()})))
            .json();
    assert!(more["input_tokens"].as_u64() > count["input_tokens"].as_u64());
}

#[test]
fn an_answer_repeats_the_form_that_was_asked_for() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "integer"}},
        "required": ["a"], "additionalProperties": false});
    let format = json!({"type": "json_schema", "name": "answer", "schema": schema});
    assert_eq!(ask(&json!({"text": {"format": format}}))["text"]["format"], format);
    assert_eq!(ask(&json!({}))["text"]["format"], json!({"type": "text"}));
}

fn numbered(events: &[(String, Value)]) {
    for (nth, (name, data)) in events.iter().enumerate() {
        assert_eq!((data["type"].as_str(), &data["sequence_number"]), (Some(&**name), &json!(nth)));
    }
}

#[test]
fn a_text_is_streamed_in_the_documented_order() {
    let said = post(PATH, &KEY, &patched(&hello(), &json!({"stream": true})));
    assert_eq!(
        said.names(),
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
    let events = said.events();
    numbered(&events);
    let whole = ask(&json!({}));
    assert_eq!(events[9].1["response"], whole);
    assert_eq!(said.joined("/delta"), whole["output"][0]["content"][0]["text"]);
    assert_eq!(events[8].1["item"], whole["output"][0]);
    assert_eq!(events[0].1["response"]["usage"], Value::Null);
}

#[test]
fn thoughts_and_calls_are_streamed_in_the_documented_order() {
    let wish = json!({"tools": tools(), "input": "call f and g", "stream": true,
        "reasoning": {"effort": "low", "summary": "auto"}});
    let said = post(PATH, &KEY, &patched(&hello(), &wish));
    let call = [
        "response.output_item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
    ];
    let begin = [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.reasoning_summary_part.added",
        "response.reasoning_summary_text.delta",
        "response.reasoning_summary_text.done",
        "response.reasoning_summary_part.done",
        "response.output_item.done",
    ];
    let expected = [&begin[..], &call, &call, &["response.completed"]].concat();
    assert_eq!(said.names(), expected);
    let events = said.events();
    numbered(&events);
    assert_eq!(events[5].1["summary_index"], 0);
    let output = events.last().unwrap().1["response"]["output"].clone();
    assert_eq!(output[1]["arguments"], r#"{"a":7}"#);
    assert_eq!(output[2]["arguments"], "{}");
    assert_eq!(
        (&events[8].1["output_index"], &events[13].1["output_index"]),
        (&json!(1), &json!(2))
    );
    let cut = json!({"stream": true, "input": "x".repeat(100), "max_output_tokens": 16});
    let names = post(PATH, &KEY, &patched(&hello(), &cut)).names();
    assert_eq!(names.last().unwrap(), "response.incomplete");
}

#[test]
fn what_openai_refuses_is_refused() {
    let call = json!({"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"});
    let output = json!({"type": "function_call_output", "call_id": "c1", "output": "1"});
    let user = |part: Value| json!({"input": [{"role": "user", "content": [part]}]});
    let thought =
        |more: Value| patched(&json!({"type": "reasoning", "id": "rs_1", "summary": []}), &more);
    let said = json!({"role": "assistant", "content": "ok"});
    refuses(
        PATH,
        &KEY,
        &hello(),
        &[
            (json!({"model": null}), "Missing required parameter: 'model'"),
            (json!({"input": null}), "Missing required parameter: 'input'"),
            (json!({"messages": []}), "Unknown parameter: 'messages'"),
            (json!({"max_output_tokens": 3}), "greater than or equal to 16"),
            (json!({"temperature": "x"}), "Invalid type for 'temperature'"),
            (json!({"stream_options": {"include_obfuscation": true}}), "when 'stream' is enabled"),
            (json!({"input": [{"role": "tool", "content": "x"}]}), "'input[0].role'"),
            (json!({"input": [{"type": "strange"}]}), "'input[0].type'"),
            (json!({"input": [{"role": "user", "content": "x", "name": "a"}]}), "'input[0].name'"),
            (user(json!({"type": "text", "text": "x"})), "'input[0].content[0].type'"),
            (user(json!({"type": "output_text", "text": "x"})), "Invalid value: 'output_text'"),
            (user(json!({"type": "input_image"})), "neither data nor a file"),
            (json!({"input": [output]}), "No tool call found for function call output"),
            (json!({"input": [call]}), "No tool output found for function call c1"),
            (json!({"input": [thought(json!({}))]}), "without its required following item"),
            (
                json!({"input": [thought(json!({})), {"role": "user", "content": "x"}]}),
                "without its required following item",
            ),
            (json!({"input": [thought(json!({"summary": null})), said]}), "'input[0].summary'"),
            (
                json!({"input": [thought(json!({"encrypted_content": "x"})), said]}),
                "invalid_encrypted_content",
            ),
            (
                json!({"input": [{"type": "item_reference", "id": "m"}]}),
                "Item with id 'm' not found",
            ),
            (json!({"previous_response_id": "resp_x"}), "previous_response_not_found"),
            (json!({"tools": [{"type": "function", "name": "a.b"}]}), "does not match pattern"),
            (
                json!({"tools": [{"type": "function", "function": {"name": "f"}}]}),
                "'tools[0].function'",
            ),
            (json!({"tool_choice": "required"}), "'tools' parameter"),
            (
                json!({"tools": tools(), "tool_choice": {"type": "function", "name": "h"}}),
                "not among the tools",
            ),
            (
                json!({"text": {"format": {"type": "json_schema", "name": "x"}}}),
                "'text.format.schema'",
            ),
        ],
    );
    takes(
        PATH,
        &KEY,
        &hello(),
        &[
            json!({"input": [call, output]}),
            json!({"previous_response_id": "resp_0123456789abcdef", "input": [output]}),
            json!({"tools": [{"type": "web_search"}], "tool_choice": {"type": "web_search"}}),
            json!({"input": [thought(json!({})), said]}),
        ],
    );
}

#[test]
fn sealed_reasoning_is_bound_to_its_key() {
    let wish = json!({"reasoning": {"effort": "low"}, "store": false,
        "include": ["reasoning.encrypted_content"]});
    let mut items = ask(&wish)["output"].as_array().unwrap().clone();
    assert!(items[0]["encrypted_content"].is_string());
    items.push(json!({"role": "user", "content": "and now?"}));
    let again = patched(&hello(), &json!({"input": items}));
    assert_eq!(post(PATH, &KEY, &again).status, 200);
    let other = post(PATH, &[("authorization", "Bearer k2")], &again);
    assert_eq!(other.json()["error"]["code"], "invalid_encrypted_content");
}
