//! Random commands, right and wrong ones, from routers that come, go and repeat themselves.
//!
//! Q1 to Q6 and Q8 to Q10 are asserted after every step; Q7 has a test of its own. A failure
//! prints the seed that repeats it.

use std::sync::Arc;

use weir_types::KeyName;

use super::support::{Dice, Seed};
use crate::conformance::{Step, check_invariants, check_step, moments};
use crate::{
    Acquire, Batch, Class, Command, Health, HeldLease, Incarnation, Limits, Machine, Micros, Note,
    Outcome, Scope, StoreError, TicketId, Timing, Waits,
};

const KEYS: [&str; 5] = ["k", "l", "m", "n", "unknown"];
const MODELS: [&str; 2] = ["small", "large"];

struct Router {
    id: Incarnation,
    session: u64,
    sequence: u64,
    ids: Vec<TicketId>,
}

struct World {
    dice: Dice,
    timing: Timing,
    machine: Machine,
    raw: Micros,
    routers: Vec<Router>,
    generation: u64,
    incarnations: u64,
}

impl World {
    fn new(seed: u64, grace: bool) -> Self {
        let timing = Timing { grace, ..Timing::default() };
        let mut world = Self {
            dice: Dice(seed),
            timing,
            machine: Machine::new(timing),
            raw: 1_000_000,
            routers: Vec::new(),
            generation: 0,
            incarnations: 0,
        };
        for _ in 0..3 {
            let router = world.fresh_router();
            world.routers.push(router);
        }
        world
    }

    fn fresh_router(&mut self) -> Router {
        self.incarnations += 1;
        let id = Incarnation(self.incarnations);
        Router { id, session: 0, sequence: 0, ids: Vec::new() }
    }

    /// Lets time pass: none, little, up to the next moment that matters, or a lot; or set back.
    fn pass(&mut self) {
        let next = moments(&self.machine.snapshot());
        let now = self.machine.snapshot().now;
        match self.dice.below(20) {
            0..8 => {}
            8..14 => self.raw += self.dice.below(200_000),
            14..18 => self.raw += next.first().map_or(0, |moment| moment - now),
            18 => self.raw += self.dice.below(4_000_000),
            _ if self.dice.percent(30) => self.raw += self.dice.below(15_000_000),
            _ => self.raw -= self.dice.below(self.raw.min(500_000)),
        }
    }

    fn batch(&mut self, at: usize, commands: Vec<Command>) -> Batch {
        let was_in_share = self.dice.below(400) == 0;
        let heard_before = 1 + self.dice.below(3);
        let router = &mut self.routers[at];
        router.sequence += 1;
        let (session, sequence) = (router.session, router.sequence);
        let heard = sequence.saturating_sub(heard_before);
        let hello = Batch::hello(router.id);
        Batch { session, sequence, heard, was_in_share, commands, ..hello }
    }

    /// Executes and checks one step. False if the router has to say hello.
    fn step(&mut self, batch: &Batch) -> bool {
        let before = self.machine.snapshot();
        let executed = self.machine.execute(self.raw, batch);
        let after = self.machine.snapshot();
        match executed {
            Ok(executed) => {
                let answers = &executed.reply.answers;
                let step = Step { before: &before, batch, answers, after: &after };
                let checked =
                    check_step(&step).and_then(|()| check_invariants(&after, &self.timing));
                assert_eq!(checked, Ok(()), "after {batch:?}, answered with {answers:?}");
                let status = executed.reply.status;
                assert_eq!(status.leases as usize, after.leases.len());
                assert_eq!(executed.reply.now, after.now);
                assert!(after.now >= before.now);
                assert!(executed.reply.wake_in != Some(0));
                true
            }
            Err(error) => {
                assert_eq!(error, StoreError::StaleSession, "{batch:?}");
                assert_eq!(before, after, "Q8: a refused batch changed something");
                false
            }
        }
    }

