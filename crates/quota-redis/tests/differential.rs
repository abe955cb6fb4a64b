//! The script against the machine: random batches, right and wrong ones, every reply compared.
//!
//! Both are given the same batches at the same times. Routers come, go, repeat themselves, lie about
//! sessions and send what is malformed; ids use all 64 bits; names hold any text. What Redis keeps is
//! counted against the machine's snapshot, so that nothing is left behind. A failure prints the seed
//! that repeats it.

#![cfg(test)]

mod differential {
    pub(crate) mod random;
    pub(crate) mod world;
}
mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use differential::world::World;
use support::{Dice, Server};
use weir_quota::{
    Acquire, Batch, Class, Command, HeldLease, Incarnation, Limits, Machine, QuotaStore, TicketId,
    Timing,
};
use weir_quota_redis::RedisStore;
use weir_types::{KeyName, ProviderName};

/// What a run compares at least, in so many parts at once.
const COMMANDS: u64 = 200_000;
const PARTS: u64 = 2;
/// Turns of one world, after which the next begins with another seed.
const TURNS: u32 = 300;
/// Every one has to come up, or the comparison says less than it seems to.
const KINDS: [&str; 34] = [
    "set limits",
    "acquire",
    "claim",
    "settle",
    "settle and go on",
    "rotate",
    "rotate or go on",
    "answered",
    "renew",
    "leave",
    "say again",
    "granted",
    "queued",
    "full",
    "cooling",
    "endpoint cooling",
    "no key",
    "claim refused",
    "done",
    "settled",
    "settled into",
    "limits unset",
    "limits in force",
    "grace",
    "told of a slot",
    "told of a cooling key",
    "told of a cooling endpoint",
    "told of no key",
    "stale",
    "rejected",
    "restate",
    "no restate",
    "a moment",
    "no moment",
];

/// Prints the seed if the run it belongs to panics.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("seed {}", self.0);
        }
    }
}

