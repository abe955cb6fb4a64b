//! One pool, kept twice, and the routers that speak to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redis::Value;
use weir_quota::conformance::moments;
use weir_quota::{
    Answer, Batch, BatchReply, Command, CooldownView, Event, Incarnation, Machine, Micros,
    NoKeyReason, QuotaStore, Scope, Snapshot, StoreError, TicketId, Timing, Waits,
};
use weir_quota_redis::RedisStore;
use weir_types::ProviderName;

use crate::support::{Dice, Server};

pub(super) struct Router {
    pub(super) id: Incarnation,
    pub(super) session: u64,
    pub(super) sequence: u64,
    pub(super) first: u64,
    pub(super) ids: Vec<TicketId>,
    /// The last reply asked for a restate.
    pub(super) restates: bool,
}

pub(crate) struct World {
    server: Arc<Server>,
    pub(super) dice: Dice,
    machine: Machine,
    timing: Timing,
    /// The machine after the last batch.
    pub(super) view: Snapshot,
    stores: [RedisStore; 2],
    pool: ProviderName,
    prefix: String,
    raw: Arc<AtomicU64>,
    pub(super) routers: Vec<Router>,
    /// Long silences are common, so graces are.
    pub(super) is_stormy: bool,
    pub(super) generation: u64,
    rings: u64,
    publishes: u64,
    pub(crate) commands: u64,
    pub(crate) kinds: BTreeMap<&'static str, u64>,
}

