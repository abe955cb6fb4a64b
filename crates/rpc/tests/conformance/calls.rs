//! What a caller sees of a call, whatever lies between it and the service.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use tokio::sync::mpsc;
use weir_budget::Budget;
use weir_rpc::{Body, End, Frame, FrameStream, Reply, ReplyHead};
use weir_types::{
    Attempt, CallContext, Deadline, FailureClass, Fault, FaultCode, FaultDetail, QuotaMode,
    UpstreamAnswer, Usage,
};

use crate::bench::{Bench, context, within};
use crate::script::{broken, chunk, end, head, reply, streamed};

crate::cases!(
    a_unary_answer_comes_whole,
    an_answer_of_several_together_names_nobody,
    a_streamed_answer_comes_as_it_is_made,
    large_bodies_pass_both_ways,
    an_empty_body_stays_empty,
    an_upload_is_streamed,
    a_broken_upload_breaks_for_the_service,
    a_fault_before_the_head_keeps_every_field,
    a_long_fault_before_the_head_keeps_every_field,
    a_fault_after_the_head_comes_in_the_end,
    a_cut_answer_has_no_end,
    a_caller_that_leaves_before_the_head_cancels,
    a_caller_that_leaves_after_the_head_cancels,
    a_caller_that_leaves_during_its_upload_cancels,
    the_context_arrives,
    the_fault_of_a_late_service_arrives,
);

async fn rest(mut frames: FrameStream) -> (Bytes, Option<End>) {
    let mut bytes = Vec::new();
    while let Some(frame) = within(frames.next()).await {
        match frame {
            Frame::Chunk(part) => bytes.extend_from_slice(&part),
            Frame::End(end) => {
                assert!(within(frames.next()).await.is_none(), "frames after the end");
                return (bytes.into(), Some(*end));
            }
        }
    }
    (bytes.into(), None)
}

/// Bytes that differ everywhere, so that a lost or swapped part shows.
fn pattern(length: usize) -> Bytes {
    (0..length).map(|at| (at * 31 + at / 251) as u8).collect()
}

fn full_fault(body: Bytes) -> Fault {
    let attempt = |class| Attempt {
        provider: "openai".into(),
        key: "blue".into(),
        status: 429,
        class,
        duration_us: 77,
    };
    let detail = FaultDetail {
        message: "too much: ü".into(),
        code: Some("rate_limit_exceeded".into()),
        param: Some("messages".into()),
        retry_after: Some(Duration::from_millis(1500)),
        class: Some(FailureClass::RateLimited),
        side: None,
        upstream: Some(UpstreamAnswer { status: 429, content_type: "text/plain".into(), body }),
        attempts: vec![attempt(Some(FailureClass::RateLimited)), attempt(None)],
        quota_mode: QuotaMode::Refuse,
    };
    Fault { code: FaultCode::UpstreamRejected, detail: Box::new(detail) }
}

async fn a_unary_answer_comes_whole(mut bench: Bench) {
    let asks = bench.asks();
    let (calling, call) = bench.begin(Bytes::from_static(b"{\"model\":\"m\"}")).await;
    assert_eq!(call.asked, asks);
    let Body::Full(body) = call.body else { panic!("sent whole, came in parts") };
    assert_eq!(body, "{\"model\":\"m\"}");
    let usage = Usage { input_tokens: 1, output_tokens: 2, ..Usage::default() };
    let last = End { usage, finish: Some("stop".to_owned()), fault: None };
    let frames = vec![chunk("{\"id\":1}"), Frame::End(Box::new(last.clone()))];
    call.answer.send(Ok(reply(frames))).unwrap();
    let answer = within(calling).await.unwrap().unwrap();
    assert_eq!(answer.head, head());
    assert_eq!(rest(answer.frames).await, (Bytes::from_static(b"{\"id\":1}"), Some(last)));
}

async fn an_answer_of_several_together_names_nobody(mut bench: Bench) {
    let (calling, call) = bench.begin(Bytes::new()).await;
    let nobody = ReplyHead { provider: "".into(), key: "".into(), ..head() };
    let answer = Reply { head: nobody.clone(), ..reply(vec![end()]) };
    call.answer.send(Ok(answer)).unwrap();
    assert_eq!(within(calling).await.unwrap().unwrap().head, nobody);
}

