//! Servers that stop, die, forget and move: what a store says then, and that it finds back.

#![cfg(test)]

mod support;

use std::process::Command as Program;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use redis::Value;
use support::router::{NO_GRACE, Router, is_granted, store};
use support::{Server, eventually};
use weir_quota::conformance::{class, limits};
use weir_quota::{
    Acquire, Answer, Batch, Command, Event, Health, Incarnation, Limits, Outcome, QuotaStore,
    Scope, StoreError, Timing,
};
use weir_quota_redis::{RedisStore, Settings};
use weir_types::ProviderName;

fn signal(server: &Server, name: &str) {
    let pid = server.pid().to_string();
    assert!(Program::new("kill").args([name, &pid]).status().unwrap().success());
}

#[tokio::test]
async fn pool_time_is_the_servers() {
    let server = Server::start();
    let reply = Router::hello(&store(&server, NO_GRACE), 1).await.send(vec![]).await.unwrap();
    let Value::Array(time) = server.say(&["TIME"]).await else { panic!() };
    let seconds: u64 = redis::from_redis_value(time[0].clone()).unwrap();
    assert!(reply.now / 1_000_000 <= seconds && reply.now / 1_000_000 + 60 > seconds);
}

/// The budget bounds every call, and what ran late is not counted twice.
#[tokio::test]
async fn a_stopped_server_costs_no_more_than_the_budget() {
    let server = Server::start();
    let budget = Duration::from_millis(200);
    let settings = Settings { budget, ..server.settings("weir", NO_GRACE) };
    let mut router = Router::ready(&store(&server, NO_GRACE), 1).await;
    router.store = RedisStore::new(settings).unwrap();
    let answered = async |router: &mut Router| router.send(vec![]).await.is_ok();
    eventually("a connection", async || answered(&mut router).await).await;
    signal(&server, "-STOP");
    for _ in 0..2 {
        let begun = Instant::now();
        let found = router.acquire().await;
        assert!(matches!(found, Err(StoreError::Unanswered(_))), "{found:?}");
        assert!(begun.elapsed() < budget + Duration::from_secs(1), "{:?}", begun.elapsed());
    }
    signal(&server, "-CONT");
    eventually("an answer", async || answered(&mut router).await).await;
    router.store = store(&server, NO_GRACE);
    let status = router.send(vec![]).await.unwrap().status;
    assert!(status.leases <= 1 && status.leases + status.tickets <= 2, "{status:?}");
}

/// A process that was not given the CPU for longer than the budget blames nobody else for it.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a process without the CPU is what is tested")]
async fn an_answer_that_waited_for_us_counts() {
    let server = Server::start();
    let budget = Duration::from_millis(100);
    let settings = Settings { budget, ..server.settings("weir", NO_GRACE) };
    let mut router = Router::ready(&store(&server, NO_GRACE), 1).await;
    router.store = RedisStore::new(settings).unwrap();
    let answered = async |router: &mut Router| router.send(vec![]).await.is_ok();
    eventually("a connection", async || answered(&mut router).await).await;
    let starve = async {
        // The batch is on its way by then.
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        std::thread::sleep(4 * budget);
    };
    let (found, ()) = tokio::join!(router.acquire(), starve);
    assert!(is_granted(&found.unwrap()));
}

#[tokio::test]
async fn an_address_where_nobody_listens_is_unanswered() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("redis+unix://{}", folder.path().join("none").display());
    let store = RedisStore::new(Settings::new(&url)).unwrap();
    let found = store.execute(&"acme".into(), Batch::hello(Incarnation(1))).await;
    assert!(matches!(found, Err(StoreError::Unanswered(_))), "{found:?}");
}

#[tokio::test]
async fn flushed_pools_are_found_empty() {
    let server = Server::start();
    let mut router = Router::ready(&store(&server, Timing::default()), 1).await;
    server.say(&["FLUSHALL"]).await;
    assert_eq!(router.acquire().await, Err(StoreError::StaleSession));
    let reply = router.greet().await.unwrap();
    assert!(reply.restate && reply.status.limits_hash == 0, "{reply:?}");
}

