//! What only a network can do: be absent, break, fall silent, carry strangers.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::io::{AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use weir_rpc::{
    Body, Frame, LinkError, LinkSettings, RemoteRouter, RemoteWorker, RouterService, WorkerService,
    worker_server,
};
use weir_types::{CallContext, Deadline, FaultCode};

use crate::bench::{BODY_BYTES_MAX, Bench, Serving, context, limits, within};
use crate::script::{Asked, Script, chunk, description, end, reply, streamed};

crate::both_ways!(
    health_says_serving_until_the_drain,
    a_drain_finishes_calls_and_ends_descriptions,
    an_absent_service_is_a_broken_link,
    a_service_that_comes_back_is_found_again,
    a_service_that_dies_breaks_the_call_before_and_after_the_head,
    a_service_that_ignores_the_deadline_is_left,
    the_stream_of_an_ended_answer_is_let_go,
    an_upload_ends_with_its_call_at_both_ends,
    bodies_over_the_limit_are_refused_however_they_come,
    a_slow_reader_does_not_hold_up_the_others,
    callers_that_leave_in_a_crowd_do_not_break_the_link,
    a_silent_link_is_given_up_at_both_ends,
    strangers_do_no_harm,
    an_address_that_is_none_is_refused_at_once,
);

async fn health_says_serving_until_the_drain() {
    let bench = Bench::remote_worker().await;
    let serving = bench.serving.as_ref().unwrap();
    let channel = tonic::transport::Endpoint::from_shared(serving.url()).unwrap();
    let mut health = HealthClient::new(channel.connect().await.unwrap());
    for service in ["", "weir.worker.v1.Worker"] {
        let request = HealthCheckRequest { service: service.to_owned() };
        let answer = within(health.check(request)).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving);
    }
    let other = HealthCheckRequest { service: "weir.router.v1.Router".to_owned() };
    assert_eq!(within(health.check(other)).await.unwrap_err().code(), tonic::Code::NotFound);

    let request = HealthCheckRequest { service: String::new() };
    let mut changes = within(health.watch(request)).await.unwrap().into_inner();
    let now = within(changes.message()).await.unwrap().unwrap();
    assert_eq!(now.status(), ServingStatus::Serving);
    serving.stop.send_replace(true);
    let then = within(changes.message()).await.unwrap().unwrap();
    assert_eq!(then.status(), ServingStatus::NotServing);
}

async fn a_drain_finishes_calls_and_ends_descriptions() {
    let mut bench = Bench::remote_worker().await;
    let mut updates = bench.worker().describe(false);
    assert_eq!(within(updates.next()).await, Some(description(&["blue"])));
    let (calling, call) = bench.begin(Bytes::from_static(b"{}")).await;
    let (reply, frames, _dropped) = streamed();
    call.answer.send(Ok(reply)).unwrap();
    let mut answer = within(calling).await.unwrap().unwrap();

    let mut serving = bench.serving.take().unwrap();
    serving.stop.send_replace(true);
    frames.send(chunk("late")).await.unwrap();
    assert_eq!(within(answer.frames.next()).await, Some(chunk("late")));
    assert!(!serving.task.is_finished());
    frames.send(end()).await.unwrap();
    assert_eq!(within(answer.frames.next()).await, Some(end()));
    within(&mut serving.task).await.unwrap();
}

async fn an_absent_service_is_a_broken_link() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    drop(listener);
    let router = RemoteRouter::connect(&format!("http://{addr}"), &limits()).unwrap();
    let Asked::Router(request) = Bench::local_router().asks() else { unreachable!() };
    for _ in 0..2 {
        let call = router.call(context(), request.clone(), Body::Full(Bytes::new()));
        let fault = within(call).await.unwrap_err();
        assert_eq!(fault.code, FaultCode::LinkBroken, "{fault}");
    }
}

async fn a_service_that_comes_back_is_found_again() {
    let (script, _called, describe) = Script::new();
    let serving = Serving::start(worker_server(script.clone(), &limits())).await;
    let addr = serving.addr;
    let worker = RemoteWorker::connect(&serving.url(), &limits()).unwrap();
    let mut updates = worker.describe(false);
    assert_eq!(within(updates.next()).await, Some(description(&["blue"])));
    drop(serving);

    describe.send(description(&["red"])).unwrap();
    let listener = loop {
        // The old listener closes with its task, which is a matter of turns of the event loop.
        match TcpListener::bind(addr).await {
            Ok(listener) => break listener,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let server = worker_server(script, &limits());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(server.clone().serve_connection(stream, std::future::pending()));
        }
    });
    assert_eq!(within(updates.next()).await, Some(description(&["red"])));
}

