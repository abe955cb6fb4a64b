//! Everything that waits: for a delay to end, for a slot, for its claim, or for its `Leave`.
//!
//! Due tickets stand in one list per class, owner and readiness to wait for cooldowns, ordered by
//! arrival number, so that FIFO costs one look per list (Q5). Knows nothing of slots or keys.

use std::collections::{BTreeMap, BTreeSet};

use crate::classes::ClassId;
use crate::hash::IdMap;
use crate::{Incarnation, Micros, NoKeyReason, TicketId};

/// Tickets that differ only in their arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ListId {
    /// What they can use.
    pub(crate) class: ClassId,
    /// Whose they are.
    pub(crate) owner: Incarnation,
    /// Whether they wait for cooldowns.
    pub(crate) waits: bool,
}

/// Place in the order of arrival; the id settles ties.
pub(crate) type Arrival = (u64, TicketId);

/// What a ticket waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Its delay, which ends then.
    Delayed(Micros),
    /// A slot and a key.
    Listed,
    /// Its claim: it has been handed a slot.
    Offered,
    /// Its `Leave`: no key can be given before then.
    Refused(Option<Micros>, NoKeyReason),
}

/// One ticket.
#[derive(Debug, Clone)]
pub(crate) struct Ticket {
    /// What it can use.
    pub(crate) class: ClassId,
    /// Its arrival number.
    pub(crate) arrival: u64,
    /// No longer of use from then on.
    pub(crate) deadline: Micros,
    /// Whether it waits for cooldowns.
    pub(crate) waits: bool,
    /// What it waits for.
    pub(crate) stage: Stage,
}

/// All of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tickets {
    rows: IdMap<TicketId, Ticket>,
    lists: BTreeMap<ListId, BTreeSet<Arrival>>,
    delayed: BTreeSet<(Micros, TicketId)>,
    deadlines: BTreeSet<(Micros, TicketId)>,
    listed: usize,
}

impl Tickets {
    /// Tickets in any stage.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Tickets that wait for a slot.
    pub(crate) const fn listed(&self) -> usize {
        self.listed
    }

    /// One ticket.
    pub(crate) fn get(&self, id: TicketId) -> Option<&Ticket> {
        self.rows.get(&id)
    }

    /// Adds a ticket of a new id.
    pub(crate) fn insert(&mut self, id: TicketId, ticket: Ticket) {
        self.deadlines.insert((ticket.deadline, id));
        self.enter(id, &ticket);
        self.rows.insert(id, ticket);
    }

    /// Moves a ticket to another stage.
    pub(crate) fn move_to(&mut self, id: TicketId, stage: Stage) {
        let Some(mut ticket) = self.rows.remove(&id) else {
            return;
        };
        self.exit(id, &ticket);
        ticket.stage = stage;
        self.enter(id, &ticket);
        self.rows.insert(id, ticket);
    }

    /// Takes a ticket out. `None` if there is none of that id.
    pub(crate) fn remove(&mut self, id: TicketId) -> Option<Ticket> {
        let ticket = self.rows.remove(&id)?;
        self.deadlines.remove(&(ticket.deadline, id));
        self.exit(id, &ticket);
        Some(ticket)
    }

    /// The first ticket whose delay is over.
    pub(crate) fn due(&self, now: Micros) -> Option<TicketId> {
        self.delayed.first().filter(|&&(due, _)| due <= now).map(|&(_, id)| id)
    }

    /// When the next delay is over.
    pub(crate) fn next_due(&self) -> Option<Micros> {
        self.delayed.first().map(|&(due, _)| due)
    }

    /// Tickets whose deadline has passed.
    pub(crate) fn overdue(&self, now: Micros) -> impl Iterator<Item = TicketId> {
        self.deadlines.iter().take_while(move |&&(at, _)| at <= now).map(|&(_, id)| id)
    }

    /// Each list that has tickets, with its first one.
    pub(crate) fn heads(&self) -> impl Iterator<Item = (ListId, Arrival)> {
        self.lists.iter().filter_map(|(&id, list)| list.first().map(|&first| (id, first)))
    }

    /// The tickets of one list.
    pub(crate) fn list(&self, id: ListId) -> Vec<TicketId> {
        self.lists.get(&id).into_iter().flatten().map(|&(_, ticket)| ticket).collect()
    }

    /// How many listed tickets arrived before this place.
    pub(crate) fn ahead_of(&self, place: Arrival) -> u32 {
        let before = |list: &BTreeSet<Arrival>| match (list.first(), list.last()) {
            (_, Some(last)) if *last < place => list.len(),
            // The usual case: the newest, just listed.
            (_, Some(last)) if *last == place => list.len() - 1,
            (Some(first), _) if *first >= place => 0,
            _ => list.range(..place).count(),
        };
        u32::try_from(self.lists.values().map(before).sum::<usize>()).unwrap_or(u32::MAX)
    }

    /// The tickets of a router, in order of id.
    pub(crate) fn of(&self, router: Incarnation) -> Vec<TicketId> {
        let mut ids: Vec<_> = self.rows.keys().copied().filter(|id| id.router == router).collect();
        ids.sort_unstable();
        ids
    }

    /// All tickets, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (TicketId, &Ticket)> {
        self.rows.iter().map(|(&id, ticket)| (id, ticket))
    }

    fn enter(&mut self, id: TicketId, ticket: &Ticket) {
        match ticket.stage {
            Stage::Delayed(until) => {
                self.delayed.insert((until, id));
            }
            Stage::Listed => {
                self.lists.entry(list_id(id, ticket)).or_default().insert((ticket.arrival, id));
                self.listed += 1;
            }
            Stage::Offered | Stage::Refused(..) => {}
        }
    }

    fn exit(&mut self, id: TicketId, ticket: &Ticket) {
        match ticket.stage {
            Stage::Delayed(until) => {
                self.delayed.remove(&(until, id));
            }
            Stage::Listed => {
                let list_id = list_id(id, ticket);
                if let Some(list) = self.lists.get_mut(&list_id) {
                    list.remove(&(ticket.arrival, id));
                    if list.is_empty() {
                        self.lists.remove(&list_id);
                    }
                }
                self.listed -= 1;
            }
            Stage::Offered | Stage::Refused(..) => {}
        }
    }
}

const fn list_id(id: TicketId, ticket: &Ticket) -> ListId {
    ListId { class: ticket.class, owner: id.router, waits: ticket.waits }
}
