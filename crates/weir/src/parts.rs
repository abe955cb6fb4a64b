//! The rooms as parts of a process, made alike whichever process they stand in.
//!
//! [`ProcessShell`] is what every process has around them: the admin listener, and the order in which
//! its cores leave.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Barrier;
use tokio::time::MissedTickBehavior;
use weir_budget::Budget;
use weir_config::Config;
use weir_quota::Timing;
use weir_rpc::{Description, Reach, RouterService, Server};
use weir_runtime::{
    AdminState, Cores, Crowd, Drain, Hosts, HttpLimits, Tls, accept, admin, serve_http, serve_https,
};
use weir_telemetry::{Metrics, Telemetry, Tracer};
use weir_types::{KeyName, ProviderName};

use crate::Failure;
use crate::access;
use crate::cli::{HostArgs, PlanArgs, PublicArgs};
use crate::process::{self, Listeners};
use crate::reload::Reload;
use crate::rooms;
use crate::store::Store;

/// Links at a time on one listener. Each of a neighbour's cores holds one.
const LINKS_MAX: usize = 4096;
/// Connections at a time on the admin listener.
const OPERATORS_MAX: usize = 64;
/// How often a core gives back memory that it does not use.
const GIVE_BACK: Duration = Duration::from_secs(2);

/// Metrics that know the configuration's names, and `tracer`.
pub(crate) fn telemetry(config: &Config, tracer: Tracer) -> Telemetry {
    let telemetry = Telemetry { tracer, ..Telemetry::default() };
    register(config, &telemetry.metrics);
    telemetry
}

/// Lets metrics know the configuration's names.
pub(crate) fn register(config: &Config, metrics: &Metrics) {
    for provider in &config.providers {
        let keys = provider.keys.iter().map(|key| key.name.as_str());
        metrics.register(&provider.name, keys);
    }
}

/// The page for `/metrics`.
pub(crate) fn page(metrics: &Metrics, budget: Budget) -> String {
    metrics.memory(budget.bytes(), budget.used());
    metrics.render()
}

/// A router's state.
pub(crate) fn router(
    config: &Config,
    store: &Store,
    plan: &PlanArgs,
    telemetry: &Telemetry,
) -> Arc<weir_router::Shared> {
    let (timing, serves_share) = (store.timing, store.serves_share);
    let settings = router_settings(config, plan, (timing, serves_share), &telemetry.metrics);
    weir_router::Shared::new(settings, store.quotas.clone(), telemetry.clone())
}

/// Lets a router obey another configuration. `said` is what workers of this process make of it.
pub(crate) fn reload_router(
    router: &weir_router::Shared,
    config: &Config,
    plan: &PlanArgs,
    metrics: &Metrics,
    said: &[Description],
) {
    // The times of the store are those of the start.
    let settings = router_settings(config, plan, (Timing::default(), false), metrics);
    router.reload(settings, said);
}

/// What a router obeys; `metrics` show its limits from now on.
fn router_settings(
    config: &Config,
    plan: &PlanArgs,
    (timing, serves_share): (Timing, bool),
    metrics: &Metrics,
) -> weir_router::Settings {
    let settings = rooms::router(config, timing, serves_share);
    for provider in &settings.providers {
        metrics.pool_limits(&provider.name, provider.concurrency, provider.buffer);
    }
    weir_router::Settings { attempts_max: plan.attempts_max, ..settings }
}

/// The keys that cannot be used, a line each, with the reason.
pub(crate) fn unusable(workers: &[Arc<weir_worker::Shared>]) -> Vec<String> {
    let descriptions = workers.iter().map(|worker| worker.description());
    let line = |provider: &ProviderName, (key, why): (KeyName, String)| {
        format!("{provider}: key {key} cannot be used: {why}")
    };
    let lines = |Description { provider, unusable, .. }: Description| {
        unusable.into_iter().map(|one| line(&provider, one)).collect::<Vec<_>>()
    };
    descriptions.flat_map(lines).collect()
}

/// What /readyz says of limits: where they are kept, how, and whose are other ones than ours.
pub(crate) fn quotas(router: &weir_router::Shared, store: &str) -> Value {
    let modes = router.quota_modes().into_iter();
    let modes: Map<String, Value> =
        modes.map(|(name, mode)| (name.to_string(), Value::from(mode.label()))).collect();
    let skewed: Vec<_> = router.skewed().iter().map(ToString::to_string).collect();
    json!({ "store": store, "mode": modes, "config_skew": skewed })
}

/// What /readyz says of a worker's keys.
pub(crate) fn keys(description: &Description) -> Value {
    let unusable: Map<String, Value> = description
        .unusable
        .iter()
        .map(|(key, why)| (key.to_string(), Value::from(why.as_str())))
        .collect();
    json!({ "usable_keys": description.keys.len(), "unusable_keys": unusable })
}

/// What /readyz says of the services behind a name.
pub(crate) fn reach(reach: Reach) -> Value {
    json!({
        "addresses": reach.addresses,
        "serving": reach.serving,
        "token_refused": reach.refusing,
    })
}

/// What clients' connections may cost, on each of `listeners`.
pub(crate) fn client_limits(args: &PublicArgs, listeners: usize, budget: Budget) -> HttpLimits {
    HttpLimits {
        crowd: process::crowd(args, listeners),
        budget: Some(budget),
        write_rate_min: usize::try_from(args.answer_rate_min).unwrap_or(usize::MAX),
        rejection_body: Some(weir_edge::rejection),
        ..HttpLimits::default()
    }
}

