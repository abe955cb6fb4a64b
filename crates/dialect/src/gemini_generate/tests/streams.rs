//! Streams: every fixture at several splits, there and back.

use serde_json::json;
use weir_framing::{Decoder, Framing, Writer};
use weir_types::Usage;

use super::*;
use crate::fault::Garbage;
use crate::format::{Depth, Kind};
use crate::ir::{Delta, Event, Finish, FinishReason, PartStart};

/// What is read of `bytes`, fed in chunks of `size`.
fn events(bytes: &[u8], size: usize) -> (Vec<Event>, Result<(), Garbage>) {
    let mut reader = GeminiGenerate.stream_reader().unwrap();
    let mut decoder = Decoder::new(Framing::Sse);
    let mut events = Vec::new();
    let mut take = |decoder: &mut Decoder, raw: Bytes| {
        let frame = decoder.parse(&raw).unwrap();
        reader.read(&frame, &mut events)
    };
    for chunk in bytes.chunks(size) {
        decoder.push(Bytes::copy_from_slice(chunk));
        while let Some(raw) = decoder.next_frame().unwrap() {
            if let Err(fault) = take(&mut decoder, raw) {
                return (events, Err(fault));
            }
        }
    }
    if let Some(raw) = decoder.finish() {
        take(&mut decoder, raw).unwrap();
    }
    let end = reader.finish(&mut events);
    (events, end)
}

fn fixture(wanted: &str) -> Vec<Event> {
    let bytes = fixtures("streams").into_iter().find(|(name, _)| name == wanted).unwrap().1;
    let (events, end) = events(&bytes, usize::MAX);
    end.unwrap();
    assert_in_order(&events);
    events
}

/// The promise of [`crate::ir::event`].
fn assert_in_order(events: &[Event]) {
    let mut open: Vec<(u32, u32)> = Vec::new();
    let mut next = [0_u32; 8];
    assert!(matches!(events[0], Event::Start { .. }));
    for event in &events[1..] {
        match event {
            Event::Start { .. } => panic!("begins twice"),
            Event::PartStart { choice, part, .. } => {
                assert!(open.iter().all(|(of, _)| of != choice), "parts overlap");
                assert_eq!(*part, next[*choice as usize]);
                next[*choice as usize] += 1;
                open.push((*choice, *part));
            }
            Event::Delta { choice, part, .. } => assert!(open.contains(&(*choice, *part))),
            Event::PartEnd { choice, part } => {
                let at = open.iter().position(|one| one == &(*choice, *part)).unwrap();
                open.remove(at);
            }
            Event::Finish { .. } | Event::Usage(_) | Event::Error(_) | Event::End => {
                assert!(open.is_empty() || matches!(event, Event::Error(_)));
            }
        }
    }
}

fn write(events: &[Event]) -> Vec<u8> {
    let request = Request::Chat(Box::new(other(Vec::new())));
    let asked = asked(&request, Operation::Chat);
    let mut writer = GeminiGenerate.stream_writer(&asked).unwrap();
    let mut out = Writer::new(Framing::Sse);
    for event in events {
        writer.write(event.clone(), &mut out);
    }
    assert!(writer.losses().is_empty());
    out.take().to_vec()
}

/// Events in which pieces of one text are one, and the start is as the writer has it.
fn merged(events: &[Event]) -> Vec<Event> {
    let mut out: Vec<Event> = Vec::new();
    for event in events {
        if let (
            Some(Event::Delta { delta: Delta::Text(text), .. }),
            Event::Delta { delta: Delta::Text(more), .. },
        ) = (out.last_mut(), event)
        {
            text.push_str(more);
            continue;
        }
        let mut event = event.clone();
        if let Event::Start { usage, .. } = &mut event {
            *usage = Usage::default();
        }
        out.push(event);
    }
    out
}

#[test]
fn every_stream_is_the_same_at_every_split_and_is_written_again() {
    let all = fixtures("streams");
    assert!(all.len() >= 10);
    for (name, bytes) in all {
        let (whole, end) = events(&bytes, usize::MAX);
        for size in [1, 7, 64] {
            assert_eq!(events(&bytes, size), (whole.clone(), end), "{name}");
        }
        assert_in_order(&whole);
        match name.as_str() {
            "cut-off" => assert_eq!(end, Err(Garbage::ENDS_EARLY)),
            "error" => assert!(matches!(whole.last(), Some(Event::Error(_)))),
            // Sources are written at the end, where no text is left that they could be in.
            "grounding" => {}
            _ => {
                assert_eq!((end, whole.last()), (Ok(()), Some(&Event::End)), "{name}");
                let (again, end) = events(&write(&whole), usize::MAX);
                assert_eq!(end, Ok(()), "{name}");
                let one_call = |list: &[Event]| merged(list);
                if name == "blocked" {
                    assert_eq!(again.len(), whole.len());
                } else {
                    assert_eq!(one_call(&again), one_call(&whole), "{name}");
                }
            }
        }
    }
}

