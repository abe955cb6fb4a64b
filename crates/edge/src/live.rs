//! The settings in force: replaced as a whole while requests are served. A request looks once, when it
//! comes, and keeps what it found.

use std::fmt;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use tower_http::cors::CorsLayer;
use weir_types::Deadline;

use crate::Settings;
use crate::cors::{self, Origins};
use crate::intake::Limits;
use crate::options::Rules;

/// What the cores of an edge serve by. Shared by their apps.
pub struct Live(ArcSwap<InForce>);

/// The settings, ready to be applied.
pub(crate) struct InForce {
    pub(crate) settings: Settings,
    /// The rules for client headers.
    pub(crate) rules: Rules,
    /// Whose pages may call.
    pub(crate) origins: Origins,
    pub(crate) cors: CorsLayer,
}

impl InForce {
    fn new(settings: Settings) -> Self {
        let origins = Origins::new(&settings);
        let cors = cors::layer(&origins, &settings);
        Self { rules: Rules::new(&settings), origins, cors, settings }
    }

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

// === impl Live ===

impl Live {
    /// `settings` are in force until others are.
    #[must_use]
    pub fn new(settings: Settings) -> Arc<Self> {
        Arc::new(Self(ArcSwap::from_pointee(InForce::new(settings))))
    }

    /// From now on requests that come are served by `settings`.
    pub fn replace(&self, settings: Settings) {
        self.0.store(Arc::new(InForce::new(settings)));
    }

    /// For a request as long as it lasts.
    pub(crate) fn now(&self) -> Arc<InForce> {
        self.0.load_full()
    }

    /// For a look.
    pub(crate) fn look(&self) -> Guard<Arc<InForce>> {
        self.0.load()
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("settings", &self.look().settings).finish()
    }
}
