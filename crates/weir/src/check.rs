//! `weir check` and `weir schema`: what is wrong with a configuration, and what one looks like.
//!
//! Findings go to standard output, one paragraph each, because they are the answer asked for.

use std::process::ExitCode;

use weir_budget::Budget;
use weir_config::{Options, process_variable};
use weir_telemetry::Telemetry;
use weir_types::Secret;

use crate::cli::{CheckArgs, StoreArgs, Strictness};
use crate::file;
use crate::file::Source;
use crate::fleet::Fleet;
use crate::process::{self, eprint, is_broken_pipe, print};
use crate::{Failure, store};

/// Checks one file; the exit code is 0 if Weir would start with it, here and now.
pub(crate) fn run(args: &CheckArgs) -> ExitCode {
    let judged = judged(args);
    let is_bad = judged.is_err();
    let shown = match judged {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(failure) if is_broken_pipe(&*failure) => Err(failure),
        Err(failure) => print(&failure.to_string()).map(|()| ExitCode::FAILURE),
    };
    shown.unwrap_or_else(|failure| {
        // Whoever read our findings has read enough of them; the exit code still tells.
        if is_broken_pipe(&*failure) {
            return ExitCode::from(u8::from(is_bad));
        }
        eprint(&format!("weir: {failure}"));
        ExitCode::FAILURE
    })
}

/// Prints the JSON Schema.
pub(crate) fn schema() -> Result<(), Failure> {
    print(&serde_json::to_string_pretty(&weir_config::schema())?)
}

/// How this build reads a configuration.
pub(crate) fn options(strictness: &Strictness) -> Options {
    Options {
        strict: strictness.strict,
        accept_ignored: strictness.accept_ignored,
        ..Options::new(weir_provider::served)
    }
}

/// All that a start does before it listens, in its own words.
fn judged(args: &CheckArgs) -> Result<(), Failure> {
    let source = Source::new(&args.file, &options(&args.strictness));
    let loaded = source.judge(&source.read())?;
    let config = &loaded.config;
    for line in file::noticed(&loaded) {
        print(&line)?;
    }
    let fleet = Fleet::new(None, Budget::default(), &Telemetry::default(), None);
    let unusable = fleet.judge(config, &args.strictness)?.unusable();
    for line in file::cut(unusable.clone()) {
        print(&format!("warning: {line}"))?;
    }
    let given = |name| process_variable(name).filter(|text| !text.is_empty());
    let redis = given("WEIR_REDIS").map(Secret::new);
    let redis_password_file = given("WEIR_REDIS_PASSWORD_FILE").map(Into::into);
    store::address(&StoreArgs { redis, redis_password_file }, config)?;
    process::trace_settings("weir")?;
    let keys: usize = config.providers.iter().map(|provider| provider.keys.len()).sum();
    let names: Vec<_> = config.providers.iter().map(|provider| provider.name.as_str()).collect();
    print(&format!(
        "ok: providers served: {}; keys: {keys}, of which cannot be used: {}; warnings: {}",
        names.join(", "),
        unusable.len(),
        loaded.warnings.len()
    ))
}
