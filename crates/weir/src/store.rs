//! Where limits are kept: the one place that picks a quota store.

use std::sync::Arc;
use std::time::Instant;

use weir_config::{Config, OnLoss};
use weir_quota::{QuotaStore, Timing};
use weir_quota_memory::MemoryStore;
use weir_quota_redis::RedisStore;
use weir_telemetry::LogGuard;
use weir_types::Secret;

use crate::Failure;
use crate::cli::StoreArgs;

/// A store, and what goes with it.
pub(crate) struct Store {
    pub(crate) quotas: Arc<dyn QuotaStore>,
    pub(crate) timing: Timing,
    /// Whether a router that lost it serves its share of the limits.
    pub(crate) serves_share: bool,
    /// What /readyz calls it.
    pub(crate) kind: &'static str,
    redis: Option<RedisStore>,
}

/// The store that the flags, or else the configuration, ask for.
pub(crate) fn pick(args: &StoreArgs, config: &Config, logs: &LogGuard) -> Result<Store, Failure> {
    let lease_ttl = u64::try_from(config.quota_store.lease_ttl.as_micros())?;
    match address(args, config)? {
        Some(url) => {
            logs.masks().add(&url);
            redis(&url, lease_ttl, config)
        }
        None => Ok(memory(lease_ttl)),
    }
}

/// The address of the store that processes share, if there is one.
pub(crate) fn address(args: &StoreArgs, config: &Config) -> Result<Option<Secret>, Failure> {
    if let Some(url) = &args.redis {
        return Ok(Some(url.clone()));
    }
    let url = config.quota_store.url.resolve();
    Ok(url.map_err(|fault| format!("quota_store.url: {fault}"))?)
}

fn memory(lease_ttl: u64) -> Store {
    let timing = Timing { grace: false, lease_ttl, ..Timing::default() };
    let started = Instant::now();
    let clock = move || u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    let quotas = Arc::new(MemoryStore::new(timing, clock));
    Store { quotas, timing, serves_share: false, kind: "memory", redis: None }
}

fn redis(url: &Secret, lease_ttl: u64, config: &Config) -> Result<Store, Failure> {
    let timing = Timing { lease_ttl, ..Timing::default() };
    let store = RedisStore::new(weir_quota_redis::Settings {
        prefix: config.quota_store.prefix.clone(),
        timing,
        ..weir_quota_redis::Settings::new(url.expose())
    })
    .map_err(|error| format!("redis: {}", url.retold(&error)))?;
    let serves_share = config.quota_store.on_loss == OnLoss::Share;
    let quotas = Arc::new(store.clone());
    Ok(Store { quotas, timing, serves_share, kind: "redis", redis: Some(store) })
}

impl Store {
    /// What the store has to do beside its requests; never ends. To be run once per process.
    pub(crate) async fn run(&self) {
        match &self.redis {
            Some(store) => Box::pin(store.run()).await,
            None => std::future::pending().await,
        }
    }

    /// Whether other processes use the same store.
    pub(crate) const fn is_shared(&self) -> bool {
        self.redis.is_some()
    }
}
