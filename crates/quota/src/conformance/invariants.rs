//! Q1 to Q10 as checks of snapshots, for random runs of any store that can show itself.
//!
//! A state is checked alone, and a step against the state before it. A step is a poll, or one
//! command executed at the very time of a poll of the same router: then only the command
//! explains the difference.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use weir_types::KeyName;

use super::Verdict;
use crate::{
    Answer, Batch, Class, Command, Incarnation, LeaseView, Micros, Scope, Snapshot, TicketId,
    TicketView, Timing, Waits,
};

/// One step and what surrounds it.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// The pool before.
    pub before: &'a Snapshot,
    /// What was sent: at most one command.
    pub batch: &'a Batch,
    /// What was answered.
    pub answers: &'a [Answer],
    /// The pool after.
    pub after: &'a Snapshot,
}

/// Checks what holds in every state.
///
/// # Errors
/// The invariant that does not hold.
pub fn check_invariants(pool: &Snapshot, timing: &Timing) -> Verdict {
    for lease in &pool.leases {
        let latest = pool.now.saturating_add(timing.lease_ttl);
        ensure!(lease.until <= latest, "Q4: {lease:?} lives too long");
        let offered = pool.tickets.iter().any(|t| t.id == lease.id && t.waits == Waits::Claim);
        ensure!(offered != lease.claimed, "Q9: {lease:?} and its ticket disagree");
    }
    for ticket in pool.tickets.iter().filter(|ticket| ticket.waits == Waits::Claim) {
        let leased = pool.leases.iter().any(|lease| lease.id == ticket.id && !lease.claimed);
        ensure!(leased, "Q9: {ticket:?} was handed nothing");
    }
    for row in &pool.cooldowns {
        let probes = |id: &TicketId| {
            let lease = pool.leases.iter().find(|lease| lease.id == *id);
            lease.is_some_and(|lease| scopes(&lease.key, &lease.model).contains(&row.scope))
        };
        ensure!(row.probes.iter().all(probes), "Q6: {row:?} is probed by nobody");
        let most = row.admits.map_or(usize::MAX, |most| most as usize);
        ensure!(row.probes.len() <= most, "Q6: {row:?} has too many probes");
        ensure!(row.until <= pool.now || row.probes.is_empty(), "Q6: {row:?} rests");
    }
    for ((name, _), (debt, busy)) in pool.limits.keys.iter().zip(pool.debts.iter().zip(&pool.busy))
    {
        let leeway = pool.limits.leeway;
        ensure!(debt.unsigned_abs() <= u64::from(leeway), "Q7: {name} has a debt of {debt}");
        let in_use = pool.leases.iter().filter(|lease| lease.key == *name).count();
        let counted = leeway == 0 || in_use == *busy as usize;
        ensure!(counted, "Q7: {name} has {in_use} slots in use, not {busy}");
    }
    if pool.in_grace { Ok(()) } else { check_decided(pool, timing) }
}

/// Checks what holds outside a grace: whatever was due is done.
fn check_decided(pool: &Snapshot, timing: &Timing) -> Verdict {
    for lease in &pool.leases {
        ensure!(lease.until > pool.now, "Q4: {lease:?} was not reclaimed");
    }
    for router in &pool.routers {
        let end = router.heard.saturating_add(timing.lease_ttl);
        ensure!(end > pool.now, "{router:?} was not forgotten");
    }
    if pool.limits.is_unset() {
        return Ok(());
    }
    let free = pool.leases.len() < pool.limits.concurrency as usize;
    for ticket in &pool.tickets {
        let over = ticket.deadline <= pool.now && ticket.waits != Waits::Claim;
        ensure!(!over, "Q9: {ticket:?} was not dropped");
        match ticket.waits {
            Waits::Delay(until) => ensure!(until > pool.now, "{ticket:?} is due"),
            Waits::Slot | Waits::Rest => {
                let usable = is_usable(pool, &ticket.class, &BTreeSet::new());
                let starves = free && usable && !is_skipped(pool, ticket.id.router);
                ensure!(!starves, "Q10: {ticket:?} could use a free slot");
                let heard = !is_skipped(pool, ticket.id.router);
                let untold = !usable && !ticket.wait_for_cooldown && heard;
                ensure!(!untold, "Q9: {ticket:?} was not told that it gets no key");
            }
            Waits::Claim | Waits::Leave(..) => {}
        }
    }
    Ok(())
}

/// Checks what one step may change.
///
/// # Errors
/// The invariant that does not hold.
pub fn check_step(step: &Step<'_>) -> Verdict {
    let told = Told::of(step.batch);
    let held: BTreeSet<_> = step.before.leases.iter().map(|lease| lease.id).collect();
    let is_new = |lease: &&LeaseView| !held.contains(&lease.id) && !told.held.contains(&lease.id);
    let granted: Vec<_> = step.after.leases.iter().filter(is_new).collect();
    check_bounds(step, &told, granted.len())?;
    check_order(step, &granted)?;
    check_keys(step, &granted)?;
    check_ends(step, &told)?;
    check_refusals(step)
}

