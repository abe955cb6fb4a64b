//! One pool, kept twice, and the routers that speak to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redis::Value;
use weir_quota::conformance::moments;
use weir_quota::{
    Acquire, Answer, Batch, BatchReply, Class, Command, Event, Health, HeldLease, Incarnation,
    Limits, Machine, Micros, Outcome, QuotaStore, Scope, Snapshot, StoreError, TicketId, Timing,
    Waits,
};
use weir_quota_redis::RedisStore;
use weir_types::{KeyName, ProviderName};

use crate::support::{Dice, Server};

const KEYS: [&str; 6] = ["k", "l", "", "n}\0", "ключ", "unknown"];
const MODELS: [&str; 3] = ["small", "", "large\0{x}"];
const OPERATIONS: [&str; 2] = ["chat", "embeddings"];
const WEIGHTS: [f64; 9] = [0.0, -0.0, 0.001, 0.7, 1.0, 1.0, 3.0, 5.0, 1e300];

const JUMPS: [Micros; 6] = [500_000, 1_000_000, 5_000_000, 10_000_000, 600_000_000, 5_000_001];

struct Router {
    id: Incarnation,
    session: u64,
    sequence: u64,
    first: u64,
    ids: Vec<TicketId>,
    /// The last reply asked for a restate.
    restates: bool,
}

pub(crate) struct World<'a> {
    server: &'a Server,
    dice: Dice,
    machine: Machine,
    stores: [RedisStore; 2],
    pool: ProviderName,
    prefix: String,
    raw: Arc<AtomicU64>,
    routers: Vec<Router>,
    /// Long silences are common, so graces are.
    is_stormy: bool,
    generation: u64,
    rings: u64,
    publishes: u64,
    pub(crate) commands: u64,
    pub(crate) kinds: BTreeMap<&'static str, u64>,
}

impl<'a> World<'a> {
    pub(crate) async fn new(server: &'a Server, seed: u64) -> Self {
        let mut dice = Dice(seed);
        let is_stormy = dice.percent(40);
        let grace = is_stormy || dice.percent(30);
        let timing = Timing { grace, ..Timing::default() };
        let raw = Arc::new(AtomicU64::new(1_000_000_000_000 + dice.below(1 << 51)));
        let prefix = format!("world-{seed}");
        let store = || {
            let (raw, settings) = (Arc::clone(&raw), server.settings(&prefix, timing));
            RedisStore::with_clock(settings, move || raw.load(Ordering::SeqCst)).unwrap()
        };
        let mut world = Self {
            server,
            dice,
            machine: Machine::new(timing),
            stores: [store(), store()],
            pool: "acme{}".into(),
            prefix,
            raw,
            routers: Vec::new(),
            is_stormy,
            generation: 0,
            rings: 0,
            publishes: publishes(server).await,
            commands: 0,
            kinds: BTreeMap::new(),
        };
        for _ in 0..3 {
            let router = world.fresh_router();
            world.routers.push(router);
        }
        world
    }

    fn fresh_router(&mut self) -> Router {
        let (id, first) = (Incarnation(self.dice.next()), self.dice.next() >> 1);
        Router { id, session: 0, sequence: 0, first, ids: Vec::new(), restates: false }
    }

    fn raw(&self) -> Micros {
        self.raw.load(Ordering::SeqCst)
    }

    pub(crate) async fn turn(&mut self) {
        self.pass();
        let at = usize::try_from(self.dice.below(3)).unwrap();
        if self.dice.below(150) == 0 {
            self.routers[at] = self.fresh_router();
        }
        if self.routers[at].session == 0 || self.dice.below(60) == 0 {
            self.greet(at).await;
        }
        let batch = self.batch(at);
        let repeats = self.dice.percent(20);
        if self.send(at, batch.clone()).await.is_err() && batch.check().is_ok() {
            self.greet(at).await;
        }
        if repeats {
            drop(self.send(at, batch).await);
        }
        if self.dice.percent(2) {
            self.check_rows().await;
        }
    }