/// Nobody can hold anything of a pool that a server never had, once all who live have had the time to
/// say so: it is begun without a grace. Where that is not known, the grace is whole.
#[tokio::test]
async fn only_a_pool_that_may_have_been_there_has_a_grace() {
    let server = Server::start();
    let timing = Timing { lease_ttl: 400_000, claim_limit: 400_000, ..Timing::default() };
    let router = Router::hello(&store(&server, Timing::default()), 1).await;
    let young = router.grace_of("young", false).await.unwrap();
    assert!(young <= 3_500_000, "longer than from the server's start: {young}");
    let quick = Router::hello(&store(&server, timing), 1).await;
    let up = async || {
        let info = format!("{:?}", server.say(&["INFO", "server"]).await);
        !["uptime_in_seconds:0", "uptime_in_seconds:1"].iter().any(|up| info.contains(up))
    };
    eventually("two seconds of the server", up).await;
    assert_eq!(quick.grace_of("new", false).await, None);
    assert_eq!(quick.grace_of("new", true).await, None, "it is there by now");
    assert_eq!(quick.grace_of("known", true).await, Some(600_000));
    server.say(&["SET", "weir:v2:{left over}:ends", "x"]).await;
    assert_eq!(quick.grace_of("left over", false).await, Some(600_000));
    server.say(&["HSET", "weir:v2:{new}:rows", "core", "garbage"]).await;
    let hello = Batch::hello(Incarnation(1));
    let found = quick.store.execute(&"new".into(), hello).await;
    assert!(matches!(found, Err(StoreError::Corrupt(_))), "{found:?}");
    assert_eq!(quick.grace_of("new", false).await, Some(600_000));
    server.say(&["CONFIG", "RESETSTAT"]).await;
    assert_eq!(quick.grace_of("uncounted", false).await, Some(600_000));
    server.say(&["FLUSHDB"]).await;
    assert_eq!(quick.grace_of("emptied", false).await, Some(600_000));
}

/// What an eviction leaves over is not believed.
#[tokio::test]
async fn a_pool_without_its_rows_is_found_empty() {
    let server = Server::start();
    let mut router = Router::ready(&store(&server, NO_GRACE), 1).await;
    assert!(is_granted(&router.acquire().await.unwrap()));
    server.say(&["DEL", "weir:v2:{acme}:rows"]).await;
    assert_eq!(router.send(vec![]).await, Err(StoreError::StaleSession));
    router.greet().await.unwrap();
    assert_eq!(server.say(&["EXISTS", "weir:v2:{acme}:ends"]).await, Value::Int(0));
    router.set_limits().await;
    assert!(is_granted(&router.acquire().await.unwrap()));
}

/// Whoever waits in a part that was lost is not left waiting: the pool has it said again.
#[tokio::test]
async fn a_line_shorter_than_its_count_is_said_again() {
    let timing = Timing { grace: false, ..Timing::default() };
    let replaced = |generation| {
        let limits = limits(1, 8, &[("k", 1.0), ("l", 1.0)]);
        let limits = Limits { generation, ..limits };
        Command::SetLimits { limits, replaces: (generation > 1).then(|| generation - 1) }
    };
    for part in ["order", "resting", "delayed"] {
        let server = Server::start();
        let mut router = Router::hello(&store(&server, timing), 1).await;
        let running = router.ask();
        let lease = running.ticket;
        let in_line = router.ask();
        let delayed = Acquire { delay: 9_000_000, ..router.ask() };
        let resting = Acquire { class: class(&["l"]), wait_for_cooldown: true, ..router.ask() };
        let (scope, missing, note) = (Scope::Key("l".into()), false, "".into());
        let (retry_after, base, max) = (Some(9_000_000), 1, 9_000_000);
        let cool = Health::Cool { scope, retry_after, base, max, missing, note };
        let outcome = Outcome { health: vec![cool] };
        let asks = [running, in_line, delayed].map(Command::Acquire);
        let commands = vec![Command::Answered { lease, outcome }, Command::Acquire(resting)];
        router.send([&[replaced(1)][..], &asks, &commands].concat()).await.unwrap();
        let key = format!("weir:v2:{{acme}}:{part}");
        assert_eq!(server.say(&["DEL", &key]).await, Value::Int(1), "{part}");
        let found = router.send(vec![Command::Leave(lease), replaced(2)]).await;
        assert!(matches!(found, Err(StoreError::Corrupt(_))), "{part}: {found:?}");
    }
}

