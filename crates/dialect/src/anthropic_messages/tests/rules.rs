//! What the vendor demands of requests, and how those of other formats are bent to it.

use serde_json::json;
use weir_types::Dialect;

use super::*;
use crate::ir::{
    CacheMark, Effort, Image, Message, OutputFormat, Part, PartBody, Reasoning, Role, Sealed,
    Source, Thinking, Tool, ToolBody, ToolCall, ToolChoice, ToolResult,
};

fn said(role: Role, text: &str) -> Message {
    Message { role, parts: vec![Part::text(text)], name: None }
}

fn foreign() -> Chat {
    let mut chat = Chat::new(Dialect::OpenAiChat);
    chat.messages.push(said(Role::User, "hi"));
    chat
}

fn tool(name: &str) -> Tool {
    let body =
        ToolBody::Function { name: name.into(), description: None, parameters: None, strict: None };
    Tool { body, cache: None }
}

fn call(id: &str, arguments: &str) -> Part {
    Part::new(PartBody::ToolCall(ToolCall {
        id: id.into(),
        name: "f".into(),
        arguments: arguments.into(),
        is_custom: false,
        signature: None,
    }))
}

fn result(id: &str) -> Part {
    Part::new(PartBody::ToolResult(ToolResult {
        call_id: id.into(),
        name: None,
        parts: vec![Part::text("r")],
        is_error: None,
    }))
}

fn thinks(effort: Option<Effort>, budget_tokens: Option<u64>) -> Chat {
    let mut chat = foreign();
    chat.reasoning = Some(Reasoning { effort, budget_tokens, ..Reasoning::default() });
    chat
}

#[test]
fn efforts_become_what_each_generation_has() {
    for (model, thinking, effort, losses) in [
        ("claude-3-5-sonnet-20241022", Value::Null, Value::Null, vec!["reasoning_effort"]),
        (
            "claude-sonnet-4-5",
            json!({"type": "enabled", "budget_tokens": 24_576}),
            Value::Null,
            vec![],
        ),
        (
            "claude-opus-4-5",
            json!({"type": "enabled", "budget_tokens": 24_576}),
            json!("high"),
            vec![],
        ),
        ("claude-opus-4-6", json!({"type": "adaptive"}), json!("high"), vec![]),
        (
            "claude-opus-5-5",
            json!({"type": "adaptive", "display": "summarized"}),
            json!("high"),
            vec![],
        ),
    ] {
        let (body, lost) = written(&thinks(Some(Effort::High), None), model);
        assert_eq!(body["thinking"], thinking, "{model}");
        assert_eq!(body["output_config"]["effort"], effort, "{model}");
        assert_eq!(lost, losses, "{model}");
    }
    let (body, lost) = written(&thinks(Some(Effort::XHigh), None), "claude-sonnet-4-6");
    assert_eq!((&body["output_config"]["effort"], lost.len()), (&json!("high"), 1));
}

#[test]
fn trap_16_a_budget_becomes_an_effort_where_none_is_taken() {
    let (body, lost) = written(&chat_of("trap-16-budget-to-adaptive"), "claude-opus-4-7");
    assert_eq!(body["thinking"], json!({"type": "adaptive"}));
    assert_eq!(body["output_config"], json!({"effort": "medium"}));
    assert_eq!(lost, ["thinking"]);
}

#[test]
fn budgets_fit_under_the_limit_and_over_the_least() {
    let budget = |budget: u64, most: Option<u64>| {
        let mut chat = thinks(None, Some(budget));
        chat.sampling.max_output_tokens = most;
        let (body, lost) = written(&chat, "claude-haiku-4-5");
        (body["thinking"]["budget_tokens"].as_u64(), lost.len())
    };
    assert_eq!(budget(2000, Some(4000)), (Some(2000), 0));
    assert_eq!(budget(100, Some(4000)), (Some(1024), 1));
    assert_eq!(budget(9000, Some(4000)), (Some(3200), 1));
    assert_eq!(budget(9000, Some(1025)), (Some(1024), 1));
    assert_eq!(budget(9000, Some(1024)), (None, 1));
    assert_eq!(budget(100_000, None), (Some(51_200), 1));
    let mut derived = thinks(Some(Effort::High), None);
    derived.sampling.max_output_tokens = Some(4000);
    let (body, lost) = written(&derived, "claude-haiku-4-5");
    assert_eq!((&body["thinking"]["budget_tokens"], lost.len()), (&json!(3200), 1));
    derived.sampling.max_output_tokens = Some(60_000);
    assert_eq!(written(&derived, "claude-haiku-4-5").1.len(), 0);
}