    /// Lets time pass: none, little, up to the next moment that matters, or a lot; or set back.
    fn pass(&mut self) {
        let snapshot = self.machine.snapshot();
        let next = moments(&snapshot).first().map_or(0, |moment| moment - snapshot.now);
        let raw = self.raw();
        let after = match self.dice.below(20) {
            0..8 => raw,
            8..14 => raw + self.dice.below(200_000),
            14..18 if !self.is_stormy || self.dice.percent(50) => raw + next,
            18 if !self.is_stormy && self.dice.percent(30) => raw + self.dice.below(4_000_000),
            // The limits themselves.
            15..19 if self.is_stormy => raw + self.dice.pick(&JUMPS).unwrap(),
            18 => raw + self.dice.pick(&JUMPS).unwrap(),
            _ if self.dice.percent(30) => raw + self.dice.below(15_000_000),
            _ if self.dice.percent(5) => raw + self.dice.below(900_000_000),
            _ => raw - self.dice.below(500_000),
        };
        self.raw.store(after, Ordering::SeqCst);
    }

    async fn greet(&mut self, at: usize) {
        let was_in_share = self.dice.below(20) == 0;
        let hello = Batch { was_in_share, ..Batch::hello(self.routers[at].id) };
        let reply = self.send(at, hello).await.unwrap();
        let router = &mut self.routers[at];
        (router.session, router.sequence) = (reply.session, 0);
    }

    /// Executes a batch twice over and compares.
    async fn send(&mut self, at: usize, batch: Batch) -> Result<BatchReply, StoreError> {
        let store = &self.stores[at % 2];
        let found = store.execute(&self.pool, batch.clone()).await;
        let executed = self.machine.execute(self.raw(), &batch);
        let rings = executed.as_ref().is_ok_and(|executed| executed.rings);
        let expected = executed.map(|executed| executed.reply);
        assert_eq!(found, expected, "after {batch:?}, machine: {:?}", self.machine.snapshot());
        self.rings += u64::from(rings);
        self.commands += batch.commands.len() as u64;
        self.note(&expected);
        if let Ok(reply) = &expected {
            self.routers[at].restates = reply.restate;
        }
        expected
    }

    fn note(&mut self, result: &Result<BatchReply, StoreError>) {
        let kinds: Vec<_> = match result {
            Err(StoreError::StaleSession) => vec!["stale"],
            Err(_) => vec!["rejected"],
            Ok(reply) => {
                let events = reply.events.iter().map(|event| match event {
                    Event::HandedOff { .. } => "told of a slot",
                    Event::NoKey { .. } => "told of no key",
                });
                reply.answers.iter().map(kind_of).chain(events).collect()
            }
        };
        kinds.into_iter().for_each(|kind| *self.kinds.entry(kind).or_default() += 1);
    }

    fn batch(&mut self, at: usize) -> Batch {
        let count = match self.dice.below(100) {
            0..15 => 0,
            15..60 => 1,
            _ if self.dice.percent(1) => 20 + self.dice.below(236),
            _ => 2 + self.dice.below(6),
        };
        let mut commands: Vec<_> = (0..count).map(|_| self.command(at)).collect();
        if self.routers[at].restates && self.dice.percent(50) {
            commands.insert(0, self.honest_restate(at));
        }
        let was_in_share = self.dice.below(400) == 0;
        let mut spoil = self.dice.below(300);
        let skip = if self.dice.percent(10) { self.dice.below(1_000) } else { 0 };
        let router = &mut self.routers[at];
        router.sequence += 1 + skip;
        let (mut session, mut sequence) = (router.session, router.sequence);
        match spoil {
            0 => session += 1,
            1 => session = u64::MAX,
            2 => sequence = 0,
            3 => sequence = sequence.saturating_sub(5),
            _ => spoil = 0,
        }
        let mut batch = Batch { router: router.id, session, sequence, was_in_share, commands };
        if spoil == 0 && self.dice.below(100) == 0 {
            self.spoil(&mut batch);
        }
        batch
    }

