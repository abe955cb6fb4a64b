//! What rests, until when, and who may find out whether it is healthy again.
//!
//! One row per unhealthy scope. While it rests nothing is granted on it. After the rest it admits one
//! probe, and as long as no bad news comes twice as many with every step of time, so that a probe
//! that is not answered holds nobody up (Q14); an outcome that shows it healthy removes the row
//! (Q6). Knows scopes by name and leases by id; not who waits.
//!
//! What a client can name has a bound: rests of models that may not exist one of its own, so that
//! they never crowd out a real one.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use weir_types::KeyName;

use crate::{Health, Micros, NOTES_MAX, Note, Scope, TicketId};

/// Rests of a key for a model at most, those of missing models apart. Beyond it one that is over is
/// forgotten, else the one that changes first.
const MODELS_MAX: usize = 16_384;
/// Rests of models that may not exist at most. Beyond it the one that ends first is forgotten.
const MISSING_MAX: usize = 1_024;
/// A batch looks at so many rows of each kind whose moment has come, at most.
const DUE_MAX: usize = 64;
/// After so many steps a scope admits everybody, proven healthy or not.
const STEPS_MAX: u32 = 6;

/// One unhealthy scope.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// Rests until then.
    pub(crate) until: Micros,
    /// Default rests in a row.
    pub(crate) growth: u32,
    /// Of a model that may not exist: forgotten at its end.
    pub(crate) missing: bool,
    /// When the first probe since the rest was granted.
    pub(crate) since: Option<Micros>,
    /// The leases that find out.
    pub(crate) probes: Vec<TicketId>,
    /// What is said of it.
    pub(crate) note: Note,
    /// Where it stands in the order of moments.
    place: (Shelf, Micros),
}

/// Which bound and which order a row belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shelf {
    /// Keys and the endpoint, which the limits bound.
    Key,
    /// A key for a model, resting or being probed.
    Model,
    /// The same, its rest being over.
    Idle,
    /// A model that may not exist.
    Missing,
}

/// A rest that is to be.
struct Rest<'a> {
    asked: Option<Micros>,
    base: Micros,
    limit: Micros,
    missing: bool,
    note: &'a Note,
}

/// Why a key cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Blocked {
    /// When that may change; now if it hangs on a probe.
    pub(crate) until: Micros,
    /// The endpoint is in the way, whatever the key.
    pub(crate) endpoint: bool,
}

/// All unhealthy scopes.
#[derive(Debug, Clone)]
pub(crate) struct Cooldowns {
    rows: HashMap<Scope, Row>,
    /// By shelf: when there is something to be done about a row.
    moments: [BTreeSet<(Micros, Scope)>; 4],
    /// Scopes that may be granted again since this was last asked.
    opened: Vec<Scope>,
    /// Whether one may not be any more since then.
    has_closed: bool,
    /// No moment of a row comes before.
    next_at: Micros,
    /// Between two steps of a trial.
    step: Micros,
    /// Rows of ended rests are kept so long.
    keep: Micros,
}

impl Row {
    /// How many may probe at once; `None`: everybody may be granted it.
    pub(crate) fn admits(&self, now: Micros, step: Micros) -> Option<u32> {
        let steps = self.steps(now, step);
        (steps < STEPS_MAX && !self.missing).then(|| 1 << steps)
    }

    fn steps(&self, now: Micros, step: Micros) -> u32 {
        let passed = self.since.map_or(0, |since| now.saturating_sub(since) / step);
        u32::try_from(passed).unwrap_or(u32::MAX)
    }
}

impl Cooldowns {
    /// None rests. `step` lies between the steps of a trial, rows of ended rests are kept for `keep`.
    pub(crate) fn new(step: Micros, keep: Micros) -> Self {
        let (rows, moments, opened) = Default::default();
        Self {
            rows,
            moments,
            opened,
            has_closed: false,
            next_at: Micros::MAX,
            step: step.max(1),
            keep: keep.max(1),
        }
    }

    /// Whether everything is healthy.
    pub(crate) fn is_clear(&self) -> bool {
        self.rows.is_empty()
    }

    /// How many scopes are not known to be healthy.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// All rows, in order of scope.
    pub(crate) fn rows(&self) -> Vec<(Scope, Row)> {
        let mut rows: Vec<_> = self.rows.iter().map(|(s, r)| (s.clone(), r.clone())).collect();
        rows.sort_by(|a, b| a.0.cmp(&b.0));
        rows
    }

    /// How many may probe a scope at once; `None`: everybody may be granted it.
    pub(crate) fn admits(&self, scope: &Scope, now: Micros) -> Option<u32> {
        self.rows.get(scope)?.admits(now, self.step)
    }

    /// The time between the steps of a trial.
    pub(crate) const fn step(&self) -> Micros {
        self.step
    }

