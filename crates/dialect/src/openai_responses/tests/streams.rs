//! Streams, however they are split: read, observed, written and read again.

use serde_json::{Value, json};
use weir_framing::{Decoder, Frame, Framing, Writer};
use weir_types::{Dialect, Usage};

use super::*;
use crate::fault::Garbage;
use crate::format::{Depth, Kind, Observed};
use crate::ir::{Delta, Event, Finish, FinishReason, PartStart, Sealed};

/// Every frame of `bytes`, fed in pieces of `size`.
fn frames(bytes: &Bytes, size: usize) -> Vec<Bytes> {
    let mut decoder = Decoder::new(Framing::Sse);
    let mut frames = Vec::new();
    for at in (0..bytes.len()).step_by(size) {
        decoder.push(bytes.slice(at..bytes.len().min(at + size)));
        while let Some(frame) = decoder.next_frame().unwrap() {
            frames.push(frame);
        }
    }
    frames.extend(decoder.finish());
    frames
}

fn parsed(raw: &Bytes) -> Frame<'_> {
    Decoder::new(Framing::Sse).parse(raw).unwrap()
}

fn events(bytes: &Bytes, size: usize) -> Result<Vec<Event>, Garbage> {
    let mut reader = FORMAT.stream_reader().unwrap();
    let mut events = Vec::new();
    for raw in frames(bytes, size) {
        reader.read(&parsed(&raw), &mut events)?;
    }
    reader.finish(&mut events)?;
    Ok(events)
}

fn read(name: &str) -> Vec<Event> {
    events(&fixture("streams", name), 4096).unwrap()
}

fn written(events: Vec<Event>, request: &Request) -> (Bytes, Vec<String>) {
    let mut writer = FORMAT.stream_writer(&asked(request)).unwrap();
    let mut out = Writer::new(Framing::Sse);
    events.into_iter().for_each(|event| writer.write(event, &mut out));
    let losses = writer.losses().iter().map(|loss| loss.member.to_string()).collect();
    (out.take(), losses)
}

fn documents(stream: &Bytes) -> Vec<Value> {
    let frames = frames(stream, 4096);
    let data = frames.iter().filter_map(|raw| parsed(raw).data);
    data.filter(|data| **data != *b"[DONE]").map(|data| value(&data)).collect()
}

/// Events in short: runs of text put together.
fn short(events: &[Event]) -> Vec<String> {
    let mut short: Vec<String> = Vec::new();
    for event in events {
        let said = match event {
            Event::Start { id, .. } => format!("start {}", &id[..5.min(id.len())]),
            Event::PartStart { part, start, .. } => match start {
                PartStart::Thinking { .. } => format!("{part} thinking"),
                PartStart::Redacted(sealed) => format!("{part} redacted {}", sealed.data),
                PartStart::ToolCall { id, name, .. } => format!("{part} call {id} {name}"),
                PartStart::Foreign { raw, .. } => format!("{part} {}", raw["type"]),
                other => format!("{part} {other:?}"),
            },
            Event::Delta { delta: Delta::Text(text) | Delta::Arguments(text), .. } => {
                match short.last_mut() {
                    Some(last) if last.starts_with('>') => last.push_str(text),
                    _ => short.push(format!(">{text}")),
                }
                continue;
            }
            Event::Delta { delta: Delta::Signature(sealed), .. } => {
                format!("sealed {}", sealed.data)
            }
            Event::Delta { .. } => "annotation".to_owned(),
            Event::PartEnd { part, .. } => format!("{part} end"),
            Event::Finish { finish, .. } => format!("{:?}", finish.reason),
            Event::Usage(usage) => format!("usage {} {}", usage.input_tokens, usage.output_tokens),
            Event::Error(error) => format!("error {:?} {}", error.kind, error.message),
            Event::End => "end".to_owned(),
        };
        short.push(said);
    }
    short
}

