//! The workers of a process, by provider, as configurations come and go: judged first, all of them, and
//! put in force together afterwards. `check` judges as a start and a reload do.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use serde_json::{Map, Value};
use weir_budget::Budget;
use weir_config::Config;
use weir_router::Workers;
use weir_rpc::{Description, LookAgain, WorkerService};
use weir_telemetry::{Masks, Telemetry};
use weir_types::ProviderName;
use weir_worker::{Live, Memory, Shared, Worker};

use crate::cli::Strictness;
use crate::{Failure, file, parts, rooms};

/// The workers in force.
pub(crate) struct Fleet {
    /// The one provider that this process serves; `None`: all.
    only: Option<String>,
    telemetry: Telemetry,
    masks: Option<Masks>,
    memory: Memory,
    known: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    /// In declared order.
    in_force: Vec<ProviderName>,
    /// Those that were in force before, too: whoever follows one of them finds it again when it is
    /// back.
    all: HashMap<ProviderName, Arc<Live>>,
}

/// Workers that could be put in force.
pub(crate) struct Judged {
    workers: Vec<Arc<Shared>>,
    answers_max: usize,
}

impl Judged {
    /// The keys that cannot be used, a line each, with the reason.
    pub(crate) fn unusable(&self) -> Vec<String> {
        parts::unusable(&self.workers)
    }

    /// What each would say of itself.
    pub(crate) fn descriptions(&self) -> Vec<Description> {
        self.workers.iter().map(|worker| worker.description()).collect()
    }

    /// The names of the providers.
    pub(crate) fn names(&self) -> Vec<ProviderName> {
        self.workers.iter().map(|worker| worker.description().provider).collect()
    }
}

impl Fleet {
    /// Nobody is in force yet. Secrets are masked in the lines of `masks`, where there are any.
    pub(crate) fn new(
        only: Option<&str>,
        budget: Budget,
        telemetry: &Telemetry,
        masks: Option<Masks>,
    ) -> Self {
        Self {
            only: only.map(str::to_owned),
            telemetry: telemetry.clone(),
            masks,
            memory: Memory::new(0, budget),
            known: RwLock::default(),
        }
    }

    /// What `config` makes of the workers. Those whose settings stay are those that there are.
    pub(crate) fn judge(
        &self,
        config: &Config,
        strictness: &Strictness,
    ) -> Result<Judged, Failure> {
        let settings = rooms::workers(config, self.only.as_deref(), &self.memory);
        if let (Some(name), true) = (&self.only, settings.is_empty()) {
            return Err(unknown(config, name));
        }
        let worker = |settings: weir_worker::Settings| {
            if let Some(masks) = &self.masks {
                let of_keys = settings.keys.iter().flat_map(|key| key.credential.secrets());
                of_keys.chain(settings.hidden.iter().cloned()).for_each(|one| masks.add(&one));
            }
            let before = self.known().all.get(&settings.provider).map(|live| live.present());
            match before {
                Some(before) => before.renewed(settings),
                None => Shared::new(settings, self.telemetry.clone()),
            }
        };
        let workers = settings.into_iter().map(worker).collect();
        let judged = Judged { workers, answers_max: rooms::answers_max(config) };
        let unusable = judged.unusable();
        if strictness.strict && !unusable.is_empty() {
            return Err(file::cut(unusable).join("\n").into());
        }
        Ok(judged)
    }

    /// From now on calls are made by these.
    pub(crate) fn take(&self, judged: Judged) {
        self.memory.resize(judged.answers_max);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.in_force = judged.names();
        for (worker, name) in judged.workers.into_iter().zip(known.in_force.clone()) {
            match known.all.get(&name) {
                Some(live) if Arc::ptr_eq(&live.present(), &worker) => {}
                Some(live) => live.replace(worker),
                None => drop(known.all.insert(name, Live::of(worker))),
            }
        }
    }

    /// The workers of one core, with connections of their own.
    pub(crate) fn workers_of_core(self: &Arc<Self>) -> Workers {
        let fleet = Arc::clone(self);
        Workers::made_by(move |name| {
            let worker: Arc<dyn WorkerService> = Arc::new(fleet.worker(name)?);
            Some(worker)
        })
    }

    /// A worker for the core that asks.
    pub(crate) fn worker(&self, name: &str) -> Option<Worker> {
        self.known().all.get(name).map(|live| Worker::following(live.clone()))
    }

    /// From now on calls with keys that are not known have the file looked at.
    pub(crate) fn look_again_by(&self, look_again: &LookAgain) {
        self.known().all.values().for_each(|live| live.look_again_by(look_again.clone()));
    }

    /// The names of the providers in force, in declared order.
    pub(crate) fn names(&self) -> Vec<ProviderName> {
        self.known().in_force.clone()
    }

    /// What each worker in force says of itself.
    pub(crate) fn descriptions(&self) -> Vec<Description> {
        let known = self.known();
        let live = known.in_force.iter().filter_map(|name| known.all.get(name));
        live.map(|live| live.present().description()).collect()
    }

    /// What /readyz says of the providers' keys.
    pub(crate) fn keys(&self) -> Map<String, Value> {
        let said = self.descriptions();
        said.iter().map(|one| (one.provider.to_string(), parts::keys(one))).collect()
    }

    fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unknown(config: &Config, name: &str) -> Failure {
    let names: Vec<_> = config.providers.iter().map(|provider| provider.name.as_str()).collect();
    format!("--provider: the configuration has no `{name}`; it has {}", names.join(", ")).into()
}
