//! Requests: fixtures there and back, and what other formats ask.

use serde_json::json;

use super::*;
use crate::fields::Fields;
use crate::ir::{
    Document, Effort, Image, OutputFormat, Reasoning, Sealed, Source, Thinking, Tool, ToolBody,
    ToolChoice,
};
use crate::patch::Patch;
use crate::quirks::Quirks;

#[test]
fn every_fixture_is_written_as_it_was_read() {
    let all = fixtures("requests");
    assert!(all.len() >= 25);
    for (name, bytes) in &all {
        if name.ends_with(".written") {
            continue;
        }
        let expected = all.iter().find(|(other, _)| *other == format!("{name}.written"));
        let expected = json(expected.map_or(bytes, |(_, bytes)| bytes));
        let request = read(Operation::Chat, &json(bytes)).unwrap();
        let Request::Chat(chat) = request else { panic!("{name}") };
        // The third generation where images have resolutions or results have images.
        let (written, losses) = write(&chat, "gemini-3-flash-preview").unwrap();
        assert_eq!(without_sentinel(written), expected, "{name}");
        assert_eq!(losses, Vec::<String>::new(), "{name}");
        assert_eq!(chat.model, MODEL);
        assert!(Fields::new(expected, "").is_ok());
    }
}

#[test]
fn a_name_with_dots_is_one_name() {
    let dots = ".".repeat(100_000);
    let asked = json!({
        "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
        "generationCon.fig": 1,
        dots.as_str(): 2,
        "generationConfig": {"a.b": 3, "temperature": 1.0},
        "toolConfig": {"c..d": 4, "functionCallingConfig": {"mode": "AUTO", "e.f": 5}},
    });
    let Request::Chat(chat) = read(Operation::Chat, &asked).unwrap() else { panic!("no chat") };
    let (written, losses) = write(&chat, MODEL).unwrap();
    assert_eq!((&written["generationCon.fig"], &written[&dots]), (&json!(1), &json!(2)));
    assert_eq!(written["generationConfig"]["a.b"], 3);
    let calling = &written["toolConfig"]["functionCallingConfig"];
    assert_eq!((&written["toolConfig"]["c..d"], &calling["e.f"]), (&json!(4), &json!(5)));
    assert_eq!(losses, Vec::<String>::new());
}

/// Fixtures are of both generations; what the third wants is tested apart.
fn without_sentinel(mut body: Value) -> Value {
    for turn in body["contents"].as_array_mut().unwrap() {
        for part in turn["parts"].as_array_mut().unwrap() {
            if part["thoughtSignature"] == "skip_thought_signature_validator" {
                part.as_object_mut().unwrap().remove("thoughtSignature");
            }
        }
    }
    body
}

#[test]
fn faults_say_where() {
    for (body, param) in [
        (json!({}), "contents"),
        (json!({"contents": [{"role": "bot", "parts": []}]}), "contents[0].role"),
        (json!({"contents": [{"parts": [{"text": 1}]}]}), "contents[0].parts[0].text"),
        (
            json!({"contents": [{"parts": [{"functionCall": {"args": {}}}]}]}),
            "contents[0].parts[0].functionCall.name",
        ),
        (
            json!({"contents": [], "generationConfig": {"thinkingConfig": {"thinkingBudget": -2}}}),
            "generationConfig.thinkingConfig.thinkingBudget",
        ),
        (
            json!({"contents": [], "toolConfig": {"functionCallingConfig": {"mode": "X"}}}),
            "toolConfig.functionCallingConfig.mode",
        ),
    ] {
        let fault = read(Operation::Chat, &body).unwrap_err();
        assert_eq!(fault.param.as_deref(), Some(param), "{body}");
        assert!(!fault.is_targets);
    }
}

