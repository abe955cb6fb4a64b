//! Runs a checker over a world.

use std::time::Duration;

use stateright::{Checker, HasDiscoveries, Model, Path};
use weir_quota_model::{Action, Protocol, World};

/// What was not discovered is no finding; that this one is, is wanted.
const WANTED: &str = "all are served";

/// What came of a walk.
pub(crate) struct Walk {
    /// What was found not to hold, and how it came to that.
    pub(crate) found: Option<(&'static str, Path<World, Action>)>,
    /// How many states were seen.
    pub(crate) states: usize,
    /// Whether in one of them all requests had been served.
    pub(crate) is_served: bool,
}

/// Walks through a world breadth first, for so long at most. With one thread the same each time.
pub(crate) fn walk(protocol: Protocol, threads: usize, seconds: u64) -> Walk {
    let checker = protocol
        .checker()
        .threads(threads)
        .timeout(Duration::from_secs(seconds))
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    let mut discoveries = checker.discoveries();
    let is_served = discoveries.remove(WANTED).is_some();
    let found = discoveries.into_iter().next();
    Walk { found, states: checker.unique_state_count(), is_served }
}
