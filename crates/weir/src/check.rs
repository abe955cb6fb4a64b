//! `weir check` and `weir schema`: what is wrong with a configuration, and what one looks like.
//!
//! Findings go to standard output, one paragraph each, because they are the answer asked for.

use std::process::ExitCode;

use weir_config::{Loaded, Options};

use crate::Failure;
use crate::cli::{CheckArgs, Strictness};
use crate::process::{eprint, is_broken_pipe, print};

/// Checks one file; the exit code is 0 if Weir would start with it.
pub(crate) fn run(args: &CheckArgs) -> ExitCode {
    let loaded = weir_config::load(&args.file, &options(&args.strictness));
    let is_bad = loaded.is_err();
    let shown = match loaded {
        Ok(loaded) => summary(&loaded).map(|()| ExitCode::SUCCESS),
        Err(report) => print(&report.to_string()).map(|()| ExitCode::FAILURE),
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

fn summary(loaded: &Loaded) -> Result<(), Failure> {
    for warning in &loaded.warnings {
        print(&warning.to_string())?;
    }
    if !loaded.ignored.is_empty() {
        print(&format!("not used by Weir: {}", loaded.ignored.join(", ")))?;
    }
    let providers = &loaded.config.providers;
    let keys: usize = providers.iter().map(|provider| provider.keys.len()).sum();
    let names: Vec<_> = providers.iter().map(|provider| provider.name.as_str()).collect();
    let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    print(&format!(
        "ok: providers served: {names}; keys: {keys}; warnings: {}",
        loaded.warnings.len()
    ))
}
