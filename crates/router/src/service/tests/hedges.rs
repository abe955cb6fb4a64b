//! Attempts beside others: whoever speaks first is kept, and nothing is left of the other.

use weir_types::Patience;

use super::*;

const HEDGE: Duration = Duration::from_secs(5);

/// Two providers; `one` hedges after 5 s, as often as it likes.
fn world(fakes: &[Arc<Fake>]) -> World {
    let one = ProviderSettings {
        hedge_after: Some(HEDGE),
        hedges_percent: 100,
        ..provider("one", &["a"])
    };
    World::new(vec![one, ProviderSettings { concurrency: 1, ..provider("two", &["x"]) }], fakes)
}

fn asking() -> RouterRequest {
    RouterRequest { fallbacks: vec!["two/m".to_owned()], ..request("one/m") }
}

fn after(seconds: u64, text: &'static str) -> Arc<Fake> {
    let after = Duration::from_secs(seconds);
    Fake::new(move |_| Does::Answer { after, chunks: vec![text], apart: Duration::ZERO })
}

/// Whom a request asked and what came of it.
fn tries(attempts: &[Attempt]) -> Vec<String> {
    attempts.iter().map(|one| format!("{}:{}", one.provider, one.outcome())).collect()
}

/// The answer's text, whom it took, and how long.
async fn asked(world: &World, request: RouterRequest) -> (String, Vec<String>, Duration) {
    let start = crate::clock::now();
    let reply = world.send(request).await.unwrap();
    let took = crate::clock::now() - start;
    let tried = tries(&reply.head.attempts);
    (read(reply).await, tried, took)
}

fn is_about(took: Duration, seconds: u64) -> bool {
    (Duration::from_secs(seconds)..Duration::from_millis(seconds * 1000 + 50)).contains(&took)
}

#[tokio::test(start_paused = true)]
async fn the_fallback_that_speaks_first_is_kept_and_the_first_call_ended() {
    let (one, two) = (Fake::new(|_| Does::Hang), after(1, "from two"));
    let world = world(&[one.clone(), two]);
    for (name, key) in [("one", "a"), ("two", "x")] {
        world.shared.telemetry.metrics.register(name, [key]);
    }
    let (text, tried, took) = asked(&world, asking()).await;
    assert_eq!((text.as_str(), is_about(took, 6)), ("from two", true), "{took:?}");
    assert_eq!(tried, ["one:cancelled", "two:200"]);
    assert_eq!((one.running(), world.held("one"), world.held("two")), (0, (0, 0), (0, 0)));
    // It is no completion, and no failure.
    let page = world.shared.telemetry.metrics.render();
    let count = |provider: &str, outcome: &str| {
        let sample = format!("provider=\"{provider}\",key=");
        page.lines().any(|line| {
            line.starts_with("weir_attempts_total")
                && line.contains(&sample)
                && line.contains(&format!("outcome=\"{outcome}\""))
                && line.ends_with(" 1")
        })
    };
    assert!(count("one", "cancelled") && count("two", "ok"), "{page}");
    assert!(!count("one", "ok"));
}

#[tokio::test(start_paused = true)]
async fn the_first_that_speaks_after_all_is_kept_and_the_hedge_ended() {
    let (one, two) = (after(7, "from one"), Fake::new(|_| Does::Hang));
    let world = world(&[one, two.clone()]);
    let (text, tried, took) = asked(&world, asking()).await;
    assert_eq!((text.as_str(), is_about(took, 7)), ("from one", true), "{took:?}");
    assert_eq!(tried, ["two:cancelled", "one:200"]);
    assert_eq!((two.running(), world.held("one"), world.held("two")), (0, (0, 0), (0, 0)));
}

