//! Streams: read at every split, written and read again.

use bytes::Bytes;
use serde_json::json;
use weir_framing::{Decoder, Framing, Writer};
use weir_types::Usage;

use super::*;
use crate::fault::Garbage;
use crate::format::{Depth, Kind};
use crate::ir::{Delta, Event, Finish, FinishReason, PartStart};

fn frames(bytes: &[u8], size: usize) -> Vec<Bytes> {
    let mut decoder = Decoder::new(Framing::Sse);
    let mut frames = Vec::new();
    for chunk in bytes.chunks(size.max(1)) {
        decoder.push(Bytes::copy_from_slice(chunk));
        while let Some(frame) = decoder.next_frame().unwrap() {
            frames.push(frame);
        }
    }
    frames.extend(decoder.finish());
    frames
}

fn read(bytes: &[u8], size: usize) -> (Vec<Event>, Result<(), Garbage>) {
    let decoder = Decoder::new(Framing::Sse);
    let mut reader = AnthropicMessages.stream_reader().unwrap();
    let mut events = Vec::new();
    for raw in frames(bytes, size) {
        let frame = decoder.parse(&raw).unwrap();
        if let Err(fault) = reader.read(&frame, &mut events) {
            return (events, Err(fault));
        }
    }
    let end = reader.finish(&mut events);
    (events, end)
}

fn write(events: &[Event]) -> Vec<u8> {
    let request = empty_request();
    let mut writer = AnthropicMessages.stream_writer(&asked(&request)).unwrap();
    let mut out = Writer::new(Framing::Sse);
    for event in events {
        writer.write(event.clone(), &mut out);
    }
    out.take().to_vec()
}

/// The data of each event, which must be named by its type.
fn data(bytes: &[u8]) -> Vec<Value> {
    let decoder = Decoder::new(Framing::Sse);
    let each = frames(bytes, usize::MAX).into_iter().map(|raw| {
        let frame = decoder.parse(&raw).unwrap();
        let value = json(frame.data.as_deref().unwrap());
        assert_eq!(value["type"].as_str().unwrap().as_bytes(), frame.name);
        value
    });
    each.collect()
}

/// One start, blocks one after the other with numbers without gaps, one end.
fn assert_legal(events: &[Value]) {
    let mut next = 0;
    let mut open = None;
    for (at, event) in events.iter().enumerate() {
        match event["type"].as_str().unwrap() {
            "message_start" => assert_eq!(at, 0),
            "content_block_start" => {
                assert_eq!((event["index"].as_u64(), open), (Some(next), None));
                open = Some(next);
                next += 1;
            }
            "content_block_delta" => assert_eq!(event["index"].as_u64(), open),
            "content_block_stop" => {
                assert_eq!(event["index"].as_u64(), open);
                open = None;
            }
            "message_delta" => assert_eq!((at, open), (events.len() - 2, None)),
            "message_stop" => assert_eq!(at, events.len() - 1),
            other => panic!("{other}"),
        }
    }
    assert_eq!(events.last().unwrap()["type"], "message_stop");
}

fn starts(events: &[Event]) -> Vec<&PartStart> {
    let starts = events.iter().filter_map(|event| match event {
        Event::PartStart { start, .. } => Some(start),
        _ => None,
    });
    starts.collect()
}

fn arguments(events: &[Event], wanted: u32) -> String {
    let pieces = events.iter().filter_map(|event| match event {
        Event::Delta { part, delta: Delta::Arguments(piece), .. } if *part == wanted => {
            Some(&**piece)
        }
        _ => None,
    });
    pieces.collect()
}

fn finish(events: &[Event]) -> &Finish {
    let mut found = events.iter().filter_map(|event| match event {
        Event::Finish { finish, .. } => Some(finish),
        _ => None,
    });
    let first = found.next().unwrap();
    assert!(found.next().is_none());
    first
}