#[test]
fn thinking_is_disabled_only_where_it_can_be() {
    let off = |model: &str, effort: Option<Effort>| {
        let mut chat = Chat::new(Dialect::AnthropicMessages);
        chat.messages.push(said(Role::User, "hi"));
        let reasoning = Reasoning { enabled: Some(false), effort, ..Reasoning::default() };
        chat.reasoning = Some(reasoning);
        let (body, lost) = written(&chat, model);
        (body["thinking"]["type"].clone(), body["output_config"]["effort"].clone(), lost.len())
    };
    assert_eq!(off("claude-sonnet-4-5", None), (json!("disabled"), Value::Null, 0));
    assert_eq!(off("claude-opus-5", Some(Effort::High)), (json!("disabled"), json!("high"), 0));
    assert_eq!(off("claude-opus-5", Some(Effort::Max)), (json!("disabled"), json!("high"), 1));
    assert_eq!(off("claude-opus-5-5", None), (Value::Null, json!("low"), 1));
    assert_eq!(off("claude-fable-5", Some(Effort::High)), (Value::Null, json!("high"), 1));
    let between = off("claude-sonnet-5-5", Some(Effort::Max));
    assert_eq!((between.0, between.1), (json!("between_tools"), json!("high")));
    let (body, lost) = written(&thinks(Some(Effort::None), None), "claude-opus-5");
    assert_eq!((&body["thinking"]["type"], lost.len()), (&json!("disabled"), 0));
    let (body, lost) = written(&chat_of("thinking-between-tools"), "claude-opus-5");
    assert_eq!((&body["thinking"], lost.len()), (&json!({"type": "disabled"}), 1));
}

#[test]
fn trap_15_a_forced_tool_and_thinking_are_never_both() {
    let (body, lost) = written(&chat_of("trap-15-thinking-and-forced-tool"), "claude-sonnet-4-5");
    assert_eq!(body["tool_choice"], json!({"type": "any"}));
    assert_eq!(body["thinking"], Value::Null);
    assert_eq!(lost, ["thinking"]);
    let mut chat = thinks(Some(Effort::High), None);
    chat.tools.push(tool("f"));
    chat.tool_choice = Some(ToolChoice::Function("f".into()));
    for model in ["claude-opus-5-5", "claude-sonnet-5-5", "claude-fable-5-1"] {
        let (body, lost) = written(&chat, model);
        assert_eq!(body["tool_choice"], json!({"type": "auto"}), "{model}");
        assert_eq!(body["thinking"]["type"], "adaptive", "{model}");
        assert_eq!(lost, ["tool_choice"], "{model}");
    }
}

#[test]
fn a_turn_without_thoughts_is_gone_on_with_without() {
    let mut chat = thinks(Some(Effort::High), None);
    chat.messages.push(Message { role: Role::Assistant, parts: vec![call("a", "{}")], name: None });
    chat.messages.push(Message { role: Role::Tool, parts: vec![result("a")], name: None });
    let (body, lost) = written(&chat, "claude-sonnet-4-5");
    assert_eq!((&body["thinking"], lost), (&Value::Null, vec!["reasoning_effort".to_owned()]));
    // Models that decide themselves do not mind.
    let (body, lost) = written(&chat, "claude-opus-5");
    assert_eq!((&body["thinking"]["type"], lost.len()), (&json!("adaptive"), 0));
}

#[test]
fn sampling_goes_only_where_it_is_taken() {
    let mut chat = foreign();
    chat.sampling.temperature = serde_json::Number::from_f64(1.5);
    chat.sampling.top_p = serde_json::Number::from_f64(0.9);
    chat.sampling.top_k = Some(5);
    let (body, lost) = written(&chat, "claude-opus-5");
    assert_eq!((&body["temperature"], &body["top_k"]), (&Value::Null, &Value::Null));
    assert_eq!(lost, ["temperature", "top_k", "top_p"]);
    let (body, lost) = written(&chat, "claude-sonnet-4-5");
    assert_eq!((&body["temperature"], &body["top_p"]), (&json!(1), &Value::Null));
    assert_eq!(lost, ["temperature", "top_p"]);
    chat.sampling.temperature = Some(1.into());
    chat.sampling.top_k = None;
    chat.sampling.top_p = None;
    assert!(written(&chat, "claude-opus-5").1.is_empty());
    chat.sampling.temperature = serde_json::Number::from_f64(0.2);
    chat.reasoning = Some(Reasoning { budget_tokens: Some(2000), ..Reasoning::default() });
    assert_eq!(written(&chat, "claude-haiku-4-5").1, ["temperature"]);
}

#[test]
fn prefill_is_refused_where_the_model_refuses_it() {
    let mut chat = foreign();
    chat.messages.push(said(Role::Assistant, "It is ( "));
    let fault = write_request(&chat, "claude-opus-5").unwrap_err();
    assert!(fault.is_targets);
    let (body, _) = written(&chat, "claude-haiku-4-5");
    assert_eq!(body["messages"][1]["content"], "It is (");
    assert!(write_request(&chat_of("paused-turn"), "claude-opus-5").is_ok());
}

