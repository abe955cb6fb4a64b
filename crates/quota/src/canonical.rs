//! States written down so that two which can do the same from now on are equal.
//!
//! Moments count from now. Of arrival numbers, sessions and sequences only the order matters, so each
//! is its rank among all of its kind that the state mentions. A state of several parts (a pool, its
//! routers, what is under way between them) is written by one scribe, so that ranks are common.

mod messages;

use std::collections::BTreeMap;

use crate::{Class, Incarnation, Limits, Machine, Micros, Scope, TicketId};

/// A moment that is so far ahead never comes.
const NEVER: Micros = 1 << 50;

/// A state written down: equal for states that can do the same from now on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Canonical(Vec<u64>);

/// Writes a state down.
#[derive(Debug)]
pub struct Scribe {
    now: Micros,
    /// Estimates of waiting times are part of the state.
    has_estimates: bool,
    /// What is ranked: gathered while the state is read once, ranks while it is written.
    is_reading: bool,
    arrivals: Vec<u64>,
    sessions: Vec<u64>,
    sequences: Vec<(Incarnation, u64)>,
    /// When the rests of the machine at hand end, and when it heard each router.
    rests: Vec<Micros>,
    heard: BTreeMap<Incarnation, Micros>,
    words: Vec<u64>,
}

impl Machine {
    /// The whole state at `now`, a moment of pool time.
    #[must_use]
    pub fn canonical(&self, now: Micros) -> Canonical {
        Scribe::new(now).write(|to| self.write(to))
    }

    /// Adds the state to what a scribe writes down.
    pub fn write_to(&self, to: &mut Scribe) {
        self.write(to);
    }
}

impl Scribe {
    /// Writes a state of `now`.
    #[must_use]
    pub fn new(now: Micros) -> Self {
        Self {
            now,
            has_estimates: true,
            is_reading: true,
            arrivals: Vec::new(),
            sessions: Vec::new(),
            sequences: Vec::new(),
            rests: Vec::new(),
            heard: BTreeMap::new(),
            words: Vec::new(),
        }
    }

    /// Leaves out what only tells how long waiting may take, on which no decision depends.
    #[must_use]
    pub fn without_estimates(self) -> Self {
        Self { has_estimates: false, ..self }
    }

    /// Has the state told twice: to learn what is to be ranked, and to write it down.
    #[must_use]
    pub fn write(mut self, tell: impl Fn(&mut Self)) -> Canonical {
        tell(&mut self);
        self.arrivals.sort_unstable();
        self.arrivals.dedup();
        self.sessions.sort_unstable();
        self.sessions.dedup();
        self.sequences.sort_unstable();
        self.sequences.dedup();
        self.is_reading = false;
        self.words.clear();
        tell(&mut self);
        Canonical(self.words)
    }

    /// The moment that others count from.
    #[must_use]
    pub const fn now(&self) -> Micros {
        self.now
    }

    /// Something that is itself.
    pub fn word(&mut self, word: u64) {
        if !self.is_reading {
            self.words.push(word);
        }
    }

    /// Yes or no.
    pub fn flag(&mut self, flag: bool) {
        self.word(u64::from(flag));
    }

    /// A moment.
    pub fn moment(&mut self, at: Micros) {
        let ahead = at.saturating_sub(self.now);
        self.word(if ahead >= NEVER { NEVER } else { at.wrapping_sub(self.now) });
    }

    /// A moment that is over means the same as now.
    pub fn moment_to_come(&mut self, at: Micros) {
        self.moment(at.max(self.now));
    }

    /// A text.
    pub fn text(&mut self, text: &str) {
        self.word(text.len() as u64);
        for chunk in text.as_bytes().chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.word(u64::from_le_bytes(word));
        }
    }

    /// Several, and how many.
    pub fn each<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) {
        let at = self.words.len();
        self.word(0);
        let mut count = 0;
        for item in items {
            write(self, item);
            count += 1;
        }
        if let Some(word) = self.words.get_mut(at) {
            *word = count;
        }
    }

    /// An arrival number.
    pub fn arrival(&mut self, arrival: u64) {
        if self.is_reading {
            self.arrivals.push(arrival);
        } else {
            let rank = self.arrivals.binary_search(&arrival).unwrap_or_default();
            self.words.push(rank as u64);
        }
    }

    /// A session; 0 is none.
    pub fn session(&mut self, session: u64) {
        if session == 0 {
            self.word(0);
        } else if self.is_reading {
            self.sessions.push(session);
        } else {
            let rank = self.sessions.binary_search(&session).unwrap_or_default();
            self.words.push(rank as u64 + 1);
        }
    }

    /// The sequence of a batch of a router; 0 is none.
    pub fn sequence(&mut self, router: Incarnation, sequence: u64) {
        if sequence == 0 {
            self.word(0);
        } else if self.is_reading {
            self.sequences.push((router, sequence));
        } else {
            let from = self.sequences.partition_point(|one| *one < (router, 0));
            let at = self.sequences.binary_search(&(router, sequence)).unwrap_or(from);
            self.words.push((at - from) as u64 + 1);
        }
    }

    /// A ticket.
    pub fn ticket(&mut self, id: TicketId) {
        self.word(id.router.0);
        self.word(id.number);
    }

    /// A scope.
    pub fn scope(&mut self, scope: &Scope) {
        match scope {
            Scope::Endpoint => self.word(0),
            Scope::Key(key) => {
                self.word(1);
                self.text(key);
            }
            Scope::KeyModel(key, model) => {
                self.word(2);
                self.text(key);
                self.text(model);
            }
        }
    }

    /// A class.
    pub fn class(&mut self, class: &Class) {
        let Class { model, operation, keys } = class;
        self.text(model);
        self.text(operation);
        self.each(keys.iter(), |to, key| to.text(key));
    }

    /// Limits.
    pub fn limits(&mut self, limits: &Limits) {
        let Limits { generation, hash, concurrency, buffer, leeway, keys } = limits;
        for word in [*generation, *hash, u64::from(*concurrency), u64::from(*buffer)] {
            self.word(word);
        }
        self.word(u64::from(*leeway));
        self.each(keys, |to, (name, weight)| {
            to.text(name);
            to.word(weight.to_bits());
        });
    }

    /// Something measured.
    pub(crate) fn estimate(&mut self, estimate: Option<f64>) {
        if self.has_estimates {
            self.each(estimate, |to, estimate| to.word(estimate.to_bits()));
        }
    }

    /// The ends of the rests of the machine at hand.
    pub(crate) fn rests(&mut self, ends: impl Iterator<Item = Micros>) {
        self.rests = ends.collect();
        self.rests.sort_unstable();
        self.rests.dedup();
    }

    /// When the machine at hand heard its routers.
    pub(crate) fn heard(&mut self, heard: impl Iterator<Item = (Incarnation, Micros)>) {
        self.heard = heard.collect();
    }

    /// When a key was granted: compared with the ends of rests, which lie ahead of now when they are
    /// made, and with nothing else.
    pub(crate) fn granted(&mut self, at: Micros) {
        let ended = self.rests.partition_point(|&end| end <= at);
        self.word(ended as u64);
    }

    /// When a router was told of a lease: compared with its last words, for estimates with now.
    pub(crate) fn told(&mut self, router: Incarnation, at: Option<Micros>) {
        let heard = self.heard.get(&router).copied();
        self.each(at, |to, at| {
            to.flag(heard.is_some_and(|heard| at >= heard));
            if to.has_estimates {
                to.moment(at);
            }
        });
    }
}
