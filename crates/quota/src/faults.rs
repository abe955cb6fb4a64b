//! Faults that a pool can be given on purpose, so that checks of the protocol show that they find them.
//!
//! Each does to the state what a defect of a step would do. Not compiled into what is released.

use crate::machine::Machine;
use crate::{Micros, TicketId};

impl Machine {
    /// A grace begins, whatever for.
    pub fn fault_begin_grace(&mut self, now: Micros) {
        let live = self.routers.live_at(now, &self.timing);
        self.grace = Some(crate::grace::Grace::start(now, &self.timing, false, live, None));
    }

    /// The grace ends, whoever has yet to speak.
    pub fn fault_end_grace(&mut self) {
        self.grace = None;
    }

    /// Probes stay alone for as long as they run.
    pub fn fault_hold_probes(&mut self) {
        self.cooldowns.hold_probes();
    }

    /// All rests are over.
    pub fn fault_end_rests(&mut self, now: Micros) {
        let claim = self.timing.claim_limit;
        self.cooldowns = crate::cooldown::Cooldowns::new(claim, self.timing.max_cooldown);
        self.thaw(None);
        self.hand_out(now);
    }

    /// Which limits were in force before is forgotten.
    pub fn fault_forget_superseded(&mut self) {
        let limits = self.keys.limits().clone();
        let mut keys = crate::keys::Keys::default();
        keys.set(limits, self.leases.iter().map(|(_, lease)| &lease.key));
        self.keys = keys;
    }

    /// A lease ends, whosever it is.
    pub fn fault_free(&mut self, now: Micros, id: TicketId) {
        self.free(now, id);
        self.hand_out(now);
    }

    /// Nobody is ever silent, and slots are kept: leases, or with `claimed` false hand-offs that nobody
    /// claims.
    pub fn fault_keep_leases(&mut self, now: Micros, claimed: bool) {
        self.routers.hear_all(now);
        let (ttl, limit) = (self.timing.lease_ttl, self.timing.claim_limit);
        let ids: Vec<_> = self
            .leases
            .iter()
            .filter(|(_, one)| one.claimed == claimed)
            .map(|(id, _)| id)
            .collect();
        for id in ids {
            if let Some(mut lease) = self.leases.remove(id) {
                lease.until = now.saturating_add(if claimed { ttl } else { limit });
                self.leases.insert(id, lease);
            }
        }
    }
}
