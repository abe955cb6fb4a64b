//! Everything that waits: for a delay to end, for a slot, for a rest to end, for its claim, or for its
//! `Leave`.
//!
//! What may be able to use a slot stands in one line in the order of arrival (Q5). What is known not to
//! be is out of it, by model, so that its length costs nobody anything (Q12). Knows nothing of slots or
//! keys.

use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use crate::classes::ClassId;
use crate::hash::IdMap;
use crate::{Incarnation, Micros, NoKeyReason, TicketId};

/// Of the delays that end next so many are looked at for a router's own.
const OWN_DELAYS_MAX: usize = 16;

/// Place in the order of arrival; the id settles ties.
pub(crate) type Arrival = (u64, TicketId);

/// What a ticket waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Its delay, which ends then.
    Delayed(Micros),
    /// A slot and a key.
    Listed,
    /// The same, out of the line: none of its keys can be used, or its router is not heard.
    Resting,
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
    /// Its class's model.
    pub(crate) model: Arc<str>,
    /// Its arrival number.
    pub(crate) arrival: u64,
    /// No longer of use from then on.
    pub(crate) deadline: Micros,
    /// Whether it waits for cooldowns.
    pub(crate) waits: bool,
    /// What it waits for.
    pub(crate) stage: Stage,
}

/// What one router waits for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// Tickets in line.
    pub(crate) listed: usize,
    /// Tickets that rest.
    pub(crate) resting: usize,
    /// Tickets whose delay is not over.
    pub(crate) delayed: usize,
}

/// All of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tickets {
    rows: IdMap<TicketId, Ticket>,
    line: BTreeSet<Arrival>,
    resting: BTreeSet<Arrival>,
    resting_of: HashMap<Arc<str>, BTreeSet<Arrival>>,
    delayed: BTreeSet<(Micros, TicketId)>,
    delayed_of: HashMap<Arc<str>, usize>,
    deadlines: BTreeSet<(Micros, TicketId)>,
    waiting: IdMap<Incarnation, Waiting>,
}

impl Tickets {
    /// Tickets in any stage.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Tickets that wait for a slot.
    pub(crate) fn listed(&self) -> usize {
        self.line.len()
    }

    /// Tickets that rest.
    pub(crate) fn resting(&self) -> usize {
        self.resting.len()
    }

    /// Tickets of a model that wait for a rest or for a delay.
    pub(crate) fn held_back(&self, model: &Arc<str>) -> usize {
        let delayed = self.delayed_of.get(model).copied().unwrap_or(0);
        delayed + self.resting_of.get(model).map_or(0, BTreeSet::len)
    }

