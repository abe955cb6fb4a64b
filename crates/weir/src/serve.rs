//! `weir serve`: edge, router and workers in one process, wired through plain calls.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Map, Value};
use weir_budget::Budget;
use weir_config::{Config, process_variable};
use weir_router::Router;
use weir_runtime::{AdminState, Cores, Drain, HttpLimits, Readiness};
use weir_sim::Sim;
use weir_telemetry::{LogGuard, Metrics, Telemetry};

use crate::cli::ServeArgs;
use crate::file::{File, Source};
use crate::fleet::Fleet;
use crate::ids::Ids;
use crate::parts::{self, AdminHosts, ProcessShell};
use crate::process::{self, Listeners, eprint, print};
use crate::reload::Reload;
use crate::store::{self, Store};
use crate::tls::ServedTls;
use crate::{Failure, access, check, demo, rooms};

/// Everything that the cores of one gateway share.
struct Gateway {
    edge: Arc<weir_edge::Live>,
    ids: Arc<Ids>,
    budget: Budget,
    limits: HttpLimits,
    router: Arc<weir_router::Shared>,
    fleet: Arc<Fleet>,
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
    let (config, demo, source) = match file {
        Some(file) => (file.config, None, Some((file.source, file.version))),
        None => {
            let (config, demo) = from_environment(cores)?;
            (config, demo, None)
        }
    };
    access::insist(&args.public, &config)?;
    let telemetry = parts::telemetry(&config, tracer);
    telemetry.metrics.configuration("none", SystemTime::now());
    let reload = source.map(|(source, version)| Reload::new(source, version, &telemetry.metrics));
    let shell =
        ProcessShell::bind(args.admin, cores, &config, &args.hosts)?.reloading(reload.clone());
    let gateway = Gateway::new(args, &config, (demo, shell), (cores, telemetry), &logs)?;
    if let Some(reload) = reload {
        let taking = gateway.taking(args, config);
        gateway.router.look_again_by(reload.look_again());
        reload.start(move |config| taking.take(config))?;
    }
    gateway.announce()?;
    let stop = gateway.run(cores);
    process::end_traces(spans);
    stop
}

/// The configuration file; `None` where none is given and none lies at the usual place.
fn configured(args: &ServeArgs) -> Result<Option<File>, Failure> {
    let usual = std::path::PathBuf::from("config.json");
    let path = match &args.config {
        Some(path) => path.clone(),
        None if usual.exists() => usual,
        None => return Ok(None),
    };
    Source::new(&path, &check::options(&args.strictness)).load().map(Some)
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
        (demo, shell): (Option<(Sim, Listeners)>, ProcessShell),
        (cores, telemetry): (Cores, Telemetry),
        logs: &LogGuard,
    ) -> Result<Self, Failure> {
        let store = store::pick(&args.store, config, logs)?;
        let budget = process::budget(&args.memory);
        let fleet = Arc::new(Fleet::new(None, budget, &telemetry, Some(logs.masks())));
        fleet.take(fleet.judge(config, &args.strictness)?);
        let tls = ServedTls::read(&args.tls)?;
        let public = Listeners::bind("--listen", args.public.listen, cores.count)?;
        let hosts = access::hosts(public.address, config, &args.hosts);
        let ids = Arc::new(Ids::read(&args.ids, None, logs)?);
        Ok(Self {
            budget,
            limits: parts::client_limits(&args.public, cores.count, budget),
            edge: weir_edge::Live::new(rooms::edge(config, (hosts, &ids), budget, &args.public)),
            ids,
            router: parts::router(config, &store, &args.plan, &telemetry),
            fleet,
            store,
            telemetry,
            public,
            tls,
            shell,
            demo,
        })
    }

    fn announce(&self) -> Result<(), Failure> {
        let names: Vec<_> = self.fleet.names().iter().map(ToString::to_string).collect();
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
            let workers = self.fleet.workers_of_core();
            let router = Arc::new(Router::new(self.router.clone(), workers.clone()));
            let edge = (self.edge.clone(), self.limits);
            let listener = (self.public.take(core)?, self.tls.shown());
            let public =
                parts::serve_edge(listener, edge, router, self.telemetry.clone(), drain.clone());
            let public = parts::following(&self.router, &workers, public);
            let serve = Box::pin(async {
                let (public, demo) = tokio::join!(public, self.demo_core(core, drain.clone()));
                public.and(demo)
            });
            // Renews the leases of all cores.
            let upkeep = async {
                let rooms = self.router.clone().run(workers.clone());
                tokio::join!(rooms, self.store.run(), self.tls.watch());
            };
            let state = self.admin_state(drain.clone());
            self.shell.live(core, drain.clone(), state, upkeep, serve, self.router.leave()).await
        })?;
        Ok(())
    }

    /// What another configuration than `started_with` changes.
    fn taking(&self, args: &ServeArgs, started_with: Config) -> Taking {
        Taking {
            edge: self.edge.clone(),
            ids: self.ids.clone(),
            router: self.router.clone(),
            fleet: self.fleet.clone(),
            metrics: self.telemetry.metrics.clone(),
            budget: self.budget,
            address: self.public.address,
            admin: self.shell.hosts(),
            args: args.clone(),
            started_with,
        }
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
        let (router, fleet) = (self.router.clone(), self.fleet.clone());
        let metrics = self.telemetry.metrics.clone();
        let configuration = self.shell.configuration();
        let (kind, budget) = (self.store.kind, self.budget);
        let readiness = move || {
            let mut detail = Map::new();
            detail.insert("quota".to_owned(), parts::quotas(&router, kind));
            detail.insert("providers".to_owned(), Value::from(fleet.keys()));
            detail.insert("config".to_owned(), configuration());
            Readiness { ready: router.is_ready(), detail }
        };
        AdminState::new(drain, readiness, move || parts::page(&metrics, budget))
    }
}

/// What another configuration changes.
struct Taking {
    edge: Arc<weir_edge::Live>,
    ids: Arc<Ids>,
    router: Arc<weir_router::Shared>,
    fleet: Arc<Fleet>,
    metrics: Arc<Metrics>,
    budget: Budget,
    address: SocketAddr,
    admin: AdminHosts,
    args: ServeArgs,
    started_with: Config,
}

impl Taking {
    /// Workers first: they know new keys before the router asks for them, and go on with old ones for a
    /// while. The edge last: whom it lets in the router knows.
    fn take(&self, config: &Config) -> Result<(), Failure> {
        access::insist(&self.args.public, config)?;
        let judged = self.fleet.judge(config, &self.args.strictness)?;
        store::needs_restart(&self.args.store, &self.started_with, config)?;
        parts::register(config, &self.metrics);
        self.fleet.take(judged);
        let said = self.fleet.descriptions();
        parts::reload_router(&self.router, config, &self.args.plan, &self.metrics, &said);
        let hosts = access::hosts(self.address, config, &self.args.hosts);
        self.edge.replace(rooms::edge(config, (hosts, &self.ids), self.budget, &self.args.public));
        self.admin.reload(config);
        Ok(())
    }
}