#[test]
fn trap_07_results_of_several_messages_are_one_turn_in_the_order_of_the_calls() {
    let chat = other(vec![
        (Role::System, vec![said("Be brief.")]),
        (Role::User, vec![said("Paris and London?")]),
        (Role::Assistant, vec![said("Looking."), call("a", "w", None), call("b", "w", None)]),
        (Role::Tool, vec![result("b", vec![said("{\"t\":12}")])]),
        (Role::Tool, vec![result("a", vec![said("rain")])]),
        (Role::User, vec![said("Well?")]),
        (Role::Developer, vec![said("In English.")]),
    ]);
    let (body, losses) = write(&chat, MODEL).unwrap();
    assert_eq!(losses, Vec::<String>::new());
    assert_eq!(
        body["systemInstruction"]["parts"],
        json!([{"text": "Be brief."}, {"text": "In English."}])
    );
    assert_eq!(
        body["contents"][2],
        json!({"role": "user", "parts": [
            {"functionResponse": {"id": "a", "name": "w", "response": {"output": "rain"}}},
            {"functionResponse": {"id": "b", "name": "w", "response": {"t": 12}}}]})
    );
    assert_eq!(body["contents"][3]["parts"][0]["text"], "Well?");

    let request = Request::Chat(Box::new(chat));
    let vertex = target(Operation::Chat, MODEL, "vertex");
    let (written, _) = split(&GeminiGenerate.write_request(&request, &vertex).unwrap());
    assert_eq!(written["contents"], body["contents"]);
}

#[test]
fn trap_06_results_come_before_what_the_user_says() {
    let chat = other(vec![
        (Role::User, vec![said("Paris?")]),
        (Role::Assistant, vec![call("a", "w", None)]),
        (Role::User, vec![said("and then?"), result("a", vec![said("rain")])]),
    ]);
    let (body, _) = write(&chat, MODEL).unwrap();
    assert!(body["contents"][2]["parts"][0].get("functionResponse").is_some());
    assert_eq!(body["contents"][2]["parts"].as_array().unwrap().len(), 1);
    assert_eq!(body["contents"][3]["parts"], json!([{"text": "and then?"}]));
}

#[test]
fn trap_10_the_sentinel_is_on_the_first_call_of_each_step_of_the_current_turn() {
    let chat = other(vec![
        (Role::User, vec![said("Before")]),
        (Role::Assistant, vec![call("z", "f", None)]),
        (Role::Tool, vec![result("z", vec![said("1")])]),
        (Role::Assistant, vec![said("Done")]),
        (Role::User, vec![said("Now")]),
        (Role::Assistant, vec![call("a", "f", None), call("b", "f", None)]),
        (Role::Tool, vec![result("a", vec![said("1")]), result("b", vec![said("1")])]),
        (Role::Assistant, vec![call("c", "f", Some("own"))]),
        (Role::Tool, vec![result("c", vec![said("1")])]),
    ]);
    let (body, _) = write(&chat, "gemini-3-pro-preview").unwrap();
    let signatures = |turn: usize| -> Vec<Option<String>> {
        let parts = body["contents"][turn]["parts"].as_array().unwrap();
        parts.iter().map(|part| Some(part.get("thoughtSignature")?.as_str()?.to_owned())).collect()
    };
    assert_eq!(signatures(1), [None]);
    assert_eq!(signatures(5), [Some("skip_thought_signature_validator".to_owned()), None]);
    assert_eq!(signatures(7), [Some("own".to_owned())]);
    let (older, _) = write(&chat, MODEL).unwrap();
    assert!(!older.to_string().contains("skip_thought"));
}

#[test]
fn traps_08_and_09_signatures_stay_where_they_are() {
    let chat = other(vec![
        (Role::User, vec![said("Now")]),
        (Role::Assistant, vec![call("a", "f", Some("s1")), call("b", "g", None)]),
        (Role::Tool, vec![result("a", vec![said("1")]), result("b", vec![said("1")])]),
        (Role::Assistant, vec![call("c", "f", Some("s2")), call("d", "g", Some("s3"))]),
    ]);
    let (body, _) = write(&chat, "gemini-3.1-pro-preview").unwrap();
    let step = |turn: usize, part: usize| {
        body["contents"][turn]["parts"][part].get("thoughtSignature").cloned()
    };
    assert_eq!((step(1, 0), step(1, 1)), (Some(json!("s1")), None));
    assert_eq!((step(3, 0), step(3, 1)), (Some(json!("s2")), Some(json!("s3"))));
}