#[tokio::test(start_paused = true)]
async fn who_is_fast_gets_none() {
    let two = after(0, "from two");
    let world = world(&[after(4, "from one"), two.clone()]);
    assert_eq!(asked(&world, asking()).await.1, ["one:200"]);
    assert!(two.keys_asked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_either_leaves_the_other() {
    let down = || failure(500, FailureClass::Transient, None);
    let fails = |seconds| Fake::new(move |_| Does::Fail(Duration::from_secs(seconds), down()));
    let (text, tried, took) = asked(&world(&[fails(6), after(3, "from two")]), asking()).await;
    assert_eq!((text.as_str(), is_about(took, 8)), ("from two", true), "{took:?}");
    assert_eq!(tried, ["one:500", "two:200"]);
    let (text, tried, took) = asked(&world(&[after(7, "from one"), fails(1)]), asking()).await;
    assert_eq!((text.as_str(), is_about(took, 7)), ("from one", true), "{took:?}");
    assert_eq!(tried, ["two:500", "one:200"]);
    let world = world(&[fails(6), fails(2)]);
    let fault = world.send(asking()).await.unwrap_err();
    assert_eq!(tries(&fault.detail.attempts), ["one:500", "two:500"]);
    assert_eq!((world.held("one"), world.held("two")), ((0, 0), (0, 0)));
}

#[tokio::test(start_paused = true)]
async fn a_hedge_takes_a_slot_that_is_free_and_never_waits_for_one() {
    let hang = Fake::new(|_| Does::Hang);
    let world = world(&[after(7, "from one"), hang.clone()]);
    let mut taken = Box::pin(world.call("two/m"));
    assert!((&mut taken).now_or_never().is_none());
    assert_eq!(world.held("two"), (1, 0));
    let (text, tried, _) = asked(&world, asking()).await;
    assert_eq!((text.as_str(), tried), ("from one", vec!["one:200".to_owned()]));
    assert_eq!((world.held("two"), hang.keys_asked().len()), ((1, 0), 1));
}

#[tokio::test(start_paused = true)]
async fn a_client_may_ask_for_it_and_forbid_it() {
    let two = after(0, "from two");
    let world = world(&[after(9, "from one"), two.clone()]);
    let patience = |hedge_after| Patience { hedge_after: Some(hedge_after), ..Patience::default() };
    let never = RouterRequest { patience: patience(Duration::ZERO), ..asking() };
    assert_eq!(asked(&world, never).await.1, ["one:200"]);
    let soon = RouterRequest { patience: patience(Duration::from_secs(1)), ..asking() };
    let (_, tried, took) = asked(&world, soon).await;
    assert_eq!((tried.len(), is_about(took, 1)), (2, true), "{took:?}");
    // Without a fallback there is nothing to ask.
    let alone = RouterRequest { patience: patience(Duration::from_secs(1)), ..request("one/m") };
    assert_eq!(asked(&world, alone).await.1, ["one:200"]);
}

#[tokio::test(start_paused = true)]
async fn no_more_than_its_share_is_hedged() {
    let one = ProviderSettings { hedge_after: Some(HEDGE), ..provider("one", &["a"]) };
    let fakes = [after(6, "from one"), after(0, "from two")];
    let world = World::new(vec![one, provider("two", &["x"])], &fakes);
    let mut hedged = 0;
    for _ in 0..40 {
        hedged += usize::from(asked(&world, asking()).await.0 == "from two");
    }
    assert_eq!(hedged, 5, "one at the beginning, and a tenth");
}

#[tokio::test(start_paused = true)]
async fn who_leaves_meanwhile_ends_both() {
    let (one, two) = (Fake::new(|_| Does::Hang), Fake::new(|_| Does::Hang));
    let world = world(&[one.clone(), two.clone()]);
    let left = tokio::time::timeout(Duration::from_secs(6), world.send(asking())).await;
    assert!(left.is_err());
    assert_eq!((one.keys_asked().len(), two.keys_asked().len()), (1, 1));
    assert_eq!((one.running(), two.running()), (0, 0));
    assert_eq!((world.held("one"), world.held("two")), ((0, 0), (0, 0)));
}

#[tokio::test(start_paused = true)]
async fn the_times_of_a_hedge_add_up() {
    let world = world(&[Fake::new(|_| Does::Hang), after(1, "from two")]);
    let timings = world.send(asking()).await.unwrap().head.timings;
    assert_eq!(timings.earlier_us / 1_000_000, 5, "{timings:?}");
    assert!(timings.queue_us < 5_000, "{timings:?}");
}
