//! Streams, whatever split their bytes arrive in.

use std::borrow::Cow;

use serde_json::json;
use weir_framing::{Decoder, Frame, Framing, Writer};
use weir_types::Usage;

use super::*;
use crate::fault::Garbage;
use crate::format::{Depth, Kind, Observed};
use crate::ir::{Delta, ErrorKind, Event, Finish, FinishReason, PartStart};

/// The bytes of a fixture as its framing has them.
fn framed(stream: &Value) -> Bytes {
    let mut out = Writer::new(Framing::EventStream);
    for event in stream.as_array().unwrap() {
        out.event(event["name"].as_str().unwrap(), event["data"].to_string().as_bytes());
    }
    out.take()
}

/// What a reader says of `bytes` that arrive in chunks of `size`, and how it ends.
fn events(bytes: &Bytes, size: usize) -> (Vec<Event>, Result<(), Garbage>) {
    let mut decoder = Decoder::new(Framing::EventStream);
    let mut reader = BedrockConverse.stream_reader().unwrap();
    let mut events = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let end = (at + size).min(bytes.len());
        decoder.push(bytes.slice(at..end));
        at = end;
        while let Some(raw) = decoder.next_frame().unwrap() {
            let frame = decoder.parse(&raw).unwrap();
            reader.read(&frame, &mut events).unwrap();
        }
    }
    let end = reader.finish(&mut events);
    (events, end)
}

/// The stream that a client is sent for `events`.
fn written(events: Vec<Event>) -> (Bytes, Vec<String>) {
    let request = Request::Chat(Box::new(Chat::new(OWN)));
    let mut writer = BedrockConverse.stream_writer(&asked(&request)).unwrap();
    let mut out = Writer::new(Framing::EventStream);
    for event in events {
        writer.write(event, &mut out);
    }
    (out.take(), members(writer.losses().iter()))
}

fn names(bytes: &Bytes) -> Vec<String> {
    frames(bytes).into_iter().map(|(name, _)| name).collect()
}

fn frames(bytes: &Bytes) -> Vec<(String, Value)> {
    let mut decoder = Decoder::new(Framing::EventStream);
    decoder.push(bytes.clone());
    let mut frames = Vec::new();
    while let Some(raw) = decoder.next_frame().unwrap() {
        let frame = decoder.parse(&raw).unwrap();
        let name = String::from_utf8(frame.name.to_vec()).unwrap();
        frames.push((name, serde_json::from_slice(&frame.data.unwrap()).unwrap()));
    }
    frames
}

/// Parts are numbered without gaps, do not overlap, and all is in order.
fn check(name: &str, events: &[Event]) {
    assert!(matches!(events[0], Event::Start { .. }), "{name}");
    assert_eq!(events.iter().filter(|e| matches!(e, Event::Start { .. })).count(), 1, "{name}");
    assert_eq!(events.last(), Some(&Event::End), "{name}");
    let (mut next, mut open, mut has_finished) = (0, None, false);
    for event in events {
        match event {
            Event::PartStart { part, .. } => {
                assert_eq!((*part, open, has_finished), (next, None, false), "{name}");
                open = Some(*part);
            }
            Event::Delta { part, .. } => assert_eq!(Some(*part), open, "{name}"),
            Event::PartEnd { part, .. } => {
                assert_eq!(open.take(), Some(*part), "{name}");
                next += 1;
            }
            Event::Finish { .. } => {
                assert!(open.is_none() && !has_finished, "{name}");
                has_finished = true;
            }
            _ => {}
        }
    }
}

#[test]
fn streams_are_read_alike_however_they_are_split() {
    let all = fixtures::all("streams");
    assert!(all.len() >= 10);
    for (name, stream) in all {
        let bytes = framed(&stream);
        let (whole, end) = events(&bytes, usize::MAX / 2);
        for size in [1, 7, 64] {
            assert_eq!(events(&bytes, size), (whole.clone(), end), "{name} by {size}");
        }
        if matches!(name.as_str(), "throttled" | "model-error") {
            assert!(matches!(whole.last(), Some(Event::Error(_))), "{name}");
            assert_eq!(end, Err(Garbage::ENDS_EARLY));
            continue;
        }
        assert_eq!(end, Ok(()), "{name}");
        check(&name, &whole);
    }
}

