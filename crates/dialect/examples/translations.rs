//! Every fixture in every format, one JSON object per line: what a request, an answer or a stream
//! becomes on its way through the gateway, for programs that know the vendors' own types
//! (`tests/formats`) to judge.
//!
//! Knows no format by more than its name and models, and judges nothing.

use std::io::{self, BufWriter, Write};

use fixture::{
    Fixture, answer_operation, asked, every, formats, frames, plain_request, reader, route,
};
use ir::Event;
use serde_json::{Value, json};
use shared::{Lines, Outcome, request};
use weir_dialect::fit;
use weir_dialect::{Asked, Format, PathFacts, RequestFault, Target, format, ir};
use weir_framing::{Decoder, Writer};
use weir_types::{Dialect, Operation};

#[expect(clippy::unwrap_used, clippy::panic, reason = "it is the tests'")]
#[path = "../src/tests/fixture.rs"]
mod fixture;
mod shared;

/// The folders of requests, and those of answers.
const REQUESTS: [&str; 3] = ["requests", "counts", "ranks"];
const ANSWERS: [&str; 3] = ["answers", "counts/answers", "ranks/answers"];

fn main() -> io::Result<()> {
    let mut lines = Lines { out: BufWriter::new(io::stdout().lock()) };
    for (from, fixture) in REQUESTS.into_iter().flat_map(every) {
        for to in formats() {
            for model in models(to.dialect(), fixture.operation()) {
                let outcome = request(from, (&fixture.bytes, &fixture.path()), to, model)
                    .unwrap_or_else(|fault| Outcome::Refused(fault.message));
                write(&mut lines, "request", &fixture, to, (fixture.operation(), model), outcome)?;
            }
        }
    }
    for (from, fixture) in ANSWERS.into_iter().flat_map(every) {
        let Some(operation) = answer_operation(fixture.dialect, &fixture.json()) else { continue };
        for to in formats() {
            let outcome = answer(from, &fixture, to, operation).unwrap_or_else(Outcome::Refused);
            write(&mut lines, "answer", &fixture, to, (operation, ""), outcome)?;
        }
    }
    for (from, fixture) in every("streams").into_iter().filter(|(_, one)| one.is_read()) {
        let events = heard(from, &fixture);
        for to in formats() {
            let outcome = stream(to, &events).unwrap_or_else(Outcome::Refused);
            write(&mut lines, "stream", &fixture, to, (Operation::Chat, ""), outcome)?;
        }
    }
    lines.out.flush()
}

/// The models a request is written for: where generations differ, an old one and a new one.
const fn models(dialect: Dialect, operation: Operation) -> &'static [&'static str] {
    match (dialect, operation) {
        (Dialect::OpenAiChat, Operation::Embedding) => &["text-embedding-3-small"],
        (Dialect::GeminiGenerate, Operation::Embedding) => &["gemini-embedding-001"],
        (Dialect::CohereChat, Operation::Embedding) => &["embed-v4.0"],
        (Dialect::CohereChat, Operation::Rerank) => &["rerank-v3.5"],
        (Dialect::BedrockConverse, Operation::Rerank) => {
            &["arn:aws:bedrock:us-east-1::foundation-model/cohere.rerank-v3-5:0"]
        }
        (Dialect::BedrockInvoke, Operation::Rerank) => {
            &["cohere.rerank-v3-5:0", "amazon.rerank-v1:0"]
        }
        (Dialect::OpenAiChat | Dialect::OpenAiResponses, _) => &["gpt-4o", "gpt-5"],
        (Dialect::AnthropicMessages, _) => &["claude-sonnet-4-5", "claude-opus-5-5"],
        (Dialect::GeminiGenerate, _) => &["gemini-2.5-pro", "gemini-3.1-pro-preview"],
        (Dialect::BedrockConverse, _) => {
            &["anthropic.claude-sonnet-4-5-20250929-v1:0", "amazon.nova-2-lite-v1:0"]
        }
        (Dialect::BedrockInvoke, _) => &["amazon.titan-embed-text-v2:0"],
        (Dialect::CohereChat, _) => &["command-a-03-2025"],
        (Dialect::ReplicatePredictions, _) => &["meta/meta-llama-3-70b-instruct"],
        #[cfg(feature = "probe")]
        (Dialect::Probe, _) => &[],
    }
}

