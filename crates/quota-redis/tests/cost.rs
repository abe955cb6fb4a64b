//! What a batch costs the Redis server: commands that the script sends, and its CPU time.
//!
//! One router keeps leases and, batch by batch, ends the oldest and asks for new ones. The count of
//! commands is exact and has a bound; the time is measured where somebody asks for it.

#![cfg(test)]

mod support;

use std::collections::VecDeque;

use redis::Value;
use support::Server;
use weir_quota::conformance::{class, limits};
use weir_quota::{
    Acquire, Answer, Batch, Class, Command, Event, Health, Incarnation, Limits, Outcome,
    QuotaStore, Scope, TicketId, Timing,
};
use weir_quota_redis::RedisStore;
use weir_types::ProviderName;

/// Rounds of 500 requests, of which the quiet ones count: others use the machine too.
const ROUNDS: usize = 20;

/// A router that always has as many requests under way, and as many waiting.
struct Load {
    store: RedisStore,
    pool: ProviderName,
    session: u64,
    sequence: u64,
    next: u64,
    held: VecDeque<TicketId>,
    /// Slots handed off by the last batch.
    offered: VecDeque<TicketId>,
    shape: Shape,
}

/// What a pool has to deal with.
#[derive(Debug, Clone, Copy)]
struct Shape {
    /// Leases that are always held.
    held: u32,
    /// Tickets that always wait.
    waiting: u32,
    /// Models that are asked for, one after the other.
    models: u64,
    /// Keys, each allowed for every model.
    keys: usize,
    /// Models none of which may be used at present, with a ticket that waits for each.
    resting: u64,
    /// By how much the least busy key may be preferred.
    leeway: u32,
}

impl Shape {
    const fn plain(held: u32, waiting: u32) -> Self {
        Self { held, waiting, models: 1, keys: 3, resting: 0, leeway: 0 }
    }
}

impl Load {
    async fn begin(server: &Server, shape: Shape) -> Self {
        let Shape { held, waiting, .. } = shape;
        server.say(&["FLUSHALL"]).await;
        let timing = Timing { lease_ttl: 60_000_000, grace: false, ..Timing::default() };
        let store = RedisStore::new(server.settings("cost", timing)).unwrap();
        let pool = ProviderName::from("acme");
        let session = store.execute(&pool, Batch::hello(Incarnation(7))).await.unwrap().session;
        let (held_ids, offered) = Default::default();
        let mut load =
            Self { store, pool, session, sequence: 0, next: 0, held: held_ids, offered, shape };
        let room = if waiting > 0 { 0 } else { 64 };
        let names = names(shape.keys);
        let weights = [1.0, 2.0, 0.5];
        let keys: Vec<_> = names.iter().zip(weights.into_iter().cycle()).collect();
        let keys: Vec<_> = keys.into_iter().map(|(name, weight)| (name.as_str(), weight)).collect();
        let resting = u32::try_from(shape.resting).unwrap();
        let limits = limits(held + room, waiting + resting + 64, &keys);
        let limits = Limits { leeway: shape.leeway, ..limits };
        load.send(vec![Command::SetLimits { limits, replaces: None }]).await;
        for _ in 0..held {
            let command = load.acquire();
            load.send(vec![command]).await;
        }
        let all = load.held.clone();
        for _ in 0..waiting {
            let command = load.acquire();
            load.send(vec![command]).await;
        }
        load.held = all;
        load.rest().await;
        load
    }

    /// Has models rest, and somebody wait for each.
    async fn rest(&mut self) {
        let Some(&lease) = self.held.front() else { return };
        let all = self.held.clone();
        let long = |key: &str, model: u64| Health::Cool {
            scope: Scope::KeyModel(key.into(), format!("rests-{model}").into()),
            retry_after: Some(600_000_000),
            base: 1,
            max: 600_000_000,
            missing: false,
            note: "for long".into(),
        };
        for model in 0..self.shape.resting {
            let rests: Vec<_> = names(self.shape.keys).iter().map(|key| long(key, model)).collect();
            let mut commands: Vec<_> = rests
                .chunks(16)
                .map(|some| Command::Answered { lease, outcome: Outcome { health: some.to_vec() } })
                .collect();
            commands.push(self.acquire_for(format!("rests-{model}")));
            self.send(commands).await;
        }
        self.held = all;
    }

    fn acquire(&mut self) -> Command {
        self.acquire_for(format!("m{}", self.next % self.shape.models))
    }

    fn acquire_for(&mut self, model: String) -> Command {
        self.next += 1;
        let ticket = TicketId { router: Incarnation(7), number: self.next };
        self.held.push_back(ticket);
        let names = names(self.shape.keys);
        let keys: Vec<_> = names.iter().map(String::as_str).collect();
        let class = Class { model: model.into(), ..class(&keys) };
        let (delay, deadline, arrival) = (0, 60_000_000, None);
        Command::Acquire(Acquire {
            ticket,
            class,
            delay,
            deadline,
            arrival,
            wait_for_cooldown: true,
        })
    }

    fn settle(&mut self) -> Command {
        let lease = self.held.pop_front().unwrap();
        Command::Settle { lease, outcome: Outcome::default(), then: None }
    }

    async fn send(&mut self, commands: Vec<Command>) {
        self.sequence += 1;
        let (session, sequence, heard) = (self.session, self.sequence, self.sequence - 1);
        let batch = Batch { session, sequence, heard, commands, ..Batch::hello(Incarnation(7)) };
        let reply = self.store.execute(&self.pool, batch).await.unwrap();
        let is_expected = |answer: &Answer| {
            matches!(answer, Answer::Granted { .. } | Answer::Queued { .. } | Answer::Done)
        };
        assert!(reply.answers.iter().all(is_expected), "{reply:?}");
        for event in reply.events {
            let Event::HandedOff { ticket, .. } = event else { panic!("{event:?}") };
            self.offered.push_back(ticket);
        }
    }

