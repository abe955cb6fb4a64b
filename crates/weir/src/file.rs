//! Reads the configuration file: the one way to it, for `check` and for processes that run with it.

use std::path::Path;

use weir_config::{Config, Loaded, Options};
use weir_types::ProviderName;

use crate::cli::FileArgs;
use crate::process::eprint;
use crate::{Failure, check};

/// The file's content, and what was noticed. The failure says everything that is wrong with it.
pub(crate) fn read(path: &Path, options: &Options) -> Result<Loaded, Failure> {
    let loaded = weir_config::load(path, options)?;
    if loaded.config.providers.is_empty() {
        return Err(format!("{} has no provider that this build serves", path.display()).into());
    }
    Ok(loaded)
}

/// The file's content for a process that runs with it; what was noticed goes to standard error.
pub(crate) fn load(path: &Path, options: &Options) -> Result<Config, Failure> {
    let loaded =
        read(path, options).map_err(|why| format!("{} cannot be used\n{why}", path.display()))?;
    for warning in &loaded.warnings {
        eprint(&warning.to_string());
    }
    if !loaded.ignored.is_empty() {
        eprint(&format!("not used by Weir: {}", loaded.ignored.join(", ")));
    }
    Ok(loaded.config)
}

/// The content for one of several services, which need not have every secret of the file: none, or
/// those of `provider`.
pub(crate) fn shared(args: &FileArgs, provider: Option<&str>) -> Result<Config, Failure> {
    let options = check::options(&args.strictness);
    let only = provider.map(|name| ProviderName::from(name.to_ascii_lowercase().as_str()));
    let variable = options.variable.filter(|_| only.is_some());
    load(&args.config, &Options { variable, only, ..options })
}
