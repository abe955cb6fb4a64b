//! What all routers of a process share: settings, pools, and what the workers said of their keys.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use arc_swap::ArcSwap;
use foldhash::HashMap;
use tokio::sync::watch;
use tokio::task::JoinSet;
use weir_quota::{Incarnation, QuotaStore};
use weir_rpc::{Description, LookAgain};
use weir_telemetry::Telemetry;
use weir_types::{ProviderName, QuotaMode};

use crate::admission::Pool;
use crate::breaker::Breakers;
use crate::catalog::Catalogs;
use crate::clock::now;
use crate::hedges::Hedges;
use crate::lists::Lists;
use crate::settings::{ProviderSettings, Settings};
use crate::usable::{Unusable, Usable};

/// Incarnations stay below this, so that they cross every store's number format unchanged.
const INCARNATIONS: u64 = 1 << 53;

/// One process's router state. Shared by its per-core [`crate::Router`]s.
pub struct Shared {
    snapshot: ArcSwap<Snapshot>,
    /// Held while the snapshot is replaced.
    usable: Mutex<Usable>,
    /// Every pool that something may be held of, also those of providers that were taken out.
    pub(crate) pools: Mutex<Pools>,
    store: Arc<dyn QuotaStore>,
    /// The generation in force, for those who wait for another.
    pub(crate) reloads: watch::Sender<u64>,
    was_ready: AtomicBool,
    /// Where settings come from a file that may have changed by now.
    look_again: OnceLock<LookAgain>,
    pub(crate) lists: Lists,
    pub(crate) breakers: Arc<Breakers>,
    pub(crate) hedges: Hedges,
    pub(crate) telemetry: Telemetry,
}

/// Pools by provider.
type Pools = HashMap<ProviderName, Arc<Pool>>;

/// Everything a request needs to know, as it was when the request came.
pub(crate) struct Snapshot {
    /// Counts configurations.
    pub(crate) generation: u64,
    pub(crate) settings: Arc<Settings>,
    pub(crate) catalogs: Catalogs,
    pub(crate) pools: Arc<Pools>,
    providers: Arc<[Arc<ProviderSettings>]>,
}

impl Snapshot {
    /// A provider's settings.
    pub(crate) fn provider(&self, name: &ProviderName) -> Option<&ProviderSettings> {
        self.providers.iter().find(|provider| provider.name == *name).map(|provider| &**provider)
    }

    /// The providers' names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &ProviderName> {
        self.providers.iter().map(|provider| &provider.name)
    }
}

// === impl Shared ===

impl Shared {
    /// State for `settings` over `store`. Nothing is sent before [`Shared::run`] or the first
    /// request.
    #[must_use]
    pub fn new(settings: Settings, store: Arc<dyn QuotaStore>, telemetry: Telemetry) -> Arc<Self> {
        let nothing = Snapshot {
            generation: 0,
            settings: Arc::new(Settings { providers: Vec::new(), ..settings.clone() }),
            catalogs: Catalogs::new(
                &Arc::default(),
                &Usable::default().keys(),
                &settings.client_keys,
            ),
            pools: Arc::default(),
            providers: Arc::default(),
        };
        let shared = Arc::new(Self {
            snapshot: ArcSwap::from_pointee(nothing),
            usable: Mutex::default(),
            pools: Mutex::default(),
            store,
            reloads: watch::Sender::new(0),
            was_ready: AtomicBool::new(false),
            look_again: OnceLock::new(),
            lists: Lists::default(),
            breakers: Arc::default(),
            hedges: Hedges::default(),
            telemetry,
        });
        shared.reload(settings, &[]);
        let weak = Arc::downgrade(&shared);
        shared.store.on_bell(Arc::new(move |pool| Self::ring(&weak, pool)));
        shared
    }

    /// From now on requests that come are served by `settings`, those under way by what they began
    /// with. Pools that stay are resized in place; what is held and waits there stays. `said` is what
    /// workers say of their keys under these settings, as far as that is known already. Times and how
    /// the store is used stay as they were.
    pub fn reload(&self, settings: Settings, said: &[Description]) {
        let mut usable = self.lock_usable();
        let present = self.snapshot();
        let settings = Settings {
            timing: present.settings.timing,
            serves_share: present.settings.serves_share,
            ..settings
        };
        let providers: Arc<[Arc<ProviderSettings>]> =
            settings.providers.iter().cloned().map(Arc::new).collect();
        usable.reloaded(&present.providers, &providers, now());
        for description in said {
            usable.described(description, now());
        }
        let pools = Arc::new(self.pools_of(&providers, &settings));
        let catalogs = Catalogs::new(&providers, &usable.keys(), &settings.client_keys);
        let (generation, settings) = (present.generation + 1, Arc::new(settings));
        let next = Snapshot { generation, settings, catalogs, pools, providers };
        self.snapshot.store(Arc::new(next));
        drop(usable);
        self.lists.forget_all();
        self.reloads.send_replace(generation);
    }

