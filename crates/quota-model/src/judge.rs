//! What must hold: after every batch, after every step, and how long what may not last may last.
//!
//! What a pool shows is judged by the conformance suite's own checks; here stands what needs to know
//! more than the pool does: which calls run, who waits since when, what has rested.

mod batches;
mod emptied;
mod shares;

use std::sync::Arc;

use weir_quota::canonical::Scribe;
use weir_quota::{Micros, Snapshot, TicketId};
use weir_types::{KeyName, QuotaMode};

use crate::setup::{Setup, TIMING};
use crate::world::{Request, World};

/// What can be found not to hold.
pub(crate) const LABELS: [&str; 16] = [
    "Q1",
    "Q2",
    "Q3",
    "Q4",
    "Q5",
    "Q6",
    "Q7",
    "Q8",
    "Q9",
    "Q10",
    "Q11",
    "Q13",
    "Q14",
    "Q15",
    "no defect",
    "no full stop",
];

/// Between polls while something waits, and what timers and lost batches add.
const POLL: Micros = 500_000 + 750_000;
/// A free slot and who could use it (Q10), a rest that is over and who could try (Q14).
const STARVES: Micros = TIMING.claim_limit + POLL;
/// A slot that nobody uses, after messages were lost (Q11).
const IDLE_SLOT: Micros = 2 * TIMING.claim_limit + POLL;
/// The same, after a router was lost (Q4).
const DEAD_SLOT: Micros = TIMING.lease_ttl + TIMING.claim_limit + POLL;
/// Nobody is served although a share could be.
const FULL_STOP: Micros = 1_250_000;
/// All is said and done within this, once nothing more happens.
const SETTLES: Micros = 2 * TIMING.lease_ttl + 2 * TIMING.claim_limit;

/// What was seen so far.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    violation: Option<(&'static str, Arc<str>)>,
    /// Tickets as they entered the line.
    order: Vec<TicketId>,
    /// Until when each key rests at least, for a model.
    rests: Vec<(KeyName, Arc<str>, Micros)>,
    /// How often each key was granted by the pool.
    grants: Vec<u32>,
    /// Since when each request waits for what should not last.
    waits: Vec<[Option<Micros>; 4]>,
    /// Since when nothing runs and nothing has happened.
    quiet_since: Option<Micros>,
    /// Since when one router's trouble is felt by the other.
    felt_since: Option<Micros>,
    /// Digests of the limits that were in force.
    in_force: Vec<u64>,
    /// The most slots that any limits in force had.
    slots: u32,
    /// A router, or the store, was lost.
    was_lost: bool,
    /// The pool was emptied.
    was_emptied: bool,
    emptied: emptied::Emptied,
}

impl Seen {
    pub(crate) fn new(setup: &Setup) -> Self {
        Self {
            violation: None,
            order: Vec::new(),
            rests: Vec::new(),
            grants: vec![0; setup.keys],
            waits: vec![[None; 4]; setup.requests.len()],
            quiet_since: None,
            felt_since: None,
            in_force: Vec::new(),
            slots: 0,
            was_lost: false,
            was_emptied: false,
            emptied: emptied::Emptied::default(),
        }
    }

    /// Something is wrong; what was found first stays.
    pub(crate) fn find(&mut self, label: &'static str, why: impl FnOnce() -> String) {
        self.violation.get_or_insert_with(|| (label, why().into()));
    }

    /// What one of the suite's checks found.
    fn found(&mut self, verdict: Result<(), String>) {
        if let Err(why) = verdict {
            let label = LABELS
                .into_iter()
                .find(|label| why.strip_prefix(label).is_some_and(|rest| rest.starts_with(':')));
            self.find(label.unwrap_or("Q9"), || why);
        }
    }

    /// A request is over, and another one has its place.
    pub(crate) fn renewed(&mut self, request: usize) {
        self.waits[request] = [None; 4];
    }

    /// Something went wrong: what may last for a while, may from now on.
    pub(crate) fn excused(&mut self) {
        self.waits.iter_mut().for_each(|waits| *waits = [None; 4]);
        (self.quiet_since, self.felt_since) = (None, None);
    }

    /// Something happened that is none of the protocol's.
    pub(crate) fn disturbed(&mut self) {
        self.quiet_since = None;
    }

    /// The store has lost everything.
    pub(crate) fn begin_anew(&mut self) {
        self.order.clear();
        self.rests.clear();
        self.grants.iter_mut().for_each(|count| *count = 0);
        self.in_force.clear();
        (self.was_lost, self.was_emptied) = (true, true);
    }

    /// A router is lost, for a time or for good.
    pub(crate) fn lost(&mut self) {
        self.was_lost = true;
    }

