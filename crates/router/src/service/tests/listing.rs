//! The list of models over several providers.

use super::*;

fn list(only: Option<&str>) -> RouterRequest {
    RouterRequest {
        operation: Operation::ListModels,
        target: weir_types::Target::Provider { name: only.map(str::to_owned), pin: None },
        headers: Vec::new(),
        ..request("")
    }
}

fn world() -> World {
    let down = failure(500, FailureClass::Transient, None);
    let names = ["one", "two", "three"];
    World::new(
        names.iter().map(|name| provider(name, &["a", "b"])).collect(),
        &[
            Fake::new(|_| Does::Answer {
                after: Duration::from_millis(50),
                chunks: vec!["[1", ",2]"],
                apart: Duration::from_millis(10),
            }),
            Fake::new(move |_| Does::Fail(Duration::ZERO, down.clone())),
            Fake::answering("[3]"),
        ],
    )
}

#[tokio::test(start_paused = true)]
async fn every_provider_that_answers_is_one_chunk_in_the_order_of_the_attempts() {
    let world = world();
    let start = super::super::now();
    let reply = world.send(list(None)).await.unwrap();
    let took = super::super::now() - start;
    assert!(took < Duration::from_millis(75), "asked at once: {took:?}");
    let answered: Vec<_> = reply
        .head
        .attempts
        .iter()
        .map(|attempt| (attempt.provider.to_string(), attempt.class.is_none()))
        .collect();
    let expected =
        [("one".to_owned(), true), ("two".to_owned(), false), ("three".to_owned(), true)];
    assert_eq!(answered, expected);
    let frames: Vec<Frame> = reply.frames.collect().await;
    assert_eq!(frames.len(), 3);
    assert_eq!(frames[0], Frame::Chunk(Bytes::from("[1,2]")));
    assert_eq!(frames[1], Frame::Chunk(Bytes::from("[3]")));
    assert!(matches!(&frames[2], Frame::End(end) if end.fault.is_none()));
    for name in ["one", "two", "three"] {
        assert_eq!(world.held(name), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn one_provider_alone_is_named_and_its_failure_told() {
    let world = world();
    let reply = world.send(list(Some("three"))).await.unwrap();
    assert_eq!(&*reply.head.provider, "three");
    assert_eq!(read(reply).await, "[3]");
    let fault = world.send(list(Some("two"))).await.unwrap_err();
    assert_eq!((fault.http_status(), fault.detail.attempts.len()), (500, 1));
    // For a while it is not asked again.
    let fault = world.send(list(Some("two"))).await.unwrap_err();
    assert_eq!((fault.http_status(), fault.detail.attempts.len()), (500, 0));
    let fault = world.send(list(Some("four"))).await.unwrap_err();
    assert_eq!(fault.code, FaultCode::UnknownModel);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_is_cut_or_too_long_is_left_out() {
    let mebibyte: &str = Box::leak("x".repeat(1 << 20).into_boxed_str());
    let long = move |_: &weir_rpc::WorkerRequest| Does::Answer {
        after: Duration::ZERO,
        chunks: vec![mebibyte; 9],
        apart: Duration::ZERO,
    };
    let world = World::new(
        ["one", "two", "three"].iter().map(|name| provider(name, &["a"])).collect(),
        &[Fake::new(|_| Does::Cut), Fake::new(long), Fake::answering("[3]")],
    );
    let reply = world.send(list(None)).await.unwrap();
    let classes: Vec<_> = reply.head.attempts.iter().map(|attempt| attempt.class).collect();
    assert_eq!(classes, [Some(FailureClass::Cut), Some(FailureClass::Transient), None]);
    assert_eq!(read(reply).await, "[3]");
    assert_eq!(world.held("two"), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_slow_provider_is_left_out_and_a_list_takes_no_slot() {
    let silent = || Fake::new(|_| Does::Hang);
    let mut one = provider("one", &["a"]);
    one.concurrency = 1;
    let world = World::new(vec![one, provider("two", &["a"])], &[silent(), Fake::answering("[2]")]);
    // The only slot is taken, and is not needed.
    let busy = tokio::spawn({
        let router = world.router.clone();
        let body = Body::Full(Bytes::from_static(b"{}"));
        async move { router.call(context(Duration::from_secs(600)), request("one/m"), body).await }
    });
    tokio::time::sleep(Duration::from_millis(10)).await;
    let start = super::super::now();
    let reply = world.send(list(None)).await.unwrap();
    let took = super::super::now() - start;
    let patience = Settings::default().listing_patience;
    assert!(took >= patience && took < patience * 2, "{took:?}");
    let answered: Vec<_> = reply.head.attempts.iter().map(|attempt| attempt.class).collect();
    assert_eq!(answered, [Some(FailureClass::Silent), None]);
    assert_eq!(world.held("one").0, 1, "only the chat holds a slot");
    busy.abort();
}

/// Answers the first so many times, and is silent then.
fn soon_silent(times: usize) -> Arc<Fake> {
    let asked = std::sync::atomic::AtomicUsize::new(0);
    Fake::new(move |_| {
        let count = asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        if count < times { Does::answer("[1]") } else { Does::Hang }
    })
}

fn said(reply: &Reply, name: &str) -> Option<String> {
    let found = reply.head.headers.iter().find(|(header, _)| header == name);
    found.map(|(_, value)| value.clone())
}

#[tokio::test(start_paused = true)]
async fn a_list_is_asked_for_once_a_minute_and_kept_while_its_provider_is_silent() {
    let fake = soon_silent(1);
    let world = World::new(
        vec![provider("one", &["a"]), provider("two", &["a"])],
        &[fake.clone(), Fake::answering("[2]")],
    );
    for _ in 0..3 {
        let reply = world.send(list(None)).await.unwrap();
        assert_eq!(
            (said(&reply, "x-weir-left-out"), said(&reply, "x-weir-outdated")),
            (None, None)
        );
        assert_eq!(read(reply).await, "[1][2]");
    }
    assert_eq!(fake.keys_asked().len(), 1);
    tokio::time::advance(crate::lists::FRESH).await;
    // It is asked, waited for once, and then spared for a while.
    let patience = Settings::default().listing_patience;
    for (least, most) in [(patience, patience * 2), (Duration::ZERO, Duration::from_millis(9))] {
        let start = super::super::now();
        let reply = world.send(list(None)).await.unwrap();
        let took = super::super::now() - start;
        assert!(took >= least && took < most, "{took:?}");
        assert_eq!(said(&reply, "x-weir-outdated").as_deref(), Some("one"));
        assert_eq!(read(reply).await, "[1][2]");
    }
    assert_eq!(fake.keys_asked().len(), 2);
    tokio::time::advance(crate::lists::SPARED).await;
    world.send(list(None)).await.unwrap();
    assert_eq!(fake.keys_asked().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_provider_of_which_nothing_is_known_is_named_and_not_waited_for_twice() {
    let world = World::new(
        vec![provider("one", &["a"]), provider("two", &["a"])],
        &[soon_silent(0), Fake::answering("[2]")],
    );
    for least in [Settings::default().listing_patience, Duration::ZERO] {
        let start = super::super::now();
        let reply = world.send(list(None)).await.unwrap();
        let took = super::super::now() - start;
        assert!(took >= least && took < least + Duration::from_millis(99), "{took:?}");
        assert_eq!(said(&reply, "x-weir-left-out").as_deref(), Some("one"));
        assert_eq!(read(reply).await, "[2]");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_client_sends_along_is_asked_and_not_kept() {
    let fake = Fake::answering("[1]");
    let world = World::new(vec![provider("one", &["a"])], std::slice::from_ref(&fake));
    let with = |name: &str| RouterRequest {
        headers: vec![(name.to_owned(), "x".to_owned())],
        ..list(None)
    };
    for (request, asked) in [
        (with("x-tenant"), 1),
        (with("x-tenant"), 2),
        (list(None), 3),
        (list(None), 3),
        (with("x-tenant"), 4),
    ] {
        world.send(request).await.unwrap();
        assert_eq!(fake.keys_asked().len(), asked);
    }
}

#[tokio::test(start_paused = true)]
async fn a_model_is_looked_for_at_its_provider_whose_list_may_fail() {
    let down = failure(404, FailureClass::Elsewhere, None);
    let world = World::new(
        vec![provider("one", &["a"]), provider("two", &["a"])],
        &[Fake::answering("[1]"), Fake::new(move |_| Does::Fail(Duration::ZERO, down.clone()))],
    );
    let of = |model: &str| RouterRequest { operation: Operation::ListModels, ..request(model) };
    let reply = world.send(of("one/m")).await.unwrap();
    assert_eq!(&*reply.head.provider, "one");
    assert_eq!(read(reply).await, "[1]");
    let reply = world.send(of("two/m")).await.unwrap();
    assert_eq!(&*reply.head.provider, "two");
    assert_eq!(said(&reply, "x-weir-left-out").as_deref(), Some("two"));
    assert_eq!(read(reply).await, "");
    let fault = world.send(of("three/m")).await.unwrap_err();
    assert_eq!(fault.code, FaultCode::UnknownModel);
}
