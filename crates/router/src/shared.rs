//! What all routers of a process share: settings, pools, and what the workers said of their keys.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use foldhash::HashMap;
use futures_util::future::join_all;
use futures_util::{FutureExt, StreamExt};
use weir_quota::{Incarnation, QuotaStore};
use weir_rpc::{Description, WorkerService};
use weir_telemetry::Telemetry;
use weir_types::{ProviderName, QuotaMode};

use crate::admission::Pool;
use crate::catalog::{Catalogs, UsableKeys};
use crate::lists::Lists;
use crate::settings::{ProviderSettings, Settings};
use crate::workers::Workers;

/// Before a worker whose description ended is asked again.
const DESCRIBE_AGAIN: Duration = Duration::from_secs(1);

/// Incarnations stay below this, so that they cross every store's number format unchanged.
const INCARNATIONS: u64 = 1 << 53;

/// One process's router state. Shared by its per-core [`crate::Router`]s.
pub struct Shared {
    snapshot: ArcSwap<Snapshot>,
    usable: Mutex<UsableKeys>,
    pub(crate) lists: Lists,
    pub(crate) telemetry: Telemetry,
}

/// Everything a request needs to know, as it was when the request came.
pub(crate) struct Snapshot {
    pub(crate) settings: Arc<Settings>,
    pub(crate) catalogs: Catalogs,
    pub(crate) pools: Arc<HashMap<ProviderName, Arc<Pool>>>,
    providers: Arc<[Arc<ProviderSettings>]>,
}

// === impl Shared ===

impl Shared {
    /// State for `settings` over `store`. Nothing is sent before [`Shared::run`] or the first
    /// request.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "every pool gets a handle of the store")]
    pub fn new(settings: Settings, store: Arc<dyn QuotaStore>, telemetry: Telemetry) -> Arc<Self> {
        let router = Incarnation(fastrand::u64(1..INCARNATIONS));
        let providers: Arc<[Arc<ProviderSettings>]> =
            settings.providers.iter().cloned().map(Arc::new).collect();
        let pool = |provider: &Arc<ProviderSettings>| {
            let (timing, serves_share) = (settings.timing, settings.serves_share);
            let pool = Pool::new(provider, store.clone(), router, timing, serves_share);
            (provider.name.clone(), pool)
        };
        let pools = Arc::new(providers.iter().map(pool).collect());
        let catalogs = Catalogs::new(&providers, &UsableKeys::new(), &settings.client_keys);
        let settings = Arc::new(settings);
        let shared = Arc::new(Self {
            snapshot: ArcSwap::from_pointee(Snapshot { settings, catalogs, pools, providers }),
            usable: Mutex::default(),
            lists: Lists::default(),
            telemetry,
        });
        let weak = Arc::downgrade(&shared);
        store.on_bell(Arc::new(move |pool| Self::ring(&weak, pool)));
        shared
    }

    /// Renews leases, polls pools and listens to what `workers` say of their keys. To be spawned
    /// once per process, before the first request; never ends.
    pub async fn run(self: Arc<Self>, workers: impl Into<Workers>) {
        let workers = workers.into();
        let snapshot = self.snapshot();
        let metrics = &self.telemetry.metrics;
        let pools = snapshot.pools.values().map(|pool| pool.clone().keep(metrics.clone()).boxed());
        let described = workers.values().map(|worker| self.clone().listen(worker.clone()).boxed());
        join_all(pools.chain(described)).await;
        // Without providers there is nothing to do, which is no reason to end.
        std::future::pending::<()>().await;
    }

    /// Whether every pool has answered at least once.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.snapshot.load().pools.values().all(|pool| pool.is_reached())
    }

    /// How each pool's limits are kept at present, in the order of names.
    #[must_use]
    pub fn quota_modes(&self) -> Vec<(ProviderName, QuotaMode)> {
        let snapshot = self.snapshot.load();
        let mut modes: Vec<_> =
            snapshot.pools.iter().map(|(name, pool)| (name.clone(), pool.mode())).collect();
        modes.sort_by(|(a, _), (b, _)| a.cmp(b));
        modes
    }

    /// The providers whose pools obey other limits than this process was configured with.
    #[must_use]
    pub fn skewed(&self) -> Vec<ProviderName> {
        let snapshot = self.snapshot.load();
        let skewed = snapshot.pools.iter().filter(|(_, pool)| pool.is_skewed());
        let mut names: Vec<ProviderName> = skewed.map(|(name, _)| name.clone()).collect();
        names.sort();
        names
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    fn ring(shared: &Weak<Self>, pool: &ProviderName) {
        let Some(shared) = shared.upgrade() else {
            return;
        };
        if let Some(pool) = shared.snapshot.load().pools.get(pool) {
            pool.ring();
        }
    }

    async fn listen(self: Arc<Self>, worker: Arc<dyn WorkerService>) {
        loop {
            let mut descriptions = worker.describe();
            while let Some(description) = descriptions.next().await {
                self.described(&description);
            }
            tokio::time::sleep(DESCRIBE_AGAIN).await;
        }
    }

    /// From now on only the keys that a worker can use count as eligible.
    fn described(&self, description: &Description) {
        let names = description.keys.iter().map(|key| key.name.clone()).collect();
        let mut usable = self.usable.lock().unwrap_or_else(PoisonError::into_inner);
        let known = usable.insert(description.provider.clone(), Arc::new(names));
        if known.as_ref() == usable.get(&description.provider) {
            return;
        }
        self.lists.forget(&description.provider);
        for (key, why) in &description.unusable {
            tracing::info!(provider = %description.provider, %key, why, "a key is left out");
        }
        let present = self.snapshot();
        self.snapshot.store(Arc::new(Snapshot {
            settings: present.settings.clone(),
            catalogs: Catalogs::new(&present.providers, &usable, &present.settings.client_keys),
            pools: present.pools.clone(),
            providers: present.providers.clone(),
        }));
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let providers = self.snapshot.load().providers.len();
        f.debug_struct("Shared").field("providers", &providers).finish_non_exhaustive()
    }
}
