//! `weir edge`: the HTTP side as a process of its own. Reads no secret.

use std::sync::Arc;

use serde_json::Map;
use weir_rpc::{BalancedRouter, Lookup};
use weir_runtime::{AdminState, Readiness};

use crate::cli::EdgeArgs;
use crate::parts::{self, ProcessShell};
use crate::process::{self, Listeners, print};
use crate::tls::ServedTls;
use crate::{Failure, access, file, link, rooms};

/// Runs until it is told to stop.
pub(crate) fn run(args: &EdgeArgs) -> Result<(), Failure> {
    let cores = process::cores(&args.process);
    let config = file::shared(&args.file, None)?;
    access::insist(&args.public, &config)?;
    let logs = process::logs(&args.process)?;
    let (tracer, spans) = process::traces("weir-edge")?;
    let telemetry = parts::telemetry(&config, tracer);
    for url in &args.routers {
        weir_rpc::check_url(url).map_err(|error| format!("--router: {error}"))?;
    }
    let budget = process::budget(&args.memory);
    let limits = link::settings(&config, &args.link, budget, &logs)?;
    let tls = ServedTls::read(&args.tls)?;
    let public = Listeners::bind("--listen", args.public.listen, cores.count)?;
    let hosts = access::hosts(public.address, &config, &args.hosts);
    let settings = Arc::new(rooms::edge(&config, hosts, budget, &args.public));
    let limits_of_clients = parts::client_limits(&args.public, cores.count, budget);
    let shell = ProcessShell::bind(args.admin, cores, &config, &args.hosts)?;
    print(&format!("listening on {}://{}", tls.scheme(), public.address))?;
    print(&format!("admin on http://{}", shell.address()))?;
    let stop = cores.run(async |core, drain| {
        let router = BalancedRouter::connect(&args.routers, &limits, Lookup::dns())?;
        let (metrics, routers) = (telemetry.metrics.clone(), router.clone());
        let readiness = move || {
            let reach = routers.reach();
            let detail = Map::from_iter([("routers".to_owned(), parts::reach(reach))]);
            Readiness { ready: reach.serving > 0, detail }
        };
        let state =
            AdminState::new(drain.clone(), readiness, move || parts::page(&metrics, budget));
        let listener = (public.take(core)?, tls.shown());
        let serve = parts::serve_edge(
            listener,
            (settings.clone(), limits_of_clients),
            Arc::new(router),
            telemetry.clone(),
            drain.clone(),
        );
        shell.live(core, drain, state, tls.watch(), serve).await
    });
    process::end_traces(spans);
    stop?;
    Ok(())
}
