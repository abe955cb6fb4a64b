//! `weir edge`: the HTTP side as a process of its own. Reads no secret.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::Map;
use weir_budget::Budget;
use weir_config::Config;
use weir_rpc::{BalancedRouter, Lookup};
use weir_runtime::{AdminState, Readiness};
use weir_telemetry::Metrics;

use crate::cli::EdgeArgs;
use crate::file::Source;
use crate::ids::Ids;
use crate::parts::{self, AdminHosts, ProcessShell};
use crate::process::{self, Listeners, print};
use crate::reload::Reload;
use crate::tls::ServedTls;
use crate::{Failure, access, link, rooms};

/// Runs until it is told to stop.
pub(crate) fn run(args: &EdgeArgs) -> Result<(), Failure> {
    let cores = process::cores(&args.process);
    let file = Source::shared(&args.file, None).load()?;
    let config = file.config;
    access::insist(&args.public, &config)?;
    let logs = process::logs(&args.process)?;
    let (tracer, spans) = process::traces("weir-edge")?;
    let telemetry = parts::telemetry(&config, tracer);
    for url in &args.routers {
        weir_rpc::check_url(url, args.link.tls.is_given())
            .map_err(|error| format!("--router: {error}"))?;
    }
    let budget = process::budget(&args.memory);
    let (limits, linked) = link::settings(&config, &args.link, budget, &logs)?;
    let tls = ServedTls::read(&args.tls)?;
    let public = Listeners::bind("--listen", args.public.listen, cores.count)?;
    let hosts = access::hosts(public.address, &config, &args.hosts);
    let limits_of_clients = parts::client_limits(&args.public, cores.count, budget);
    let ids = Ids::read(&args.ids, Some(&limits.tokens), &logs)?;
    let live = weir_edge::Live::new(rooms::edge(&config, (hosts, &ids), budget, &args.public));
    let reload = Reload::new(file.source, file.version, &telemetry.metrics);
    let shell = ProcessShell::bind(args.admin, cores, &config, &args.hosts)?
        .reloading(Some(reload.clone()));
    let taking = Taking {
        live: live.clone(),
        ids,
        address: public.address,
        admin: shell.hosts(),
        budget,
        metrics: telemetry.metrics.clone(),
        started_with: config,
        args: args.clone(),
    };
    reload.start(move |config| taking.take(config))?;
    print(&format!("listening on {}://{}", tls.scheme(), public.address))?;
    print(&format!("admin on http://{}", shell.address()))?;
    let stop = cores.run(async |core, drain| {
        let router = BalancedRouter::connect(&args.routers, &limits, Lookup::dns())?;
        let (metrics, routers) = (telemetry.metrics.clone(), router.clone());
        let configuration = shell.configuration();
        let readiness = move || {
            let reach = routers.reach();
            let mut detail = Map::from_iter([("routers".to_owned(), parts::reach(reach))]);
            detail.insert("config".to_owned(), configuration());
            Readiness { ready: reach.serving > 0, detail }
        };
        let state =
            AdminState::new(drain.clone(), readiness, move || parts::page(&metrics, budget));
        let listener = (public.take(core)?, tls.shown());
        let serve = parts::serve_edge(
            listener,
            (live.clone(), limits_of_clients),
            Arc::new(router),
            telemetry.clone(),
            drain.clone(),
        );
        let certificates = async {
            tokio::join!(tls.watch(), linked.watch());
        };
        shell.live(core, drain, state, certificates, serve, std::future::ready(())).await
    });
    process::end_traces(spans);
    stop?;
    Ok(())
}

/// What another configuration changes.
struct Taking {
    live: Arc<weir_edge::Live>,
    ids: Ids,
    address: SocketAddr,
    admin: AdminHosts,
    budget: Budget,
    metrics: Arc<Metrics>,
    started_with: Config,
    args: EdgeArgs,
}

impl Taking {
    fn take(&self, config: &Config) -> Result<(), Failure> {
        access::insist(&self.args.public, config)?;
        parts::register(config, &self.metrics);
        let hosts = access::hosts(self.address, config, &self.args.hosts);
        self.live.replace(rooms::edge(config, (hosts, &self.ids), self.budget, &self.args.public));
        self.admin.reload(config);
        link::needs_restart(&self.started_with, config);
        Ok(())
    }
}
