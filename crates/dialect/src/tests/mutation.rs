//! Broken input: no reader panics, whatever became of a fixture on the way, and nor does a writer
//! that is given what a reader made of it.

use std::collections::BTreeSet;

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};
use weir_framing::{Decoder, Framing, Writer};
use weir_types::Operation;

use super::fixture::{
    answer_operation, asked, every, fit, fixtures, formats, operation_of, path, plain_request,
    target,
};
use crate::ir::{Event, Losses};
use crate::{Depth, Format, Patch, Quirks};

pub(super) const ANSWERS: [Operation; 5] = [
    Operation::Chat,
    Operation::Responses,
    Operation::CountTokens,
    Operation::Embedding,
    Operation::Rerank,
];

pub(super) fn feed_request(
    format: &dyn Format,
    operation: Operation,
    body: &Bytes,
    writers: &[&'static dyn Format],
) {
    let path = path(format.dialect(), operation, &Value::Null, true);
    let _ = format.peek(body.clone(), &path);
    let _ = format
        .patch(body, &Patch { model: "m", quirks: &Quirks::NONE, features: &[], outline: None });
    let Ok(request) = format.read_request(body, &path) else { return };
    for to in writers {
        let mut request = request.clone();
        let target = target(to.dialect(), operation_of(&request));
        if fit(*to, &mut request, &target, &mut Losses::default()).is_ok() {
            let _ = to.write_request(&request, &target);
        }
    }
}

pub(super) fn feed_answer(
    format: &dyn Format,
    operations: &[Operation],
    body: &Bytes,
    writers: &[&dyn Format],
) {
    let _ = format.observe_answer(body);
    let _ = format.read_error(body);
    let _ = format.read_models(body);
    for operation in operations.iter().copied() {
        let Ok(answer) = format.read_answer(operation, body) else { continue };
        for to in writers {
            let request = plain_request(to.dialect());
            let _ = to.write_answer(&answer, &asked(to.dialect(), operation, &request));
        }
    }
}

/// Unlike fixtures, a broken stream need not be cut into frames.
pub(super) fn feed_stream(
    format: &dyn Format,
    framing: Framing,
    stream: Bytes,
    writers: &[&dyn Format],
) {
    let mut decoder = Decoder::new(framing);
    decoder.push(stream);
    let mut reader = format.stream_reader();
    let mut events = Vec::new();
    let mut feed = |raw: &[u8], decoder: &Decoder| {
        let Ok(frame) = decoder.parse(raw) else { return };
        let _ = format.observe(&frame, Depth::Full);
        let _ = format.observe(&frame, Depth::Skim);
        if reader.as_mut().is_some_and(|reader| reader.read(&frame, &mut events).is_err()) {
            reader = None;
        }
    };
    while let Ok(Some(raw)) = decoder.next_frame() {
        feed(&raw, &decoder);
    }
    if let Some(raw) = decoder.finish() {
        feed(&raw, &decoder);
    }
    if let Some(mut reader) = reader {
        let _ = reader.finish(&mut events);
    }
    for to in writers {
        let request = plain_request(to.dialect());
        let asked = asked(to.dialect(), Operation::Chat, &request);
        let mut out = Writer::new(to.framing());
        if let Some(mut writer) = to.stream_writer(&asked) {
            for event in events.iter().filter(|event| !matches!(event, Event::Error(_))) {
                writer.write(event.clone(), &mut out);
            }
            let _ = writer.losses();
        }
    }
}

/// What is put in the place of a value.
fn others() -> [Value; 12] {
    [
        Value::Null,
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5e300),
        json!(u64::MAX),
        json!(""),
        json!("x\u{e9}\u{1F600}\"\n"),
        json!([]),
        json!({}),
        json!([null, [], {}, "x", 1]),
        json!({"type": "text", "text": null, "x": {}}),
    ]
}

/// How many values there are in `value`, itself included.
fn count(value: &Value) -> usize {
    let inner: usize = match value {
        Value::Array(list) => list.iter().map(count).sum(),
        Value::Object(object) => object.values().map(count).sum(),
        _ => 0,
    };
    inner + 1
}

/// Puts `other` in the place of the value that is at `at` in the order of [`count`]; says whether
/// it was reached.
fn swap(value: &mut Value, at: &mut usize, other: &Value) -> bool {
    if *at == 0 {
        *value = other.clone();
        return true;
    }
    *at -= 1;
    match value {
        Value::Array(list) => list.iter_mut().any(|inner| swap(inner, at, other)),
        Value::Object(object) => object.values_mut().any(|inner| swap(inner, at, other)),
        _ => false,
    }
}

/// A value without its texts and numbers.
fn shape(value: &Value) -> String {
    match value {
        Value::Array(list) => format!("[{}]", list.iter().map(shape).collect::<String>()),
        Value::Object(object) => {
            let member = |(name, value): (&String, &Value)| match value {
                Value::String(kind) if name == "type" => format!("{kind}:"),
                _ => format!("{name}:{},", shape(value)),
            };
            format!("{{{}}}", object.iter().map(member).collect::<String>())
        }
        _ => String::new(),
    }
}