    /// Makes it malformed.
    fn spoil(&mut self, batch: &mut Batch) {
        let stranger = TicketId { router: Incarnation(batch.router.0 ^ 1), number: 1 };
        let bad = match self.dice.below(3) {
            0 => Command::Leave(stranger),
            1 => Command::SetLimits { limits: Limits::unset(), replaces: None },
            _ => Command::Renew(vec![HeldLease {
                lease: stranger,
                key: "k".into(),
                model: Arc::from("m"),
            }]),
        };
        batch.commands.truncate(10);
        batch.commands.push(bad);
    }

    fn command(&mut self, at: usize) -> Command {
        match self.dice.below(100) {
            0..34 => Command::Acquire(self.acquire(at)),
            34..50 => Command::Claim(self.offered(at)),
            50..70 => {
                let lease = self.lease(at);
                let outcome = self.outcome_of(lease);
                Command::Settle { lease, outcome, then: self.then(at, lease) }
            }
            70..77 => {
                let lease = self.lease(at);
                Command::Rotate {
                    lease,
                    attempt: 1 + u32::try_from(self.dice.below(3)).unwrap(),
                    outcome: self.outcome_of(lease),
                    class: self.class(),
                    then: self.then(at, lease),
                }
            }
            77..81 => {
                let lease = self.lease(at);
                Command::Answered { lease, outcome: self.outcome_of(lease) }
            }
            81..86 => Command::Renew(self.held(at, 3)),
            86..92 => Command::Leave(self.known(at)),
            92..96 => self.restate(at),
            96 if self.generation > 0 => self.limits(),
            96..98 if self.generation == 0 => self.limits(),
            _ => Command::Acquire(self.acquire(at)),
        }
    }

    fn new_id(&mut self, at: usize) -> TicketId {
        let router = &mut self.routers[at];
        let number = router.first.wrapping_mul(2) + router.ids.len() as u64;
        let id = TicketId { router: router.id, number };
        router.ids.push(id);
        id
    }

    /// Mostly one of the latest ids, which may be in any state.
    fn known(&mut self, at: usize) -> TicketId {
        let ids = &self.routers[at].ids;
        let latest = &ids[ids.len().saturating_sub(12)..];
        self.dice.pick(latest).unwrap_or(TicketId { router: self.routers[at].id, number: 999 })
    }

    /// Mostly a lease.
    fn lease(&mut self, at: usize) -> TicketId {
        let router = self.routers[at].id;
        let leases = self.machine.snapshot().leases.into_iter().map(|lease| lease.id);
        let own: Vec<_> = leases.filter(|id| id.router == router).collect();
        let lease = self.dice.pick(&own).filter(|_| self.dice.percent(70));
        lease.unwrap_or_else(|| self.known(at))
    }

    fn offered(&mut self, at: usize) -> TicketId {
        let router = self.routers[at].id;
        let snapshot = self.machine.snapshot();
        let own = snapshot.tickets.iter().filter(|ticket| ticket.id.router == router);
        let offered: Vec<_> = own.filter(|t| t.waits == Waits::Claim).map(|t| t.id).collect();
        self.dice.pick(&offered).unwrap_or_else(|| self.known(at))
    }

    fn acquire(&mut self, at: usize) -> Acquire {
        let ticket = if self.dice.percent(90) { self.new_id(at) } else { self.known(at) };
        let deadline = match self.dice.below(20) {
            0..2 => self.dice.below(2_000_000),
            2 => u64::MAX,
            _ => 60_000_000,
        };
        let delay = if self.dice.percent(20) { self.dice.below(1_000_000) } else { 0 };
        // Rounded, so that some arrive at one and the same moment.
        let ago = self.dice.below(4) * 500_000;
        let arrival = self.dice.percent(20).then(|| (self.raw() - ago) / 500_000 * 500_000);
        let wait_for_cooldown = self.dice.percent(50);
        Acquire { ticket, class: self.class(), delay, deadline, arrival, wait_for_cooldown }
    }

    fn then(&mut self, at: usize, lease: TicketId) -> Option<Acquire> {
        let then = self.dice.percent(30).then(|| self.acquire(at));
        then.filter(|then| then.ticket != lease)
    }

