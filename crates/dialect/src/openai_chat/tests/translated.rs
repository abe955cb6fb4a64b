//! Requests of other formats, written in this one: what the source has and this format has not.

use serde_json::json;

use super::*;
use crate::ir::{
    CacheMark, Document, Effort, Embedding, EmbeddingInput, Image, Media, Message, Part, PartBody,
    Reasoning, Rerank, Role, Sealed, Source, Thinking, Tool, ToolBody, ToolCall, ToolChoice,
    ToolResult,
};

fn chat(messages: Vec<Message>) -> Chat {
    let mut chat = Chat::new(Dialect::AnthropicMessages);
    chat.model = "m".to_owned();
    chat.messages = messages;
    chat
}

fn says(role: Role, bodies: Vec<PartBody>) -> Message {
    Message { role, parts: bodies.into_iter().map(Part::new).collect(), name: None }
}

fn text(text: &str) -> PartBody {
    Part::text(text).body
}

fn result(id: &str, bodies: Vec<PartBody>) -> PartBody {
    PartBody::ToolResult(ToolResult {
        call_id: id.to_owned(),
        name: None,
        parts: bodies.into_iter().map(Part::new).collect(),
        is_error: None,
    })
}

fn call(id: &str, signature: Option<Sealed>) -> PartBody {
    PartBody::ToolCall(ToolCall {
        id: id.to_owned(),
        name: "f".to_owned(),
        arguments: "{}".to_owned(),
        is_custom: false,
        signature,
    })
}

fn image() -> PartBody {
    let source = Source::Base64 { media_type: String::new(), data: "/9j/4AAQ".to_owned() };
    PartBody::Image(Image { source, detail: None })
}

fn write(chat: Chat, vendor: &str) -> (Value, Vec<String>) {
    let written = write_for(&Request::Chat(Box::new(chat)), vendor);
    (json(&written.body), members(&written).into_iter().map(str::to_owned).collect())
}

fn fault(chat: Chat, vendor: &str) -> String {
    let target = Target { operation: Operation::Chat, model: "m", known_as: "m", vendor };
    let fault = FORMAT.write_request(&Request::Chat(Box::new(chat)), &target).unwrap_err();
    assert!(fault.is_targets, "{fault}");
    fault.param.unwrap().into_owned()
}