/// An answer for a client that speaks `to`.
fn answer(
    from: &dyn Format,
    fixture: &Fixture,
    to: &dyn Format,
    operation: Operation,
) -> Result<Outcome, String> {
    let answer = reader(from.dialect(), operation).read_answer(operation, &fixture.bytes);
    let answer = answer.map_err(|fault| fault.to_string())?;
    let request = plain_request(to.dialect());
    let written = to
        .write_answer(&answer, &asked(to.dialect(), operation, &request))
        .map_err(|fault| fault.to_string())?;
    Ok(Outcome::Body(written.body, written.losses))
}

/// What a stream says; its fault last, if it has one. `None`: it is not translated.
fn heard(from: &dyn Format, fixture: &Fixture) -> Option<Vec<Event>> {
    let (framing, stream) = fixture.stream();
    let mut reader = reader(from.dialect(), Operation::Chat).stream_reader()?;
    let decoder = Decoder::new(framing);
    let mut events = Vec::new();
    let is_over = |events: &[Event]| matches!(events.last(), Some(Event::Error(_) | Event::End));
    for raw in frames(framing, &stream, &[]) {
        let frame = decoder.parse(&raw).ok()?;
        let is_silent = frame.data.is_none() && !frame.is_exception;
        if is_silent || is_over(&events) {
            continue;
        }
        if let Err(garbage) = reader.read(&frame, &mut events) {
            events.push(Event::Error(ir::Error::new(502, garbage.to_string())));
        }
    }
    if !is_over(&events)
        && let Err(garbage) = reader.finish(&mut events)
    {
        events.push(Event::Error(ir::Error::new(502, garbage.to_string())));
    }
    Some(events)
}

/// A stream for a client that speaks `to`.
fn stream(to: &dyn Format, events: &Option<Vec<Event>>) -> Result<Outcome, String> {
    let events = events.as_ref().ok_or("streams of this format are not translated")?;
    let request = plain_request(to.dialect());
    let asked = asked(to.dialect(), Operation::Chat, &request);
    let mut writer = to.stream_writer(&asked).ok_or("this format has no such streams")?;
    let mut out = Writer::new(to.framing());
    for event in events {
        match event {
            Event::Error(error) => to.error_event(error, &mut out),
            other => writer.write(other.clone(), &mut out),
        }
    }
    out.end();
    let written = out.take();
    let decoder = Decoder::new(to.framing());
    let mut said = Vec::new();
    for raw in frames(to.framing(), &written, &[]) {
        let frame = decoder.parse(&raw).map_err(|error| error.to_string())?;
        let Some(data) = &frame.data else { continue };
        let text = || Value::from(String::from_utf8_lossy(data));
        let data = serde_json::from_slice(data).unwrap_or_else(|_| text());
        said.push(json!({"name": String::from_utf8_lossy(frame.name), "data": data}));
    }
    Ok(Outcome::Events(said, writer.losses()))
}

/// Writes what has become of a fixture.
fn write(
    lines: &mut Lines<impl Write>,
    kind: &str,
    fixture: &Fixture,
    to: &dyn Format,
    (operation, model): (Operation, &str),
    outcome: Outcome,
) -> io::Result<()> {
    let line = json!({
        "kind": kind,
        "from": fixture::folder(fixture.dialect),
        "fixture": format!("{}/{}", fixture.kind, fixture.name),
        "to": fixture::folder(to.dialect()),
        "operation": route(to.dialect(), operation).label(),
        "model": model,
    });
    lines.put(line, outcome)
}
