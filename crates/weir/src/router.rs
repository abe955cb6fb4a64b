//! `weir router`: the routing service as a process of its own. Reads no secret of a provider.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Map;
use weir_budget::Budget;
use weir_config::Config;
use weir_router::{Router, Shared};
use weir_rpc::{BalancedWorker, LinkSettings, Lookup, WorkerService, router_server};
use weir_runtime::{AdminState, Drain, Readiness};
use weir_telemetry::Metrics;
use weir_types::ProviderName;

use crate::cli::RouterArgs;
use crate::parts::{self, ProcessShell};
use crate::process::{self, Listeners, print};
use crate::store::{self, Store};
use crate::{Failure, access, file, link};

/// What stands for the provider's name in `--worker-url`.
const PROVIDER: &str = "{provider}";

/// Runs until it is told to stop.
pub(crate) fn run(args: &RouterArgs) -> Result<(), Failure> {
    let cores = process::cores(&args.process);
    let config = file::shared(&args.file, None)?;
    let urls = worker_urls(&config, &args.workers, args.worker_url.as_deref())?;
    let logs = process::logs(&args.process)?;
    let (tracer, spans) = process::traces("weir-router")?;
    let telemetry = parts::telemetry(&config, tracer);
    let store = store::pick(&args.store, &config, &logs)?;
    if !store.is_shared() {
        tracing::warn!("limits are kept in memory: they hold for this one router only");
    }
    let shared = parts::router(&config, &store, &args.plan, &telemetry);
    let limits = link::settings(&config, &args.link, process::budget(&args.memory), &logs)?;
    access::insist_on_token(args.listen, &limits.tokens, &args.open)?;
    let links = Listeners::bind("--listen", args.listen, cores.count)?;
    let shell = ProcessShell::bind(args.admin, cores, &config, &args.hosts)?;
    print(&format!("listening on http://{}", links.address))?;
    print(&format!("admin on http://{}", shell.address()))?;
    let stop = cores.run(async |core, drain| {
        let workers = connect(&urls, &limits)?;
        let state = admin_state(
            &shared,
            &store,
            &workers,
            (&telemetry.metrics, limits.budget),
            drain.clone(),
        );
        let services = workers.into_iter().map(|(name, worker)| {
            let worker: Arc<dyn WorkerService> = Arc::new(worker);
            (name, worker)
        });
        let services: weir_router::Workers = Arc::new(services.collect());
        let router = Router::new(shared.clone(), services.clone());
        let server = router_server(Arc::new(router), &limits);
        let serve = parts::serve_links(links.take(core)?, server, drain.clone());
        let upkeep = async {
            tokio::join!(shared.clone().run(services), store.run());
        };
        shell.live(core, drain, state, upkeep, serve).await
    });
    process::end_traces(spans);
    stop?;
    Ok(())
}

type Urls = Vec<(ProviderName, Vec<String>)>;

/// Each provider's workers, `--worker` before `--worker-url`.
fn worker_urls(config: &Config, named: &[String], rest: Option<&str>) -> Result<Urls, Failure> {
    let check = |name: &str, url: &str| {
        weir_rpc::check_url(url).map_err(|error| format!("worker of {name}: {error}"))
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

/// One core's connections.
fn connect(
    urls: &Urls,
    limits: &LinkSettings,
) -> Result<HashMap<ProviderName, BalancedWorker>, Failure> {
    let connect = |(name, urls): &(ProviderName, Vec<String>)| {
        Ok((name.clone(), BalancedWorker::connect(name.clone(), urls, limits, Lookup::dns())?))
    };
    urls.iter().map(connect).collect()
}

fn admin_state(
    shared: &Arc<Shared>,
    store: &Store,
    workers: &HashMap<ProviderName, BalancedWorker>,
    (metrics, budget): (&Arc<Metrics>, Budget),
    drain: Drain,
) -> AdminState {
    let (shared, kind, workers) = (shared.clone(), store.kind, workers.clone());
    let metrics = metrics.clone();
    let readiness = move || {
        let reach = |(name, worker): (&ProviderName, &BalancedWorker)| {
            (name.to_string(), parts::reach(worker.reach()))
        };
        let mut detail = Map::new();
        detail.insert("quota".to_owned(), parts::quotas(&shared, kind));
        detail.insert("workers".to_owned(), workers.iter().map(reach).collect());
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
        let urls = worker_urls(&config(&["openai", "my-host"]), &named, rest);
        let urls = urls.map_err(|failure| failure.to_string())?;
        Ok(urls.into_iter().map(|(name, urls)| format!("{name} {}", urls.join(" "))).collect())
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
