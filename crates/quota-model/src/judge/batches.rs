//! What one batch may do to a pool.

use std::sync::Arc;

use weir_quota::conformance::{Step, check_invariants, check_step};
use weir_quota::{
    Acquire, Answer, Batch, Class, Command, Executed, Health, LeaseView, Machine, Outcome, Scope,
    Snapshot, StoreError, TicketId, Waits,
};

use weir_types::KeyName;

use crate::setup::{REST, TIMING};
use crate::world::{World, execute};

impl World {
    /// Judges what a batch did to the pool.
    pub(crate) fn judge_batch(
        &mut self,
        before: &Machine,
        batch: &Batch,
        executed: Result<&Executed, &StoreError>,
    ) {
        let Ok(executed) = executed else {
            if self.pool.canonical(self.now) != before.canonical(self.now) {
                self.seen.find("Q8", || format!("{batch:?} was refused and changed something"));
            }
            return;
        };
        let (before_it, after) = (before.snapshot(), self.pool.snapshot());
        let row = before_it.routers.iter().find(|row| row.router == batch.router);
        let is_next = |row: &weir_quota::RouterView| {
            row.session == batch.session && row.sequence < batch.sequence
        };
        // Who has spoken in a session knows of it: an earlier hello does not.
        let is_early = |row: &weir_quota::RouterView| {
            row.sequence > 0 && batch.heard < row.session && batch.session == 0
        };
        if row.is_some_and(is_early) || batch.session != 0 && !row.is_some_and(is_next) {
            self.seen.find("Q8", || format!("{batch:?} is executed too late"));
        }
        self.seen.found(check_invariants(&after, &TIMING));
        self.judge_emptied(batch, &after);
        self.judge_refusals(batch, executed, &after);
        let new = new_leases(&before_it, batch, &after);
        self.judge_order(batch, &before_it, &after, &new);
        self.judge_keys(batch, executed, &before_it, &new);
        self.judge_commands(before, batch);
    }

    /// Q13: nobody is refused as full where a slot is free.
    fn judge_refusals(&mut self, batch: &Batch, executed: &Executed, after: &Snapshot) {
        let answers = batch.commands.iter().zip(&executed.reply.answers);
        let rests = |key: &KeyName, class: &Class| {
            after.cooldowns.iter().any(|row| match &row.scope {
                Scope::Endpoint => true,
                Scope::Key(own) => own == key,
                Scope::KeyModel(own, model) => own == key && *model == class.model,
            })
        };
        let could_start = |class: &Class| class.keys.iter().any(|key| !rests(key, class));
        let is_full = |(command, answer): (&Command, &Answer)| match (command, answer) {
            (Command::Acquire(asked), Answer::Full { .. }) => could_start(&asked.class),
            _ => false,
        };
        // What the same batch ends after it, was in use; what it found well after it, rested.
        let first = answers.clone().position(is_full).unwrap_or_default();
        let frees_nothing = |command: &Command| {
            use Command::{Acquire, Claim, Renew, Routers};
            matches!(command, Acquire(_) | Claim(_) | Renew(_) | Routers)
        };
        if !batch.commands.iter().skip(first).all(frees_nothing) {
            return;
        }
        let free = after.leases.len() < after.limits.concurrency as usize;
        if answers.clone().any(is_full) && free && !after.in_grace {
            self.seen.find("Q13", || "refused as full beside a free slot".to_owned());
        }
    }

    /// Q5: whoever entered the line first is served first.
    fn judge_order(
        &mut self,
        batch: &Batch,
        before: &Snapshot,
        after: &Snapshot,
        new: &[LeaseView],
    ) {
        let heirs = heirs(batch);
        // What a router does not say again loses its place.
        if batch.commands.iter().any(|one| matches!(one, Command::Restate { .. })) {
            self.seen.order.retain(|id| id.router != batch.router || heirs.contains(id));
        }
        let arrival = |id: &TicketId| {
            after.tickets.iter().find(|one| one.id == *id).map_or(0, |one| one.arrival)
        };
        let skipped = |id: &TicketId| {
            let row = after.routers.iter().find(|row| row.router == id.router);
            row.is_none_or(|row| row.skipped)
        };
        let in_line = |id: &TicketId| {
            let ticket = after.tickets.iter().find(|ticket| ticket.id == *id);
            ticket.is_some_and(|ticket| ticket.waits == Waits::Slot)
        };
        if before.cooldowns.is_empty() && after.cooldowns.is_empty() {
            for lease in new.iter().filter(|lease| !heirs.contains(&lease.id)) {
                let place = self.seen.order.iter().position(|id| *id == lease.id);
                let older = &self.seen.order[..place.unwrap_or(self.seen.order.len())];
                // Of the same moment the ids decide.
                let is_older = |id: &&TicketId| arrival(id) != lease.arrival;
                let passed = older.iter().filter(is_older);
                if let Some(passed) = passed.into_iter().find(|id| in_line(id) && !skipped(id)) {
                    let why = format!("{:?} passes {passed:?}", lease.id);
                    self.seen.find("Q5", || why);
                }
            }
        }
        self.seen.order.retain(|id| after.tickets.iter().any(|ticket| ticket.id == *id));
        for ticket in &after.tickets {
            if self.seen.order.contains(&ticket.id) {
                continue;
            }
            // Who was there before takes the place that it had.
            let place = heirs
                .contains(&ticket.id)
                .then(|| self.seen.order.iter().position(|id| arrival(id) > ticket.arrival));
            let place = place.flatten().unwrap_or(self.seen.order.len());
            self.seen.order.insert(place, ticket.id);
        }
    }

