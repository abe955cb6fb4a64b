//! What leaves next, written out as commands.

use weir_quota::{
    Acquire, Batch, COMMANDS_MAX, Command, HeldLease, Limits, Micros, Outcome, PoolStatus,
};

use super::{Entry, Op, Phase, PoolClient};

impl<W> PoolClient<W> {
    /// The store's next batch, if one may leave and there is something to say. After it the caller
    /// owes [`PoolClient::absorb`] its result.
    pub fn next_batch(&mut self, now: Micros) -> Option<Batch> {
        let blocked = self.blocked_until.is_some_and(|until| now < until);
        if self.in_flight || blocked || self.is_gone || self.drops_calls(now) {
            return None;
        }
        if self.share.is_some() {
            (self.in_flight, self.asked_at) = (true, now);
            return self.ask_store();
        }
        // Also where the process stood still, and a request comes before the keeper: else a share that
        // begins after this batch would go by an older list than the pool's last answer.
        self.renew_if_due(now);
        if !self.has_something_to_say() || self.is_patient(now) {
            return None;
        }
        (self.in_flight, self.asked_at) = (true, now);
        if self.session == 0 {
            self.poll_due = false;
            self.greeting = true;
            return Some(self.hello());
        }
        Some(self.batch(now))
    }

    /// A hello to the store.
    pub(super) fn hello(&self) -> Batch {
        let (knows_pool, heard) = (self.was_exact, self.last_session);
        Batch { knows_pool, heard, ..Batch::hello(self.router) }
    }

    /// All there is to say.
    pub(super) fn batch(&mut self, now: Micros) -> Batch {
        self.sent_at = now;
        self.poll_due = false;
        let commands = self.write_commands(now);
        self.sequence += 1;
        let (session, sequence, heard) = (self.session, self.sequence, self.acknowledged);
        Batch { session, sequence, heard, commands, ..Batch::hello(self.router) }
    }

    pub(super) fn has_something_to_say(&self) -> bool {
        !self.outbox.is_empty()
            || self.poll_due
            || self.renew_due
            || self.bye_due && self.session != 0 && self.share.is_none()
            || self.session != 0 && (self.limits_due || self.restate_due)
    }

    /// Whether all there is to say are leases given back that may wait for company: somebody has to call
    /// [`PoolClient::tend`] in time.
    pub fn is_patient(&self, now: Micros) -> bool {
        let PoolStatus { leases, cooling, .. } = self.status;
        let limits = self.in_force.as_ref().unwrap_or(&self.limits);
        let is_at_leisure = now < self.patient_until
            && !(self.busy || self.poll_due || self.renew_due || self.limits_due)
            && !(self.restate_due || self.bye_due)
            && self.session != 0
            && self.share.is_none()
            && cooling == 0
            && leases.saturating_mul(2) <= limits.concurrency;
        is_at_leisure && !self.outbox.is_empty() && self.outbox.iter().all(Op::is_mere_return)
    }

    fn write_commands(&mut self, now: Micros) -> Vec<Command> {
        let mut commands = Vec::with_capacity(self.outbox.len().min(COMMANDS_MAX - 4) + 1);
        // Limits first: keys that they do not name cannot be restated. A renewal comes last, so
        // that it names what the rest leaves.
        if std::mem::take(&mut self.limits_due) {
            let (hash, command) = self.write_limits();
            self.sent.push(Op::SetLimits(hash));
            commands.push(command);
        }
        if std::mem::take(&mut self.restate_due) {
            self.restated = true;
            self.sent.push(Op::Restate);
            commands.push(self.write_restate(now));
        }
        if std::mem::take(&mut self.routers_due) && self.share.is_none() {
            self.sent.push(Op::Routers);
            commands.push(Command::Routers);
        }
        while commands.len() < COMMANDS_MAX - 2 {
            let Some(op) = self.outbox.pop_front() else {
                break;
            };
            if let Some(command) = self.write(&op, now) {
                self.sent.push(op);
                commands.push(command);
            }
        }
        if std::mem::take(&mut self.renew_due) {
            self.sent.push(Op::Renew);
            let leases = self.held(Entry::is_held);
            commands.push(Command::Renew(leases));
        }
        if self.bye_due && self.share.is_none() && self.outbox.is_empty() {
            self.sent.push(Op::Bye);
            commands.push(Command::Bye);
        }
        commands
    }

