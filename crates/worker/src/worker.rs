//! The service itself: one instance per core, with connections of its own.

use std::convert::Infallible;
use std::fmt;
use std::future::pending;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use futures_util::stream::unfold;
use weir_rpc::{Body, CallFuture, DescribeStream, WorkerRequest, WorkerService};
use weir_types::{CallContext, Operation};
use weir_upstream::{Client, Transport};

use crate::{Live, Shared, attempt, checks, models, stored};

/// One core's worker.
#[derive(Clone)]
pub struct Worker {
    pub(crate) live: Arc<Live>,
    clients: Arc<Mutex<Clients>>,
}

/// This core's connections: by the way that is in use, and by the one before as long as calls are
/// begun by it.
#[derive(Default)]
struct Clients {
    present: Option<(Arc<Transport>, Client)>,
    before: Option<(Arc<Transport>, Client)>,
}

impl Clients {
    fn of(&mut self, transport: &Arc<Transport>) -> Client {
        let by = |known: &&(Arc<Transport>, Client)| Arc::ptr_eq(&known.0, transport);
        let mut known = self.present.iter().chain(&self.before);
        if let Some((_, client)) = known.find(by) {
            return client.clone();
        }
        let client = Client::new(Arc::clone(transport));
        self.before = self.present.replace((Arc::clone(transport), client.clone()));
        client
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("live", &self.live).finish_non_exhaustive()
    }
}

impl Worker {
    /// A worker for the runtime that it will be called in, with settings that stay.
    #[must_use]
    pub fn new(shared: Arc<Shared>) -> Self {
        Self::following(Live::of(shared))
    }

    /// A worker for the runtime that it will be called in.
    #[must_use]
    pub fn following(live: Arc<Live>) -> Self {
        Self { live, clients: Arc::default() }
    }
}

impl Worker {
    /// This core's connections by the way of `shared`.
    fn client(&self, shared: &Shared) -> Client {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.of(&shared.transport)
    }

    fn called(&self, context: CallContext, request: WorkerRequest, body: Body) -> CallFuture {
        let shared = self.live.of_call(&request.key);
        let client = self.client(&shared);
        match request.operation {
            Operation::ListModels => Box::pin(models::list(shared, client, context, request)),
            _ if stored::are_meant(&shared, &request) => {
                Box::pin(stored::run(shared, client, context, request, body))
            }
            _ => Box::pin(attempt::run(shared, client, context, request, body)),
        }
    }
}

impl WorkerService for Worker {
    fn call(&self, context: CallContext, request: WorkerRequest, body: Body) -> CallFuture {
        let Some(look_again) = self.live.unknown(&request.key) else {
            return self.called(context, request, body);
        };
        let (looked, worker) = (look_again(), self.clone());
        Box::pin(async move {
            looked.await;
            worker.called(context, request, body).await
        })
    }

    fn describe(&self, checks: bool) -> DescribeStream {
        let mut said = self.live.descriptions();
        said.mark_changed();
        let (live, worker) = (Arc::clone(&self.live), self.clone());
        let checking: BoxFuture<'static, Infallible> = if checks {
            let client = move |shared: &Shared| worker.client(shared);
            Box::pin(checks::run(Arc::clone(&live), client))
        } else {
            Box::pin(pending())
        };
        // Whoever waits for the next description has the servers asked meanwhile.
        Box::pin(unfold((said, live, checking), async |(mut said, live, mut checking)| {
            tokio::select! {
                changed = said.changed() => changed.ok()?,
                never = &mut checking => match never {},
            }
            let description = said.borrow_and_update().clone();
            Some((description, (said, live, checking)))
        }))
    }
}
