//! Streams, read however they are cut, and written again.

use serde_json::json;
use weir_framing::{Decoder, Framing, Writer};
use weir_types::Usage;

use super::*;
use crate::fault::Garbage;
use crate::ir::{Delta, Event, Finish, FinishReason, PartStart, Sealed};

/// The events of a stream that comes in pieces of `size` bytes.
fn events(stream: &[u8], size: usize) -> Result<Vec<Event>, Garbage> {
    let mut decoder = Decoder::new(Framing::Sse);
    let mut reader = FORMAT.stream_reader().unwrap();
    let mut events = Vec::new();
    for piece in stream.chunks(size.max(1)) {
        decoder.push(Bytes::copy_from_slice(piece));
        while let Some(raw) = decoder.next_frame().unwrap() {
            reader.read(&decoder.parse(&raw).unwrap(), &mut events)?;
        }
    }
    reader.finish(&mut events)?;
    Ok(events)
}

fn fixture(name: &str) -> Vec<Event> {
    let stream = std::fs::read(folder("streams").join(format!("{name}.sse"))).unwrap();
    let events = events(&stream, stream.len()).unwrap();
    check(&events, name);
    events
}

/// What the form between formats promises of the order of events.
fn check(events: &[Event], name: &str) {
    let mut open: std::collections::BTreeMap<u32, (u32, bool)> = Default::default();
    assert!(matches!(events.first(), Some(Event::Start { .. })), "{name}: {events:?}");
    assert!(matches!(events.last(), Some(Event::End | Event::Error(_))), "{name}: {events:?}");
    let mut has_finished = false;
    for event in &events[1..] {
        match event {
            Event::PartStart { choice, part, .. } => {
                let (number, is_open) = open.entry(*choice).or_default();
                assert!(!*is_open && number == part && !has_finished, "{name}: {event:?}");
                *is_open = true;
            }
            Event::Delta { choice, part, .. } => {
                assert_eq!(open.get(choice), Some(&(*part, true)), "{name}: {event:?}");
            }
            Event::PartEnd { choice, part } => {
                assert_eq!(open.insert(*choice, (part + 1, false)), Some((*part, true)), "{name}");
            }
            Event::Finish { .. } => {
                has_finished = true;
                assert!(open.values().all(|(_, is_open)| !is_open), "{name}: {event:?}");
            }
            Event::Start { .. } => panic!("{name} starts twice"),
            Event::Usage(_) | Event::End | Event::Error(_) => {}
        }
    }
}

/// Events without the cuts between deltas.
fn whole(events: &[Event]) -> Vec<Event> {
    let mut joined: Vec<Event> = Vec::new();
    let mut sorted: Vec<Event> = events.to_vec();
    // The order between answers is free.
    sorted.sort_by_key(|event| match event {
        Event::PartStart { choice, .. }
        | Event::Delta { choice, .. }
        | Event::PartEnd { choice, .. } => choice + 1,
        Event::Start { .. } => 0,
        _ => u32::MAX,
    });
    for event in sorted {
        let grown = match (joined.last_mut(), &event) {
            (
                Some(Event::Delta { delta: Delta::Text(all), logprobs: None, .. }),
                Event::Delta { delta: Delta::Text(more), logprobs: None, .. },
            )
            | (
                Some(Event::Delta { delta: Delta::Arguments(all), .. }),
                Event::Delta { delta: Delta::Arguments(more), .. },
            ) => {
                all.push_str(more);
                true
            }
            _ => false,
        };
        if !grown {
            joined.push(event);
        }
    }
    joined
}

fn written(events: &[Event], request: &Request) -> String {
    let asked = asked(request);
    let mut writer = FORMAT.stream_writer(&asked).unwrap();
    let mut out = Writer::new(Framing::Sse);
    for event in events {
        writer.write(event.clone(), &mut out);
    }
    assert!(writer.losses().is_empty());
    String::from_utf8(out.take().to_vec()).unwrap()
}

fn with_usage() -> Request {
    let mut chat = Chat::new(Dialect::OpenAiChat);
    chat.stream_usage = Some(true);
    Request::Chat(Box::new(chat))
}

