//! Requests of other formats, and what the vendor demands of them.

use serde_json::json;

use super::*;
use crate::ir::{
    CacheMark, Document, Image, Media, OutputFormat, Source, Tool, ToolBody, ToolChoice,
};

fn function(name: &str) -> Tool {
    let (description, parameters, strict) = (None, None, None);
    let name = name.to_owned();
    Tool { body: ToolBody::Function { name, description, parameters, strict }, cache: None }
}

fn image(media_type: &str, data: &str) -> Part {
    let (media_type, data) = (media_type.to_owned(), data.to_owned());
    let source = Source::Base64 { media_type, data };
    Part::new(PartBody::Image(Image { source, detail: None }))
}

fn document(title: Option<&str>, source: Source) -> Part {
    let (title, context, citations) = (title.map(str::to_owned), None, None);
    Part::new(PartBody::Document(Document { source, title, context, citations }))
}

fn marked(mut part: Part) -> Part {
    part.cache = Some(CacheMark::default());
    part
}

fn text(text: &str) -> Value {
    json!({ "text": text })
}

fn point() -> Value {
    json!({ "cachePoint": { "type": "default" } })
}

#[test]
fn turns_alternate_and_results_come_first() {
    let chat = chat(vec![
        said(Role::System, vec![Part::text("A")]),
        user("Song?"),
        said(Role::Assistant, vec![call("a", "f", "{}"), call("b", "g", r#"{"x":1}"#)]),
        said(Role::Tool, vec![result("a", vec![Part::text(r#"{"n": 1.50, "s": "x y"}"#)])]),
        said(Role::Tool, vec![result("b", vec![Part::text(r#"{"n": 2, "s": "x y"}"#)])]),
        said(Role::Developer, vec![Part::text("B")]),
        user("And?"),
    ]);
    let (body, lost) = write(&chat, CLAUDE);
    assert_eq!(body["system"], json!([text("A"), text("B")]));
    let exact = json!({ "json": { "n": 2, "s": "x y" } });
    // Digits would change: it stays text.
    let inexact = text(r#"{"n": 1.50, "s": "x y"}"#);
    assert_eq!(
        body["messages"],
        json!([
            { "role": "user", "content": [text("Song?")] },
            { "role": "assistant", "content": [
                { "toolUse": { "toolUseId": "a", "name": "f", "input": {} } },
                { "toolUse": { "toolUseId": "b", "name": "g", "input": { "x": 1 } } }] },
            { "role": "user", "content": [
                { "toolResult": { "toolUseId": "a", "content": [inexact] } },
                { "toolResult": { "toolUseId": "b", "content": [exact] } },
                text("And?")] },
        ])
    );
    assert_eq!(lost, Vec::<String>::new());
}

#[test]
fn instructions_stay_where_they_are_for_models_that_take_them_there() {
    let system = |text| said(Role::System, vec![Part::text(text)]);
    let mut messages = vec![system("A"), user("Hi"), system("B"), system("C")];
    messages.push(said(Role::Assistant, vec![Part::text("Hello")]));
    messages.extend([system("D"), user("Go")]);
    let chat = chat(messages);
    let (body, _) = write(&chat, "anthropic.claude-opus-4-8");
    assert_eq!(body["system"], json!([text("A"), text("D")]));
    assert_eq!(body["messages"][1], json!({ "role": "system", "content": [text("B"), text("C")] }));
    let (body, _) = write(&chat, CLAUDE);
    assert_eq!(body["system"], json!([text("A"), text("B"), text("C"), text("D")]));
    assert_eq!(body["messages"].as_array().unwrap().len(), 3);
}

#[test]
fn the_user_begins() {
    let greeting = said(Role::Assistant, vec![Part::text("Hello, how can I help?")]);
    let (body, lost) = write(&chat(vec![greeting, user("Hi")]), CLAUDE);
    assert_eq!(body["messages"][0]["role"], "user");
    assert_eq!(body["messages"][1]["role"], "assistant");
    assert_eq!(lost, ["messages"]);
    let (body, _) = write(&chat(vec![said(Role::System, vec![Part::text("x")])]), CLAUDE);
    assert_eq!(body["messages"].as_array().unwrap().len(), 1);
    let begun = chat(vec![user("Hi"), said(Role::Assistant, vec![Part::text("He")])]);
    assert!(try_write(&begun, CLAUDE).is_ok());
    assert!(try_write(&begun, "anthropic.claude-opus-4-6-v1").unwrap_err().is_targets);
}

#[test]
fn trap_13_only_the_empty_text_is_dropped() {
    let body = fixtures::one("requests", "trap-13-empty-text");
    let written = json(
        &BedrockConverse.write_request(&read(&body, Operation::Chat), &target(CLAUDE)).unwrap(),
    );
    let content = written["messages"][1]["content"].as_array().unwrap();
    assert_eq!(content.as_slice(), &body["messages"][1]["content"].as_array().unwrap()[1..]);
}

#[test]
fn trap_18_tools_are_defined_anew_and_never_called() {
    let body = fixtures::one("requests", "trap-18-history-without-tools");
    let Request::Chat(mut chat) = read(&body, Operation::Chat) else { panic!("not a chat") };
    let none = json!({ "type": "none" });
    let (written, _) = write(&chat, CLAUDE);
    assert_eq!(written["toolConfig"]["tools"][0]["toolSpec"]["name"], "top_song");
    assert_eq!(written["toolConfig"].get("toolChoice"), None);
    assert_eq!(written["additionalModelRequestFields"]["tool_choice"], none);
    // Others are not shown what they could call.
    chat.tools = vec![function("other")];
    chat.tool_choice = Some(ToolChoice::None);
    let (written, _) = write(&chat, "us.amazon.nova-pro-v1:0");
    let tools = written["toolConfig"]["tools"].as_array().unwrap();
    assert_eq!(tools.len(), 1);
    assert_eq!(tools[0]["toolSpec"]["name"], "top_song");
    assert_eq!(written.get("additionalModelRequestFields"), None);
    let (written, _) = write(&chat, CLAUDE);
    assert_eq!(written["toolConfig"]["tools"][0]["toolSpec"]["name"], "other");
    assert_eq!(written["additionalModelRequestFields"]["tool_choice"], none);
    // And without a history there need be no tools.
    chat.messages = vec![user("Hi")];
    let (written, _) = write(&chat, CLAUDE);
    assert_eq!(written, json!({ "messages": [{ "role": "user", "content": [text("Hi")] }] }));
}

#[test]
fn trap_19_documents_have_legal_names_that_are_unique_over_all_turns() {
    let plain = |text: &str| Source::Text(text.to_owned());
    let pdf = Source::Base64 { media_type: "application/pdf".into(), data: "JVBE".into() };
    let chat = chat(vec![
        said(Role::User, vec![document(Some("my_file.pdf"), pdf), Part::text("One")]),
        said(Role::Assistant, vec![Part::text("Ok")]),
        said(Role::User, vec![document(None, plain("a")), document(Some("my file"), plain("b"))]),
        said(
            Role::User,
            vec![document(None, plain("c")), document(Some("my-file-pdf"), plain("d"))],
        ),
    ]);
    let (body, _) = write(&chat, CLAUDE);
    let names: Vec<_> = body["messages"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|turn| turn["content"].as_array().unwrap())
        .filter_map(|block| block["document"]["name"].as_str())
        .collect();
    assert_eq!(names, ["my-file-pdf", "document", "my file", "document (2)", "my-file-pdf (2)"]);
    // A turn with documents has a text, too.
    let last = body["messages"][2]["content"].as_array().unwrap().last().unwrap();
    assert_eq!(last, &text("document"));
}

#[test]
fn trap_28_cache_points_are_few_and_stand_where_they_may() {
    let csv = Source::Base64 { media_type: "text/csv".into(), data: "YSxi".into() };
    let mut all = chat(vec![
        said(Role::System, vec![marked(Part::text("1")), marked(Part::text("2"))]),
        said(Role::User, vec![Part::text("3"), marked(document(Some("t"), csv))]),
        said(Role::Assistant, vec![marked(Part::text("4"))]),
        said(Role::User, vec![marked(Part::text("5"))]),
    ]);
    all.tools = vec![Tool { cache: Some(CacheMark::default()), ..function("f") }];
    let (body, lost) = write(&all, CLAUDE);
    assert_eq!(body["system"], json!([text("1"), text("2"), point()]));
    let first = body["messages"][0]["content"].as_array().unwrap();
    assert_eq!(first[..2], [text("3"), point()]);
    assert!(first[2].get("document").is_some());
    assert_eq!(body["messages"][1]["content"], json!([text("4"), point()]));
    assert_eq!(body["toolConfig"]["tools"].as_array().unwrap().len(), 1);
    assert_eq!(lost, ["cache_control"]);
    let (body, lost) = write(&all, "meta.llama3-3-70b-instruct-v1:0");
    assert!(!body.to_string().contains("cachePoint"));
    assert_eq!(lost, ["cache_control"]);
    let (body, _) = write(&all, "amazon.nova-pro-v1:0");
    assert_eq!(body["toolConfig"]["tools"].as_array().unwrap().len(), 1);
    let whole = Chat { cache: Some(CacheMark::default()), ..chat(vec![user("Hi")]) };
    assert_eq!(write(&whole, CLAUDE).0["messages"][0]["content"], json!([text("Hi"), point()]));
}

#[test]
fn trap_26_images_stay_in_results_and_marks_do_not() {
    let parts = vec![image("image/gif", "R0lGOD"), marked(Part::text("1x1"))];
    let chat = chat(vec![
        user("Hi"),
        said(Role::Assistant, vec![call("a", "shot", "{}")]),
        said(Role::User, vec![result("a", parts), Part::text("?")]),
    ]);
    let (body, _) = write(&chat, CLAUDE);
    let source = json!({ "bytes": "R0lGOD" });
    let content = json!([{ "image": { "format": "gif", "source": source } }, text("1x1")]);
    let shown = json!({ "toolResult": { "toolUseId": "a", "content": content } });
    assert_eq!(body["messages"][2]["content"], json!([shown, point(), text("?")]));
}

#[test]
fn trap_20_and_21_names_and_ids_have_rules() {
    let rules = BedrockConverse.name_rules();
    assert_eq!((rules.tool.bytes_max, rules.tool.beside), (64, Some("_-")));
    assert_eq!((rules.call_id.bytes_max, rules.call_id.beside), (64, Some("_.:-")));
    // Formats without ids get some, alike on call and result.
    let chat = chat(vec![
        user("Hi"),
        said(Role::Assistant, vec![call("", "f", "{}"), call("", "g", "not JSON")]),
        said(Role::User, vec![result("", vec![]), result("", vec![Part::text(" ")])]),
    ]);
    let (body, _) = write(&chat, CLAUDE);
    let (calls, results) = (&body["messages"][1]["content"], &body["messages"][2]["content"]);
    for at in 0..2 {
        let id = &calls[at]["toolUse"]["toolUseId"];
        assert_eq!(id, &results[at]["toolResult"]["toolUseId"]);
        assert_eq!(results[at]["toolResult"]["content"], json!([]));
    }
    assert_eq!(calls[1]["toolUse"]["input"], json!({ "input": "not JSON" }));
}

#[test]
fn media_are_inline_or_in_s3_and_of_known_types() {
    let with = |part| chat(vec![said(Role::User, vec![part, Part::text("?")])]);
    for (media_type, format) in [("image/jpg", "jpeg"), ("IMAGE/PNG", "png")] {
        let (body, _) = write(&with(image(media_type, "AAAA")), CLAUDE);
        assert_eq!(body["messages"][0]["content"][0]["image"]["format"], format);
    }
    let (body, _) = write(&with(image("", "/9j/4AAQ")), CLAUDE);
    assert_eq!(body["messages"][0]["content"][0]["image"]["format"], "jpeg");
    let web = |url: &str| {
        let source = Source::Url(url.to_owned());
        with(Part::new(PartBody::Image(Image { source, detail: None })))
    };
    let fault = try_write(&web("https://example.com/a.png"), CLAUDE).unwrap_err();
    assert!(fault.is_targets && fault.message.contains("base64"), "{fault}");
    assert_eq!(fault.param.as_deref(), Some("messages.image"));
    assert!(try_write(&web("s3://bucket/a.JPG"), CLAUDE).is_ok());
    assert!(try_write(&with(image("image/tiff", "AAAA")), CLAUDE).unwrap_err().is_targets);
    let source = Source::File { dialect: OTHER, id: "file-1".into() };
    assert!(try_write(&with(document(None, source)), CLAUDE).unwrap_err().is_targets);
    let source = Source::Base64 { media_type: String::new(), data: "AAAA".into() };
    let (body, _) = write(&with(document(Some("a.docx"), source)), CLAUDE);
    assert_eq!(body["messages"][0]["content"][0]["document"]["format"], "docx");
    let source = Source::Base64 { media_type: "audio/wav".into(), data: "UklG".into() };
    let audio = Media { source, media_type: None };
    let (body, _) = write(&with(Part::new(PartBody::Audio(audio))), CLAUDE);
    assert_eq!(body["messages"][0]["content"][0]["audio"]["format"], "wav");
}

#[test]
fn tools_are_chosen_as_the_format_can_say_it() {
    let with = |choice| Chat {
        tools: vec![function("f"), function("g")],
        tool_choice: Some(choice),
        ..chat(vec![user("Hi")])
    };
    let choice = |chat: &Chat| write(chat, CLAUDE).0["toolConfig"].get("toolChoice").cloned();
    assert_eq!(choice(&with(ToolChoice::Auto)), None);
    assert_eq!(choice(&with(ToolChoice::Required)), Some(json!({ "any": {} })));
    let named = json!({ "tool": { "name": "g" } });
    assert_eq!(choice(&with(ToolChoice::Function("g".into()))), Some(named));
    let allowed = with(ToolChoice::Allowed { required: false, names: vec!["g".into()] });
    assert_eq!(choice(&allowed), None);
    let (body, _) = write(&allowed, CLAUDE);
    let tools = body["toolConfig"]["tools"].as_array().unwrap();
    assert_eq!(tools.len(), 1);
    let schema = json!({ "json": { "type": "object", "properties": {} } });
    assert_eq!(tools[0], json!({ "toolSpec": { "name": "g", "inputSchema": schema } }));
    let forced = try_write(&with(ToolChoice::Required), "anthropic.claude-opus-5-5").unwrap_err();
    assert!(forced.is_targets);
    let mut serial = with(ToolChoice::Auto);
    serial.parallel_tool_calls = Some(false);
    let (body, lost) = write(&serial, CLAUDE);
    let auto = json!({ "type": "auto", "disable_parallel_tool_use": true });
    assert_eq!(body["additionalModelRequestFields"]["tool_choice"], auto);
    assert_eq!(lost, Vec::<String>::new());
    assert_eq!(write(&serial, "amazon.nova-pro-v1:0").1, ["parallel_tool_calls"]);
    // Bedrock takes no choice of its own beside Claude's, which says both.
    serial.tool_choice = Some(ToolChoice::Function("g".into()));
    let (body, lost) = write(&serial, CLAUDE);
    let one = json!({ "type": "tool", "name": "g", "disable_parallel_tool_use": true });
    assert_eq!(body["additionalModelRequestFields"]["tool_choice"], one);
    assert_eq!(body["toolConfig"].get("toolChoice"), None);
    assert_eq!(lost, Vec::<String>::new());
    assert!(try_write(&serial, "anthropic.claude-opus-5-5").unwrap_err().is_targets);
}

#[test]
fn what_cannot_be_said_is_told_or_refused() {
    let mut all = chat(vec![user("Hi")]);
    all.sampling.seed = Some(1);
    all.sampling.temperature = serde_json::Number::from_f64(1.5);
    all.sampling.logprobs = Some(true);
    all.output = Some(OutputFormat::JsonObject);
    all.user = Some("u".into());
    all.service_tier = Some("auto".into());
    all.metadata.insert("k".into(), json!("v"));
    all.metadata.insert("q".into(), json!("no?"));
    all.extra.insert("prediction".into(), json!({}));
    let (body, lost) = write(&all, CLAUDE);
    let expected =
        ["logprobs", "metadata", "prediction", "response_format", "seed", "temperature", "user"];
    assert_eq!(lost, expected);
    assert_eq!(body["inferenceConfig"], json!({ "temperature": 1 }));
    assert_eq!(body["requestMetadata"], json!({ "k": "v" }));
    let modalities = vec!["text".into(), "audio".into()];
    let shows = Chat { modalities, ..all.clone() };
    assert!(try_write(&shows, CLAUDE).unwrap_err().is_targets);
    let (name, description, strict) = (Some("c".to_owned()), None, Some(true));
    let schema = json!({ "type": "object", "minProperties": 1 });
    all.output = Some(OutputFormat::JsonSchema { name, description, schema, strict });
    let (body, lost) = write(&all, CLAUDE);
    let definition = &body["outputConfig"]["textFormat"]["structure"]["jsonSchema"];
    // Objects that are not closed are refused.
    let closed = "{\"type\":\"object\",\"additionalProperties\":false}";
    assert_eq!(definition, &json!({ "schema": closed, "name": "c" }));
    assert!(lost.contains(&"response_format".to_owned()));
    assert!(try_write(&all, "amazon.nova-pro-v1:0").unwrap_err().is_targets);
}