#[test]
fn trap_06_results_come_before_the_users_words() {
    let turn = says(Role::User, vec![text("and?"), result("a", vec![text("1")])]);
    let (written, _) =
        write(chat(vec![says(Role::Assistant, vec![call("a", None)]), turn]), "openai");
    assert_eq!(
        written["messages"],
        json!([
            {"role": "assistant", "content": null, "tool_calls": [{"id": "a", "type": "function",
                "function": {"name": "f", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "a", "content": "1"},
            {"role": "user", "content": "and?"},
        ])
    );
}

#[test]
fn trap_26_images_are_lifted_behind_all_results() {
    let first = says(Role::Tool, vec![result("a", vec![image()])]);
    let second = says(Role::Tool, vec![result("b", vec![PartBody::Json(json!({"x": 1}))])]);
    let next = says(Role::Assistant, vec![text("ok")]);
    let (written, _) = write(chat(vec![first, second, next]), "openai");
    let roles: Vec<_> =
        written["messages"].as_array().unwrap().iter().map(|m| &m["role"]).collect();
    assert_eq!(roles, ["tool", "tool", "user", "assistant"]);
    assert!(written["messages"][0]["content"].is_string());
    assert_eq!(written["messages"][1]["content"], "{\"x\":1}");
    let url = &written["messages"][2]["content"][0]["image_url"]["url"];
    assert_eq!(url, "data:image/jpeg;base64,/9j/4AAQ");
}

#[test]
fn trap_27_vllm_has_its_system_message_first() {
    let middle = says(Role::System, vec![text("two")]);
    let messages = vec![
        says(Role::System, vec![text("one")]),
        says(Role::User, vec![text("hi")]),
        middle,
        says(Role::Developer, vec![text("three")]),
    ];
    let (written, losses) = write(chat(messages.clone()), "vllm");
    assert_eq!(written["messages"].as_array().unwrap().len(), 2);
    assert_eq!(written["messages"][0]["content"].as_array().unwrap().len(), 3);
    assert_eq!(losses, ["messages.system"]);
    let (written, losses) = write(chat(messages), "groq");
    assert_eq!(written["messages"][3]["role"], "system");
    assert!(losses.is_empty());
}

#[test]
fn trap_28_no_more_than_four_marks() {
    let mut chat = chat(vec![says(Role::User, (0..6).map(|_| text("x")).collect())]);
    for part in &mut chat.messages[0].parts {
        part.cache = Some(CacheMark { ttl: Some("5m".to_owned()) });
    }
    let (written, losses) = write(chat.clone(), "openrouter");
    let content = written["messages"][0]["content"].as_array().unwrap();
    let marked: Vec<_> = content.iter().map(|block| block.get("cache_control").is_some()).collect();
    assert_eq!(marked, [false, false, true, true, true, true]);
    assert_eq!(content[5]["cache_control"], json!({"type": "ephemeral", "ttl": "5m"}));
    assert_eq!(losses, ["cache_control"]);
    chat.model = "gpt-5.6".to_owned();
    let tool = ToolBody::Custom { name: "t".to_owned(), description: None, format: None };
    chat.tools.push(Tool { body: tool, cache: Some(CacheMark::default()) });
    let (written, _) = write(chat.clone(), "openai");
    assert_eq!(written.to_string().matches("prompt_cache_breakpoint").count(), 4);
    assert_eq!(written["tools"][0].get("prompt_cache_breakpoint"), None);
    chat.model = "gpt-4o".to_owned();
    let (written, losses) = write(chat, "openai");
    assert!(!written.to_string().contains("cache"), "{written}");
    assert_eq!(losses, ["cache_control"]);
}

#[test]
fn traps_08_and_09_each_call_keeps_its_own_signature() {
    let seal = |data: &str| Some(Sealed { origin: Dialect::GeminiGenerate, data: data.to_owned() });
    let calls = vec![call("a", seal("1")), call("b", None), call("c", seal("3"))];
    let (written, losses) = write(chat(vec![says(Role::Assistant, calls.clone())]), "gemini");
    let found: Vec<_> = written["messages"][0]["tool_calls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|call| call["extra_content"]["google"]["thought_signature"].as_str())
        .collect();
    assert_eq!(found, [Some("1"), None, Some("3")]);
    assert_eq!(losses, ["messages.prefill"]);
    let (written, losses) = write(chat(vec![says(Role::Assistant, calls)]), "openai");
    assert!(!written.to_string().contains("extra_content"));
    assert_eq!(losses, ["messages.prefill", "thinking.signature"]);
}

#[test]
fn thoughts_go_where_they_are_taken() {
    let signed = Thinking {
        text: "hm".to_owned(),
        signature: Some(Sealed { origin: Dialect::AnthropicMessages, data: "s".to_owned() }),
        ..Thinking::default()
    };
    let bodies = vec![PartBody::Thinking(signed), text("x")];
    let messages = vec![says(Role::Assistant, bodies), says(Role::User, vec![text("y")])];
    let (written, losses) = write(chat(messages.clone()), "deepseek");
    assert_eq!(written["messages"][0]["reasoning_content"], "hm");
    assert_eq!(losses, ["thinking.signature"]);
    let (written, _) = write(chat(messages.clone()), "openrouter");
    assert_eq!(written["messages"][0]["reasoning"], "hm");
    assert_eq!(written["messages"][0].get("reasoning_details"), None);
    let (written, losses) = write(chat(messages), "groq");
    assert_eq!(written["messages"][0].as_object().unwrap().len(), 2);
    assert_eq!(losses, ["messages.thinking", "thinking.signature"]);
}

#[test]
fn openais_thinking_models_get_no_sampling() {
    let mut chat = chat(vec![says(Role::User, vec![text("x")])]);
    chat.sampling.temperature = serde_json::Number::from_f64(0.5);
    chat.sampling.top_k = Some(5);
    chat.reasoning = Some(Reasoning { budget_tokens: Some(10_000), ..Reasoning::default() });
    chat.metadata.insert("a".to_owned(), json!("b"));
    chat.model = "gpt-5-mini".to_owned();
    let (written, losses) = write(chat.clone(), "openai");
    assert_eq!(written["reasoning_effort"], "high");
    assert_eq!(losses, ["metadata", "temperature", "top_k"]);
    chat.model = "gpt-4o".to_owned();
    let (written, losses) = write(chat.clone(), "openai");
    assert_eq!((written.get("reasoning_effort"), &written["temperature"]), (None, &json!(0.5)));
    assert_eq!(losses, ["metadata", "reasoning_effort", "top_k"]);
    let (written, losses) = write(chat.clone(), "openrouter");
    assert_eq!(
        (&written["reasoning"], &written["top_k"]),
        (&json!({"max_tokens": 10_000}), &json!(5))
    );
    assert!(losses.is_empty());
    chat.reasoning = Some(Reasoning { effort: Some(Effort::None), ..Reasoning::default() });
    chat.sampling.max_output_tokens = Some(32_000);
    chat.user = Some("u".repeat(65));
    let (written, losses) = write(chat.clone(), "openai");
    assert_eq!(written["max_completion_tokens"], 16_384);
    assert_eq!(losses, ["max_tokens", "metadata", "top_k", "user"]);
    chat.user = None;
    chat.model = "o3".to_owned();
    let (written, losses) = write(chat.clone(), "openai");
    assert_eq!(written["reasoning_effort"], "low");
    assert_eq!(losses, ["metadata", "reasoning_effort", "temperature", "top_k"]);
    let (written, losses) = write(chat.clone(), "fireworks");
    assert_eq!(
        (written.get("reasoning_effort"), losses),
        (None, vec!["reasoning_effort".to_owned()])
    );
    chat.reasoning = Some(Reasoning { effort: Some(Effort::Max), ..Reasoning::default() });
    assert_eq!(write(chat, "fireworks").0["reasoning_effort"], "high");
}

#[test]
fn tools_are_written_as_openai_takes_them() {
    let function = |name: &str, parameters| Tool {
        body: ToolBody::Function {
            name: name.to_owned(),
            description: None,
            parameters,
            strict: None,
        },
        cache: None,
    };
    let mut chat = chat(vec![says(Role::User, vec![text("x")])]);
    chat.tool_choice = Some(ToolChoice::Auto);
    chat.parallel_tool_calls = Some(true);
    assert_eq!(write(chat.clone(), "openai").0.as_object().unwrap().len(), 2);
    chat.tools = vec![function("a", Some(json!({"type": "object"}))), function("b", None)];
    let allowed = ToolChoice::Allowed { required: true, names: vec!["a".to_owned()] };
    chat.tool_choice = Some(allowed);
    let (written, _) = write(chat.clone(), "openai");
    let parameters = &written["tools"][0]["function"]["parameters"];
    assert_eq!(parameters, &json!({"type": "object", "properties": {}}));
    assert_eq!(written["tool_choice"]["type"], "allowed_tools");
    let (written, losses) = write(chat, "groq");
    assert_eq!(written["tools"].as_array().unwrap().len(), 1);
    assert_eq!(written["tool_choice"], "required");
    assert!(losses.is_empty());
}

#[test]
fn what_would_change_the_meaning_is_refused_and_the_rest_reported() {
    let turn = |body| chat(vec![says(Role::User, vec![body])]);
    let file = |source| {
        PartBody::Document(Document { source, title: None, context: None, citations: None })
    };
    let url = || Source::Url("https://example.com/a.pdf".to_owned());
    let theirs = Source::File { dialect: Dialect::AnthropicMessages, id: "file_1".to_owned() };
    assert_eq!(fault(turn(file(url())), "openai"), "messages.document");
    assert_eq!(fault(turn(file(theirs)), "openai"), "messages.document");
    let film = Media { source: url(), media_type: None };
    assert_eq!(fault(turn(PartBody::Video(film.clone())), "openai"), "messages.video");
    let (written, _) = write(turn(PartBody::Video(film)), "vllm");
    assert_eq!(written["messages"][0]["content"][0]["type"], "video_url");
    let (written, _) = write(turn(file(url())), "openrouter");
    assert_eq!(written["messages"][0]["content"][0]["file"]["filename"], "a.pdf");
    let mut kept = turn(text("x"));
    kept.source = Dialect::OpenAiResponses;
    kept.extra.insert("prompt_cache_key".to_owned(), json!("k"));
    kept.extra.insert("background".to_owned(), json!(false));
    let (written, losses) = write(kept, "openai");
    assert_eq!(written["prompt_cache_key"], "k");
    assert_eq!(losses, ["background"]);
}

#[test]
fn plain_documents_are_text() {
    let document = Document {
        source: Source::Text("body".to_owned()),
        title: Some("Title".to_owned()),
        context: None,
        citations: Some(true),
    };
    let turn = says(Role::User, vec![PartBody::Document(document)]);
    let (written, losses) = write(chat(vec![turn]), "openai");
    assert_eq!(written["messages"][0]["content"], "Title\n\nbody");
    assert_eq!(losses, ["messages.document.citations"]);
}

#[test]
fn embeddings_and_rerankings_of_other_formats() {
    let mut embedding = Embedding {
        source: Dialect::CohereChat,
        model: "e".to_owned(),
        inputs: vec![EmbeddingInput::Text("a".to_owned()), EmbeddingInput::Text("b".to_owned())],
        dimensions: None,
        encodings: vec!["float".to_owned()],
        purpose: Some("search_query".to_owned()),
        user: None,
        extra: serde_json::Map::new(),
    };
    let written = write_for(&Request::Embedding(embedding.clone()), "openai");
    assert_eq!(json(&written.body)["input"], json!(["a", "b"]));
    assert_eq!(members(&written), ["input_type"]);
    embedding.encodings.push("int8".to_owned());
    let target =
        Target { operation: Operation::Embedding, model: "e", known_as: "e", vendor: "openai" };
    assert!(FORMAT.write_request(&Request::Embedding(embedding.clone()), &target).is_err());
    embedding.encodings.clear();
    embedding.inputs.push(EmbeddingInput::Tokens(vec![1]));
    assert!(FORMAT.write_request(&Request::Embedding(embedding), &target).is_err());
    let rerank = Rerank {
        source: Dialect::CohereChat,
        model: "r".to_owned(),
        query: "q".to_owned(),
        documents: vec![json!({"text": "a"}), json!({"title": "t", "text": "b"})],
        top_n: None,
        return_documents: None,
        extra: serde_json::Map::from_iter([("priority".to_owned(), json!(1))]),
    };
    let written = write_for(&Request::Rerank(rerank), "vllm");
    assert_eq!(json(&written.body)["documents"], json!(["a", {"title": "t", "text": "b"}]));
    assert_eq!(members(&written), ["priority"]);
}

#[test]
fn prompts_are_kept_no_longer_than_chat_can_say() {
    let mut chat = chat(vec![says(Role::User, vec![text("x")])]);
    chat.source = Dialect::OpenAiResponses;
    let options = |ttl: &str| json!({"mode": "explicit", "ttl": ttl});
    chat.extra.insert("prompt_cache_options".to_owned(), options("12h"));
    let (written, losses) = write(chat.clone(), "openai");
    assert_eq!(written["prompt_cache_options"], json!({"mode": "explicit"}));
    assert_eq!(losses, ["prompt_cache_options.ttl"]);
    chat.extra.insert("prompt_cache_options".to_owned(), options("30m"));
    assert_eq!(write(chat, "openai").0["prompt_cache_options"], options("30m"));
}

#[test]
fn mistrals_documents_stand_in_parts_of_its_own() {
    let sent = r#"{"model":"m","messages":[{"role":"user","content":[{"type":"document_url",
        "document_url":"data:application/pdf;base64,JVBERi0=","document_name":"plan"}]}]}"#;
    let path = PathFacts { operation: Operation::Chat, model: None, stream: None };
    let Request::Chat(read) = FORMAT.read_request(&Bytes::from(sent), &path).unwrap() else {
        unreachable!()
    };
    let PartBody::Document(document) = &read.messages[0].parts[0].body else { unreachable!() };
    assert_eq!(document.title.as_deref(), Some("plan"));
    let (body, _) = write((*read).clone(), "mistral");
    assert_eq!(body["messages"], json(sent.as_bytes())["messages"]);
    let (body, _) = write(*read, "openai");
    assert_eq!(body["messages"][0]["content"][0]["file"]["filename"], "plan");
}
