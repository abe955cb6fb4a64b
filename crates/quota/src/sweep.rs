//! What time alone changes, and who gets what is free.
//!
//! The sweep reclaims leases that ran out (Q4), takes back hand-offs not claimed, forgets silent
//! routers and lets delays end. The hand-out leaves no free slot beside a ticket that could use it
//! (Q10), in order of arrival (Q5). In a grace neither does anything.

use weir_types::KeyName;

use crate::classes::ClassId;
use crate::cooldown::Blocked;
use crate::leases::Lease;
use crate::line::Head;
use crate::machine::Machine;
use crate::tickets::{Arrival, Stage};
use crate::{Micros, NoKeyReason, Note, TicketId};

/// Of what is due a batch does so much at most, of each kind.
const SWEPT_MAX: usize = 256;

/// Whether a class can be given a key.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Standing {
    /// Yes.
    Usable,
    /// Not before something has changed.
    Blocked(Blocked),
    /// Never under these limits.
    Unknown,
}

impl Machine {
    /// Does what is due.
    pub(crate) fn sweep(&mut self, now: Micros) {
        if self.grace.is_some() {
            return;
        }
        for _ in 0..SWEPT_MAX {
            let Some(id) = self.leases.run_out(now) else { break };
            if self.free(now, id).is_some_and(|lease| !lease.claimed) {
                self.routers.blame(id.router);
                self.routers.untell(id);
                self.list(now, id);
            }
        }
        while let Some(router) = self.routers.forget_silent(now, self.timing.lease_ttl) {
            self.let_go(now, router);
        }
        for _ in 0..SWEPT_MAX {
            let Some(id) = self.tickets.due(now) else { break };
            self.list(now, id);
        }
        // A hand-off keeps its ticket alive until it is claimed or lapses.
        let unclaimed = |id: &TicketId| self.leases.get(*id).is_some();
        let overdue = self.tickets.overdue(now).take(SWEPT_MAX);
        let overdue: Vec<_> = overdue.filter(|id| !unclaimed(id)).collect();
        for id in overdue {
            self.drop_ticket(id);
        }
        self.cooldowns.sweep(now);
    }

    /// Hands free slots to the tickets that can use them, and tells those that get no key.
    pub(crate) fn hand_out(&mut self, now: Micros) {
        self.note_changes();
        if self.grace.is_some() || self.keys.limits().is_unset() {
            return;
        }
        loop {
            self.thaw_some(now);
            while self.has_free_slot()
                && let Head::First(head) = self.first_usable(now)
                && self.hand_off(now, head)
            {}
            self.look_at_some(now);
            // What was handed off may have taken the last place of a probe.
            if !self.note_changes() {
                return;
            }
        }
    }

    /// Whether a slot is free: the only gate to a grant (Q1).
    pub(crate) fn has_free_slot(&self) -> bool {
        self.leases.len() < self.keys.limits().concurrency as usize
    }

    /// Claims for the caller what it was handed.
    pub(crate) fn claim_offered(&mut self, now: Micros) {
        if self.grace.is_some() || self.sequence == 0 {
            return;
        }
        let until = now.saturating_add(self.timing.lease_ttl);
        for id in self.routers.news(self.caller) {
            let offered = self.tickets.get(id).is_some_and(|one| one.stage == Stage::Offered);
            if offered {
                self.drop_ticket(id);
                self.routers.tell_claimed(id, self.sequence);
            }
            // Until it is known to have heard that, the reply says so (again), and cannot be asked to
            // renew it.
            self.leases.extend(id, until);
            self.leases.tell(id, now);
        }
    }

    /// Gives a slot and a key to a ticket: to be claimed, or claimed if its router is the caller.
    pub(crate) fn hand_off(&mut self, now: Micros, (arrival, id): Arrival) -> bool {
        let Some(class) = self.tickets.get(id).map(|ticket| ticket.class) else {
            return false;
        };
        let Some(key) = self.choose_key(now, class) else {
            return false;
        };
        if id.router == self.caller && self.sequence > 0 {
            // Its router hears of it with the reply to this very batch.
            self.drop_ticket(id);
            self.grant(now, id, class, key, arrival, true);
            self.routers.tell_claimed(id, self.sequence);
        } else {
            self.tickets.move_to(id, Stage::Offered);
            self.grant(now, id, class, key, arrival, false);
            self.tell(id);
        }
        true
    }

