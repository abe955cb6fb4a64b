//! Thinking: how models are made to, and what of it is sent back.

use serde_json::json;

use super::*;
use crate::ir::{Effort, Reasoning, Thinking, Tool, ToolBody, ToolChoice};

const BUDGET: &str = CLAUDE;
const ADAPTIVE: &str = "anthropic.claude-opus-4-7";
const ALWAYS: &str = "anthropic.claude-opus-5-5";
const BY_ITSELF: &str = "anthropic.claude-opus-5";

fn with(reasoning: Reasoning) -> Chat {
    Chat { reasoning: Some(reasoning), ..chat(vec![user("Hi")]) }
}

fn effort(effort: Effort) -> Chat {
    with(Reasoning { effort: Some(effort), ..Reasoning::default() })
}

fn budget(budget: u64) -> Chat {
    let (enabled, budget_tokens) = (Some(true), Some(budget));
    with(Reasoning { enabled, budget_tokens, ..Reasoning::default() })
}

fn additional(chat: &Chat, model: &str) -> Value {
    write(chat, model).0.get("additionalModelRequestFields").cloned().unwrap_or_default()
}

#[test]
fn efforts_and_budgets_are_said_as_the_model_takes_them() {
    let enabled = |budget: u64| json!({ "type": "enabled", "budget_tokens": budget });
    // Nothing said, it would think out of sight.
    let adaptive = json!({ "type": "adaptive", "display": "summarized" });
    let off = json!({ "type": "disabled" });
    assert_eq!(additional(&effort(Effort::Medium), BUDGET)["thinking"], enabled(8192));
    assert_eq!(additional(&budget(5000), BUDGET)["thinking"], enabled(5000));
    assert_eq!(additional(&effort(Effort::None), BUDGET)["thinking"], off);
    let (body, _) = write(&effort(Effort::Max), ADAPTIVE);
    assert_eq!(body["additionalModelRequestFields"]["thinking"], adaptive);
    assert_eq!(body["outputConfig"]["effort"], "max");
    assert_eq!(additional(&effort(Effort::None), BY_ITSELF)["thinking"], off);
    // It cannot be told not to: as little as it can.
    let (body, lost) = write(&effort(Effort::None), ALWAYS);
    assert_eq!(body["outputConfig"]["effort"], "low");
    assert_eq!(lost, ["reasoning"]);
    assert_eq!(write(&effort(Effort::High), "anthropic.claude-3-5-haiku-v1").1, ["reasoning"]);
}

#[test]
fn trap_16_a_budget_becomes_an_effort_where_there_are_none() {
    let (body, lost) = write(&budget(20_000), ADAPTIVE);
    assert_eq!(body["additionalModelRequestFields"]["thinking"]["type"], "adaptive");
    assert_eq!(body["outputConfig"]["effort"], "high");
    assert_eq!(lost, ["thinking.budget_tokens"]);
}

#[test]
fn budgets_leave_room_for_the_answer() {
    let mut small = budget(5000);
    small.sampling.max_output_tokens = Some(3000);
    let (body, lost) = write(&small, BUDGET);
    let fields = &body["additionalModelRequestFields"];
    assert_eq!(fields["thinking"]["budget_tokens"], 2999);
    assert_eq!(lost, ["thinking.budget_tokens"]);
    small.sampling.max_output_tokens = Some(500);
    let (body, lost) = write(&small, BUDGET);
    assert_eq!(body.get("additionalModelRequestFields"), None);
    assert_eq!(lost, ["reasoning"]);
    let (body, lost) = write(&budget(100), BUDGET);
    let fields = &body["additionalModelRequestFields"];
    assert_eq!(fields["thinking"]["budget_tokens"], 1024);
    assert_eq!(body["inferenceConfig"]["maxTokens"], 64_000);
    assert_eq!(lost, ["thinking.budget_tokens"]);
    let mut some = effort(Effort::High);
    some.sampling.max_output_tokens = Some(10_000);
    assert_eq!(additional(&some, BUDGET)["thinking"]["budget_tokens"], 8000);
}

