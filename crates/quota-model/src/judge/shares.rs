//! What a router may let in by itself, while it serves its share of the limits.

use weir_quota::Micros;
use weir_types::QuotaMode;

use super::POLL;
use crate::setup::TIMING;
use crate::world::{Request, World};

/// What a router knows of who is there is no older when it hears the pool: it asks three times in a
/// lease's life.
const LIST_AGE: Micros = TIMING.lease_ttl / 3 + POLL;

impl World {
    /// Q1, apart: a router lets in no more than its share, of all that it knows to be there. Those who
    /// know the same let in no more than there are slots, together. What the pool let in runs beside it,
    /// also where the router hears of it with the reply by which its share begins; while that lasts, the
    /// share lets in so much less.
    pub(crate) fn judge_start(&mut self, router: usize) {
        let own = |at: usize, request: &Request| {
            at == router && matches!(request, Request::Running { apart: true, .. })
        };
        let calls = self.count(own);
        let most = self.part(router, self.most_slots());
        let at = &self.routers[router];
        if at.client.mode() != QuotaMode::Share {
            return;
        }
        let told = &at.told;
        if calls > most {
            let why = format!("{calls} calls in a share of {most}, at {router}, {told:?}");
            self.seen.find("Q1", || why);
        } else if told.age() > LIST_AGE {
            let why = format!("router {router} serves a share by an old list, {told:?}");
            self.seen.find("Q1", || why);
        }
    }

    /// The most slots that any limits have.
    pub(super) fn most_slots(&self) -> u32 {
        self.setup.slots + u32::from(self.routers.iter().any(|at| at.changes > 0))
    }

    /// A router's share of so many slots, as far as it was told who else is there.
    fn part(&self, router: usize, slots: u32) -> u32 {
        let at = &self.routers[router];
        at.told.share_of(at.id, slots)
    }

    /// Whether a router has a share of the slots; of one that never asked who is there, by who is.
    pub(super) fn has_share(&self, router: usize) -> bool {
        let at = &self.routers[router];
        if at.told.knows_all() {
            return self.part(router, self.setup.slots) > 0;
        }
        let lower = self.routers.iter().filter(|one| one.id < at.id).count();
        lower < self.setup.slots as usize
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::model::Action::{Answer, Begin, Cancel, End, Execute, Freeze, Pass, Thaw};
    use crate::setup::{Budget, Setup};

    use super::*;

    /// Two routers, three slots. Both stand still while two requests of the second are granted by the
    /// pool; it hears of that with the reply which says that a grace is on, and its share is one slot.
    fn granted_by_the_pool_and_heard_in_a_grace() -> World {
        let budget = Budget { freezes: 2, cancels: 1, ..Budget::default() };
        let setup = Setup { slots: 3, requests: vec![1, 1, 1, 1], budget, ..Setup::default() };
        let mut world = World::new(Arc::new(setup), None);
        for action in [Begin(0), Begin(1), Begin(2), Cancel(0), Execute(1), Answer(1), Execute(1)] {
            world.step(action);
        }
        world.step(Freeze(0));
        world.step(Freeze(1));
        while world.pool.snapshot().leases.iter().any(|lease| lease.until > world.now) {
            world.step(Pass);
        }
        for action in [Thaw(1), Execute(1), Answer(1)] {
            world.step(action);
        }
        assert_eq!(world.routers[1].client.mode(), QuotaMode::Share);
        assert_eq!(world.part(1, 3), 1);
        world
    }

    #[test]
    fn what_the_pool_let_in_is_no_call_of_the_share() {
        let mut world = granted_by_the_pool_and_heard_in_a_grace();
        assert_eq!(world.calls(), 2, "{world:?}");
        assert_eq!(world.violation(), None);
        // The share lets nobody in beside them, and one request after them.
        world.step(Begin(3));
        assert_eq!(world.calls(), 2, "{world:?}");
        world.step(End(1));
        assert_eq!(world.calls(), 1, "{world:?}");
        world.step(End(2));
        assert_eq!(world.calls(), 1, "{world:?}");
        assert_eq!(world.violation(), None);
    }
}
