//! Calls that a store which lost everything had let in, and of which the pool that took its place could not
//! know: their routers said nothing of them until its grace was over.
//!
//! That is the one case in which what the pool lets in may come on top of what it had let in before (Q1).
//! It ends call by call. Once such a router has spoken the pool counts them, so that it lets nobody in beside
//! them; that too is judged here.

use std::collections::BTreeSet;

use weir_quota::canonical::Scribe;
use weir_quota::{Batch, Command, Snapshot, TicketId};

use crate::world::{Request, World};

/// Calls of before the store was emptied.
#[derive(Debug, Clone, Default)]
pub(crate) struct Emptied {
    /// Their routers have not said them again yet; a grace is on, or is to come.
    unsaid: BTreeSet<TicketId>,
    /// Nor had they when it ended.
    outlived: BTreeSet<TicketId>,
}

impl Emptied {
    /// Whether the pool gave a call's slot away because nobody spoke of it.
    pub(super) fn excuses(&self, call: TicketId) -> bool {
        self.outlived.contains(&call)
    }

    pub(super) fn write_to(&self, to: &mut Scribe) {
        let Self { unsaid, outlived } = self;
        for calls in [unsaid, outlived] {
            to.each(calls, |to, id| to.ticket(*id));
        }
    }
}

impl World {
    /// The store has lost everything: these calls run.
    pub(crate) fn note_emptied(&mut self) {
        let calls = self.calls_of_the_pool();
        self.seen.emptied.unsaid = calls;
    }

    /// Calls that the pool has let in, of routers that were not cut off since.
    fn calls_of_the_pool(&self) -> BTreeSet<TicketId> {
        let of = |(router, request): (&usize, &Request)| match request {
            Request::Running { number, apart: false, .. } => Some(self.ticket(*router, *number)),
            _ => None,
        };
        self.setup.requests.iter().zip(&self.requests).filter_map(of).collect()
    }

    pub(super) fn ticket(&self, router: usize, number: u64) -> TicketId {
        TicketId { router: self.routers[router].id, number }
    }

    /// A batch was executed, after which the pool is like this. Its grace ends before the batch's words count.
    pub(super) fn judge_emptied(&mut self, batch: &Batch, after: &Snapshot) {
        let Emptied { unsaid, outlived } = &mut self.seen.emptied;
        let is_said = batch.commands.iter().any(|one| matches!(one, Command::Restate { .. }));
        let says = |call: &TicketId| is_said && call.router == batch.router;
        if !after.in_grace {
            outlived.append(unsaid);
        }
        unsaid.retain(|call| !says(call));
        let is_counted = |call: &TicketId| after.leases.iter().any(|lease| lease.id == *call);
        let running = self.calls_of_the_pool();
        let mut said = self.seen.emptied.outlived.intersection(&running).filter(|call| says(call));
        if let Some(call) = said.find(|call| !is_counted(call)).copied() {
            self.seen.find("Q1", || format!("{call:?} was said again and is not counted"));
        }
    }