async fn a_streamed_answer_comes_as_it_is_made(mut bench: Bench) {
    let (calling, call) = bench.begin(Bytes::from_static(b"{}")).await;
    let (reply, frames, _) = streamed();
    call.answer.send(Ok(reply)).unwrap();
    let mut answer = within(calling).await.unwrap().unwrap();
    for turn in 0..5 {
        let text = format!("data: {turn}\n\n");
        frames.send(chunk(text.clone())).await.unwrap();
        assert_eq!(within(answer.frames.next()).await, Some(chunk(text)));
    }
    frames.send(end()).await.unwrap();
    assert_eq!(within(answer.frames.next()).await, Some(end()));
    drop(frames);
    assert_eq!(within(answer.frames.next()).await, None);
}

async fn large_bodies_pass_both_ways(mut bench: Bench) {
    let sent = pattern(6 * 1024 * 1024 + 7);
    let (calling, call) = bench.begin(sent.clone()).await;
    // A router, which does not look at it, has it in pieces when it has come over a link.
    assert!(!matches!(call.body, Body::Stream(_)), "sent whole, came in parts");
    assert_eq!(call.body.held_bytes(), Some(sent.len()));
    let again = call.body.again().expect("it is held");
    for body in [call.body, again] {
        assert!(body.collect(sent.len(), Budget::default()).await.unwrap() == sent);
    }
    let answered = pattern(9 * 1024 * 1024 + 11);
    call.answer.send(Ok(reply(vec![chunk(answered.clone()), end()]))).unwrap();
    let answer = within(calling).await.unwrap().unwrap();
    let (bytes, last) = rest(answer.frames).await;
    assert!(bytes == answered);
    assert_eq!(last, Some(End::default()));
}

async fn an_empty_body_stays_empty(mut bench: Bench) {
    let (calling, call) = bench.begin(Bytes::new()).await;
    assert!(matches!(call.body, Body::Full(body) if body.is_empty()));
    call.answer.send(Ok(reply(vec![end()]))).unwrap();
    let answer = within(calling).await.unwrap().unwrap();
    assert_eq!(rest(answer.frames).await, (Bytes::new(), Some(End::default())));
}

/// A body that the test sends part by part.
fn upload() -> (Body, mpsc::Sender<Result<Bytes, Fault>>) {
    let (parts, incoming) = mpsc::channel(1);
    let stream = stream::unfold(incoming, async |mut incoming| {
        incoming.recv().await.map(|part| (part, incoming))
    });
    (Body::Stream(stream.boxed()), parts)
}

async fn an_upload_is_streamed(mut bench: Bench) {
    let (body, parts) = upload();
    let (calling, call) = bench.begin(body).await;
    let Body::Stream(mut body) = call.body else { panic!("sent in parts, came whole") };
    for turn in 0..3 {
        let part = Bytes::from(format!("part {turn}"));
        parts.send(Ok(part.clone())).await.unwrap();
        assert_eq!(within(body.next()).await, Some(Ok(part)));
    }
    drop(parts);
    assert_eq!(within(body.next()).await, None);
    call.answer.send(Ok(reply(vec![chunk("done"), end()]))).unwrap();
    let answer = within(calling).await.unwrap().unwrap();
    assert_eq!(rest(answer.frames).await.0, "done");
}

async fn a_broken_upload_breaks_for_the_service(mut bench: Bench) {
    let (body, parts) = upload();
    let (_calling, call) = bench.begin(body).await;
    let Body::Stream(mut body) = call.body else { panic!("sent in parts, came whole") };
    parts.send(Ok(Bytes::from_static(b"half"))).await.unwrap();
    assert_eq!(within(body.next()).await, Some(Ok(Bytes::from_static(b"half"))));
    let gone = Fault::new(FaultCode::Cancelled, "the client went away");
    parts.send(Err(gone.clone())).await.unwrap();
    assert_eq!(within(body.next()).await, Some(Err(gone)));
}

async fn a_fault_before_the_head_keeps_every_field(mut bench: Bench) {
    let fault = full_fault(Bytes::from_static(b"slow down \0\xff"));
    let (calling, call) = bench.begin(Bytes::from_static(b"{}")).await;
    call.answer.send(Err(fault.clone())).unwrap();
    assert_eq!(within(calling).await.unwrap().unwrap_err(), fault);
}

