//! Who speaks to the pool: sessions, sequences, silence, and news not yet acknowledged.
//!
//! A router that is silent for a claim limit, or let a claim lapse, is handed nothing until it is
//! heard again; one silent for a lease's life is forgotten. Knows nothing of slots.

use std::collections::BTreeSet;

use crate::hash::IdMap;
use crate::{Batch, Incarnation, Micros, StoreError, TicketId, Timing};

/// One router.
#[derive(Debug, Clone)]
pub(crate) struct RouterRow {
    /// Its present session.
    pub(crate) session: u64,
    /// The last sequence executed.
    pub(crate) sequence: u64,
    /// When it was last heard.
    pub(crate) heard: Micros,
    /// It let a claim lapse since.
    pub(crate) lapsed: bool,
    /// Its tickets that were handed a slot or refused: events of every reply.
    pub(crate) news: BTreeSet<TicketId>,
}

/// All of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Routers {
    rows: IdMap<Incarnation, RouterRow>,
    session: u64,
    /// No router can have been silent for a lease's life before then.
    check_at: Micros,
}

impl Routers {
    /// Refuses a batch of another session or of a sequence already seen.
    pub(crate) fn check(&self, batch: &Batch) -> Result<(), StoreError> {
        let row = self.rows.get(&batch.router).ok_or(StoreError::StaleSession)?;
        if row.session == batch.session && row.sequence < batch.sequence {
            return Ok(());
        }
        Err(StoreError::StaleSession)
    }

    /// Notes that a batch was accepted. A hello gets a session that no earlier pool of this name
    /// can have handed out, unless its clock went back.
    pub(crate) fn hear(&mut self, batch: &Batch, now: Micros) -> u64 {
        if batch.session == 0 {
            self.session = now.max(self.session + 1);
        }
        let session = if batch.session == 0 { self.session } else { batch.session };
        let news = BTreeSet::new();
        let fresh = RouterRow { session, sequence: 0, heard: now, lapsed: false, news };
        let row = self.rows.entry(batch.router).or_insert(fresh);
        row.session = session;
        row.sequence = if batch.session == 0 { 0 } else { batch.sequence };
        row.heard = now;
        session
    }

    /// Notes that a router that was skipped speaks again.
    pub(crate) fn excuse(&mut self, router: Incarnation) {
        if let Some(row) = self.rows.get_mut(&router) {
            row.lapsed = false;
        }
    }

    /// Notes that a router let a claim lapse.
    pub(crate) fn blame(&mut self, router: Incarnation) {
        if let Some(row) = self.rows.get_mut(&router) {
            row.lapsed = true;
        }
    }

    /// Whether a router is skipped when slots are handed out.
    pub(crate) fn is_skipped(&self, router: Incarnation, now: Micros, limit: Micros) -> bool {
        self.rows.get(&router).is_none_or(|row| row.lapsed || now - row.heard >= limit)
    }

    /// Has a ticket mentioned on every reply to its router.
    pub(crate) fn tell(&mut self, ticket: TicketId) {
        if let Some(row) = self.rows.get_mut(&ticket.router) {
            row.news.insert(ticket);
        }
    }

    /// Mentions a ticket no more.
    pub(crate) fn untell(&mut self, ticket: TicketId) {
        if let Some(row) = self.rows.get_mut(&ticket.router) {
            row.news.remove(&ticket);
        }
    }

    /// What to mention to a router.
    pub(crate) fn news(&self, router: Incarnation) -> impl Iterator<Item = TicketId> {
        self.rows.get(&router).into_iter().flat_map(|row| row.news.iter().copied())
    }

    /// Forgets one router that was silent for a lease's life.
    pub(crate) fn forget_silent(&mut self, now: Micros, ttl: Micros) -> Option<Incarnation> {
        if now < self.check_at {
            return None;
        }
        let silent = self
            .rows
            .iter()
            .filter(|(_, row)| row.heard.saturating_add(ttl) <= now)
            .map(|(&r, _)| r);
        if let Some(router) = silent.min() {
            self.rows.remove(&router);
            return Some(router);
        }
        let oldest = self.rows.values().map(|row| row.heard).min();
        self.check_at = oldest.unwrap_or(now).saturating_add(ttl);
        None
    }

    /// Routers heard within a lease's life before a moment, in order.
    pub(crate) fn live_at(&self, at: Micros, timing: &Timing) -> BTreeSet<Incarnation> {
        let live = |row: &RouterRow| row.heard.saturating_add(timing.lease_ttl) > at;
        self.rows.iter().filter(|(_, row)| live(row)).map(|(&router, _)| router).collect()
    }

    /// Routers known.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// All routers, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Incarnation, &RouterRow)> {
        self.rows.iter().map(|(&router, row)| (router, row))
    }
}
