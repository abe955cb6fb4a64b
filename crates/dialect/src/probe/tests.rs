//! What this format reads is what it writes, and its streams keep the order of events.

use bytes::Bytes;
use weir_framing::{Framing, Writer};
use weir_types::{Dialect, Operation};

use crate::ir::{Event, Request};
use crate::tests::fixture::{asked, frames, plain_request, target};
use crate::tests::order;
use crate::{Format, PathFacts, format};

const REQUEST: &str = r#"{"m":"a","say":[["s","brief"],["u","hi"]],"live":true,"cap":9}"#;
const ANSWER: &str = r#"{"said":"hello","why":"full","in":3,"out":5}"#;
const STREAM: &str = "{\"+\":\"he\"}\n{\"+\":\"llo\"}\n{\"end\":\"hush\",\"in\":3,\"out\":5}\n";

fn probe() -> &'static dyn Format {
    format(Dialect::Probe)
}

#[test]
fn requests_and_answers_are_written_as_they_were_read() {
    let path = PathFacts::of(Operation::Chat);
    let request = probe().read_request(&Bytes::from_static(REQUEST.as_bytes()), &path).unwrap();
    let written =
        probe().write_request(&request, &target(Dialect::Probe, Operation::Chat)).unwrap();
    assert_eq!((written.body, written.losses.is_empty()), (REQUEST.into(), true));
    let answer = probe().read_answer(Operation::Chat, ANSWER.as_bytes()).unwrap();
    let asked = asked(Dialect::Probe, Operation::Chat, &request);
    assert_eq!(probe().write_answer(&answer, &asked).unwrap().body, ANSWER);
}

#[test]
fn streams_are_written_as_they_were_read() {
    let mut reader = probe().stream_reader().unwrap();
    let request: Request = plain_request(Dialect::Probe);
    let mut writer =
        probe().stream_writer(&asked(Dialect::Probe, Operation::Chat, &request)).unwrap();
    let decoder = weir_framing::Decoder::new(Framing::Ndjson);
    let mut events: Vec<Event> = Vec::new();
    for frame in frames(Framing::Ndjson, &Bytes::from_static(STREAM.as_bytes()), &[7]) {
        reader.read(&decoder.parse(&frame).unwrap(), &mut events).unwrap();
    }
    reader.finish(&mut events).unwrap();
    order::check(&events).unwrap();
    let mut out = Writer::new(Framing::Ndjson);
    events.into_iter().for_each(|event| writer.write(event, &mut out));
    assert_eq!(out.take(), STREAM);
}
