//! Settings that change while calls are made.

use std::time::Duration;

use futures_util::FutureExt;
use weir_types::FailureClass;

use super::fake::json;
use super::*;
use crate::Live;

fn answers(count: usize) -> Vec<Vec<Act>> {
    (0..count).map(|_| vec![Act::Send(json(200, "", "{}"))]).collect()
}

/// The key that each request showed.
fn keys(fake: &Fake) -> Vec<String> {
    let key = |request: &String| {
        let line = request.lines().find_map(|line| line.strip_prefix("authorization: Bearer "));
        line.unwrap_or_default().to_owned()
    };
    fake.requests().iter().map(key).collect()
}

#[tokio::test]
async fn calls_are_made_by_the_settings_in_force_over_the_connections_that_there_are() {
    let fake = Fake::start(answers(4)).await;
    let before = settings("openai", &fake.url);
    let live = Live::of(shared(before.clone()));
    let worker = crate::Worker::following(live.clone());
    chat(&worker, false).await.unwrap();
    let mut said = weir_rpc::WorkerService::describe(&worker, false);
    let first = futures_util::StreamExt::next(&mut said).await.unwrap();
    assert_eq!(first.keys.len(), 1);
    // The same settings are no reason to make anything anew.
    let present = live.present();
    assert!(std::sync::Arc::ptr_eq(&present, &present.renewed(before.clone())));
    let mut after = before.clone();
    after.keys[0].credential =
        crate::Credential::Secret(weir_types::Secret::new("sk-another-value".to_owned()));
    after.keys.push(key("more"));
    live.replace(present.renewed(after));
    let next = futures_util::StreamExt::next(&mut said).now_or_never().flatten().unwrap();
    assert_eq!(next.keys.len(), 2);
    chat(&worker, false).await.unwrap();
    assert_eq!(keys(&fake), [SECRET, "sk-another-value"]);
    assert_eq!(fake.connections(), 1);
    // Another way to the provider has connections of its own.
    let mut other = before.clone();
    other.upstream.pool_idle_timeout = Duration::from_secs(99);
    live.replace(live.present().renewed(other));
    chat(&worker, false).await.unwrap();
    assert_eq!((fake.connections(), keys(&fake)[2].as_str()), (2, SECRET));
}

#[tokio::test]
async fn a_key_that_is_gone_serves_the_calls_of_routers_that_have_not_heard_of_it() {
    let fake = Fake::start(answers(2)).await;
    let before = settings("openai", &fake.url);
    let live = Live::of(shared(before.clone()));
    let worker = crate::Worker::following(live.clone());
    let mut after = before;
    after.keys = vec![key("other")];
    live.replace(live.present().renewed(after));
    chat(&worker, false).await.unwrap();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(11)).await;
    tokio::time::resume();
    let fault = chat(&worker, false).await.unwrap_err();
    assert_eq!(fault.detail.class, Some(FailureClass::Credential), "{fault}");
}
