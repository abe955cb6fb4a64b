//! One provider's settings while they change: calls that come are made by those in force, calls under
//! way keep theirs.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio::time::Instant;
use weir_rpc::{CheckedKey, Description, LookAgain};
use weir_telemetry::Telemetry;

use crate::{Settings, Shared};

/// Routers hear of a key that is gone a moment after it went: for so long their calls with it are made
/// as before.
const KEYS_KEPT: Duration = Duration::from_secs(10);

/// What the cores of a worker follow.
pub struct Live {
    present: ArcSwap<InForce>,
    said: watch::Sender<Description>,
    /// Counts what was put in force.
    reloads: watch::Sender<u64>,
    /// Held by whoever asks the servers how they are.
    pub(crate) checking: tokio::sync::Mutex<()>,
    /// Held while settings are replaced.
    replacing: Mutex<()>,
    /// Where settings come from a file that may have changed by now.
    look_again: OnceLock<LookAgain>,
}

struct InForce {
    shared: Arc<Shared>,
    before: Option<(Arc<Shared>, Instant)>,
}

// === impl Live ===

impl Live {
    /// `settings` are in force until others are.
    #[must_use]
    pub fn new(settings: Settings, telemetry: Telemetry) -> Arc<Self> {
        Self::of(Shared::new(settings, telemetry))
    }

    /// The same for settings that are resolved already.
    #[must_use]
    pub fn of(shared: Arc<Shared>) -> Arc<Self> {
        let said = watch::Sender::new(shared.description());
        let present = ArcSwap::from_pointee(InForce { shared, before: None });
        Arc::new(Self {
            present,
            said,
            reloads: watch::Sender::default(),
            checking: tokio::sync::Mutex::default(),
            replacing: Mutex::new(()),
            look_again: OnceLock::new(),
        })
    }

    /// From now on a call with a key that is not known has the file looked at: its router may have read
    /// it a moment earlier.
    pub fn look_again_by(&self, look_again: LookAgain) {
        let _first_stays = self.look_again.set(look_again);
    }

    /// What is in force.
    #[must_use]
    pub fn present(&self) -> Arc<Shared> {
        self.present.load().shared.clone()
    }

    /// From now on calls are made by `shared`, which was made of what was in force before
    /// ([`Shared::renewed`]).
    pub fn replace(&self, shared: Arc<Shared>) {
        let _one = self.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = Some((self.present(), Instant::now()));
        let description = shared.description();
        self.present.store(Arc::new(InForce { shared, before }));
        // Also where it is the same: lists of models may be others now.
        self.said.send_modify(|said| {
            let checked = std::mem::take(&mut said.checked);
            *said = Description { checked, ..description };
        });
        self.reloads.send_modify(|reloads| *reloads += 1);
    }

    /// Whenever other settings are in force.
    pub(crate) fn reloads(&self) -> watch::Receiver<u64> {
        self.reloads.subscribe()
    }

    /// Changes what is known of servers.
    pub(crate) fn found(&self, change: impl FnOnce(&mut Vec<CheckedKey>)) {
        self.said.send_if_modified(|said| {
            let before = said.checked.clone();
            change(&mut said.checked);
            before != said.checked
        });
    }

    /// What a call with `key` is made by.
    pub(crate) fn of_call(&self, key: &str) -> Arc<Shared> {
        let present = self.present.load();
        if let Some((before, until)) = &present.before
            && present.shared.key(key).is_none()
            && before.key(key).is_some()
            && until.elapsed() < KEYS_KEPT
        {
            return before.clone();
        }
        present.shared.clone()
    }

    /// What to wait for before a call with `key` is made, if it is a key that nobody knows.
    pub(crate) fn unknown(&self, key: &str) -> Option<&LookAgain> {
        let shared = self.of_call(key);
        let is_known =
            shared.key(key).is_some() || shared.unusable.iter().any(|one| *one.0 == *key);
        self.look_again.get().filter(|_| !is_known)
    }

    /// What the worker says of itself, now and after every change.
    pub(crate) fn descriptions(&self) -> watch::Receiver<Description> {
        self.said.subscribe()
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("present", &self.present()).finish_non_exhaustive()
    }
}