/// What somebody else has written over a pool is not believed, and not in the way for ever.
#[tokio::test]
async fn what_is_no_pool_is_thrown_away() {
    const ROWS: &str = "weir:v2:{acme}:rows";
    let server = Server::start();
    let negative = |places: usize| [(-5_f64).to_le_bytes().repeat(places), vec![0; 400]].concat();
    let mut kinds: Vec<(String, Vec<Vec<Vec<u8>>>)> = Vec::new();
    let words = |words: &[&[u8]]| words.iter().map(|word| word.to_vec()).collect::<Vec<_>>();
    let mut kind =
        |name: &str, commands: &[Vec<Vec<u8>>]| kinds.push((name.to_owned(), commands.to_vec()));
    let set = |field: &[u8], value: &[u8]| words(&[b"HSET", ROWS.as_bytes(), field, value]);
    let unset = |field: &[u8]| words(&[b"HDEL", ROWS.as_bytes(), field]);
    let delete = words(&[b"DEL", ROWS.as_bytes()]);
    kind("text", &[delete.clone(), words(&[b"SET", ROWS.as_bytes(), b"garbage"])]);
    kind("list", &[delete.clone(), words(&[b"RPUSH", ROWS.as_bytes(), b"x"])]);
    kind("no core", &[set(b"core", b"garbage")]);
    kind("empty core", &[set(b"core", b"")]);
    kind("negative counts", &[set(b"core", &negative(17))]);
    kind("not numbers", &[set(b"core", &[0xff; 600])]);
    kind("other limits", &[set(b"limits", b"garbage")]);
    kind("limits of numbers", &[set(b"limits", b"\x01")]);
    kind("half a router", &[set(b"routers", b"garbage")]);
    kind("missing core", &[unset(b"core")]);
    kind("missing limits", &[unset(b"limits")]);
    kind("missing routers", &[unset(b"routers")]);
    let ends = b"weir:v2:{acme}:ends";
    kind("ends of no kind", &[words(&[b"DEL", ends]), words(&[b"SET", ends, b"x"])]);
    for (name, commands) in kinds {
        server.say(&["FLUSHALL"]).await;
        let mut router = Router::ready(&store(&server, NO_GRACE), 1).await;
        assert!(is_granted(&router.acquire().await.unwrap()));
        for command in &commands {
            server.say_bytes(command).await;
        }
        // As routers do: again, with a hello where the session is not known.
        let mut was_thrown_away = false;
        let mut turns = 0;
        loop {
            turns += 1;
            assert!(turns < 9, "{name}: nobody is served any more");
            match router.acquire().await {
                Ok(Answer::LimitsInForce(_)) => router.set_limits().await,
                Ok(answer) => {
                    // What is missing only is no reason to forget the rest.
                    assert!(is_granted(&answer) == was_thrown_away || name.starts_with("missing"));
                    break;
                }
                Err(StoreError::Corrupt(why)) => {
                    assert!(!why.is_empty());
                    was_thrown_away = true;
                    // The next hello may be the first that meets another part of it.
                    let _again = router.greet().await;
                }
                Err(StoreError::StaleSession) => _ = router.greet().await,
                Err(other) => panic!("{name}: {other}"),
            }
        }
        assert_eq!(was_thrown_away, !name.starts_with("missing"), "{name}");
    }
}

/// While a pool is built again, nobody gets what somebody else still holds.
#[tokio::test]
async fn nothing_is_granted_while_a_pool_is_built_again() {
    let server = Server::start();
    let timing = Timing { lease_ttl: 1_000_000, claim_limit: 500_000, grace: true, ..NO_GRACE };
    let store = store(&server, timing);
    let mut holder = Router::hello(&store, 1).await;
    let in_force = async |router: &mut Router| !router.send(vec![]).await.unwrap().restate;
    eventually("the first grace is over", async || in_force(&mut holder).await).await;
    holder.set_limits().await;
    assert!(is_granted(&holder.acquire().await.unwrap()));
    server.say(&["HSET", "weir:v2:{acme}:rows", "core", "garbage"]).await;
    let mut other = holder.beside(2);
    let found = other.greet().await;
    assert!(matches!(found, Err(StoreError::Corrupt(_))), "{found:?}");
    assert!(other.greet().await.unwrap().restate);
    other.set_limits().await;
    assert!(!is_granted(&other.acquire().await.unwrap()), "in the grace");
    assert_eq!(holder.send(vec![]).await, Err(StoreError::StaleSession));
    assert!(holder.greet().await.unwrap().restate);
    holder.restate_first().await;
    eventually("the grace is over", async || {
        let reply = holder.renew_first().await;
        assert!(reply.status.leases <= 1, "{:?}", reply.status);
        other.send(vec![]).await.unwrap();
        !reply.restate
    })
    .await;
    // It waits, or is refused: the one slot is in use.
    assert!(!is_granted(&other.acquire().await.unwrap()));
    assert_eq!(other.send(vec![]).await.unwrap().status.leases, 1);
}

