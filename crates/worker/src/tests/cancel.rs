//! Whoever stops waiting closes the call to the provider, and its place is free again.

use std::time::Duration;

use futures_util::StreamExt;
use weir_rpc::WorkerService;
use weir_types::{FailureClass, FaultCode, Side};

use super::fake::{STREAM, chunk, json};
use super::*;

const TEXT: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";

async fn closed(fake: &mut Fake) {
    let closed = tokio::time::timeout(Duration::from_secs(1), fake.closed.recv());
    closed.await.expect("the connection is still open").unwrap();
}

#[tokio::test]
async fn dropping_a_call_closes_its_connection() {
    let mut fake = Fake::start(vec![vec![Act::Hold]]).await;
    let worker = worker(settings("openai", &fake.url));
    let call = worker.call(context(), request(&worker, false), bytes::Bytes::from(BODY).into());
    let seen = async {
        while fake.requests().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = call => panic!("the provider says nothing"),
        () = seen => {}
    }
    closed(&mut fake).await;
    assert_eq!(worker_calls(&worker), 0);
}

#[tokio::test]
async fn dropping_a_stream_closes_its_connection() {
    let script = vec![Act::Send(STREAM.to_owned()), Act::Send(chunk(TEXT)), Act::Hold];
    let mut fake = Fake::start(vec![script]).await;
    let worker = worker(settings("openai", &fake.url));
    let mut reply = chat(&worker, true).await.unwrap();
    assert!(reply.frames.next().await.is_some());
    assert_eq!(worker_calls(&worker), 1);
    drop(reply);
    assert_eq!(worker_calls(&worker), 0);
    closed(&mut fake).await;
}

#[tokio::test]
async fn a_call_waits_for_a_free_connection_up_to_its_limit() {
    let answer = json(200, "", "{}");
    let script = vec![Act::Send(STREAM.to_owned()), Act::Send(chunk(TEXT)), Act::Hold];
    let fake = Fake::start(vec![script, vec![Act::Send(answer)]]).await;
    let mut settings = settings("openai", &fake.url);
    settings.upstream.max_conns_per_host = 1;
    settings.timeouts.attempt = Duration::from_millis(200);
    let worker = worker(settings);
    let held = chat(&worker, true).await.unwrap();
    let fault = chat(&worker, false).await.unwrap_err();
    // A lack of ours says nothing of the provider.
    assert_eq!((fault.code, fault.side()), (FaultCode::Unavailable, Side::Gateway), "{fault}");
    assert_eq!(fault.detail.class, Some(FailureClass::Transient));
    drop(held);
    chat(&worker, false).await.unwrap();
    assert_eq!(fake.requests().len(), 2);
}

fn worker_calls(worker: &crate::Worker) -> usize {
    worker.live.present().transport.calls_in_flight()
}