    /// The pools of `providers`, resized or made. Those that are left out end when nothing is held of
    /// them any more.
    fn pools_of(&self, providers: &[Arc<ProviderSettings>], settings: &Settings) -> Pools {
        let pools = self.pools_for(providers, settings);
        // Without the lock: a store may ring while it is told.
        for provider in providers {
            if let Some(pool) = pools.get(&provider.name) {
                pool.resize(provider);
            }
        }
        pools
    }

    fn pools_for(&self, providers: &[Arc<ProviderSettings>], settings: &Settings) -> Pools {
        let mut all = self.lock_pools();
        let pool = |provider: &Arc<ProviderSettings>| {
            let made = || {
                let (timing, serves_share) = (settings.timing, settings.serves_share);
                // One of its own: a pool that comes back is not taken for the life that ended before.
                let router = Incarnation(fastrand::u64(1..INCARNATIONS));
                Pool::new(provider, self.store.clone(), router, timing, serves_share)
            };
            let pool = all.entry(provider.name.clone()).or_insert_with(made);
            (provider.name.clone(), pool.clone())
        };
        let pools: Pools = providers.iter().map(pool).collect();
        for (name, pool) in all.iter() {
            pool.retire(!pools.contains_key(name));
        }
        pools
    }

    /// Whether every pool has answered at least once, outside of a grace. Pools that a reload brings do
    /// not make it unready again.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        if self.was_ready.load(Ordering::Relaxed) {
            return true;
        }
        let is_ready = self.snapshot.load().pools.values().all(|pool| pool.is_ready());
        self.was_ready.store(is_ready, Ordering::Relaxed);
        is_ready
    }

    /// Tells every pool that this process goes: nobody waits for it then, and what it still holds is
    /// free. To be called when no request runs any more.
    pub async fn leave(&self) {
        let pools: Vec<_> = self.lock_pools().values().cloned().collect();
        let leaving: JoinSet<()> =
            pools.into_iter().map(|pool| async move { pool.leave().await }).collect();
        leaving.join_all().await;
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

    /// From now on a request whose keys a pool does not know, or whose client's key is not known, has the
    /// file looked at: another router or the edge may have read it a moment earlier.
    pub fn look_again_by(&self, look_again: LookAgain) {
        let _first_stays = self.look_again.set(look_again);
    }

    /// Another snapshot than that of `generation`, if there is one by now.
    pub(crate) async fn newer(&self, generation: u64) -> Option<Arc<Snapshot>> {
        let is_newer = |snapshot: &Arc<Snapshot>| snapshot.generation != generation;
        if let Some(snapshot) = Some(self.snapshot()).filter(is_newer) {
            return Some(snapshot);
        }
        self.look_again.get()?().await;
        Some(self.snapshot()).filter(is_newer)
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    pub(crate) fn lock_pools(&self) -> MutexGuard<'_, Pools> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The keys that a provider's worker last said it cannot use; `None`: it said nothing yet.
    pub(crate) fn said_of(&self, provider: &ProviderName) -> Option<Unusable> {
        self.lock_usable().said_of(provider)
    }

    fn lock_usable(&self) -> MutexGuard<'_, Usable> {
        self.usable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(shared: &Weak<Self>, pool: &ProviderName) {
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let pool = shared.lock_pools().get(pool).cloned();
        if let Some(pool) = pool {
            pool.ring();
        }
    }

    /// From now on only the keys that a worker can use count as eligible.
    pub(crate) fn described(&self, description: &Description) {
        self.lists.forget(&description.provider);
        let mut usable = self.lock_usable();
        let is_known = self.snapshot.load().names().any(|name| *name == description.provider);
        if !is_known {
            return;
        }
        let is_news = usable.described(description, now());
        if usable.hopes() {
            // From now on its time counts.
            self.reloads.send_modify(|_| {});
        }
        if !is_news {
            return;
        }
        for (key, why) in &description.unusable {
            tracing::info!(provider = %description.provider, %key, why, "a key is left out");
        }
        self.count_keys(&usable);
    }

    /// What workers have not spoken of by now they cannot use.
    pub(crate) fn settle_keys(&self) {
        let mut usable = self.lock_usable();
        if usable.settle(now()) {
            self.count_keys(&usable);
        }
    }

    fn count_keys(&self, usable: &Usable) {
        let present = self.snapshot();
        let keys = &present.settings.client_keys;
        self.snapshot.store(Arc::new(Snapshot {
            generation: present.generation,
            settings: present.settings.clone(),
            catalogs: Catalogs::new(&present.providers, &usable.keys(), keys),
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