impl World {
    pub(crate) async fn new(server: &Arc<Server>, seed: u64) -> Self {
        let mut dice = Dice(seed);
        let is_stormy = dice.percent(30);
        let grace = is_stormy || dice.percent(30);
        let usual = Timing { grace, ..Timing::default() };
        // A grace outlives a lease in these, and a lease what is unclaimed by 1 µs; rests are forgotten soon.
        let short =
            Timing { lease_ttl: 1_000_001, claim_limit: 1_000_000, max_cooldown: 3_000_000, grace };
        let timing = if dice.percent(30) { short } else { usual };
        let raw = Arc::new(AtomicU64::new(1_000_000_000_000 + dice.below(1 << 51)));
        let prefix = format!("world-{seed}");
        let store = || {
            let (raw, settings) = (Arc::clone(&raw), server.settings(&prefix, timing));
            RedisStore::with_clock(settings, move || raw.load(Ordering::SeqCst)).unwrap()
        };
        let mut world = Self {
            server: Arc::clone(server),
            dice,
            machine: Machine::new(timing),
            timing,
            view: Machine::new(timing).snapshot(),
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

    pub(super) fn raw(&self) -> Micros {
        self.raw.load(Ordering::SeqCst)
    }

    /// A look shows what the machine shows, and leaves every key as it was.
    async fn look(&mut self) {
        let models: Vec<Arc<str>> =
            self.view.tickets.iter().map(|ticket| ticket.class.model.clone()).collect();
        let rests = self.view.cooldowns.iter().filter_map(|row| match &row.scope {
            Scope::KeyModel(_, model) => Some(model.clone()),
            _ => None,
        });
        let models: Vec<_> = models.into_iter().chain(rests).chain(["other".into()]).collect();
        let Some(model) = self.dice.pick(&models) else { return };
        let before = self.dump().await;
        let found = self.stores[0].look(&self.pool, &model).await.unwrap();
        let expected = (self.view.now > 0).then(|| self.machine.sight(self.raw(), &model));
        assert_eq!(found, expected, "a look for {model}");
        if let Some(sight) = found {
            *self.kinds.entry("looked").or_default() += 1;
            for rest in sight.rests {
                let kind = if rest.blocks() { "saw a rest" } else { "saw a rest that is over" };
                *self.kinds.entry(kind).or_default() += 1;
            }
        }
        assert_eq!(self.dump().await, before, "a look for {model}");
    }

    /// What Redis keeps of the pool. A hash has no order of its own.
    async fn dump(&self) -> Vec<Vec<(Vec<u8>, Vec<u8>)>> {
        let mut dumped = Vec::new();
        for part in ["rows", "cooldowns", "notes", "ends", "order", "news", "rests"] {
            let key = format!("{}:v2:{{acme%7B%7D}}:{part}", self.prefix);
            let asked: &[&str] = match part {
                "rows" | "cooldowns" | "notes" => &["HGETALL", &key],
                _ => &["ZRANGE", &key, "0", "-1", "WITHSCORES"],
            };
            let Value::Array(values) = self.server.say(asked).await else { panic!("{part}") };
            let text = |value: &Value| match value {
                Value::BulkString(bytes) => bytes.clone(),
                other => panic!("{other:?}"),
            };
            let pairs = values.chunks(2).map(|pair| (text(&pair[0]), text(&pair[1])));
            let mut pairs: Vec<_> = pairs.collect();
            pairs.sort();
            dumped.push(pairs);
        }
        dumped
    }

    pub(crate) async fn turn(&mut self) {
        self.pass();
        if self.dice.percent(5) {
            self.look().await;
        }
        let at = usize::try_from(self.dice.below(3)).unwrap();
        if self.dice.below(150) == 0 {
            self.routers[at] = self.fresh_router();
        }
        if self.routers[at].session == 0 || self.dice.below(60) == 0 {
            self.greet(at).await;
        } else if self.dice.below(60) == 0 {
            self.greet_late(at).await;
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

    /// Lets time pass: none, little, to a moment that matters or next to it, or a lot; or set back.
    fn pass(&mut self) {
        let raw = self.raw();
        let after = match self.dice.below(20) {
            0..8 => raw,
            8..13 => raw + self.dice.below(200_000),
            13..18 => raw + self.until_a_moment(),
            18 if self.dice.percent(30) => raw + self.dice.below(4_000_000),
            18 if self.dice.percent(30) => raw + self.dice.below(15_000_000),
            18 if self.dice.percent(5) => raw + self.dice.below(900_000_000),
            _ => raw - self.dice.below(500_000),
        };
        self.raw.store(after, Ordering::SeqCst);
    }

    /// The time to a moment at which something changes, or one microsecond off it. The near ones
    /// come up most; a storm reaches for those at which everything is lost.
    fn until_a_moment(&mut self) -> Micros {
        let Timing { lease_ttl, claim_limit, max_cooldown, .. } = self.timing;
        let near = moments(&self.view);
        let mut all: Vec<_> = near.iter().take(3).copied().collect();
        all.extend(self.view.tickets.iter().map(|ticket| ticket.deadline).min());
        all.extend(self.view.routers.iter().map(|router| router.heard + claim_limit));
        if self.dice.percent(if self.is_stormy { 60 } else { 5 }) {
            let now = self.view.now;
            all.extend(self.view.routers.iter().map(|router| router.heard + lease_ttl));
            all.extend([lease_ttl / 2, lease_ttl / 2 + claim_limit, lease_ttl].map(|t| now + t));
            all.extend(self.view.cooldowns.iter().map(|row| row.until + max_cooldown).min());
        }
        let wanted = self.dice.pick(&all).unwrap_or(self.view.now);
        let beside = [0, 0, 1, 2][usize::try_from(self.dice.below(4)).unwrap()];
        // Less by one, exactly, or more by one.
        (wanted.saturating_add(beside)).saturating_sub(self.view.now + 1).min(2_000_000_000)
    }

    async fn greet(&mut self, at: usize) {
        let was_in_share = self.dice.below(20) == 0;
        let knows_pool = self.routers[at].session != 0;
        let heard = self.routers[at].session;
        let hello = Batch { was_in_share, knows_pool, heard, ..Batch::hello(self.routers[at].id) };
        let reply = self.send(at, hello).await.unwrap();
        let router = &mut self.routers[at];
        (router.session, router.sequence) = (reply.session, 0);
    }

    /// A hello from before the session, or the very one that has begun it: refused if the router has spoken
    /// in it since.
    async fn greet_late(&mut self, at: usize) {
        let heard = self.routers[at].session - 1;
        let hello = Batch { heard, ..Batch::hello(self.routers[at].id) };
        let kind = if self.send(at, hello).await.is_ok() { "greeted again" } else { "late hello" };
        *self.kinds.entry(kind).or_default() += 1;
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
        self.note(&batch, &expected);
        if let Ok(reply) = &expected {
            self.routers[at].restates = reply.restate;
            self.view = self.machine.snapshot();
        }
        expected
    }

    fn note(&mut self, batch: &Batch, result: &Result<BatchReply, StoreError>) {
        let mut kinds: Vec<_> = batch.commands.iter().map(verb_of).collect();
        match result {
            Err(StoreError::StaleSession) => kinds.push("stale"),
            Err(_) => kinds.push("rejected"),
            Ok(reply) => {
                kinds.extend(reply.answers.iter().map(kind_of));
                kinds.extend(reply.events.iter().map(|event| match event {
                    Event::HandedOff { .. } => "told of a slot",
                    Event::NoKey { reason: NoKeyReason::Cooling, .. } => "told of a cooling key",
                    Event::NoKey { reason: NoKeyReason::EndpointCooling, .. } => {
                        "told of a cooling endpoint"
                    }
                    Event::NoKey { reason: NoKeyReason::Unknown, .. } => "told of no key",
                }));
                kinds.push(if reply.restate { "restate" } else { "no restate" });
                kinds.push(if reply.wake_in.is_some() { "a moment" } else { "no moment" });
            }
        }
        kinds.into_iter().for_each(|kind| *self.kinds.entry(kind).or_default() += 1);
    }

    /// What Redis keeps is what the machine holds: as many rows of each kind, and no other keys.
    pub(crate) async fn check_rows(&self) {
        let pool = &self.view;
        let waiting = |waits: fn(&Waits) -> bool| {
            pool.tickets.iter().filter(|ticket| waits(&ticket.waits)).count()
        };
        let listed = waiting(|waits| matches!(waits, Waits::Slot));
        let news = waiting(|w| matches!(w, Waits::Claim | Waits::Leave(..)));
        let resting = waiting(|waits| matches!(waits, Waits::Rest));
        let delayed = waiting(|waits| matches!(waits, Waits::Delay(_)));
        let classes: BTreeSet<_> = pool.tickets.iter().map(|ticket| &ticket.class).collect();
        let ids: BTreeSet<_> = pool.leases.iter().map(|lease| lease.id).collect();
        let ids: BTreeSet<_> = ids.into_iter().chain(pool.tickets.iter().map(|t| t.id)).collect();
        // What is there once: core, routers, limits.
        let unwell = usize::from(!pool.cooldowns.is_empty());
        let limits = usize::from(pool.limits.generation > 0);
        let once = if pool.now == 0 { 0 } else { 3 + limits + unwell };
        let of_models = || {
            let key_and_model = |row: &CooldownView| match &row.scope {
                Scope::KeyModel(_, model) => Some((model.clone(), row.missing)),
                _ => None,
            };
            pool.cooldowns.iter().filter_map(key_and_model)
        };
        let models: BTreeSet<_> = of_models().map(|(model, _)| model).collect();
        let rows = [
            ("HLEN", "rows", once + ids.len() + classes.len()),
            ("ZCARD", "ends", pool.leases.len()),
            ("ZCARD", "deadlines", pool.tickets.len()),
            ("ZCARD", "order", listed),
            ("ZCARD", "resting", resting),
            ("ZCARD", "models", resting + delayed),
            ("ZCARD", "delayed", delayed),
            ("ZCARD", "news", news + pool.routers.iter().map(|row| row.unheard).sum::<usize>()),
            ("HLEN", "cooldowns", models.len()),
            ("ZCARD", "missing", of_models().filter(|(_, missing)| *missing).count()),
            ("HLEN", "notes", pool.cooldowns.iter().filter(|row| !row.note.is_empty()).count()),
        ];
        for (verb, part, expected) in rows {
            let key = format!("{}:v2:{{acme%7B%7D}}:{part}", self.prefix);
            let found = self.server.say(&[verb, &key]).await;
            assert_eq!(found, Value::Int(i64::try_from(expected).unwrap()), "{key}: {pool:?}");
        }
        let Value::Int(keys) = self.server.say(&["DBSIZE"]).await else { panic!() };
        assert!(keys <= 13, "{keys} keys");
    }

    /// The bell was rung as often as the machine said.
    pub(crate) async fn check_rings(&self) {
        assert_eq!(publishes(&self.server).await - self.publishes, self.rings);
    }
}

fn kind_of(answer: &Answer) -> &'static str {
    match answer {
        Answer::Granted { .. } => "granted",
        Answer::Queued { .. } => "queued",
        Answer::Full { .. } => "full",
        Answer::NoKey { reason: NoKeyReason::Cooling, .. } => "cooling",
        Answer::NoKey { reason: NoKeyReason::EndpointCooling, .. } => "endpoint cooling",
        Answer::NoKey { reason: NoKeyReason::Unknown, .. } => "no key",
        Answer::ClaimRefused => "claim refused",
        Answer::Done => "done",
        Answer::Settled(None) => "settled",
        Answer::Settled(Some(_)) => "settled into",
        Answer::LimitsInForce(limits) if limits.is_unset() => "limits unset",
        Answer::LimitsInForce(_) => "limits in force",
        Answer::Grace => "grace",
        Answer::Routers(_) => "routers named",
    }
}

fn verb_of(command: &Command) -> &'static str {
    match command {
        Command::SetLimits { .. } => "set limits",
        Command::Acquire(_) => "acquire",
        Command::Claim(_) => "claim",
        Command::Settle { then: None, .. } => "settle",
        Command::Settle { then: Some(_), .. } => "settle and go on",
        Command::Rotate { then: None, .. } => "rotate",
        Command::Rotate { then: Some(_), .. } => "rotate or go on",
        Command::Answered { .. } => "answered",
        Command::Learn(_) => "learn",
        Command::Renew(_) => "renew",
        Command::Leave(_) => "leave",
        Command::Restate { .. } => "say again",
        Command::Routers => "ask for routers",
        Command::Bye => "bye",
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
