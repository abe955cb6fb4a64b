//! Batches at random: what routers say, what they should not say, and what is malformed.
//!
//! Ids use all 64 bits, names hold any text, and most of what is named exists: a verb that misses its
//! object compares little.

use std::collections::BTreeSet;
use std::sync::Arc;

use weir_quota::{
    Acquire, Batch, Class, Command, Health, HeldLease, Incarnation, Limits, Note, Outcome, Scope,
    TicketId, Waits,
};
use weir_types::KeyName;

use super::world::World;

const KEYS: [&str; 6] = ["k", "l", "", "n}\0", "ключ", "unknown"];
const MODELS: [&str; 3] = ["small", "", "large\0{x}"];
const OPERATIONS: [&str; 2] = ["chat", "embeddings"];
const WEIGHTS: [f64; 9] = [0.0, -0.0, 0.001, 0.7, 1.0, 1.0, 3.0, 5.0, 1e300];

impl World {
    pub(super) fn batch(&mut self, at: usize) -> Batch {
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
        let was_in_share = self.dice.below(if self.is_stormy { 40 } else { 400 }) == 0;
        if self.dice.below(300) == 0 {
            commands.push(Command::Bye);
        }
        let heard_before = self.dice.below(3);
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
        let heard = sequence.saturating_sub(1 + heard_before);
        let hello = Batch::hello(router.id);
        let mut batch = Batch { session, sequence, heard, was_in_share, commands, ..hello };
        if spoil == 0 && self.dice.below(100) == 0 {
            self.spoil(&mut batch);
        }
        batch
    }

    /// Makes it malformed.
    fn spoil(&mut self, batch: &mut Batch) {
        let stranger = TicketId { router: Incarnation(batch.router.0 ^ 1), number: 1 };
        let bad = match self.dice.below(4) {
            3 if !batch.commands.is_empty() => return batch.commands.insert(0, Command::Bye),
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
            97 => Command::Learn(self.outcome()),
            98 => Command::Routers,
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
        let leases = self.view.leases.iter().map(|lease| lease.id);
        let own: Vec<_> = leases.filter(|id| id.router == router).collect();
        let lease = self.dice.pick(&own).filter(|_| self.dice.percent(70));
        lease.unwrap_or_else(|| self.known(at))
    }

    fn offered(&mut self, at: usize) -> TicketId {
        let router = self.routers[at].id;
        let own = self.view.tickets.iter().filter(|ticket| ticket.id.router == router);
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
        if self.dice.percent(40) {
            keys = vec![self.dice.pick(&KEYS).unwrap()];
        }
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
        let Some(lease) = self.view.leases.iter().find(|one| one.id == lease).cloned() else {
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
        let base = self.dice.below(500_000) * u64::from(self.dice.percent(80));
        let base = if huge { u64::MAX } else { base };
        let max = if huge { u64::MAX } else { 1_000_000 + self.dice.below(5_000_000) };
        let note = Note::from(self.dice.pick(&["", "no", "wait", "not \u{fc}"]).unwrap());
        let missing = self.dice.percent(20);
        Health::Cool { scope, retry_after, base, max, missing, note }
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
        let (router, pool) = (self.routers[at].id, self.view.clone());
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
        let present = self.view.limits.generation;
        let replaces = (present > 0).then(|| present - u64::from(stale));
        // Some are superseded and come again, and are refused as long as somebody has newer ones.
        self.generation = self.view.limits.generation + 1;
        let mut keys = Vec::new();
        for name in &KEYS[..5] {
            if self.dice.percent(80) {
                keys.push((KeyName::from(*name), self.dice.pick(&WEIGHTS).unwrap()));
            }
        }
        let most = if self.dice.percent(50) { 4 } else { 40 };
        let concurrency = 1 + u32::try_from(self.dice.below(most)).unwrap();
        let buffer = u32::try_from(self.dice.below(2 * most)).unwrap();
        // One that is skipped says that these are no news.
        let generation = self.generation + u64::from(self.dice.percent(20));
        let hash = if self.dice.percent(70) { 1 + self.dice.below(4) } else { self.dice.next() };
        let leeway = self.dice.pick(&[0, 0, 1, 3]).unwrap();
        let limits = Limits { generation, hash, concurrency, buffer, leeway, keys };
        if stale && replaces == Some(0) {
            return Command::SetLimits { limits, replaces: None };
        }
        Command::SetLimits { limits, replaces }
    }
}
