//! `weir router`: the routing service as a process of its own. Reads no secret of a provider.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

use serde_json::Map;
use weir_budget::Budget;
use weir_config::Config;
use weir_router::{Router, Shared, Workers};
use weir_rpc::{BalancedWorker, LinkSettings, Lookup, WorkerService, router_server};
use weir_runtime::{AdminState, Drain, Readiness};
use weir_telemetry::Metrics;
use weir_types::ProviderName;

use crate::cli::RouterArgs;
use crate::file::Source;
use crate::parts::{self, AdminHosts, ProcessShell};
use crate::process::{self, Listeners, print};
use crate::reload::Reload;
use crate::store::{self, Store};
use crate::{Failure, access, link};

/// What stands for the provider's name in `--worker-url`.
const PROVIDER: &str = "{provider}";

/// Runs until it is told to stop.
pub(crate) fn run(args: &RouterArgs) -> Result<(), Failure> {
    let cores = process::cores(&args.process);
    let file = Source::shared(&args.file, None).load()?;
    let config = file.config;
    let urls =
        worker_urls(&config, &args.workers, args.worker_url.as_deref(), args.link.tls.is_given())?;
    let logs = process::logs(&args.process)?;
    let (tracer, spans) = process::traces("weir-router")?;
    let telemetry = parts::telemetry(&config, tracer);
    let store = store::pick(&args.store, &config, &logs)?;
    if !store.is_shared() {
        tracing::warn!("limits are kept in memory: they hold for this one router only");
    }
    let shared = parts::router(&config, &store, &args.plan, &telemetry);
    let budget = process::budget(&args.memory);
    let (limits, linked) = link::settings(&config, &args.link, budget, &logs)?;
    access::insist_on_door(args.listen, &limits, &args.open)?;
    let links = Listeners::bind("--listen", args.listen, cores.count)?;
    let reload = Reload::new(file.source, file.version, &telemetry.metrics);
    let shell = ProcessShell::bind(args.admin, cores, &config, &args.hosts)?
        .reloading(Some(reload.clone()));
    let ways = Arc::new(RwLock::new(urls));
    let taking = Taking {
        router: shared.clone(),
        ways: ways.clone(),
        admin: shell.hosts(),
        metrics: telemetry.metrics.clone(),
        started_with: config,
        args: args.clone(),
    };
    shared.look_again_by(reload.look_again());
    reload.start(move |config| taking.take(config))?;
    print(&format!("listening on {}://{}", args.link.tls.scheme(), links.address))?;
    print(&format!("admin on http://{}", shell.address()))?;
    let stop = cores.run(async |core, drain| {
        let connected = Connected::default();
        let workers = workers_of_core(&ways, &connected, &limits);
        let page = (&telemetry.metrics, limits.budget);
        let state = admin_state((&shared, &store, &shell), connected, page, drain.clone());
        let router = Router::new(shared.clone(), workers.clone());
        let server = router_server(Arc::new(router), &limits);
        let serve = parts::serve_links(links.take(core)?, server, drain.clone());
        let serve = parts::following(&shared, &workers, serve);
        let upkeep = async {
            tokio::join!(shared.clone().run(workers.clone()), store.run(), linked.watch());
        };
        shell.live(core, drain, state, upkeep, serve, shared.leave()).await
    });
    process::end_traces(spans);
    stop?;
    Ok(())
}

type Urls = HashMap<ProviderName, Vec<String>>;

/// One core's connections, as long as they are used.
type Connected = Arc<Mutex<BTreeMap<ProviderName, Weak<BalancedWorker>>>>;

/// What another configuration changes.
struct Taking {
    router: Arc<Shared>,
    ways: Arc<RwLock<Urls>>,
    admin: AdminHosts,
    metrics: Arc<Metrics>,
    started_with: Config,
    args: RouterArgs,
}

impl Taking {
    fn take(&self, config: &Config) -> Result<(), Failure> {
        let RouterArgs { workers, worker_url, link, .. } = &self.args;
        store::needs_restart(&self.args.store, &self.started_with, config)?;
        let mut config = config.clone();
        let reached = |provider: &weir_config::Provider| {
            let own = Config { providers: vec![provider.clone()], ..Config::default() };
            let name = |pair: &&String| of_provider(pair).is_some_and(|of| of == *provider.name);
            let named: Vec<String> = workers.iter().filter(name).cloned().collect();
            let urls = worker_urls(&own, &named, worker_url.as_deref(), link.tls.is_given());
            // The others serve; a restart would ask for the flag, too.
            urls.inspect_err(|why| tracing::error!("{why}, which needs a restart"))
        };
        let found: Vec<_> = config.providers.iter().map(reached).collect();
        let mut is_reached = found.iter().map(Result::is_ok);
        config.providers.retain(|_| is_reached.next().unwrap_or(false));
        let urls = found.into_iter().flatten().flatten();
        self.ways.write().unwrap_or_else(PoisonError::into_inner).extend(urls);
        parts::register(&config, &self.metrics);
        parts::reload_router(&self.router, &config, &self.args.plan, &self.metrics, &[]);
        self.admin.reload(&config);
        link::needs_restart(&self.started_with, &config);
        Ok(())
    }
}

/// The provider that `--worker` names; as the configuration and requests do, it ignores case.
fn of_provider(pair: &str) -> Option<String> {
    Some(pair.split_once('=')?.0.trim().to_ascii_lowercase())
}

