//! Faults that are put in on purpose: each must be found, or the check that should find it is worth
//! nothing.
//!
//! A fault is put where messages pass, or done to the state of the pool after a batch; the machine and
//! the client themselves are what they are.

use weir_quota::{
    Answer, Batch, BatchReply, Command, Executed, Limits, Machine, Micros, StoreError,
};

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mutant {
    /// Every hello begins a grace.
    HelloBeginsGrace,
    /// What rests takes the buffer from what could start.
    RestsFillBuffer,
    /// A probe stays alone until it is answered.
    ProbeAlone,
    /// Who was exact serves no share in a grace.
    StopsInGrace,
    /// Which limits were superseded is forgotten.
    SupersededReturn,
    /// One slot too many.
    SlotTooMany,
    /// A batch is executed whatever its sequence.
    AnySequence,
    /// A hello is answered whenever it comes.
    AnyHello,
    /// A place in the line is taken for a slot.
    TakesPlaceForSlot,
    /// Whoever leaves is not heard.
    LosesLeave,
    /// Whoever settles is not heard.
    LosesSettle,
    /// An end that is told twice frees somebody else's slot.
    SettlesTwice,
    /// Leases are not renewed.
    NoRenewal,
    /// Leases are not said again.
    RestatesNoLease,
    /// Tickets are not restated.
    RestatesNoTicket,
    /// Leases never run out, nor do routers.
    LeasesForever,
    /// Hand-offs are never taken back, and routers never run out.
    OffersForever,
    /// Who comes last is served first.
    LastFirst,
    /// A pool found empty decides at once.
    EmptyDecides,
    /// What rests is granted.
    GrantsResting,
    /// The first key is always used.
    FirstKeyOnly,
    /// A router believes that it is alone.
    ThinksAlone,
    /// A router never learns that a grace is over.
    GraceForever,
    /// Nobody polls or renews.
    NobodyPolls,
    /// A router that stood still goes on as if nothing were.
    FrozenServes,
    /// Whoever waits is not woken.
    WakesNobody,
    /// Who settles and goes on is told that it waits, and does not.
    LosesThen,
    /// Replies do not say which limits are in force.
    HidesLimits,
}

