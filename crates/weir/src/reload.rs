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
use weir_config::{Config, Problem, Report, Severity};
use weir_rpc::LookAgain;
use weir_telemetry::Metrics;

use crate::file::{Source, Version};
use crate::{Failure, file};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);
/// Whoever writes a file in place is done by then, or it is looked at again.
const SETTLES: Duration = Duration::from_millis(50);
/// Who asks for a look at one time; more ask for nothing.
const ASKS_MAX: usize = 1024;

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
                file::noticed(&loaded).iter().for_each(|line| tracing::warn!("{line}"));
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
        let why = problems.first().cloned().unwrap_or_default();
        file::cut(problems).iter().for_each(|problem| tracing::error!("{problem}"));
        self.lock().refused = Some(Refused { version, why });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is wrong, a line each, what it is refused for before what is only worth knowing.
fn problems(why: &Failure) -> Vec<String> {
    let Some(report) = why.downcast_ref::<Report>() else {
        return why.to_string().lines().map(str::to_owned).collect();
    };
    let line =
        |one: &Problem| one.to_string().split('\n').map(str::trim).collect::<Vec<_>>().join("; ");
    let is_error = |one: &&Problem| one.severity == Severity::Error;
    let (errors, warnings): (Vec<_>, Vec<_>) = report.problems.iter().partition(is_error);
    errors.into_iter().chain(warnings).map(line).collect()
}

/// Says what of a configuration is in force only after a restart.
pub(crate) fn needs_restart(fields: &[(&str, bool)]) {
    for (field, _) in fields.iter().filter(|(_, has_changed)| *has_changed) {
        tracing::warn!(field, "this field has changed and needs a restart");
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use weir_config::Options;

    use super::*;

    fn write(path: &Path, max_retries: i32) -> String {
        let text = format!(
            r#"{{"client": {{"nonsense": 1, "enable_logging": true}}, "providers": {{"openai": {{
                "network_config": {{"max_retries": {max_retries}}},
                "keys": [{{"name": "a", "value": "env.K", "models": ["*"], "weight": 1}}]}}}}}}"#
        );
        let text = if max_retries < 0 { text } else { text.replace(r#""nonsense": 1, "#, "") };
        fs::write(path, &text).unwrap();
        text
    }

    /// What was taken so far, how often something was refused, and why at last.
    fn seen(reload: &Reload, taken: &[u32]) -> (Vec<u32>, String, Option<String>) {
        let page = reload.metrics.render();
        let refused = page.lines().find(|line| line.contains(r#"outcome="refused""#)).unwrap();
        let refused = refused.rsplit(' ').next().unwrap().to_owned();
        (taken.to_vec(), refused, reload.lock().refused.as_ref().map(|one| one.why.clone()))
    }

    #[test]
    fn a_content_is_judged_once_and_again_when_somebody_asks() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.json");
        write(&path, 1);
        let options = Options { variable: None, ..Options::new(weir_provider::served) };
        let file = Source::new(&path, &options).load().unwrap();
        let version = file.version.clone();
        let reload = Reload::new(file.source, file.version, &Arc::default());
        let mut taken = Vec::new();
        let look = |is_signal: bool, taken: &mut Vec<u32>| {
            reload.look(is_signal, &mut |config| {
                let retries = config.providers[0].network.max_retries;
                if retries == 13 {
                    return Err("13 is refused".into());
                }
                taken.push(retries);
                Ok(())
            });
        };
        look(false, &mut taken);
        assert_eq!(seen(&reload, &taken), (vec![], "0".to_owned(), None));
        look(true, &mut taken);
        assert_eq!(seen(&reload, &taken), (vec![1], "0".to_owned(), None));
        write(&path, -1);
        (0..3).for_each(|_| look(false, &mut taken));
        let (_, refused, why) = seen(&reload, &taken);
        assert!(refused == "1" && why.unwrap().contains("nonsense"));
        fs::remove_file(&path).unwrap();
        (0..3).for_each(|_| look(false, &mut taken));
        write(&path, 13);
        (0..3).for_each(|_| look(false, &mut taken));
        let why = Some("13 is refused".to_owned());
        assert_eq!(seen(&reload, &taken), (vec![1], "3".to_owned(), why));
        assert_eq!(reload.lock().version, version);
        write(&path, 2);
        (0..3).for_each(|_| look(false, &mut taken));
        assert_eq!(seen(&reload, &taken), (vec![1, 2], "3".to_owned(), None));
        assert_ne!(reload.lock().version, version);
    }

    #[test]
    fn what_refuses_a_file_comes_first() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.json");
        write(&path, -1);
        let source = Source::new(&path, &Options::new(weir_provider::served));
        let problems = problems(&source.judge(&source.read()).unwrap_err());
        let kinds: Vec<_> = problems.iter().map(|line| line.contains(": error: ")).collect();
        assert!(kinds.is_sorted_by(|earlier, later| earlier >= later), "{problems:?}");
        assert!(kinds.contains(&true) && kinds.contains(&false), "{problems:?}");
        assert!(!problems.iter().any(|line| line.contains('\n')));
    }
}
