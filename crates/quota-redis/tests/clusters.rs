//! Redis over TCP, behind sentinels and as a cluster.

#![cfg(test)]

mod support;

use std::time::Duration;

use redis::Value;
use support::{Server, free_port};
use tokio::time::{sleep, timeout};
use weir_quota::{Batch, Incarnation, QuotaStore, StoreError, Timing};
use weir_quota_redis::{RedisStore, Settings};
use weir_types::ProviderName;

/// Elections and gossip take a while.
const LONG: Duration = Duration::from_secs(60);

fn on_port(port: u16, more: &[&str]) -> Server {
    let port = port.to_string();
    Server::start_with(&[&["--port", &port, "--bind", "127.0.0.1"], more].concat())
}

fn store(url: String) -> RedisStore {
    let settings = Settings { url, budget: support::PATIENCE, ..Settings::new("") };
    RedisStore::new(Settings { timing: Timing { grace: false, ..settings.timing }, ..settings })
        .unwrap()
}

/// Asks again until an answer holds what is wanted. What is awaited is another process's doing.
async fn await_text(server: &Server, words: &[&str], wanted: &str) {
    let asking = async {
        while !format!("{:?}", server.say(words).await).contains(wanted) {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LONG, asking).await.unwrap_or_else(|_| panic!("{words:?} never said {wanted}"));
}

#[tokio::test]
async fn a_server_on_a_port() {
    let port = free_port();
    let _server = on_port(port, &[]);
    let store = store(format!("redis://127.0.0.1:{port}/2"));
    let reply = store.execute(&"acme".into(), Batch::hello(Incarnation(1))).await;
    assert!(reply.is_ok(), "{reply:?}");
}

#[tokio::test]
async fn pools_are_found_on_every_node_of_a_cluster() {
    let ports = [free_port(), free_port()];
    let buses = [free_port().to_string(), free_port().to_string()];
    let nodes = [0, 1].map(|at| {
        let bus = ["--cluster-port", buses[at].as_str()];
        on_port(ports[at], &[&["--cluster-enabled", "yes"], &bus[..]].concat())
    });
    nodes[0].say(&["CLUSTER", "ADDSLOTSRANGE", "0", "8191"]).await;
    nodes[1].say(&["CLUSTER", "ADDSLOTSRANGE", "8192", "16383"]).await;
    let port = ports[1].to_string();
    nodes[0].say(&["CLUSTER", "MEET", "127.0.0.1", &port, &buses[1]]).await;
    for node in &nodes {
        await_text(node, &["CLUSTER", "INFO"], "cluster_state:ok").await;
        await_text(node, &["CLUSTER", "INFO"], "cluster_slots_ok:16384").await;
    }
    let store = store(format!("redis+cluster://127.0.0.1:{}", ports[0]));
    for name in ["a", "b", "c", "d", "e", "f"] {
        let pool = ProviderName::from(name);
        let hello = store.execute(&pool, Batch::hello(Incarnation(1))).await;
        let poll =
            Batch { session: hello.unwrap().session, sequence: 1, ..Batch::hello(Incarnation(1)) };
        assert!(store.execute(&pool, poll).await.is_ok(), "{name}");
    }
    for node in &nodes {
        let Value::Int(keys) = node.say(&["DBSIZE"]).await else { panic!() };
        assert!(keys > 0, "a node without pools");
    }
}

/// A new master knows the pool as its replica did: it is found empty and asks for everything.
#[tokio::test]
async fn the_master_is_followed_when_sentinels_name_another() {
    let (first, second, asked) = (free_port(), free_port(), free_port());
    let master = on_port(first, &[]);
    let replicaof = format!("127.0.0.1 {first}");
    let replica = on_port(second, &["--replicaof", &replicaof]);
    await_text(&replica, &["INFO", "replication"], "master_link_status:up").await;
    let sentinel = Server::start_sentinel(asked, first);
    await_text(&sentinel, &["SENTINEL", "replicas", "main"], &second.to_string()).await;

    let store = store(format!("redis+sentinel://127.0.0.1:{asked}/main"));
    let (pool, router) = (ProviderName::from("acme"), Incarnation(1));
    let session = store.execute(&pool, Batch::hello(router)).await.unwrap().session;
    let mut poll = Batch { session, sequence: 1, ..Batch::hello(router) };
    assert!(store.execute(&pool, poll.clone()).await.is_ok());

    let failing_over = async {
        // Refused until the sentinel has heard enough of the replica.
        while sentinel.try_say(&["SENTINEL", "FAILOVER", "main"]).await.is_err() {
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(LONG, failing_over).await.unwrap();
    await_text(&replica, &["ROLE"], "master").await;
    await_text(&master, &["ROLE"], "slave").await;
    let following = async {
        loop {
            poll.sequence += 1;
            match store.execute(&pool, poll.clone()).await {
                Err(StoreError::StaleSession) => break,
                other => drop(other),
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LONG, following).await.unwrap();
    assert!(store.execute(&pool, Batch::hello(router)).await.is_ok());
    await_text(&replica, &["INFO", "commandstats"], "cmdstat_evalsha").await;
}