    /// One command; `None` for what was withdrawn.
    fn write(&mut self, op: &Op, now: Micros) -> Option<Command> {
        match op {
            Op::Acquire(number) => self.write_ticket(*number, now).map(Command::Acquire),
            Op::Settle { lease, outcome, then } => Some(Command::Settle {
                lease: self.id(*lease),
                outcome: outcome.clone(),
                then: then.and_then(|then| self.write_ticket(then, now)),
            }),
            Op::Rotate { lease, attempt, outcome, class, then } => {
                if let Some(entry) = self.entries.get_mut(lease)
                    && let Phase::Rotating { deferred, .. } = &mut entry.phase
                {
                    *deferred = false;
                }
                Some(Command::Rotate {
                    lease: self.id(*lease),
                    attempt: *attempt,
                    outcome: outcome.clone(),
                    class: class.clone(),
                    then: then.and_then(|then| self.write_ticket(then, now)),
                })
            }
            Op::Answered { lease, outcome } => {
                Some(Command::Answered { lease: self.id(*lease), outcome: outcome.clone() })
            }
            Op::Learn(outcome) => Some(Command::Learn(outcome.clone())),
            Op::Leave(number) => Some(Command::Leave(self.id(*number))),
            Op::SetLimits(_) | Op::Restate | Op::Renew | Op::Routers | Op::Bye => None,
        }
    }

    fn write_ticket(&mut self, number: u64, now: Micros) -> Option<Acquire> {
        let ticket = self.id(number);
        let entry = self.entries.get_mut(&number)?;
        if !matches!(entry.phase, Phase::Waiting) {
            return None;
        }
        entry.sent = true;
        Some(Acquire {
            ticket,
            class: entry.class.clone(),
            delay: entry.not_before.saturating_sub(now),
            deadline: entry.deadline.saturating_sub(now),
            arrival: entry.arrival,
            wait_for_cooldown: entry.wait_for_cooldown,
        })
    }

    /// The store is offered limits, a share is given its own.
    fn write_limits(&mut self) -> (u64, Command) {
        let Some(share) = &self.share else {
            let offer = self.offer(self.replaces);
            self.offers_in_force = false;
            return offer;
        };
        let generation = self.replaces.unwrap_or(0) + 1;
        let limits = Limits { generation, ..share.limits.clone() };
        (limits.hash, Command::SetLimits { limits, replaces: self.replaces })
    }

    fn write_restate(&mut self, now: Micros) -> Command {
        // A share has executed nothing yet, no rotate either: it begins with what is held here.
        let begins_with = |entry: &Entry<W>| entry.key().is_some();
        let leases = self.held(if self.share.is_some() { begins_with } else { Entry::is_held });
        let numbers: Vec<u64> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.sent && matches!(entry.phase, Phase::Waiting))
            .filter(|(_, entry)| entry.arrival.is_some())
            .map(|(number, _)| *number)
            .collect();
        let mut tickets: Vec<Acquire> =
            numbers.into_iter().filter_map(|number| self.write_ticket(number, now)).collect();
        tickets.sort_by_key(|ticket| ticket.arrival);
        Command::Restate { leases, tickets }
    }

    pub(super) fn held(&self, counts: fn(&Entry<W>) -> bool) -> Vec<HeldLease> {
        let held = |(number, entry): (&u64, &Entry<W>)| {
            let key = entry.key().filter(|_| counts(entry))?.clone();
            Some(HeldLease { lease: self.id(*number), key, model: entry.class.model.clone() })
        };
        let mut leases: Vec<_> = self.entries.iter().filter_map(held).collect();
        // The order says nothing, but equal clients are to say equal things.
        leases.sort_unstable_by_key(|held| held.lease);
        leases
    }

    /// Takes an unsent rotate out of the outbox; its outcome.
    pub(super) fn unsend_rotate(&mut self, lease: u64) -> Option<Outcome> {
        let of_lease = |op: &Op| matches!(op, Op::Rotate { lease: of, .. } if *of == lease);
        let queue = &mut self.outbox;
        let op = match queue.iter().position(of_lease) {
            Some(at) => queue.remove(at),
            None => {
                let at = self.deferred.iter().position(of_lease);
                at.map(|at| self.deferred.swap_remove(at))
            }
        };
        match op {
            Some(Op::Rotate { outcome, .. }) => Some(outcome),
            _ => None,
        }
    }
}
