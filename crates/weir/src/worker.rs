//! `weir worker`: one provider as a process of its own, the only one that has its secrets.

use std::sync::Arc;

use serde_json::{Map, Value};
use weir_budget::Budget;
use weir_config::Config;
use weir_rpc::worker_server;
use weir_runtime::{AdminState, Drain, Readiness};
use weir_telemetry::Metrics;
use weir_types::ProviderName;

use crate::cli::WorkerArgs;
use crate::file::Source;
use crate::fleet::Fleet;
use crate::parts::{self, AdminHosts, ProcessShell};
use crate::process::{self, Listeners, print};
use crate::reload::Reload;
use crate::{Failure, access, link};

/// Runs until it is told to stop.
pub(crate) fn run(args: &WorkerArgs) -> Result<(), Failure> {
    let cores = process::cores(&args.process);
    let file = Source::shared(&args.file, Some(&args.provider)).load()?;
    let config = file.config;
    let budget = process::budget(&args.memory);
    let logs = process::logs(&args.process)?;
    let (tracer, spans) = process::traces("weir-worker")?;
    let telemetry = parts::telemetry(&config, tracer);
    let fleet = Fleet::new(Some(&args.provider), budget, &telemetry, Some(logs.masks()));
    let judged = fleet.judge(&config, &args.file.strictness)?;
    let name: ProviderName = judged.names().into_iter().next().ok_or("no provider is served")?;
    fleet.take(judged);
    let fleet = Arc::new(fleet);
    let (limits, linked) = link::settings(&config, &args.link, budget, &logs)?;
    access::insist_on_door(args.listen, &limits, &args.open)?;
    let links = Listeners::bind("--listen", args.listen, cores.count)?;
    let reload = Reload::new(file.source, file.version, &telemetry.metrics);
    let shell = ProcessShell::bind(args.admin, cores, &config, &args.hosts)?
        .reloading(Some(reload.clone()));
    print(&format!("listening on {}://{}", args.link.tls.scheme(), links.address))?;
    print(&format!("admin on http://{}", shell.address()))?;
    let usable: usize = fleet.descriptions().iter().map(|one| one.keys.len()).sum();
    print(&format!("provider: {}, usable keys: {usable}", args.provider))?;
    let taking = Taking {
        fleet: fleet.clone(),
        admin: shell.hosts(),
        metrics: telemetry.metrics.clone(),
        started_with: config,
        args: args.clone(),
    };
    fleet.look_again_by(&reload.look_again());
    reload.start(move |config| taking.take(config))?;
    let stop = cores.run(async |core, drain| {
        let worker = fleet.worker(&name).ok_or("the provider has no worker")?;
        let server = worker_server(Arc::new(worker), &limits);
        let page = (telemetry.metrics.clone(), budget);
        let state = admin_state(&fleet, &name, &shell, page, drain.clone());
        let serve = parts::serve_links(links.take(core)?, server, drain.clone());
        shell.live(core, drain, state, linked.watch(), serve, std::future::ready(())).await
    });
    process::end_traces(spans);
    stop?;
    Ok(())
}

/// What another configuration changes.
struct Taking {
    fleet: Arc<Fleet>,
    admin: AdminHosts,
    metrics: Arc<Metrics>,
    started_with: Config,
    args: WorkerArgs,
}

impl Taking {
    fn take(&self, config: &Config) -> Result<(), Failure> {
        let judged = self.fleet.judge(config, &self.args.file.strictness)?;
        parts::register(config, &self.metrics);
        self.fleet.take(judged);
        self.admin.reload(config);
        link::needs_restart(&self.started_with, config);
        Ok(())
    }
}

/// A worker without a usable key is ready: it says so, and the router asks others.
fn admin_state(
    fleet: &Arc<Fleet>,
    name: &ProviderName,
    shell: &ProcessShell,
    (metrics, budget): (Arc<Metrics>, Budget),
    drain: Drain,
) -> AdminState {
    let (fleet, name) = (fleet.clone(), name.to_string());
    let configuration = shell.configuration();
    let readiness = move || {
        let keys = fleet.keys().remove(&name).unwrap_or_default();
        let detail = Map::from_iter([
            ("provider".to_owned(), Value::from(name.clone())),
            ("keys".to_owned(), keys),
            ("config".to_owned(), configuration()),
        ]);
        Readiness { ready: true, detail }
    };
    AdminState::new(drain, readiness, move || parts::page(&metrics, budget))
}
