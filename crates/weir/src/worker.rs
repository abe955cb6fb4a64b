//! `weir worker`: one provider as a process of its own, the only one that has its secrets.

use std::sync::Arc;

use serde_json::{Map, Value};
use weir_budget::Budget;
use weir_config::Config;
use weir_rpc::worker_server;
use weir_runtime::{AdminState, Drain, Readiness};
use weir_telemetry::Metrics;
use weir_worker::Worker;

use crate::cli::WorkerArgs;
use crate::parts::{self, ProcessShell};
use crate::process::{self, Listeners, print};
use crate::{Failure, access, file, link, rooms};

/// Runs until it is told to stop.
pub(crate) fn run(args: &WorkerArgs) -> Result<(), Failure> {
    let cores = process::cores(&args.process);
    let config = file::shared(&args.file, Some(&args.provider))?;
    let budget = process::budget(&args.memory);
    let settings = rooms::one_worker(&config, &args.provider, budget)
        .ok_or_else(|| unknown(&config, &args.provider))?;
    let logs = process::logs(&args.process)?;
    let (tracer, spans) = process::traces("weir-worker")?;
    let telemetry = parts::telemetry(&config, tracer);
    let shared = parts::worker(settings, &telemetry, Some(&logs));
    parts::insist(std::slice::from_ref(&shared), &args.file.strictness)?;
    let limits = link::settings(&config, &args.link, budget, &logs)?;
    access::insist_on_token(args.listen, &limits.tokens, &args.open)?;
    let links = Listeners::bind("--listen", args.listen, cores.count)?;
    let shell = ProcessShell::bind(args.admin, cores, &config, &args.hosts)?;
    print(&format!("listening on http://{}", links.address))?;
    print(&format!("admin on http://{}", shell.address()))?;
    let usable = shared.description().keys.len();
    print(&format!("provider: {}, usable keys: {usable}", args.provider))?;
    let stop = cores.run(async |core, drain| {
        let server = worker_server(Arc::new(Worker::new(shared.clone())), &limits);
        let state = admin_state(&shared, (telemetry.metrics.clone(), budget), drain.clone());
        let serve = parts::serve_links(links.take(core)?, server, drain.clone());
        shell.live(core, drain, state, std::future::pending(), serve).await
    });
    process::end_traces(spans);
    stop?;
    Ok(())
}

/// A worker without a usable key is ready: it says so, and the router asks others.
fn admin_state(
    shared: &Arc<weir_worker::Shared>,
    (metrics, budget): (Arc<Metrics>, Budget),
    drain: Drain,
) -> AdminState {
    let provider = shared.description().provider;
    let detail = Map::from_iter([
        ("provider".to_owned(), Value::from(provider.as_str())),
        ("keys".to_owned(), parts::keys(shared)),
    ]);
    let readiness = move || Readiness { ready: true, detail: detail.clone() };
    AdminState::new(drain, readiness, move || parts::page(&metrics, budget))
}

fn unknown(config: &Config, name: &str) -> Failure {
    let names: Vec<_> = config.providers.iter().map(|provider| provider.name.as_str()).collect();
    format!("--provider: the configuration has no `{name}`; it has {}", names.join(", ")).into()
}
