//! What time alone changes, and who gets what is free.
//!
//! The sweep reclaims leases that ran out (Q4), takes back hand-offs not claimed, forgets silent
//! routers and lets delays end. The hand-out leaves no free slot beside a ticket that could use it
//! (Q10), in order of arrival (Q5). In a grace neither does anything.

use weir_types::KeyName;

use crate::classes::ClassId;
use crate::cooldown::Blocked;
use crate::leases::Lease;
use crate::machine::Machine;
use crate::tickets::{Arrival, ListId, Stage};
use crate::{Micros, NoKeyReason, Note, TicketId};

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

/// What a look at all lists found.
#[derive(Debug, Default)]
struct Survey {
    /// The list whose head is first among those that could use a slot.
    first: Option<(ListId, Arrival)>,
    /// Lists whose tickets can be given no key.
    refused: Vec<(ListId, Option<Micros>, NoKeyReason)>,
}

impl Machine {
    /// Does what is due.
    pub(crate) fn sweep(&mut self, now: Micros) {
        if self.grace.is_some() {
            return;
        }
        while let Some(id) = self.leases.run_out(now) {
            if self.free(id).is_some_and(|lease| !lease.claimed) {
                self.routers.blame(id.router);
                self.routers.untell(id);
                self.tickets.move_to(id, Stage::Listed);
                self.recheck = true;
            }
        }
        while let Some(router) = self.routers.forget_silent(now, self.timing.lease_ttl) {
            for id in self.tickets.of(router) {
                self.drop_ticket(id);
            }
            for id in self.leases.of(router) {
                self.free(id);
            }
        }
        while let Some(id) = self.tickets.due(now) {
            self.tickets.move_to(id, Stage::Listed);
            self.recheck = true;
        }
        // A hand-off keeps its ticket alive until it is claimed or lapses.
        let unclaimed = |id: &TicketId| self.leases.get(*id).is_some();
        let overdue: Vec<_> = self.tickets.overdue(now).filter(|id| !unclaimed(id)).collect();
        for id in overdue {
            self.drop_ticket(id);
        }
        self.cooldowns.sweep(now, self.timing.max_cooldown);
    }

    /// Hands free slots to the tickets that can use them, and tells those that get no key.
    pub(crate) fn hand_out(&mut self, now: Micros) {
        if self.grace.is_some() || self.tickets.listed() == 0 || self.keys.limits().is_unset() {
            return;
        }
        loop {
            let free = self.has_free_slot();
            if !(free || self.recheck) && self.cooldowns.is_clear() {
                return;
            }
            let survey = self.survey(now);
            self.recheck = false;
            for (list, until, reason) in survey.refused {
                self.refuse(list, until, reason);
            }
            let handed =
                free && survey.first.is_some_and(|(list, head)| self.hand_off(now, list, head));
            if !handed {
                return;
            }
        }
    }

    /// The first listed ticket that could use a slot.
    pub(crate) fn first_usable(&self, now: Micros) -> Option<(ListId, Arrival)> {
        if self.tickets.listed() == 0 {
            return None;
        }
        self.survey(now).first
    }

    /// Whether a slot is free: the only gate to a grant (Q1).
    pub(crate) fn has_free_slot(&self) -> bool {
        self.leases.len() < self.keys.limits().concurrency as usize
    }

    /// Gives a slot and a key to the head of a list, to be claimed.
    pub(crate) fn hand_off(&mut self, now: Micros, list: ListId, (arrival, id): Arrival) -> bool {
        let Some(key) = self.choose_key(now, list.class) else {
            return false;
        };
        self.tickets.move_to(id, Stage::Offered);
        self.grant(now, id, list.class, key, arrival, false);
        self.tell(id);
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
        let life = if claimed { self.timing.lease_ttl } else { self.timing.claim_limit };
        let lease = Lease {
            probes: self.cooldowns.probe(id, &key, &model),
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
    pub(crate) fn free(&mut self, id: TicketId) -> Option<Lease> {
        let lease = self.leases.remove(id)?;
        self.cooldowns.release(id, &lease.probes);
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

    fn survey(&self, now: Micros) -> Survey {
        let mut survey = Survey::default();
        let mut latest: Option<(ClassId, Standing)> = None;
        for (list, head) in self.tickets.heads() {
            let standing = match latest {
                Some((class, standing)) if class == list.class => standing,
                _ => self.standing(now, list.class),
            };
            latest = Some((list.class, standing));
            if let Some((until, reason)) = standing.refusal(list.waits) {
                survey.refused.push((list, until, reason));
                continue;
            }
            let skipped = || self.routers.is_skipped(list.owner, now, self.timing.claim_limit);
            let earlier = survey.first.is_none_or(|(_, first)| head < first);
            if matches!(standing, Standing::Usable) && earlier && !skipped() {
                survey.first = Some((list, head));
            }
        }
        survey
    }

    fn refuse(&mut self, list: ListId, until: Option<Micros>, reason: NoKeyReason) {
        for id in self.tickets.list(list) {
            self.tickets.move_to(id, Stage::Refused(until, reason));
            self.tell(id);
        }
    }

    fn tell(&mut self, id: TicketId) {
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
