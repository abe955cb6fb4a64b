//! Streams of other formats, written in this one.

use serde_json::json;
use weir_framing::{Framing, Writer};
use weir_types::Usage;

use super::streams::{chunks, with_usage, written};
use super::*;
use crate::ir::{Delta, Event, Finish, FinishReason, PartStart, Sealed};

fn delta(part: u32, delta: Delta) -> Event {
    Event::Delta { choice: 0, part, delta, logprobs: None }
}

fn start(part: u32, start: PartStart) -> Event {
    Event::PartStart { choice: 0, part, start }
}

fn end(part: u32) -> Event {
    Event::PartEnd { choice: 0, part }
}

fn begin() -> Event {
    Event::Start { id: String::new(), model: String::new(), created: None, usage: Usage::default() }
}

fn tool(id: &str, name: &str) -> PartStart {
    PartStart::ToolCall { id: id.to_owned(), name: name.to_owned(), is_custom: false }
}

/// Text, then two calls, of which the first has no arguments.
fn turn() -> Vec<Event> {
    let finish = Finish::new(FinishReason::Stop);
    let usage = Usage { input_tokens: 3, output_tokens: 2, ..Usage::default() };
    vec![
        begin(),
        start(0, PartStart::Text),
        delta(0, Delta::Text("Let me see.".to_owned())),
        end(0),
        start(1, tool("toolu_1", "ping")),
        end(1),
        start(2, tool("", "get")),
        delta(2, Delta::Arguments("{\"a\":1}".to_owned())),
        end(2),
        Event::Finish { choice: 0, finish },
        Event::Usage(usage),
        Event::End,
    ]
}

#[test]
fn traps_01_04_and_05_a_stream_for_an_openai_client() {
    let request = with_usage();
    let stream = written(&turn(), &request);
    let all = chunks(&stream);
    let deltas: Vec<_> = all.iter().map(|chunk| chunk["choices"][0]["delta"].clone()).collect();
    let function =
        |at: u64, function: Value| json!({"tool_calls": [{"index": at, "function": function}]});
    let named = |at: u64, id: &str, name: &str| {
        json!({"tool_calls": [{"index": at, "id": id, "type": "function",
            "function": {"name": name, "arguments": ""}}]})
    };
    assert_eq!(
        deltas,
        [
            json!({"role": "assistant", "content": "", "refusal": null}),
            json!({"content": "Let me see."}),
            named(0, "toolu_1", "ping"),
            function(0, json!({"arguments": "{}"})),
            named(1, "call_0192abcd_1", "get"),
            function(1, json!({"arguments": "{\"a\":1}"})),
            json!({}),
            Value::Null,
        ]
    );
    assert_eq!(all[6]["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!((&all[7]["choices"], &all[7]["usage"]["total_tokens"]), (&json!([]), &json!(5)));
    for chunk in &all {
        assert_eq!(chunk["id"], "chatcmpl-0192-abcd");
        assert_eq!(chunk["object"], "chat.completion.chunk");
        assert_eq!((&chunk["created"], &chunk["model"]), (&json!(1_760_000_000), &json!("p/m")));
        assert!(chunk.get("system_fingerprint").is_some() && chunk.get("usage").is_some());
    }
    let unasked = written(&turn(), &plain_request());
    assert_eq!(chunks(&unasked).len(), 7);
    assert!(!unasked.contains("\"usage\"") && unasked.ends_with("}\n\ndata: [DONE]\n\n"));
}

#[test]
fn clients_of_the_older_form_get_one_call() {
    let mut older = Chat::new(Dialect::OpenAiChat);
    older.legacy_functions = true;
    let request = Request::Chat(Box::new(older));
    let asked = asked(&request);
    let mut writer = FORMAT.stream_writer(&asked).unwrap();
    let mut out = Writer::new(Framing::Sse);
    for event in turn() {
        writer.write(event, &mut out);
    }
    let stream = String::from_utf8(out.take().to_vec()).unwrap();
    assert!(!stream.contains("tool_calls") && !stream.contains("\"get\""), "{stream}");
    assert!(stream.contains(r#""finish_reason":"function_call""#));
    assert_eq!(writer.losses().iter().next().unwrap().member, "tool_calls");
}

#[test]
fn signatures_of_other_formats_travel_in_details() {
    let sealed = |data: &str, origin| Sealed { origin, data: data.to_owned() };
    let finish = Finish::new(FinishReason::ToolCalls);
    let events = [
        begin(),
        start(0, PartStart::Thinking { id: None, is_summary: false }),
        delta(0, Delta::Text("hm".to_owned())),
        delta(0, Delta::Signature(sealed("s1", Dialect::AnthropicMessages))),
        end(0),
        start(1, PartStart::Redacted(sealed("r1", Dialect::AnthropicMessages))),
        end(1),
        start(2, tool("c", "f")),
        delta(2, Delta::Signature(sealed("g1", Dialect::GeminiGenerate))),
        end(2),
        Event::Finish { choice: 0, finish },
        Event::End,
    ];
    let stream = written(&events, &plain_request());
    let all = chunks(&stream);
    let delta = |at: usize| &all[at]["choices"][0]["delta"];
    assert_eq!(delta(1)["reasoning_content"], "hm");
    assert_eq!(delta(1)["reasoning_details"][0]["text"], "hm");
    assert_eq!(
        delta(2)["reasoning_details"][0],
        json!({"signature": "s1", "format": "anthropic_messages", "type": "reasoning.text",
            "index": 0})
    );
    assert_eq!(delta(3)["reasoning_details"][0]["data"], "r1");
    assert_eq!(delta(3)["reasoning_details"][0]["index"], 1);
    let signature = &delta(5)["tool_calls"][0]["extra_content"]["google"]["thought_signature"];
    assert_eq!(signature, "g1");
}