    /// Whether a lease may be granted on this key for this model, be it as a probe.
    pub(crate) fn blocked(&self, key: &KeyName, model: &Arc<str>, now: Micros) -> Option<Blocked> {
        if self.rows.is_empty() {
            return None;
        }
        let own = scopes(key, model).into_iter().filter_map(|scope| {
            let until = self.blocked_until(&scope, now)?;
            Some(Blocked { until, endpoint: scope == Scope::Endpoint })
        });
        own.reduce(|a, b| Blocked {
            until: a.until.max(b.until),
            endpoint: a.endpoint || b.endpoint,
        })
    }

    /// Makes a lease a probe of whatever it is granted on that is not known to be healthy.
    pub(crate) fn probe(
        &mut self,
        lease: TicketId,
        key: &KeyName,
        model: &Arc<str>,
        now: Micros,
    ) -> Vec<Scope> {
        if self.rows.is_empty() {
            return Vec::new();
        }
        let mut probed = Vec::new();
        for scope in scopes(key, model) {
            if let Some(row) = self.rows.get_mut(&scope)
                && row.admits(now, self.step).is_some()
            {
                row.since.get_or_insert(now);
                row.probes.push(lease);
                let probes = u32::try_from(row.probes.len()).unwrap_or(u32::MAX);
                self.has_closed |= row.admits(now, self.step).is_some_and(|most| probes >= most);
                self.place(&scope, now);
                probed.push(scope);
            }
        }
        probed
    }

    /// Ends a lease's probes; where nothing was learnt another ticket may probe.
    pub(crate) fn release(&mut self, lease: TicketId, probed: &[Scope], now: Micros) {
        for scope in probed {
            if let Some(row) = self.rows.get_mut(scope)
                && let Some(at) = row.probes.iter().position(|&one| one == lease)
            {
                row.probes.remove(at);
                self.place(scope, now);
                self.opened.push(scope.clone());
            }
        }
    }

    /// Learns one thing from an attempt that has had its key since `granted`.
    pub(crate) fn learn(&mut self, health: &Health, granted: Micros, now: Micros, max: Micros) {
        match health {
            Health::Well(scope) => {
                if self.rows.get(scope).is_some_and(|row| granted >= row.until) {
                    self.remove(scope);
                }
            }
            Health::Cool { scope, retry_after, base, max: own_max, missing, note } => {
                let (asked, base, limit) = (*retry_after, *base, max.min(*own_max));
                let missing = *missing && matches!(scope, Scope::KeyModel(..));
                self.cool(scope, &Rest { asked, base, limit, missing, note }, granted, now);
            }
        }
    }

    /// Does what is due: drops rows whose rest ended long ago, unless they are being probed, and goes
    /// to the next moment of the others.
    pub(crate) fn sweep(&mut self, now: Micros) {
        if now < self.next_at {
            return;
        }
        for shelf in [Shelf::Key, Shelf::Model, Shelf::Idle, Shelf::Missing] {
            let most = if shelf == Shelf::Key { usize::MAX } else { DUE_MAX };
            let due = self.moments[shelf as usize].iter().take_while(|&&(at, _)| at <= now);
            for scope in due.take(most).map(|(_, scope)| scope.clone()).collect::<Vec<_>>() {
                self.pass_moment(&scope, now);
            }
        }
        let firsts = self.moments.iter().filter_map(|shelf| shelf.first());
        self.next_at = firsts.map(|&(at, _)| at).min().unwrap_or(Micros::MAX);
    }

    /// What has changed since this was last asked: scopes that may be granted again, and whether
    /// another may not be any more.
    pub(crate) fn take_changes(&mut self) -> (Vec<Scope>, bool) {
        (std::mem::take(&mut self.opened), std::mem::take(&mut self.has_closed))
    }

    /// No row changes by itself before; the past if more is due than a batch looks at.
    pub(crate) fn next_moment(&self) -> Option<Micros> {
        (!self.rows.is_empty()).then_some(self.next_at)
    }