#[test]
fn thoughts_of_others_are_not_sent_and_signatures_find_their_text() {
    let thinking = |text: &str, signature: Option<Sealed>| {
        PartBody::Thinking(Thinking { text: text.into(), signature, ..Thinking::default() })
    };
    let own = || Some(super::super::parts::seal("s".to_owned()));
    let foreign = Sealed { origin: Dialect::AnthropicMessages, data: "x".into() };
    let chat = other(vec![
        (Role::User, vec![said("Hi")]),
        (Role::Assistant, vec![thinking("hm", Some(foreign)), thinking("", own()), said("Yes")]),
    ]);
    let (body, losses) = write(&chat, MODEL).unwrap();
    assert_eq!(body["contents"][1]["parts"], json!([{"text": "Yes", "thoughtSignature": "s"}]));
    assert_eq!(losses, ["messages.thinking", "thinking.signature"]);
    let chat = other(vec![
        (Role::User, vec![said("Hi")]),
        (Role::Assistant, vec![thinking("hm", own()), thinking("", own()), call("a", "f", None)]),
    ]);
    let (body, _) = write(&chat, MODEL).unwrap();
    assert_eq!(body["contents"][1]["parts"][0]["thought"], true);
    assert_eq!(body["contents"][1]["parts"][1], json!({"text": "", "thoughtSignature": "s"}));
}

#[test]
fn trap_14_schemas_with_references_are_whole_and_empty_ones_left_out() {
    let tool = |name: &str, parameters: Value| Tool {
        body: ToolBody::Function {
            name: name.into(),
            description: None,
            parameters: Some(parameters),
            strict: Some(true),
        },
        cache: None,
    };
    let mut chat = other(vec![(Role::User, vec![said("Hi")])]);
    chat.tools = vec![
        tool(
            "book",
            json!({"$schema": "s", "type": "object",
            "properties": {"who": {"$ref": "#/$defs/p", "description": "d"}},
            "$defs": {"p": {"type": "string"}}}),
        ),
        tool("now", json!({"type": "object", "properties": {}})),
    ];
    chat.tool_choice = Some(ToolChoice::Allowed { required: false, names: vec!["now".into()] });
    let (body, losses) = write(&chat, MODEL).unwrap();
    let declared = &body["tools"][0]["functionDeclarations"];
    assert_eq!(
        declared[0]["parametersJsonSchema"],
        json!({"type": "object", "properties": {"who": {"$ref": "#/$defs/p"}},
            "$defs": {"p": {"type": "string"}}})
    );
    assert_eq!(declared[1], json!({"name": "now"}));
    assert_eq!(losses, ["tools.strict"]);
    assert_eq!(body["toolConfig"]["functionCallingConfig"]["mode"], "VALIDATED");
}

#[test]
fn what_only_another_provider_has_is_lost() {
    let mut chat = other(vec![(Role::User, vec![said("Hi")])]);
    chat.extra.insert("audio".into(), json!({"voice": "alloy"}));
    chat.sampling.logit_bias = Some(json!({"1": 2}));
    chat.sampling.seed = Some(1 << 40);
    chat.user = Some("u".into());
    let (_, losses) = write(&chat, MODEL).unwrap();
    assert_eq!(losses, ["audio", "logit_bias", "seed", "user"]);
}

