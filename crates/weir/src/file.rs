//! Reads the configuration file: the one way to it, for `check` and for processes that run with it.

use std::path::Path;

use weir_config::{Config, Loaded, Options, TOLD_MAX};
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

/// What was noticed that does not keep anything from starting.
pub(crate) fn noticed(loaded: &Loaded) -> Vec<String> {
    let (told, more) = weir_config::told(&loaded.warnings);
    let mut lines: Vec<String> = told.into_iter().map(ToString::to_string).collect();
    if more > 0 {
        lines.push(format!("and {more} more warnings"));
    }
    if !loaded.ignored.is_empty() {
        lines.push(format!("not used by Weir: {}", cut(loaded.ignored.clone()).join(", ")));
    }
    lines
}

/// As many of `lines` as somebody reads.
pub(crate) fn cut(mut lines: Vec<String>) -> Vec<String> {
    if let Some(more) = lines.len().checked_sub(TOLD_MAX).filter(|more| *more > 0) {
        lines.truncate(TOLD_MAX);
        lines.push(format!("and {more} more"));
    }
    lines
}

/// The file's content for a process that runs with it; what was noticed goes to standard error.
pub(crate) fn load(path: &Path, options: &Options) -> Result<Config, Failure> {
    let loaded =
        read(path, options).map_err(|why| format!("{} cannot be used\n{why}", path.display()))?;
    noticed(&loaded).iter().for_each(|line| eprint(line));
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