/// Checks what [`crate::ir::event`] promises.
pub(super) fn check_order(name: &str, events: &[Event]) {
    let (mut open, mut next) = (None, 0);
    assert!(matches!(events[0], Event::Start { .. }), "{name}");
    for event in &events[1..] {
        match event {
            Event::Start { .. } => panic!("{name}: starts twice"),
            Event::PartStart { part, .. } => {
                assert_eq!((open, *part), (None, next), "{name}");
                open = Some(*part);
                next += 1;
            }
            Event::Delta { part, .. } => assert_eq!(open, Some(*part), "{name}"),
            Event::PartEnd { part, .. } => assert_eq!(open.take(), Some(*part), "{name}"),
            Event::Finish { .. } | Event::Usage(_) | Event::End => assert_eq!(open, None, "{name}"),
            Event::Error(_) => {}
        }
    }
    assert!(matches!(events.last(), Some(Event::End | Event::Error(_))), "{name}");
}

#[test]
fn every_stream_gives_the_same_events_however_it_is_split() {
    for (name, bytes) in fixtures("streams") {
        let whole = events(&bytes, usize::MAX >> 1).unwrap();
        check_order(&name, &whole);
        for size in [1, 7, 64] {
            assert_eq!(events(&bytes, size).unwrap(), whole, "{name} in pieces of {size}");
        }
    }
}

/// Checks what SDKs of this format count on.
fn check_written(name: &str, documents: &[Value]) {
    let mut open: Option<u64> = None;
    let mut items = 0;
    for (at, event) in (0..).zip(documents) {
        let kind = event["type"].as_str().unwrap();
        assert_eq!(event["sequence_number"], json!(at), "{name}");
        if let Some(index) = event.get("output_index").and_then(Value::as_u64) {
            match kind {
                "response.output_item.added" => {
                    assert_eq!((open, index), (None, items), "{name}");
                    open = Some(index);
                }
                "response.output_item.done" => {
                    assert_eq!(open.take(), Some(index), "{name}");
                    items += 1;
                }
                _ => assert_eq!(open, Some(index), "{name}: {kind}"),
            }
            if kind.contains("summary") {
                assert!(event["summary_index"].is_u64(), "{name}");
            }
        }
    }
    assert_eq!(documents[0]["type"], "response.created", "{name}");
    assert_eq!(documents[1]["type"], "response.in_progress", "{name}");
    let last = documents.last().unwrap();
    let response = &last["response"];
    let status = last["type"].as_str().unwrap().strip_prefix("response.").unwrap();
    assert_eq!(response["status"], status, "{name}");
    assert_eq!(response["output"].as_array().unwrap().len() as u64, items, "{name}");
}

#[test]
fn every_stream_is_written_as_it_was_read() {
    let request = read_request(&fixture("requests", "everything"));
    for (name, bytes) in fixtures("streams") {
        let first = events(&bytes, 4096).unwrap();
        if matches!(first.last(), Some(Event::Error(_))) {
            continue;
        }
        let (stream, losses) = written(first.clone(), &request);
        assert!(losses.is_empty(), "{name}: {losses:?}");
        check_written(&name, &documents(&stream));
        assert_eq!(short(&events(&stream, 4096).unwrap()), short(&first), "{name}");
        // Whole answers say the same.
        let documents = documents(&stream);
        let (last, before) = (&documents.last().unwrap()["response"], documents_of(&bytes));
        let output = |response: &Value| {
            let mut response = response.clone();
            response["output"].as_array_mut().unwrap().retain(|item| {
                item["type"] != "reasoning"
                    || item["summary"] != json!([])
                    || item["encrypted_content"].is_string()
            });
            response["output"].as_array().unwrap().len()
        };
        if name != "reasoning-text" && !name.starts_with("host-") {
            assert_eq!(output(last), output(&before), "{name}");
        }
    }
}

fn documents_of(bytes: &Bytes) -> Value {
    documents(bytes).pop().unwrap()["response"].clone()
}