/// One part of a run, on a server of its own: how many commands, and how often each kind came up.
async fn compare(first_seed: u64) -> (u64, BTreeMap<&'static str, u64>) {
    let server = Arc::new(Server::start());
    let (mut compared, mut seed) = (0, first_seed);
    let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
    while compared < COMMANDS / PARTS {
        let _seed = Seed(seed);
        let mut world = World::new(&server, seed).await;
        for _ in 0..TURNS {
            world.turn().await;
        }
        world.check_rows().await;
        world.check_rings().await;
        compared += world.commands;
        world.kinds.iter().for_each(|(kind, count)| *kinds.entry(kind).or_default() += count);
        server.say(&["FLUSHALL"]).await;
        seed += 1;
    }
    println!("{compared} commands, seeds {first_seed} to {}", seed - 1);
    (compared, kinds)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_reply_is_the_machines() {
    let parts: Vec<_> =
        (0..PARTS).map(|part| tokio::spawn(compare(1 + 1_000_000 * part))).collect();
    let (mut compared, mut kinds) = (0, BTreeMap::<_, u64>::new());
    for part in parts {
        let (commands, found) = part.await.unwrap();
        compared += commands;
        found.into_iter().for_each(|(kind, count)| *kinds.entry(kind).or_default() += count);
    }
    println!("{compared} commands: {kinds:?}");
    assert!(compared >= COMMANDS);
    for kind in KINDS {
        assert!(kinds.contains_key(kind), "never seen: {kind}");
    }
}

/// Q7: the choice of keys alone, with weights whose shares often meet exactly, in many prefixes.
#[tokio::test]
async fn every_grant_is_on_the_machines_key() {
    let server = Server::start();
    let timing = Timing { grace: false, ..Timing::default() };
    for seed in 0..40 {
        let _seed = Seed(seed);
        let (mut dice, mut machine) = (Dice(seed), Machine::new(timing));
        let settings = server.settings(&format!("share-{seed}"), timing);
        let store = RedisStore::with_clock(settings, || 1_000_000).unwrap();
        let (pool, router) = (ProviderName::from("acme"), Incarnation(1));
        let names: Vec<KeyName> =
            (0..2 + dice.below(7)).map(|n| format!("key-{n}").into()).collect();
        let weights = [0.0, 0.001, 0.3, 0.7, 1.0, 1.0, 2.0, 3.0, 5.0];
        let keys = names.iter().map(|name| (name.clone(), dice.pick(&weights).unwrap()));
        let (concurrency, buffer) = (5_000, 0);
        let limits = Limits { generation: 1, hash: 1, concurrency, buffer, keys: keys.collect() };
        let mut commands = vec![Command::SetLimits { limits, replaces: None }];
        let mut hello = Batch::hello(router);
        for number in 0..1_000 {
            let some = number >= 500;
            let keys = names.iter().filter(|_| !some || dice.percent(60)).cloned().collect();
            let class = Class { model: Arc::from("m"), operation: Arc::from("chat"), keys };
            commands.push(Command::Acquire(Acquire {
                ticket: TicketId { router, number },
                class,
                delay: 0,
                deadline: 1,
                arrival: None,
                wait_for_cooldown: false,
            }));
        }
        for sequence in 0..5 {
            let expected = machine.execute(1_000_000, &hello).unwrap().reply;
            let found = store.execute(&pool, hello).await.unwrap();
            assert_eq!(found, expected);
            let rest = commands.split_off(commands.len().min(250));
            let commands = std::mem::replace(&mut commands, rest);
            let (session, sequence) = (found.session, sequence + 1);
            hello = Batch { session, sequence, commands, ..Batch::hello(router) };
        }
    }
}

/// More than one command of the server can carry, of every kind of row.
#[tokio::test]
async fn thousands_are_said_again_renewed_and_forgotten_as_the_machine_does() {
    const MANY: u64 = 2_500;
    let server = Server::start();
    let clock = Arc::new(AtomicU64::new(1_000_000));
    let reading = Arc::clone(&clock);
    let (timing, pool) = (Timing::default(), ProviderName::from("acme"));
    let store = RedisStore::with_clock(server.settings("many", timing), move || {
        reading.load(Ordering::SeqCst)
    });
    let (store, mut machine) = (store.unwrap(), Machine::new(timing));
    let class =
        Class { model: "m".into(), operation: "chat".into(), keys: Arc::from(["k".into()]) };
    let ticket = |number| TicketId { router: Incarnation(1), number };
    let held = |number| HeldLease { lease: ticket(number), key: "k".into(), model: "m".into() };
    let acquire = |number| Acquire {
        ticket: ticket(number),
        class: class.clone(),
        delay: if number % 2 == 0 { 0 } else { 1_000 },
        deadline: 60_000_000,
        arrival: None,
        wait_for_cooldown: true,
    };
    let leases: Vec<_> = (0..MANY).map(held).collect();
    let keys = vec![("k".into(), 1.0)];
    let limits = Limits { generation: 1, hash: 1, concurrency: 3_000, buffer: 9_000, keys };
    let tickets = (MANY..2 * MANY).map(acquire).collect();
    let ends = (0..MANY).step_by(20).map(ticket).map(Command::Leave).collect();
    let steps = [
        (0, 1, vec![Command::SetLimits { limits, replaces: None }]),
        (0, 1, vec![Command::Restate { leases: leases.clone(), tickets }]),
        (4_000_000, 1, vec![]),
        (2_500_000, 1, vec![Command::Renew(leases.clone())]),
        (1_000, 1, vec![]),
        (1_000, 1, ends),
        (1_000, 1, vec![Command::Restate { leases: leases[..9].to_vec(), tickets: vec![] }]),
        (1_000, 1, vec![Command::Restate { leases, tickets: vec![] }]),
        (4_900_000, 2, vec![]),
        (4_900_000, 2, vec![]),
        (4_900_000, 2, vec![]),
    ];
    let mut sessions = BTreeMap::new();
    for (sequence, (wait, router, commands)) in (1..).zip(steps) {
        let now = clock.fetch_add(wait, Ordering::SeqCst) + wait;
        let hello = Batch::hello(Incarnation(router));
        let mut batches = vec![];
        if !sessions.contains_key(&router) {
            batches.push(hello.clone());
        }
        for at in 0..=batches.len() {
            let batch = batches.get(at).cloned().unwrap_or_else(|| {
                let session = sessions[&router];
                Batch { session, sequence, commands: commands.clone(), ..hello.clone() }
            });
            let expected = machine.execute(now, &batch).unwrap().reply;
            sessions.insert(router, expected.session);
            let found = store.execute(&pool, batch).await.unwrap();
            assert_eq!(found, expected, "batch {sequence}");
        }
    }
}
