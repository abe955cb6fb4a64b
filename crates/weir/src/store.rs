//! Where limits are kept: the one place that picks a quota store.

use std::fs;
use std::sync::Arc;
use std::time::Instant;

use url::Url;
use weir_config::{Config, OnLoss};
use weir_quota::{QuotaStore, Timing};
use weir_quota_memory::MemoryStore;
use weir_quota_redis::RedisStore;
use weir_telemetry::LogGuard;
use weir_types::Secret;

use crate::cli::StoreArgs;
use crate::{Failure, reload};

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

/// Says what of a changed configuration a running store does not follow.
pub(crate) fn needs_restart(
    args: &StoreArgs,
    started_with: &Config,
    config: &Config,
) -> Result<(), Failure> {
    let (was, is) = (&started_with.quota_store, &config.quota_store);
    reload::needs_restart(&[
        ("quota_store.url", address(args, started_with)? != address(args, config)?),
        ("quota_store.prefix", was.prefix != is.prefix),
        ("quota_store.on_loss", was.on_loss != is.on_loss),
        ("quota_store.lease_ttl_ms", was.lease_ttl != is.lease_ttl),
    ]);
    Ok(())
}

/// The address of the store that processes share, if there is one.
pub(crate) fn address(args: &StoreArgs, config: &Config) -> Result<Option<Secret>, Failure> {
    let configured = || {
        let url = config.quota_store.url.resolve();
        url.map_err(|fault| format!("quota_store.url: {fault}"))
    };
    let url = args.redis.clone().map_or_else(configured, |url| Ok(Some(url)))?;
    let Some(path) = &args.redis_password_file else {
        return Ok(url);
    };
    let cannot = |why: &str| format!("--redis-password-file {}: {why}", path.display());
    let url = url.ok_or_else(|| cannot("neither --redis nor quota_store.url has an address"))?;
    let password = fs::read_to_string(path).map_err(|error| cannot(&error.to_string()))?;
    let url = with_password(&url, password.trim()).map_err(cannot)?;
    Ok(Some(url))
}

/// `url` with a password, which it has not yet.
fn with_password(url: &Secret, password: &str) -> Result<Secret, &'static str> {
    if password.is_empty() {
        return Err("the file is empty");
    }
    let mut url = Url::parse(url.expose()).map_err(|_| "the address of Redis is not one")?;
    if url.password().is_some() {
        return Err("the address of Redis has a password already");
    }
    url.set_password(Some(password)).map_err(|()| "in an address of this kind write ?pass=")?;
    Ok(Secret::new(url.into()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_put_where_addresses_have_it() {
        let made = |url: &str, password| {
            let made = with_password(&Secret::new(url.to_owned()), password);
            made.map(|url| url.expose().to_owned())
        };
        let sentinels = "redis+sentinel://u@a:1/master?node=b:2";
        for (url, with) in [
            ("redis://weir@redis:6379", "redis://weir:p%40%2F%3A@redis:6379"),
            ("rediss://redis/3", "rediss://:p%40%2F%3A@redis/3"),
            (sentinels, "redis+sentinel://u:p%40%2F%3A@a:1/master?node=b:2"),
        ] {
            assert_eq!(made(url, "p@/:").as_deref(), Ok(with));
        }
        assert!(made("redis://weir:old@redis", "new").unwrap_err().contains("already"));
        assert!(made("redis+unix:///run/redis", "new").unwrap_err().contains("?pass="));
        assert!(made("redis", "new").is_err() && made("redis://redis", "").is_err());
    }
}