/// Each provider's workers, `--worker` before `--worker-url`.
fn worker_urls(
    config: &Config,
    named: &[String],
    rest: Option<&str>,
    is_encrypted: bool,
) -> Result<Urls, Failure> {
    let check = |name: &str, url: &str| {
        weir_rpc::check_url(url, is_encrypted).map_err(|error| format!("worker of {name}: {error}"))
    };
    let mut given = HashMap::<&str, Vec<String>>::new();
    for pair in named {
        let (name, url) = pair
            .split_once('=')
            .ok_or_else(|| format!("--worker: expected PROVIDER=URL, found `{pair}`"))?;
        // As the configuration and requests do, it ignores case.
        let name = name.trim().to_ascii_lowercase();
        let known = config.providers.iter().map(|provider| provider.name.as_str());
        let Some(name) = known.into_iter().find(|known| *known == name) else {
            return Err(format!("--worker: the configuration has no provider `{name}`").into());
        };
        check(name, url)?;
        given.entry(name).or_default().push(url.to_owned());
    }
    if let Some(rest) = rest.filter(|rest| !rest.contains(PROVIDER)) {
        return Err(format!("--worker-url: `{rest}` has no {PROVIDER}").into());
    }
    let url_of = |provider: &weir_config::Provider| {
        let name = provider.name.as_str();
        let from_template = || {
            let missing = || format!("no worker for `{name}`: give --worker {name}=URL");
            let url = rest.ok_or_else(missing)?.replace(PROVIDER, name);
            check(name, &url)?;
            Ok::<_, Failure>(vec![url])
        };
        let urls = given.get(name).cloned().map_or_else(from_template, Ok)?;
        Ok((provider.name.clone(), urls))
    };
    config.providers.iter().map(url_of).collect()
}

/// The workers of one core.
fn workers_of_core(
    ways: &Arc<RwLock<Urls>>,
    connected: &Connected,
    limits: &LinkSettings,
) -> Workers {
    let (ways, connected, limits) = (ways.clone(), connected.clone(), limits.clone());
    Workers::made_by(move |name| {
        let urls = ways.read().unwrap_or_else(PoisonError::into_inner).get(name)?.clone();
        let worker = BalancedWorker::connect(name.clone(), &urls, &limits, Lookup::dns());
        // The addresses were checked when they were read.
        let worker = worker.inspect_err(|error| tracing::error!(%error, "no worker")).ok()?;
        let worker = Arc::new(worker);
        let mut connected = connected.lock().unwrap_or_else(PoisonError::into_inner);
        connected.insert(name.clone(), Arc::downgrade(&worker));
        Some(worker as Arc<dyn WorkerService>)
    })
}

fn admin_state(
    (shared, store, shell): (&Arc<Shared>, &Store, &ProcessShell),
    connected: Connected,
    (metrics, budget): (&Arc<Metrics>, Budget),
    drain: Drain,
) -> AdminState {
    let (shared, kind) = (shared.clone(), store.kind);
    let (metrics, configuration) = (metrics.clone(), shell.configuration());
    let readiness = move || {
        let reach = |(name, worker): (&ProviderName, &Weak<BalancedWorker>)| {
            Some((name.to_string(), parts::reach(worker.upgrade()?.reach())))
        };
        let workers = {
            let connected = connected.lock().unwrap_or_else(PoisonError::into_inner);
            connected.iter().filter_map(reach).collect()
        };
        let mut detail = Map::new();
        detail.insert("quota".to_owned(), parts::quotas(&shared, kind));
        detail.insert("workers".to_owned(), workers);
        detail.insert("config".to_owned(), configuration());
        Readiness { ready: shared.is_ready(), detail }
    };
    AdminState::new(drain, readiness, move || parts::page(&metrics, budget))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(names: &[&str]) -> Config {
        let provider = |name: &&str| weir_config::Provider::with_keys(name, Vec::new());
        Config { providers: names.iter().map(provider).collect(), ..Config::default() }
    }

    fn urls(named: &[&str], rest: Option<&str>) -> Result<Vec<String>, String> {
        let named: Vec<_> = named.iter().map(|&pair| pair.to_owned()).collect();
        let urls = worker_urls(&config(&["openai", "my-host"]), &named, rest, false);
        let urls = urls.map_err(|failure| failure.to_string())?;
        let line = |name: &str| Some(format!("{name} {}", urls.get(name)?.join(" ")));
        Ok(["openai", "my-host"].into_iter().filter_map(line).collect())
    }

    #[test]
    fn named_workers_come_first_and_the_template_serves_the_rest() {
        let template = Some("http://worker-{provider}:7201");
        assert_eq!(
            urls(&["openai=http://o:1"], template).unwrap(),
            ["openai http://o:1", "my-host http://worker-my-host:7201"]
        );
        assert_eq!(
            urls(&["my-host=http://m:2", "openai=http://o:1"], None).unwrap(),
            ["openai http://o:1", "my-host http://m:2"]
        );
        assert_eq!(
            urls(&["My-Host=http://m:2", "OPENAI=http://o:1", "openai=http://p:1"], None).unwrap(),
            ["openai http://o:1 http://p:1", "my-host http://m:2"]
        );
        let several = ["openai=http://o:1", "openai=http://p:1"];
        assert_eq!(
            urls(&several, template).unwrap(),
            ["openai http://o:1 http://p:1", "my-host http://worker-my-host:7201"]
        );
    }

    #[test]
    fn every_provider_needs_a_worker_url() {
        let refused = |named: &[&str], rest| urls(named, rest).unwrap_err();
        assert!(refused(&["openai=http://o:1"], None).contains("--worker my-host=URL"));
        assert!(refused(&["opanai=http://o:1"], None).contains("no provider `opanai`"));
        assert!(refused(&["openai"], None).contains("PROVIDER=URL"));
        assert!(refused(&["openai=o:1"], Some("http://{provider}:1")).contains("of openai: `o:1`"));
        assert!(refused(&[], Some("{provider}:1")).contains("of openai: `openai:1`"));
        assert!(refused(&[], Some("http://worker:7201")).contains("{provider}"));
    }
}