/// Serves clients on `listener`, in front of `router`.
pub(crate) async fn serve_edge(
    (listener, tls): (net::TcpListener, Option<Tls>),
    (live, limits): (Arc<weir_edge::Live>, HttpLimits),
    router: Arc<dyn RouterService>,
    telemetry: Telemetry,
    drain: Drain,
) -> io::Result<()> {
    let app = weir_edge::app(live, weir_edge::ROUTES, router, telemetry);
    match tls {
        None => serve_http(listener, app, limits, drain).await,
        Some(tls) => serve_https(listener, tls, app, limits, drain).await,
    }
}

/// Serves, and meanwhile lets the workers of the core follow the configuration.
pub(crate) async fn following(
    router: &Arc<weir_router::Shared>,
    workers: &weir_router::Workers,
    serve: impl Future<Output = io::Result<()>>,
) -> io::Result<()> {
    let follow = router.clone().follow(workers.clone());
    tokio::select! {
        served = serve => served,
        () = follow => Err(io::Error::other("the core ceased to follow the configuration")),
    }
}

/// Serves other services of the gateway on `listener`.
pub(crate) async fn serve_links(
    listener: net::TcpListener,
    server: Server,
    drain: Drain,
) -> io::Result<()> {
    let crowd = Crowd { connections_max: LINKS_MAX, addresses: None };
    accept(listener, crowd, drain, |stream, seat, mut drain| {
        let stop = async move { drain.draining().await };
        let served = server.clone().serve_connection(stream, stop);
        // A link is kept, also while no call is under way.
        let running = seat.run();
        async move {
            let _running = running;
            served.await;
        }
    })
    .await
}

/// Keeps the calling core from holding memory that it has freed. Never ends.
async fn give_memory_back() -> Infallible {
    let mut ticks = tokio::time::interval(GIVE_BACK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        weir_heap::give_back();
    }
}

/// What a process has beside what it serves.
pub(crate) struct ProcessShell {
    admin: Listeners,
    hosts: AdminHosts,
    reload: Option<Arc<Reload>>,
    finished: Barrier,
}

/// Under which names operators ask. Clones share them.
#[derive(Clone)]
pub(crate) struct AdminHosts {
    address: SocketAddr,
    given: HostArgs,
    names: Arc<RwLock<Hosts>>,
}

impl AdminHosts {
    fn new(address: SocketAddr, config: &Config, given: &HostArgs) -> Self {
        let names = Arc::new(RwLock::new(access::hosts(address, config, given)));
        Self { address, given: given.clone(), names }
    }

    /// From now on those of `config`.
    pub(crate) fn reload(&self, config: &Config) {
        let names = access::hosts(self.address, config, &self.given);
        *self.names.write().unwrap_or_else(PoisonError::into_inner) = names;
    }

    fn present(&self) -> Hosts {
        self.names.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ProcessShell {
    /// Binds `--admin`.
    pub(crate) fn bind(
        admin: SocketAddr,
        cores: Cores,
        config: &Config,
        hosts: &HostArgs,
    ) -> Result<Self, Failure> {
        let admin = Listeners::bind("--admin", admin, 1)?;
        let hosts = AdminHosts::new(admin.address, config, hosts);
        Ok(Self { admin, hosts, reload: None, finished: Barrier::new(cores.count) })
    }

    /// Has signals looked after by `reload`, and operators told of it.
    pub(crate) fn reloading(mut self, reload: Option<Arc<Reload>>) -> Self {
        self.reload = reload;
        self
    }

    /// Under which names operators ask.
    pub(crate) fn hosts(&self) -> AdminHosts {
        self.hosts.clone()
    }

    /// What /readyz says of the configuration.
    pub(crate) fn configuration(&self) -> impl Fn() -> Value + Send + Sync + use<> {
        let reload = self.reload.clone();
        move || reload.as_ref().map_or(Value::Null, |reload| reload.detail())
    }

    /// Where operators connect.
    pub(crate) fn address(&self) -> SocketAddr {
        self.admin.address
    }

    /// One core's life: it serves, and core 0 answers operators and keeps `upkeep` going until
    /// every core has finished, because the others rest on it, and says `farewell` then. `state`,
    /// `upkeep` and `farewell` of the other cores are not used.
    pub(crate) async fn live(
        &self,
        core: usize,
        drain: Drain,
        state: AdminState,
        upkeep: impl Future<Output = ()>,
        serve: impl Future<Output = io::Result<()>>,
        farewell: impl Future<Output = ()>,
    ) -> Result<(), Failure> {
        let mut serve = Box::pin(serve);
        let serve = async {
            tokio::select! {
                served = &mut serve => served,
                never = give_memory_back() => match never {},
            }
        };
        if core != 0 {
            let served = serve.await;
            self.finished.wait().await;
            return Ok(served?);
        }
        let hosts = self.hosts.clone();
        let app = admin(state, move || hosts.present());
        let crowd = Crowd { connections_max: OPERATORS_MAX, addresses: None };
        let limits = HttpLimits { crowd, ..HttpLimits::default() };
        let admin = serve_http(self.admin.take(0)?, app, limits, drain);
        let serve = async {
            let (served, admin) = tokio::join!(serve, admin);
            self.finished.wait().await;
            farewell.await;
            served.and(admin)
        };
        tokio::select! {
            served = serve => Ok(served?),
            () = upkeep => Err("the process's upkeep ended".into()),
            failed = self.hangups() => Err(failed.into()),
        }
    }

    /// Has the configuration looked at when a SIGHUP comes. Ends only if signals cannot be listened for.
    async fn hangups(&self) -> io::Error {
        let Some(reload) = &self.reload else { return std::future::pending().await };
        let mut hangups = match signal(SignalKind::hangup()) {
            Ok(hangups) => hangups,
            Err(error) => return error,
        };
        loop {
            hangups.recv().await;
            reload.signal();
        }
    }
}