    /// What has ended needs no excuse. A call that changes its key keeps its slot.
    pub(super) fn forget_ended(&mut self) {
        let of = |(router, request): (&usize, &Request)| match request {
            Request::Running { number, .. } | Request::Waiting { number, in_slot: Some(_) } => {
                Some(self.ticket(*router, *number))
            }
            _ => None,
        };
        let on: BTreeSet<_> =
            self.setup.requests.iter().zip(&self.requests).filter_map(of).collect();
        let Emptied { unsaid, outlived } = &mut self.seen.emptied;
        unsaid.retain(|call| on.contains(call));
        outlived.retain(|call| on.contains(call));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use weir_quota::Micros;

    use crate::model::Action::{Answer, Begin, Empty, End, Execute, Freeze, Pass, Thaw};
    use crate::mutant::Mutant;
    use crate::setup::{Budget, Setup, TIMING};

    use super::*;

    /// Of a grace.
    const LENGTH: Micros = TIMING.lease_ttl / 2 + TIMING.claim_limit;

    /// Lets all that routers say and hear pass.
    fn exchange(world: &mut World) {
        while let Some(at) = (0..2).find(|&at| world.is_under_way(at)) {
            world.step(Execute(at));
            world.step(Answer(at));
        }
    }

    /// Two routers, two slots, both in use by the first, which stands still.
    fn frozen(mutant: Option<Mutant>) -> World {
        let budget = Budget { freezes: 1, empties: 1, ..Budget::default() };
        let setup = Setup { slots: 2, requests: vec![0, 0, 1, 1, 1], budget, ..Setup::default() };
        let mut world = World::new(Arc::new(setup), mutant);
        world.step(Begin(0));
        world.step(Begin(1));
        exchange(&mut world);
        world.step(Freeze(0));
        world
    }

    /// Then the store loses everything, and the grace of the new pool ends. The first goes on after that, or
    /// `early`, within it; the second has begun three requests.
    fn emptied(mutant: Option<Mutant>, early: bool) -> World {
        let mut world = frozen(mutant);
        world.step(Empty);
        world.step(Pass);
        exchange(&mut world);
        if early {
            world.step(Thaw(0));
        }
        // Before its first word the new pool has no grace.
        while world.pool.snapshot().routers.is_empty() || world.pool.snapshot().in_grace {
            world.step(Pass);
            exchange(&mut world);
        }
        for request in 2..5 {
            world.step(Begin(request));
            exchange(&mut world);
        }
        if !early {
            world.step(Thaw(0));
        }
        world
    }

    fn runs(world: &World, request: usize) -> bool {
        matches!(world.requests[request], Request::Running { apart: false, .. })
    }

    #[test]
    fn what_nobody_spoke_of_runs_on_and_is_counted_once_it_is_said_again() {
        let mut world = emptied(None, false);
        assert!((0..4).all(|request| runs(&world, request)), "{world:?}");
        assert_eq!(world.violation(), None);
        exchange(&mut world);
        assert_eq!(world.pool.snapshot().leases.len(), 4, "{world:?}");
        for request in [2, 0] {
            world.step(End(request));
            world.step(Pass);
            exchange(&mut world);
            assert!(!runs(&world, 4), "above the limit, or at it: {world:?}");
        }
        world.step(End(1));
        world.step(Pass);
        exchange(&mut world);
        assert!(runs(&world, 4), "{world:?}");
        assert_eq!(world.violation(), None);
    }

    /// One call more than the pool has let in.
    fn with_one_more(mut world: World) -> World {
        let (key, arrival, apart) = ("a".into(), 1, false);
        world.requests[4] = Request::Running { number: 99, key, arrival, apart };
        world.judge();
        world
    }

    #[test]
    fn nothing_else_is_excused() {
        // The others' calls.
        let world = with_one_more(emptied(None, false));
        assert_eq!(world.violation(), Some(("Q1", "3 calls in 2 slots")));
        // Those that were said again within the grace; their router serves its share until that ends.
        let world = emptied(None, true);
        assert_eq!((world.calls(), world.violation()), (2, None), "{world:?}");
        assert!(world.seen.emptied.outlived.is_empty(), "{world:?}");
        // Those of a router that stood still as long, and nothing was lost.
        let mut world = frozen(None);
        while world.now < world.routers[0].apart_since + LENGTH {
            world.step(Pass);
            exchange(&mut world);
        }
        world.step(Thaw(0));
        assert_eq!((world.calls(), world.violation()), (2, None), "{world:?}");
        let world = with_one_more(world);
        assert_eq!(world.violation(), Some(("Q1", "3 calls in 2 slots")));
    }

    #[test]
    fn what_is_said_again_and_not_counted_is_found() {
        let mut world = emptied(Some(Mutant::RestatesNoLease), false);
        assert_eq!(world.violation(), None);
        exchange(&mut world);
        let found = world.violation().map(|(label, why)| (label, why.contains("not counted")));
        assert_eq!(found, Some(("Q1", true)), "{world:?}");
    }
}
