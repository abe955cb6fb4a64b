//! A pool as `explain`, the console and the invariant checks see it.
//!
//! A copy, sorted, so that equal pools have equal snapshots. Costs time in proportion to what the
//! pool holds: not for the hot path.

use std::sync::Arc;

use weir_types::KeyName;

use crate::machine::Machine;
use crate::tickets::{Stage, Ticket};
use crate::{Class, Incarnation, Limits, Micros, NoKeyReason, Note, Scope, TicketId};

/// Everything a pool holds. All moments are pool time.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// When the last batch was executed.
    pub now: Micros,
    /// The limits in force.
    pub limits: Limits,
    /// Lags of the limits' keys, in their order.
    pub lags: Vec<f64>,
    /// Grants that each key is owed, in their order; 0 without a leeway.
    pub debts: Vec<i64>,
    /// Slots that each key has in use, where there is a leeway; else 0.
    pub busy: Vec<u32>,
    /// Slots in use, by id.
    pub leases: Vec<LeaseView>,
    /// Everything that waits, by id.
    pub tickets: Vec<TicketView>,
    /// Scopes not known to be healthy, in their order.
    pub cooldowns: Vec<CooldownView>,
    /// Known routers, by incarnation.
    pub routers: Vec<RouterView>,
    /// Whether a grace is on.
    pub in_grace: bool,
}

/// A slot in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseView {
    /// Its id.
    pub id: TicketId,
    /// The key in use.
    pub key: KeyName,
    /// The model it is used for.
    pub model: Arc<str>,
    /// Its ticket's arrival number.
    pub arrival: u64,
    /// When its router was last told that the slot is granted; `None` if it was re-asserted.
    pub since: Option<Micros>,
    /// When the present key was granted; 0 if that is not known.
    pub key_since: Micros,
    /// When it is reclaimed unless renewed or claimed.
    pub until: Micros,
    /// Whether its router has confirmed it.
    pub claimed: bool,
    /// Rotations so far.
    pub rotation: u32,
}

/// What a ticket waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waits {
    /// Its delay, which ends then.
    Delay(Micros),
    /// A slot and a key.
    Slot,
    /// The same, out of the line: its keys rest, or its router is not heard.
    Rest,
    /// Its claim.
    Claim,
    /// Its `Leave`: it was told that it gets no key before then.
    Leave(Option<Micros>, NoKeyReason),
}

/// Something that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketView {
    /// Its id.
    pub id: TicketId,
    /// What it can use.
    pub class: Class,
    /// Its arrival number.
    pub arrival: u64,
    /// No longer of use from then on.
    pub deadline: Micros,
    /// Whether it waits while all its keys cool.
    pub wait_for_cooldown: bool,
    /// What it waits for.
    pub waits: Waits,
}

/// A scope not known to be healthy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CooldownView {
    /// Which one.
    pub scope: Scope,
    /// Rests until then.
    pub until: Micros,
    /// Default rests in a row.
    pub growth: u32,
    /// Of a model that may not exist.
    pub missing: bool,
    /// How many may probe it at once after its rest; `None`: it is free for all then.
    pub admits: Option<u32>,
    /// The leases that probe it.
    pub probes: Vec<TicketId>,
    /// What is said of it.
    pub note: Note,
}

/// A router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouterView {
    /// Which one.
    pub router: Incarnation,
    /// Its session.
    pub session: u64,
    /// The last sequence executed.
    pub sequence: u64,
    /// When it was last heard.
    pub heard: Micros,
    /// Whether it is handed nothing until it is heard.
    pub skipped: bool,
    /// Hand-offs claimed for it of which it may not have heard.
    pub unheard: usize,
}

impl Machine {
    /// A copy of everything the pool holds.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let now = self.time.called();
        let mut leases: Vec<_> = self
            .leases
            .iter()
            .map(|(id, lease)| LeaseView {
                id,
                key: lease.key.clone(),
                model: lease.model.clone(),
                arrival: lease.arrival,
                since: lease.since,
                key_since: lease.key_since,
                until: lease.until,
                claimed: lease.claimed,
                rotation: lease.rotation,
            })
            .collect();
        leases.sort_by_key(|lease| lease.id);
        let mut tickets: Vec<_> =
            self.tickets.iter().filter_map(|(id, ticket)| self.ticket_view(id, ticket)).collect();
        tickets.sort_by_key(|ticket| ticket.id);
        let limit = self.timing.claim_limit;
        let mut routers: Vec<_> = self
            .routers
            .iter()
            .map(|(router, row)| RouterView {
                router,
                session: row.session,
                sequence: row.sequence,
                heard: row.heard,
                skipped: self.routers.is_skipped(router, now, limit),
                unheard: row.told.len(),
            })
            .collect();
        routers.sort_by_key(|row| row.router);
        let rows = self.cooldowns.rows().into_iter();
        let cooldowns = rows.map(|(scope, row)| CooldownView {
            scope,
            until: row.until,
            growth: row.growth,
            missing: row.missing,
            admits: row.admits(now, self.cooldowns.step()),
            probes: row.probes,
            note: row.note,
        });
        let (debts, busy) = self.keys.burden();
        Snapshot {
            now,
            limits: self.keys.limits().clone(),
            lags: self.keys.lags().to_vec(),
            debts: debts.to_vec(),
            busy: busy.to_vec(),
            leases,
            tickets,
            cooldowns: cooldowns.collect(),
            routers,
            in_grace: self.grace.is_some(),
        }
    }

    fn ticket_view(&self, id: TicketId, ticket: &Ticket) -> Option<TicketView> {
        Some(TicketView {
            id,
            class: self.classes.get(ticket.class)?.class.clone(),
            arrival: ticket.arrival,
            deadline: ticket.deadline,
            wait_for_cooldown: ticket.waits,
            waits: match ticket.stage {
                Stage::Delayed(until) => Waits::Delay(until),
                Stage::Listed => Waits::Slot,
                Stage::Resting => Waits::Rest,
                Stage::Offered => Waits::Claim,
                Stage::Refused(until, reason) => Waits::Leave(until, reason),
            },
        })
    }
}