#[test]
fn streams_say_the_same_at_every_split_and_after_being_written() {
    let all = fixtures("streams");
    assert!(all.len() >= 10);
    for (name, bytes) in all {
        let (events, end) = read(&bytes, usize::MAX);
        for size in [1, 7, 64] {
            assert_eq!(read(&bytes, size), (events.clone(), end), "{name} at {size}");
        }
        match name.as_str() {
            "error-overloaded" => {
                assert!(matches!(events.last(), Some(Event::Error(_))));
                continue;
            }
            "cut-off" => {
                assert_eq!(end, Err(Garbage::ENDS_EARLY));
                continue;
            }
            _ => {}
        }
        assert_eq!(end, Ok(()), "{name}");
        assert_eq!(events.last(), Some(&Event::End), "{name}");
        let again = write(&events);
        assert_legal(&data(&again));
        let (mut back, end) = read(&again, 7);
        // No tokens at the start are none that are known, and something else is said there.
        if let (Some(Event::Start { usage: told, .. }), Some(Event::Start { usage, .. })) =
            (back.first_mut(), events.first())
            && usage.is_empty()
        {
            *told = *usage;
        }
        assert_eq!((back, end), (events, Ok(())), "{name}");
    }
}

#[test]
fn streams_are_observed_alike_at_either_depth() {
    let decoder = Decoder::new(Framing::Sse);
    for (name, bytes) in fixtures("streams") {
        let mut usage = Usage::default();
        let mut kinds = Vec::new();
        for raw in frames(&bytes, 64) {
            let frame = decoder.parse(&raw).unwrap();
            let full = AnthropicMessages.observe(&frame, Depth::Full).unwrap();
            let skim = AnthropicMessages.observe(&frame, Depth::Skim).unwrap();
            assert_eq!(full.finish(), skim.finish(), "{name}");
            assert_eq!(full.usage, skim.usage, "{name}");
            for kind in [Kind::Done, Kind::Error] {
                assert_eq!(full.kind == kind, skim.kind == kind, "{name}");
            }
            usage.update(&full.usage.unwrap_or_default());
            kinds.push(full.kind);
        }
        let (events, _) = read(&bytes, 64);
        let said = events.iter().find_map(|event| match event {
            Event::Usage(usage) => Some(*usage),
            _ => None,
        });
        if let Some(said) = said {
            assert_eq!(usage, said, "{name}");
            assert_eq!(kinds.last(), Some(&Kind::Done), "{name}");
        }
    }
}

#[test]
fn traps_1_and_2_calls_end_in_tool_use() {
    for name in ["trap-01-text-then-calls", "trap-02-calls-but-end-turn"] {
        let (events, _) = read(&fixture("streams", name), 64);
        assert_eq!(finish(&events).reason, FinishReason::ToolCalls, "{name}");
        let told: Vec<_> = events
            .into_iter()
            .map(|event| match event {
                Event::Finish { choice, .. } => {
                    Event::Finish { choice, finish: Finish::new(FinishReason::Stop) }
                }
                other => other,
            })
            .collect();
        let data = data(&write(&told));
        assert_eq!(data[data.len() - 2]["delta"]["stop_reason"], "tool_use", "{name}");
    }
}

