//! Answers that are bytes or plain text, and requests that are forms.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use weir_rpc::{Body, Frame, Reply, WorkerRequest, WorkerService};
use weir_types::{Commit, FailureClass, Fault, FaultCode, Operation};

use super::fake::{LAST, STREAM, chunk, json};
use super::*;
use crate::Worker;

const SOUND: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ntransfer-encoding: chunked\r\n\r\n";

fn asking(worker: &Worker, operation: Operation) -> WorkerRequest {
    WorkerRequest { operation, ..request(worker, false) }
}

async fn speech(worker: &Worker) -> Result<Reply, Fault> {
    send(worker, asking(worker, Operation::Speech)).await
}

#[tokio::test]
async fn bytes_pass_as_they_come() {
    let script = vec![Act::Send(SOUND.to_owned()), Act::Send(chunk("one")), Act::Hold];
    let mut fake = Fake::start(vec![script]).await;
    let worker = worker(settings("openai", &fake.url));
    let mut reply = speech(&worker).await.unwrap();
    assert_eq!(reply.head.content_type, "audio/mpeg");
    assert_eq!(reply.frames.next().await, Some(Frame::Chunk("one".into())), "the rest is held");
    assert!(fake.requests()[0].to_lowercase().contains("accept: */*"));
    drop(reply);
    assert!(fake.closed.recv().await.is_some());
}

#[tokio::test]
async fn bytes_that_break_off_say_so() {
    let begin = [Act::Send(SOUND.to_owned()), Act::Send(chunk("one"))];
    for (end, code) in [
        (Act::Reset, FaultCode::UpstreamBroken),
        (Act::Close, FaultCode::UpstreamBroken),
        (Act::Hold, FaultCode::UpstreamTimedOut),
    ] {
        let script = begin.iter().cloned().chain([end]).collect();
        let fake = Fake::start(vec![script]).await;
        let mut settings = settings("openai", &fake.url);
        settings.timeouts.stream_idle = Duration::from_millis(100);
        let (text, end) = drain(speech(&worker(settings)).await.unwrap()).await;
        let fault = end.fault.unwrap();
        assert_eq!((text.as_str(), fault.code), ("one", code), "{fault}");
        assert_eq!(fault.detail.class, Some(FailureClass::Cut));
    }
}

#[tokio::test]
async fn without_a_first_byte_the_attempt_has_failed() {
    let fake = Fake::start(vec![vec![Act::Send(SOUND.to_owned()), Act::Reset]]).await;
    let fault = speech(&worker(settings("openai", &fake.url))).await.unwrap_err();
    assert_eq!(fault.code, FaultCode::UpstreamBroken);
    let script = [SOUND, &chunk("one"), LAST].concat();
    let fake = Fake::once(script).await;
    let (text, end) = drain(speech(&worker(settings("openai", &fake.url))).await.unwrap()).await;
    assert_eq!((text.as_str(), end.fault), ("one", None));
    let fake = Fake::once([SOUND, LAST].concat()).await;
    let (text, end) = drain(speech(&worker(settings("openai", &fake.url))).await.unwrap()).await;
    assert_eq!((text.as_str(), end.fault), ("", None));
}

#[tokio::test]
async fn bytes_are_held_back_if_they_are_to_be_complete() {
    let script = vec![Act::Send([SOUND, &chunk("one")].concat()), Act::Reset];
    let fake = Fake::start(vec![script]).await;
    let worker = worker(settings("openai", &fake.url));
    let request = WorkerRequest { commit: Commit::Complete, ..asking(&worker, Operation::Speech) };
    assert_eq!(send(&worker, request).await.unwrap_err().code, FaultCode::UpstreamBroken);
}

const FORM: &str = "--x\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nopenai/w\r\n\
    --x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\n\r\nID3\r\n--x--\r\n";

fn form(worker: &Worker, stream: bool) -> WorkerRequest {
    WorkerRequest {
        operation: Operation::Transcription,
        content_type: "multipart/form-data; boundary=x".to_owned(),
        model: "w".into(),
        ..request(worker, stream)
    }
}

