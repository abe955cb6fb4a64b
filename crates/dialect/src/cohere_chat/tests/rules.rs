//! What Cohere demands of requests that come from other formats.

use serde_json::{Value, json};
use weir_types::Dialect;

use super::{foreign, refused, says, target, words, written};
use crate::cohere_chat::CohereChat;
use crate::format::Format;
use crate::ir::{
    Chat, Document, Effort, Image, OutputFormat, Part, PartBody, Reasoning, Role, Sealed, Source,
    Thinking, Tool, ToolBody, ToolCall, ToolChoice, ToolResult,
};

fn asks(text: &str) -> Chat {
    foreign(vec![says(Role::User, vec![words(text)])])
}

fn tool(name: &str, strict: Option<bool>) -> Tool {
    let body =
        ToolBody::Function { name: name.to_owned(), description: None, parameters: None, strict };
    Tool { body, cache: None }
}

fn call(id: &str, name: &str) -> PartBody {
    PartBody::ToolCall(ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: "{}".to_owned(),
        is_custom: false,
        signature: None,
    })
}

fn result(id: &str, name: Option<&str>, parts: Vec<PartBody>) -> PartBody {
    PartBody::ToolResult(ToolResult {
        call_id: id.to_owned(),
        name: name.map(str::to_owned),
        parts: parts.into_iter().map(Part::new).collect(),
        is_error: None,
    })
}

fn thinking(text: &str, signature: Option<&str>) -> PartBody {
    let seal = |data: &str| Sealed { origin: Dialect::AnthropicMessages, data: data.to_owned() };
    let signature = signature.map(seal);
    PartBody::Thinking(Thinking { text: text.to_owned(), signature, ..Thinking::default() })
}

fn image(url: &str) -> PartBody {
    PartBody::Image(Image { source: Source::from_url(url), detail: None })
}

#[test]
fn a_choice_is_required_none_or_left_out() {
    let with = |choice: Option<ToolChoice>| {
        let tools = vec![tool("a", None), tool("b", None)];
        let (body, _) = written(Chat { tools, tool_choice: choice, ..asks("x") });
        let names = body["tools"].as_array().unwrap().iter();
        let names = names.map(|tool| tool["function"]["name"].as_str().unwrap().to_owned());
        (body["tool_choice"].as_str().map(str::to_owned), names.collect::<Vec<_>>())
    };
    let both = vec!["a".to_owned(), "b".to_owned()];
    let required = Some("REQUIRED".to_owned());
    assert_eq!(with(None), (None, both.clone()));
    assert_eq!(with(Some(ToolChoice::Auto)), (None, both.clone()));
    assert_eq!(with(Some(ToolChoice::None)), (Some("NONE".to_owned()), both.clone()));
    assert_eq!(with(Some(ToolChoice::Required)), (required.clone(), both));
    let only_b = vec!["b".to_owned()];
    let named = ToolChoice::Function("b".to_owned());
    assert_eq!(with(Some(named)), (required.clone(), only_b.clone()));
    let allowed = |required| ToolChoice::Allowed { required, names: only_b.clone() };
    assert_eq!(with(Some(allowed(true))), (required, only_b.clone()));
    assert_eq!(with(Some(allowed(false))), (None, only_b.clone()));
    let missing = Some(ToolChoice::Function("c".to_owned()));
    let chat = Chat { tools: vec![tool("a", None)], tool_choice: missing, ..asks("x") };
    assert_eq!(refused(chat), "tool_choice");
}

#[test]
fn tools_have_parameters_and_one_strictness() {
    let (body, losses) = written(Chat { tools: vec![tool("a", Some(true))], ..asks("x") });
    assert_eq!((body.get("strict_tools"), losses), (None, vec!["tools.strict".to_owned()]));
    let function = json!({ "name": "a", "parameters": { "type": "object", "properties": {} } });
    assert_eq!(body["tools"][0]["function"], function);
    let mut strict = tool("a", Some(true));
    if let ToolBody::Function { parameters, .. } = &mut strict.body {
        *parameters = Some(json!({ "type": "object", "required": ["x"] }));
    }
    let (body, losses) = written(Chat { tools: vec![strict.clone()], ..asks("x") });
    assert_eq!((body["strict_tools"].as_bool(), losses.len()), (Some(true), 0));
    let tools = vec![strict, tool("b", None)];
    let (body, losses) = written(Chat { tools, ..asks("x") });
    assert_eq!((body.get("strict_tools"), losses), (None, vec!["tools.strict".to_owned()]));
}