async fn a_service_that_dies_breaks_the_call_before_and_after_the_head() {
    let mut bench = Bench::remote_router().await;
    let (pending, _call) = bench.begin(Bytes::from_static(b"{}")).await;
    let (calling, call) = bench.begin(Bytes::from_static(b"{}")).await;
    let (reply, frames, _dropped) = streamed();
    call.answer.send(Ok(reply)).unwrap();
    let mut answer = within(calling).await.unwrap().unwrap();
    frames.send(chunk("half")).await.unwrap();
    assert_eq!(within(answer.frames.next()).await, Some(chunk("half")));

    drop(bench.serving.take());
    let fault = within(pending).await.unwrap().unwrap_err();
    assert_eq!(fault.code, FaultCode::LinkBroken, "{fault}");
    let Some(Frame::End(last)) = within(answer.frames.next()).await else {
        panic!("no end");
    };
    assert_eq!(last.fault.unwrap().code, FaultCode::LinkBroken);
    assert_eq!(within(answer.frames.next()).await, None);
}

async fn a_service_that_ignores_the_deadline_is_left() {
    let mut bench = Bench::remote_router().await;
    let deadline = Deadline::after(Instant::now(), Duration::from_millis(20));
    let calling = tokio::spawn(bench.call(CallContext { deadline, ..context() }, Bytes::new()));
    let call = within(bench.called.recv()).await.unwrap();
    let fault = within(calling).await.unwrap().unwrap_err();
    assert_eq!(fault.code, FaultCode::DeadlineExceeded);
    within(call.dropped).await.unwrap_err();
}

async fn the_stream_of_an_ended_answer_is_let_go() {
    let mut bench = Bench::remote_router().await;
    let (calling, call) = bench.begin(Bytes::from_static(b"{}")).await;
    let (reply, frames, dropped) = streamed();
    call.answer.send(Ok(reply)).unwrap();
    let mut answer = within(calling).await.unwrap().unwrap();
    // The service's stream could go on, and the caller holds the answer: the end is enough.
    frames.send(end()).await.unwrap();
    assert_eq!(within(answer.frames.next()).await, Some(end()));
    assert_eq!(within(answer.frames.next()).await, None);
    within(dropped).await.unwrap_err();
}

async fn an_upload_ends_with_its_call_at_both_ends() {
    let mut bench = Bench::remote_router().await;
    for with_head in [false, true] {
        let (parts, incoming) = mpsc::channel(1);
        let upload = futures_util::stream::unfold(incoming, async |mut incoming| {
            incoming.recv().await.map(|part| (part, incoming))
        });
        let (calling, call) = bench.begin(Body::Stream(upload.boxed())).await;
        parts.send(Ok(Bytes::from_static(b"half"))).await.unwrap();
        let Body::Stream(mut body) = call.body else { panic!("came whole") };
        assert_eq!(within(body.next()).await, Some(Ok(Bytes::from_static(b"half"))));
        let (reply, _frames, _) = streamed();
        if with_head {
            call.answer.send(Ok(reply)).unwrap();
            drop(within(calling).await.unwrap().unwrap());
        } else {
            calling.abort();
        }
        within(parts.closed()).await;
        let fault = within(body.next()).await.unwrap().unwrap_err();
        assert_eq!(fault.code, FaultCode::LinkBroken);
        assert_eq!(within(body.next()).await, None);
    }
}

async fn bodies_over_the_limit_are_refused_however_they_come() {
    let mut bench = Bench::remote_router().await;
    let parts = move || futures_util::stream::repeat(Bytes::from(vec![b'x'; 1024 * 1024])).map(Ok);

    let fault = within(bench.call(context(), Bytes::from(vec![b'x'; BODY_BYTES_MAX + 1]))).await;
    assert_eq!(fault.unwrap_err().code, FaultCode::BodyTooLarge);

    let (_calling, call) = bench.begin(Body::Stream(parts().boxed())).await;
    let collected = within(call.body.collect(usize::MAX, weir_budget::Budget::default())).await;
    assert_eq!(collected.unwrap_err().code, FaultCode::BodyTooLarge);
}

async fn a_slow_reader_does_not_hold_up_the_others() {
    let mut bench = Bench::remote_router().await;
    let endless = || futures_util::stream::repeat(chunk(vec![b'x'; 64 * 1024])).boxed();
    let mut unread = Vec::new();
    for _ in 0..64 {
        let (calling, call) = bench.begin(Bytes::from_static(b"{}")).await;
        let frames = endless();
        call.answer.send(Ok(weir_rpc::Reply { frames, ..reply(vec![]) })).unwrap();
        unread.push(within(calling).await.unwrap().unwrap());
    }
    let (calling, call) = bench.begin(Bytes::from_static(b"{}")).await;
    call.answer.send(Ok(reply(vec![chunk("quick"), end()]))).unwrap();
    let mut answer = within(calling).await.unwrap().unwrap();
    assert_eq!(within(answer.frames.next()).await, Some(chunk("quick")));
}

