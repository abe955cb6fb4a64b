//! What every command that keeps running shares: threads, logs, traces, standard output.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use weir_budget::Budget;
use weir_config::process_variable;
use weir_runtime::{Addresses, Cores, Crowd, bind_shared, memory_limit};
use weir_telemetry::{
    LogFormat, LogGuard, LogSettings, TraceGuard, TraceSettings, Tracer, init_logs, init_traces,
};

use crate::Failure;
use crate::cli::{self, MemoryArgs, ProcessArgs, PublicArgs};

/// How long a collector may take for the last spans.
const LAST_SPANS: Duration = Duration::from_secs(5);
/// What a connection takes that does nothing.
const CONNECTION_BYTES: u64 = 16 * 1024;

/// Writes a line to standard output.
pub(crate) fn print(line: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// Whether `failure` is that nobody reads standard output any more.
pub(crate) fn is_broken_pipe(failure: &(dyn std::error::Error + 'static)) -> bool {
    let error = failure.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Writes a line to standard error; where that is closed there is nobody to tell.
pub(crate) fn eprint(line: &str) {
    let _unheard = writeln!(io::stderr().lock(), "{line}");
}

/// Takes memory from the kernel in pages of 4 KiB, never of 2 MiB: one small allocation in each 2 MiB
/// would otherwise keep all of it, so that what the process holds grows with how its memory is
/// scattered and not with what it uses. Where the kernel does not know the request, pages are as they
/// were.
pub(crate) fn use_small_pages() {
    let _unknown = rustix::thread::disable_transparent_huge_pages(true);
}

/// The process's threads, as its flags say.
pub(crate) fn cores(args: &ProcessArgs) -> Cores {
    let available = || thread::available_parallelism().map_or(1, usize::from);
    Cores {
        count: args.threads.unwrap_or_else(available).max(1),
        drain_limit: Duration::from_secs(args.drain_timeout),
    }
}

/// What the process's bodies may take: what its flag says, else half of the memory that it may take.
pub(crate) fn budget(args: &MemoryArgs) -> Budget {
    let half = || usize::try_from(memory_limit()? / 2).ok();
    args.memory_budget.or_else(half).map_or_else(Budget::default, Budget::new)
}

/// Takes as many open files as the process is allowed, for what it serves and what it calls; how many
/// that are.
pub(crate) fn raise_open_files() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let limit = if setrlimit(Resource::Nofile, raised).is_ok() { raised } else { limit };
    limit.current.unwrap_or(u64::MAX)
}

/// How many connections each of the listeners for clients may have: its part of what the flag says,
/// else of half of the open files (the rest is for operators, for the calls that requests need, and for
/// links) and of what a quarter of the memory has room for.
pub(crate) fn crowd(args: &PublicArgs, listeners: usize) -> Crowd {
    let usual = || {
        let by_files = raise_open_files() / 2;
        let by_memory = memory_limit().map_or(u64::MAX, |bytes| bytes / 4 / CONNECTION_BYTES);
        usize::try_from(by_files.min(by_memory)).unwrap_or(usize::MAX)
    };
    let given = args.connections_max.and_then(|given| usize::try_from(given).ok());
    let of_one = args.connections_per_address_max.and_then(|given| usize::try_from(given).ok());
    Crowd {
        connections_max: given.unwrap_or_else(usual).div_ceil(listeners.max(1)),
        addresses: of_one.map(Addresses::new),
    }
}

/// Starts logging.
pub(crate) fn logs(args: &ProcessArgs) -> Result<LogGuard, Failure> {
    let format = match args.log_format {
        cli::LogFormat::Text => LogFormat::Text,
        cli::LogFormat::Json => LogFormat::Json,
    };
    let level = args.log_level.clone();
    Ok(init_logs(&LogSettings { format, level, ..LogSettings::default() })?)
}

/// Starts tracing if the standard variables ask for it; `service` is its name unless they say
/// another.
pub(crate) fn traces(service: &str) -> Result<(Tracer, TraceGuard), Failure> {
    Ok(init_traces(&trace_settings(service)?)?)
}

/// What the standard variables say of traces.
pub(crate) fn trace_settings(service: &str) -> Result<TraceSettings, Failure> {
    Ok(TraceSettings::from_vars(service, process_variable)?)
}

/// Sends the last spans; a collector that is gone is no reason to fail.
pub(crate) fn end_traces(guard: TraceGuard) {
    if let Err(error) = guard.shutdown(LAST_SPANS) {
        tracing::warn!(%error, "the last spans were not exported");
    }
}

/// One listener per core on one address, each to be taken once.
#[derive(Debug)]
pub(crate) struct Listeners {
    /// The address, port chosen.
    pub(crate) address: SocketAddr,
    listeners: Mutex<Vec<Option<TcpListener>>>,
}

impl Listeners {
    /// Binds `flag`'s `address` for `count` cores.
    pub(crate) fn bind(flag: &str, address: SocketAddr, count: usize) -> Result<Self, Failure> {
        let (bound, listeners) = bind_shared(address, count).map_err(|error| {
            format!(
                "cannot listen on {address} ({flag}): {error}; choose another address with {flag}"
            )
        })?;
        let listeners = Mutex::new(listeners.into_iter().map(Some).collect());
        Ok(Self { address: bound, listeners })
    }

    /// The listener of `core`.
    pub(crate) fn take(&self, core: usize) -> Result<TcpListener, Failure> {
        let mut listeners = self.listeners.lock().map_err(|_| "a listener's owner panicked")?;
        let listener = listeners.get_mut(core).and_then(Option::take);
        listener.ok_or_else(|| format!("core {core} has no listener left").into())
    }
}