    pub(crate) fn write_to(&self, to: &mut Scribe) {
        let Self { violation, order, rests, grants, waits, in_force, .. } = self;
        let Self { quiet_since, felt_since, slots, was_lost, was_emptied, emptied, .. } = self;
        to.each(violation, |to, (label, _)| to.text(label));
        to.each(order, |to, id| to.ticket(*id));
        let over = |until: &&(KeyName, Arc<str>, Micros)| until.2 > to.now();
        let rests: Vec<_> = rests.iter().filter(over).collect();
        to.each(rests, |to, (key, model, until)| {
            to.text(key);
            to.text(model);
            to.moment(*until);
        });
        to.each(grants, |to, count| to.word(u64::from(*count)));
        for since in waits.iter().flatten().chain([quiet_since, felt_since]) {
            to.each(since, |to, at| to.moment(*at));
        }
        to.each(in_force, |to, hash| to.word(*hash));
        to.word(u64::from(*slots));
        to.flag(*was_lost);
        to.flag(*was_emptied);
        emptied.write_to(to);
    }
}

impl World {
    /// What was found not to hold.
    #[must_use]
    pub fn violation(&self) -> Option<(&'static str, &str)> {
        self.seen.violation.as_ref().map(|(label, why)| (*label, &**why))
    }

    /// Judges the state after a step.
    pub(crate) fn judge(&mut self) {
        let pool = self.pool.snapshot();
        self.forget_ended();
        self.judge_calls(&pool);
        self.judge_limits(&pool);
        self.judge_waits(&pool);
        self.judge_quiet(&pool);
        self.judge_isolation(&pool);
        for router in &self.routers {
            if router.client.has_defect() {
                self.seen.find("no defect", || "a batch was refused".to_owned());
            }
        }
    }

    /// Q1: calls that the pool let in never outnumber the slots, but for those of which nobody spoke when it
    /// was found empty. What a router lets in while it is cut off is judged when it begins.
    fn judge_calls(&mut self, pool: &Snapshot) {
        self.seen.slots = self.seen.slots.max(pool.limits.concurrency);
        for request in 0..self.requests.len() {
            let router = &self.routers[self.setup.requests[request]];
            let is_apart = router.client.mode() != QuotaMode::Exact;
            if let Request::Running { apart, .. } = &mut self.requests[request] {
                *apart |= is_apart;
            }
        }
        let slots = self.most_slots();
        let calls = self.count(|router, request| {
            let Request::Running { number, apart: false, .. } = request else { return false };
            let call = self.ticket(router, *number);
            !self.routers[router].is_frozen && !self.seen.emptied.excuses(call)
        });
        if calls > slots {
            self.seen.find("Q1", || format!("{calls} calls in {slots} slots"));
        }
    }

    /// Whether a key that a request could use is free of rests in the share that its router serves: what
    /// calls of the share find out rests there as it does in a pool, which need not know of it yet.
    fn is_well(&self, router: usize, request: usize) -> bool {
        let class = self.setup.class(request, None);
        let sight = self.routers[router].client.share_sight(&class.model, self.now);
        sight.is_none_or(|sight| class.keys.iter().any(|key| sight.in_the_way(key).is_none()))
    }

    fn count(&self, counts: impl Fn(usize, &Request) -> bool) -> u32 {
        let all = self.setup.requests.iter().zip(&self.requests);
        let counted = all.filter(|(router, request)| counts(**router, request)).count();
        u32::try_from(counted).unwrap_or(u32::MAX)
    }

    /// Calls that run, wherever, those that change their key among them.
    fn calls(&self) -> u32 {
        self.count(|_, request| {
            matches!(request, Request::Running { .. } | Request::Waiting { in_slot: Some(_), .. })
        })
    }

    /// Q15: what was superseded does not come back while a router is there that has what came later.
    fn judge_limits(&mut self, pool: &Snapshot) {
        let hash = pool.limits.hash;
        if pool.limits.is_unset() || self.seen.in_force.last() == Some(&hash) {
            return;
        }
        let is_back = self.seen.in_force.contains(&hash);
        let mut newer = self.routers.iter().filter(|at| u64::from(at.changes) + 1 > hash);
        // Whoever is silent for a lease's life is forgotten, with what it had.
        let is_known = |id| pool.routers.iter().any(|known| known.router == id);
        if is_back && !self.seen.was_emptied && newer.any(|at| !at.is_cut && is_known(at.id)) {
            let all = self.seen.in_force.clone();
            self.seen.find("Q15", || format!("{hash} is in force again after {all:?}"));
        }
        self.seen.in_force.push(hash);
    }

