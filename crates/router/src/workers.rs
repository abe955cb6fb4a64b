//! Whom a router reaches: one worker per provider, made when its provider is first configured.
//!
//! One instance per core, because connections belong to the event loop that made them.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use weir_rpc::WorkerService;
use weir_types::ProviderName;

use crate::shared::Snapshot;

/// The workers, local or remote, by the provider each serves.
pub type WorkerMap = HashMap<ProviderName, Arc<dyn WorkerService>>;

/// Makes one provider's worker, if there is a way to it.
type Make = dyn Fn(&ProviderName) -> Option<Arc<dyn WorkerService>> + Send + Sync;

/// The workers of one core. Cheap to clone; clones share them.
#[derive(Clone)]
pub struct Workers(Arc<Inner>);

struct Inner {
    /// `None`: those that were given, whatever is configured.
    make: Option<Box<Make>>,
    made: Mutex<Made>,
}

/// The workers of the providers of one configuration.
struct Made {
    generation: Option<u64>,
    workers: Arc<WorkerMap>,
}

// === impl Workers ===

impl Workers {
    /// Workers that `make` makes, in the event loop that asks for them first; `None` for a provider
    /// that cannot be reached.
    #[must_use]
    pub fn made_by(
        make: impl Fn(&ProviderName) -> Option<Arc<dyn WorkerService>> + Send + Sync + 'static,
    ) -> Self {
        Self::with(Some(Box::new(make)), Arc::default())
    }

    fn with(make: Option<Box<Make>>, workers: Arc<WorkerMap>) -> Self {
        let made = Mutex::new(Made { generation: None, workers });
        Self(Arc::new(Inner { make, made }))
    }

    /// Those of the providers of `snapshot`. Of a provider that was there before it is the one that
    /// there was.
    pub(crate) fn of(&self, snapshot: &Snapshot) -> Arc<WorkerMap> {
        let mut made = self.0.made.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(make) =
            self.0.make.as_ref().filter(|_| made.generation < Some(snapshot.generation))
        else {
            return Arc::clone(&made.workers);
        };
        let worker = |name: &ProviderName| {
            let known = made.workers.get(name).cloned();
            Some((name.clone(), known.or_else(|| make(name))?))
        };
        let workers = Arc::new(snapshot.names().filter_map(worker).collect());
        *made = Made { generation: Some(snapshot.generation), workers };
        Arc::clone(&made.workers)
    }
}

impl From<Arc<WorkerMap>> for Workers {
    fn from(workers: Arc<WorkerMap>) -> Self {
        Self::with(None, workers)
    }
}

impl From<WorkerMap> for Workers {
    fn from(workers: WorkerMap) -> Self {
        Self::from(Arc::new(workers))
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers").finish_non_exhaustive()
    }
}
