//! The script against the machine where more wait than a batch may look at.
//!
//! Hundreds of tickets of many models, patient ones and others, while models and keys rest, recover and
//! rest again: what a batch leaves for the next one must be the same on both sides, to the last ticket.

#![cfg(test)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use support::{Dice, Server};
use weir_quota::{
    Acquire, Batch, Class, Command, Health, Incarnation, Limits, Machine, Note, Outcome,
    QuotaStore, Scope, TicketId, Timing,
};
use weir_quota_redis::RedisStore;
use weir_types::{KeyName, ProviderName};

const KEYS: [&str; 3] = ["k", "l", "m"];
const TURNS: usize = 150;

struct Crowd {
    dice: Dice,
    machine: Machine,
    store: RedisStore,
    pool: ProviderName,
    clock: Arc<AtomicU64>,
    sessions: [u64; 3],
    sequence: u64,
    next: u64,
    /// The most that were in line or rested at once.
    high_water: usize,
}

impl Crowd {
    fn new(server: &Server, seed: u64) -> Self {
        let timing = Timing { grace: false, ..Timing::default() };
        let clock = Arc::new(AtomicU64::new(1_000_000_000));
        let reading = Arc::clone(&clock);
        let settings = server.settings(&format!("crowd-{seed}"), timing);
        let read = move || reading.load(Ordering::SeqCst);
        Self {
            dice: Dice(seed),
            machine: Machine::new(timing),
            store: RedisStore::with_clock(settings, read).unwrap(),
            pool: "acme".into(),
            clock,
            sessions: [0; 3],
            sequence: 0,
            next: 0,
            high_water: 0,
        }
    }

    async fn send(&mut self, batch: Batch) -> u64 {
        let now = self.clock.load(Ordering::SeqCst);
        let expected = self.machine.execute(now, &batch).unwrap().reply;
        let found = self.store.execute(&self.pool, batch.clone()).await.unwrap();
        assert_eq!(found, expected, "after {batch:?}");
        let waiting = expected.status.tickets as usize;
        self.high_water = self.high_water.max(waiting);
        expected.session
    }

    fn acquire(&mut self, router: Incarnation) -> Acquire {
        self.next += 1;
        let keys: Vec<KeyName> =
            KEYS.into_iter().filter(|_| self.dice.percent(50)).map(KeyName::from).collect();
        let keys = if keys.is_empty() { vec![KeyName::from("k")] } else { keys };
        Acquire {
            ticket: TicketId { router, number: self.next },
            class: Class { model: self.model(), operation: "chat".into(), keys: keys.into() },
            delay: if self.dice.percent(10) { self.dice.below(900_000) } else { 0 },
            deadline: 20_000_000,
            arrival: None,
            wait_for_cooldown: self.dice.percent(60),
        }
    }

    fn model(&mut self) -> Arc<str> {
        Arc::from(format!("model-{}", self.dice.below(12)))
    }

    fn outcome(&mut self) -> Outcome {
        let key = KeyName::from(self.dice.pick(&KEYS).unwrap());
        let scope = if self.dice.percent(15) {
            Scope::Key(key)
        } else {
            Scope::KeyModel(key, self.model())
        };
        let health = if self.dice.percent(40) {
            Health::Well(scope)
        } else {
            let retry_after = Some(self.dice.below(1_500_000));
            let (base, max, note) = (1_000_000, 60_000_000, Note::from("no"));
            let missing = self.dice.percent(10);
            Health::Cool { scope, retry_after, base, max, missing, note }
        };
        Outcome { health: vec![health] }
    }

    fn command(&mut self, router: Incarnation) -> Command {
        let own = |id: &TicketId| id.router == router;
        let pool = self.machine.snapshot();
        let leases: Vec<_> = pool.leases.iter().map(|lease| lease.id).filter(own).collect();
        match self.dice.below(10) {
            0..6 => Command::Acquire(self.acquire(router)),
            6 => {
                let tickets: Vec<_> = pool.tickets.iter().map(|one| one.id).filter(own).collect();
                let other = TicketId { router, number: 0 };
                Command::Leave(self.dice.pick(&tickets).unwrap_or(other))
            }
            _ => {
                let lease = self.dice.pick(&leases).unwrap_or(TicketId { router, number: 0 });
                let then = self.dice.percent(20).then(|| self.acquire(router));
                Command::Settle { lease, outcome: self.outcome(), then }
            }
        }
    }

    async fn turn(&mut self) {
        let passed = [0, 1_000, 200_000, 600_000][usize::try_from(self.dice.below(4)).unwrap()];
        self.clock.fetch_add(self.dice.below(passed + 1), Ordering::SeqCst);
        let at = usize::try_from(self.dice.below(3)).unwrap();
        let router = Incarnation(at as u64 + 1);
        if self.sessions[at] == 0 {
            self.sessions[at] = self.send(Batch::hello(router)).await;
        }
        let count = [0, 1, 5, 40][usize::try_from(self.dice.below(4)).unwrap()];
        let commands = (0..count).map(|_| self.command(router)).collect();
        self.sequence += 1;
        let (session, sequence) = (self.sessions[at], self.sequence);
        let heard = sequence.saturating_sub(1 + self.dice.below(20));
        let batch = Batch { session, sequence, heard, commands, ..Batch::hello(router) };
        if batch.session == 0 || self.machine.clone().execute(0, &batch).is_err() {
            let hello = Batch { heard: session, ..Batch::hello(router) };
            self.sessions[at] = self.send(hello).await;
            return;
        }
        self.send(batch).await;
    }
}

#[tokio::test]
async fn what_a_batch_leaves_is_the_machines() {
    let server = Server::start();
    let mut high_water = 0;
    for seed in 0..12 {
        println!("seed {seed}");
        let mut crowd = Crowd::new(&server, seed);
        let keys = KEYS.into_iter().map(|key| (KeyName::from(key), 1.0)).collect();
        let (concurrency, buffer, leeway) = (4, 2_000, 0);
        let limits = Limits { generation: 1, hash: 1, concurrency, buffer, leeway, keys };
        let router = Incarnation(1);
        crowd.sessions[0] = crowd.send(Batch::hello(router)).await;
        let commands = vec![Command::SetLimits { limits, replaces: None }];
        let (session, sequence) = (crowd.sessions[0], 1);
        crowd.sequence = 1;
        crowd.send(Batch { session, sequence, commands, ..Batch::hello(router) }).await;
        for _ in 0..TURNS {
            crowd.turn().await;
        }
        high_water = high_water.max(crowd.high_water);
    }
    assert!(high_water > 300, "{high_water} waited at most: less than it takes");
}
