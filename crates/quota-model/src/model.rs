//! The model that a checker walks through: which steps there are, and what must hold after each.

use std::fmt;
use std::sync::Arc;

use stateright::{Model, Property};

use crate::judge::LABELS;
use crate::mutant::Mutant;
use crate::setup::Setup;
use crate::world::World;

/// One step. Numbers are those of requests, of routers, or of late batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// A request comes in.
    Begin(usize),
    /// Its caller goes away.
    Cancel(usize),
    /// Its answer has ended.
    End(usize),
    /// Its key is to rest: it goes on with another, in its slot.
    Rotate(usize),
    /// Its key is to rest: it gives up its slot and waits again.
    Retry(usize),
    /// A router's batch reaches the pool.
    Execute(usize),
    /// The reply reaches the router.
    Answer(usize),
    /// The batch is lost.
    LoseRequest(usize),
    /// The batch is executed, the reply is lost.
    LoseReply(usize),
    /// The batch stays on its way, its router gives up.
    Delay(usize),
    /// The batch will come a second time.
    Repeat(usize),
    /// A batch comes late.
    ExecuteLate(usize),
    /// A router dies, and comes back as another life.
    Crash(usize),
    /// A router stands still.
    Freeze(usize),
    /// It goes on.
    Thaw(usize),
    /// A router reaches the store no more.
    Cut(usize),
    /// It does again.
    Heal(usize),
    /// The store loses everything.
    Empty,
    /// A router reads another configuration.
    Change(usize),
    /// Time passes until something happens by the clock.
    Pass,
}

/// The protocol among a few routers.
#[derive(Debug, Clone)]
pub struct Protocol {
    setup: Arc<Setup>,
    mutant: Option<Mutant>,
}

impl Protocol {
    /// As it is.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        Self { setup: Arc::new(setup), mutant: None }
    }

    /// With a fault.
    #[must_use]
    pub fn with(self, mutant: Mutant) -> Self {
        Self { mutant: Some(mutant), ..self }
    }
}

impl Model for Protocol {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(Arc::clone(&self.setup), self.mutant)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        if world.violation().is_none() {
            world.actions(actions);
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        next.step(action);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        macro_rules! always {
            ($($at:literal)*) => {
                vec![$(Property::always(LABELS[$at], |_, world: &World| {
                    world.violation().is_none_or(|(label, _)| label != LABELS[$at])
                }),)*
                // Not a failure, but a run in which it is never so shows nothing.
                Property::sometimes("all are served", |_, world: &World| world.all_are_served()),
                Property::eventually("Q9: all end", |_, world: &World| world.all_have_ended())]
            };
        }
        always![0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15]
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.describe(f)
    }
}
