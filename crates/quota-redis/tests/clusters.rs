//! Redis over TCP, behind sentinels and as a cluster.

#![cfg(test)]

mod support;

use redis::Value;
use support::{Server, eventually, free_port};
use weir_quota::{Batch, Incarnation, QuotaStore, StoreError, Timing};
use weir_quota_redis::{RedisStore, Settings};
use weir_types::ProviderName;

fn on_port(more: &[&str]) -> (Server, u16) {
    Server::start_on_port(|| more.iter().map(|&word| word.to_owned()).collect())
}

fn store(url: String) -> RedisStore {
    let settings = Settings { url, budget: support::PATIENCE, ..Settings::new("") };
    RedisStore::new(Settings { timing: Timing { grace: false, ..settings.timing }, ..settings })
        .unwrap()
}

#[tokio::test]
async fn a_server_on_a_port() {
    let (_server, port) = on_port(&[]);
    let store = store(format!("redis://127.0.0.1:{port}/2"));
    let reply = store.execute(&"acme".into(), Batch::hello(Incarnation(1))).await;
    assert!(reply.is_ok(), "{reply:?}");
}

/// A node of a cluster, its port, and the port on which nodes speak with each other.
fn node() -> (Server, u16, String) {
    let bus = std::cell::Cell::new(0);
    let (server, port) = Server::start_on_port(|| {
        bus.set(free_port());
        let words = ["--cluster-enabled", "yes", "--cluster-port"].map(str::to_owned);
        words.into_iter().chain([bus.get().to_string()]).collect()
    });
    (server, port, bus.get().to_string())
}

#[tokio::test]
async fn pools_are_found_on_every_node_of_a_cluster() {
    let ((first, port, _), (second, other, bus)) = (node(), node());
    first.say(&["CLUSTER", "ADDSLOTSRANGE", "0", "8191"]).await;
    second.say(&["CLUSTER", "ADDSLOTSRANGE", "8192", "16383"]).await;
    first.say(&["CLUSTER", "MEET", "127.0.0.1", &other.to_string(), &bus]).await;
    for node in [&first, &second] {
        node.await_text(&["CLUSTER", "INFO"], "cluster_slots_ok:16384").await;
        node.await_text(&["CLUSTER", "INFO"], "cluster_state:ok").await;
    }
    let store = store(format!("redis+cluster://127.0.0.1:{port}"));
    for name in ["a", "b", "c", "d", "e", "f"] {
        let pool = ProviderName::from(name);
        let hello = store.execute(&pool, Batch::hello(Incarnation(1))).await;
        let poll =
            Batch { session: hello.unwrap().session, sequence: 1, ..Batch::hello(Incarnation(1)) };
        assert!(store.execute(&pool, poll).await.is_ok(), "{name}");
    }
    for node in [&first, &second] {
        let Value::Int(keys) = node.say(&["DBSIZE"]).await else { panic!() };
        assert!(keys > 0, "a node without pools");
    }
}

/// A new master knows the pool as its replica did: it is found empty and asks for everything.
#[tokio::test]
async fn the_master_is_followed_when_sentinels_name_another() {
    let (master, first) = on_port(&[]);
    let (replica, second) = on_port(&["--replicaof", &format!("127.0.0.1 {first}")]);
    replica.await_text(&["INFO", "replication"], "master_link_status:up").await;
    let (sentinel, asked) = Server::start_sentinel(first);
    sentinel.await_text(&["SENTINEL", "replicas", "main"], &second.to_string()).await;

    let store = store(format!("redis+sentinel://127.0.0.1:{asked}/main"));
    let (pool, router) = (ProviderName::from("acme"), Incarnation(1));
    let session = store.execute(&pool, Batch::hello(router)).await.unwrap().session;
    let mut poll = Batch { session, sequence: 1, ..Batch::hello(router) };
    assert!(store.execute(&pool, poll.clone()).await.is_ok());

    // Refused until the sentinel has heard enough of the replica.
    let fail_over = ["SENTINEL", "FAILOVER", "main"];
    eventually("a failover", async || sentinel.try_say(&fail_over).await.is_ok()).await;
    replica.await_text(&["ROLE"], "master").await;
    master.await_text(&["ROLE"], "slave").await;
    eventually("a stale session", async || {
        poll.sequence += 1;
        store.execute(&pool, poll.clone()).await == Err(StoreError::StaleSession)
    })
    .await;
    // The old master may have said so, while it copies the new one and is empty.
    let again = Batch { heard: session, ..Batch::hello(router) };
    let hello = async || store.execute(&pool, again.clone()).await.is_ok();
    eventually("a hello that is answered", hello).await;
    replica.await_text(&["INFO", "commandstats"], "cmdstat_fcall").await;
}
