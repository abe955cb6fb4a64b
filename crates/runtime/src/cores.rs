//! One thread and one event loop per core, and the thread that called, which minds them.
//!
//! Nothing moves between the loops: what a core accepts it also serves. The calling thread
//! handles signals and the drain limit, so a busy core never delays them. A core that fails or
//! panics takes the process with it: half a process is worse than a restarted one.

use std::any::Any;
use std::error::Error;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::thread;
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::{Drain, DrainControl, Stop};

/// Threads per core for what cannot be awaited: name look-ups, file reads.
const BLOCKING_THREADS_MAX: usize = 16;

/// Why a core could not go on.
pub type CoreError = Box<dyn Error + Send + Sync>;

/// Why a process ended badly.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// An event loop or its thread could not be made.
    #[error("cannot start core {core}: {source}")]
    Start {
        /// Its index.
        core: usize,
        /// What the operating system said.
        source: io::Error,
    },
    /// Signals cannot be listened for, or their event loop cannot be made.
    #[error("cannot listen for signals: {0}")]
    Signals(#[source] io::Error),
    /// A core returned an error.
    #[error("core {core}: {source}")]
    Failed {
        /// Its index.
        core: usize,
        /// Its error.
        source: CoreError,
    },
    /// A core panicked.
    #[error("core {core} panicked: {message}")]
    Panicked {
        /// Its index.
        core: usize,
        /// The panic's message.
        message: String,
    },
}

/// How many event loops, and how long they may take to finish.
#[derive(Debug, Clone, Copy)]
pub struct Cores {
    /// Threads with an event loop each; 0 counts as 1.
    pub count: usize,
    /// From the first SIGTERM or SIGINT up to when what is still in flight is dropped.
    pub drain_limit: Duration,
}

impl Cores {
    /// Runs `core(index, drain)` on every core and returns when all have ended.
    ///
    /// The first SIGTERM or SIGINT starts the drain: each future should finish its work and
    /// return. Those that have not when the limit passes or a second signal comes are dropped,
    /// with every task they spawned.
    ///
    /// # Errors
    /// The first failure of a core, after the others have been stopped.
    pub fn run<F, Fut>(self, core: F) -> Result<Stop, RunError>
    where
        F: Fn(usize, Drain) -> Fut + Sync,
        Fut: Future<Output = Result<(), CoreError>>,
    {
        let minder = event_loop().map_err(RunError::Signals)?;
        let mut signals = minder.block_on(async { Signals::new() }).map_err(RunError::Signals)?;
        let (control, drain) = Drain::new();
        let (control, core) = (&control, &core);
        thread::scope(|scope| {
            let (alive, mut ended) = mpsc::channel::<()>(1);
            let mut threads = Vec::new();
            for index in 0..self.count.max(1) {
                let (drain, alive) = (drain.clone(), alive.clone());
                let started = thread::Builder::new()
                    .name(format!("weir-core-{index}"))
                    .spawn_scoped(scope, move || {
                        let _alive = alive;
                        live(index, core, drain).inspect_err(|_| control.end(Stop::Failed))
                    });
                match started {
                    Ok(thread) => threads.push(thread),
                    Err(source) => {
                        control.end(Stop::Failed);
                        return Err(RunError::Start { core: index, source });
                    }
                }
            }
            drop(alive);
            minder.block_on(mind(&mut signals, &mut ended, control, self.drain_limit));
            let results: Vec<_> = threads.into_iter().map(thread::ScopedJoinHandle::join).collect();
            for (index, result) in results.into_iter().enumerate() {
                result.unwrap_or_else(|panic| Err(panicked(index, &*panic)))?;
            }
            Ok(control.reason().unwrap_or(Stop::Finished))
        })
    }
}

/// SIGTERM and SIGINT.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        let (terminate, interrupt) = (pin!(self.terminate.recv()), pin!(self.interrupt.recv()));
        select(terminate, interrupt).await;
    }
}

/// Turns signals into steps until every core has ended.
async fn mind(
    signals: &mut Signals,
    ended: &mut mpsc::Receiver<()>,
    control: &DrainControl,
    drain_limit: Duration,
) {
    tokio::select! {
        _ = ended.recv() => return,
        () = signals.next() => {}
    }
    tracing::info!(limit_s = drain_limit.as_secs(), "signal received, finishing what is in flight");
    control.start();
    let why = tokio::select! {
        _ = ended.recv() => return,
        () = signals.next() => Stop::SecondSignal,
        () = tokio::time::sleep(drain_limit) => Stop::LimitPassed,
    };
    tracing::warn!(?why, "dropping what is still in flight");
    control.end(why);
    ended.recv().await;
}

/// The whole life of one core's thread.
fn live<F, Fut>(index: usize, core: &F, drain: Drain) -> Result<(), RunError>
where
    F: Fn(usize, Drain) -> Fut,
    Fut: Future<Output = Result<(), CoreError>>,
{
    let lived = catch_unwind(AssertUnwindSafe(|| {
        let runtime = event_loop().map_err(|source| RunError::Start { core: index, source })?;
        let mut end = drain.clone();
        let outcome = runtime.block_on(async {
            match select(pin!(core(index, drain)), pin!(end.over())).await {
                Either::Left((result, _)) => result,
                Either::Right(_) => Ok(()),
            }
        });
        // A name look-up that hangs must not hold up the exit.
        runtime.shutdown_background();
        outcome.map_err(|source| RunError::Failed { core: index, source })
    }));
    lived.unwrap_or_else(|panic| Err(panicked(index, &*panic)))
}

fn panicked(core: usize, panic: &(dyn Any + Send)) -> RunError {
    let text = panic.downcast_ref::<&str>().copied();
    let message = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    RunError::Panicked { core, message: message.unwrap_or("no message").to_owned() }
}

fn event_loop() -> io::Result<Runtime> {
    Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .thread_name("weir-blocking")
        .build()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const CORES: Cores = Cores { count: 3, drain_limit: Duration::from_secs(5) };

    #[test]
    fn every_core_has_a_named_thread_and_an_event_loop_of_its_own() {
        let seen = AtomicUsize::new(0);
        let stop = CORES.run(|index, _| {
            let seen = &seen;
            async move {
                assert_eq!(thread::current().name(), Some(format!("weir-core-{index}").as_str()));
                tokio::task::yield_now().await;
                seen.fetch_add(1 << (8 * index), Ordering::Relaxed);
                Ok(())
            }
        });
        assert_eq!(stop.unwrap(), Stop::Finished);
        assert_eq!(seen.into_inner(), 0x01_01_01);
    }

    #[test]
    fn a_panic_on_one_core_ends_the_others_and_is_reported() {
        let result = CORES.run(|index, _| async move {
            assert_ne!(index, 1, "core one is unwell");
            std::future::pending::<Result<(), CoreError>>().await
        });
        let Err(RunError::Panicked { core: 1, message }) = result else {
            panic!("{result:?}");
        };
        assert!(message.contains("core one is unwell"), "{message}");
    }

    #[test]
    fn an_error_on_one_core_ends_the_others_and_is_reported() {
        let result = CORES.run(|index, mut drain| async move {
            if index == 2 {
                return Err("no socket".into());
            }
            drain.draining().await;
            std::future::pending().await
        });
        assert_eq!(result.unwrap_err().to_string(), "core 2: no socket");
    }
}
