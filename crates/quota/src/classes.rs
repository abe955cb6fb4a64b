//! Classes seen lately, each resolved to the places of its keys once.
//!
//! A cache: a class without tickets may be forgotten at any time without changing an answer, so
//! the number of rows stays bounded although models are named by clients.

use std::collections::HashMap;
use std::sync::Arc;

use crate::Class;
use crate::keys::Keys;

/// Rows kept before unused ones are forgotten.
const ROWS_MAX: usize = 1024;
/// So many classes may have tickets that wait.
const WAITING_MAX: usize = 4096;

/// A class by its row.
pub(crate) type ClassId = usize;

/// One class.
#[derive(Debug, Clone)]
pub(crate) struct ClassRow {
    /// What it says.
    pub(crate) class: Class,
    /// Its keys' places in the limits; empty if they name none.
    pub(crate) keys: Arc<[usize]>,
    /// Tickets of this class.
    tickets: usize,
}

/// All of them.
#[derive(Debug, Clone)]
pub(crate) struct Classes {
    rows: Vec<Option<ClassRow>>,
    free: Vec<ClassId>,
    ids: HashMap<Class, ClassId>,
    latest: ClassId,
    purge_at: usize,
    /// Classes that tickets hold.
    held: usize,
}

impl Default for Classes {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            free: Vec::new(),
            ids: HashMap::new(),
            latest: 0,
            purge_at: ROWS_MAX,
            held: 0,
        }
    }
}

impl Classes {
    /// The row of a class, made if need be.
    pub(crate) fn intern(&mut self, class: &Class, keys: &Keys) -> ClassId {
        // Routers share one `Class` between requests, so equality is mostly that of pointers.
        if self.get(self.latest).is_some_and(|row| row.class == *class) {
            return self.latest;
        }
        self.latest = match self.ids.get(class) {
            Some(&id) => id,
            None => self.insert(class, keys),
        };
        self.latest
    }

    /// A row.
    pub(crate) fn get(&self, id: ClassId) -> Option<&ClassRow> {
        self.rows.get(id).and_then(Option::as_ref)
    }

    /// Counts a ticket in, so that its row stays.
    pub(crate) fn hold(&mut self, id: ClassId) {
        if let Some(Some(row)) = self.rows.get_mut(id) {
            self.held += usize::from(row.tickets == 0);
            row.tickets += 1;
        }
    }

    /// Counts a ticket out.
    pub(crate) fn release(&mut self, id: ClassId) {
        if let Some(Some(row)) = self.rows.get_mut(id) {
            self.held -= usize::from(row.tickets == 1);
            row.tickets = row.tickets.saturating_sub(1);
        }
    }

    /// Whether tickets hold as many classes as may wait, and none this one.
    pub(crate) fn is_full(&self, id: ClassId) -> bool {
        self.held >= WAITING_MAX && self.get(id).is_none_or(|row| row.tickets == 0)
    }

    /// Looks all keys up again after a change of limits.
    pub(crate) fn resolve(&mut self, keys: &Keys) {
        for row in self.rows.iter_mut().flatten() {
            row.keys = Arc::from(keys.places_of(&row.class));
        }
    }

    fn insert(&mut self, class: &Class, keys: &Keys) -> ClassId {
        if self.ids.len() >= self.purge_at {
            self.purge();
        }
        let keys = Arc::from(keys.places_of(class));
        let row = Some(ClassRow { class: class.clone(), keys, tickets: 0 });
        let id = if let Some(id) = self.free.pop() {
            self.rows[id] = row;
            id
        } else {
            self.rows.push(row);
            self.rows.len() - 1
        };
        self.ids.insert(class.clone(), id);
        id
    }

    /// Forgets rows without tickets. The next time is twice what remains, so that the cost per
    /// new class stays constant.
    fn purge(&mut self) {
        for (id, slot) in self.rows.iter_mut().enumerate() {
            if let Some(row) = slot.take_if(|row| row.tickets == 0) {
                self.ids.remove(&row.class);
                self.free.push(id);
            }
        }
        self.purge_at = ROWS_MAX.max(2 * self.ids.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::class;

    #[test]
    fn classes_without_tickets_are_forgotten_in_time() {
        let (mut classes, keys) = (Classes::default(), Keys::default());
        let named = |n: usize| Class { model: Arc::from(format!("{n}")), ..class(&["k"]) };
        let held: Vec<_> = (0..10).map(|n| classes.intern(&named(n), &keys)).collect();
        held.iter().for_each(|&id| classes.hold(id));
        for n in 10..20 * ROWS_MAX {
            classes.intern(&named(n), &keys);
            assert!(classes.ids.len() <= ROWS_MAX && classes.rows.len() <= ROWS_MAX);
        }
        for (n, id) in held.into_iter().enumerate() {
            assert_eq!(classes.get(id).map(|row| row.class.clone()), Some(named(n)));
            assert_eq!(classes.intern(&named(n), &keys), id);
        }
    }
}
