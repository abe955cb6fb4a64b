//! `weir serve`: edge, router and workers in one process, wired through plain calls.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Map, Value, json};
use tokio::sync::Barrier;
use weir_config::{Config, process_variable};
use weir_quota::Timing;
use weir_quota_memory::MemoryStore;
use weir_router::{Router, Workers};
use weir_rpc::WorkerService;
use weir_runtime::{AdminState, Cores, Drain, HttpLimits, Readiness, admin, serve_http};
use weir_sim::Sim;
use weir_telemetry::{LogGuard, Telemetry, Tracer};
use weir_types::ProviderName;
use weir_worker::Worker;

use crate::Failure;
use crate::cli::ServeArgs;
use crate::process::{self, Listeners, say};
use crate::{check, demo, rooms};

/// Everything that the cores of one gateway share.
struct Gateway {
    edge: Arc<weir_edge::Settings>,
    router: Arc<weir_router::Shared>,
    workers: Vec<(ProviderName, Arc<weir_worker::Shared>)>,
    telemetry: Telemetry,
    public: Listeners,
    admin: Listeners,
    demo: Option<(Sim, Listeners)>,
}

/// Runs until it is told to stop.
pub(crate) fn run(args: &ServeArgs) -> Result<(), Failure> {
    let cores = process::cores(&args.process);
    let file = configured(args)?;
    let logs = process::logs(&args.process)?;
    let (tracer, spans) = process::traces()?;
    let (config, demo) = match file {
        Some(config) => (config, None),
        None => from_environment(cores)?,
    };
    let gateway = Gateway::new(args, &config, demo, cores, tracer, &logs)?;
    gateway.announce()?;
    let stop = gateway.run(cores);
    process::end_traces(spans);
    stop
}

/// The configuration file's content; `None` where none is given and none lies at the usual place.
fn configured(args: &ServeArgs) -> Result<Option<Config>, Failure> {
    let usual = std::path::PathBuf::from("config.json");
    let path = match &args.config {
        Some(path) => path.clone(),
        None if usual.exists() => usual,
        None => return Ok(None),
    };
    let loaded = weir_config::load(&path, &check::options(&args.strictness))
        .map_err(|report| format!("{} cannot be used\n{report}", path.display()))?;
    for warning in &loaded.warnings {
        process::complain(&warning.to_string());
    }
    if !loaded.ignored.is_empty() {
        process::complain(&format!("not used by Weir: {}", loaded.ignored.join(", ")));
    }
    if loaded.config.providers.is_empty() {
        return Err(format!("{} has no provider that this build serves", path.display()).into());
    }
    Ok(Some(loaded.config))
}

/// Providers from the environment's keys, or else the simulated one.
fn from_environment(cores: Cores) -> Result<(Config, Option<(Sim, Listeners)>), Failure> {
    let config = weir_config::from_environment(process_variable, weir_provider::served);
    if !config.providers.is_empty() {
        return Ok((config, None));
    }
    let listeners = Listeners::bind("simulated provider", ([127, 0, 0, 1], 0).into(), cores.count)?;
    let config = demo::config(listeners.address);
    Ok((config, Some((Sim::new(demo::settings()), listeners))))
}

impl Gateway {
    fn new(
        args: &ServeArgs,
        config: &Config,
        demo: Option<(Sim, Listeners)>,
        cores: Cores,
        tracer: Tracer,
        logs: &LogGuard,
    ) -> Result<Self, Failure> {
        let telemetry = Telemetry { tracer, ..Telemetry::default() };
        let lease_ttl = u64::try_from(config.quota_store.lease_ttl.as_micros())?;
        let timing = Timing { grace: false, lease_ttl, ..Timing::default() };
        let started = Instant::now();
        let clock = move || u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let store = Arc::new(MemoryStore::new(timing, clock));
        let settings = rooms::router(config, timing);
        for provider in &settings.providers {
            let keys = provider.keys.iter().map(|key| key.name.as_str());
            telemetry.metrics.register(&provider.name, keys);
            telemetry.metrics.pool_limits(&provider.name, provider.concurrency, provider.buffer);
        }
        let masks = logs.masks();
        let mut workers = Vec::new();
        for settings in rooms::workers(config) {
            settings.keys.iter().filter_map(|key| key.secret.as_ref()).for_each(|s| masks.add(s));
            let name = settings.provider.clone();
            workers.push((name, weir_worker::Shared::new(settings, telemetry.clone())?));
        }
        Ok(Self {
            edge: Arc::new(rooms::edge(config)),
            router: weir_router::Shared::new(settings, store, telemetry.clone()),
            workers,
            telemetry,
            public: Listeners::bind("--listen", args.listen, cores.count)?,
            admin: Listeners::bind("--admin", args.admin, 1)?,
            demo,
        })
    }