#[test]
fn a_limit_is_always_sent_and_never_over_the_models() {
    let (body, lost) = written(&foreign(), "claude-opus-4-1");
    assert_eq!((&body["max_tokens"], lost.len()), (&json!(32_000), 0));
    let mut chat = foreign();
    chat.sampling.max_output_tokens = Some(1_000_000);
    assert_eq!(written(&chat, "claude-opus-5").0["max_tokens"], 128_000);
    assert_eq!(written(&chat, "deepseek-chat").0["max_tokens"], 1_000_000);
}

#[test]
fn tools_are_chosen_filtered_and_taken_one_at_a_time() {
    let mut chat = foreign();
    chat.tool_choice = Some(ToolChoice::None);
    assert_eq!(written(&chat, "claude-opus-5").0["tool_choice"], Value::Null);
    chat.tools = vec![tool("a"), tool("b")];
    assert_eq!(written(&chat, "claude-opus-5").0["tool_choice"], json!({"type": "none"}));
    chat.tool_choice = Some(ToolChoice::Allowed { required: true, names: vec!["b".into()] });
    chat.parallel_tool_calls = Some(false);
    let (body, lost) = written(&chat, "claude-opus-5");
    assert_eq!(body["tool_choice"], json!({"type": "any", "disable_parallel_tool_use": true}));
    let schema = json!({"type": "object", "properties": {}});
    assert_eq!(body["tools"], json!([{"name": "b", "input_schema": schema}]));
    assert!(lost.is_empty());
    chat.tool_choice = None;
    let body = written(&chat, "claude-opus-5").0;
    assert_eq!(body["tool_choice"], json!({"type": "auto", "disable_parallel_tool_use": true}));
}

#[test]
fn trap_6_results_come_first_and_together() {
    let body = written(&chat_of("trap-06-text-before-result"), "claude-opus-5").0;
    let content = body["messages"][2]["content"].as_array().unwrap();
    assert_eq!((&content[0]["type"], &content[1]["type"]), (&json!("tool_result"), &json!("text")));
    let mut chat = foreign();
    let parts = vec![call("a", ""), call("b", "not json")];
    chat.messages.push(Message { role: Role::Assistant, parts, name: None });
    chat.messages.push(Message { role: Role::Tool, parts: vec![result("a")], name: None });
    chat.messages.push(Message { role: Role::Tool, parts: vec![result("b")], name: None });
    chat.messages.push(said(Role::User, "go on"));
    let body = written(&chat, "claude-opus-5").0;
    let messages = body["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 3);
    assert_eq!(messages[1]["content"][0]["input"], json!({}));
    assert_eq!(messages[1]["content"][1]["input"], json!({"input": "not json"}));
    let ids: Vec<_> = messages[2]["content"].as_array().unwrap().iter().collect();
    assert_eq!((&ids[0]["tool_use_id"], &ids[1]["tool_use_id"]), (&json!("a"), &json!("b")));
    assert_eq!(ids[2]["text"], "go on");
}

#[test]
fn system_messages_stay_where_they_may() {
    let mut chat = foreign();
    chat.messages.insert(0, said(Role::System, "one"));
    chat.messages.insert(1, said(Role::Developer, "two"));
    chat.messages.push(said(Role::Assistant, "hello"));
    chat.messages.push(said(Role::System, "three"));
    chat.messages.push(said(Role::System, "four"));
    chat.messages.push(said(Role::User, "bye"));
    let roles = |body: &Value| -> Vec<String> {
        let messages = body["messages"].as_array().unwrap().iter();
        messages.map(|message| message["role"].as_str().unwrap().to_owned()).collect()
    };
    let body = written(&chat, "claude-opus-4-8").0;
    assert_eq!(roles(&body), ["user", "assistant", "user", "system"]);
    assert_eq!(body["system"].as_array().unwrap().len(), 2);
    assert_eq!(body["messages"][3]["content"].as_array().unwrap().len(), 2);
    let body = written(&chat, "claude-opus-4-7").0;
    assert_eq!(roles(&body), ["user", "assistant", "user"]);
    assert_eq!(body["system"].as_array().unwrap().len(), 4);
    chat.messages.retain(|message| message.role == Role::System);
    assert!(write_request(&chat, "claude-opus-4-8").is_err());
}

#[test]
fn trap_28_no_more_than_four_marks() {
    let (body, lost) = written(&chat_of("trap-28-five-marks"), "claude-opus-5");
    assert_eq!(body.to_string().matches("cache_control").count(), 4);
    assert_eq!(body["system"][0].get("cache_control"), None);
    assert_eq!(lost, ["cache_control"]);
    let mut chat = foreign();
    chat.cache = Some(CacheMark { ttl: Some("24h".into()) });
    let (body, lost) = written(&chat, "claude-opus-5");
    assert_eq!(body["cache_control"], json!({"type": "ephemeral"}));
    assert_eq!(lost, ["cache_control.ttl"]);
}

#[test]
fn schemas_are_closed_and_bind_only_newer_models() {
    let mut chat = foreign();
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}});
    let format = |schema| OutputFormat::JsonSchema {
        name: Some("x".into()),
        description: None,
        schema,
        strict: None,
    };
    chat.output = Some(format(schema));
    let (body, lost) = written(&chat, "claude-sonnet-4-5");
    let format = &body["output_config"]["format"];
    assert_eq!((&format["type"], lost.len()), (&json!("json_schema"), 0));
    assert_eq!(format["schema"]["additionalProperties"], false);
    assert!(write_request(&chat, "claude-3-7-sonnet-20250219").unwrap_err().is_targets);
    chat.output = Some(OutputFormat::JsonObject);
    assert_eq!(written(&chat, "claude-opus-5").1, ["response_format"]);
}

