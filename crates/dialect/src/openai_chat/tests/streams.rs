//! Streams, read however they are cut, and written again.

use serde_json::json;
use weir_framing::{Decoder, Framing, Writer};
use weir_types::Usage;

use super::*;
use crate::fault::Garbage;
use crate::ir::{Delta, Event, FinishReason, PartStart, Sealed};

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

pub(super) fn written(events: &[Event], request: &Request) -> String {
    written_in(Form::Usual, events, request)
}

fn written_in(form: Form, events: &[Event], request: &Request) -> String {
    let asked = Asked { form, ..asked(request) };
    let mut writer = FORMAT.stream_writer(&asked).unwrap();
    let mut out = Writer::new(Framing::Sse);
    for event in events {
        writer.write(event.clone(), &mut out);
    }
    assert!(writer.losses().is_empty());
    String::from_utf8(out.take().to_vec()).unwrap()
}

pub(super) fn with_usage() -> Request {
    let mut chat = Chat::new(Dialect::OpenAiChat);
    chat.stream_usage = Some(true);
    Request::Chat(Box::new(chat))
}

pub(super) fn chunks(stream: &str) -> Vec<Value> {
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

/// For clients that read a call only if all of it is in one piece, and that ask for no tokens.
#[test]
fn calls_come_whole_where_the_form_says_so() {
    let plain = Request::Chat(Box::new(Chat::new(Dialect::OpenAiChat)));
    let mut whole_calls = 0;
    for (name, stream) in fixtures("streams") {
        let Ok(first) = events(&stream, stream.len()) else { continue };
        if name == "error-within" {
            continue;
        }
        let text = written_in(Form::Mistral, &first, &plain);
        let said = events(text.as_bytes(), text.len()).unwrap();
        assert_eq!(calls(&said), calls(&events_usual(&first)), "{name}");
        let chunks = chunks(&text);
        let pieces = chunks.iter().filter_map(|one| one.pointer("/choices/0/delta/tool_calls/0"));
        for piece in pieces {
            whole_calls += 1;
            let called = [piece["id"].as_str(), piece["type"].as_str()].map(Option::unwrap);
            let inner = &piece[called[1]];
            let given = inner["arguments"].as_str().or_else(|| inner["input"].as_str());
            for said in [called[0], inner["name"].as_str().unwrap(), given.unwrap()] {
                assert!(!said.is_empty(), "{name}: {piece}");
            }
        }
        let counts = first.iter().any(|event| matches!(event, Event::Usage(_)));
        let counted = chunks.iter().any(|one| one["usage"].is_object());
        assert_eq!(counted, counts, "{name}");
    }
    assert!(whole_calls > 5, "{whole_calls}");
}

/// The same events after they were written as most clients read them.
fn events_usual(first: &[Event]) -> Vec<Event> {
    let text = written(first, &with_usage());
    events(text.as_bytes(), text.len()).unwrap()
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

/// A source of bytes that look random and are the same each time.
fn noise(seed: &mut u64) -> usize {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    usize::try_from(*seed >> 33).unwrap()
}

#[test]
fn broken_documents_are_faults_and_never_more() {
    let kinds = ["streams", "answers", "requests"];
    let bodies: Vec<_> = kinds.into_iter().flat_map(fixtures).collect();
    let mut seed = 7;
    for (name, body) in &bodies {
        for _ in 0..40 {
            let mut broken = body.to_vec();
            for _ in 0..=noise(&mut seed) % 3 {
                let at = noise(&mut seed) % broken.len();
                broken[at] = b"{}[]\",:0nt"[noise(&mut seed) % 10];
            }
            let _ = events(&broken, 4096);
            let _ = FORMAT.read_answer(operation(name), &broken);
            let _ = FORMAT.read_error(&broken);
            let path = PathFacts::of(operation(name));
            if let Ok(request) = FORMAT.read_request(&Bytes::from(broken), &path) {
                let target = Target {
                    operation: path.operation,
                    model: "m",
                    known_as: "m",
                    vendor: vendor(name),
                };
                let _ = FORMAT.write_request(&request, &target);
            }
        }
    }
}
