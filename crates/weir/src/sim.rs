//! `weir sim`: the simulated provider as a process of its own.

use std::time::Duration;

use weir_sim::{Settings, Sim};

use crate::Failure;
use crate::cli::SimArgs;
use crate::process::{self, Listeners, print};

/// Runs until it is told to stop.
pub(crate) fn run(args: &SimArgs) -> Result<(), Failure> {
    let _logs = process::logs(&args.process)?;
    let cores = process::cores(&args.process);
    let listeners = Listeners::bind("--listen", args.listen, cores.count)?;
    let sim = Sim::new(settings(args));
    print(&format!("listening on http://{}", listeners.address))?;
    cores.run(async |core, drain| {
        let listener = listeners.take(core)?;
        Ok(sim.serve(listener, drain).await?)
    })?;
    Ok(())
}

fn settings(args: &SimArgs) -> Settings {
    let defaults = Settings::default();
    Settings {
        latency: Duration::from_millis(args.latency_ms),
        chunks: args.chunks,
        interval: Duration::from_millis(args.chunk_interval_ms),
        answer_bytes: args.answer_bytes,
        batch_time: Duration::from_millis(args.batch_ms),
        keys: args.keys.clone(),
        log_requests: args.log_requests,
        log_body_bytes: args.log_body_bytes,
        body_bytes_max: args.max_body_mib.saturating_mul(1 << 20),
        models: if args.models.is_empty() { defaults.models } else { args.models.clone() },
        ..defaults
    }
}