    fn turn(&mut self) {
        self.pass();
        let at = usize::try_from(self.dice.below(3)).unwrap();
        if self.dice.below(150) == 0 {
            self.routers[at] = self.fresh_router();
        }
        let poll = self.batch(at, Vec::new());
        if self.routers[at].session == 0 || self.dice.below(100) == 0 || !self.step(&poll) {
            let router = &mut self.routers[at];
            let hello = Batch { heard: router.session, ..Batch::hello(router.id) };
            let executed = self.machine.execute(self.raw, &hello).unwrap();
            (router.session, router.sequence) = (executed.reply.session, 0);
            let poll = self.batch(at, Vec::new());
            assert!(self.step(&poll));
        }
        if self.dice.below(300) == 0 {
            let farewell = self.batch(at, vec![Command::Bye]);
            assert!(self.step(&farewell));
            self.routers[at].session = 0;
        } else if self.dice.percent(25) {
            self.several(at);
        } else {
            self.one(at);
        }
    }

    /// One command, then the same again: in the same batch refused, in a new one without effect.
    fn one(&mut self, at: usize) {
        let command = self.command(at);
        let batch = self.batch(at, vec![command.clone()]);
        assert!(self.step(&batch));
        if self.dice.percent(50) {
            assert!(!self.step(&batch), "a sequence was accepted twice");
        }
        let stays_same = !matches!(command, Command::Restate { .. });
        if stays_same && self.dice.percent(50) {
            let again = self.batch(at, vec![command]);
            let shared = again.was_in_share;
            // Any batch sweeps what the command before it let go of.
            let mut once = self.machine.clone();
            once.execute(self.raw, &Batch { commands: Vec::new(), ..again.clone() }).unwrap();
            let once = once.snapshot();
            assert!(self.step(&again));
            let mut twice = self.machine.snapshot();
            twice.routers.clone_from(&once.routers);
            assert!(shared || once == twice, "{again:?} twice: {once:?} and {twice:?}");
        }
    }

    /// A batch of several does what one batch for each would have done.
    fn several(&mut self, at: usize) {
        let count = 2 + self.dice.below(6);
        let commands: Vec<_> = (0..count).map(|_| self.command(at)).collect();
        let mut together = self.machine.clone();
        let mut batch = self.batch(at, commands.clone());
        batch.was_in_share = false;
        let reply = together.execute(self.raw, &batch).unwrap().reply;
        self.routers[at].sequence -= 1;
        let mut answers = Vec::new();
        for command in commands {
            let mut single = self.batch(at, vec![command]);
            single.was_in_share = false;
            let before = self.machine.snapshot();
            let executed = self.machine.execute(self.raw, &single).unwrap();
            let after = self.machine.snapshot();
            let found = &executed.reply.answers;
            let step = Step { before: &before, batch: &single, answers: found, after: &after };
            assert_eq!(check_step(&step), Ok(()), "{single:?} answered with {found:?}");
            answers.extend(executed.reply.answers);
        }
        assert_eq!(reply.answers, answers, "{batch:?}");
        let (mut one, mut many) = (together.snapshot(), self.machine.snapshot());
        one.routers.clear();
        many.routers.clear();
        assert_eq!(one, many, "{batch:?}");
    }

    fn command(&mut self, at: usize) -> Command {
        match self.dice.below(100) {
            0..34 => Command::Acquire(self.acquire(at)),
            34..50 => Command::Claim(self.offered(at)),
            50..68 => {
                let (lease, outcome) = (self.known(at), self.outcome());
                Command::Settle { lease, outcome, then: self.then(at, lease) }
            }
            68..77 => {
                let lease = self.known(at);
                Command::Rotate {
                    lease,
                    attempt: 1 + u32::try_from(self.dice.below(3)).unwrap(),
                    outcome: self.outcome(),
                    class: self.class(),
                    then: self.then(at, lease),
                }
            }
            77..81 => Command::Answered { lease: self.known(at), outcome: self.outcome() },
            81..86 => Command::Renew(self.held(at, 3)),
            86..92 => Command::Leave(self.known(at)),
            92..94 => self.restate(at),
            94..96 => Command::Learn(self.outcome()),
            _ => self.limits(),
        }
    }

    fn new_id(&mut self, at: usize) -> TicketId {
        let router = &mut self.routers[at];
        let id = TicketId { router: router.id, number: router.ids.len() as u64 };
        router.ids.push(id);
        id
    }