/// The form as it arrives.
fn arriving() -> Body {
    let pieces = FORM.as_bytes().chunks(7).map(|piece| Ok(Bytes::from_static(piece)));
    Body::Stream(Box::pin(futures_util::stream::iter(pieces.collect::<Vec<_>>())))
}

#[tokio::test]
async fn a_form_has_the_providers_name_of_the_model() {
    let answer = json(200, "", r#"{"text":"hi","usage":{"input_tokens":3,"output_tokens":1}}"#);
    for held in [true, false] {
        // What arrives may be answered before it is there.
        let fake = Fake::start(vec![vec![Act::Send(answer.clone()), Act::Hold]]).await;
        let worker = worker(settings("openai", &fake.url));
        let body = if held { Body::Full(FORM.into()) } else { arriving() };
        let reply = worker.call(context(), form(&worker, false), body).await.unwrap();
        let (text, end) = drain(reply).await;
        assert!(text.contains("hi"));
        assert_eq!((end.usage.input_tokens, end.usage.output_tokens), (3, 1));
        if held {
            let sent = &fake.requests()[0];
            assert!(sent.ends_with(&FORM.replace("openai/w", "w")), "{sent}");
            assert!(sent.contains("multipart/form-data; boundary=x"), "{sent}");
        }
    }
}

#[tokio::test]
async fn a_held_form_is_sent_again_on_another_connection() {
    let answer = json(200, "", r#"{"text":"hi"}"#);
    let scripts = vec![vec![Act::Send(answer.clone()), Act::Close], vec![Act::Send(answer)]];
    let fake = Fake::start(scripts).await;
    let worker = worker(settings("openai", &fake.url));
    for _ in 0..2 {
        let reply = worker.call(context(), form(&worker, false), Body::Full(FORM.into())).await;
        assert_eq!(drain(reply.unwrap()).await.1.fault, None);
    }
    assert_eq!(fake.connections(), 2);
}

#[tokio::test]
async fn a_transcript_may_be_text_and_nothing_else_may() {
    let plain = |kind: &str| {
        format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: 2\r\n\r\nhi")
    };
    for kind in ["text/plain; charset=utf-8", "text/vtt", "application/x-subrip"] {
        let fake = Fake::once(plain(kind)).await;
        let worker = worker(settings("openai", &fake.url));
        let reply = worker.call(context(), form(&worker, false), Body::Full(FORM.into())).await;
        let reply = reply.unwrap();
        assert_eq!(reply.head.content_type, kind);
        assert_eq!(drain(reply).await.0, "hi");
    }
    let fake = Fake::once(plain("text/html")).await;
    let worker = worker(settings("openai", &fake.url));
    let reply = worker.call(context(), form(&worker, false), Body::Full(FORM.into())).await;
    assert_eq!(reply.unwrap_err().code, FaultCode::UpstreamBroken);
}

const DELTA: &str = "data: {\"type\":\"transcript.text.delta\",\"delta\":\"hi\"}\n\n";
const DONE: &str = "data: {\"type\":\"transcript.text.done\",\"text\":\"hi\"}\n\n";

#[tokio::test]
async fn a_stream_of_another_kind_ends_with_its_own_last_event() {
    for asked in [true, false] {
        let answer = [STREAM, &chunk(DELTA), &chunk(DONE), LAST].concat();
        let fake = Fake::start(vec![vec![Act::Send(answer), Act::Hold]]).await;
        let worker = worker(settings("openai", &fake.url));
        // Where nobody could know that one was asked for, the answer says so.
        let body = if asked { Body::Full(FORM.into()) } else { arriving() };
        let reply = worker.call(context(), form(&worker, asked), body).await.unwrap();
        assert_eq!(reply.head.content_type, "text/event-stream");
        let (text, end) = drain(reply).await;
        assert_eq!((text, end.fault), (format!("{DELTA}{DONE}"), None), "{asked}");
        assert_eq!(end.finish.as_deref(), Some("done"));
    }
    let fake = Fake::once([STREAM, &chunk(DELTA), LAST].concat()).await;
    let worker = worker(settings("openai", &fake.url));
    let reply = worker.call(context(), form(&worker, true), Body::Full(FORM.into())).await;
    let (_, end) = drain(reply.unwrap()).await;
    assert!(end.fault.is_some(), "its last event has not come");
}