#[test]
fn what_nobody_else_can_carry_is_an_error_or_a_loss() {
    let with = |body: PartBody| {
        let mut chat = foreign();
        chat.messages[0].parts.push(Part::new(body));
        write_request(&chat, "claude-opus-5")
    };
    let image = |source| PartBody::Image(Image { source, detail: None });
    assert!(with(image(Source::Url("gs://b/x.png".into()))).is_err());
    let file = Source::File { dialect: Dialect::OpenAiChat, id: "file-1".into() };
    assert!(with(image(file)).is_err());
    let bytes = |media_type: &str| Source::Base64 {
        media_type: media_type.into(),
        data: "iVBORw0KGgo=".into(),
    };
    assert!(with(image(bytes("image/bmp"))).is_err());
    let sniffed = with(image(bytes(""))).unwrap();
    let source = &json(&sniffed.body)["messages"][0]["content"][1]["source"];
    assert_eq!(source["media_type"], "image/png");
    let mut chat = foreign();
    let signature = Some(Sealed { origin: Dialect::GeminiGenerate, data: "s".into() });
    let thinking = Thinking { text: "t".into(), signature, ..Thinking::default() };
    let parts = vec![Part::new(PartBody::Thinking(thinking)), Part::text("a")];
    chat.messages.push(Message { role: Role::Assistant, parts, name: None });
    chat.messages.push(said(Role::User, "?"));
    chat.sampling.seed = Some(1);
    chat.store = Some(true);
    chat.service_tier = Some("flex".into());
    chat.extra.insert("prediction".into(), json!({}));
    let (body, lost) = written(&chat, "claude-opus-5");
    assert_eq!(body["messages"][1]["content"], "a");
    let expected =
        ["messages.thinking", "prediction", "seed", "service_tier", "store", "thinking.signature"];
    assert_eq!(lost, expected);
}

#[test]
fn documents_of_text_are_sent_as_text() {
    let mut chat = foreign();
    let source = Source::Base64 { media_type: "text/markdown".into(), data: "IyBIw6k=".into() };
    let document = crate::ir::Document { source, title: None, context: None, citations: None };
    chat.messages[0].parts.insert(0, Part::new(PartBody::Document(document)));
    let body = written(&chat, "claude-opus-5").0;
    let source = &body["messages"][0]["content"][0]["source"];
    assert_eq!(source, &json!({"type": "text", "media_type": "text/plain", "data": "# Hé"}));
}

#[test]
fn counting_sends_what_is_counted_and_nothing_else() {
    let mut chat = chat_of("count-tokens");
    chat.stream = true;
    chat.user = Some("u".into());
    chat.sampling.max_output_tokens = Some(5);
    let target = Target {
        operation: Operation::CountTokens,
        model: "claude-opus-5",
        known_as: "claude-opus-5",
        vendor: "",
    };
    let request = Request::CountTokens(Box::new(chat));
    let body = json(&AnthropicMessages.write_request(&request, &target).unwrap().body);
    let names: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["model", "system", "messages", "tools", "tool_choice"]);
}

#[test]
fn members_of_messages_are_lost_aloud_and_the_version_is_no_loss() {
    let body = br#"{"anthropic_version":"vertex-2023-10-16","max_tokens":1,"messages":[
        {"role":"user","content":"hi","clear_at":"next_user_message"}]}"#;
    let Request::Chat(mut chat) = read_request("x", body) else { panic!() };
    assert_eq!(written(&chat, "claude-opus-5").1, ["messages.clear_at"]);
    chat.source = Dialect::OpenAiChat;
    assert_eq!(written(&chat, "claude-opus-5").1, ["messages.clear_at"]);
}
