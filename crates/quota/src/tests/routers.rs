//! Whole routers on a bad network: batches lost, late or unanswered, routers killed, pools lost.
//!
//! What counts here is what a provider would see: calls in flight, summed over the routers that
//! live, never outnumber the slots (Q1), every request ends (Q9), and nothing leaks (Q3, Q4).

mod router;

use router::Router;

use super::support::{Dice, Seed};
use crate::conformance::check_invariants;
use crate::{Batch, BatchReply, Command, Machine, Micros, StoreError, Timing};

const SLOTS: u32 = 3;
const TICK: Micros = 100_000;

struct World {
    dice: Dice,
    timing: Timing,
    machine: Machine,
    raw: Micros,
    routers: Vec<Router>,
    late: Vec<Batch>,
    incarnations: u64,
    /// Calls that ran, to see that the run was not idle.
    calls: usize,
}

impl World {
    fn new(seed: u64, grace: bool) -> Self {
        let timing = Timing { grace, ..Timing::default() };
        Self {
            dice: Dice(seed),
            timing,
            machine: Machine::new(timing),
            raw: 1_000_000_000,
            routers: (1..=3).map(Router::new).collect(),
            late: Vec::new(),
            incarnations: 3,
            calls: 0,
        }
    }

    fn turn(&mut self, faults: bool) {
        self.raw += TICK;
        if faults && self.dice.below(250) == 0 {
            self.incarnations += 1;
            let at = usize::try_from(self.dice.below(3)).unwrap();
            self.routers[at] = Router::new(self.incarnations);
        }
        if faults && self.timing.grace {
            match self.dice.below(600) {
                0 => self.machine = Machine::new(self.timing),
                1 => self.raw += self.dice.below(25_000_000),
                _ => {}
            }
        }
        if faults && !self.late.is_empty() && self.dice.percent(20) {
            let at = usize::try_from(self.dice.below(self.late.len() as u64)).unwrap();
            let batch = self.late.swap_remove(at);
            let _ = self.execute(&batch);
        }
        for at in 0..self.routers.len() {
            let (dice, router) = (&mut self.dice, &mut self.routers[at]);
            router.live(self.raw, dice);
            if faults && dice.percent(35) {
                let ask = router.ask(dice, 0);
                router.start(ask.clone(), 0);
                router.outbox.push(Command::Acquire(ask));
            }
            if dice.percent(85) {
                self.send(at, faults);
            }
            let running: usize = self.routers.iter().map(Router::running).sum();
            assert!(running <= SLOTS as usize, "Q1: {running} calls in flight");
            self.calls += running;
        }
    }

    fn execute(&mut self, batch: &Batch) -> Result<BatchReply, StoreError> {
        let reply = self.machine.execute(self.raw, batch).map(|executed| executed.reply);
        let checked = check_invariants(&self.machine.snapshot(), &self.timing);
        assert_eq!(checked, Ok(()), "after {batch:?}");
        reply
    }

    fn send(&mut self, at: usize, faults: bool) {
        let batch = self.routers[at].batch();
        let fate = if faults { self.dice.below(100) } else { 99 };
        if fate < 4 {
            self.late.push(batch);
            let doubts = self.dice.percent(50);
            self.routers[at].unanswered(doubts);
            return;
        }
        let reply = self.execute(&batch);
        let (dice, router) = (&mut self.dice, &mut self.routers[at]);
        match reply {
            Ok(_) if fate < 8 => router.unanswered(dice.percent(50)),
            Ok(reply) => router.hear(&batch, &reply, self.raw, dice),
            Err(StoreError::StaleSession) => router.unanswered(true),
            Err(error) => panic!("{error} after {batch:?}"),
        }
    }
}

fn run(seeds: std::ops::Range<u64>, turns: u32, grace: bool) {
    for seed in seeds {
        let _seed = Seed(seed);
        let mut world = World::new(seed, grace);
        for _ in 0..turns {
            world.turn(true);
        }
        assert!(world.calls > turns as usize / 2, "hardly anything ran: {}", world.calls);
        for _ in 0..600 {
            world.turn(false);
        }
        for router in &world.routers {
            assert!(router.requests.is_empty(), "Q9: left over: {:?}", router.requests);
        }
        let left = world.machine.snapshot();
        assert!(left.leases.is_empty() && left.tickets.is_empty(), "leaked: {left:?}");
        assert_eq!(left.routers.len(), 3, "dead routers are remembered");
    }
}

#[test]
fn calls_in_flight_are_bounded_and_every_request_ends() {
    run(0..30, 400, false);
}

#[test]
fn so_they_are_when_pools_are_lost_and_nobody_can_reach_them() {
    run(500..530, 400, true);
}
