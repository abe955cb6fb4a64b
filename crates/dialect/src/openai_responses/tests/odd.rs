//! Fixtures with one value after the other replaced by something else: nothing may panic, and what
//! is still read must be written.

use serde_json::{Value, json};
use weir_framing::{Decoder, Framing, Writer};
use weir_types::Operation;

use super::*;
use crate::format::Depth;

/// Calls `check` with `document`, each of its values replaced by each of a few others.
fn twist(document: &Value, check: &mut dyn FnMut(&Value)) {
    let mut pointers = Vec::new();
    collect(document, String::new(), &mut pointers);
    let odd = [Value::Null, json!(-7.5), json!("\u{0}é"), json!([{}])];
    for pointer in pointers {
        for value in &odd {
            let mut twisted = document.clone();
            *twisted.pointer_mut(&pointer).unwrap() = value.clone();
            check(&twisted);
        }
    }
}

fn collect(value: &Value, at: String, pointers: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let name = name.replace('~', "~0").replace('/', "~1");
                collect(member, format!("{at}/{name}"), pointers);
            }
        }
        Value::Array(list) => {
            for (index, element) in list.iter().enumerate() {
                collect(element, format!("{at}/{index}"), pointers);
            }
        }
        _ => {}
    }
    pointers.push(at);
}

#[test]
fn odd_requests() {
    for (name, body) in fixtures("requests") {
        twist(&value(&body), &mut |twisted| {
            let body = Bytes::from(twisted.to_string());
            let Ok(request) = FORMAT.read_request(&body, &PathFacts::of(Operation::Responses))
            else {
                return;
            };
            let Ok(written) = FORMAT.write_request(&request, &target("m")) else { return };
            let again = FORMAT.read_request(&written.body, &PathFacts::of(Operation::Responses));
            assert!(again.is_ok(), "{name}: {twisted} became {:?}: {again:?}", written.body);
        });
    }
}

#[test]
fn odd_answers() {
    let request = read_request(&fixture("requests", "tools-hosted"));
    for (name, body) in fixtures("answers") {
        twist(&value(&body), &mut |twisted| {
            let body = twisted.to_string();
            let _ = FORMAT.observe_answer(body.as_bytes());
            let Ok(answer) = FORMAT.read_answer(Operation::Responses, body.as_bytes()) else {
                return;
            };
            let written = FORMAT.write_answer(&answer, &asked(&request)).unwrap();
            let again = FORMAT.read_answer(Operation::Responses, &written.body);
            assert!(again.is_ok(), "{name}: {twisted}");
        });
    }
}

#[test]
fn odd_events() {
    let request = read_request(&fixture("requests", "text"));
    let parser = Decoder::new(Framing::Sse);
    for name in ["reasoning", "trap-03-parallel-and-empty-calls", "host-with-mixed-calls"] {
        let bytes = fixture("streams", name);
        let frames: Vec<_> = std::str::from_utf8(&bytes).unwrap().split_inclusive("\n\n").collect();
        for (at, frame) in frames.iter().enumerate() {
            let frame = parser.parse(frame.as_bytes()).unwrap();
            let data = frame.data.as_deref().unwrap();
            let Ok(mut document) = serde_json::from_slice::<Value>(data) else { continue };
            // What repeats the request is not looked at.
            if let Some(response) = document.get_mut("response").and_then(Value::as_object_mut) {
                let known = ["id", "model", "output", "usage", "status", "error"];
                response.retain(|name, _| known.contains(&name.as_str()));
            }
            twist(&document, &mut |twisted| {
                let odd = format!("data: {twisted}\n\n");
                let mut reader = FORMAT.stream_reader().unwrap();
                let mut events = Vec::new();
                for (index, raw) in frames.iter().enumerate() {
                    let raw = if index == at { odd.as_str() } else { raw };
                    let frame = parser.parse(raw.as_bytes()).unwrap();
                    let _ = FORMAT.observe(&frame, Depth::Full);
                    if reader.read(&frame, &mut events).is_err() {
                        return;
                    }
                }
                if reader.finish(&mut events).is_err() {
                    return;
                }
                streams::check_order(name, &events);
                let mut writer = FORMAT.stream_writer(&asked(&request)).unwrap();
                let mut out = Writer::new(Framing::Sse);
                events.into_iter().for_each(|event| writer.write(event, &mut out));
            });
        }
    }
}
