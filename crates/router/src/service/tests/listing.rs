//! The list of models over several providers.

use weir_types::{SeenModels, Served};

use super::*;
use crate::settings::{ClientKeySettings, ClientKeys, ProviderAccess};

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
    let start = crate::clock::now();
    let reply = world.send(list(None)).await.unwrap();
    let took = crate::clock::now() - start;
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
    let start = crate::clock::now();
    let reply = world.send(list(None)).await.unwrap();
    let took = crate::clock::now() - start;
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
        let start = crate::clock::now();
        let reply = world.send(list(None)).await.unwrap();
        let took = crate::clock::now() - start;
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
        let start = crate::clock::now();
        let reply = world.send(list(None)).await.unwrap();
        let took = crate::clock::now() - start;
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

#[tokio::test(start_paused = true)]
async fn who_may_not_reach_all_is_told_what_to_see_and_the_list_is_kept_for_everybody() {
    let names = |names: &[&str]| ModelList::Names(names.iter().map(|&name| name.into()).collect());
    let mut one = provider("one", &["a", "b"]);
    one.keys[1].rules.models = names(&["m", "n"]);
    let fakes = [Fake::answering("[1]"), Fake::answering("[2]")];
    let providers = vec![one, provider("two", &["a"])];
    let world = World::new(providers.clone(), &fakes);
    let access = ProviderAccess {
        provider: "one".to_owned(),
        weight: None,
        allowed_models: names(&["n", "o"]),
        blacklisted_models: names(&["p"]),
        keys: names(&["b"]),
    };
    let key = ClientKeySettings { name: "few".into(), providers: vec![Arc::new(access)] };
    let client_keys = ClientKeys { keys: vec![Arc::new(key)], are_required: false };
    world.shared.reload(Settings { providers, client_keys, ..Settings::default() }, &[]);
    let everybodys = world.send(list(None)).await.unwrap();
    assert!(everybodys.head.seen.is_empty());
    let asked =
        |fakes: &[Arc<Fake>]| fakes.iter().map(|fake| fake.keys_asked().len()).sum::<usize>();
    assert_eq!(asked(&fakes), 2);
    let few = RouterRequest { client_key: Some("few".into()), ..list(None) };
    let reply = world.send(few).await.unwrap();
    let served = Served { models: names(&["n"]), except: vec!["p".into()] };
    assert_eq!(reply.head.seen, [SeenModels { provider: "one".into(), keys: vec![served] }]);
    assert_eq!((read(reply).await, asked(&fakes)), ("[1]".to_owned(), 2));
}

/// Whom a list took, and how long.
async fn tried(world: &World) -> (Vec<String>, Duration) {
    let start = crate::clock::now();
    let answer = world.send(list(Some("one"))).await;
    let took = crate::clock::now() - start;
    let attempts = match answer {
        Ok(reply) => reply.head.attempts,
        Err(fault) => fault.detail.attempts,
    };
    let tried = attempts.iter().map(|one| format!("{}:{}", one.key, one.outcome())).collect();
    (tried, took)
}

/// One provider with two keys, whose first calls fail in these ways.
fn failing(max_retries: u32, faults: Vec<Fault>) -> World {
    let faults = std::sync::Mutex::new(std::collections::VecDeque::from(faults));
    let fake = Fake::new(move |_| match faults.lock().unwrap().pop_front() {
        Some(fault) => Does::Fail(Duration::ZERO, fault),
        None => Does::answer("[1]"),
    });
    let one = ProviderSettings { max_retries, ..provider("one", &["a", "b"]) };
    World::new(vec![one], &[fake])
}

#[tokio::test(start_paused = true)]
async fn a_list_is_tried_again_as_other_requests_are() {
    let down = |after| failure(503, FailureClass::Transient, after);
    let busy = |after| failure(429, FailureClass::RateLimited, after);
    let refused = || failure(401, FailureClass::Credential, None);
    // Retries, what fails, who is asked, and how long that takes, in ms.
    let cases = [
        (0, vec![down(None)], vec!["a:503"], 0..1),
        (1, vec![down(None)], vec!["a:503", "b:200"], 400..601),
        (2, vec![down(None); 2], vec!["a:503", "b:503", "a:200"], 1200..1801),
        (1, vec![down(None); 3], vec!["a:503", "b:503"], 400..601),
        // A wait that the provider named is kept, unless it is longer than lists are waited for.
        (1, vec![down(Some(2))], vec!["a:503", "b:200"], 2000..2001),
        (1, vec![down(Some(9))], vec!["a:503"], 0..1),
        // Another key costs nothing; a round of all does.
        (0, vec![busy(None)], vec!["a:429", "b:200"], 0..1),
        (0, vec![busy(Some(1)); 2], vec!["a:429", "b:429"], 0..1),
        (1, vec![busy(Some(1)); 2], vec!["a:429", "b:429", "a:200"], 1000..1001),
        (3, vec![refused()], vec!["a:401", "b:200"], 0..1),
        (3, vec![refused(), refused()], vec!["a:401", "b:401"], 0..1),
        (3, vec![failure(400, FailureClass::Caller, None)], vec!["a:400"], 0..1),
    ];
    for (retries, faults, expected, ms) in cases {
        let (tries, took) = tried(&failing(retries, faults)).await;
        assert_eq!(tries, expected);
        assert!(ms.contains(&took.as_millis()), "{expected:?}: {took:?}");
    }
}