#[test]
fn streams_are_written_as_the_service_does() {
    for (name, stream) in fixtures::all("streams") {
        let (read, end) = events(&framed(&stream), 64);
        if end.is_err() {
            continue;
        }
        let (bytes, lost) = written(read.clone());
        assert_eq!(lost, Vec::<String>::new(), "{name}");
        assert_eq!(events(&bytes, 7).0, read, "{name}");
        // Some fixtures are of hosts that leave something out.
        if !matches!(
            name.as_str(),
            "trap-02-calls-but-end-turn" | "trap-03-no-stops" | "trap-04-no-arguments"
        ) {
            let expected: Vec<_> = stream
                .as_array()
                .unwrap()
                .iter()
                .map(|event| (event["name"].as_str().unwrap().to_owned(), event["data"].clone()))
                .collect();
            assert_eq!(frames(&bytes), expected, "{name}");
        }
    }
}

#[test]
fn trap_02_and_04_calls_are_calls() {
    let (read, _) = events(&framed(&fixtures::one("streams", "trap-04-no-arguments")), 64);
    let start = PartStart::ToolCall { id: "a".into(), name: "now".into(), is_custom: false };
    let delta = Delta::Arguments("{}".into());
    assert_eq!(
        read[1..4],
        [
            Event::PartStart { choice: 0, part: 0, start },
            Event::Delta { choice: 0, part: 0, delta, logprobs: None },
            Event::PartEnd { choice: 0, part: 0 },
        ]
    );
    let (read, _) = events(&framed(&fixtures::one("streams", "trap-02-calls-but-end-turn")), 64);
    let finish = Finish::new(FinishReason::ToolCalls);
    assert!(read.contains(&Event::Finish { choice: 0, finish }));
}

#[test]
fn trap_22_and_24_one_start_and_usage_that_is_set() {
    let usage = |input_tokens, output_tokens| Usage {
        input_tokens,
        output_tokens,
        cached_input_tokens: 100,
        ..Usage::default()
    };
    let start = |usage| Event::Start { id: "x".into(), model: "m".into(), created: None, usage };
    let delta = |text: &str| Event::Delta {
        choice: 0,
        part: 0,
        delta: Delta::Text(text.into()),
        logprobs: None,
    };
    let finish = Finish::new(FinishReason::Length);
    let (bytes, _) = written(vec![
        start(usage(110, 1)),
        start(usage(110, 1)),
        Event::PartStart { choice: 0, part: 0, start: PartStart::Text },
        delta(""),
        delta("Hi"),
        Event::PartEnd { choice: 0, part: 0 },
        Event::PartStart { choice: 0, part: 1, start: PartStart::Text },
        Event::PartEnd { choice: 0, part: 1 },
        Event::Finish { choice: 0, finish },
        Event::Usage(usage(110, 7)),
        Event::End,
    ]);
    let expected =
        ["messageStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"];
    assert_eq!(names(&bytes), expected);
    let (_, metadata) = frames(&bytes).pop().unwrap();
    let counts = json!({ "inputTokens": 10, "outputTokens": 7, "totalTokens": 117,
        "cacheReadInputTokens": 100, "cacheWriteInputTokens": 0 });
    assert_eq!(metadata, json!({ "usage": counts, "metrics": { "latencyMs": 0 } }));
}

#[test]
fn streams_of_other_formats_are_written() {
    let part = |part, start| Event::PartStart { choice: 0, part, start };
    let delta = |part, delta| Event::Delta { choice: 0, part, delta, logprobs: None };
    let end = |part| Event::PartEnd { choice: 0, part };
    let custom = PartStart::ToolCall { id: String::new(), name: "sh".into(), is_custom: true };
    let (bytes, lost) = written(vec![
        part(0, PartStart::Thinking { id: None, is_summary: true }),
        delta(0, Delta::Text("Hm".into())),
        delta(0, Delta::Signature(sealed(OTHER, "x"))),
        end(0),
        part(1, PartStart::Redacted(sealed(OTHER, "x"))),
        end(1),
        part(2, custom),
        delta(2, Delta::Arguments("ls \"a\"\n".into())),
        end(2),
        Event::PartStart { choice: 1, part: 0, start: PartStart::Text },
        Event::Finish { choice: 0, finish: Finish::new(FinishReason::Stop) },
        Event::End,
    ]);
    assert_eq!(lost, ["choices", "thinking.signature"]);
    let frames = frames(&bytes);
    let start = &frames[3].1;
    assert_eq!(start["contentBlockIndex"], 1);
    assert_eq!(start["start"]["toolUse"]["toolUseId"], "tooluse_req-1_1");
    let pieces = frames.iter().filter_map(|(_, data)| data["delta"]["toolUse"]["input"].as_str());
    let input: Value = serde_json::from_str(&pieces.collect::<String>()).unwrap();
    assert_eq!(input, json!({ "input": "ls \"a\"\n" }));
    assert!(frames.contains(&("messageStop".into(), json!({ "stopReason": "tool_use" }))));
}