    /// What a router waits for.
    pub(crate) fn waiting(&self, router: Incarnation) -> Waiting {
        self.waiting.get(&router).copied().unwrap_or_default()
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

    /// When the next of a router's own delays is over, or a moment before it.
    pub(crate) fn next_due(&self, router: Incarnation) -> Option<Micros> {
        let mut last = None;
        for &(due, id) in self.delayed.iter().take(OWN_DELAYS_MAX) {
            last = Some(due);
            if id.router == router {
                break;
            }
        }
        last
    }

    /// Tickets whose deadline has passed.
    pub(crate) fn overdue(&self, now: Micros) -> impl Iterator<Item = TicketId> {
        self.deadlines.iter().take_while(move |&&(at, _)| at <= now).map(|&(_, id)| id)
    }

    /// The first in line.
    pub(crate) fn first(&self) -> Option<Arrival> {
        self.line.first().copied()
    }

    /// The first in line after a place.
    pub(crate) fn after(&self, place: Option<Arrival>) -> Option<Arrival> {
        beyond(&self.line, place).next()
    }

    /// Up to `most` of those that rest after a place, of one model or of all.
    pub(crate) fn resting_after(
        &self,
        model: Option<&Arc<str>>,
        place: Option<Arrival>,
        most: usize,
    ) -> Vec<Arrival> {
        let Some(model) = model else {
            return beyond(&self.resting, place).take(most).collect();
        };
        let own = self.resting_of.get(model);
        own.map_or_else(Vec::new, |own| beyond(own, place).take(most).collect())
    }

    /// How many in line arrived before this place.
    pub(crate) fn ahead_of(&self, place: Arrival) -> u32 {
        let ahead = match self.line.last() {
            // The usual cases: the newest, listed or not.
            Some(last) if *last < place => self.line.len(),
            Some(last) if *last == place => self.line.len() - 1,
            _ => self.line.range(..place).count(),
        };
        u32::try_from(ahead).unwrap_or(u32::MAX)
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
        let place = (ticket.arrival, id);
        let waiting = self.waiting.entry(id.router).or_default();
        match ticket.stage {
            Stage::Delayed(until) => {
                self.delayed.insert((until, id));
                *self.delayed_of.entry(Arc::clone(&ticket.model)).or_default() += 1;
                waiting.delayed += 1;
            }
            Stage::Listed => {
                self.line.insert(place);
                waiting.listed += 1;
            }
            Stage::Resting => {
                self.resting.insert(place);
                self.resting_of.entry(Arc::clone(&ticket.model)).or_default().insert(place);
                waiting.resting += 1;
            }
            Stage::Offered | Stage::Refused(..) => {}
        }
    }

    fn exit(&mut self, id: TicketId, ticket: &Ticket) {
        let place = (ticket.arrival, id);
        let waiting = self.waiting.entry(id.router).or_default();
        match ticket.stage {
            Stage::Delayed(until) => {
                self.delayed.remove(&(until, id));
                if let Some(count) = self.delayed_of.get_mut(&ticket.model) {
                    *count -= 1;
                    if *count == 0 {
                        self.delayed_of.remove(&ticket.model);
                    }
                }
                waiting.delayed -= 1;
            }
            Stage::Listed => {
                self.line.remove(&place);
                waiting.listed -= 1;
            }
            Stage::Resting => {
                self.resting.remove(&place);
                if let Some(own) = self.resting_of.get_mut(&ticket.model) {
                    own.remove(&place);
                    if own.is_empty() {
                        self.resting_of.remove(&ticket.model);
                    }
                }
                waiting.resting -= 1;
            }
            Stage::Offered | Stage::Refused(..) => {}
        }
        if *waiting == Waiting::default() {
            self.waiting.remove(&id.router);
        }
    }
}

fn beyond(line: &BTreeSet<Arrival>, place: Option<Arrival>) -> impl Iterator<Item = Arrival> {
    let from = place.map_or(Bound::Unbounded, Bound::Excluded);
    line.range((from, Bound::Unbounded)).copied()
}

#[cfg(feature = "canonical")]
impl Tickets {
    pub(crate) fn write(
        &self,
        to: &mut crate::canonical::Scribe,
        classes: &crate::classes::Classes,
    ) {
        // The rest follows from the rows.
        let Self { rows, line: _, resting: _, resting_of: _, delayed: _, .. } = self;
        let Self { delayed_of: _, deadlines: _, waiting: _, .. } = self;
        let mut rows: Vec<_> = rows.iter().collect();
        rows.sort_unstable_by_key(|&(id, _)| *id);
        to.each(rows, |to, (id, ticket)| {
            let Ticket { class, model: _, arrival, deadline, waits, stage } = ticket;
            to.ticket(*id);
            to.each(classes.get(*class), |to, row| to.class(&row.class));
            to.arrival(*arrival);
            to.moment(*deadline);
            to.flag(*waits);
            match stage {
                Stage::Delayed(until) => {
                    to.word(0);
                    to.moment(*until);
                }
                Stage::Listed => to.word(1),
                Stage::Resting => to.word(2),
                Stage::Offered => to.word(3),
                Stage::Refused(until, reason) => {
                    to.word(4);
                    to.each(until, |to, at| to.moment(*at));
                    to.word(*reason as u64);
                }
            }
        });
    }
}