impl Mutant {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::HelloBeginsGrace,
        Self::RestsFillBuffer,
        Self::ProbeAlone,
        Self::StopsInGrace,
        Self::SupersededReturn,
        Self::SlotTooMany,
        Self::AnySequence,
        Self::AnyHello,
        Self::TakesPlaceForSlot,
        Self::LosesLeave,
        Self::LosesSettle,
        Self::SettlesTwice,
        Self::NoRenewal,
        Self::RestatesNoLease,
        Self::RestatesNoTicket,
        Self::LeasesForever,
        Self::OffersForever,
        Self::LastFirst,
        Self::EmptyDecides,
        Self::GrantsResting,
        Self::FirstKeyOnly,
        Self::ThinksAlone,
        Self::GraceForever,
        Self::NobodyPolls,
        Self::FrozenServes,
        Self::WakesNobody,
        Self::LosesThen,
        Self::HidesLimits,
    ];

    /// Executes a batch as a pool with this fault does.
    pub(crate) fn execute(
        self,
        pool: &mut Machine,
        now: Micros,
        batch: &Batch,
    ) -> Result<Executed, StoreError> {
        let mut told = batch.clone();
        if self == Self::AnySequence {
            self.renumber(pool, &mut told);
        }
        if self == Self::AnyHello && batch.session == 0 {
            told.heard = u64::MAX;
        }
        // Commands that are not heard, and what is answered all the same.
        let mut unheard = Vec::new();
        for (at, mut command) in std::mem::take(&mut told.commands).into_iter().enumerate() {
            match self.unheard(pool, &command) {
                Some(answer) => unheard.push((at, answer)),
                None => {
                    self.misread(now, &mut command);
                    told.commands.push(command);
                }
            }
        }
        let ended = self.ended_twice(pool, batch);
        let mut executed = pool.execute(now, &told)?;
        if self == Self::LosesThen {
            for (command, answer) in batch.commands.iter().zip(&mut executed.reply.answers) {
                if let Command::Settle { then: Some(_), .. } = command {
                    let queued = Answer::Queued { arrival: now, ahead: 0, estimate: None };
                    *answer = Answer::Settled(Some(Box::new(queued)));
                }
            }
        }
        for (at, answer) in unheard {
            executed.reply.answers.insert(at, answer);
        }
        if let Some(id) = ended {
            pool.fault_free(now, id);
        }
        self.meddle(pool, now, batch);
        Ok(executed)
    }

    fn renumber(self, pool: &Machine, batch: &mut Batch) {
        let rows = pool.snapshot().routers;
        if let Some(row) = rows.iter().find(|row| row.router == batch.router && batch.session != 0)
        {
            batch.session = row.session;
            batch.sequence = batch.sequence.max(row.sequence + 1);
        }
    }

    fn unheard(self, pool: &Machine, command: &Command) -> Option<Answer> {
        match (self, command) {
            (Self::LosesLeave, Command::Leave(_))
            | (Self::NoRenewal, Command::Renew(_))
            | (Self::LosesSettle, Command::Settle { then: None, .. }) => Some(Answer::Done),
            (Self::RestsFillBuffer, Command::Acquire(_)) => {
                let is_full = pool.status().tickets >= pool.snapshot().limits.buffer;
                is_full.then_some(Answer::Full { retry_after: 0 })
            }
            _ => None,
        }
    }

    fn misread(self, now: Micros, command: &mut Command) {
        match (self, command) {
            (Self::SlotTooMany, Command::SetLimits { limits, .. }) => {
                *limits = Limits { concurrency: limits.concurrency + 1, ..limits.clone() };
            }
            (Self::LosesThen, Command::Settle { then, .. }) => *then = None,
            (Self::RestatesNoLease, Command::Restate { leases, .. } | Command::Renew(leases)) => {
                leases.clear();
            }
            (Self::RestatesNoTicket, Command::Restate { tickets, .. }) => tickets.clear(),
            (Self::LastFirst, Command::Acquire(acquire)) => {
                acquire.arrival = Some(u64::MAX / 4 - 2 * now - acquire.ticket.number);
            }
            (Self::FirstKeyOnly, Command::Acquire(acquire)) => {
                acquire.class.keys = acquire.class.keys.iter().take(1).cloned().collect();
            }
            _ => {}
        }
    }

    fn ended_twice(self, pool: &Machine, batch: &Batch) -> Option<weir_quota::TicketId> {
        if self != Self::SettlesTwice {
            return None;
        }
        let leases = pool.snapshot().leases;
        let is_known = |id| leases.iter().any(|lease| lease.id == id);
        let is_twice = batch.commands.iter().any(|command| {
            let id = match command {
                Command::Settle { lease, .. } => *lease,
                Command::Leave(id) => *id,
                _ => return false,
            };
            !is_known(id)
        });
        leases.first().filter(|_| is_twice).map(|lease| lease.id)
    }

    fn meddle(self, pool: &mut Machine, now: Micros, batch: &Batch) {
        match self {
            Self::HelloBeginsGrace if batch.session == 0 => pool.fault_begin_grace(now),
            Self::ProbeAlone => pool.fault_hold_probes(),
            Self::SupersededReturn => pool.fault_forget_superseded(),
            Self::LeasesForever => pool.fault_keep_leases(now, true),
            Self::OffersForever => pool.fault_keep_leases(now, false),
            Self::EmptyDecides => pool.fault_end_grace(),
            Self::GrantsResting => pool.fault_end_rests(now),
            _ => {}
        }
    }

    /// A reply as a router with this fault reads it.
    pub(crate) fn heard(self, batch: &Batch, mut reply: BatchReply) -> BatchReply {
        match self {
            Self::TakesPlaceForSlot => {
                for answer in &mut reply.answers {
                    if let Answer::Queued { arrival, .. } = *answer {
                        *answer = Answer::Granted { key: "a".into(), arrival };
                    }
                }
            }
            Self::ThinksAlone => {
                for answer in &mut reply.answers {
                    if let Answer::Routers(routers) = answer {
                        routers.retain(|&router| router == batch.router);
                    }
                }
            }
            Self::GraceForever => reply.restate |= batch.was_in_share,
            Self::HidesLimits => reply.status.limits_hash = 0,
            _ => {}
        }
        reply
    }
}