/// Calls `check` with `value`, each of its values being another in turn: one of three others,
/// different ones at every place.
fn each_swap(value: &Value, mut check: impl FnMut(usize, Value)) {
    for at in 0..count(value) {
        for (which, other) in others().iter().enumerate().skip(at % 3).step_by(3) {
            let mut changed = value.clone();
            swap(&mut changed, &mut at.clone(), other);
            check(at + which, changed);
        }
    }
}

/// One of the formats, another each time.
fn writer(at: usize, all: &[&'static dyn Format]) -> Vec<&'static dyn Format> {
    all.get(at % all.len().max(1)).copied().into_iter().collect()
}

#[test]
fn no_value_of_a_request_that_is_another_is_the_end() {
    let all = formats();
    for (format, fixture) in every("requests") {
        let operation = fixture.operation();
        each_swap(&fixture.json(), |at, changed| {
            let body = Bytes::from(changed.to_string());
            feed_request(format, operation, &body, &writer(at, &all));
        });
    }
}

#[test]
fn no_value_of_an_answer_that_is_another_is_the_end() {
    let all = formats();
    for (format, fixture) in every("answers").into_iter().chain(every("errors")) {
        let value = fixture.json();
        let own = answer_operation(fixture.dialect, &value);
        each_swap(&value, |at, changed| {
            // As what it is, and as something else.
            let other = ANSWERS[at % ANSWERS.len()];
            let operations = [own.unwrap_or(Operation::Chat), other];
            let body = Bytes::from(changed.to_string());
            feed_answer(format, &operations, &body, &writer(at, &all));
        });
    }
}

#[test]
fn no_value_of_an_event_that_is_another_is_the_end() {
    let all = formats();
    let mut known = BTreeSet::new();
    for (format, fixture) in every("streams") {
        let (framing, stream) = fixture.stream();
        let decoder = Decoder::new(framing);
        let raws = super::fixture::frames(framing, &stream, &[]);
        let frames: Vec<_> = raws.iter().map(|raw| decoder.parse(raw).unwrap()).collect();
        for (place, frame) in frames.iter().enumerate() {
            let data = frame.data.as_deref().unwrap_or_default();
            let Ok(value) = serde_json::from_slice::<Value>(data) else { continue };
            // Most events of a format are like another.
            if !known.insert((fixture.dialect.label(), frame.name.to_vec(), shape(&value))) {
                continue;
            }
            each_swap(&value, |at, changed| {
                // The others stay as they are; those far behind say no more of this one.
                let mut out = Writer::new(framing);
                let near = place.saturating_sub(8)..frames.len().min(place + 4);
                for (other, frame) in
                    frames.iter().enumerate().filter(|(at, _)| near.contains(at) || *at == 0)
                {
                    let name = String::from_utf8_lossy(frame.name);
                    match (&frame.data, other == place) {
                        (_, true) => out.event(&name, changed.to_string().as_bytes()),
                        (Some(data), false) => out.event(&name, data),
                        (None, false) => {}
                    }
                }
                out.end();
                feed_stream(format, framing, out.take(), &writer(at, &all));
            });
        }
    }
}

/// A change of bytes: what, where, how much.
pub(super) type Change = (u8, prop::sample::Index, usize, Vec<u8>);

pub(super) fn changed(bytes: &[u8], changes: &[Change]) -> Bytes {
    let mut bytes = bytes.to_vec();
    for (kind, at, length, with) in changes {
        let start = at.index(bytes.len() + 1);
        let end = bytes.len().min(start + length);
        match kind {
            0 => drop(bytes.drain(start..end)),
            1 => {
                let copy = bytes[start..end].to_vec();
                drop(bytes.splice(start..start, copy));
            }
            2 => drop(bytes.splice(start..bytes.len().min(start + with.len()), with.clone())),
            _ => bytes.truncate(start),
        }
    }
    bytes.into()
}

pub(super) fn changes() -> impl Strategy<Value = Vec<Change>> {
    let piece = prop_oneof![prop::sample::select(b"\"\\{}[],:0-\n".to_vec()), any::<u8>()];
    let kind = prop::sample::select(vec![0, 0, 0, 1, 1, 1, 2, 2, 2, 3_u8]);
    let place = any::<prop::sample::Index>();
    prop::collection::vec((kind, place, 1..40usize, prop::collection::vec(piece, 1..4)), 1..4)
}

/// Changes one fixture of `format` and `kind`, and feeds it to all that reads such bytes.
fn feed_changed(
    format: &dyn Format,
    kind: &'static str,
    which: prop::sample::Index,
    changes: &[Change],
) {
    let all = fixtures(format.dialect(), kind);
    if all.is_empty() {
        return;
    }
    let (fixture, writers) = (which.get(&all), formats());
    if kind == "streams" {
        let (framing, stream) = fixture.stream();
        return feed_stream(format, framing, changed(&stream, changes), &writers);
    }
    let body = changed(&fixture.bytes, changes);
    feed_answer(format, &ANSWERS, &body, &writers);
    if kind == "requests" {
        feed_request(format, fixture.operation(), &body, &writers);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_bytes_are_the_end(
        kind in prop::sample::select(vec!["requests", "answers", "errors", "streams"]),
        which in any::<prop::sample::Index>(),
        changes in changes(),
    ) {
        for format in formats() {
            feed_changed(format, kind, which, &changes);
        }
    }
}