#[test]
fn trap_29_addresses_are_refused_and_formats_are_kept() {
    let image = |url: &str| {
        PartBody::Image(Image { source: Source::from_url(url), detail: Some("high".into()) })
    };
    let mut chat = other(vec![(Role::User, vec![image("https://example.com/cat.png")])]);
    assert!(write(&chat, MODEL).unwrap_err().is_targets);
    chat.messages[0].parts[0].body = image("data:image/webp;base64,UklGRg==");
    chat.output = Some(OutputFormat::JsonObject);
    chat.sampling.n = Some(2);
    let (body, losses) = write(&chat, MODEL).unwrap();
    let data = &body["contents"][0]["parts"][0];
    assert_eq!(*data, json!({"inlineData": {"mimeType": "image/webp", "data": "UklGRg=="}}));
    assert_eq!(losses, ["messages.image.detail"]);
    assert_eq!(body["generationConfig"]["responseMimeType"], "application/json");
    assert_eq!(body["generationConfig"]["candidateCount"], 2);
}

#[test]
fn trap_26_images_in_results_stand_in_them_or_beside_them() {
    let image = || {
        let source = Source::from_url("data:image/png;base64,iVBORw0KGgo=");
        PartBody::Image(Image { source, detail: None })
    };
    let document = PartBody::Document(Document {
        source: Source::Text("page".into()),
        title: None,
        context: None,
        citations: None,
    });
    let chat = other(vec![
        (Role::User, vec![said("Hi")]),
        (Role::Assistant, vec![call("a", "f", None)]),
        (Role::Tool, vec![result("a", vec![said("see"), image(), document])]),
    ]);
    let (body, _) = write(&chat, MODEL).unwrap();
    let parts = &body["contents"][2]["parts"];
    assert_eq!(parts[0]["functionResponse"]["response"], json!({"output": "see\npage"}));
    assert_eq!(parts[1]["inlineData"]["mimeType"], "image/png");
    let (body, _) = write(&chat, "gemini-3-flash-preview").unwrap();
    let parts = &body["contents"][2]["parts"];
    assert_eq!(parts[0]["functionResponse"]["parts"][0]["inlineData"]["mimeType"], "image/png");
    assert_eq!(parts.as_array().unwrap().len(), 1);
}

#[test]
fn thinking_is_told_as_the_model_takes_it() {
    let config = |reasoning: Reasoning, model| {
        let mut chat = other(vec![(Role::User, vec![said("Hi")])]);
        chat.reasoning = Some(reasoning);
        let (body, losses) = write(&chat, model).unwrap();
        (body.pointer("/generationConfig/thinkingConfig").cloned(), losses)
    };
    let effort = |effort| Reasoning { effort: Some(effort), ..Reasoning::default() };
    let budget = |budget| Reasoning { budget_tokens: Some(budget), ..Reasoning::default() };
    let none = Vec::<String>::new();
    let seen = |key: &str, value: Value| Some(json!({"includeThoughts": true, key: value}));
    assert_eq!(
        config(effort(Effort::Low), MODEL),
        (seen("thinkingBudget", json!(1024)), none.clone())
    );
    assert_eq!(
        config(effort(Effort::Medium), "gemini-3-pro-preview"),
        (seen("thinkingLevel", json!("HIGH")), vec!["reasoning.effort".to_owned()])
    );
    assert_eq!(
        config(budget(2000), "gemini-3.8-flash"),
        (seen("thinkingLevel", json!("MEDIUM")), vec!["reasoning.budget_tokens".to_owned()])
    );
    assert_eq!(
        config(budget(60_000), "gemini-2.5-pro"),
        (seen("thinkingBudget", json!(32_768)), vec!["reasoning.budget_tokens".to_owned()])
    );
    let adaptive = Reasoning { adaptive: true, ..Reasoning::default() };
    assert_eq!(config(adaptive.clone(), MODEL).0, seen("thinkingBudget", json!(-1)));
    assert_eq!(config(adaptive, "gemini-3.8-flash").0, Some(json!({"includeThoughts": true})));
    let off = Reasoning { enabled: Some(false), ..Reasoning::default() };
    assert_eq!(config(off.clone(), MODEL), (Some(json!({"thinkingBudget": 0})), none));
    assert_eq!(
        config(off.clone(), "gemini-3.8-flash"),
        (Some(json!({"thinkingLevel": "LOW"})), vec!["reasoning".to_owned()])
    );
    assert_eq!(config(off, "gemini-2.5-pro").0, Some(json!({"thinkingBudget": 128})));
    assert_eq!(config(effort(Effort::High), "gemini-2.0-flash"), (None, vec!["reasoning".into()]));
}

