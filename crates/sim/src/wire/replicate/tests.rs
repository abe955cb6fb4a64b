//! Replicate's predictions.

use serde_json::{Value, json};

use crate::wire::testing::{get, patched, post};

const KEY: [(&str, &str); 1] = [("authorization", "Bearer k")];
const LLAMA: &str = "/v1/models/meta/meta-llama-3-70b-instruct/predictions";

fn of(model: &str) -> String {
    format!("/v1/models/{model}/predictions")
}

fn ask(target: &str, patch: &Value) -> (u16, Value) {
    let body = patched(&json!({"input": {"prompt": "hello"}}), patch);
    let said = post(target, &KEY, &body);
    (said.status, said.json())
}

#[test]
fn every_door_answers_with_a_prediction() {
    let version = "5c7d5dc6dd8bf75c1acaa8565735e7986bc5b66206b55cca93cb72c9bf15ccaa";
    for (target, patch, model) in [
        (LLAMA, json!({}), "meta/meta-llama-3-70b-instruct"),
        ("/v1/deployments/acme/mine/predictions", json!({}), "acme/mine"),
        ("/v1/predictions", json!({"version": version}), version),
    ] {
        let (status, answer) = ask(target, &patch);
        assert_eq!((status, &answer["model"]), (200, &json!(model)), "{answer}");
        assert_eq!(answer["status"], "succeeded");
        let pieces = answer["output"].as_array().unwrap();
        let text: String = pieces.iter().map(|piece| piece.as_str().unwrap()).collect();
        assert!(text.ends_with("You said: hello"), "{text}");
        assert!(answer["metrics"]["input_token_count"].as_u64().unwrap() > 0);
    }
    let record = "User: one\n\nAssistant: two\n\nUser: three\n\nAssistant:";
    let (_, answer) = ask(LLAMA, &json!({"input": {"prompt": record}}));
    assert!(answer["output"].to_string().contains("You said: three\""), "{answer}");
    let messages = json!([{"role": "user", "content": "hey"}]);
    let input = json!({"input": {"prompt": null, "messages": messages}});
    let (status, answer) = ask(&of("openai/gpt-4.1"), &input);
    assert_eq!(status, 200, "{answer}");
    assert!(answer["output"].as_str().unwrap().ends_with("You said: hey"), "{answer}");
}

#[test]
fn models_take_their_own_inputs_and_no_others() {
    let input = |patch: Value| json!({ "input": patch });
    for (target, patch, status, says) in [
        (LLAMA.to_owned(), json!({"model": "m"}), 422, "property model"),
        (LLAMA.to_owned(), json!({"version": "x"}), 422, "property version"),
        (LLAMA.to_owned(), json!({"input": null}), 422, "input is required"),
        (LLAMA.to_owned(), input(json!({"prompt": null})), 422, "prompt is required"),
        (LLAMA.to_owned(), input(json!({"messages": []})), 422, "property messages"),
        (LLAMA.to_owned(), input(json!({"max_completion_tokens": 1})), 422, "property max_comp"),
        (LLAMA.to_owned(), input(json!({"stop_sequences": ["a"]})), 422, "stop_sequences"),
        (of("openai/gpt-5"), input(json!({"temperature": 1})), 422, "property temperature"),
        (of("openai/gpt-5"), input(json!({"reasoning_effort": "xhigh"})), 422, "reasoning_effort"),
        (of("anthropic/claude-4-sonnet"), input(json!({"max_tokens": 5})), 422, "max_tokens"),
        (of("google/gemini-2.5-pro"), input(json!({"system_prompt": "x"})), 422, "property system"),
        (of("deepseek-ai/deepseek-r1"), input(json!({"system_prompt": "x"})), 422, "property sys"),
        (of("nobody"), json!({}), 404, "could not be found"),
        ("/v1/predictions".to_owned(), json!({}), 422, "version is required"),
    ] {
        let (found, answer) = ask(&target, &patch);
        assert_eq!(found, status, "{target} {patch}: {answer}");
        assert!(answer["detail"].as_str().unwrap().contains(says), "{patch}: {answer}");
    }
}

#[test]
fn deployments_are_listed() {
    let list = get("/v1/deployments", &KEY).json();
    assert_eq!(list["results"][0]["owner"], "acme");
}
