//! What a router does beside its requests: it keeps pools alive and listens to workers, those of the
//! configuration in force, and pools of earlier ones until nothing is held of them.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::task::{AbortHandle, JoinSet};
use weir_rpc::{CheckedKey, WorkerService};
use weir_types::ProviderName;

use crate::servers;
use crate::shared::Shared;
use crate::usable::SETTLES_AFTER;
use crate::workers::Workers;

/// Before a worker whose description ended is asked again.
const DESCRIBE_AGAIN: Duration = Duration::from_secs(1);

/// What is going on.
#[derive(Default)]
struct Tasks {
    /// Each ends with the name of the pool that it kept.
    running: JoinSet<Option<ProviderName>>,
    kept: HashSet<ProviderName>,
    heard: HashMap<ProviderName, AbortHandle>,
}

impl Shared {
    /// Renews leases, polls pools and listens to what `workers` say of their keys. To be spawned
    /// once per process, before the first request; never ends.
    pub async fn run(self: Arc<Self>, workers: impl Into<Workers>) {
        let workers = workers.into();
        let mut reloads = self.reloads.subscribe();
        let mut tasks = Tasks::default();
        loop {
            reloads.mark_unchanged();
            tasks.follow(&self, &workers);
            let settled = tokio::time::sleep(SETTLES_AFTER);
            tokio::pin!(settled);
            let mut is_settled = false;
            loop {
                tokio::select! {
                    reloaded = reloads.changed() => if reloaded.is_ok() { break },
                    Some(ended) = tasks.running.join_next() => match ended {
                        Ok(Some(name)) => tasks.ended(&self, &name),
                        Ok(None) => {}
                        // One that was ended here.
                        Err(error) if error.is_cancelled() => {}
                        Err(error) => resume_unwind(error.into_panic()),
                    },
                    () = &mut settled, if !is_settled => {
                        is_settled = true;
                        self.settle_keys();
                    }
                }
            }
        }
    }

    /// Lets the workers of a core be those of the configuration in force, also while no request asks for
    /// them. Never ends.
    pub fn follow(self: Arc<Self>, workers: Workers) -> impl Future<Output = ()> + Send {
        let mut reloads = self.reloads.subscribe();
        async move {
            loop {
                reloads.mark_unchanged();
                drop(workers.of(&self.snapshot()));
                if reloads.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        }
    }

    /// Has the keys rest whose servers are not well.
    fn rest_servers(&self, name: &ProviderName, checked: &[CheckedKey]) {
        if checked.is_empty() {
            return;
        }
        let snapshot = self.snapshot();
        let Some(provider) = snapshot.provider(name) else { return };
        let rests = servers::rests(provider, checked);
        if let Some(pool) = snapshot.pools.get(name).filter(|_| !rests.is_empty()) {
            pool.learn(&rests);
        }
    }

    async fn listen(
        self: Arc<Self>,
        name: ProviderName,
        worker: Arc<dyn WorkerService>,
    ) -> Option<ProviderName> {
        loop {
            let mut descriptions = worker.describe(true);
            let mut checked = Vec::new();
            loop {
                let is_trouble = checked.iter().any(|one: &CheckedKey| one.trouble.is_some());
                tokio::select! {
                    description = descriptions.next() => {
                        let Some(description) = description else { break };
                        if description.provider == name {
                            self.described(&description);
                            checked = description.checked;
                        }
                    }
                    () = tokio::time::sleep(servers::AGAIN), if is_trouble => {}
                }
                self.rest_servers(&name, &checked);
            }
            tokio::time::sleep(DESCRIBE_AGAIN).await;
        }
    }
}

impl Tasks {
    /// Begins what the configuration in force needs, and ends what it does not.
    fn follow(&mut self, shared: &Arc<Shared>, workers: &Workers) {
        self.keep(shared);
        let workers = workers.of(&shared.snapshot());
        self.heard.retain(|name, task| {
            let stays = workers.contains_key(name);
            if !stays {
                task.abort();
            }
            stays
        });
        for (name, worker) in &*workers {
            if !self.heard.contains_key(name) {
                let listens = shared.clone().listen(name.clone(), worker.clone());
                self.heard.insert(name.clone(), self.running.spawn(listens));
            }
        }
    }

    fn keep(&mut self, shared: &Arc<Shared>) {
        for (name, pool) in &*shared.lock_pools() {
            if self.kept.insert(name.clone()) {
                let keeps = pool.clone().keep(shared.telemetry.metrics.clone());
                let name = name.clone();
                self.running.spawn(async move {
                    keeps.await;
                    Some(name)
                });
            }
        }
    }

    /// Nothing is held of a pool whose provider was taken out; it may be back by now. If it is not, the
    /// pool is told that nobody of this process is left: others count on its part of the limits.
    fn ended(&mut self, shared: &Arc<Shared>, name: &ProviderName) {
        self.kept.remove(name);
        let done = {
            let mut pools = shared.lock_pools();
            let is_done = pools.get(name).is_some_and(|pool| pool.is_done());
            if is_done { pools.remove(name) } else { None }
        };
        if let Some(pool) = done {
            self.running.spawn(async move {
                pool.leave().await;
                None
            });
        }
        self.keep(shared);
    }
}