/// A server that comes back with what it had saved is another server: leases may have changed since.
#[tokio::test]
async fn a_restarted_server_is_found_empty_whatever_it_saved() {
    let mut server = Server::start();
    let store = store(&server, Timing { grace: true, ..NO_GRACE });
    let mut router = Router::ready(&store, 1).await;
    server.say(&["SAVE"]).await;
    server.restart(&[]);
    let Value::Int(keys) = server.say(&["DBSIZE"]).await else { panic!() };
    assert!(keys > 0, "the server saved nothing");
    let mut found = None;
    eventually("an answer", async || {
        let answer = router.send(vec![]).await;
        let is_answer = !matches!(answer, Err(StoreError::Unanswered(_)));
        found = Some(answer);
        is_answer
    })
    .await;
    assert_eq!(found, Some(Err(StoreError::StaleSession)));
    let reply = router.greet().await.unwrap();
    assert!(reply.restate && reply.status.limits_hash == 0, "{reply:?}");
}

/// A hand-off to another process arrives without a poll.
#[tokio::test]
async fn the_bell_rings_in_the_other_process_only() {
    let server = Server::start();
    let stores = [store(&server, NO_GRACE), store(&server, NO_GRACE)];
    let (rung, mut heard) = tokio::sync::mpsc::channel(8);
    let own = Arc::new(Mutex::new(0));
    let count = Arc::clone(&own);
    stores[0].on_bell(Arc::new(move |_| *count.lock().unwrap() += 1));
    stores[1].on_bell(Arc::new(move |pool: &ProviderName| {
        rung.try_send(pool.clone()).unwrap();
    }));
    let listeners: Vec<_> = stores.iter().map(|store| tokio::spawn(store.run())).collect();
    let both = Value::Array(vec![Value::BulkString(b"weir:v2:bell".to_vec()), Value::Int(2)]);
    let subscribed = ["PUBSUB", "NUMSUB", "weir:v2:bell"];
    eventually("two listeners", async || server.try_say(&subscribed).await == Ok(both.clone()))
        .await;
    let mut first = Router::ready(&stores[0], 1).await;
    let mut second = Router::hello(&stores[1], 2).await;
    assert!(is_granted(&first.acquire().await.unwrap()));
    assert!(matches!(second.acquire().await.unwrap(), Answer::Queued { .. }));
    first.settle_first().await.unwrap();
    assert_eq!(heard.recv().await.unwrap(), first.pool);
    let reply = second.send(vec![]).await.unwrap();
    assert!(matches!(reply.events[..], [Event::HandedOff { .. }]), "{reply:?}");
    assert_eq!(*own.lock().unwrap(), 0);
    listeners.iter().for_each(tokio::task::JoinHandle::abort);
}

/// A connection on which nothing comes any more is no bell: routers are told while tickets wait.
#[tokio::test]
async fn a_bell_that_cannot_be_heard_is_known_not_to_be() {
    let server = Server::start();
    let store = RedisStore::new(Settings::new(&server.url())).unwrap();
    assert!(!store.hears_bell(), "nobody listens");
    let listener = tokio::spawn(store.run());
    eventually("a bell", async || store.hears_bell()).await;
    signal(&server, "-STOP");
    let stopped = Instant::now();
    eventually("no bell", async || !store.hears_bell()).await;
    // A second of silence, and the time for an answer.
    assert!(stopped.elapsed() < Duration::from_secs(3), "{:?}", stopped.elapsed());
    signal(&server, "-CONT");
    eventually("a bell again", async || store.hears_bell()).await;
    listener.abort();
}

/// A future may be polled once outside of a runtime, and finished inside.
#[test]
fn a_first_poll_needs_no_runtime() {
    let server = Server::start();
    let store = store(&server, NO_GRACE);
    let mut running = store.execute(&"acme".into(), Batch::hello(Incarnation(1)));
    let polled = running.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(polled, Poll::Pending));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    assert!(runtime.block_on(running).is_ok());
}

#[tokio::test]
async fn a_password_is_used_and_never_shown() {
    let server = Server::start_with(&["--requirepass", "hush-hush"]);
    let url = format!("{}?pass=hush-hush", server.url());
    let settings = Settings { url, ..server.settings("weir", NO_GRACE) };
    let with = RedisStore::new(settings).unwrap();
    Router::hello(&with, 1).await;
    let without = store(&server, NO_GRACE);
    let found = without.execute(&"acme".into(), Batch::hello(Incarnation(2))).await;
    assert!(matches!(found, Err(StoreError::Unanswered(_))), "{found:?}");
    assert!(!format!("{with:?} {found:?}").contains("hush"), "{with:?} {found:?}");
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let prefix = Settings { prefix: "a{b".to_owned(), ..Settings::new("redis://h") };
    assert!(RedisStore::new(prefix).is_err());
    assert!(RedisStore::new(Settings::new("h:6379")).is_err());
}
