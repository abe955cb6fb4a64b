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
    Acquire, Answer, Batch, Command, Incarnation, Outcome, QuotaStore, TicketId, Timing,
};
use weir_quota_redis::RedisStore;
use weir_types::ProviderName;

/// Rounds of 500 requests, of which the quiet ones count: others use the machine too.
const ROUNDS: usize = 40;

/// A router that always has as many requests under way.
struct Load {
    store: RedisStore,
    pool: ProviderName,
    session: u64,
    sequence: u64,
    next: u64,
    held: VecDeque<TicketId>,
}

impl Load {
    async fn begin(server: &Server, held: u32) -> Self {
        let timing = Timing { lease_ttl: 60_000_000, ..Timing::default() };
        let store = RedisStore::new(server.settings("cost", Timing { grace: false, ..timing }));
        let (store, pool) = (store.unwrap(), ProviderName::from("acme"));
        let hello = store.execute(&pool, Batch::hello(Incarnation(7))).await.unwrap();
        let (session, held_ids) = (hello.session, VecDeque::new());
        let mut load = Self { store, pool, session, sequence: 0, next: 0, held: held_ids };
        let limits = limits(held + 64, 64, &[("one", 1.0), ("two", 2.0), ("three", 0.5)]);
        load.send(vec![Command::SetLimits { limits, replaces: None }]).await;
        for _ in 0..held {
            let command = load.acquire();
            load.send(vec![command]).await;
        }
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
        let as_expected = |answer| matches!(answer, &Answer::Granted { .. } | &Answer::Done);
        assert!(reply.answers.iter().all(as_expected), "{reply:?}");
    }

    /// Ends requests and begins as many, in batches of `size` commands.
    async fn run(&mut self, requests: u32, size: u32) {
        let mut commands = Vec::new();
        for _ in 0..requests {
            for command in [self.settle(), self.acquire()] {
                commands.push(command);
                if commands.len() >= usize::try_from(size).unwrap() {
                    self.send(std::mem::take(&mut commands)).await;
                }
            }
        }
        self.send(commands).await;
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

#[tokio::test]
#[ignore = "measures for half a minute: run with --ignored --no-capture"]
async fn the_price_of_a_request() {
    println!("Redis CPU, in µs per request (an acquire and a settle): tenth part (median)");
    println!("| leases held | batches of 1 | of 2 | of 8 | of 32 |");
    println!("|---|---|---|---|---|");
    for held in [64, 1_000] {
        let server = Server::start();
        let mut load = Load::begin(&server, held).await;
        let mut row = format!("| {held} |");
        for size in [1, 2, 8, 32] {
            let mut prices = Vec::new();
            for _ in 0..ROUNDS {
                let before = cpu(&server).await;
                load.run(500, size).await;
                prices.push((cpu(&server).await - before) / 500.0);
            }
            prices.sort_by(f64::total_cmp);
            row += &format!(" {:.1} ({:.1}) |", prices[ROUNDS / 10], prices[ROUNDS / 2]);
        }
        println!("{row}");
    }
}