    /// Mostly one of the latest ids, which may be in any state.
    fn known(&mut self, at: usize) -> TicketId {
        let ids = &self.routers[at].ids;
        let latest = &ids[ids.len().saturating_sub(12)..];
        self.dice.pick(latest).unwrap_or(TicketId { router: self.routers[at].id, number: 999 })
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
        let deadline = if self.dice.percent(10) { self.dice.below(2_000_000) } else { 60_000_000 };
        let delay = if self.dice.percent(20) { self.dice.below(1_000_000) } else { 0 };
        let ago = self.dice.below(3_000_000);
        let arrival = self.dice.percent(15).then(|| self.raw.saturating_sub(ago));
        let wait_for_cooldown = self.dice.percent(50);
        Acquire { ticket, class: self.class(), delay, deadline, arrival, wait_for_cooldown }
    }

    fn then(&mut self, at: usize, lease: TicketId) -> Option<Acquire> {
        let then = self.dice.percent(30).then(|| self.acquire(at));
        then.filter(|then| then.ticket != lease)
    }

    fn class(&mut self) -> Class {
        let model = self.dice.pick(&MODELS).unwrap();
        let mut keys: Vec<_> = KEYS.into_iter().filter(|_| self.dice.percent(45)).collect();
        if self.dice.percent(20) {
            keys.reverse();
        }
        let keys = keys.into_iter().map(KeyName::from).collect();
        Class { model: Arc::from(model), operation: Arc::from("chat"), keys }
    }

    fn outcome(&mut self) -> Outcome {
        let count = [0, 0, 0, 1, 1, 2][usize::try_from(self.dice.below(6)).unwrap()];
        Outcome { health: (0..count).map(|_| self.health()).collect() }
    }

    fn health(&mut self) -> Health {
        let key = KeyName::from(self.dice.pick(&KEYS).unwrap());
        let scope = match self.dice.below(8) {
            0 => Scope::Endpoint,
            1..4 => Scope::Key(key),
            _ => Scope::KeyModel(key, Arc::from(self.dice.pick(&MODELS).unwrap())),
        };
        if self.dice.percent(45) {
            return Health::Well(scope);
        }
        let retry_after = self.dice.percent(50).then(|| self.dice.below(2_000_000));
        let (base, max) = (self.dice.below(500_000), 1_000_000 + self.dice.below(5_000_000));
        let note = Note::from(self.dice.pick(&["", "no", "wait"]).unwrap());
        let missing = self.dice.percent(20);
        Health::Cool { scope, retry_after, base, max, missing, note }
    }

    fn held(&mut self, at: usize, most: u64) -> Vec<HeldLease> {
        let count = self.dice.below(most + 1);
        let mut ids: Vec<_> = (0..count).map(|_| self.known(at)).collect();
        ids.sort_unstable();
        ids.dedup();
        let key = KeyName::from(self.dice.pick(&KEYS).unwrap());
        let model: Arc<str> = Arc::from(self.dice.pick(&MODELS).unwrap());
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

    fn limits(&mut self) -> Command {
        let replaces = (self.generation > 0).then_some(self.generation);
        self.generation += 1;
        let weights = [0.0, 0.001, 0.7, 1.0, 3.0, 5.0];
        let mut keys = Vec::new();
        for name in &KEYS[..4] {
            if self.dice.percent(85) {
                keys.push((KeyName::from(*name), self.dice.pick(&weights).unwrap()));
            }
        }
        let concurrency = 1 + u32::try_from(self.dice.below(4)).unwrap();
        let buffer = u32::try_from(self.dice.below(8)).unwrap();
        let generation = self.generation;
        let leeway = self.dice.pick(&[0, 0, 1, 3]).unwrap();
        let limits = Limits { generation, hash: generation, concurrency, buffer, leeway, keys };
        Command::SetLimits { limits, replaces }
    }
}

fn run(seeds: std::ops::Range<u64>, turns: u32, grace: bool) {
    for seed in seeds {
        let _seed = Seed(seed);
        let mut world = World::new(seed, grace);
        for _ in 0..turns {
            world.turn();
        }
    }
}

#[test]
fn invariants_hold_without_a_grace() {
    run(0..40, 250, false);
}

#[test]
fn invariants_hold_with_a_grace() {
    run(1_000..1_040, 250, true);
}

#[test]
fn invariants_hold_in_long_runs() {
    run(2_000..2_002, 3_000, false);
}
