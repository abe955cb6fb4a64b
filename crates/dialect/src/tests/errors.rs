//! Errors: every format reads what it writes, as a body and as the last event of a stream.

use serde_json::Value;
use weir_framing::{Decoder, Framing, Writer};
use weir_types::{Dialect, Operation};

use super::Problems;
use super::fixture::{every, formats, frames, reader};
use crate::ir::{Error, ErrorKind};
use crate::{Depth, Format, Kind, format, ir};

/// With what must be escaped in JSON, and a line end that an event must not have.
const MESSAGE: &str = "model \"x\" isn\u{2019}t there:\n\t\\o/ \u{1F600}";

fn kinds() -> Vec<Error> {
    let statuses = [400, 401, 402, 403, 404, 408, 413, 422, 424, 429, 499, 500, 502, 503, 504, 529];
    let mut errors: Vec<Error> =
        statuses.into_iter().map(|status| Error::new(status, MESSAGE)).collect();
    let mut full = Error::new(0, MESSAGE);
    full.kind = ErrorKind::QuotaExhausted;
    full.label = "request_dropped".to_owned();
    full.code = Some("pool_full".to_owned());
    full.param = Some("model".to_owned());
    full.context.request_id = "r-1".to_owned();
    full.context.is_gateways = true;
    errors.push(full);
    errors
}

/// Writes `error` as a body and reads it again.
fn check_body(format: &dyn Format, error: &Error, problems: &mut Problems, place: &str) {
    let body = format.write_error(error);
    let is_json = serde_json::from_slice::<Value>(&body).is_ok_and(|body| body.is_object());
    problems.check(is_json, || format!("{place}: no JSON object: {body:?}"));
    let read = format.read_error(&body);
    // Some formats say the member at fault in front of the message.
    problems.check(read.message.ends_with(&error.message), || {
        format!("{place}: the message {:?} became {:?}", error.message, read.message)
    });
}

/// Writes `error` as an event and looks at it.
fn check_event(format: &dyn Format, error: &Error, problems: &mut Problems, place: &str) {
    for framing in [format.framing(), Framing::Sse] {
        let mut writer = Writer::new(framing);
        format.error_event(error, &mut writer);
        let stream = writer.take();
        let decoder = Decoder::new(framing);
        let mut kinds = Vec::new();
        for raw in frames(framing, &stream, &[]) {
            let frame = decoder.parse(&raw).unwrap();
            if frame.data.is_none() {
                continue;
            }
            for depth in [Depth::Full, Depth::Skim] {
                kinds.push(format.observe(&frame, depth).map(|seen| seen.kind));
            }
        }
        let is_error = kinds.iter().take(2).all(|kind| *kind == Ok(Kind::Error));
        problems.check(is_error && !kinds.is_empty(), || {
            format!("{place}: {framing:?}: an error is {kinds:?}: {stream:?}")
        });
        let read = decoder.parse(&stream).unwrap();
        if let (Framing::EventStream, true) = (framing, is_error) {
            problems.check(read.is_exception, || format!("{place}: no exception: {stream:?}"));
        }
    }
}

#[test]
fn every_error_is_written_and_read_back() {
    let mut problems = Problems::default();
    for format in formats() {
        for error in kinds() {
            let place = format!("{:?} {} {:?}", format.dialect(), error.status, error.kind);
            check_body(format, &error, &mut problems, &place);
            check_event(format, &error, &mut problems, &place);
        }
    }
    problems.report();
}

#[test]
fn every_providers_error_reaches_a_client_of_every_format() {
    let mut problems = Problems::default();
    for (source, fixture) in every("errors") {
        let read = source.read_error(&fixture.bytes);
        let said = [&read.code, &read.kind, &read.message, &read.param];
        problems.check(said.iter().any(|text| !text.is_empty()), || {
            format!("{}: nothing is read", fixture.label())
        });
        if read.message.is_empty() {
            continue;
        }
        let mut error = Error::new(read.status.unwrap_or(500), read.message);
        error.code = Some(read.code).filter(|code| !code.is_empty());
        error.label = read.kind;
        error.param = Some(read.param).filter(|param| !param.is_empty());
        for format in formats() {
            let place = format!("{} for {:?}", fixture.label(), format.dialect());
            check_body(format, &error, &mut problems, &place);
            check_event(format, &error, &mut problems, &place);
        }
    }
    problems.report();
}