    /// Q4, Q10, Q11, Q14, and that nothing stops altogether: what waits for what should not last.
    fn judge_waits(&mut self, pool: &Snapshot) {
        let slots = pool.limits.concurrency;
        let leases = u32::try_from(pool.leases.len()).unwrap_or(u32::MAX);
        let (calls, apart) = (self.calls(), pool.in_grace);
        let is_clear = pool.cooldowns.is_empty();
        let are_over = pool.cooldowns.iter().all(|row| row.until <= pool.now.max(self.now));
        let now = self.now;
        for request in 0..self.requests.len() {
            let router = self.setup.requests[request];
            let at = &self.routers[router];
            let waits = matches!(self.requests[request], Request::Waiting { in_slot: None, .. });
            let is_up = waits && !at.is_frozen && !pool.limits.is_unset();
            let is_exact = is_up && !at.is_cut && at.client.mode() == QuotaMode::Exact && !apart;
            let could = self.seen.was_emptied || at.is_cut;
            let conditions = [
                (is_exact && is_clear && leases < slots, STARVES, "Q10"),
                (
                    is_exact && is_clear && calls < slots,
                    self.seen.idle_slot(),
                    self.seen.idle_label(),
                ),
                (is_exact && !is_clear && are_over && leases < slots, STARVES, "Q14"),
                (
                    is_up
                        && at.client.is_ready()
                        && could
                        && (apart || at.is_cut)
                        && is_clear
                        && calls == 0
                        && self.has_share(router)
                        && self.is_well(router, request),
                    FULL_STOP,
                    "no full stop",
                ),
            ];
            for (which, (holds, limit, label)) in conditions.into_iter().enumerate() {
                let since = &mut self.seen.waits[request][which];
                if !holds {
                    *since = None;
                } else if now - *since.get_or_insert(now) > limit {
                    let why = || format!("request {request} waits for {limit} µs, at {router}");
                    self.seen.find(label, why);
                }
            }
        }
    }

    /// Q9 and Q4: once nothing more happens, all comes to its end, and nothing is left.
    fn judge_quiet(&mut self, pool: &Snapshot) {
        let is_disturbed = self.routers.iter().any(|at| at.is_frozen || at.is_cut);
        let is_on = self.requests.iter().any(|one| matches!(one, Request::Running { .. }));
        if is_disturbed || is_on {
            self.seen.quiet_since = None;
            return;
        }
        let since = *self.seen.quiet_since.get_or_insert(self.now);
        if self.now - since <= SETTLES {
            return;
        }
        if self.requests.iter().any(|one| matches!(one, Request::Waiting { .. })) {
            self.seen.find("Q9", || "a request waits for ever".to_owned());
        }
        if pool.leases.len() + pool.tickets.len() > 0 {
            self.seen.find("Q4", || "something is left of what has ended".to_owned());
        }
        let is_back = |at: &Arc<crate::router::Router>| at.client.mode() == QuotaMode::Exact;
        if !self.routers.iter().all(is_back) {
            self.seen.find("Q10", || "limits are not exact again".to_owned());
        }
        if !self.all_know_limits() {
            self.seen.find("Q15", || "a router does not know the limits in force".to_owned());
        }
    }

    /// Whether all routers know which limits are in force.
    pub(crate) fn all_know_limits(&self) -> bool {
        let in_force = self.pool.status().limits_hash;
        let knows = |at: &Arc<crate::router::Router>| {
            at.client.skewed() == (u64::from(at.changes) + 1 != in_force)
        };
        in_force == 0 || self.routers.iter().all(knows)
    }

    /// Q11: where one router alone has trouble, the other is served by the pool, which decides. Where
    /// neither had anything to say for a claim limit, the pool may wait as long for who comes back from
    /// its share.
    fn judge_isolation(&mut self, pool: &Snapshot) {
        let Some(troubled) = self.setup.troubled else { return };
        if self.seen.was_emptied {
            return;
        }
        let is_exact = |at: usize| self.routers[at].client.mode() == QuotaMode::Exact;
        let others = (0..self.routers.len()).filter(|&at| at != troubled);
        if !pool.in_grace && others.into_iter().all(is_exact) {
            self.seen.felt_since = None;
            return;
        }
        if self.now - *self.seen.felt_since.get_or_insert(self.now) > TIMING.claim_limit {
            self.seen.find("Q11", || format!("router {troubled} stops others"));
        }
    }
}

impl Seen {
    const fn idle_slot(&self) -> Micros {
        if self.was_lost { DEAD_SLOT } else { IDLE_SLOT }
    }

    const fn idle_label(&self) -> &'static str {
        if self.was_lost { "Q4" } else { "Q11" }
    }
}