fn check_bounds(step: &Step<'_>, told: &Told, granted: usize) -> Verdict {
    let limits = &step.after.limits;
    let (leases, slots) = (step.after.leases.len(), limits.concurrency as usize);
    ensure!(granted == 0 || leases <= slots, "Q1: {leases} leases of {slots} after a grant");
    let entered = told.waiting.len() + if told.restates { told.held.len() } else { 0 };
    let reasserted = if told.restates { entered } else { 0 };
    // Hand-offs of a limit that shrank are still to be claimed.
    let offered = step.after.tickets.iter().filter(|t| t.waits == Waits::Claim).count();
    let bound = limits.buffer as usize + slots.max(offered);
    let (before, found) = (step.before.tickets.len(), step.after.tickets.len());
    let allowed = bound.max(before) + reasserted;
    // An heir stands where its lease stood.
    let total = |pool: &Snapshot| ids(pool).count();
    let is_same = total(step.after) <= total(step.before);
    ensure!(found <= allowed || is_same, "Q2: {found} tickets, at most {allowed}");
    check_work(step, slots)
}

/// Q2 and Q13: what can start is not refused as full, and what cannot waits in the buffer.
fn check_work(step: &Step<'_>, slots: usize) -> Verdict {
    let [Command::Acquire(acquire)] = &step.batch.commands[..] else { return Ok(()) };
    if step.after.in_grace || step.before.in_grace || acquire.delay > 0 {
        return Ok(());
    }
    let waits = |pool: &Snapshot| pool.tickets.iter().filter(|t| t.waits != Waits::Claim).count();
    let buffer = (step.after.limits.buffer as usize).max(waits(step.before));
    ensure!(waits(step.after) <= buffer, "Q2: more than {buffer} wait");
    let is_full = matches!(step.answers, [Answer::Full { .. }]);
    let free = step.after.leases.len() < slots;
    let usable = is_usable(step.after, &acquire.class, &BTreeSet::new());
    ensure!(!(is_full && free && usable), "Q13: {acquire:?} could have started");
    Ok(())
}

fn is_ready(ticket: &TicketView) -> bool {
    matches!(ticket.waits, Waits::Slot | Waits::Rest)
}

/// Tickets and leases, a hand-off once.
fn ids(pool: &Snapshot) -> impl Iterator<Item = TicketId> {
    let claimed = pool.leases.iter().filter(|lease| lease.claimed).map(|lease| lease.id);
    claimed.chain(pool.tickets.iter().map(|ticket| ticket.id))
}

fn check_order(step: &Step<'_>, granted: &[&LeaseView]) -> Verdict {
    let pool = step.after;
    for ticket in pool.tickets.iter().filter(|ticket| is_ready(ticket)) {
        let place = (ticket.arrival, ticket.id);
        let passed = granted.iter().filter(|lease| (lease.arrival, lease.id) > place);
        let passed: BTreeSet<_> = passed.map(|lease| lease.id).collect();
        if passed.is_empty() || is_skipped(pool, ticket.id.router) {
            continue;
        }
        // Those that passed may hold the probe that this one could have had.
        let usable = is_usable(pool, &ticket.class, &passed);
        ensure!(!usable, "Q5: {ticket:?} was passed by {passed:?}");
    }
    Ok(())
}

fn check_keys(step: &Step<'_>, granted: &[&LeaseView]) -> Verdict {
    let rotations: BTreeMap<_, _> =
        step.before.leases.iter().map(|lease| (lease.id, lease.rotation)).collect();
    let rotated =
        step.after.leases.iter().filter(|lease| {
            rotations.get(&lease.id).is_some_and(|&before| before < lease.rotation)
        });
    for lease in granted.iter().copied().chain(rotated) {
        let own = scopes(&lease.key, &lease.model);
        let rows = step.after.cooldowns.iter().filter(|row| own.contains(&row.scope));
        for row in rows {
            let is_known = row.admits.is_none() || row.probes.contains(&lease.id);
            let is_probe = row.until <= step.after.now && is_known;
            ensure!(is_probe, "Q6: {lease:?} was granted on {row:?}");
        }
        let known = step.after.limits.keys.iter().any(|(name, _)| *name == lease.key);
        ensure!(known, "{lease:?} was granted a key that the limits do not name");
    }
    Ok(())
}