    fn announce(&self) -> Result<(), Failure> {
        let names: Vec<_> = self.workers.iter().map(|(name, _)| name.as_str()).collect();
        say(&format!("listening on http://{}", self.public.address))?;
        say(&format!("admin on http://{}", self.admin.address))?;
        say(&format!("providers: {}", names.join(", ")))?;
        if self.demo.is_some() {
            say(&demo::welcome(self.public.address))?;
        }
        Ok(())
    }

    fn run(self, cores: Cores) -> Result<(), Failure> {
        // Core 0 renews the leases of all, so nobody leaves before everybody has finished.
        let finished = Barrier::new(cores.count);
        cores.run(async |core, drain| {
            let workers = self.workers_of_core();
            let edge = Router::new(self.router.clone(), workers.clone());
            let edge = weir_edge::app(self.edge.clone(), Arc::new(edge), self.telemetry.clone());
            let limits = HttpLimits::default();
            let shaped = HttpLimits { refusal_body: Some(weir_edge::refusal), ..limits };
            let public = serve_http(self.public.take(core)?, edge, shaped, drain.clone());
            if core != 0 {
                let (public, demo) = tokio::join!(public, self.demo_core(core, drain));
                finished.wait().await;
                return Ok(public.and(demo)?);
            }
            let keep = self.router.clone().run(workers);
            let admin = admin(self.admin_state(drain.clone()));
            let admin = serve_http(self.admin.take(0)?, admin, limits, drain.clone());
            let serve = async {
                let (public, admin, demo) =
                    tokio::join!(public, admin, self.demo_core(core, drain));
                finished.wait().await;
                public.and(admin).and(demo)
            };
            tokio::select! {
                served = serve => Ok(served?),
                () = keep => Err("the router's upkeep ended".into()),
            }
        })?;
        Ok(())
    }

    /// Workers with connections of their own, as each core needs them.
    fn workers_of_core(&self) -> Workers {
        let worker = |(name, shared): &(ProviderName, Arc<weir_worker::Shared>)| {
            let worker: Arc<dyn WorkerService> = Arc::new(Worker::new(shared.clone()));
            (name.clone(), worker)
        };
        Arc::new(self.workers.iter().map(worker).collect())
    }

    async fn demo_core(&self, core: usize, drain: Drain) -> io::Result<()> {
        match &self.demo {
            Some((sim, listeners)) => {
                let listener = listeners.take(core).map_err(io::Error::other)?;
                sim.serve(listener, drain).await
            }
            None => Ok(()),
        }
    }

    fn admin_state(&self, drain: Drain) -> AdminState {
        let router = self.router.clone();
        let metrics = self.telemetry.metrics.clone();
        let keys: Map<String, Value> = self
            .workers
            .iter()
            .map(|(name, shared)| {
                let description = shared.description();
                let unusable: Vec<_> =
                    description.unusable.iter().map(|(key, _)| key.as_str()).collect();
                (
                    name.to_string(),
                    json!({ "usable_keys": description.keys.len(), "unusable_keys": unusable }),
                )
            })
            .collect();
        let readiness = move || {
            let mut detail = Map::new();
            detail.insert("quota_store".to_owned(), Value::from("memory"));
            detail.insert("providers".to_owned(), Value::from(keys.clone()));
            Readiness { ready: router.is_ready(), detail }
        };
        AdminState::new(drain, readiness, move || metrics.render())
    }
}
