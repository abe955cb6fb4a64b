//! `weir serve`: edge, router and workers in one process, wired through plain calls.

use std::io;
use std::sync::Arc;

use serde_json::{Map, Value};
use weir_budget::Budget;
use weir_config::{Config, process_variable};
use weir_router::{Router, Workers};
use weir_rpc::WorkerService;
use weir_runtime::{AdminState, Cores, Drain, HttpLimits, Readiness};
use weir_sim::Sim;
use weir_telemetry::{LogGuard, Telemetry, Tracer};
use weir_types::ProviderName;
use weir_worker::Worker;

use crate::cli::ServeArgs;
use crate::parts::{self, ProcessShell};
use crate::process::{self, Listeners, eprint, print};
use crate::store::{self, Store};
use crate::tls::ServedTls;
use crate::{Failure, access, check, demo, file, rooms};

/// Everything that the cores of one gateway share.
struct Gateway {
    edge: Arc<weir_edge::Settings>,
    budget: Budget,
    limits: HttpLimits,
    router: Arc<weir_router::Shared>,
    workers: Vec<(ProviderName, Arc<weir_worker::Shared>)>,
    store: Store,
    telemetry: Telemetry,
    public: Listeners,
    tls: ServedTls,
    shell: ProcessShell,
    demo: Option<(Sim, Listeners)>,
}

/// Runs until it is told to stop.
pub(crate) fn run(args: &ServeArgs) -> Result<(), Failure> {
    let cores = process::cores(&args.process);
    let file = configured(args)?;
    let logs = process::logs(&args.process)?;
    let (tracer, spans) = process::traces("weir")?;
    let (config, demo) = match file {
        Some(config) => (config, None),
        None => from_environment(cores)?,
    };
    access::insist(&args.public, &config)?;
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
    file::load(&path, &check::options(&args.strictness)).map(Some)
}

/// Providers from the environment's keys, or else the simulated one.
fn from_environment(cores: Cores) -> Result<(Config, Option<(Sim, Listeners)>), Failure> {
    let config = weir_config::from_environment(process_variable, weir_provider::served);
    let keys = config.providers.iter().flat_map(|provider| &provider.keys);
    keys.flat_map(|key| key.value.notes_with(process_variable)).for_each(|note| eprint(&note));
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
        let telemetry = parts::telemetry(config, tracer);
        let store = store::pick(&args.store, config, logs)?;
        let budget = process::budget(&args.memory);
        let workers: Vec<_> = rooms::workers(config, budget)
            .into_iter()
            .map(|settings| parts::worker(settings, &telemetry, Some(logs)))
            .collect();
        parts::insist(&workers, &args.strictness)?;
        let tls = ServedTls::read(&args.tls)?;
        let public = Listeners::bind("--listen", args.public.listen, cores.count)?;
        let hosts = access::hosts(public.address, config, &args.hosts);
        let named = |worker: Arc<weir_worker::Shared>| (worker.description().provider, worker);
        Ok(Self {
            budget,
            limits: parts::client_limits(&args.public, cores.count, budget),
            edge: Arc::new(rooms::edge(config, hosts, budget, &args.public)),
            router: parts::router(config, &store, &args.plan, &telemetry),
            workers: workers.into_iter().map(named).collect(),
            store,
            telemetry,
            public,
            tls,
            shell: ProcessShell::bind(args.admin, cores, config, &args.hosts)?,
            demo,
        })
    }

    fn announce(&self) -> Result<(), Failure> {
        let names: Vec<_> = self.workers.iter().map(|(name, _)| name.as_str()).collect();
        let listen = format!("{}://{}", self.tls.scheme(), self.public.address);
        print(&format!("listening on {listen}"))?;
        print(&format!("admin on http://{}", self.shell.address()))?;
        print(&format!("providers: {}", names.join(", ")))?;
        if self.demo.is_some() {
            print(&demo::welcome(&listen))?;
        }
        Ok(())
    }

    fn run(self, cores: Cores) -> Result<(), Failure> {
        cores.run(async |core, drain| {
            let workers = self.workers_of_core();
            let router = Arc::new(Router::new(self.router.clone(), workers.clone()));
            let (settings, telemetry) = ((self.edge.clone(), self.limits), self.telemetry.clone());
            let listener = (self.public.take(core)?, self.tls.shown());
            let public = parts::serve_edge(listener, settings, router, telemetry, drain.clone());
            let serve = async {
                let (public, demo) = tokio::join!(public, self.demo_core(core, drain.clone()));
                public.and(demo)
            };
            // Renews the leases of all cores.
            let upkeep = async {
                tokio::join!(self.router.clone().run(workers), self.store.run(), self.tls.watch());
            };
            let state = self.admin_state(drain.clone());
            self.shell.live(core, drain.clone(), state, upkeep, serve).await
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
            .map(|(name, shared)| (name.to_string(), parts::keys(shared)))
            .collect();
        let (kind, budget) = (self.store.kind, self.budget);
        let readiness = move || {
            let mut detail = Map::new();
            detail.insert("quota".to_owned(), parts::quotas(&router, kind));
            detail.insert("providers".to_owned(), Value::from(keys.clone()));
            Readiness { ready: router.is_ready(), detail }
        };
        AdminState::new(drain, readiness, move || parts::page(&metrics, budget))
    }
}
