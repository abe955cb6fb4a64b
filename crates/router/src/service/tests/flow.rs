//! Attempts, rotations, fallbacks, waits and what is recorded of them.

use super::*;

fn by_key(key: &'static str, fault: Fault) -> Arc<Fake> {
    Fake::new(move |request| {
        if &*request.key == key {
            return Does::Fail(Duration::ZERO, fault.clone());
        }
        Does::answer("hello")
    })
}

#[tokio::test(start_paused = true)]
async fn a_rate_limited_key_is_rotated_at_once_and_rests() {
    let fake = by_key("a", failure(429, FailureClass::RateLimited, Some(30)));
    let world = World::new(vec![provider("one", &["a", "b"])], std::slice::from_ref(&fake));
    let start = crate::clock::now();
    let reply = world.call("one/m").await.unwrap();
    assert_eq!(crate::clock::now(), start);
    let tried: Vec<_> =
        reply.head.attempts.iter().map(|a| (a.key.to_string(), a.status, a.class)).collect();
    let expected =
        [("a".to_owned(), 429, Some(FailureClass::RateLimited)), ("b".to_owned(), 200, None)];
    assert_eq!(tried, expected);
    assert_eq!(&*reply.head.key, "b");
    assert_eq!(read(reply).await, "hello");
    assert_eq!(world.held("one"), (0, 0));
    // The resting key is not asked again before its time.
    for _ in 0..4 {
        read(world.call("one/m").await.unwrap()).await;
    }
    assert_eq!(fake.keys_asked(), ["a", "b", "b", "b", "b", "b"]);
    assert_eq!(fake.asked.lock().unwrap()[1].1, 2);
    tokio::time::advance(Duration::from_secs(31)).await;
    read(world.call("one/m").await.unwrap()).await;
    read(world.call("one/m").await.unwrap()).await;
    assert!(fake.keys_asked()[6..].contains(&"a".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_resting_only_key_is_told_as_429_or_waited_for() {
    let limited = failure(429, FailureClass::RateLimited, Some(30));
    let first = std::sync::atomic::AtomicBool::new(true);
    let once = move || {
        let limited = limited.clone();
        let first =
            std::sync::atomic::AtomicBool::new(first.load(std::sync::atomic::Ordering::SeqCst));
        Fake::new(move |_| {
            if first.swap(false, std::sync::atomic::Ordering::SeqCst) {
                return Does::Fail(Duration::ZERO, limited.clone());
            }
            Does::answer("hello")
        })
    };
    let world = World::new(vec![provider("one", &["a"])], &[once()]);
    let fault = world.call("one/m").await.unwrap_err();
    assert_eq!(
        (fault.http_status(), fault.detail.retry_after),
        (429, Some(Duration::from_secs(30)))
    );
    assert_eq!(fault.detail.attempts.len(), 1);
    tokio::time::advance(Duration::from_secs(10)).await;
    let fault = world.call("one/m").await.unwrap_err();
    assert_eq!(fault.code, FaultCode::RateLimited);
    assert_eq!(fault.detail.retry_after, Some(Duration::from_secs(20)));
    assert!(fault.detail.attempts.is_empty());
    drop(world);

    let retrying = ProviderSettings { max_retries: 1, ..provider("one", &["a"]) };
    let world = World::new(vec![retrying], &[once()]);
    let start = crate::clock::now();
    let reply = world.call("one/m").await.unwrap();
    let waited = crate::clock::now() - start;
    assert!(waited >= Duration::from_secs(30) && waited < Duration::from_secs(31), "{waited:?}");
    assert_eq!(reply.head.attempts.len(), 2);
    read(reply).await;
    assert_eq!(world.held("one"), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn refused_credentials_end_as_502_also_for_those_who_come_while_they_rest() {
    let refused = failure(401, FailureClass::Credential, None);
    let fake = Fake::new(move |_| Does::Fail(Duration::ZERO, refused.clone()));
    let world = World::new(vec![provider("one", &["a", "b"])], std::slice::from_ref(&fake));
    for attempts in [2, 0] {
        let fault = world.call("one/m").await.unwrap_err();
        assert_eq!(fault.code, FaultCode::CredentialsExhausted);
        assert_eq!((fault.http_status(), fault.detail.attempts.len()), (502, attempts));
    }
    assert_eq!(fake.keys_asked().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_cooldown_is_remembered_where_it_began_also_when_the_request_goes_elsewhere() {
    let refused = failure(401, FailureClass::Credential, None);
    let world = World::new(
        vec![provider("one", &["a"]), provider("two", &["a"])],
        &[
            Fake::new(move |_| Does::Fail(Duration::ZERO, refused.clone())),
            Fake::answering("from two"),
        ],
    );
    let fallbacks = vec!["two/m".to_owned()];
    let reply = world.send(RouterRequest { fallbacks, ..request("one/m") }).await.unwrap();
    assert_eq!(read(reply).await, "from two");
    let fault = world.call("one/m").await.unwrap_err();
    assert_eq!(fault.code, FaultCode::CredentialsExhausted);
    assert_eq!(read(world.call("two/m").await.unwrap()).await, "from two");
}

#[tokio::test(start_paused = true)]
async fn a_retry_waits_in_the_queue_without_a_slot_and_the_times_add_up() {
    let busy = failure(503, FailureClass::Transient, None);
    let tries = std::sync::atomic::AtomicU32::new(0);
    let fake = Fake::new(move |_| {
        if tries.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < 2 {
            return Does::Fail(Duration::from_millis(100), busy.clone());
        }
        Does::answer("hello")
    });
    let one = ProviderSettings { max_retries: 2, concurrency: 1, ..provider("one", &["a"]) };
    let world = World::new(vec![one], &[fake]);
    let start = crate::clock::now();
    let call = tokio::spawn({
        let router = world.router.clone();
        let body = Body::Full(Bytes::new());
        async move { router.call(context(Duration::from_secs(60)), request("one/m"), body).await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(world.held("one"), (0, 1), "the slot is free during the backoff");
    let reply = call.await.unwrap().unwrap();
    let took = crate::clock::now() - start;
    let timings = reply.head.timings;
    // Two backoffs and two failed attempts, which nobody should take for a queue.
    assert!((1400..=2005).contains(&(timings.earlier_us / 1000)), "{timings:?}");
    assert!(timings.queue_us < 5_000 && timings.upstream_us < 5_000, "{timings:?}");
    let sum = timings.queue_us
        + timings.router_us
        + timings.worker_us
        + timings.upstream_us
        + timings.earlier_us;
    assert!(u128::from(sum) <= took.as_micros() + 30, "{timings:?} {took:?}");
    let classes: Vec<_> = reply.head.attempts.iter().map(|attempt| attempt.class).collect();
    let transient = Some(FailureClass::Transient);
    assert_eq!(classes, [transient, transient, None]);
    read(reply).await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_provider_falls_back_and_the_attempts_tell_both() {
    let down = failure(500, FailureClass::Transient, None);
    let one = Fake::new(move |_| Does::Fail(Duration::ZERO, down.clone()));
    let two = Fake::answering("from two");
    let world = World::new(
        vec![provider("one", &["a"]), provider("two", &["b"])],
        &[one.clone(), two.clone()],
    );
    let fallbacks = vec!["two/n".to_owned()];
    let reply = world.send(RouterRequest { fallbacks, ..request("one/m") }).await.unwrap();
    assert_eq!((&*reply.head.provider, reply.head.attempts.len()), ("two", 2));
    assert_eq!(read(reply).await, "from two");
    // Off, the tracer passes the client's trace on.
    let trace = context(Duration::ZERO).trace;
    assert_eq!(*two.traces.lock().unwrap(), [trace]);
    let fault = world.call("one/m").await.unwrap_err();
    assert_eq!((fault.code, fault.http_status()), (FaultCode::UpstreamRejected, 500));
    assert_eq!((world.held("one"), world.held("two")), ((0, 0), (0, 0)));
}

/// A worker that has sent a request once more by itself says so; the plan has made one attempt.
#[tokio::test(start_paused = true)]
async fn tries_that_a_worker_repeated_are_told_and_cost_no_retry() {
    let refused = Attempt {
        provider: "one".into(),
        key: "a".into(),
        status: 400,
        class: Some(FailureClass::Caller),
        duration_us: 7,
    };
    let mut down = failure(500, FailureClass::Transient, None);
    down.detail.attempts.push(refused.clone());
    let one = Fake::new(move |request| {
        assert!(!request.is_fallback);
        Does::Fail(Duration::from_micros(10), down.clone())
    });
    let two = Fake::new(|request| {
        assert!(request.is_fallback);
        Does::answer("from two")
    });
    let world =
        World::new(vec![provider("one", &["a"]), provider("two", &["b"])], &[one.clone(), two]);
    let fallbacks = vec!["two/n".to_owned()];
    let reply = world.send(RouterRequest { fallbacks, ..request("one/m") }).await.unwrap();
    let tried: Vec<_> = reply.head.attempts.iter().map(|one| (one.status, one.class)).collect();
    let (caller, transient) = (Some(FailureClass::Caller), Some(FailureClass::Transient));
    assert_eq!(tried, [(400, caller), (500, transient), (200, None)]);
    assert_eq!(reply.head.attempts[0], refused);
    assert_eq!(one.keys_asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_silent_worker_is_given_up_a_second_after_its_own_limit() {
    let one = ProviderSettings { attempt_guard: Duration::from_secs(5), ..provider("one", &["a"]) };
    let world = World::new(vec![one], &[Fake::new(|_| Does::Hang)]);
    let start = crate::clock::now();
    let fault = world.call("one/m").await.unwrap_err();
    assert_eq!(fault.code, FaultCode::UpstreamTimedOut);
    let waited = crate::clock::now() - start;
    assert!(waited >= Duration::from_secs(6) && waited < Duration::from_millis(6010), "{waited:?}");
    assert_eq!(fault.detail.attempts[0].class, Some(FailureClass::Silent));
    assert_eq!(world.held("one"), (0, 0));

    let body = Body::Full(Bytes::new());
    let call = world.router.call(context(Duration::from_secs(2)), request("one/m"), body);
    let fault = call.await.unwrap_err();
    assert_eq!(fault.code, FaultCode::DeadlineExceeded);
    assert_eq!(fault.http_status(), 504);
    assert_eq!(world.held("one"), (0, 0));

    let body = Body::Full(Bytes::new());
    let call = world.router.call(context(Duration::ZERO), request("one/m"), body);
    let fault = call.await.unwrap_err();
    assert_eq!((fault.code, fault.detail.attempts.len()), (FaultCode::DeadlineExceeded, 0));
}

#[tokio::test(start_paused = true)]
async fn keys_that_the_worker_cannot_use_are_not_asked() {
    let fake = Fake::answering("hello");
    fake.describe_only(&["a"]);
    let world = World::new(vec![provider("one", &["a", "b"])], std::slice::from_ref(&fake));
    tokio::task::yield_now().await;
    for _ in 0..4 {
        read(world.call("one/m").await.unwrap()).await;
    }
    assert_eq!(fake.keys_asked(), ["a", "a", "a", "a"]);
    let target = for_model("one/m", Some("b"));
    let fault = world.send(RouterRequest { target, ..request("one/m") }).await.unwrap_err();
    assert_eq!(fault.code, FaultCode::NoEligibleKeys);
    assert!(world.shared.is_ready() && world.shared.skewed().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_bytes_is_sent_once_and_not_retried() {
    let down = failure(503, FailureClass::Transient, None);
    let fake = Fake::new(move |_| Does::Fail(Duration::ZERO, down.clone()));
    let one = ProviderSettings { max_retries: 3, ..provider("one", &["a"]) };
    let world = World::new(vec![one], std::slice::from_ref(&fake));
    let parts = futures_util::stream::iter([Ok(Bytes::from("part"))]);
    let body = Body::Stream(Box::pin(parts));
    let call = world.router.call(context(Duration::from_secs(60)), request("one/m"), body);
    assert_eq!(call.await.unwrap_err().http_status(), 503);
    assert_eq!(fake.keys_asked().len(), 1);
}