/// Errors as hosts write them that relay other hosts, in whatever format they answer.
const RELAYED: [&str; 4] = [
    r#"{"error":{"message":"no host is free","type":"overloaded","code":503}}"#,
    r#"{"error":"no host is free"}"#,
    r#"{"object":"error","message":"no host is free","type":"overloaded","code":503}"#,
    r#"{"type":"error","error":{"type":"overloaded_error","message":"no host is free"}}"#,
];

#[test]
fn errors_of_relays_are_known_in_every_format() {
    let mut problems = Problems::default();
    for format in formats() {
        for body in RELAYED {
            let place = format!("{:?} {body}", format.dialect());
            let facts = format.observe_answer(body.as_bytes());
            problems.check(facts.as_ref().is_ok_and(|facts| facts.is_error), || {
                format!("{place}: {facts:?}")
            });
            let read = format.read_error(body.as_bytes());
            problems.check(read.message == "no host is free", || format!("{place}: {read:?}"));
            let is_code = body.contains("503");
            problems.check(!is_code || read.status == Some(503), || format!("{place}: {read:?}"));
        }
        // In the midst of a stream, nothing but the name of the member tells.
        for body in RELAYED.iter().take(2) {
            let place = format!("{:?} {body}", format.dialect());
            let frame = weir_framing::Frame {
                raw: body.as_bytes(),
                name: b"",
                data: Some(body.as_bytes().into()),
                is_exception: false,
            };
            for depth in [Depth::Full, Depth::Skim] {
                let kind = format.observe(&frame, depth).map(|seen| seen.kind);
                problems.check(kind == Ok(Kind::Error), || format!("{place}: {depth:?} {kind:?}"));
            }
            let mut events = Vec::new();
            let read = reader(format.dialect(), Operation::Chat).stream_reader();
            let read = read.map(|mut reader| reader.read(&frame, &mut events));
            let last = events.last();
            let is_told =
                matches!(last, Some(ir::Event::Error(error)) if !error.message.is_empty());
            problems.check(is_told, || format!("{place}: {read:?} {last:?}"));
        }
    }
    problems.report();
}

/// The last event of a stream, or all of one, in which the provider says that it broke off.
const BROKEN_OFF: [(Dialect, &str, &str); 5] = [
    (
        Dialect::OpenAiChat,
        "",
        r#"{"id":"c","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"error"}]}"#,
    ),
    (
        Dialect::OpenAiResponses,
        "response.cancelled",
        r#"{"response":{"id":"r","status":"cancelled","output":[]}}"#,
    ),
    (
        Dialect::GeminiGenerate,
        "",
        r#"{"candidates":[{"content":{},"finishReason":"MALFORMED_FUNCTION_CALL"}]}"#,
    ),
    (Dialect::BedrockConverse, "messageStop", r#"{"stopReason":"malformed_model_output"}"#),
    (
        Dialect::CohereChat,
        "",
        r#"{"type":"message-end","delta":{"finish_reason":"TIMEOUT","usage":{}}}"#,
    ),
];

#[test]
fn an_answer_that_is_broken_off_is_an_error_to_clients_of_other_formats() {
    for (dialect, name, data) in BROKEN_OFF {
        let frame = weir_framing::Frame {
            raw: data.as_bytes(),
            name: name.as_bytes(),
            data: Some(data.as_bytes().into()),
            is_exception: false,
        };
        let mut reader = format(dialect).stream_reader().unwrap();
        let mut events = Vec::new();
        reader.read(&frame, &mut events).unwrap();
        let _ = reader.finish(&mut events);
        let Some(ir::Event::Error(error)) = events.last() else { panic!("{dialect:?} {events:?}") };
        assert!(error.message.contains("broke its answer off"), "{dialect:?} {error:?}");
        let is_finish = |event: &ir::Event| matches!(event, ir::Event::Finish { .. });
        assert!(!events.iter().any(is_finish), "{dialect:?}");
    }
}
