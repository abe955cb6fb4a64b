//! Reads the configuration file for a process that is to run with it.

use std::path::Path;

use weir_config::{Config, Options};

use crate::cli::FileArgs;
use crate::process::eprint;
use crate::{Failure, check};

/// The file's content; what was noticed goes to standard error.
pub(crate) fn load(path: &Path, options: &Options) -> Result<Config, Failure> {
    let loaded = weir_config::load(path, options)
        .map_err(|report| format!("{} cannot be used\n{report}", path.display()))?;
    for warning in &loaded.warnings {
        eprint(&warning.to_string());
    }
    if !loaded.ignored.is_empty() {
        eprint(&format!("not used by Weir: {}", loaded.ignored.join(", ")));
    }
    if loaded.config.providers.is_empty() {
        return Err(format!("{} has no provider that this build serves", path.display()).into());
    }
    Ok(loaded.config)
}

/// The content for one of several services, which need not have every secret of the file.
pub(crate) fn shared(args: &FileArgs) -> Result<Config, Failure> {
    load(&args.config, &Options { variable: None, ..check::options(&args.strictness) })
}