/// Nothing ends without a cause (Q9) or twice (Q3), or comes from nowhere.
fn check_ends(step: &Step<'_>, told: &Told) -> Verdict {
    let (now, caller) = (step.after.now, step.batch.router);
    let replaced = |id: TicketId| told.restates && id.router == caller;
    let known = |router| step.after.routers.iter().any(|row| row.router == router);
    let ended = |id: TicketId| told.ended.contains(&id) || replaced(id) || !known(id.router);
    let leases: BTreeSet<_> = step.after.leases.iter().map(|lease| lease.id).collect();
    let tickets: BTreeSet<_> = step.after.tickets.iter().map(|ticket| ticket.id).collect();
    for lease in step.before.leases.iter().filter(|lease| !leases.contains(&lease.id)) {
        let over = lease.until <= now;
        ensure!(over || ended(lease.id), "Q3: {lease:?} ended without a cause");
    }
    for ticket in step.before.tickets.iter().filter(|ticket| !tickets.contains(&ticket.id)) {
        let confirmed = told.held.contains(&ticket.id) || leases.contains(&ticket.id);
        let over = ticket.deadline <= now;
        ensure!(over || confirmed || ended(ticket.id), "Q9: {ticket:?} ended without a cause");
    }
    let before: BTreeSet<_> = ids(step.before).collect();
    for id in ids(step.after).filter(|id| !before.contains(id)) {
        let entered = told.waiting.contains(&id) || told.held.contains(&id);
        ensure!(entered, "Q9: {id:?} came from nowhere");
    }
    Ok(())
}

/// Q8: a refusal leaves no trace.
fn check_refusals(step: &Step<'_>) -> Verdict {
    let is_refusal = |answer: &Answer| match answer {
        Answer::Full { .. } | Answer::NoKey { .. } | Answer::ClaimRefused => true,
        Answer::LimitsInForce(_) | Answer::Grace | Answer::Routers(_) => true,
        Answer::Granted { .. } | Answer::Queued { .. } => false,
        Answer::Done | Answer::Settled(_) => false,
    };
    let refused = step.answers.iter().all(is_refusal) && !step.answers.is_empty();
    let same = |pool: &Snapshot| Snapshot { routers: Vec::new(), ..pool.clone() };
    let changed = refused && same(step.before) != same(step.after);
    ensure!(!changed, "Q8: {:?} changed {:?} into {:?}", step.answers, step.before, step.after);
    Ok(())
}

/// Whether a class has a key that may be used, with the probes of `free` out of the way.
fn is_usable(pool: &Snapshot, class: &Class, free: &BTreeSet<TicketId>) -> bool {
    let admits = |scope: Scope| {
        let row = pool.cooldowns.iter().find(|row| row.scope == scope);
        row.is_none_or(|row| {
            let taken = row.probes.iter().filter(|probe| !free.contains(probe)).count();
            row.until <= pool.now && row.admits.is_none_or(|most| taken < most as usize)
        })
    };
    let known = |key: &&KeyName| pool.limits.keys.iter().any(|(name, _)| name == *key);
    class.keys.iter().filter(known).any(|key| scopes(key, &class.model).into_iter().all(admits))
}

fn is_skipped(pool: &Snapshot, router: Incarnation) -> bool {
    pool.routers.iter().find(|row| row.router == router).is_none_or(|row| row.skipped)
}

fn scopes(key: &KeyName, model: &Arc<str>) -> [Scope; 3] {
    [Scope::Endpoint, Scope::Key(key.clone()), Scope::KeyModel(key.clone(), Arc::clone(model))]
}

/// What a batch says about ids.
#[derive(Debug, Default)]
struct Told {
    /// May have ended.
    ended: BTreeSet<TicketId>,
    /// May have become leases without being granted anything.
    held: BTreeSet<TicketId>,
    /// May have become tickets.
    waiting: BTreeSet<TicketId>,
    /// Everything else of this router was given up.
    restates: bool,
}

impl Told {
    fn of(batch: &Batch) -> Self {
        // What waits ends with a hello, until it is said again.
        let mut told = Self { restates: batch.session == 0, ..Self::default() };
        for command in &batch.commands {
            told.add(command);
        }
        told
    }

    fn add(&mut self, command: &Command) {
        match command {
            Command::Acquire(acquire) => {
                self.waiting.insert(acquire.ticket);
            }
            Command::Leave(id) => {
                self.ended.insert(*id);
            }
            Command::Settle { lease, then, .. } | Command::Rotate { lease, then, .. } => {
                self.ended.insert(*lease);
                self.waiting.extend(then.iter().map(|then| then.ticket));
            }
            Command::Renew(leases) => self.held.extend(leases.iter().map(|held| held.lease)),
            Command::Restate { leases, tickets } => {
                self.held.extend(leases.iter().map(|held| held.lease));
                self.waiting.extend(tickets.iter().map(|ticket| ticket.ticket));
                self.restates = true;
            }
            Command::Bye => self.restates = true,
            Command::SetLimits { .. }
            | Command::Claim(_)
            | Command::Answered { .. }
            | Command::Learn(_)
            | Command::Routers => {}
        }
    }
}

/// The moments a pool may look at next, for runs that step from one to the next.
#[must_use]
pub fn moments(pool: &Snapshot) -> BTreeSet<Micros> {
    let delay = |ticket: &TicketView| match ticket.waits {
        Waits::Delay(until) => Some(until),
        Waits::Slot | Waits::Rest | Waits::Claim | Waits::Leave(..) => None,
    };
    let ends = pool.leases.iter().map(|lease| lease.until);
    let rests = pool.cooldowns.iter().map(|row| row.until);
    let all = ends.chain(rests).chain(pool.tickets.iter().filter_map(delay));
    all.filter(|&moment| moment > pool.now).collect()
}