fn frame<'a>(name: &'a str, data: &'a str) -> Frame<'a> {
    let data = (!data.is_empty()).then_some(Cow::Borrowed(data.as_bytes()));
    Frame { raw: b"", name: name.as_bytes(), data, is_exception: false }
}

fn observed(name: &str, data: &str, depth: Depth) -> Result<Observed, Garbage> {
    BedrockConverse.observe(&frame(name, data), depth)
}

#[test]
fn what_passes_is_seen() {
    for depth in [Depth::Full, Depth::Skim] {
        let kind = |name, data| observed(name, data, depth).unwrap().kind;
        assert_eq!(kind("messageStart", r#"{"role":"assistant"}"#), Kind::Preamble);
        assert_eq!(kind("contentBlockStop", r#"{"contentBlockIndex":0}"#), Kind::Preamble);
        assert_eq!(kind("contentBlockDelta", r#"{"delta":{"text":"x"}}"#), Kind::Content);
        assert_eq!(
            kind("contentBlockStart", r#"{"start":{"toolUse":{"name":"f"}}}"#),
            Kind::Content
        );
        assert_eq!(kind("throttlingException", r#"{"message":"x"}"#), Kind::Error);
        assert_eq!(kind("", ""), Kind::Preamble);
        let stop = observed("messageStop", r#"{"stopReason":"max_tokens"}"#, depth).unwrap();
        assert_eq!(stop.finish(), Some("max_tokens"));
        let counts = r#"{"usage":{"inputTokens":1,"outputTokens":2},"metrics":{}}"#;
        let done = observed("metadata", counts, depth).unwrap();
        assert_eq!(done.kind, Kind::Done);
        assert_eq!(done.usage.unwrap().output_tokens, 2);
        assert_eq!(observed("contentBlockDelta", "oops", depth), Err(Garbage::NOT_AN_OBJECT));
        let odd = Frame { is_exception: true, ..frame("", "") };
        assert_eq!(BedrockConverse.observe(&odd, depth).unwrap().kind, Kind::Error);
    }
    let empty = r#"{"delta":{"text":""},"contentBlockIndex":0}"#;
    assert_eq!(observed("contentBlockDelta", empty, Depth::Full).unwrap().kind, Kind::Preamble);
}

#[test]
fn exceptions_have_a_kind_and_early_ends_are_told() {
    for (name, status, kind) in [
        ("throttlingException", 429, ErrorKind::RateLimited),
        ("modelStreamErrorException", 424, ErrorKind::Internal),
        ("serviceUnavailableException", 503, ErrorKind::Overloaded),
        ("validationException", 400, ErrorKind::InvalidRequest),
        ("somethingNewException", 500, ErrorKind::Internal),
    ] {
        let mut reader = BedrockConverse.stream_reader().unwrap();
        let mut events = Vec::new();
        reader.read(&frame(name, r#"{"message":"m"}"#), &mut events).unwrap();
        let [Event::Error(error)] = events.as_slice() else { panic!("{events:?}") };
        assert_eq!((error.status, error.kind, error.message.as_str()), (status, kind, "m"));
    }
    let mut reader = BedrockConverse.stream_reader().unwrap();
    let mut events = Vec::new();
    reader.read(&frame("contentBlockDelta", r#"{"delta":{"text":"x"}}"#), &mut events).unwrap();
    assert_eq!(reader.finish(&mut events), Err(Garbage::ENDS_EARLY));
    for (name, data) in [
        ("contentBlockDelta", "[]"),
        ("contentBlockDelta", r#"{"delta":{"toolUse":{"input":"x"}}}"#),
        ("contentBlockStart", r#"{"start":{"toolUse":{"name":"x"}}}"#),
    ] {
        let mut reader = BedrockConverse.stream_reader().unwrap();
        assert!(reader.read(&frame(name, data), &mut Vec::new()).is_err());
    }
}
