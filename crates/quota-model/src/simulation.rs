//! One long path through a large world, by chance: many routers, thousands of requests, and everything
//! that can go wrong, over and over. The same seed is the same path.
//!
//! What must hold always is judged after every step. What may not last for long is judged in calm: after
//! each time of trouble everything is healed and the load goes on, and then it ends.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use weir_quota::{Batch, Micros};

use crate::model::Action;
use crate::mutant::Mutant;
use crate::setup::{Budget, Setup};
use crate::world::{Request, World};

/// Steps of a time of trouble, and of the calm under load that follows.
const TROUBLED_STEPS: u32 = 600;
const CALM_STEPS: u32 = 600;
/// More than any calm needs to come to its end.
const QUIET_STEPS: u32 = 20_000;
/// A finding tells so many of the last steps.
const TRAIL_STEPS: usize = 60;
/// How often each thing may go wrong in one time of trouble.
const TROUBLES: Budget = Budget {
    losses: 12,
    late: 8,
    twice: 8,
    crashes: 3,
    freezes: 3,
    cuts: 3,
    empties: 1,
    cancels: 40,
    failures: 20,
    changes: 1,
};

/// A world, and the chance that moves it.
#[derive(Debug)]
pub struct Simulation {
    seed: u64,
    world: World,
    chance: Chance,
    figures: Figures,
    /// The last steps, when each was made, and what was said in it.
    trail: VecDeque<(Micros, Action, Option<Batch>)>,
}

/// What came of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Requests that were served.
    pub served: u64,
    /// That found the buffer full, or nobody to wait for.
    pub refused: u64,
    /// Whose callers, routers or slots went away.
    pub gone: u64,
    /// Things that went wrong: messages, routers, the store.
    pub troubles: u64,
    /// Steps.
    pub steps: u64,
}

/// What does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Makes the same path again.
    pub seed: u64,
    /// After so many steps.
    pub step: u64,
    /// Which of the invariants.
    pub label: &'static str,
    /// What was seen, and how the world looks.
    pub why: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, step, label, why } = self;
        write!(f, "seed {seed}, step {step}: {label}: {why}")
    }
}

/// SplitMix64: the same numbers from the same seed, everywhere.
#[derive(Debug)]
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound.max(1)).unwrap_or(u64::MAX);
        usize::try_from(self.next() % bound).unwrap_or_default()
    }

    fn between(&mut self, least: usize, most: usize) -> usize {
        least + self.below(most - least + 1)
    }
}

/// How likely a step is beside others, and whether it is trouble.
const fn weight(action: &Action) -> (usize, bool) {
    match action {
        Action::Execute(_) | Action::Answer(_) => (12, false),
        Action::End(_) => (6, false),
        Action::Begin(_) | Action::Pass => (8, false),
        Action::Cancel(_) | Action::Rotate(_) | Action::Retry(_) => (1, false),
        Action::Thaw(_) | Action::Heal(_) => (1, false),
        _ => (1, true),
    }
}