#[test]
fn streams_are_read() {
    let call = ["start resp_", "0 call call_1 get_weather", ">{\"city\":\"Oslo\"}", "0 end"];
    let end = ["usage 36 87", "end"];
    let expected = [&call[..], &["ToolCalls"], &end].concat();
    assert_eq!(short(&read("function-call")), expected);
    let expected = [
        "start resp_",
        "0 thinking",
        ">Thinking hard.\n\nStill thinking.",
        "sealed gAAAAB1",
        "0 end",
        "1 Text",
        ">42",
        "1 end",
        "Stop",
        "usage 36 87",
        "end",
    ];
    assert_eq!(short(&read("reasoning")), expected);
    let expected = [
        "start resp_",
        "0 redacted gAAAAB1",
        "0 end",
        "1 Text",
        ">42",
        "1 end",
        "Stop",
        "usage 36 87",
        "end",
    ];
    assert_eq!(short(&read("reasoning-encrypted-only")), expected);
    let expected = [
        "start resp_",
        "0 \"web_search_call\"",
        "0 end",
        "1 Text",
        ">As reported.",
        "annotation",
        "1 end",
        "Stop",
        "usage 36 87",
        "end",
    ];
    assert_eq!(short(&read("web-search")), expected);
    let failed = short(&read("failed"));
    assert_eq!(failed.last().unwrap(), "error Internal The model failed.");
    let error = short(&read("error"));
    assert_eq!(error.last().unwrap(), "error RateLimited Rate limit reached");
    assert!(short(&read("refusal")).contains(&"Refusal".to_owned()));
    assert!(short(&read("incomplete")).contains(&"Length".to_owned()));
}

#[test]
fn traps_01_to_03_calls_end_an_answer_in_tool_calls_and_do_not_overlap() {
    let expected = [
        "start resp_",
        "0 Text",
        ">Let me look.",
        "0 end",
        "1 call call_1 get_weather",
        ">{\"city\":\"Oslo\"}",
        "1 end",
        "ToolCalls",
        "usage 36 87",
        "end",
    ];
    assert_eq!(short(&read("trap-01-text-then-call")), expected);
    let expected = [
        "start resp_",
        "0 call call_1 get_weather",
        ">{\"city\":\"Oslo\"}",
        "0 end",
        "1 call call_2 now",
        ">{}",
        "1 end",
        "2 call call_3 now",
        ">{}",
        "2 end",
        "ToolCalls",
        "usage 36 87",
        "end",
    ];
    assert_eq!(short(&read("trap-03-parallel-and-empty-calls")), expected);
}

#[test]
fn hosts_that_leave_out_or_mix_are_understood() {
    let expected = [
        "start resp_",
        "0 thinking",
        ">Hm.",
        "0 end",
        "1 Text",
        ">Hi",
        "1 end",
        "2 call call_1 get_weather",
        ">{\"city\":\"Oslo\"}",
        "2 end",
        "ToolCalls",
        "usage 36 87",
        "end",
    ];
    assert_eq!(short(&read("host-without-deltas")), expected);
    let expected = [
        "start resp_",
        "0 call call_1 a",
        ">{\"x\":1}",
        "0 end",
        "1 call call_2 b",
        ">{\"y\":2}",
        "1 end",
        "ToolCalls",
        "usage 3 4",
        "end",
    ];
    assert_eq!(short(&read("host-with-mixed-calls")), expected);
}

#[test]
fn a_stream_without_its_last_event_ends_early() {
    let bytes = fixture("streams", "text");
    let all = frames(&bytes, 4096);
    let cut = Bytes::from(all[..all.len() - 1].concat());
    assert_eq!(events(&cut, 4096), Err(Garbage::ENDS_EARLY));
    let mut reader = FORMAT.stream_reader().unwrap();
    let frame = Bytes::from_static(b"data: [1]\n\n");
    assert!(reader.read(&parsed(&frame), &mut Vec::new()).is_err());
}