#[test]
fn a_system_that_speaks_alone_is_heard() {
    let chat = other(vec![(Role::System, vec![said("Say hi.")])]);
    let (body, losses) = write(&chat, MODEL).unwrap();
    assert_eq!(body, json!({"contents": [{"role": "user", "parts": [{"text": "Say hi."}]}]}));
    assert_eq!(losses, ["messages.role"]);
}

#[test]
fn counting_takes_both_forms() {
    let short = json!({"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]});
    let long = json!({"generateContentRequest": {"model": "models/gemini-2.5-flash",
        "contents": short["contents"], "systemInstruction": {"parts": [{"text": "Be brief"}]}}});
    for body in [&short, &long] {
        let request = read(Operation::CountTokens, body).unwrap();
        let gemini = target(Operation::CountTokens, MODEL, "gemini");
        let (written, _) = split(&GeminiGenerate.write_request(&request, &gemini).unwrap());
        assert_eq!(written, *body);
        let vertex = target(Operation::CountTokens, MODEL, "vertex");
        let (written, _) = split(&GeminiGenerate.write_request(&request, &vertex).unwrap());
        assert_eq!(written["contents"], short["contents"]);
    }
}

#[test]
fn the_model_is_changed_where_a_body_repeats_it() {
    let patched = |body: Value| {
        let body = Bytes::from(body.to_string());
        let patch =
            Patch { model: "gemini-x", quirks: &Quirks::NONE, features: &[], outline: None };
        let patched = GeminiGenerate.patch(&body, &patch).unwrap();
        (json(&patched.joined()), patched.choices)
    };
    let contents = json!([{"parts": [{"text": "\"model\""}]}]);
    assert_eq!(
        patched(json!({"model": "models/a", "contents": contents,
            "generation_config": {"candidate_count": 3}})),
        (json!({"contents": contents, "generation_config": {"candidate_count": 3}}), 3)
    );
    assert_eq!(
        patched(json!({"generateContentRequest": {"model": "models/a", "contents": contents}})),
        (json!({"generateContentRequest": {"model": "models/gemini-x", "contents": contents}}), 1)
    );
    assert_eq!(
        patched(json!({"requests": [{"model": "a", "content": {}}, {"model": "a"}, 7]})).0,
        json!({"requests": [{"model": "models/gemini-x", "content": {}},
            {"model": "models/gemini-x"}, 7]})
    );
}

#[test]
fn penalties_go_where_they_are_taken() {
    let mut asks = other(vec![(Role::User, vec![said("Hi")])]);
    asks.sampling.frequency_penalty = serde_json::Number::from_f64(0.5);
    asks.sampling.presence_penalty = serde_json::Number::from_f64(0.0);
    let (body, lost) = write(&asks, "gemini-2.0-flash").unwrap();
    let config = &body["generationConfig"];
    assert_eq!(
        (&config["frequencyPenalty"], &config["presencePenalty"]),
        (&json!(0.5), &json!(0.0))
    );
    assert_eq!(lost, Vec::<String>::new());
    for model in ["gemini-2.5-flash", "gemini-2.5-pro", "gemini-3-flash-preview"] {
        let (body, lost) = write(&asks, model).unwrap();
        assert_eq!(body.get("generationConfig"), None, "{model}");
        assert_eq!(lost, ["frequency_penalty"], "{model}");
    }
}
