//! What is said of a model is what the next request meets, and saying it changes nothing.

use weir_quota::QuotaStore;
use weir_rpc::{ExplainRequest, ExplainedKey, ExplainedProvider, Explanation};

use super::*;

async fn explain(world: &World, model: &str, key: &str) -> Explanation {
    let request = ExplainRequest { model: model.into(), provider: String::new(), key: key.into() };
    world.router.explain(request).await.unwrap()
}

fn states(provider: &ExplainedProvider) -> Vec<(&str, &str)> {
    provider.keys.iter().map(|key| (&*key.key, &*key.state)).collect()
}

fn weighted(name: &str, weights: &[(&str, f64)]) -> ProviderSettings {
    let names: Vec<&str> = weights.iter().map(|(name, _)| *name).collect();
    let mut made = provider(name, &names);
    for (key, (_, weight)) in made.keys.iter_mut().zip(weights) {
        key.weight = *weight;
    }
    made
}

#[tokio::test(start_paused = true)]
async fn a_thousand_explanations_move_nothing_and_the_next_choice_is_the_one_they_name() {
    for leeway in [0, 2] {
        let one = weighted("one", &[("a", 3.0), ("b", 2.0), ("c", 1.0)]);
        let one = ProviderSettings { leeway, ..one };
        let two = weighted("two", &[("d", 4.0)]);
        let fakes = [Fake::answering("ok"), Fake::answering("ok")];
        let world = World::new(vec![one, two], &fakes);
        read(world.call("one/m").await.unwrap()).await;
        for _ in 0..12 {
            let before = world.store.snapshot(&"one".into());
            let first = explain(&world, "m", "").await;
            for _ in 0..1000 {
                assert_eq!(explain(&world, "m", "").await, first);
            }
            assert_eq!(world.store.snapshot(&"one".into()), before);
            let reply = world.call("m").await.unwrap();
            let provider = first.next_provider.unwrap();
            assert_eq!(*reply.head.provider, *provider);
            let mut said = first.providers.iter().filter(|one| one.provider == provider);
            // Nobody has spoken to a pool before its first request.
            if let Some(next) = &said.next().unwrap().next_key {
                assert_eq!(*reply.head.key, **next);
            }
            read(reply).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn each_key_has_the_first_thing_in_its_way_by_name() {
    let fake = Fake::new(|request| match &*request.key {
        "rests" => Does::Fail(Duration::ZERO, failure(429, FailureClass::RateLimited, Some(30))),
        _ => Does::answer("ok"),
    });
    fake.describe_only(&["rests", "well", "off", "denied", "listed"]);
    let names = ["rests", "well", "off", "denied", "listed", "missing"];
    let mut settings = provider("one", &names);
    settings.keys[2].enabled = false;
    settings.keys[3].rules.blacklisted_models = ModelList::Names(vec!["m".into()]);
    settings.keys[4].rules.models = ModelList::Names(vec!["other".into()]);
    settings.keys[1].rules.aliases = vec![("m".into(), "wire-m".into())];
    let world = World::new(vec![settings], &[fake]);
    // What a worker does not name is hoped for that long.
    tokio::time::sleep(crate::usable::SETTLES_AFTER + Duration::from_secs(1)).await;
    for _ in 0..2 {
        read(world.call("one/m").await.unwrap()).await;
    }
    let said = explain(&world, "one/m", "").await;
    let [one] = &said.providers[..] else { panic!("{said:?}") };
    let expected = [
        ("rests", "resting"),
        ("well", "eligible"),
        ("off", "disabled"),
        ("denied", "model_blacklisted"),
        ("listed", "model_not_listed"),
        ("missing", "unusable"),
    ];
    assert_eq!(states(one), expected);
    let ExplainedKey { rests_for_ms, failure, failure_status, failure_message, .. } = &one.keys[0];
    assert!(rests_for_ms.is_some_and(|ms| (29_000..=30_000).contains(&ms)), "{one:?}");
    assert_eq!((failure.as_deref(), *failure_status), (Some("rate_limited"), Some(429)));
    assert_eq!(failure_message.as_deref(), Some("the provider said no"));
    assert_eq!(one.keys[1].alias_of.as_deref(), Some("wire-m"));
    assert_eq!(one.next_key.as_deref(), Some("well"));
    // A pin leaves one.
    let pinned = explain(&world, "one/m", "rests").await;
    assert_eq!(states(&pinned.providers[0])[..2], [("rests", "resting"), ("well", "not_pinned")]);
    assert_eq!(pinned.providers[0].next_key, None);
    tokio::time::advance(Duration::from_secs(31)).await;
    let over = explain(&world, "one/m", "").await;
    assert_eq!(states(&over.providers[0])[0], ("rests", "eligible"));
}

#[tokio::test(start_paused = true)]
async fn a_pool_shows_what_is_under_way_and_what_waits_for_what() {
    let settings = ProviderSettings { concurrency: 1, buffer: 3, ..provider("one", &["a", "b"]) };
    let world = World::new(vec![settings], &[Fake::new(|_| Does::Stall)]);
    let held = world.call("one/m").await.unwrap();
    let mut waiting: Vec<_> = ["m", "m", "n"]
        .into_iter()
        .map(|model| Box::pin(world.send(request(&format!("one/{model}")))))
        .collect();
    assert!(waiting.iter_mut().all(|call| call.now_or_never().is_none()));
    let said = explain(&world, "one/m", "").await;
    let pool = said.providers[0].pool.as_ref().unwrap();
    let numbers = [pool.in_flight, pool.concurrency, pool.waiting, pool.buffer_size];
    assert_eq!((numbers, &*pool.mode, &*pool.seen), ([1, 1, 3, 3], "exact", "pool"));
    let by_class = pool.waiting_by_class.iter();
    let by_class: Vec<_> = by_class.map(|class| (&*class.model, class.waiting)).collect();
    assert_eq!(by_class, [("m", 2), ("n", 1)]);
    let slots = said.providers[0].keys.iter().map(|key| key.in_flight.unwrap());
    assert_eq!(slots.sum::<u32>(), 1);
    drop((waiting, held));
}

/// Until the router has spoken to the pool it has seen no limits in force there.
#[tokio::test(start_paused = true)]
async fn since_when_limits_are_in_force_is_what_this_router_has_seen() {
    let world = World::new(vec![provider("one", &["a"])], &[Fake::answering("ok")]);
    let obeyed = async || {
        let said = explain(&world, "one/m", "").await;
        said.providers[0].pool.as_ref().unwrap().limits_obeyed_for_ms
    };
    assert_eq!(obeyed().await, None);
    read(world.call("one/m").await.unwrap()).await;
    assert_eq!(obeyed().await, Some(0));
    tokio::time::advance(Duration::from_secs(5)).await;
    read(world.call("one/m").await.unwrap()).await;
    assert_eq!(obeyed().await, Some(5_000));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_named_with_what_is() {
    let world = World::new(vec![provider("one", &["a"])], &[Fake::answering("ok")]);
    for (model, provider, key, says) in [
        ("", "", "", "model"),
        ("m", "won", "", "`one`"),
        ("one/m", "", "b", "`a`"),
        ("m", "", "b", "`a`"),
    ] {
        let request =
            ExplainRequest { model: model.into(), provider: provider.into(), key: key.into() };
        let fault = world.router.explain(request).await.unwrap_err();
        assert!(fault.detail.message.contains(says), "{fault}");
    }
    // A name with a prefix that is nobody's goes to keys that name it only, and that is said.
    let said = explain(&world, "nowhere/m", "").await;
    assert_eq!(states(&said.providers[0]), [("a", "model_not_named")]);
    assert_eq!(said.next_provider, None);
    let unseen = world.store.look(&"two".into(), &"m".into()).await.unwrap();
    assert_eq!(unseen, None);
}
