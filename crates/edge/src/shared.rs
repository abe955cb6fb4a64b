//! What every request needs, whatever its route.

use std::fmt;
use std::sync::Arc;

use weir_rpc::RouterService;
use weir_telemetry::Telemetry;

use crate::live::Live;
use crate::route::Route;

/// What every request needs.
pub(crate) struct Shared {
    /// What they are served by.
    pub(crate) live: Arc<Live>,
    pub(crate) routes: &'static [Route],
    /// Who serves.
    pub(crate) router: Arc<dyn RouterService>,
    /// Who watches.
    pub(crate) telemetry: Telemetry,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("live", &self.live).finish_non_exhaustive()
    }
}
