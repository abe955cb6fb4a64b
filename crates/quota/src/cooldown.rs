//! What rests, until when, and who may find out whether it is healthy again.
//!
//! One row per unhealthy scope. While it rests nothing is granted on it; when the rest is over it
//! admits one probe at a time until an outcome shows it healthy, which removes the row (Q6).
//! Knows scopes by name and leases by id; not who waits.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use weir_types::KeyName;

use crate::{Health, Micros, NOTES_MAX, Note, Scope, TicketId};

/// Rows kept at most. Beyond it the key × model row that ends first is forgotten: its model was
/// named by a client, so nothing else bounds the rows.
const ROWS_MAX: usize = 16_384;

/// One unhealthy scope.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// Rests until then.
    pub(crate) until: Micros,
    /// Default rests in a row.
    pub(crate) growth: u32,
    /// The lease that finds out.
    pub(crate) probe: Option<TicketId>,
    /// What is said of it.
    pub(crate) note: Note,
}

/// A rest that is to be.
struct Rest<'a> {
    asked: Option<Micros>,
    base: Micros,
    limit: Micros,
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
#[derive(Debug, Clone, Default)]
pub(crate) struct Cooldowns {
    rows: HashMap<Scope, Row>,
    ends: BTreeSet<(Micros, Scope)>,
}

impl Cooldowns {
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

    /// Makes a lease the probe of whatever it is granted on that is not known to be healthy.
    pub(crate) fn probe(&mut self, lease: TicketId, key: &KeyName, model: &Arc<str>) -> Vec<Scope> {
        if self.rows.is_empty() {
            return Vec::new();
        }
        let mut probed = Vec::new();
        for scope in scopes(key, model) {
            if let Some(row) = self.rows.get_mut(&scope) {
                row.probe = Some(lease);
                probed.push(scope);
            }
        }
        probed
    }

    /// Ends a lease's probes; where nothing was learnt the next ticket may probe.
    pub(crate) fn release(&mut self, lease: TicketId, probed: &[Scope]) {
        for scope in probed {
            if let Some(row) = self.rows.get_mut(scope)
                && row.probe == Some(lease)
            {
                row.probe = None;
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
            Health::Cool { scope, retry_after, base, max: own_max, note } => {
                let limit = max.min(*own_max);
                let rest = Rest { asked: *retry_after, base: *base, limit, note };
                self.cool(scope, &rest, granted, now);
            }
        }
    }

    /// Drops rows whose rest ended longer than `keep` ago, unless they are being probed.
    pub(crate) fn sweep(&mut self, now: Micros, keep: Micros) {
        let is_over = |until: Micros| until.saturating_add(keep) <= now;
        if !self.ends.first().is_some_and(|&(until, _)| is_over(until)) {
            return;
        }
        let over = self.ends.iter().take_while(|&&(until, _)| is_over(until));
        let idle =
            over.filter(|(_, scope)| self.rows.get(scope).is_some_and(|r| r.probe.is_none()));
        for scope in idle.map(|(_, scope)| scope.clone()).collect::<Vec<_>>() {
            self.remove(&scope);
        }
    }

    /// The end of the next rest.
    pub(crate) fn next_end(&self, now: Micros) -> Option<Micros> {
        let later = (now.saturating_add(1), Scope::Endpoint);
        self.ends.range(later..).next().map(|&(until, _)| until)
    }

    fn blocked_until(&self, scope: &Scope, now: Micros) -> Option<Micros> {
        let row = self.rows.get(scope)?;
        if now < row.until {
            return Some(row.until);
        }
        row.probe.map(|_| now)
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

    fn cool(&mut self, scope: &Scope, rest: &Rest<'_>, granted: Micros, now: Micros) {
        let &Rest { asked, base, limit, note } = rest;
        self.make_room(scope);
        let fresh = Row { until: 0, growth: 0, probe: None, note: Note::default() };
        let row = self.rows.entry(scope.clone()).or_insert(fresh);
        row.note = Note::clone(note);
        let rest = asked.unwrap_or_else(|| {
            // Failures of one and the same moment count as one step.
            if row.growth == 0 || granted >= row.until {
                row.growth = row.growth.saturating_add(1);
            }
            let doublings = (row.growth - 1).min(63);
            base.saturating_mul(1 << doublings)
        });
        row.probe = None;
        let until = row.until.max(now.saturating_add(rest.min(limit)));
        self.rest_until(scope, until);
    }

    fn rest_until(&mut self, scope: &Scope, until: Micros) {
        if let Some(row) = self.rows.get_mut(scope) {
            let before = std::mem::replace(&mut row.until, until);
            self.ends.remove(&(before, scope.clone()));
            self.ends.insert((until, scope.clone()));
        }
    }

    fn remove(&mut self, scope: &Scope) {
        if let Some(row) = self.rows.remove(scope) {
            self.ends.remove(&(row.until, scope.clone()));
        }
    }

    fn make_room(&mut self, scope: &Scope) {
        if self.rows.len() < ROWS_MAX || self.rows.contains_key(scope) {
            return;
        }
        let of_a_model = |end: &&(Micros, Scope)| matches!(end.1, Scope::KeyModel(..));
        if let Some((_, scope)) = self.ends.iter().find(of_a_model).cloned() {
            self.remove(&scope);
        }
    }
}

fn scopes(key: &KeyName, model: &Arc<str>) -> [Scope; 3] {
    [Scope::Endpoint, Scope::Key(key.clone()), Scope::KeyModel(key.clone(), Arc::clone(model))]
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: Micros = 600_000_000;

    fn cool(scope: Scope, rest: Micros) -> Health {
        Health::Cool { scope, retry_after: Some(rest), base: 0, max: MAX, note: Note::default() }
    }

    fn of_model(n: usize) -> Scope {
        Scope::KeyModel("k".into(), Arc::from(format!("model-{n}")))
    }

    #[test]
    fn rows_are_dropped_long_after_their_end_unless_probed() {
        let (mut rows, lease) = (Cooldowns::default(), crate::Incarnation(1));
        let lease = TicketId { router: lease, number: 1 };
        rows.learn(&cool(Scope::Key("k".into()), 10), 0, 0, MAX);
        rows.learn(&cool(Scope::Key("l".into()), 20), 0, 0, MAX);
        let probed = rows.probe(lease, &"k".into(), &Arc::from("m"));
        assert_eq!(probed, [Scope::Key("k".into())]);
        rows.sweep(1_019, 1_000);
        assert_eq!(rows.len(), 2);
        rows.sweep(1_020, 1_000);
        assert_eq!(rows.rows().iter().map(|(scope, _)| scope).collect::<Vec<_>>(), [&probed[0]]);
        rows.release(lease, &probed);
        rows.sweep(1_020, 1_000);
        assert!(rows.is_clear());
    }

    #[test]
    fn clients_that_make_models_up_cannot_fill_it_nor_end_the_rest_of_a_key() {
        let mut rows = Cooldowns::default();
        rows.learn(&cool(Scope::Key("k".into()), 1), 0, 0, MAX);
        for n in 0..ROWS_MAX + 100 {
            rows.learn(&cool(of_model(n), 1_000 + n as u64), 0, 0, MAX);
        }
        assert_eq!(rows.len(), ROWS_MAX);
        assert!(rows.blocked(&"k".into(), &Arc::from("other"), 0).is_some());
        assert!(rows.rows.contains_key(&of_model(ROWS_MAX + 99)));
        assert!(!rows.rows.contains_key(&of_model(0)));
        assert_eq!(rows.ends.len(), rows.rows.len());
    }
}