    /// Enters a lease, as a probe where its scopes are not known to be healthy (Q6).
    pub(crate) fn grant(
        &mut self,
        now: Micros,
        id: TicketId,
        class: ClassId,
        key: KeyName,
        arrival: u64,
        claimed: bool,
    ) {
        let Some(row) = self.classes.get(class) else {
            return;
        };
        let model = row.class.model.clone();
        self.keys.count(&key, 1);
        let life = if claimed { self.timing.lease_ttl } else { self.timing.claim_limit };
        let lease = Lease {
            probes: self.cooldowns.probe(id, &key, &model, now),
            key,
            model,
            arrival,
            since: Some(now),
            key_since: now,
            until: now.saturating_add(life),
            claimed,
            rotation: 0,
        };
        self.leases.insert(id, lease);
    }

    /// Ends a lease and its probes.
    pub(crate) fn free(&mut self, now: Micros, id: TicketId) -> Option<Lease> {
        let lease = self.leases.remove(id)?;
        self.keys.count(&lease.key, -1);
        self.cooldowns.release(id, &lease.probes, now);
        Some(lease)
    }

    /// Takes a ticket out for good (Q9), in whatever stage it is; its lease stays.
    pub(crate) fn drop_ticket(&mut self, id: TicketId) {
        if let Some(ticket) = self.tickets.remove(id) {
            self.classes.release(ticket.class);
            self.routers.untell(id);
        }
    }

    /// Chooses among the keys of a class that may be used now, and moves the lags.
    pub(crate) fn choose_key(&mut self, now: Micros, class: ClassId) -> Option<KeyName> {
        let row = self.classes.get(class)?;
        if self.cooldowns.is_clear() {
            return self.keys.choose(&row.keys).cloned();
        }
        let usable = |place: &usize| {
            let name = self.keys.name(*place);
            name.is_some_and(|name| self.cooldowns.blocked(name, &row.class.model, now).is_none())
        };
        let eligible: Vec<usize> = row.keys.iter().copied().filter(usable).collect();
        self.keys.choose(&eligible).cloned()
    }

    /// Whether a class can be given a key now.
    pub(crate) fn standing(&self, now: Micros, class: ClassId) -> Standing {
        let Some(row) = self.classes.get(class).filter(|row| !row.keys.is_empty()) else {
            return Standing::Unknown;
        };
        let mut blocked: Option<Blocked> = None;
        for name in row.keys.iter().filter_map(|&place| self.keys.name(place)) {
            let Some(one) = self.cooldowns.blocked(name, &row.class.model, now) else {
                return Standing::Usable;
            };
            let until = blocked.map_or(one.until, |earlier| earlier.until.min(one.until));
            blocked = Some(Blocked { until, endpoint: one.endpoint });
        }
        blocked.map_or(Standing::Unknown, Standing::Blocked)
    }

    /// What is noted of the rests that are in the way of a class.
    pub(crate) fn notes(&self, class: ClassId) -> Vec<Note> {
        let Some(row) = self.classes.get(class) else { return Vec::new() };
        let keys = row.keys.iter().filter_map(|&place| self.keys.name(place));
        self.cooldowns.notes(keys, &row.class.model)
    }

    pub(crate) fn tell(&mut self, id: TicketId) {
        self.routers.tell(id);
        self.rings |= id.router != self.caller;
    }
}

impl Standing {
    /// Why a ticket is told that it gets no key, and the moment when one may be available.
    pub(crate) const fn refusal(self, waits: bool) -> Option<(Option<Micros>, NoKeyReason)> {
        match self {
            Self::Usable => None,
            Self::Unknown => Some((None, NoKeyReason::Unknown)),
            Self::Blocked(_) if waits => None,
            Self::Blocked(Blocked { until, endpoint: true }) => {
                Some((Some(until), NoKeyReason::EndpointCooling))
            }
            Self::Blocked(Blocked { until, endpoint: false }) => {
                Some((Some(until), NoKeyReason::Cooling))
            }
        }
    }
}