async fn a_long_fault_before_the_head_keeps_every_field(mut bench: Bench) {
    let fault = full_fault(pattern(1024 * 1024));
    let (calling, call) = bench.begin(Bytes::from_static(b"{}")).await;
    call.answer.send(Err(fault.clone())).unwrap();
    assert_eq!(within(calling).await.unwrap().unwrap_err(), fault);
}

async fn a_fault_after_the_head_comes_in_the_end(mut bench: Bench) {
    let fault = full_fault(pattern(512 * 1024));
    let (calling, call) = bench.begin(Bytes::from_static(b"{}")).await;
    call.answer.send(Ok(reply(vec![chunk("half"), broken(fault.clone())]))).unwrap();
    let answer = within(calling).await.unwrap().unwrap();
    let (bytes, last) = rest(answer.frames).await;
    assert_eq!(bytes, "half");
    assert_eq!(last.unwrap().fault, Some(fault));
}

async fn a_cut_answer_has_no_end(mut bench: Bench) {
    let (calling, call) = bench.begin(Bytes::from_static(b"{}")).await;
    call.answer.send(Ok(reply(vec![chunk("half")]))).unwrap();
    let answer = within(calling).await.unwrap().unwrap();
    assert_eq!(rest(answer.frames).await, (Bytes::from_static(b"half"), None));
}

async fn a_caller_that_leaves_before_the_head_cancels(mut bench: Bench) {
    let (calling, call) = bench.begin(Bytes::from_static(b"{}")).await;
    calling.abort();
    within(call.dropped).await.unwrap_err();
}

async fn a_caller_that_leaves_after_the_head_cancels(mut bench: Bench) {
    let (calling, call) = bench.begin(Bytes::from_static(b"{}")).await;
    let (reply, frames, dropped) = streamed();
    call.answer.send(Ok(reply)).unwrap();
    let mut answer = within(calling).await.unwrap().unwrap();
    frames.send(chunk("first")).await.unwrap();
    assert_eq!(within(answer.frames.next()).await, Some(chunk("first")));
    drop(answer);
    within(dropped).await.unwrap_err();
}

async fn a_caller_that_leaves_during_its_upload_cancels(mut bench: Bench) {
    let (body, parts) = upload();
    let (calling, call) = bench.begin(body).await;
    parts.send(Ok(Bytes::from_static(b"half"))).await.unwrap();
    calling.abort();
    within(call.dropped).await.unwrap_err();
    drop(call.body);
    within(parts.closed()).await;

    // The same once the answer has begun while the upload goes on.
    let (body, parts) = upload();
    let (calling, call) = bench.begin(body).await;
    let (reply, _frames, dropped) = streamed();
    call.answer.send(Ok(reply)).unwrap();
    drop(within(calling).await.unwrap().unwrap());
    within(dropped).await.unwrap_err();
    drop(call.body);
    within(parts.closed()).await;
}

async fn the_context_arrives(mut bench: Bench) {
    let (calling, call) = bench.begin(Bytes::from_static(b"{}")).await;
    let sent = context();
    assert_eq!(call.context.request_id, sent.request_id);
    assert_eq!(call.context.trace, sent.trace);
    let remaining = call.context.deadline.remaining(Instant::now());
    assert!(remaining <= Duration::from_secs(60), "{remaining:?}");
    assert!(remaining > Duration::from_secs(50), "{remaining:?}");
    calling.abort();
}

async fn the_fault_of_a_late_service_arrives(mut bench: Bench) {
    let deadline = Deadline::after(Instant::now(), Duration::from_millis(30));
    let calling = tokio::spawn(bench.call(CallContext { deadline, ..context() }, Bytes::new()));
    let call = within(bench.called.recv()).await.unwrap();
    // The service notices the deadline by itself and says what it had tried.
    tokio::time::sleep_until(call.context.deadline.instant().into()).await;
    let fault = full_fault(Bytes::new());
    call.answer.send(Err(fault.clone())).unwrap();
    assert_eq!(within(calling).await.unwrap().unwrap_err(), fault);
}
