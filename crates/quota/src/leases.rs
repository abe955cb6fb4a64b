//! Slots in use, by lease id and by the moment each runs out.
//!
//! Counting is by identity, so a second end of the same lease finds nothing to free (Q3). An
//! unclaimed hand-off is a lease too; it runs out at its claim limit. Knows nothing of tickets.

use std::collections::BTreeSet;
use std::sync::Arc;

use weir_types::KeyName;

use crate::hash::IdMap;
use crate::{Incarnation, Micros, Scope, TicketId};

/// One slot in use.
#[derive(Debug, Clone)]
pub(crate) struct Lease {
    /// The key in use.
    pub(crate) key: KeyName,
    /// The model it is used for.
    pub(crate) model: Arc<str>,
    /// Its ticket's arrival number.
    pub(crate) arrival: u64,
    /// When its router was last told that the slot is granted; `None` for a lease that was re-asserted.
    pub(crate) since: Option<Micros>,
    /// When the present key was granted; 0 if that is not known.
    pub(crate) key_since: Micros,
    /// When it is reclaimed: end of life, or the claim limit.
    pub(crate) until: Micros,
    /// Whether its router has confirmed it.
    pub(crate) claimed: bool,
    /// Rotations so far.
    pub(crate) rotation: u32,
    /// The scopes it probes.
    pub(crate) probes: Vec<Scope>,
}

/// All of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Leases {
    rows: IdMap<TicketId, Lease>,
    ends: BTreeSet<(Micros, TicketId)>,
    claimed: usize,
}

impl Leases {
    /// Slots in use.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Slots in use whose router has confirmed them.
    pub(crate) const fn claimed(&self) -> usize {
        self.claimed
    }

    /// One lease.
    pub(crate) fn get(&self, id: TicketId) -> Option<&Lease> {
        self.rows.get(&id)
    }

    /// One lease, to change its key; never `until` or `claimed`.
    pub(crate) fn get_mut(&mut self, id: TicketId) -> Option<&mut Lease> {
        self.rows.get_mut(&id)
    }

    /// Adds a lease of a new id.
    pub(crate) fn insert(&mut self, id: TicketId, lease: Lease) {
        self.ends.insert((lease.until, id));
        self.claimed += usize::from(lease.claimed);
        self.rows.insert(id, lease);
    }

    /// Ends a lease. `None` if there is none of that id.
    pub(crate) fn remove(&mut self, id: TicketId) -> Option<Lease> {
        let lease = self.rows.remove(&id)?;
        self.ends.remove(&(lease.until, id));
        self.claimed -= usize::from(lease.claimed);
        Some(lease)
    }

    /// Confirms a lease and lets it live until then.
    pub(crate) fn extend(&mut self, id: TicketId, until: Micros) {
        let Some(lease) = self.rows.get_mut(&id) else {
            return;
        };
        if !std::mem::replace(&mut lease.claimed, true) {
            self.claimed += 1;
        }
        let before = std::mem::replace(&mut lease.until, until);
        if before != until {
            self.ends.remove(&(before, id));
            self.ends.insert((until, id));
        }
    }

    /// Its router is told of it, perhaps again: from then on the slot is in use.
    pub(crate) fn tell(&mut self, id: TicketId, now: Micros) {
        if let Some(lease) = self.rows.get_mut(&id).filter(|lease| lease.since.is_some()) {
            lease.since = Some(now);
        }
    }

    /// Lets a lease end at `until`, if that is earlier.
    pub(crate) fn shorten(&mut self, id: TicketId, until: Micros) {
        if let Some(lease) = self.rows.get_mut(&id).filter(|lease| lease.until > until) {
            self.ends.remove(&(lease.until, id));
            self.ends.insert((until, id));
            lease.until = until;
        }
    }

    /// The first lease that has run out.
    pub(crate) fn run_out(&self, now: Micros) -> Option<TicketId> {
        self.ends.first().filter(|&&(until, _)| until <= now).map(|&(_, id)| id)
    }

    /// When the next lease runs out.
    pub(crate) fn next_end(&self) -> Option<Micros> {
        self.ends.first().map(|&(until, _)| until)
    }

    /// The leases of a router, in order of id.
    pub(crate) fn of(&self, router: Incarnation) -> Vec<TicketId> {
        let mut ids: Vec<_> = self.rows.keys().copied().filter(|id| id.router == router).collect();
        ids.sort_unstable();
        ids
    }

    /// All leases, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (TicketId, &Lease)> {
        self.rows.iter().map(|(&id, lease)| (id, lease))
    }
}

#[cfg(feature = "canonical")]
impl Leases {
    pub(crate) fn write(&self, to: &mut crate::canonical::Scribe) {
        // The rest follows from the rows.
        let Self { rows, ends: _, claimed: _ } = self;
        let mut rows: Vec<_> = rows.iter().collect();
        rows.sort_unstable_by_key(|&(id, _)| *id);
        to.each(rows, |to, (id, lease)| {
            let Lease { key, model, arrival, since, key_since, until, claimed, rotation, probes } =
                lease;
            to.ticket(*id);
            to.text(key);
            to.text(model);
            to.arrival(*arrival);
            to.told(id.router, *since);
            to.granted(*key_since);
            to.moment(*until);
            to.flag(*claimed);
            to.word(u64::from(*rotation));
            to.each(probes, |to, scope| to.scope(scope));
        });
    }
}
