//! Input that was never anything: bytes of chance, and JSON of chance with the names that formats
//! know. No reader of any format panics, and nor does a writer of what it made of it.

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Map, Value};
use weir_framing::{Framing, Writer};
use weir_types::Operation;

use super::fixture::{every, formats};
use super::mutation::{ANSWERS, feed_answer, feed_request, feed_stream};

/// Every name and every short text that stands in a fixture, each once: what readers look for.
fn words() -> Vec<String> {
    const BYTES_MAX: usize = 40;
    fn collect(value: &Value, into: &mut std::collections::BTreeSet<String>) {
        match value {
            Value::String(text) if text.len() <= BYTES_MAX => drop(into.insert(text.clone())),
            Value::Array(list) => list.iter().for_each(|inner| collect(inner, into)),
            Value::Object(members) => {
                for (name, inner) in members {
                    into.insert(name.clone());
                    collect(inner, into);
                }
            }
            _ => {}
        }
    }
    let mut found = std::collections::BTreeSet::new();
    for kind in ["requests", "answers", "errors"] {
        every(kind).iter().for_each(|(_, fixture)| collect(&fixture.json(), &mut found));
    }
    found.into_iter().collect()
}

fn document() -> impl Strategy<Value = Value> {
    let words = words();
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(words.clone()).prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 60, 8, move |inner| {
        let name = prop::sample::select(words.clone());
        let members = prop::collection::vec((name, inner.clone()), 0..8);
        prop_oneof![
            1 => prop::collection::vec(inner, 0..4).prop_map(Value::Array),
            3 => members.prop_map(|list| Value::Object(list.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Feeds `body` to every reader of every format, as whatever it could be.
fn feed(body: &Bytes) {
    let all = formats();
    for format in &all {
        for operation in ANSWERS.into_iter().chain([Operation::Completion]) {
            feed_request(*format, operation, body, &all);
        }
        feed_answer(*format, &ANSWERS, body, &all);
        for framing in Framing::ALL {
            feed_stream(*format, framing, body.clone(), &all);
        }
    }
}

/// Feeds `events`, well framed, to every reader of streams.
fn feed_events(events: &[(String, Value)]) {
    let all = formats();
    for format in &all {
        let mut out = Writer::new(format.framing());
        for (name, data) in events {
            out.event(name, data.to_string().as_bytes());
        }
        out.end();
        feed_stream(*format, format.framing(), out.take(), &all);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn bytes_of_chance_are_not_the_end(body in prop::collection::vec(any::<u8>(), 0..300)) {
        feed(&body.into());
    }

    #[test]
    fn documents_of_chance_are_not_the_end(document in document()) {
        feed(&document.to_string().into());
    }

    #[test]
    fn events_of_chance_are_not_the_end(
        events in prop::collection::vec(
            (prop::sample::select(names()), document()),
            0..8,
        ),
    ) {
        feed_events(&events);
    }
}

/// What events are called, in whatever format.
fn names() -> Vec<String> {
    let names = [
        "",
        "error",
        "content_block_start",
        "content_block_delta",
        "message_delta",
        "messageStart",
        "contentBlockStart",
        "contentBlockDelta",
        "messageStop",
        "metadata",
        "throttlingException",
        "response.created",
        "response.output_item.added",
        "response.output_text.delta",
        "response.completed",
    ];
    names.map(str::to_owned).to_vec()
}