#[test]
fn sampling_is_left_out_while_a_claude_thinks() {
    let mut hot = effort(Effort::Low);
    hot.sampling.temperature = serde_json::Number::from_f64(0.2);
    hot.sampling.top_p = serde_json::Number::from_f64(0.97);
    hot.sampling.top_k = Some(5);
    let (body, lost) = write(&hot, BUDGET);
    assert_eq!(body["inferenceConfig"], json!({ "topP": 0.97, "maxTokens": 64_000 }));
    assert_eq!(lost, ["temperature", "top_k"]);
    hot.reasoning = None;
    let (body, lost) = write(&hot, BUDGET);
    // The 4.5 models take only one of the two, older ones take both.
    assert_eq!(body["inferenceConfig"], json!({ "temperature": 0.2 }));
    assert_eq!(body["additionalModelRequestFields"], json!({ "top_k": 5 }));
    assert_eq!(lost, ["top_p"]);
    let (body, lost) = write(&hot, "anthropic.claude-3-5-haiku-v1");
    assert_eq!(body["inferenceConfig"], json!({ "temperature": 0.2, "topP": 0.97 }));
    assert_eq!(lost, Vec::<String>::new());
    assert_eq!(write(&hot, ADAPTIVE).1, ["temperature", "top_k", "top_p"]);
}

#[test]
fn trap_15_a_model_that_must_call_does_not_think() {
    let forced = |mut chat: Chat| {
        let (description, parameters, strict) = (None, None, None);
        let name = "f".to_owned();
        let body = ToolBody::Function { name, description, parameters, strict };
        chat.tools = vec![Tool { body, cache: None }];
        chat.tool_choice = Some(ToolChoice::Required);
        chat
    };
    let off = json!({ "type": "disabled" });
    for model in [BUDGET, ADAPTIVE, BY_ITSELF] {
        let (body, lost) = write(&forced(effort(Effort::High)), model);
        assert_eq!(body["additionalModelRequestFields"]["thinking"], off, "{model}");
        assert_eq!(body["toolConfig"]["toolChoice"], json!({ "any": {} }));
        assert_eq!(lost, ["reasoning"]);
    }
    assert_eq!(additional(&forced(chat(vec![user("Hi")])), BY_ITSELF)["thinking"], off);
    assert!(try_write(&forced(effort(Effort::High)), ALWAYS).unwrap_err().is_targets);
}

#[test]
fn other_makers_have_words_of_their_own() {
    let nova = "us.amazon.nova-2-lite-v1:0";
    let config = json!({ "type": "enabled", "maxReasoningEffort": "high" });
    let mut high = effort(Effort::XHigh);
    high.sampling.max_output_tokens = Some(100);
    high.sampling.temperature = serde_json::Number::from_f64(0.2);
    let (body, lost) = write(&high, nova);
    assert_eq!(body["additionalModelRequestFields"]["reasoningConfig"], config);
    assert_eq!(body.get("inferenceConfig"), None);
    assert_eq!(lost, ["max_tokens", "reasoning.effort", "temperature"]);
    let off = json!({ "type": "disabled" });
    assert_eq!(additional(&effort(Effort::None), nova)["reasoningConfig"], off);
    assert_eq!(write(&effort(Effort::Low), "amazon.nova-pro-v1:0").1, ["reasoning"]);
    let gpt = additional(&effort(Effort::Minimal), "openai.gpt-oss-20b-1:0");
    assert_eq!(gpt, json!({ "reasoning_effort": "low" }));
    assert_eq!(write(&effort(Effort::Low), "meta.llama3-3-70b-instruct-v1:0").1, ["reasoning"]);
    let profile = additional(&effort(Effort::Medium), model_of("profile"));
    let config = json!({ "type": "enabled", "budget_tokens": 8192 });
    assert_eq!(profile, json!({ "reasoning_config": config }));
}

#[test]
fn trap_11_and_12_own_thoughts_go_back_and_others_do_not() {
    let thought = |text: &str, signature: Option<Sealed>| {
        let text = text.to_owned();
        Part::new(PartBody::Thinking(Thinking { text, signature, ..Thinking::default() }))
    };
    let redacted = |origin| {
        let redacted = Some(sealed(origin, "cmVk"));
        Part::new(PartBody::Thinking(Thinking { redacted, ..Thinking::default() }))
    };
    let parts = vec![
        thought("", Some(sealed(OWN, "s1"))),
        redacted(OWN),
        redacted(OTHER),
        thought("b", Some(sealed(OTHER, "s2"))),
        thought("c", None),
        Part::text("Done."),
    ];
    let messages = vec![user("Hi"), said(Role::Assistant, parts), user("More")];
    let (body, lost) = write(&chat(messages), CLAUDE);
    let words = json!({ "text": "", "signature": "s1" });
    assert_eq!(
        body["messages"][1]["content"],
        json!([
            { "reasoningContent": { "reasoningText": words } },
            { "reasoningContent": { "redactedContent": "cmVk" } },
            { "text": "Done." },
        ])
    );
    assert_eq!(lost, ["messages.thinking", "thinking.signature"]);
}
