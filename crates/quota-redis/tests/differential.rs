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
    Acquire, Batch, Class, Command, Health, HeldLease, Incarnation, Limits, Machine, Micros, Note,
    Outcome, QuotaStore, Scope, StoreError, TicketId, Timing,
};
use weir_quota_redis::RedisStore;
use weir_types::{KeyName, ProviderName};

/// What a run compares at least, in so many parts at once.
const COMMANDS: u64 = 200_000;
const PARTS: u64 = 2;
/// Turns of one world, after which the next begins with another seed.
const TURNS: u32 = 300;
/// Every one has to come up, or the comparison says less than it seems to.
const KINDS: [&str; 42] = [
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
    "ask for routers",
    "bye",
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
    "routers named",
    "told of a slot",
    "told of a cooling key",
    "told of a cooling endpoint",
    "told of no key",
    "stale",
    "late hello",
    "greeted again",
    "rejected",
    "restate",
    "no restate",
    "a moment",
    "no moment",
    "looked",
    "saw a rest",
    "saw a rest that is over",
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
        // The second set has lags that are exactly at the threshold.
        let sets = [&[0.0, 0.001, 0.3, 0.7, 1.0, 1.0, 2.0, 3.0, 5.0][..], &[1.0, 1.0, 2.0, 4.0]];
        let weights = sets[usize::try_from(seed % 2).unwrap()];
        let keys = names.iter().map(|name| (name.clone(), dice.pick(weights).unwrap()));
        let (concurrency, buffer) = (5_000, 0);
        let leeway = [0, 0, 2, 40][usize::try_from(seed % 4).unwrap()];
        let keys = keys.collect();
        let limits = Limits { generation: 1, hash: 1, concurrency, buffer, leeway, keys };
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

/// What a router says after a while: microseconds, who, what.
type Step = (u64, u64, Vec<Command>);

/// Routers that greet when they first speak, and then say this. Every reply is the machine's.
async fn follow(timing: Timing, steps: Vec<Step>) {
    let server = Server::start();
    let clock = Arc::new(AtomicU64::new(1_000_000));
    let reading = Arc::clone(&clock);
    let read = move || reading.load(Ordering::SeqCst);
    let store = RedisStore::with_clock(server.settings("many", timing), read).unwrap();
    let (pool, mut machine) = (ProviderName::from("acme"), Machine::new(timing));
    let mut sessions = BTreeMap::new();
    for (sequence, (wait, router, commands)) in (1..).zip(steps) {
        let now = clock.fetch_add(wait, Ordering::SeqCst) + wait;
        let mut hello = Batch::hello(Incarnation(router));
        // Once more if the pool knows the session no longer.
        for _ in 0..2 {
            let session = match sessions.get(&router) {
                Some(&session) => session,
                None => {
                    let expected = machine.execute(now, &hello).unwrap().reply;
                    assert_eq!(store.execute(&pool, hello.clone()).await.unwrap(), expected);
                    sessions.insert(router, expected.session);
                    expected.session
                }
            };
            hello.heard = session;
            let commands = commands.clone();
            let batch = Batch { session, sequence, heard: 0, commands, ..hello.clone() };
            let expected = machine.execute(now, &batch).map(|executed| executed.reply);
            assert_eq!(store.execute(&pool, batch).await, expected, "batch {sequence}");
            if expected != Err(StoreError::StaleSession) {
                expected.unwrap();
                break;
            }
            sessions.remove(&router);
        }
    }
}

fn acquire(router: u64, number: u64, delay: u64) -> Acquire {
    let class =
        Class { model: "m".into(), operation: "chat".into(), keys: Arc::from(["k".into()]) };
    let ticket = TicketId { router: Incarnation(router), number };
    let (deadline, arrival, wait_for_cooldown) = (60_000_000, None, true);
    Acquire { ticket, class, delay, deadline, arrival, wait_for_cooldown }
}

fn limits(concurrency: u32) -> Command {
    let keys = vec![("k".into(), 1.0), ("l".into(), 1.0)];
    let (buffer, leeway) = (9_000, 0);
    let limits = Limits { generation: 1, hash: 1, concurrency, buffer, leeway, keys };
    Command::SetLimits { limits, replaces: None }
}

/// More than one command of the server can carry.
const MANY: u64 = 2_500;

#[tokio::test]
async fn thousands_are_said_again_renewed_and_forgotten() {
    let ticket = |number| TicketId { router: Incarnation(1), number };
    let held = |number| HeldLease { lease: ticket(number), key: "k".into(), model: "m".into() };
    let leases: Vec<_> = (0..MANY).map(held).collect();
    let tickets: Vec<_> = (MANY..2 * MANY).map(|number| acquire(1, number, number % 2)).collect();
    let ends = (0..MANY).step_by(20).map(ticket).map(Command::Leave).collect();
    let restate = |leases: &[HeldLease], tickets: &[Acquire]| {
        vec![Command::Restate { leases: leases.to_vec(), tickets: tickets.to_vec() }]
    };
    let steps = vec![
        (0, 1, vec![limits(3_000)]),
        (0, 1, restate(&leases, &tickets)),
        (4_000_000, 1, vec![]),
        (2_500_000, 1, vec![Command::Renew(leases.clone())]),
        (1_000, 1, vec![]),
        (1_000, 1, ends),
        (1_000, 1, restate(&leases[..9], &[])),
        (1_000, 1, restate(&leases, &[])),
        (4_900_000, 2, vec![]),
        (4_900_000, 2, vec![]),
        (4_900_000, 2, vec![]),
    ];
    follow(Timing::default(), steps).await;
}

/// A router that is silent for a claim limit is passed over, however many of its tickets are first.
#[tokio::test]
async fn thousands_are_passed_over() {
    let tickets = (0..MANY).map(|number| acquire(1, number, 0)).collect();
    let ask = |number| vec![Command::Acquire(acquire(2, number, 0))];
    let leave = |number| vec![Command::Leave(TicketId { router: Incarnation(2), number })];
    let steps = vec![
        (0, 2, vec![limits(1)]),
        (0, 2, ask(1)),
        (0, 1, vec![Command::Restate { leases: vec![], tickets }]),
        (0, 2, ask(2)),
        (1_000_000, 2, leave(1)),
        (0, 2, leave(2)),
        (0, 1, vec![]),
    ];
    follow(Timing { grace: false, ..Timing::default() }, steps).await;
}

/// Who was last heard a whole lease's life before a gap, to the microsecond, is not awaited after it.
#[tokio::test]
async fn a_router_at_the_end_of_its_life_is_not_awaited() {
    let timing = Timing { lease_ttl: 1_000_000, claim_limit: 1_000_000, ..Timing::default() };
    let restate = || vec![Command::Restate { leases: vec![], tickets: vec![] }];
    let steps = vec![
        (0, 1, vec![limits(3)]),
        (900_000, 2, vec![]),
        (700_000, 1, vec![]),
        (0, 2, vec![Command::Acquire(acquire(2, 1, 0))]),
        // The gap, and a grace in which the first has said all that it holds.
        (600_000, 1, restate()),
        (1_000_000, 2, vec![]),
        (1_000_001, 2, restate()),
        (0, 2, vec![]),
    ];
    follow(timing, steps).await;
}

/// Beyond 16,384 rests the key × model that ends first is forgotten, never a key.
#[tokio::test]
async fn more_rests_than_there_is_room_for() {
    const ROOM: u64 = 16_384;
    let lease = TicketId { router: Incarnation(1), number: 1 };
    let rest = |scope, rest| Health::Cool {
        scope,
        retry_after: Some(rest),
        base: 1,
        max: Micros::MAX,
        missing: false,
        note: Note::default(),
    };
    let of_model =
        |n: u64| rest(Scope::KeyModel("k".into(), format!("{n}").into()), 100_000_000 + n);
    let answered = |health: Vec<Health>| {
        health
            .chunks(16)
            .map(|some| Command::Answered { lease, outcome: Outcome { health: some.to_vec() } })
            .collect::<Vec<_>>()
    };
    let ask = |number, model: u64| {
        let mut acquire = acquire(1, number, 0);
        acquire.class.model = format!("{model}").into();
        acquire.wait_for_cooldown = false;
        Command::Acquire(acquire)
    };
    let mut steps = vec![(0, 1, vec![limits(9), Command::Acquire(acquire(1, 1, 0))])];
    steps.push((0, 1, answered(vec![rest(Scope::Key("l".into()), 1_000)])));
    // Full with the last of these, and not beyond.
    let rests: Vec<_> = (1..ROOM).map(of_model).collect();
    steps.extend(rests.chunks(4_096).map(|some| (0, 1, answered(some.to_vec()))));
    steps.push((0, 1, vec![ask(2, 1), ask(3, 2)]));
    steps.push((0, 1, answered(vec![of_model(2), of_model(ROOM)])));
    steps.push((0, 1, vec![ask(4, 1), ask(5, 2), ask(6, 3), ask(7, ROOM)]));
    follow(Timing { grace: false, ..Timing::default() }, steps).await;
}

/// Tickets that come, go and come again while a batch hands out what it frees.
#[tokio::test]
async fn a_line_that_changes_while_it_is_handed_out() {
    let id = |number| TicketId { router: Incarnation(1), number };
    let ask = |number| Command::Acquire(acquire(1, number, 0));
    let leave = |number| Command::Leave(id(number));
    let old = |number, arrival| {
        Command::Acquire(Acquire { arrival: Some(arrival), ..acquire(1, number, 0) })
    };
    // More are freed than a batch of this size reads ahead, and one comes in between.
    let mut beyond = vec![leave(1), ask(100)];
    beyond.extend((2..=12).map(leave));
    let steps = vec![
        (0, 1, vec![limits(20)]),
        (0, 1, (1..=60).map(ask).collect()),
        (0, 1, beyond),
        // The next in line leaves and comes again as the last, and another as the first.
        (0, 1, vec![leave(13), leave(34), ask(34), leave(14), leave(15)]),
        (0, 1, vec![leave(16), leave(38), old(38, 1), leave(17), leave(18)]),
        (0, 1, vec![]),
    ];
    follow(Timing { grace: false, ..Timing::default() }, steps).await;
}

/// A rotation that finds no key has learnt already when it settles.
#[tokio::test]
async fn a_rotation_that_settles_learns_once() {
    let id = |number| TicketId { router: Incarnation(1), number };
    let cool = |base| {
        let scope = Scope::Key("k".into());
        let (max, missing, note) = (Micros::MAX, false, Note::from("no"));
        let cool = Health::Cool { scope, retry_after: None, base, max, missing, note };
        Outcome { health: vec![cool] }
    };
    let elsewhere = Class { keys: Arc::from(["unknown".into()]), ..acquire(1, 1, 0).class };
    let (lease, outcome, class) = (id(1), cool(0), elsewhere);
    let steps = vec![
        (0, 1, vec![limits(9), Command::Acquire(acquire(1, 1, 0))]),
        // A rest of no length, learnt at the very moment of the grant, would count again.
        (0, 1, vec![Command::Rotate { lease, attempt: 1, outcome, class, then: None }]),
        (0, 1, vec![Command::Acquire(acquire(1, 2, 0))]),
        (0, 1, vec![Command::Settle { lease: id(2), outcome: cool(1_000), then: None }]),
        (0, 1, vec![Command::Acquire(Acquire { wait_for_cooldown: false, ..acquire(1, 3, 0) })]),
    ];
    follow(Timing { grace: false, ..Timing::default() }, steps).await;
}