fn chunks(stream: &str) -> Vec<Value> {
    let lines = stream.lines().filter_map(|line| line.strip_prefix("data: "));
    lines.filter(|data| *data != "[DONE]").map(|data| json(data.as_bytes())).collect()
}

#[test]
fn every_stream_says_the_same_however_it_is_cut() {
    let all = fixtures("streams");
    assert!(all.len() >= 10, "{}", all.len());
    for (name, stream) in all {
        let expected = events(&stream, stream.len());
        for size in [1, 7, 64] {
            assert_eq!(events(&stream, size), expected, "{name} in pieces of {size}");
        }
        match expected {
            Err(fault) => assert_eq!((fault, &*name), (Garbage::ENDS_EARLY, "ends-early")),
            Ok(expected) => check(&expected, &name),
        }
    }
}

#[test]
fn what_is_written_says_what_was_read() {
    for (name, stream) in fixtures("streams") {
        if ["ends-early", "error-within"].contains(&name.as_str()) {
            continue;
        }
        let mut first = events(&stream, stream.len()).unwrap();
        let text = written(&first, &with_usage());
        assert!(text.ends_with("data: [DONE]\n\n"), "{name}");
        let mut second = events(text.as_bytes(), text.len()).unwrap();
        check(&second, &name);
        if ["ids-missing", "function-call-older"].contains(&name.as_str()) {
            for event in first.iter_mut().chain(&mut second) {
                if let Event::PartStart { start: PartStart::ToolCall { id, .. }, .. } = event {
                    id.clear();
                }
            }
        }
        assert_eq!(whole(&second), whole(&first), "{name}");
    }
}

/// Names, ids and arguments of the calls.
fn calls(events: &[Event]) -> Vec<(String, String, String)> {
    let mut calls: Vec<(String, String, String)> = Vec::new();
    for event in events {
        match event {
            Event::PartStart { start: PartStart::ToolCall { id, name, .. }, .. } => {
                calls.push((id.clone(), name.clone(), String::new()));
            }
            Event::Delta { delta: Delta::Arguments(piece), .. } => {
                calls.last_mut().unwrap().2.push_str(piece);
            }
            _ => {}
        }
    }
    calls
}

fn call(id: &str, name: &str, arguments: &str) -> (String, String, String) {
    (id.to_owned(), name.to_owned(), arguments.to_owned())
}

#[test]
fn calls_are_told_apart_whatever_the_host_leaves_out() {
    let interleaved = calls(&fixture("trap-03-parallel-interleaved"));
    assert_eq!(interleaved, [call("call_1", "a", "{\"x\":1}"), call("call_2", "b", "{\"y\":2}")]);
    let empty = calls(&fixture("trap-03-zero-arguments"));
    assert_eq!(empty, [call("call_1", "ping", "{}"), call("call_2", "pong", "{}")]);
    let whole = calls(&fixture("whole-calls-without-index"));
    let first = call("function-call-1", "a", "{\"x\":1}");
    assert_eq!(whole, [first, call("function-call-2", "b", "{\"y\":2}")]);
    let same = calls(&fixture("same-index-for-every-call"));
    assert_eq!(same, [call("call_1", "a", "{\"x\":1}"), call("call_2", "b", "{\"y\":2}")]);
    let repeated = calls(&fixture("ids-and-names-repeated"));
    assert_eq!(repeated, [call("call_1", "a", "{\"x\":1}")]);
    assert_eq!(calls(&fixture("custom-call")), [call("call_c", "math", "4 + 4")]);
    assert_eq!(calls(&fixture("function-call-older")), [call("", "f", "{}")]);
}

fn finish(events: &[Event]) -> Vec<FinishReason> {
    let reason = |event: &Event| match event {
        Event::Finish { finish, .. } => Some(finish.reason.clone()),
        _ => None,
    };
    events.iter().filter_map(reason).collect()
}