    /// What is noted of the rests of these keys for a model, each note once.
    pub(crate) fn notes<'a>(
        &self,
        keys: impl Iterator<Item = &'a KeyName>,
        model: &Arc<str>,
    ) -> Vec<Note> {
        let mut notes = Vec::new();
        for note in keys.map(|key| self.note(key, model)) {
            if !notes.contains(&note) {
                notes.push(note);
            }
            if notes.len() == NOTES_MAX {
                break;
            }
        }
        notes
    }

    /// That of the rest which ends last.
    fn note(&self, key: &KeyName, model: &Arc<str>) -> Note {
        let rows = scopes(key, model).map(|scope| self.rows.get(&scope));
        let last = rows.into_iter().flatten().max_by_key(|row| row.until);
        last.map_or_else(Note::default, |row| Note::clone(&row.note))
    }

    fn blocked_until(&self, scope: &Scope, now: Micros) -> Option<Micros> {
        let row = self.rows.get(scope)?;
        if now < row.until {
            return Some(row.until);
        }
        let probes = u32::try_from(row.probes.len()).unwrap_or(u32::MAX);
        row.admits(now, self.step).filter(|&most| probes >= most).map(|_| now)
    }

    fn pass_moment(&mut self, scope: &Scope, now: Micros) {
        let Some(row) = self.rows.get(scope) else { return };
        let is_over = row.until.saturating_add(self.keep) <= now && row.probes.is_empty();
        if is_over || (row.missing && row.until <= now) {
            self.remove(scope);
        } else {
            self.place(scope, now);
            self.opened.push(scope.clone());
        }
    }

    fn cool(&mut self, scope: &Scope, rest: &Rest<'_>, granted: Micros, now: Micros) {
        let &Rest { asked, base, limit, missing, note } = rest;
        let before = self.rows.get(scope).map(|row| row.missing);
        // What was learnt for real stays so.
        let missing = missing && before.unwrap_or(true);
        if before != Some(missing) {
            self.make_room(scope, missing);
        }
        let row = self.rows.entry(scope.clone()).or_insert_with(|| Row {
            until: 0,
            growth: 0,
            missing,
            since: None,
            probes: Vec::new(),
            note: Note::default(),
            place: (Shelf::Key, 0),
        });
        row.missing = missing;
        row.note = Note::clone(note);
        let rest = asked.unwrap_or_else(|| {
            // Failures of one and the same moment count as one step.
            if row.growth == 0 || granted >= row.until {
                row.growth = row.growth.saturating_add(1);
            }
            let doublings = (row.growth - 1).min(63);
            base.saturating_mul(1 << doublings)
        });
        row.since = None;
        row.probes.clear();
        self.has_closed = true;
        row.until = row.until.max(now.saturating_add(rest.min(limit)));
        self.place(scope, now);
    }

    /// A trial has but one step.
    #[cfg(feature = "faults")]
    pub(crate) fn hold_probes(&mut self) {
        self.step = Micros::MAX >> 8;
    }

    /// Puts a row where its next moment is.
    fn place(&mut self, scope: &Scope, now: Micros) {
        let (step, keep) = (self.step, self.keep);
        let Some(row) = self.rows.get_mut(scope) else { return };
        let of_model = matches!(scope, Scope::KeyModel(..));
        let in_trial = !row.probes.is_empty() && row.admits(now, step).is_some();
        let (shelf, at) = if row.missing {
            (Shelf::Missing, row.until)
        } else if now < row.until {
            (Shelf::Model, row.until)
        } else if in_trial {
            let steps = u64::from(row.steps(now, step)) + 1;
            (Shelf::Model, row.since.unwrap_or(now).saturating_add(step.saturating_mul(steps)))
        } else {
            let over = row.until.saturating_add(keep);
            (Shelf::Idle, if row.probes.is_empty() { over } else { over.max(now + keep) })
        };
        let place = (if of_model { shelf } else { Shelf::Key }, at);
        let before = std::mem::replace(&mut row.place, place);
        self.moments[before.0 as usize].remove(&(before.1, scope.clone()));
        self.moments[place.0 as usize].insert((place.1, scope.clone()));
        self.next_at = self.next_at.min(at);
    }

    fn remove(&mut self, scope: &Scope) {
        if let Some(row) = self.rows.remove(scope) {
            self.moments[row.place.0 as usize].remove(&(row.place.1, scope.clone()));
            self.opened.push(scope.clone());
        }
        if self.rows.is_empty() {
            self.next_at = Micros::MAX;
        }
    }

    /// Makes room for one more row of a key for a model.
    fn make_room(&mut self, scope: &Scope, missing: bool) {
        if !matches!(scope, Scope::KeyModel(..)) {
            return;
        }
        let [_, models, idle, of_missing] = &self.moments;
        let first = |shelf: &BTreeSet<(Micros, Scope)>| shelf.first().map(|(_, one)| one.clone());
        let evicted = if missing {
            first(of_missing).filter(|_| of_missing.len() >= MISSING_MAX)
        } else {
            let is_full = models.len() + idle.len() >= MODELS_MAX;
            first(idle).or_else(|| first(models)).filter(|_| is_full)
        };
        evicted.into_iter().for_each(|one| self.remove(&one));
    }
}

fn scopes(key: &KeyName, model: &Arc<str>) -> [Scope; 3] {
    [Scope::Endpoint, Scope::Key(key.clone()), Scope::KeyModel(key.clone(), Arc::clone(model))]
}

#[cfg(feature = "canonical")]
mod canonical;
#[cfg(test)]
mod tests;