#[test]
fn traps_4_and_5_arguments_and_numbers_of_calls() {
    let (events, _) = read(&fixture("streams", "trap-04-no-arguments"), 64);
    assert_eq!(arguments(&events, 0), "{}");
    let (events, _) = read(&fixture("streams", "trap-05-two-calls"), 64);
    assert_eq!(arguments(&events, 1), r#"{"location":"Paris"}"#);
    assert_eq!(arguments(&events, 2), r#"{"location":"London"}"#);
}

#[test]
fn trap_11_an_empty_thought_keeps_its_signature() {
    let (events, _) = read(&fixture("streams", "trap-11-signed-empty-thinking"), 64);
    assert!(matches!(starts(&events)[0], PartStart::Thinking { .. }));
    assert!(
        matches!(&events[2], Event::Delta { delta: Delta::Signature(seal), .. } if seal.data == "EqQB")
    );
    assert!(matches!(starts(&events)[1], PartStart::Redacted(_)));
}

#[test]
fn trap_22_counts_are_set_and_not_added() {
    let (events, _) = read(&fixture("streams", "trap-22-cumulative-usage"), 64);
    let expected = Usage {
        input_tokens: 1112,
        output_tokens: 7,
        cached_input_tokens: 1000,
        cache_write_tokens: 100,
        ..Usage::default()
    };
    assert!(events.contains(&Event::Usage(expected)));
}

#[test]
fn traps_3_and_24_one_start_and_no_zero_that_nobody_knows() {
    let start = |part, start| Event::PartStart { choice: 0, part, start };
    let call = |id: &str| PartStart::ToolCall { id: id.into(), name: "f".into(), is_custom: false };
    let mut events = vec![
        Event::Start {
            id: String::new(),
            model: "m".into(),
            created: None,
            usage: Usage::default(),
        },
        start(0, PartStart::Audio { id: None }),
        Event::PartEnd { choice: 0, part: 0 },
        start(1, call("a")),
        Event::PartEnd { choice: 0, part: 1 },
        // Of an answer that has no place.
        Event::PartStart { choice: 1, part: 0, start: PartStart::Text },
        Event::PartEnd { choice: 1, part: 0 },
        start(2, call("b")),
        Event::Delta {
            choice: 0,
            part: 2,
            delta: Delta::Arguments("{\"a\":1}".into()),
            logprobs: None,
        },
        Event::PartEnd { choice: 0, part: 2 },
        Event::Finish { choice: 0, finish: Finish::new(FinishReason::Stop) },
        Event::End,
    ];
    let written = data(&write(&events));
    assert_legal(&written);
    assert!(written[0]["message"]["usage"]["input_tokens"].as_u64() > Some(0));
    assert_eq!(written[2]["delta"]["partial_json"], "{}");
    let last = &written[written.len() - 2];
    assert_eq!(last["usage"], json!({ "output_tokens": 0 }));
    assert_eq!(last["delta"]["stop_reason"], "tool_use");
    events
        .insert(11, Event::Usage(Usage { input_tokens: 9, output_tokens: 2, ..Usage::default() }));
    let written = data(&write(&events));
    assert_eq!(written[written.len() - 2]["usage"]["input_tokens"], 9);
}

#[test]
fn plain_text_for_a_tool_is_put_into_an_object() {
    let start = PartStart::ToolCall { id: "a".into(), name: "f".into(), is_custom: true };
    let piece = |text: &str| Event::Delta {
        choice: 0,
        part: 0,
        delta: Delta::Arguments(text.into()),
        logprobs: None,
    };
    let events = [
        Event::PartStart { choice: 0, part: 0, start },
        piece("say \"hi\"\n"),
        piece("done"),
        Event::PartEnd { choice: 0, part: 0 },
        Event::Finish { choice: 0, finish: Finish::new(FinishReason::ToolCalls) },
        Event::End,
    ];
    let bytes = write(&events);
    assert_legal(&data(&bytes));
    let (events, _) = read(&bytes, 64);
    let arguments: Value = serde_json::from_str(&arguments(&events, 0)).unwrap();
    assert_eq!(arguments, json!({ "input": "say \"hi\"\ndone" }));
}

#[test]
fn blocks_of_anthropic_alone_come_whole() {
    let (events, _) = read(&fixture("streams", "web-search"), 64);
    let begun = starts(&events);
    let PartStart::Foreign { raw, .. } = begun[1] else { panic!("{begun:?}") };
    assert_eq!(raw["input"], json!({ "query": "weather NYC" }));
    let (events, _) = read(&fixture("streams", "compaction"), 64);
    let begun = starts(&events);
    let PartStart::Foreign { raw, .. } = begun[0] else { panic!("{begun:?}") };
    assert_eq!(raw["content"], "Summary so far.");
}

#[test]
fn errors_end_streams_either_way() {
    let (events, end) = read(&fixture("streams", "error-overloaded"), 64);
    let Some(Event::Error(error)) = events.last() else { panic!("{events:?}") };
    assert_eq!((error.status, error.label.as_str()), (529, "overloaded_error"));
    assert_eq!((error.kind, end), (crate::ir::ErrorKind::Overloaded, Ok(())));
    let mut out = Writer::new(Framing::Sse);
    AnthropicMessages.error_event(error, &mut out);
    let (again, _) = read(&out.take(), 64);
    assert_eq!(again.last(), events.last());
}

#[test]
fn garbage_is_refused_and_nothing_panics() {
    for bytes in [
        "data: oops\n\n",
        "data: [1]\n\n",
        "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{}}\n\n",
        "data: {\"type\":\"content_block_delta\",\"index\":3,\"delta\":{}}\n\n",
        "data: {\"type\":\"message_stop\"}\n\n",
    ] {
        assert!(read(bytes.as_bytes(), 64).1.is_err(), "{bytes}");
    }
    for (_, bytes) in fixtures("streams") {
        for end in (0..bytes.len()).step_by(13) {
            let _ = read(&bytes[..end], 64);
            let mut broken = bytes.clone();
            broken[end] ^= 0x11;
            let _ = read(&broken, 64);
        }
    }
}