    /// Ends requests and begins as many, in batches of `size` commands.
    async fn run(&mut self, requests: u32, size: usize) {
        let mut commands = Vec::new();
        for _ in 0..requests {
            for command in [self.settle(), self.acquire()] {
                commands.push(command);
                if commands.len() >= size {
                    self.send(std::mem::take(&mut commands)).await;
                }
            }
        }
        self.send(commands).await;
    }

    /// The same where all slots are in use: what is new waits, and goes on with what is freed.
    async fn run_full(&mut self, requests: u32, size: usize) {
        let mut commands = Vec::new();
        for _ in 0..requests {
            commands.push(self.settle());
            let new = self.acquire();
            self.held.pop_back();
            commands.push(new);
            if commands.len() >= size || self.held.is_empty() {
                self.send(std::mem::take(&mut commands)).await;
                self.held.append(&mut self.offered);
            }
        }
        self.send(commands).await;
        self.held.append(&mut self.offered);
    }
}

fn names(keys: usize) -> Vec<String> {
    (0..keys).map(|n| format!("key-{n}")).collect()
}

async fn info(server: &Server, section: &str) -> String {
    let Value::BulkString(text) = server.say(&["INFO", section]).await else { panic!() };
    String::from_utf8(text).unwrap()
}

/// The server's CPU time, in microseconds.
async fn cpu(server: &Server) -> f64 {
    let text = info(server, "cpu").await;
    let of = |name: &str| -> f64 {
        text.lines().find_map(|line| line.strip_prefix(name)).unwrap().parse().unwrap()
    };
    1e6 * (of("used_cpu_user:") + of("used_cpu_sys:"))
}

/// How many commands a server was given, those of scripts included.
async fn commands(server: &Server) -> u64 {
    let text = info(server, "commandstats").await;
    let calls = text.lines().filter_map(|line| line.split_once(":calls="));
    calls.map(|(_, rest)| rest.split(',').next().unwrap().parse::<u64>().unwrap()).sum()
}

/// However many requests share it: the call, the time, one read, two removals and two writes.
#[tokio::test]
async fn a_batch_is_seven_commands_of_the_server() {
    let server = Server::start();
    // Which key is chosen costs none.
    for leeway in [0, 5] {
        let mut load = Load::begin(&server, Shape { leeway, ..Shape::plain(64, 0) }).await;
        for requests in [1, 1, 15, 64] {
            let before = commands(&server).await;
            load.run(requests, 1_000).await;
            let after = commands(&server).await;
            let asking = commands(&server).await - after;
            assert_eq!(after - before - asking, 7, "{requests} requests, leeway {leeway}");
        }
    }
}

/// Q12: however many wait, for however many models, with however many keys, and whatever rests.
#[tokio::test]
async fn a_batch_costs_the_same_whatever_waits_or_rests() {
    let server = Server::start();
    let plain = Shape::plain(64, 64);
    let shapes = [
        plain,
        Shape { waiting: 2_000, models: 2_000, ..plain },
        Shape { waiting: 2_000, models: 2_000, resting: 1, ..plain },
        Shape { keys: 200, resting: 1, ..plain },
        Shape { resting: 500, ..plain },
    ];
    for shape in shapes {
        let mut load = Load::begin(&server, shape).await;
        load.run_full(64, 1_000).await;
        for requests in [1, 8, 64] {
            let before = commands(&server).await;
            load.run_full(requests, 1_000).await;
            let after = commands(&server).await;
            let asking = commands(&server).await - after;
            let found = after - before - asking;
            let most = 24 + u64::from(requests) / 4;
            println!("{found} for {requests}, at most {most}: {shape:?}");
            assert!(found <= most, "{found} commands for {requests} requests: {shape:?}");
        }
    }
}

#[tokio::test]
#[ignore = "measures for half a minute: run with --ignored --no-capture"]
async fn the_price_of_a_request() {
    println!("Redis CPU, in µs per request: tenth part (median)");
    println!(
        "| leases held, waiting, models, keys, resting, leeway | batches of 1 | of 2 | of 8 | of 32 |"
    );
    println!("|---|---|---|---|---|");
    let server = Server::start();
    let plain = Shape::plain(64, 64);
    let shapes = [
        Shape::plain(64, 0),
        Shape { leeway: 20, ..Shape::plain(64, 0) },
        Shape::plain(1_000, 0),
        plain,
        Shape { resting: 1, ..plain },
        Shape { keys: 200, ..plain },
        Shape { keys: 200, resting: 1, ..plain },
        Shape { waiting: 3_900, models: 3_900, ..plain },
        Shape { waiting: 3_900, models: 3_900, resting: 1, ..plain },
        Shape { resting: 500, ..plain },
    ];
    for shape in shapes {
        let Shape { held, waiting, models, keys, resting, leeway } = shape;
        let mut load = Load::begin(&server, shape).await;
        let mut row = format!("| {held}, {waiting}, {models}, {keys}, {resting}, {leeway} |");
        for size in [1, 2, 8, 32] {
            let mut prices = Vec::new();
            for _ in 0..ROUNDS {
                let before = cpu(&server).await;
                if waiting > 0 {
                    load.run_full(500, size).await;
                } else {
                    load.run(500, size).await;
                }
                prices.push((cpu(&server).await - before) / 500.0);
            }
            prices.sort_by(f64::total_cmp);
            row += &format!(" {:.1} ({:.1}) |", prices[ROUNDS / 10], prices[ROUNDS / 2]);
        }
        println!("{row}");
    }
}
