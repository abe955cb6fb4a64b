//! The service itself: one instance per core, with connections of its own.

use std::fmt;
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use weir_rpc::{Body, CallFuture, DescribeStream, WorkerRequest, WorkerService};
use weir_types::{CallContext, Operation};
use weir_upstream::Client;

use crate::{Shared, attempt, models};

/// One core's worker.
#[derive(Clone)]
pub struct Worker {
    pub(crate) shared: Arc<Shared>,
    client: Client,
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("shared", &self.shared).finish_non_exhaustive()
    }
}

impl Worker {
    /// A worker for the runtime that it will be called in.
    #[must_use]
    pub fn new(shared: Arc<Shared>) -> Self {
        let client = Client::new(Arc::clone(&shared.transport));
        Self { shared, client }
    }
}

impl WorkerService for Worker {
    fn call(&self, context: CallContext, request: WorkerRequest, body: Body) -> CallFuture {
        let shared = Arc::clone(&self.shared);
        let client = self.client.clone();
        match request.operation {
            Operation::ListModels => Box::pin(models::list(shared, client, context, request)),
            _ => Box::pin(attempt::run(shared, client, context, request, body)),
        }
    }

    fn describe(&self) -> DescribeStream {
        // Settings never change within one instance: one description, then silence.
        let description = self.shared.description();
        Box::pin(stream::iter([description]).chain(stream::pending()))
    }
}