    /// Q6: what rests is granted to nobody. Q7: keys are used in turn.
    fn judge_keys(
        &mut self,
        batch: &Batch,
        executed: &Executed,
        before: &Snapshot,
        new: &[LeaseView],
    ) {
        let (now, models) = (self.now, self.setup.models);
        for lease in new {
            let rests = self.seen.rests.iter().any(|(key, model, until)| {
                *key == lease.key && (models == 1 || *model == lease.model) && now < *until
            });
            // A lease that the same batch has ended may have been granted before it.
            if rests {
                let why = format!("{lease:?} is granted at rest");
                self.seen.find("Q6", || why);
            }
            let place = self.setup.keys().iter().position(|key| *key == lease.key);
            if let Some(count) = place.and_then(|place| self.seen.grants.get_mut(place)) {
                *count += 1;
            }
        }
        for (lease, attempt, outcome) in outcomes(batch, &executed.reply.answers) {
            // Whatever became of the lease, what its key did is known now.
            let known = before.leases.iter().find(|one| one.id == lease);
            // What was said before says nothing new.
            if attempt.is_some_and(|attempt| known.is_some_and(|one| attempt <= one.rotation)) {
                continue;
            }
            for health in &outcome.health {
                let (scope, of_model) = match health {
                    Health::Cool { scope: scope @ Scope::KeyModel(_, model), .. } => (scope, model),
                    // Where keys rest as a whole there is one model.
                    Health::Cool { scope, .. } => (scope, &self.setup.class(0, None).model),
                    Health::Well(_) => continue,
                };
                let rests = scope.key().map(|key| (key.clone(), Arc::clone(of_model), now + REST));
                self.seen.rests.extend(rests);
            }
        }
        let total: u32 = self.seen.grants.iter().sum();
        let keys = u32::try_from(self.setup.keys).unwrap_or(1);
        // Within 1 - 1/(2m - 2), and the leeway, of total/m, in whole numbers.
        let leeway = self.setup.leeway;
        let is_fair = |count: &u32| {
            let lag = count.abs_diff(0) * keys;
            let difference = lag.abs_diff(total);
            let parts = (2 * keys - 2).max(1);
            difference * parts <= keys * ((2 * keys - 3).max(1) + leeway * parts)
        };
        if keys > 1 && self.setup.budget.failures == 0 && !self.seen.grants.iter().all(is_fair) {
            let grants = self.seen.grants.clone();
            self.seen.find("Q7", || format!("keys were granted {grants:?}"));
        }
    }

    /// Each command alone, executed after a poll of the same moment, so that it alone explains what it
    /// changes. A poll before each: what one makes due (a row whose last probe it ends, long after the
    /// rest) is what the next batch does before its commands, whatever these are.
    fn judge_commands(&mut self, before: &Machine, batch: &Batch) {
        if batch.session == 0 || batch.commands.is_empty() {
            return;
        }
        let mut pool = before.clone();
        let mut alone = Batch { commands: Vec::new(), ..batch.clone() };
        for command in &batch.commands {
            if execute(self.mutant, &mut pool, self.now, &alone).is_err() {
                return;
            }
            // That has been said, and none of the commands says it.
            alone.was_in_share = false;
            let earlier = pool.snapshot();
            alone.sequence += 1;
            alone.commands = vec![command.clone()];
            let Ok(executed) = execute(self.mutant, &mut pool, self.now, &alone) else { return };
            let (before, after) = (&earlier, &pool.snapshot());
            let answers = &executed.reply.answers[..];
            self.seen.found(check_step(&Step { before, batch: &alone, answers, after }));
            alone.sequence += 1;
            alone.commands.clear();
        }
    }
}

/// Leases that the pool granted with a batch.
fn new_leases(before: &Snapshot, batch: &Batch, after: &Snapshot) -> Vec<LeaseView> {
    let said = |id: TicketId| {
        batch.commands.iter().any(|command| match command {
            Command::Renew(leases) | Command::Restate { leases, .. } => {
                leases.iter().any(|held| held.lease == id)
            }
            _ => false,
        })
    };
    let known = |id: TicketId| before.leases.iter().any(|lease| lease.id == id);
    let new = after.leases.iter().filter(|lease| !known(lease.id) && !said(lease.id));
    new.cloned().collect()
}

/// Tickets that go on from a lease, or were there before.
fn heirs(batch: &Batch) -> Vec<TicketId> {
    let mut heirs = Vec::new();
    for command in &batch.commands {
        match command {
            Command::Settle { then, .. } | Command::Rotate { then, .. } => {
                heirs.extend(then.iter().map(|then| then.ticket));
            }
            Command::Restate { tickets, .. } => {
                heirs.extend(tickets.iter().map(|ticket| ticket.ticket));
            }
            Command::Acquire(Acquire { ticket, arrival: Some(_), .. }) => heirs.push(*ticket),
            _ => {}
        }
    }
    heirs
}

/// What a batch says of leases, and which change of its key ends a lease's turn with it. What met a grace is
/// said again after it.
fn outcomes<'a>(
    batch: &'a Batch,
    answers: &'a [Answer],
) -> impl Iterator<Item = (TicketId, Option<u32>, &'a Outcome)> {
    let all = batch.commands.iter().zip(answers);
    all.filter(|(_, answer)| **answer != Answer::Grace).filter_map(|(command, _)| match command {
        Command::Rotate { lease, attempt, outcome, .. } => Some((*lease, Some(*attempt), outcome)),
        Command::Settle { lease, outcome, .. } | Command::Answered { lease, outcome } => {
            Some((*lease, None, outcome))
        }
        _ => None,
    })
}
