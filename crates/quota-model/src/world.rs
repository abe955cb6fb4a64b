//! Routers, requests, the pool, and the network between them: what is, and what each step does to it.

mod acts;
mod time;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use weir_quota::canonical::{Canonical, Scribe};
use weir_quota::{Batch, BatchReply, Incarnation, Machine, Micros, Outcome, StoreError};
use weir_quota_client::{Ask, Found, Refusal};
use weir_types::{KeyName, QuotaMode};

use crate::judge::Seen;
use crate::mutant::Mutant;
use crate::router::{Fate, Router};
use crate::setup::{Budget, Setup, TIMING};

/// Everything at one moment.
#[derive(Clone)]
pub struct World {
    pub(crate) setup: Arc<Setup>,
    pub(crate) mutant: Option<Mutant>,
    pub(crate) now: Micros,
    pub(crate) pool: Arc<Machine>,
    pub(crate) routers: Vec<Arc<Router>>,
    pub(crate) requests: Vec<Request>,
    /// Batches on their way whose routers have given up.
    pub(crate) late: Vec<Batch>,
    pub(crate) left: Budget,
    pub(crate) seen: Seen,
    /// Lives of routers so far.
    lives: u64,
}

/// A request, and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    /// Not there yet.
    ToCome,
    /// Waits, perhaps in its slot for another key: then whether that was granted `apart`.
    Waiting { number: u64, in_slot: Option<bool> },
    /// Is with the provider. `apart`: its router was cut off since, or granted it itself.
    Running { number: u64, key: KeyName, arrival: u64, apart: bool },
    /// Served.
    Served,
    /// Refused.
    Refused,
    /// Its caller or its router is gone, or it lost its slot.
    Gone,
}

impl World {
    /// Routers that know the pool and each other, and nothing to do.
    pub(crate) fn new(setup: Arc<Setup>, mutant: Option<Mutant>) -> Self {
        let now = 1_000_000_000;
        let mut world = Self {
            mutant,
            now,
            pool: Arc::new(Machine::new_since(TIMING, 0)),
            routers: Vec::new(),
            requests: vec![Request::ToCome; setup.requests.len()],
            late: Vec::new(),
            left: Budget::default(),
            seen: Seen::new(&setup),
            lives: 0,
            setup,
        };
        for _ in 0..world.setup.routers {
            let router = world.new_router(0);
            world.routers.push(Arc::new(router));
        }
        // The first to come has not heard of the second when it asks who is there.
        for _ in 0..12 {
            for router in 0..world.routers.len() {
                world.drive(router, |_, _| ());
            }
            world.exchange_all();
            world.pass();
        }
        world.exchange_all();
        world.left = world.setup.budget;
        world.seen = Seen::new(&world.setup);
        world.judge();
        world
    }

    pub(crate) fn new_router(&mut self, changes: u8) -> Router {
        self.lives += 1;
        Router::new(Incarnation(self.lives), &self.setup, changes, self.now, self.mutant)
    }

    /// Lets all batches pass undisturbed.
    fn exchange_all(&mut self) {
        while let Some(router) = (0..self.routers.len()).find(|&at| self.is_under_way(at)) {
            self.execute_of(router);
            self.answer(router);
        }
    }

    /// Whether a batch of a router's, or its reply, is about to arrive.
    pub(crate) fn is_under_way(&self, router: usize) -> bool {
        let router = &self.routers[router];
        router.wire.as_ref().is_some_and(|wire| match wire.fate {
            Fate::Sent => true,
            Fate::Answered(_) => !router.is_frozen,
            Fate::Lost => false,
        })
    }

    /// Tells a router's client of something; whoever is woken looks.
    pub(crate) fn drive<T>(
        &mut self,
        router: usize,
        change: impl FnOnce(&mut weir_quota_client::PoolClient<usize>, &mut Vec<usize>) -> T,
    ) -> T {
        let at = Arc::make_mut(&mut self.routers[router]);
        let (result, woken) = at.drive(self.now, change);
        if self.mutant != Some(Mutant::WakesNobody) {
            for request in woken {
                self.look(request);
            }
        }
        result
    }

    /// A request looks at what became of it.
    pub(crate) fn look(&mut self, request: usize) {
        let router = self.setup.requests[request];
        let at = Arc::make_mut(&mut self.routers[router]);
        match self.requests[request].clone() {
            Request::Waiting { mut number, mut in_slot } => loop {
                match at.client.find(number, Some(&request)) {
                    Found::Pending => {
                        self.requests[request] = Request::Waiting { number, in_slot };
                        return;
                    }
                    Found::Moved(then) => (number, in_slot) = (then, None),
                    Found::Refused(refusal) => {
                        if let Refusal::Defect(why) = &refusal {
                            self.seen.find("no defect", || format!("request {request}: {why}"));
                        }
                        self.requests[request] = Request::Refused;
                        return;
                    }
                    Found::Granted { key, arrival, .. } => {
                        // Another key in a slot that it had before.
                        let apart = at.client.mode() != QuotaMode::Exact || in_slot == Some(true);
                        at.client.watch(number, &request);
                        let by_share = in_slot.is_none() && !at.told.is_let_in(number);
                        self.requests[request] = Request::Running { number, key, arrival, apart };
                        if by_share {
                            self.judge_start(router);
                        }
                        return;
                    }
                }
            },
            Request::Running { number, .. } if at.client.watch(number, &request) => {
                self.requests[request] = Request::Gone;
                let (nothing, now) = (Outcome::default(), self.now);
                self.drive(router, |client, _| client.settle(number, nothing, None, now));
            }
            _ => {}
        }
    }