    fn class(&mut self) -> Class {
        let mut keys: Vec<_> = KEYS.into_iter().filter(|_| self.dice.percent(45)).collect();
        if self.dice.percent(20) {
            keys.reverse();
        }
        if self.dice.percent(5) {
            keys.extend(keys.first().copied());
        }
        let keys = keys.into_iter().map(KeyName::from).collect();
        let operation = Arc::from(self.dice.pick(&OPERATIONS).unwrap());
        Class { model: self.model(), operation, keys }
    }

    fn model(&mut self) -> Arc<str> {
        if self.dice.percent(1) {
            return Arc::from("long ".repeat(20_000));
        }
        Arc::from(self.dice.pick(&MODELS).unwrap())
    }

    fn key(&mut self) -> KeyName {
        KeyName::from(self.dice.pick(&KEYS).unwrap())
    }

    /// Mostly about what the lease uses.
    fn outcome_of(&mut self, lease: TicketId) -> Outcome {
        let leases = self.machine.snapshot().leases;
        let Some(lease) = leases.into_iter().find(|one| one.id == lease) else {
            return self.outcome();
        };
        let own = [Scope::Endpoint, Scope::Key(lease.key.clone())];
        let own = [&own[..], &[Scope::KeyModel(lease.key, lease.model)]].concat();
        let mut outcome = self.outcome();
        for health in &mut outcome.health {
            if self.dice.percent(60) {
                let (Health::Well(scope) | Health::Cool { scope, .. }) = health;
                *scope = own[usize::try_from(self.dice.below(3)).unwrap()].clone();
            }
        }
        outcome
    }

    fn outcome(&mut self) -> Outcome {
        let count = [0, 0, 0, 0, 0, 0, 1, 1, 2][usize::try_from(self.dice.below(9)).unwrap()];
        Outcome { health: (0..count).map(|_| self.health()).collect() }
    }

    fn health(&mut self) -> Health {
        let scope = match self.dice.below(8) {
            0 if self.dice.percent(30) => Scope::Endpoint,
            0..4 => Scope::Key(self.key()),
            _ => Scope::KeyModel(self.key(), self.model()),
        };
        if self.dice.percent(45) {
            return Health::Well(scope);
        }
        let huge = self.dice.percent(2);
        let retry_after = self.dice.percent(50).then(|| self.dice.below(2_000_000));
        let retry_after = if huge { retry_after.map(|_| u64::MAX) } else { retry_after };
        let base = if huge { u64::MAX } else { self.dice.below(500_000) };
        let max = if huge { u64::MAX } else { 1_000_000 + self.dice.below(5_000_000) };
        Health::Cool { scope, retry_after, base, max }
    }

    fn held(&mut self, at: usize, most: u64) -> Vec<HeldLease> {
        let count = self.dice.below(most + 1);
        let ids: BTreeSet<_> = (0..count).map(|_| self.known(at)).collect();
        let (key, model) = (self.key(), self.model());
        let held = |lease| HeldLease { lease, key: key.clone(), model: Arc::clone(&model) };
        ids.into_iter().map(held).collect()
    }

    fn restate(&mut self, at: usize) -> Command {
        let leases = self.held(at, 4);
        let mut tickets: Vec<_> = (0..self.dice.below(4)).map(|_| self.acquire(at)).collect();
        tickets.sort_by_key(|one| one.ticket);
        tickets.dedup_by_key(|one| one.ticket);
        tickets.retain(|one| leases.iter().all(|held| held.lease != one.ticket));
        Command::Restate { leases, tickets }
    }

    /// All that the router holds, as the machine sees it.
    fn honest_restate(&mut self, at: usize) -> Command {
        let (router, pool) = (self.routers[at].id, self.machine.snapshot());
        let own = pool.leases.into_iter().filter(|lease| lease.id.router == router);
        let leases = own.filter(|lease| lease.claimed).map(|lease| HeldLease {
            lease: lease.id,
            key: lease.key,
            model: lease.model,
        });
        let own = pool.tickets.into_iter().filter(|ticket| ticket.id.router == router);
        let tickets = own.map(|ticket| Acquire {
            ticket: ticket.id,
            class: ticket.class,
            delay: 0,
            deadline: 60_000_000,
            arrival: Some(ticket.arrival),
            wait_for_cooldown: ticket.wait_for_cooldown,
        });
        Command::Restate { leases: leases.collect(), tickets: tickets.collect() }
    }