#[test]
fn skimming_sees_what_reading_sees() {
    for (name, bytes) in fixtures("streams") {
        let mut decoder = Decoder::new(Framing::Sse);
        decoder.push(Bytes::from(bytes));
        let (mut finished, mut usage) = (false, Usage::default());
        while let Some(raw) = decoder.next_frame().unwrap() {
            let frame = decoder.parse(&raw).unwrap();
            let full = GeminiGenerate.observe(&frame, Depth::Full).unwrap();
            let skim = GeminiGenerate.observe(&frame, Depth::Skim).unwrap();
            assert_eq!((full.finish(), full.usage), (skim.finish(), skim.usage), "{name}");
            assert_eq!(full.kind == Kind::Error, skim.kind == Kind::Error, "{name}");
            finished |= skim.finish().is_some();
            usage.update(&skim.usage.unwrap_or_default());
        }
        assert_eq!(finished, !["error", "cut-off"].contains(&name.as_str()), "{name}");
        assert!(usage.input_tokens > 0, "{name}");
    }
}

#[test]
fn text_and_calls_are_parts_of_their_own() {
    let events = fixture("trap-01-text-then-call");
    let starts: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::PartStart { start, .. } => Some(start.clone()),
            _ => None,
        })
        .collect();
    let call =
        PartStart::ToolCall { id: "c1".into(), name: "get_weather".into(), is_custom: false };
    assert_eq!(starts, [PartStart::Text, call]);
    let finish = Finish::new(FinishReason::ToolCalls);
    assert!(events.contains(&Event::Finish { choice: 0, finish }));
}

#[test]
fn a_call_in_pieces_is_one_call() {
    let events = fixture("partial-call");
    let arguments: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Delta { delta: Delta::Arguments(text), .. } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(arguments, [r#"{"city":"Boston"}"#]);
    assert!(
        events
            .iter()
            .any(|event| matches!(event, Event::Delta { delta: Delta::Signature(sealed), .. }
            if sealed.data == "c2ln"))
    );
}

#[test]
fn sources_become_annotations_of_the_text() {
    let found: Vec<_> = fixture("grounding")
        .into_iter()
        .filter_map(|event| match event {
            Event::Delta { delta: Delta::Annotation(found), .. } => Some(found),
            _ => None,
        })
        .collect();
    assert_eq!(found[0]["url_citation"]["url"], "https://example.com/a");
    assert_eq!(found[0]["url_citation"]["start_index"], 7);
    assert_eq!(found[0]["url_citation"]["end_index"], 10);
}

#[test]
fn a_refused_prompt_is_an_answer() {
    let events = fixture("blocked");
    let finish = Finish::new(FinishReason::ContentFilter);
    assert!(events.contains(&Event::Finish { choice: 0, finish }));
}

#[test]
fn trap_22_tokens_are_set_and_not_added() {
    let events = fixture("thoughts");
    let usage =
        Usage { input_tokens: 8, output_tokens: 14, reasoning_tokens: 9, ..Usage::default() };
    let reported: Vec<_> = events.iter().filter(|event| matches!(event, Event::Usage(_))).collect();
    assert_eq!(reported, [&Event::Usage(usage)]);
}

#[test]
fn arguments_of_others_are_written_whole() {
    let delta = |text: &str| Event::Delta {
        choice: 0,
        part: 0,
        delta: Delta::Arguments(text.into()),
        logprobs: None,
    };
    let start = PartStart::ToolCall { id: "c".into(), name: "f".into(), is_custom: false };
    let usage = Usage::default();
    let begin =
        |model: &str| Event::Start { id: String::new(), model: model.into(), created: None, usage };
    let finish = Finish::new(FinishReason::ToolCalls);
    let written = write(&[
        begin(""),
        Event::PartStart { choice: 0, part: 0, start },
        delta("{\"a\":"),
        delta("1}"),
        Event::PartEnd { choice: 0, part: 0 },
        Event::Finish { choice: 0, finish },
        Event::End,
    ]);
    let text = String::from_utf8(written).unwrap();
    let documents: Vec<Value> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|line| json(line.as_bytes()))
        .collect();
    assert_eq!(documents.len(), 2);
    let called = &documents[0]["candidates"][0]["content"]["parts"][0];
    assert_eq!(*called, json!({"functionCall": {"id": "c", "name": "f", "args": {"a": 1}}}));
    assert_eq!(documents[1]["candidates"][0]["finishReason"], "STOP");
    assert_eq!(documents[1].get("usageMetadata"), None);
    assert_eq!(documents[0]["responseId"], "req-1");
}

#[test]
fn an_error_is_the_last_event() {
    let mut out = Writer::new(Framing::Sse);
    GeminiGenerate.error_event(&crate::ir::Error::new(429, "slow down"), &mut out);
    let (events, end) = events(&out.take(), usize::MAX);
    assert_eq!(end, Ok(()));
    let [Event::Error(error)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((error.status, error.label.as_str()), (429, "RESOURCE_EXHAUSTED"));
}

#[test]
fn garbage_is_told() {
    for garbage in ["oops", "[]", "7", r#"{"candidates":[7]}"#] {
        let (_, end) = events(format!("data: {garbage}\n\n").as_bytes(), usize::MAX);
        assert!(end.is_err(), "{garbage}");
    }
}
