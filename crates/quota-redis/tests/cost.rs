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
    Acquire, Answer, Batch, Command, Event, Incarnation, Outcome, QuotaStore, TicketId, Timing,
};
use weir_quota_redis::RedisStore;
use weir_types::ProviderName;

/// Rounds of 500 requests, of which the quiet ones count: others use the machine too.
const ROUNDS: usize = 40;

/// A router that always has as many requests under way, and as many waiting.
struct Load {
    store: RedisStore,
    pool: ProviderName,
    session: u64,
    sequence: u64,
    next: u64,
    held: VecDeque<TicketId>,
    /// Hand-offs to be claimed.
    offered: VecDeque<TicketId>,
}

impl Load {
    async fn begin(server: &Server, held: u32, waiting: u32) -> Self {
        server.say(&["FLUSHALL"]).await;
        let timing = Timing { lease_ttl: 60_000_000, grace: false, ..Timing::default() };
        let store = RedisStore::new(server.settings("cost", timing)).unwrap();
        let pool = ProviderName::from("acme");
        let session = store.execute(&pool, Batch::hello(Incarnation(7))).await.unwrap().session;
        let (held_ids, offered) = Default::default();
        let mut load = Self { store, pool, session, sequence: 0, next: 0, held: held_ids, offered };
        let room = if waiting > 0 { 0 } else { 64 };
        let keys = [("one", 1.0), ("two", 2.0), ("three", 0.5)];
        let limits = limits(held + room, waiting + 64, &keys);
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
        load
    }

    fn acquire(&mut self) -> Command {
        self.next += 1;
        let ticket = TicketId { router: Incarnation(7), number: self.next };
        self.held.push_back(ticket);
        let class = class(&["one", "two", "three"]);
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
        let (session, sequence) = (self.session, self.sequence);
        let batch = Batch { session, sequence, commands, ..Batch::hello(Incarnation(7)) };
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

    /// The same where all slots are in use: what is handed off is claimed, what is new waits.
    async fn run_full(&mut self, requests: u32, size: usize) {
        let mut commands = Vec::new();
        for _ in 0..requests {
            commands.push(self.settle());
            let new = self.acquire();
            self.held.pop_back();
            commands.push(new);
            if commands.len() + self.offered.len() >= size {
                self.claim_and_send(std::mem::take(&mut commands)).await;
            }
            if self.held.is_empty() {
                self.claim_and_send(std::mem::take(&mut commands)).await;
                self.claim_and_send(Vec::new()).await;
            }
        }
        self.claim_and_send(commands).await;
    }

    async fn claim_and_send(&mut self, more: Vec<Command>) {
        let offered = std::mem::take(&mut self.offered);
        self.held.extend(&offered);
        let claims = offered.into_iter().map(Command::Claim);
        self.send(claims.chain(more).collect()).await;
    }
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
    let mut load = Load::begin(&server, 64, 0).await;
    for requests in [1, 1, 15, 64] {
        let before = commands(&server).await;
        load.run(requests, 1_000).await;
        let after = commands(&server).await;
        let asking = commands(&server).await - after;
        assert_eq!(after - before - asking, 7, "{requests} requests");
    }
}

#[tokio::test]
#[ignore = "measures for half a minute: run with --ignored --no-capture"]
async fn the_price_of_a_request() {
    println!("Redis CPU, in µs per request: tenth part (median)");
    println!("| leases held, waiting | batches of 1 | of 2 | of 8 | of 32 |");
    println!("|---|---|---|---|---|");
    let server = Server::start();
    for (held, waiting) in [(64, 0), (1_000, 0), (64, 64)] {
        let mut load = Load::begin(&server, held, waiting).await;
        let mut row = format!("| {held}, {waiting} |");
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