#[test]
fn trap_06_results_stand_before_the_words_of_their_turn() {
    let turn = vec![words("And now?"), result("1", None, vec![words("3 degrees")])];
    let chat = foreign(vec![
        says(Role::User, vec![words("Weather?")]),
        says(Role::Assistant, vec![words(""), call("1", "get_weather")]),
        says(Role::User, turn),
    ]);
    let (body, _) = written(chat);
    let expected = json!([
        { "role": "user", "content": "Weather?" },
        { "role": "assistant", "tool_calls": [
            { "id": "1", "type": "function",
                "function": { "name": "get_weather", "arguments": "{}" } }
        ] },
        { "role": "tool", "tool_call_id": "1", "content": "3 degrees" },
        { "role": "user", "content": "And now?" },
    ]);
    assert_eq!(body["messages"], expected);
}

#[test]
fn trap_26_images_of_tools_are_lifted_into_the_next_user_turn() {
    let shot = || result("1", None, vec![words("done"), image("https://example.com/s.png")]);
    let calls = || says(Role::Assistant, vec![call("1", "shoot"), call("2", "wait")]);
    let results = || says(Role::Tool, vec![shot()]);
    let other = || says(Role::Tool, vec![result("2", None, vec![words("ok")])]);
    let roles = |body: &Value| {
        let messages = body["messages"].as_array().unwrap().iter();
        messages.map(|message| message["role"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (body, _) = written(foreign(vec![calls(), results(), other()]));
    assert_eq!(roles(&body), ["assistant", "tool", "tool", "user"]);
    let blocks = &body["messages"][3]["content"];
    assert_eq!(blocks[0]["text"], "Image from tool call 1:");
    assert_eq!(blocks[1]["image_url"]["url"], "https://example.com/s.png");
    let user = says(Role::User, vec![words("Well?")]);
    let (body, _) = written(foreign(vec![calls(), results(), other(), user]));
    assert_eq!(roles(&body), ["assistant", "tool", "tool", "user"]);
    assert_eq!(body["messages"][3]["content"][2]["text"], "Well?");
}

#[test]
fn calls_without_ids_get_some_and_their_results_the_same() {
    let (body, _) = written(foreign(vec![
        says(Role::Assistant, vec![call("", "a"), call("", "b")]),
        says(Role::User, vec![result("", Some("b"), vec![]), result("", Some("a"), vec![])]),
    ]));
    let messages = &body["messages"];
    assert_eq!(messages[0]["tool_calls"][1]["id"], "call_2");
    assert_eq!(messages[1]["tool_call_id"], "call_2");
    assert_eq!(messages[2]["tool_call_id"], "call_1");
}

#[test]
fn thinking_of_others_is_a_plan_before_calls_and_nothing_elsewhere() {
    let (body, losses) = written(foreign(vec![
        says(Role::Assistant, vec![thinking("Look.", Some("sig")), call("1", "a")]),
        says(Role::Tool, vec![result("1", None, vec![words("x")])]),
        says(Role::Assistant, vec![thinking("Hm.", None), words("Done.")]),
    ]));
    assert_eq!(body["messages"][0]["tool_plan"], "Look.");
    assert_eq!(body["messages"][2], json!({ "role": "assistant", "content": "Done." }));
    assert_eq!(losses, ["messages.thinking", "thinking.signature"]);
}

#[test]
fn media_go_only_where_cohere_reads_them() {
    let says = |body: PartBody| foreign(vec![says(Role::User, vec![words("See"), body])]);
    let document = |source: Source| {
        PartBody::Document(Document {
            source,
            title: Some("T".to_owned()),
            context: None,
            citations: Some(false),
        })
    };
    let (body, _) = written(says(document(Source::Text("words".to_owned()))));
    assert_eq!(body["documents"], json!([{ "data": { "title": "T", "text": "words" } }]));
    assert_eq!(body["citation_options"], json!({ "mode": "OFF" }));
    assert_eq!(body["messages"][0]["content"], "See");
    let pdf = Source::Base64 { media_type: "application/pdf".to_owned(), data: "JVBERg==".into() };
    assert_eq!(refused(says(document(pdf))), "messages.document");
    let file = Source::File { dialect: Dialect::OpenAiChat, id: "file-1".to_owned() };
    assert_eq!(refused(says(document(file.clone()))), "messages.document");
    let kept = PartBody::Image(Image { source: file, detail: None });
    assert_eq!(refused(says(kept)), "messages.image");
    assert_eq!(refused(says(image("gs://bucket/a.png"))), "messages.image");
}

#[test]
fn efforts_and_budgets_are_token_budgets() {
    let thinks = |reasoning: Reasoning| {
        let (body, _) = written(Chat { reasoning: Some(reasoning), ..asks("x") });
        body.get("thinking").cloned().unwrap_or_default()
    };
    let effort = |effort| Reasoning { effort: Some(effort), ..Reasoning::default() };
    assert_eq!(thinks(effort(Effort::None)), json!({ "type": "disabled" }));
    assert_eq!(thinks(effort(Effort::Low)), json!({ "type": "enabled", "token_budget": 1024 }));
    assert_eq!(thinks(effort(Effort::Max)), json!({ "type": "enabled" }));
    let budget = |tokens| Reasoning { budget_tokens: Some(tokens), ..Reasoning::default() };
    assert_eq!(thinks(budget(0)), json!({ "type": "disabled" }));
    assert_eq!(thinks(budget(77)), json!({ "type": "enabled", "token_budget": 77 }));
    assert_eq!(
        thinks(Reasoning { adaptive: true, ..Reasoning::default() }),
        json!({ "type": "enabled" })
    );
    assert_eq!(thinks(Reasoning::default()), Value::Null);
    let off = Reasoning { enabled: Some(false), budget_tokens: Some(9), ..Reasoning::default() };
    assert_eq!(thinks(off), json!({ "type": "disabled" }));
}

#[test]
fn numbers_are_brought_into_cohere_s_bounds() {
    let mut chat = asks("x");
    chat.sampling.top_p = Some(1.into());
    chat.sampling.frequency_penalty = serde_json::Number::from_f64(-0.5);
    chat.sampling.presence_penalty = serde_json::Number::from_f64(0.5);
    chat.sampling.seed = Some(-1);
    let (body, losses) = written(chat);
    assert_eq!((&body["p"], &body["frequency_penalty"]), (&json!(0.99), &json!(0.0)));
    assert_eq!(body["presence_penalty"], json!(0.5));
    assert_eq!(losses, ["frequency_penalty", "seed", "top_p"]);
}

#[test]
fn what_cohere_lacks_is_reported_or_refused() {
    let mut chat = asks("x");
    chat.user = Some("u".to_owned());
    chat.service_tier = Some("flex".to_owned());
    chat.parallel_tool_calls = Some(false);
    chat.extra.insert("prediction".to_owned(), json!({}));
    chat.output = Some(OutputFormat::JsonSchema {
        name: Some("n".to_owned()),
        description: None,
        schema: json!({ "type": "object" }),
        strict: Some(true),
    });
    let (body, losses) = written(chat.clone());
    assert_eq!(losses, ["parallel_tool_calls", "prediction", "service_tier", "user"]);
    let format = json!({ "type": "json_object", "json_schema": { "type": "object" } });
    assert_eq!(body["response_format"], format);
    chat.modalities = vec!["text".to_owned(), "audio".to_owned()];
    assert_eq!(refused(chat), "modalities");
}

#[test]
fn only_models_that_can_think_are_told_how() {
    let mut asks = asks("Hi");
    let effort = Some(Effort::High);
    asks.reasoning = Some(Reasoning { effort, ..Default::default() });
    let asks = crate::ir::Request::Chat(Box::new(asks));
    for (model, kind, lost) in [
        ("command-a-reasoning-08-2025", json!("enabled"), vec![]),
        ("command-a-03-2025", Value::Null, vec!["reasoning"]),
        ("command-r-08-2024", Value::Null, vec!["reasoning"]),
    ] {
        let written = CohereChat.write_request(&asks, &target(model)).unwrap();
        assert_eq!(super::json(&written.body)["thinking"]["type"], kind, "{model}");
        let members: Vec<_> = written.losses.iter().map(|loss| loss.member.to_string()).collect();
        assert_eq!(members, lost, "{model}");
    }
}
