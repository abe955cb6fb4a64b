//! Another configuration while requests are under way.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;

use weir_rpc::{Description, UsableKey};

use super::*;
use crate::settings::{ClientKeySettings, ClientKeys, ProviderAccess};

/// Nothing wakes before this.
async fn soon() {
    tokio::time::sleep(Duration::from_millis(5)).await;
}

fn limited(name: &str, keys: &[&str], concurrency: u32, buffer: u32) -> ProviderSettings {
    ProviderSettings { concurrency, buffer, ..provider(name, keys) }
}

impl World {
    fn reload(&self, providers: Vec<ProviderSettings>) {
        self.shared.reload(Settings { providers, ..Settings::default() }, &[]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_runs_keeps_its_slot_and_what_comes_obeys_the_new_limit() {
    let stall = Fake::new(|_| Does::Stall);
    let world = World::new(vec![limited("one", &["a"], 3, 9)], std::slice::from_ref(&stall));
    let mut running = Vec::new();
    for _ in 0..3 {
        running.push(world.call("one/m").await.unwrap());
    }
    world.reload(vec![limited("one", &["a"], 2, 2)]);
    let mut waiting = Box::pin(world.call("one/m"));
    assert!((&mut waiting).now_or_never().is_none());
    assert_eq!((world.held("one"), stall.running()), ((3, 1), 3));
    let refused = world.call("one/m").await.unwrap_err();
    assert_eq!(refused.code, FaultCode::RequestDropped);
    running.pop();
    assert!((&mut waiting).now_or_never().is_none(), "as many run as may");
    running.pop();
    running.push((&mut waiting).now_or_never().unwrap().unwrap());
    // Growth is handed out at once.
    let mut waiting = Box::pin(world.call("one/m"));
    assert!((&mut waiting).now_or_never().is_none());
    world.reload(vec![limited("one", &["a"], 3, 9)]);
    running.push((&mut waiting).now_or_never().unwrap().unwrap());
    assert_eq!((world.held("one"), stall.running.most.load(SeqCst)), ((3, 0), 3));
    assert!(world.shared.skewed().is_empty());
}

#[tokio::test(start_paused = true)]
async fn weights_and_keys_are_those_of_the_new_configuration() {
    let fake = Fake::answering("fine");
    let world = World::new(vec![provider("one", &["a", "b"])], std::slice::from_ref(&fake));
    fake.describe_only(&["a", "b"]);
    soon().await;
    let mut changed = provider("one", &["b", "c"]);
    changed.keys[1].weight = 3.0;
    world.reload(vec![changed.clone()]);
    let ask = async |world: &World, count: usize| {
        fake.asked.lock().unwrap().clear();
        for _ in 0..count {
            assert_eq!(read(world.call("one/m").await.unwrap()).await, "fine");
        }
        let asked = fake.keys_asked();
        ["a", "b", "c"].map(|key| asked.iter().filter(|asked| *asked == key).count())
    };
    // The worker has not said a word of `c` yet.
    assert_eq!(ask(&world, 8).await, [0, 2, 6]);
    // It never does.
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(ask(&world, 4).await, [0, 4, 0]);
    let keys =
        ["b", "c"].map(|name| UsableKey { name: name.into(), places: Arc::default() }).to_vec();
    let said =
        Description { provider: "one".into(), keys, unusable: Vec::new(), checked: Vec::new() };
    let settings = Settings { providers: vec![changed], ..Settings::default() };
    world.shared.reload(settings, &[said]);
    assert_eq!(ask(&world, 4).await, [0, 1, 3]);
}

#[tokio::test(start_paused = true)]
async fn providers_come_and_go_and_what_runs_there_goes_on() {
    let (one, two) = (Fake::new(|_| Does::Stall), Fake::answering("two"));
    let (fakes, names) = ([one.clone(), two.clone()], ["one", "two"]);
    let world = World::new(vec![provider("one", &["a"])], &[]);
    let workers = crate::Workers::made_by(move |name| {
        let at = names.iter().position(|known| **name == **known)?;
        Some(fakes[at].clone() as Arc<dyn WorkerService>)
    });
    let router = Router::new(world.shared.clone(), workers.clone());
    let follows = tokio::spawn(world.shared.clone().follow(workers));
    let call = async |model: &str| {
        let body = Body::Full(Bytes::from_static(b"{}"));
        router.call(context(Duration::from_secs(600)), request(model), body).await
    };
    let mut running = call("one/m").await.unwrap();
    assert_eq!(call("two/m").await.unwrap_err().code, FaultCode::UnknownModel);
    world.reload(vec![provider("two", &["a"])]);
    assert_eq!(read(call("two/m").await.unwrap()).await, "two");
    assert_eq!(call("one/m").await.unwrap_err().code, FaultCode::UnknownModel);
    assert!(matches!(running.frames.next().await, Some(Frame::Chunk(_))));
    // Its lease is kept for as long as it runs, and no longer.
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(world.held("one"), (1, 0));
    assert_eq!(world.shared.lock_pools().len(), 2);
    drop(running);
    assert_eq!(world.held("one"), (0, 0));
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(world.shared.lock_pools().len(), 1);
    let known = world.store.snapshot(&"one".into()).map_or(0, |pool| pool.routers.len());
    assert_eq!(known, 0, "the pool was told");
    // It is back, goes and is back again.
    world.reload(vec![provider("one", &["a"]), provider("two", &["a"])]);
    drop(call("one/m").await.unwrap());
    world.reload(vec![provider("two", &["a"])]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.shared.lock_pools().len(), 1);
    world.reload(vec![provider("one", &["a"]), provider("two", &["a"])]);
    let _running = call("one/m").await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(world.held("one"), (1, 0));
    follows.abort();
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_grows_rings_for_another_router() {
    let world = World::new(vec![limited("one", &["a"], 1, 9)], &[Fake::new(|_| Does::Stall)]);
    let settings =
        Settings { providers: vec![limited("one", &["a"], 1, 9)], ..Settings::default() };
    let other = Shared::new(settings, world.store.clone(), Telemetry::default());
    let fakes = HashMap::from([("one".into(), Fake::answering("two") as Arc<dyn WorkerService>)]);
    let keeps = tokio::spawn(other.clone().run(fakes.clone()));
    let router = Router::new(other, fakes);
    let _running = world.call("one/m").await.unwrap();
    let waiting = tokio::spawn(async move {
        let body = Body::Full(Bytes::from_static(b"{}"));
        router.call(context(Duration::from_secs(600)), request("one/m"), body).await
    });
    soon().await;
    assert_eq!(world.held("one"), (1, 1));
    let grown = crate::clock::now();
    world.reload(vec![limited("one", &["a"], 2, 9)]);
    assert_eq!(read(waiting.await.unwrap().unwrap()).await, "two");
    assert!(crate::clock::now() - grown < Duration::from_millis(100));
    keeps.abort();
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_key_that_goes_is_served_by_what_is_in_force() {
    let fake = Fake::answering("fine");
    let world = World::new(vec![limited("one", &["a"], 1, 9)], std::slice::from_ref(&fake));
    let running = world.call("one/m").await.unwrap();
    let mut waiting = Box::pin(world.call("one/m"));
    assert!((&mut waiting).now_or_never().is_none());
    world.reload(vec![limited("one", &["b"], 1, 9)]);
    drop(running);
    assert_eq!(read(waiting.await.unwrap()).await, "fine");
    assert_eq!(fake.keys_asked(), ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn what_others_have_read_already_is_read_before_it_is_refused() {
    let world = World::new(vec![provider("one", &["a"])], &[Fake::answering("fine")]);
    let mut with_key = request("one/m");
    with_key.client_key = Some("new".into());
    let looks = Arc::new(AtomicUsize::new(0));
    let (shared, looked) = (Arc::downgrade(&world.shared), looks.clone());
    world.shared.look_again_by(Arc::new(move || {
        let open = ProviderAccess {
            provider: "*".to_owned(),
            weight: None,
            allowed_models: ModelList::All,
            blacklisted_models: ModelList::None,
            keys: ModelList::All,
        };
        let key = ClientKeySettings { name: "new".into(), providers: vec![Arc::new(open)] };
        let client_keys = ClientKeys { keys: vec![Arc::new(key)], are_required: false };
        let providers = vec![provider("one", &["a"])];
        // The first time the file is still the same.
        if looked.fetch_add(1, SeqCst) > 0 {
            let settings = Settings { providers, client_keys, ..Settings::default() };
            shared.upgrade().unwrap().reload(settings, &[]);
        }
        Box::pin(std::future::ready(()))
    }));
    let fault = world.send(with_key.clone()).await.unwrap_err();
    assert_eq!((fault.code, looks.load(SeqCst)), (FaultCode::Forbidden, 1));
    assert_eq!(read(world.send(with_key).await.unwrap()).await, "fine");
    assert_eq!(looks.load(SeqCst), 2);
}
