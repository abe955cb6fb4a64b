//! What every request needs, whatever its route.

use std::fmt;
use std::sync::Arc;

use weir_rpc::RouterService;
use weir_telemetry::Telemetry;
use weir_types::Deadline;

use crate::Settings;
use crate::intake::Limits;
use crate::options::Rules;
use crate::route::Route;

/// What every request needs.
pub(crate) struct Shared {
    pub(crate) settings: Arc<Settings>,
    pub(crate) routes: &'static [Route],
    /// The rules for client headers.
    pub(crate) rules: Rules,
    /// Who serves.
    pub(crate) router: Arc<dyn RouterService>,
    /// Who watches.
    pub(crate) telemetry: Telemetry,
}

impl Shared {
    /// The bounds of a request body.
    pub(crate) fn limits(&self, deadline: Deadline) -> Limits {
        Limits {
            bytes_max: self.settings.body_bytes_max,
            stall_max: self.settings.client_stall_max,
            rate_min: self.settings.body_rate_min,
            deadline,
            budget: self.settings.budget,
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("settings", &self.settings).finish_non_exhaustive()
    }
}