#[test]
fn reasons_are_made_true() {
    assert_eq!(finish(&fixture("trap-02-stop-after-calls")), [FinishReason::ToolCalls]);
    assert_eq!(finish(&fixture("refusal")), [FinishReason::Refusal]);
    assert_eq!(finish(&fixture("two-choices")), [FinishReason::Length, FinishReason::Stop]);
    assert_eq!(finish(&fixture("azure-filter-first")), [FinishReason::ContentFilter]);
}

#[test]
fn trap_22_usage_is_set_and_never_added() {
    let counts = fixture("usage-with-every-chunk").into_iter().filter_map(|event| match event {
        Event::Usage(usage) => Some(usage),
        _ => None,
    });
    let expected = Usage { input_tokens: 9, output_tokens: 2, ..Usage::default() };
    assert_eq!(counts.collect::<Vec<_>>(), [expected]);
}

fn starts(events: &[Event]) -> Vec<PartStart> {
    let start = |event: &Event| match event {
        Event::PartStart { start, .. } => Some(start.clone()),
        _ => None,
    };
    events.iter().filter_map(start).collect()
}

#[test]
fn trap_12_blocks_of_thoughts_stay_apart() {
    let read = fixture("trap-12-blocks-of-another-format");
    let seal = |data: &str| Sealed { origin: Dialect::AnthropicMessages, data: data.to_owned() };
    let thinking = PartStart::Thinking { id: None, is_summary: false };
    let expected =
        [thinking.clone(), PartStart::Redacted(seal("r1")), thinking.clone(), PartStart::Text];
    assert_eq!(starts(&read), expected);
    let signatures = read.iter().filter_map(|event| match event {
        Event::Delta { part, delta: Delta::Signature(sealed), .. } => Some((*part, sealed.clone())),
        _ => None,
    });
    assert_eq!(signatures.collect::<Vec<_>>(), [(0, seal("s1")), (2, seal("s2"))]);
    let both = starts(&fixture("trap-30-reasoning-and-content-in-one-delta"));
    assert_eq!(both, [thinking, PartStart::Text]);
    assert_eq!(starts(&fixture("openrouter-details")).len(), 3);
}

#[test]
fn errors_end_a_stream() {
    let read = fixture("error-within");
    let Some(Event::Error(error)) = read.last() else { panic!("{read:?}") };
    assert_eq!((error.status, error.message.as_str()), (503, "overloaded"));
    let mut reader = FORMAT.stream_reader().unwrap();
    let mut events = Vec::new();
    let frame = |name: &'static [u8], data: &'static [u8]| weir_framing::Frame {
        raw: data,
        name,
        data: Some(data.into()),
        is_exception: false,
    };
    reader.read(&frame(b"error", b"overloaded"), &mut events).unwrap();
    assert!(matches!(&events[..], [Event::Error(error)] if error.message == "overloaded"));
    let mut reader = FORMAT.stream_reader().unwrap();
    let odd = reader.read(&frame(b"", b"<html>"), &mut events);
    assert_eq!(odd, Err(Garbage::NOT_AN_OBJECT));
    assert_eq!(reader.finish(&mut events), Err(Garbage::ENDS_EARLY));
}

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

#[test]
fn mixed_calls_are_held_within_bounds() {
    let mut reader = FORMAT.stream_reader().unwrap();
    let mut events = Vec::new();
    let mut push = |chunk: Value| {
        let data = chunk.to_string();
        let frame = weir_framing::Frame {
            raw: data.as_bytes(),
            name: b"",
            data: Some(data.as_bytes().into()),
            is_exception: false,
        };
        reader.read(&frame, &mut events)
    };
    let piece = |index: u64, arguments: &str| {
        json!({"choices": [{"index": 0, "delta": {"tool_calls": [{"index": index,
            "function": {"name": "f", "arguments": arguments}}]}}]})
    };
    push(piece(0, "{")).unwrap();
    let long = "x".repeat(1 << 20);
    let pushed = (0..9).map(|_| push(piece(1, &long))).collect::<Result<Vec<_>, _>>();
    assert!(pushed.is_err());
    assert!(push(json!({"choices": [{"index": 300, "delta": {}}]})).is_err());
}