    pub(crate) fn ask(&self, request: usize) -> Ask {
        Ask {
            class: self.setup.class(request, None),
            delay: 0,
            arrival: None,
            wait_for_cooldown: self.setup.waits_for_rest,
            only_free: false,
        }
    }

    /// Executes the batch that a router waits for.
    pub(crate) fn execute_of(&mut self, router: usize) {
        let Some(wire) = &self.routers[router].wire else { return };
        if let Fate::Sent = wire.fate {
            let batch = wire.batch.clone();
            let result = self.execute(&batch);
            if let Some(wire) = &mut Arc::make_mut(&mut self.routers[router]).wire {
                wire.fate = Fate::Answered(result);
            }
        }
    }

    pub(crate) fn execute(&mut self, batch: &Batch) -> Result<BatchReply, StoreError> {
        let before = Arc::clone(&self.pool);
        let executed = execute(self.mutant, Arc::make_mut(&mut self.pool), self.now, batch);
        self.judge_batch(&before, batch, executed.as_ref());
        let executed = executed?;
        if executed.rings && self.setup.bells {
            for router in 0..self.routers.len() {
                let at = &self.routers[router];
                if at.id != batch.router && !at.is_frozen && !at.is_cut {
                    self.drive(router, |client, _| client.ring());
                }
            }
        }
        Ok(executed.reply)
    }

    /// Brings a router the reply that is on its way.
    pub(crate) fn answer(&mut self, router: usize) {
        let at = Arc::make_mut(&mut self.routers[router]);
        let Some(wire) = at.wire.take() else { return };
        let Fate::Answered(mut result) = wire.fate else {
            at.wire = Some(wire);
            return;
        };
        let now = self.now;
        // Who stood still for so long hears nothing of the time before.
        let is_over = now - wire.sent_at >= TIMING.lease_ttl / 2;
        if let (Ok(reply), false) = (&result, is_over) {
            at.told.hear(&wire.batch, reply, wire.sent_at);
        }
        if let Some(mutant) = self.mutant {
            result = result.map(|reply| mutant.heard(&wire.batch, reply));
        }
        self.drive(router, |client, woken| woken.extend(client.absorb(result, now)));
        Arc::make_mut(&mut self.routers[router]).told.heard();
    }

    /// Whether every request has been served.
    pub(crate) fn all_are_served(&self) -> bool {
        self.requests.iter().all(|request| *request == Request::Served)
    }

    /// Whether every request has come to an end.
    pub(crate) fn all_have_ended(&self) -> bool {
        use Request::{Gone, Refused, Served};
        self.requests.iter().all(|request| matches!(request, Served | Refused | Gone))
    }

    fn canonical(&self) -> Canonical {
        Scribe::new(self.now).without_estimates().write(|to| {
            let Self { pool, routers, requests, late, left, seen, lives, .. } = self;
            pool.write_to(to);
            to.each(routers, |to, router| router.write_to(to));
            to.each(requests, write_request);
            to.each(late, Scribe::batch);
            let Budget { losses, late, twice, crashes, freezes, cuts, .. } = left;
            let Budget { empties, cancels, failures, changes, .. } = left;
            for left in [losses, late, twice, crashes, freezes, cuts, empties] {
                to.word(u64::from(*left));
            }
            for left in [cancels, failures, changes] {
                to.word(u64::from(*left));
            }
            to.word(*lives);
            seen.write_to(to);
        })
    }

    pub(crate) fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pool = self.pool.snapshot();
        writeln!(f, "at {} µs: {:?}", self.now - 1_000_000_000, self.requests)?;
        writeln!(f, "  pool: grace {}, limits {}", pool.in_grace, pool.limits.hash)?;
        writeln!(f, "  leases {:?}", pool.leases)?;
        writeln!(f, "  tickets {:?}", pool.tickets)?;
        writeln!(f, "  rests {:?}", pool.cooldowns)?;
        writeln!(f, "  routers {:?}", pool.routers)?;
        for router in &self.routers {
            let (wire, mode) = (&router.wire, router.client.mode());
            writeln!(
                f,
                "  {:?} {mode:?} cut {} frozen {}",
                router.id, router.is_cut, router.is_frozen
            )?;
            writeln!(f, "    wakes in {:?}", router.wake_at.checked_sub(self.now))?;
            writeln!(f, "    waits for {wire:?}")?;
            writeln!(f, "    knows {:?}", router.told)?;
        }
        writeln!(f, "  late {:?}", self.late)?;
        write!(f, "  {:?}", self.seen)
    }
}

pub(crate) fn execute(
    mutant: Option<Mutant>,
    pool: &mut Machine,
    now: Micros,
    batch: &Batch,
) -> Result<weir_quota::Executed, StoreError> {
    match mutant {
        Some(mutant) => mutant.execute(pool, now, batch),
        None => pool.execute(now, batch),
    }
}

fn write_request(to: &mut Scribe, request: &Request) {
    match request {
        Request::ToCome => to.word(0),
        Request::Waiting { number, in_slot } => {
            to.word(1);
            to.word(*number);
            to.each(in_slot, |to, apart| to.flag(*apart));
        }
        Request::Running { number, key, arrival, apart } => {
            to.word(2);
            to.word(*number);
            to.text(key);
            to.arrival(*arrival);
            to.flag(*apart);
        }
        Request::Served => to.word(3),
        Request::Refused => to.word(4),
        Request::Gone => to.word(5),
    }
}

impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.canonical().hash(state);
    }
}

impl PartialEq for World {
    fn eq(&self, other: &Self) -> bool {
        self.canonical() == other.canonical()
    }
}