    fn limits(&mut self) -> Command {
        let stale = self.dice.percent(5);
        let replaces = (self.generation > 0).then(|| self.generation - u64::from(stale));
        self.generation += 1;
        let mut keys = Vec::new();
        for name in &KEYS[..5] {
            if self.dice.percent(80) {
                keys.push((KeyName::from(*name), self.dice.pick(&WEIGHTS).unwrap()));
            }
        }
        let most = if self.dice.percent(50) { 4 } else { 40 };
        let concurrency = 1 + u32::try_from(self.dice.below(most)).unwrap();
        let buffer = u32::try_from(self.dice.below(2 * most)).unwrap();
        let (generation, hash) = (self.generation, self.dice.next());
        let limits = Limits { generation, hash, concurrency, buffer, keys };
        if stale && replaces == Some(0) {
            return Command::SetLimits { limits, replaces: None };
        }
        Command::SetLimits { limits, replaces }
    }

    /// What Redis keeps is what the machine holds: as many rows of each kind, and no other keys.
    pub(crate) async fn check_rows(&self) {
        let pool: Snapshot = self.machine.snapshot();
        let waiting = |waits: fn(&Waits) -> bool| {
            pool.tickets.iter().filter(|ticket| waits(&ticket.waits)).count()
        };
        let listed = waiting(|waits| matches!(waits, Waits::Slot));
        let classes: BTreeSet<_> = pool.tickets.iter().map(|ticket| &ticket.class).collect();
        let ids: BTreeSet<_> = pool.leases.iter().map(|lease| lease.id).collect();
        let ids: BTreeSet<_> = ids.into_iter().chain(pool.tickets.iter().map(|t| t.id)).collect();
        // What is there once: core, routers, limits.
        let once =
            if pool.routers.is_empty() { 0 } else { 2 + usize::from(pool.limits.generation > 0) };
        let rows = [
            ("HLEN", "rows", once + ids.len() + classes.len()),
            ("ZCARD", "ends", pool.leases.len()),
            ("ZCARD", "deadlines", pool.tickets.len()),
            ("ZCARD", "order", listed),
            ("ZCARD", "lists", listed),
            ("ZCARD", "delayed", waiting(|waits| matches!(waits, Waits::Delay(_)))),
            ("ZCARD", "news", waiting(|w| matches!(w, Waits::Claim | Waits::Leave(..)))),
            ("HLEN", "cooldowns", pool.cooldowns.len()),
            ("ZCARD", "rests", pool.cooldowns.len()),
        ];
        for (verb, part, expected) in rows {
            let key = format!("{}:v1:{{acme%7B%7D}}:{part}", self.prefix);
            let found = self.server.say(&[verb, &key]).await;
            assert_eq!(found, Value::Int(i64::try_from(expected).unwrap()), "{key}: {pool:?}");
        }
        let Value::Int(keys) = self.server.say(&["DBSIZE"]).await else { panic!() };
        assert!(keys <= 9, "{keys} keys");
    }

    /// The bell was rung as often as the machine said.
    pub(crate) async fn check_rings(&self) {
        assert_eq!(publishes(self.server).await - self.publishes, self.rings);
    }
}

fn kind_of(answer: &Answer) -> &'static str {
    match answer {
        Answer::Granted { .. } => "granted",
        Answer::Queued { .. } => "queued",
        Answer::Full { .. } => "full",
        Answer::NoKey { .. } => "no key",
        Answer::ClaimRefused => "claim refused",
        Answer::Done => "done",
        Answer::Settled(None) => "settled",
        Answer::Settled(Some(_)) => "settled into",
        Answer::LimitsInForce(limits) if limits.is_unset() => "limits unset",
        Answer::LimitsInForce(_) => "limits in force",
        Answer::Grace => "grace",
    }
}

/// How often anything was published on a server.
async fn publishes(server: &Server) -> u64 {
    let Value::BulkString(text) = server.say(&["INFO", "commandstats"]).await else {
        panic!("no statistics")
    };
    let text = String::from_utf8(text).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("cmdstat_publish:calls="));
    line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
}