async fn callers_that_leave_in_a_crowd_do_not_break_the_link() {
    let mut bench = Bench::remote_router().await;
    for _ in 0..5 {
        let calls: Vec<_> = (0..300)
            .map(|_| tokio::spawn(bench.call(context(), Bytes::from_static(b"{}"))))
            .collect();
        let mut held = Vec::new();
        for _ in 0..100 {
            held.push(within(bench.called.recv()).await.unwrap());
        }
        calls.iter().for_each(tokio::task::JoinHandle::abort);
        for call in held {
            within(call.dropped).await.unwrap_err();
        }
        // Calls that had arrived but were not taken yet.
        while bench.called.try_recv().is_ok() {}
    }
    let calling = tokio::spawn(bench.call(context(), Bytes::from_static(b"last")));
    let call = loop {
        let call = within(bench.called.recv()).await.unwrap();
        if matches!(&call.body, Body::Full(body) if body == "last") {
            break call;
        }
    };
    call.answer.send(Ok(reply(vec![end()]))).unwrap();
    within(calling).await.unwrap().unwrap();
}

/// A relay that stops passing bytes when told, without closing anything.
async fn relay(to: std::net::SocketAddr) -> (String, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (frozen, mut freeze) = watch::channel(false);
    tokio::spawn(async move {
        let (mut near, _) = listener.accept().await.unwrap();
        let mut far = TcpStream::connect(to).await.unwrap();
        let frozen = async move { freeze.wait_for(|frozen| *frozen).await.is_ok() };
        tokio::select! {
            _ = copy_bidirectional(&mut near, &mut far) => {}
            _ = frozen => std::future::pending::<()>().await,
        }
        drop((near, far));
    });
    (url, frozen)
}

async fn a_silent_link_is_given_up_at_both_ends() {
    let limits = LinkSettings { silence_max: Duration::from_secs(1), ..limits() };
    let (script, mut called, _describe) = Script::new();
    let serving = Serving::start(worker_server(script, &limits)).await;
    let (url, freeze) = relay(serving.addr).await;
    let worker = RemoteWorker::connect(&url, &limits).unwrap();
    let Asked::Worker(request) = Bench::local_worker().asks() else { unreachable!() };
    let calling = tokio::spawn(worker.call(context(), request, Body::Full(Bytes::new())));
    let call = within(called.recv()).await.unwrap();
    let begun = Instant::now();
    freeze.send_replace(true);
    within(call.dropped).await.unwrap_err();
    let fault = within(calling).await.unwrap().unwrap_err();
    assert_eq!(fault.code, FaultCode::LinkBroken, "{fault}");
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
}

async fn strangers_do_no_harm() {
    let mut bench = Bench::remote_router().await;
    let addr = bench.serving.as_ref().unwrap().addr;
    for text in
        ["GET / HTTP/1.1\r\nhost: weir\r\n\r\n", "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"]
    {
        let mut stranger = TcpStream::connect(addr).await.unwrap();
        stranger.write_all(text.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = within(tokio::io::AsyncReadExt::read_to_end(&mut stranger, &mut answer)).await;
    }
    let (calling, call) = bench.begin(Bytes::from_static(b"{}")).await;
    call.answer.send(Ok(reply(vec![end()]))).unwrap();
    within(calling).await.unwrap().unwrap();
}

async fn an_address_that_is_none_is_refused_at_once() {
    for found in ["", "router:50051", "https://router:50051", "http://router", "http://a:1/path"] {
        let error = RemoteRouter::connect(found, &limits()).unwrap_err();
        assert!(matches!(&error, LinkError::Address { found: at, .. } if at == found), "{error}");
    }
    RemoteRouter::connect("http://router.internal:50051", &limits()).unwrap();
}

/// A framed link on a connection of its own, and its answer's head.
async fn raw_link(
    connection: &h2::client::SendRequest<Bytes>,
    addr: std::net::SocketAddr,
) -> (h2::SendStream<Bytes>, http::Response<h2::RecvStream>) {
    let request = http::Request::post(format!("http://{addr}/weir.router.v1.Router/Link"));
    let mut connection = connection.clone().ready().await.unwrap();
    let (answer, sending) = connection.send_request(request.body(()).unwrap(), false).unwrap();
    (sending, within(answer).await.unwrap())
}

#[tokio::test]
async fn a_connection_has_one_framed_link_and_loses_it_with_its_manners() {
    let mut bench = Bench::remote_router().await;
    let addr = bench.serving.as_ref().unwrap().addr;
    let stream = TcpStream::connect(addr).await.unwrap();
    let (connection, driven) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(driven);
    let (mut sending, first) = raw_link(&connection, addr).await;
    assert!(first.headers().get("grpc-status").is_none());
    assert!(first.headers().get("weir-link-requests").is_some());
    let (_, second) = raw_link(&connection, addr).await;
    assert_eq!(second.headers().get("grpc-status").unwrap(), "8");
    // A payload of a request that was never opened.
    let stray = Bytes::from_static(&[0, 0, 0, 0, 5, 8, 1, 34, 1, b'x']);
    sending.send_data(stray, false).unwrap();
    let mut frames = first.into_body();
    let ended = within(async {
        while let Some(Ok(_)) = frames.data().await {}
        frames.trailers().await
    });
    assert!(ended.await.is_err(), "the link goes on");
    let (calling, call) = bench.begin(Bytes::from_static(b"{}")).await;
    call.answer.send(Ok(reply(vec![end()]))).unwrap();
    within(calling).await.unwrap().unwrap();
}
