//! Streams: read at any split they say the same, and written again they say it once more.

use bytes::Bytes;
use serde_json::{Value, json};
use weir_framing::{Decoder, Frame, Framing, Writer};
use weir_types::Operation;

use super::{asked, fixture, fixtures, foreign};
use crate::cohere_chat::CohereChat;
use crate::fault::Garbage;
use crate::format::{Depth, Format, Kind};
use crate::ir::{Delta, Error, Event, Finish, FinishReason, PartStart, Request, Tool, ToolBody};

/// Cuts `stream` at every `size` bytes and hands each frame on.
fn frames(stream: &Bytes, size: usize, mut each: impl FnMut(&Frame<'_>)) {
    let mut decoder = Decoder::new(Framing::Sse);
    for chunk in stream.chunks(size.max(1)) {
        decoder.push(Bytes::copy_from_slice(chunk));
        while let Some(raw) = decoder.next_frame().unwrap() {
            each(&decoder.parse(&raw).unwrap());
        }
    }
    assert_eq!(decoder.finish(), None);
}

fn read(stream: &Bytes, size: usize) -> (Vec<Event>, Result<(), Garbage>) {
    let mut reader = CohereChat.stream_reader().unwrap();
    let mut events = Vec::new();
    frames(stream, size, |frame| reader.read(frame, &mut events).unwrap());
    let end = reader.finish(&mut events);
    (events, end)
}

fn write(events: Vec<Event>) -> Bytes {
    let mut chat = foreign(Vec::new());
    let body = ToolBody::Custom { name: "t".to_owned(), description: None, format: None };
    chat.tools.push(Tool { body, cache: None });
    let request = Request::Chat(Box::new(chat));
    let mut writer = CohereChat.stream_writer(&asked(Operation::Chat, &request)).unwrap();
    let mut out = Writer::new(Framing::Sse);
    for event in events {
        match event {
            Event::Error(error) => CohereChat.error_event(&error, &mut out),
            event => writer.write(event, &mut out),
        }
    }
    out.take()
}

/// Pieces of one text put together.
fn joined(events: Vec<Event>) -> Vec<Event> {
    let mut all: Vec<Event> = Vec::new();
    for event in events {
        if let Event::Delta { delta: Delta::Arguments(more), .. } = &event
            && let Some(Event::Delta { delta: Delta::Arguments(text), .. }) = all.last_mut()
        {
            text.push_str(more);
            continue;
        }
        all.push(event);
    }
    all
}

/// The order that the form between promises.
fn check_order(name: &str, events: &[Event]) {
    assert!(matches!(events.first(), Some(Event::Start { .. })), "{name}");
    let (mut next, mut open, mut is_finished) = (0, None, false);
    for event in &events[1..] {
        match event {
            Event::Start { .. } => panic!("{name}: two starts"),
            Event::PartStart { part, .. } => {
                assert_eq!((open, *part, is_finished), (None, next, false), "{name}");
                (open, next) = (Some(next), next + 1);
            }
            Event::Delta { part, .. } => assert_eq!(open, Some(*part), "{name}"),
            Event::PartEnd { part, .. } => assert_eq!(open.take(), Some(*part), "{name}"),
            Event::Finish { .. } => {
                assert_eq!(open, None, "{name}");
                is_finished = true;
            }
            Event::Usage(_) | Event::End => assert!(is_finished, "{name}"),
            Event::Error(_) => {}
        }
    }
}

#[test]
fn every_stream_says_the_same_at_any_split_and_when_written_again() {
    let files = fixtures("streams");
    assert!(files.len() >= 10);
    for (name, stream) in files {
        let (events, end) = read(&stream, stream.len());
        for size in [1, 7, 64] {
            assert_eq!(read(&stream, size), (events.clone(), end), "{name} at {size}");
        }
        check_order(&name, &events);
        if name.starts_with("error") || name == "cut-off" {
            assert_eq!(end, Err(Garbage::ENDS_EARLY), "{name}");
            continue;
        }
        assert_eq!(events.last(), Some(&Event::End), "{name}");
        let mut expected = joined(events.clone());
        if let Some(Event::Start { id, .. }) = expected.first_mut()
            && id.is_empty()
        {
            "req-1".clone_into(id);
        }
        let written = write(events);
        assert_eq!(joined(read(&written, 64).0), expected, "{name}");
        check_written(&name, &written);
    }
}

/// One legal stream: starts once, ends once, every block closed before the next begins.
fn check_written(name: &str, stream: &Bytes) {
    let mut kinds = Vec::new();
    let mut open = None;
    let (mut content, mut calls) = (0, 0);
    frames(stream, stream.len(), |frame| {
        let event: Value = serde_json::from_slice(frame.data.as_deref().unwrap()).unwrap();
        let kind = event["type"].as_str().unwrap().to_owned();
        assert_eq!(frame.name, kind.as_bytes(), "{name}");
        let index = event["index"].as_u64();
        match kind.as_str() {
            "content-start" | "tool-call-start" => {
                let next = if kind.starts_with("content") { &mut content } else { &mut calls };
                assert_eq!((&open, index), (&None, Some(*next)), "{name}");
                *next += 1;
                open = index;
            }
            "content-delta" | "tool-call-delta" => assert_eq!(index, open, "{name}"),
            "content-end" | "tool-call-end" => assert_eq!(index, open.take(), "{name}"),
            _ => {}
        }
        kinds.push(kind);
    });
    assert_eq!(kinds.iter().filter(|kind| *kind == "message-start").count(), 1, "{name}");
    assert_eq!(
        kinds.iter().position(|kind| kind == "message-end"),
        Some(kinds.len() - 1),
        "{name}"
    );
    assert_eq!(kinds[0], "message-start", "{name}");
}

#[test]
fn skimming_finds_what_reading_finds() {
    for (name, stream) in fixtures("streams") {
        frames(&stream, stream.len(), |frame| {
            let full = CohereChat.observe(frame, Depth::Full).unwrap();
            let skim = CohereChat.observe(frame, Depth::Skim).unwrap();
            if full.kind == Kind::Done || full.kind == Kind::Error || full.usage.is_some() {
                assert_eq!(skim, full, "{name}");
            } else {
                assert!(matches!(skim.kind, Kind::Content | Kind::Preamble), "{name}");
            }
        });
    }
}

fn observed(name: &str) -> Vec<(Kind, Option<String>)> {
    let mut all = Vec::new();
    frames(&fixture("streams", name), 64, |frame| {
        let seen = CohereChat.observe(frame, Depth::Full).unwrap();
        let finish = seen.finish().map(str::to_owned);
        all.push((seen.kind, finish));
    });
    all
}

#[test]
fn kinds_of_events_are_told_apart() {
    use Kind::{Content, Done, Error, Preamble};
    let kinds = |name| observed(name).into_iter().map(|(kind, _)| kind).collect::<Vec<_>>();
    assert_eq!(
        kinds("tools"),
        [Preamble, Content, Content, Content, Content, Content, Preamble, Done]
    );
    assert_eq!(
        kinds("citations"),
        [Preamble, Preamble, Content, Content, Content, Preamble, Preamble, Done]
    );
    assert_eq!(kinds("error-body"), [Preamble, Error]);
    assert_eq!(kinds("error-timeout"), [Preamble, Error]);
    assert_eq!(observed("max-tokens").pop(), Some((Done, Some("MAX_TOKENS".to_owned()))));
    let frame = |name: &'static [u8], data: &'static [u8]| Frame {
        raw: data,
        name,
        data: Some(data.into()),
        is_exception: false,
    };
    let kind = |name, data| CohereChat.observe(&frame(name, data), Depth::Skim).map(|o| o.kind);
    assert_eq!(kind(b"error", b"overloaded"), Ok(Error));
    assert_eq!(kind(b"message-end", br#"{"delta":{"finish_reason":"COMPLETE"}}"#), Ok(Done));
    assert_eq!(kind(b"", b"oops"), Err(Garbage::NOT_AN_OBJECT));
    assert_eq!(kind(b"content-delta", b"{]"), Err(Garbage::NOT_AN_OBJECT));
}

fn calls(events: &[Event]) -> Vec<(String, String)> {
    let mut calls = Vec::new();
    for event in events {
        match event {
            Event::PartStart { start: PartStart::ToolCall { id, .. }, .. } => {
                calls.push((id.clone(), String::new()));
            }
            Event::Delta { delta: Delta::Arguments(piece), .. } => {
                calls.last_mut().unwrap().1.push_str(piece);
            }
            _ => {}
        }
    }
    calls
}

#[test]
fn traps_03_and_04_calls_are_whole_and_apart() {
    let own = |list: [(&str, &str); 3]| list.map(|(id, args)| (id.to_owned(), args.to_owned()));
    let (events, _) = read(&fixture("streams", "trap-03-parallel-tools"), 64);
    let expected = own([("a", r#"{"city":"Oslo"}"#), ("b", r#"{"city":"Rome"}"#), ("c", "{}")]);
    assert_eq!(calls(&events), expected);
    let (events, _) = read(&fixture("streams", "trap-04-no-arguments"), 64);
    assert_eq!(calls(&events), own([("a", "{}"), ("b", "{}"), ("c", "{}")]));
}

#[test]
fn traps_01_and_02_an_answer_that_calls_tools_says_so() {
    for name in ["trap-01-text-then-tools", "trap-02-complete-with-calls"] {
        let (events, _) = read(&fixture("streams", name), 64);
        let finish = Finish::new(FinishReason::ToolCalls);
        assert!(events.contains(&Event::Finish { choice: 0, finish }), "{name}");
    }
}

#[test]
fn failures_are_errors_and_nothing_follows() {
    for (name, message) in [
        ("error-in-the-end", "generation failed: upstream closed"),
        ("error-timeout", "took too long"),
        ("error-body", "internal server error"),
    ] {
        let (events, _) = read(&fixture("streams", name), 64);
        let Some(Event::Error(error)) = events.last() else { panic!("{name}: {events:?}") };
        assert_eq!(error.message, message);
    }
    let mut out = Writer::new(Framing::Sse);
    CohereChat.error_event(&Error::new(503, "gone"), &mut out);
    let (events, end) = read(&out.take(), 64);
    assert_eq!(events, [Event::Error(Error::new(0, "gone"))]);
    assert_eq!(end, Err(Garbage::ENDS_EARLY));
}

#[test]
fn arguments_of_no_call_are_garbage() {
    let mut reader = CohereChat.stream_reader().unwrap();
    let data = br#"{"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":
        {"function":{"arguments":"{"}}}}}"#;
    let frame = Frame { raw: data, name: b"", data: Some(data[..].into()), is_exception: false };
    assert!(reader.read(&frame, &mut Vec::new()).is_err());
}

#[test]
fn streams_of_others_end_with_the_counts_that_came_last() {
    let usage = |input_tokens, output_tokens| weir_types::Usage {
        input_tokens,
        output_tokens,
        ..weir_types::Usage::default()
    };
    let id = "msg_1".to_owned();
    let model = String::new();
    let finish = Finish::new(FinishReason::Length);
    let annotation = json!({ "type": "url_citation", "url_citation": {
        "start_index": 0, "end_index": 2, "url": "https://example.com", "title": "E" } });
    let delta = |choice, delta| Event::Delta { choice, part: 0, delta, logprobs: None };
    let stream = write(vec![
        Event::Start { id, model, created: None, usage: usage(10, 1) },
        Event::PartStart { choice: 0, part: 0, start: PartStart::Text },
        delta(0, Delta::Text("Hi".to_owned())),
        delta(1, Delta::Text("Not said".to_owned())),
        delta(0, Delta::Annotation(annotation)),
        Event::PartEnd { choice: 0, part: 0 },
        Event::Finish { choice: 0, finish },
        Event::Usage(usage(0, 7)),
        Event::End,
    ]);
    let text = String::from_utf8(stream.to_vec()).unwrap();
    assert!(!text.contains("Not said"));
    assert!(text.contains(r#""citations":{"sources":[{"type":"document""#), "{text}");
    let end = text.trim_end().rsplit("data: ").next().unwrap();
    let counts = json!({ "input_tokens": 10, "output_tokens": 7 });
    let expected = json!({ "type": "message-end", "id": "msg_1", "delta": {
        "finish_reason": "MAX_TOKENS", "usage": { "billed_units": counts, "tokens": counts } } });
    assert_eq!(serde_json::from_str::<Value>(end).unwrap(), expected);
}