#[test]
fn what_waits_for_its_turn_is_bounded() {
    let mut reader = FORMAT.stream_reader().unwrap();
    let mut events = Vec::new();
    let mut read = |event: Value| {
        let raw = Bytes::from(format!("data: {event}\n\n"));
        reader.read(&parsed(&raw), &mut events)
    };
    for index in [0, 1] {
        let item = json!({"type": "function_call", "call_id": "c", "name": "f"});
        read(json!({"type": "response.output_item.added", "output_index": index, "item": item}))
            .unwrap();
    }
    let delta = "x".repeat(500_000);
    let kind = "response.function_call_arguments.delta";
    let more = json!({"type": kind, "output_index": 1, "delta": delta});
    assert!((0..20).any(|_| read(more.clone()).is_err()));
}

#[test]
fn answers_of_others_are_told_in_order() {
    let start = |part, start| Event::PartStart { choice: 0, part, start };
    let delta = |part, delta| Event::Delta { choice: 0, part, delta, logprobs: None };
    let end = |part| Event::PartEnd { choice: 0, part };
    let call = |id: &str, name: &str| PartStart::ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        is_custom: false,
    };
    let sealed = Sealed { origin: Dialect::AnthropicMessages, data: "s".to_owned() };
    let usage = Usage { input_tokens: 9, output_tokens: 3, ..Usage::default() };
    let events = vec![
        Event::Start {
            id: "msg_1".into(),
            model: "claude".into(),
            created: None,
            usage: Usage::default(),
        },
        start(0, PartStart::Thinking { id: None, is_summary: false }),
        delta(0, Delta::Text("Hm".into())),
        delta(0, Delta::Signature(sealed.clone())),
        end(0),
        start(1, PartStart::Redacted(sealed)),
        end(1),
        start(2, PartStart::Text),
        delta(2, Delta::Text("a".into())),
        end(2),
        start(3, PartStart::Text),
        delta(3, Delta::Text("b".into())),
        end(3),
        start(4, call("toolu_1", "f")),
        end(4),
        start(5, call("toolu_2", "patch")),
        delta(5, Delta::Arguments("{\"input\":\"*** ".into())),
        delta(5, Delta::Arguments("Begin\"}".into())),
        end(5),
        Event::Finish { choice: 0, finish: Finish::new(FinishReason::ToolCalls) },
        Event::Usage(usage),
        Event::End,
    ];
    let request = read_request(&fixture("requests", "tool-choice-custom"));
    let (stream, losses) = written(events, &request);
    assert_eq!(losses, ["thinking.signature"]);
    let documents = documents(&stream);
    check_written("claude", &documents);
    let kinds: Vec<_> = documents
        .iter()
        .map(|event| event["type"].as_str().unwrap().strip_prefix("response.").unwrap())
        .collect();
    let expected = "created in_progress \
        output_item.added reasoning_summary_part.added reasoning_summary_text.delta \
        reasoning_summary_text.done reasoning_summary_part.done output_item.done \
        output_item.added content_part.added output_text.delta output_text.done content_part.done \
        content_part.added output_text.delta output_text.done content_part.done output_item.done \
        output_item.added function_call_arguments.delta function_call_arguments.done \
        output_item.done \
        output_item.added custom_tool_call_input.delta custom_tool_call_input.done \
        output_item.done completed";
    assert_eq!(kinds.join(" "), expected.split_whitespace().collect::<Vec<_>>().join(" "));
    let response = &documents.last().unwrap()["response"];
    assert_eq!(response["output"][2]["arguments"], "{}");
    assert_eq!(response["output"][3]["input"], "*** Begin");
    assert_eq!(
        response["usage"]["input_tokens_details"],
        json!({"cached_tokens": 0, "cache_write_tokens": 0})
    );
}

