//! Another configuration while a process runs: noticed, judged as a start judges it, and taken or
//! refused as a whole.
//!
//! The file is read every second and compared by content. Editors replace files by renaming, Kubernetes
//! by a link of a folder, containers mount single files: of some of these the kernel tells whoever
//! watches nothing, or of a file that is no longer the one under that name. A look costs as much
//! everywhere as reading some kilobytes. A thread of its own does it, so that no request waits for a
//! file system.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use futures_util::FutureExt;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use weir_config::{Config, Report};
use weir_rpc::LookAgain;
use weir_telemetry::Metrics;

use crate::Failure;
use crate::file::{Source, Version};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);
/// Whoever writes a file in place is done by then, or it is looked at again.
const SETTLES: Duration = Duration::from_millis(50);
/// Who asks for a look at one time; more ask for nothing.
const ASKS_MAX: usize = 1024;
/// Problems of a file that are logged.
const PROBLEMS_MAX: usize = 100;

/// What follows the file of one process.
pub(crate) struct Reload {
    source: Source,
    state: Mutex<State>,
    metrics: Arc<Metrics>,
    asks: SyncSender<Ask>,
    asked: Mutex<Option<Receiver<Ask>>>,
}

/// Why the file is looked at before its time.
enum Ask {
    /// An operator says so: it is taken again even if it is the same, with what it refers to.
    Signal,
    /// Somebody has noticed that others have another one, and waits until it was looked at.
    Hint { _looked: oneshot::Sender<()> },
}

/// What is in force, and what is not.
struct State {
    version: Version,
    since: Instant,
    /// The content that was looked at last.
    seen: Version,
    refused: Option<Refused>,
}

struct Refused {
    version: Version,
    why: String,
}

impl Reload {
    /// `version` of `source` is in force.
    pub(crate) fn new(source: Source, version: Version, metrics: &Arc<Metrics>) -> Arc<Self> {
        metrics.configuration(&version, SystemTime::now());
        let (asks, asked) = sync_channel(ASKS_MAX);
        let state = State { seen: version.clone(), version, since: Instant::now(), refused: None };
        Arc::new(Self {
            source,
            state: Mutex::new(state),
            metrics: metrics.clone(),
            asks,
            asked: Mutex::new(Some(asked)),
        })
    }

    /// Follows the file from now on. `take` puts a configuration in force or says why it cannot be, and
    /// has changed nothing then.
    pub(crate) fn start(
        self: &Arc<Self>,
        mut take: impl FnMut(&Config) -> Result<(), Failure> + Send + 'static,
    ) -> Result<(), Failure> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(asked) = asked else { return Ok(()) };
        let reload = Arc::clone(self);
        let mut follow = move || {
            loop {
                let mut asks = match asked.recv_timeout(EVERY) {
                    Ok(first) => vec![first],
                    Err(RecvTimeoutError::Timeout) => Vec::new(),
                    Err(RecvTimeoutError::Disconnected) => return,
                };
                asks.extend(asked.try_iter());
                let is_signal = asks.iter().any(|ask| matches!(ask, Ask::Signal));
                reload.look(is_signal, &mut take);
                // Whoever waits hears of it.
                drop(asks);
            }
        };
        let metrics = self.metrics.clone();
        let follow = move || {
            if catch_unwind(AssertUnwindSafe(&mut follow)).is_err() {
                metrics.reloaded(false);
                tracing::error!(
                    "a defect: the configuration is followed no longer, until a restart"
                );
            }
        };
        thread::Builder::new().name("weir-config".to_owned()).spawn(follow)?;
        Ok(())
    }

    /// Looks now, whatever was seen before.
    pub(crate) fn signal(&self) {
        // Without room there are others that wait for a look.
        let _asked = self.asks.try_send(Ask::Signal);
    }

    /// Looks now; done when it has looked.
    pub(crate) fn hint(&self) -> impl Future<Output = ()> + Send + use<> {
        let (looked, heard) = oneshot::channel();
        let _asked = self.asks.try_send(Ask::Hint { _looked: looked });
        heard.map(drop)
    }

    /// The same for rooms, which know nothing of files.
    pub(crate) fn look_again(self: &Arc<Self>) -> LookAgain {
        let reload = Arc::clone(self);
        Arc::new(move || reload.hint().boxed())
    }

    /// What /readyz says of it.
    pub(crate) fn detail(&self) -> Value {
        let state = self.lock();
        let refused = state.refused.as_ref();
        let refused = refused.map(|one| json!({ "version": one.version, "why": one.why }));
        json!({
            "version": state.version,
            "age_seconds": state.since.elapsed().as_secs(),
            "refused": refused,
        })
    }

    fn look(&self, is_signal: bool, take: &mut dyn FnMut(&Config) -> Result<(), Failure>) {
        let content = self.source.read();
        let is_seen = |version: &Version| *version == self.lock().seen;
        if is_seen(&content.version) && !is_signal {
            return;
        }
        if !is_seen(&content.version) {
            Self::settle();
            if self.source.read().version != content.version {
                return;
            }
        }
        let version = content.version.clone();
        self.lock().seen.clone_from(&version);
        let taken = self.source.judge(&content).and_then(|loaded| {
            take(&loaded.config)?;
            Ok(loaded)
        });
        self.metrics.reloaded(taken.is_ok());
        match taken {
            Ok(loaded) => {
                self.metrics.configuration(&version, SystemTime::now());
                for warning in &loaded.warnings {
                    tracing::warn!("{warning}");
                }
                tracing::info!(version, "the changed configuration is in force");
                let mut state = self.lock();
                (state.version, state.since, state.refused) = (version, Instant::now(), None);
            }
            Err(why) => self.refuse(version, &why),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a thread of its own, which serves nobody")]
    fn settle() {
        thread::sleep(SETTLES);
    }

    fn refuse(&self, version: Version, why: &Failure) {
        let in_force = self.lock().version.clone();
        let path = self.source.path().display();
        tracing::error!(
            %path, version, in_force,
            "the changed configuration is refused, the one before stays in force"
        );
        let problems = problems(why);
        problems.iter().take(PROBLEMS_MAX).for_each(|problem| tracing::error!("{problem}"));
        if let Some(more @ 1..) = problems.len().checked_sub(PROBLEMS_MAX) {
            tracing::error!(more, "there are more problems: `weir check` shows them");
        }
        let why = problems.into_iter().next().unwrap_or_default();
        self.lock().refused = Some(Refused { version, why });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is wrong, a line each.
fn problems(why: &Failure) -> Vec<String> {
    let line = |text: String| text.split('\n').map(str::trim).collect::<Vec<_>>().join("; ");
    match why.downcast_ref::<Report>() {
        Some(report) => report.problems.iter().map(|one| line(one.to_string())).collect(),
        None => why.to_string().lines().map(str::to_owned).collect(),
    }
}

/// Says what of a configuration is in force only after a restart.
pub(crate) fn needs_restart(fields: &[(&str, bool)]) {
    for (field, _) in fields.iter().filter(|(_, has_changed)| *has_changed) {
        tracing::warn!(field, "this field has changed and needs a restart");
    }
}