impl Simulation {
    /// A world of 2 to 12 routers, as the seed has it.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::with(seed, None)
    }

    /// The same with a fault.
    #[must_use]
    pub fn with(seed: u64, mutant: Option<Mutant>) -> Self {
        let mut chance = Chance(seed);
        let routers = chance.between(2, 12);
        let slots = chance.between(1, 6);
        let seats = chance.between(2, 4) * slots;
        let setup = Setup {
            routers,
            slots: u32::try_from(slots).unwrap_or(1),
            buffer: u32::try_from(chance.between(seats / 2, seats)).unwrap_or(1),
            keys: chance.between(1, 3),
            models: chance.between(1, 2),
            requests: (0..seats.max(routers)).map(|_| chance.below(routers)).collect(),
            waits_for_rest: chance.below(2) == 0,
            bells: chance.below(4) > 0,
            leeway: 0,
            budget: TROUBLES,
            troubled: None,
        };
        let world = World::new(Arc::new(setup), mutant);
        Self { seed, world, chance, figures: Figures::default(), trail: VecDeque::new() }
    }

    /// Goes on until so many requests have come to their end, and then until the calm has.
    ///
    /// # Errors
    /// Something does not hold.
    pub fn run(&mut self, requests: u64) -> Result<Figures, Finding> {
        while self.figures.ended() < requests {
            self.world.left = TROUBLES;
            for _ in 0..TROUBLED_STEPS {
                self.step(true)?;
                self.world.excused();
            }
            self.calm()?;
        }
        Ok(self.figures)
    }

    /// All is healed; the load goes on for a while, and ends.
    fn calm(&mut self) -> Result<(), Finding> {
        self.world.left = Budget::default();
        self.world.heal_all();
        self.world.excused();
        for _ in 0..CALM_STEPS {
            self.step(true)?;
        }
        for _ in 0..QUIET_STEPS {
            if self.world.is_at_rest() {
                self.world.seen_anew();
                return Ok(());
            }
            self.step(false)?;
        }
        Err(self.finding("Q9", "it does not come to rest"))
    }

    /// One step; `loaded`: further requests come.
    fn step(&mut self, loaded: bool) -> Result<(), Finding> {
        if loaded {
            self.renew();
        }
        let mut actions = Vec::new();
        self.world.actions(&mut actions);
        if !loaded {
            actions.retain(|action| !matches!(action, Action::Begin(_)));
        }
        let Some(action) = self.chosen(&actions) else {
            // Nothing is due, and nobody would notice: the clock goes on.
            return self.done(Action::Pass);
        };
        self.done(action)
    }

    fn done(&mut self, action: Action) -> Result<(), Finding> {
        self.figures.steps += 1;
        self.figures.troubles += u64::from(weight(&action).1);
        self.note(action);
        self.world.step(action);
        match self.world.violation().map(|(label, why)| (label, why.to_owned())) {
            Some((label, why)) => Err(self.finding(label, &format!("{why}, after {action:?}"))),
            None => Ok(()),
        }
    }

    fn note(&mut self, action: Action) {
        let said = match action {
            Action::Execute(at) | Action::LoseReply(at) => self.world.routers[at].wire.as_ref(),
            _ => None,
        };
        let said = said.map(|wire| wire.batch.clone());
        self.trail.push_back((self.world.now, action, said));
        if self.trail.len() > TRAIL_STEPS {
            self.trail.pop_front();
        }
    }

    fn chosen(&mut self, actions: &[Action]) -> Option<Action> {
        let all = actions.iter().map(|action| weight(action).0).sum();
        let mut at = self.chance.below(all);
        actions.iter().copied().find(|action| {
            let own = weight(action).0;
            let is_it = at < own;
            at = at.saturating_sub(own);
            is_it
        })
    }

    /// Counts the requests that have ended; others take their places.
    fn renew(&mut self) {
        for at in 0..self.world.requests.len() {
            match self.world.requests[at] {
                Request::Served => self.figures.served += 1,
                Request::Refused => self.figures.refused += 1,
                Request::Gone => self.figures.gone += 1,
                _ => continue,
            }
            self.world.renew(at);
        }
    }

    fn finding(&self, label: &'static str, why: &str) -> Finding {
        let step = |(at, action, said): &(Micros, Action, Option<Batch>)| match said {
            Some(said) => format!("{at} {action:?} {said:?}"),
            None => format!("{at} {action:?}"),
        };
        let steps: Vec<String> = self.trail.iter().map(step).collect();
        let why = format!("{why}\n{}\n{:?}", steps.join("\n"), self.world);
        Finding { seed: self.seed, step: self.figures.steps, label, why }
    }
}

impl Figures {
    /// What came of this path and of another.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            served: self.served + other.served,
            refused: self.refused + other.refused,
            gone: self.gone + other.gone,
            troubles: self.troubles + other.troubles,
            steps: self.steps + other.steps,
        }
    }

    const fn ended(&self) -> u64 {
        self.served + self.refused + self.gone
    }
}

impl World {
    /// Another request has the place of one that has ended.
    fn renew(&mut self, request: usize) {
        self.requests[request] = Request::ToCome;
        self.seen.renewed(request);
    }

    fn excused(&mut self) {
        self.seen.excused();
    }

    /// What was seen of a time that is over says nothing of the next.
    fn seen_anew(&mut self) {
        self.seen = crate::judge::Seen::new(&self.setup);
    }

    fn heal_all(&mut self) {
        for at in 0..self.routers.len() {
            if self.routers[at].is_cut {
                self.step(Action::Heal(at));
            }
            if self.routers[at].is_frozen {
                self.step(Action::Thaw(at));
            }
        }
    }

    /// Nothing is on, and nothing is left of what was.
    fn is_at_rest(&self) -> bool {
        let idle = (0..self.routers.len()).all(|at| !self.is_under_way(at));
        idle && self.late.is_empty() && !self.is_time_of_use()
    }
}
