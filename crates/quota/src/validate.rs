//! What is wrong with a batch, before anything is changed (Q8).
//!
//! Every finding here is a defect of the sender, never a state of the pool.

use std::collections::HashSet;

use crate::{Acquire, Batch, COMMANDS_MAX, Class, Command, HEALTH_MAX, Health, HeldLease};
use crate::{Incarnation, LEEWAY_MAX, Limits, NOTE_MAX, Outcome, StoreError, TicketId};

/// Keys of a pool or a class.
const KEYS_MAX: usize = 4096;
/// Leases and tickets of one restate, each.
const RESTATED_MAX: usize = 1 << 20;

impl Batch {
    /// Checks the batch as every store does before it executes one.
    ///
    /// # Errors
    /// `Rejected`, with what is malformed.
    pub fn check(&self) -> Result<(), StoreError> {
        batch(self)
    }
}

/// Checks a whole batch.
pub(crate) fn batch(batch: &Batch) -> Result<(), StoreError> {
    let checked = if batch.session == 0 && !batch.commands.is_empty() {
        Err("a hello carries no commands".to_owned())
    } else if batch.commands.len() > COMMANDS_MAX {
        Err(format!("{} commands, at most {COMMANDS_MAX}", batch.commands.len()))
    } else if batch.commands.iter().rev().skip(1).any(|one| *one == Command::Bye) {
        Err("a router that is gone goes on".to_owned())
    } else {
        batch.commands.iter().try_for_each(|one| command(batch.router, one))
    };
    checked.map_err(StoreError::Rejected)
}

fn command(router: Incarnation, command: &Command) -> Result<(), String> {
    match command {
        Command::SetLimits { limits, replaces } => self::limits(limits, *replaces),
        Command::Acquire(one) => acquire(router, one),
        Command::Claim(id) | Command::Leave(id) => owned(router, *id),
        Command::Settle { lease, outcome, then } => end(router, *lease, outcome, then.as_ref()),
        Command::Rotate { lease, attempt, outcome, class, then } => {
            if *attempt == 0 {
                return Err("rotations count from 1".to_owned());
            }
            self::class(class)?;
            end(router, *lease, outcome, then.as_ref())
        }
        Command::Answered { lease, outcome } => end(router, *lease, outcome, None),
        Command::Learn(one) => outcome(one),
        Command::Renew(leases) => held(router, leases).map(drop),
        Command::Restate { leases, tickets } => restate(router, leases, tickets),
        Command::Routers | Command::Bye => Ok(()),
    }
}

fn owned(router: Incarnation, id: TicketId) -> Result<(), String> {
    if id.router == router {
        return Ok(());
    }
    Err(format!("ticket {} of router {:x} in a batch of another", id.number, id.router.0))
}

fn limits(limits: &Limits, replaces: Option<u64>) -> Result<(), String> {
    if limits.concurrency == 0 {
        return Err("concurrency 0".to_owned());
    }
    if limits.generation <= replaces.unwrap_or(0) {
        return Err(format!("generation {} does not follow {replaces:?}", limits.generation));
    }
    if limits.leeway > LEEWAY_MAX {
        return Err(format!("leeway {}, at most {LEEWAY_MAX}", limits.leeway));
    }
    if limits.keys.len() > KEYS_MAX {
        return Err(format!("{} keys, at most {KEYS_MAX}", limits.keys.len()));
    }
    let mut names = HashSet::new();
    let mut sum = 0.0;
    for (name, weight) in &limits.keys {
        if !names.insert(name) {
            return Err(format!("two keys named {name}"));
        }
        if !(weight.is_finite() && *weight >= 0.0) {
            return Err(format!("key {name} has weight {weight}"));
        }
        sum += weight;
    }
    if sum.is_finite() { Ok(()) } else { Err("the sum of the weights is infinite".to_owned()) }
}

fn class(class: &Class) -> Result<(), String> {
    if class.keys.len() <= KEYS_MAX {
        return Ok(());
    }
    Err(format!("a class of {} keys, at most {KEYS_MAX}", class.keys.len()))
}

fn acquire(router: Incarnation, acquire: &Acquire) -> Result<(), String> {
    owned(router, acquire.ticket)?;
    class(&acquire.class)
}

fn end(
    router: Incarnation,
    lease: TicketId,
    outcome: &Outcome,
    then: Option<&Acquire>,
) -> Result<(), String> {
    owned(router, lease)?;
    self::outcome(outcome)?;
    let Some(then) = then else { return Ok(()) };
    if then.ticket == lease {
        return Err(format!("lease {} goes on as itself, not as a new ticket", lease.number));
    }
    acquire(router, then)
}

fn outcome(outcome: &Outcome) -> Result<(), String> {
    if outcome.health.len() > HEALTH_MAX {
        return Err(format!("an outcome of {} parts, at most {HEALTH_MAX}", outcome.health.len()));
    }
    for health in &outcome.health {
        if let Health::Cool { note, .. } = health
            && note.len() > NOTE_MAX
        {
            return Err(format!("a note of {} bytes, at most {NOTE_MAX}", note.len()));
        }
    }
    Ok(())
}

fn held(router: Incarnation, leases: &[HeldLease]) -> Result<HashSet<TicketId>, String> {
    if leases.len() > RESTATED_MAX {
        return Err(format!("{} leases, at most {RESTATED_MAX}", leases.len()));
    }
    let mut ids = HashSet::with_capacity(leases.len());
    for one in leases {
        owned(router, one.lease)?;
        if !ids.insert(one.lease) {
            return Err(format!("lease {} is named twice", one.lease.number));
        }
    }
    Ok(ids)
}

fn restate(router: Incarnation, leases: &[HeldLease], tickets: &[Acquire]) -> Result<(), String> {
    if tickets.len() > RESTATED_MAX {
        return Err(format!("{} tickets, at most {RESTATED_MAX}", tickets.len()));
    }
    let mut ids = held(router, leases)?;
    for one in tickets {
        acquire(router, one)?;
        if !ids.insert(one.ticket) {
            return Err(format!("ticket {} is named twice", one.ticket.number));
        }
    }
    Ok(())
}
