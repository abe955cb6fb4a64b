//! Whom a router reaches: one worker per provider.

use std::collections::HashMap;
use std::sync::Arc;

use weir_rpc::WorkerService;
use weir_types::ProviderName;

/// The workers, local or remote, by the provider each serves.
pub type Workers = Arc<HashMap<ProviderName, Arc<dyn WorkerService>>>;