#[test]
fn a_cut_answer_is_incomplete_and_unknown_counts_are_not_zero() {
    let request = read_request(&fixture("requests", "text"));
    let finish = |reason| Event::Finish { choice: 0, finish: Finish::new(reason) };
    let last = |reason| {
        let text = Event::PartStart { choice: 0, part: 0, start: PartStart::Text };
        let end = Event::PartEnd { choice: 0, part: 0 };
        let (stream, _) = written(vec![text, end, finish(reason), Event::End], &request);
        documents(&stream).pop().unwrap()
    };
    let cut = last(FinishReason::Length);
    assert_eq!(cut["type"], "response.incomplete");
    assert_eq!(cut["response"]["incomplete_details"]["reason"], "max_output_tokens");
    assert_eq!(cut["response"]["output"][0]["status"], "incomplete");
    assert_eq!(cut["response"]["usage"], Value::Null);
    let filtered = last(FinishReason::ContentFilter);
    assert_eq!(filtered["response"]["incomplete_details"]["reason"], "content_filter");
    assert_eq!(
        last(FinishReason::Error("failed".into()))["response"]["error"]["code"],
        "server_error"
    );
    assert_eq!(last(FinishReason::Pause)["type"], "response.completed");
}

fn observed(data: &Value, depth: Depth) -> Observed {
    let raw = Bytes::from(format!("data: {data}\n\n"));
    FORMAT.observe(&parsed(&raw), depth).unwrap()
}

#[test]
fn preambles_content_errors_and_the_end_are_told_apart() {
    let kind = |data: Value| observed(&data, Depth::Full).kind;
    let added =
        |item: &str| kind(json!({"type": "response.output_item.added", "item": {"type": item}}));
    assert_eq!(
        kind(json!({"type": "response.created", "response": {"error": null}})),
        Kind::Preamble
    );
    assert_eq!(added("message"), Kind::Preamble);
    assert_eq!(added("reasoning"), Kind::Preamble);
    assert_eq!(added("function_call"), Kind::Content);
    assert_eq!(kind(json!({"type": "response.output_text.delta", "delta": ""})), Kind::Preamble);
    assert_eq!(kind(json!({"type": "response.output_text.delta", "delta": "x"})), Kind::Content);
    assert_eq!(kind(json!({"type": "keepalive"})), Kind::Preamble);
    assert_eq!(kind(json!({"type": "error", "message": "x"})), Kind::Error);
    assert_eq!(kind(json!({"error": {"message": "x"}})), Kind::Error);
    let named = Bytes::from_static(b"event: error\ndata: overloaded\n\n");
    assert_eq!(FORMAT.observe(&parsed(&named), Depth::Skim).unwrap().kind, Kind::Error);
}

#[test]
fn skimming_finds_the_same_end() {
    for (name, bytes) in fixtures("streams") {
        let mut ends = Vec::new();
        for raw in frames(&bytes, 4096) {
            let frame = parsed(&raw);
            let full = FORMAT.observe(&frame, Depth::Full).unwrap();
            let skim = FORMAT.observe(&frame, Depth::Skim).unwrap();
            if matches!(full.kind, Kind::Done | Kind::Error) {
                assert_eq!(full, skim, "{name}");
                ends.push(full);
            } else {
                assert!(matches!(skim.kind, Kind::Content | Kind::Preamble), "{name}");
            }
        }
        let Some(end) = ends.first() else { panic!("{name} has no end") };
        if name == "incomplete" {
            assert_eq!(end.finish(), Some("max_output_tokens"));
        }
        if name == "text" {
            assert_eq!(end.finish(), Some("completed"));
            assert_eq!(end.usage.unwrap().output_tokens, 87);
        }
    }
    let quoted =
        json!({"type": "response.output_text.delta", "delta": "\"error\" \"response.failed\""});
    assert_eq!(observed(&quoted, Depth::Skim), Observed::plain(Kind::Content));
}
