//! Who speaks to the pool: sessions, sequences, silence, and news not yet acknowledged.
//!
//! A router that is silent for a claim limit, or let a claim lapse, is handed nothing until it is
//! heard again; one silent for a lease's life is forgotten. Knows nothing of slots.

use std::collections::{BTreeMap, BTreeSet};

use crate::grace::Silence;
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
    /// It has said hello, and nothing since: it may not have heard the answer.
    pub(crate) greeted: bool,
    /// The digest of the limits that it offered last: those of its configuration. 0: none yet.
    pub(crate) limits: u64,
    /// Its tickets that were handed a slot or refused: events of every reply.
    pub(crate) news: BTreeSet<TicketId>,
    /// Those that were claimed for it, by the batch whose reply told so first, until it is known to
    /// have heard that.
    pub(crate) told: BTreeMap<TicketId, u64>,
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
    /// Refuses a batch of another session or of a sequence already seen, or of a router that was not heard
    /// since `from`; and a hello from before the session in which its router has spoken since.
    pub(crate) fn check(&self, batch: &Batch, from: Micros) -> Result<(), StoreError> {
        let row = self.rows.get(&batch.router);
        let is_next = |row: &RouterRow| {
            row.session == batch.session && row.sequence < batch.sequence && row.heard >= from
        };
        let is_in_time = match batch.session {
            0 => row.is_none_or(|row| row.greeted || row.session <= batch.heard),
            _ => row.is_some_and(is_next),
        };
        if is_in_time { Ok(()) } else { Err(StoreError::StaleSession) }
    }

    /// Notes that a batch was accepted. A hello gets a session that no earlier pool of this name
    /// can have handed out, unless its clock went back.
    pub(crate) fn hear(&mut self, batch: &Batch, now: Micros) -> u64 {
        if batch.session == 0 {
            self.session = now.max(self.session + 1);
        }
        let session = if batch.session == 0 { self.session } else { batch.session };
        let fresh = RouterRow {
            session,
            sequence: 0,
            heard: now,
            lapsed: false,
            greeted: true,
            limits: 0,
            news: BTreeSet::new(),
            told: BTreeMap::new(),
        };
        let row = self.rows.entry(batch.router).or_insert(fresh);
        row.session = session;
        row.sequence = if batch.session == 0 { 0 } else { batch.sequence };
        row.heard = now;
        row.greeted = batch.session == 0;
        session
    }

    /// When a router that now says hello sent its last batch; `None` if the pool knows of none.
    pub(crate) fn last_words(&self, batch: &Batch) -> Option<Micros> {
        let row = self.rows.get(&batch.router).filter(|row| batch.session == 0 && !row.greeted);
        row.map(|row| row.heard)
    }

    /// Whether a known router was unheard for longer than `limit`.
    pub(crate) fn was_silent(&self, router: Incarnation, now: Micros, limit: Micros) -> bool {
        self.rows.get(&router).is_some_and(|row| now - row.heard > limit)
    }

    /// Notes that a router that was skipped speaks again. Whether it had let a claim lapse.
    pub(crate) fn excuse(&mut self, router: Incarnation) -> bool {
        let row = self.rows.get_mut(&router);
        row.is_some_and(|row| std::mem::replace(&mut row.lapsed, false))
    }

    /// Whether a router that is known is skipped.
    pub(crate) fn is_silent(&self, router: Incarnation, now: Micros, limit: Micros) -> bool {
        self.rows.contains_key(&router) && self.is_skipped(router, now, limit)
    }

    /// Notes that a router let a claim lapse.
    pub(crate) fn blame(&mut self, router: Incarnation) {
        if let Some(row) = self.rows.get_mut(&router) {
            row.lapsed = true;
        }
    }

    /// Whether a router is skipped when slots are handed out.
    pub(crate) fn is_skipped(&self, router: Incarnation, now: Micros, limit: Micros) -> bool {
        self.rows
            .get(&router)
            .is_none_or(|row| row.lapsed || row.greeted || now - row.heard >= limit)
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

    /// Has a ticket mentioned that was claimed for its router by its batch of that sequence.
    pub(crate) fn tell_claimed(&mut self, ticket: TicketId, sequence: u64) {
        if let Some(row) = self.rows.get_mut(&ticket.router) {
            row.told.insert(ticket, sequence);
        }
    }

    /// Mentions no more what the replies up to that sequence told of. In a new session nothing.
    pub(crate) fn acknowledge(&mut self, batch: &Batch) {
        if let Some(row) = self.rows.get_mut(&batch.router) {
            row.told.retain(|_, &mut told| batch.session != 0 && told > batch.heard);
        }
    }

    /// What to mention to a router, in order of id.
    pub(crate) fn news(&self, router: Incarnation) -> BTreeSet<TicketId> {
        // Mostly there is nothing, and to collect that costs as much as a sweep.
        let row = self.rows.get(&router).filter(|row| !row.news.is_empty() || !row.told.is_empty());
        row.map_or_else(BTreeSet::new, |row| {
            row.news.iter().chain(row.told.keys()).copied().collect()
        })
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

    /// Routers that were heard within `limit` before a silence, and not since.
    pub(crate) fn silenced(&self, silence: Silence, limit: Micros) -> BTreeSet<Incarnation> {
        let until_then = |row: &RouterRow| {
            row.heard <= silence.from && row.heard.saturating_add(limit) > silence.from
        };
        self.rows.iter().filter(|(_, row)| until_then(row)).map(|(&router, _)| router).collect()
    }

    /// Notes which limits a router's configuration has.
    pub(crate) fn offers(&mut self, router: Incarnation, limits: u64) {
        if let Some(row) = self.rows.get_mut(&router) {
            row.limits = limits;
        }
    }

    /// Which limits a router offered last.
    pub(crate) fn offered(&self, router: Incarnation) -> Option<u64> {
        self.rows.get(&router).map(|row| row.limits)
    }

    /// Whether a router other than `but`, heard within `ttl`, has limits of which `these` are.
    pub(crate) fn any_offers(
        &self,
        but: Incarnation,
        now: Micros,
        ttl: Micros,
        these: impl Fn(u64) -> bool,
    ) -> bool {
        let has = |(router, row): (&Incarnation, &RouterRow)| {
            *router != but && row.heard.saturating_add(ttl) > now && these(row.limits)
        };
        self.rows.iter().any(has)
    }

    /// Forgets a router that is gone.
    pub(crate) fn forget(&mut self, router: Incarnation) {
        self.rows.remove(&router);
    }

    /// All speak just now.
    #[cfg(feature = "faults")]
    pub(crate) fn hear_all(&mut self, now: Micros) {
        self.rows.values_mut().for_each(|row| row.heard = now);
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

#[cfg(feature = "canonical")]
impl Routers {
    pub(crate) fn write(&self, to: &mut crate::canonical::Scribe) {
        // Looking later would find the same.
        let Self { rows, session, check_at: _ } = self;
        let mut rows: Vec<_> = rows.iter().collect();
        rows.sort_unstable_by_key(|&(router, _)| *router);
        to.each(rows, |to, (router, row)| {
            let RouterRow { session, sequence, heard, lapsed, greeted, limits, news, told } = row;
            to.word(router.0);
            to.session(*session);
            to.sequence(*router, *sequence);
            to.moment(*heard);
            to.flag(*lapsed);
            to.flag(*greeted);
            to.word(*limits);
            to.each(news, |to, id| to.ticket(*id));
            to.each(told, |to, (id, sequence)| {
                to.ticket(*id);
                to.sequence(id.router, *sequence);
            });
        });
        to.session(*session);
    }
}
