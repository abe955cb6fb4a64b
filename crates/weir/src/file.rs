//! The configuration file: the one way to it, for `check`, for processes that start with it and for
//! those that run while it changes.

use std::path::{Path, PathBuf};

use ring::digest::{SHA256, digest};
use weir_config::{Config, Loaded, Options, Report, TOLD_MAX};
use weir_types::ProviderName;

use crate::cli::FileArgs;
use crate::process::eprint;
use crate::{Failure, check};

/// Where a process's configuration stands, and how it reads it.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    path: PathBuf,
    options: Options,
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

/// What stood in the file at one time.
pub(crate) struct Content {
    bytes: Result<Vec<u8>, Report>,
    /// Tells contents apart.
    pub(crate) version: Version,
}

/// The beginning of a content's SHA-256, in hexadecimal digits.
pub(crate) type Version = String;

/// A file that a process runs with.
pub(crate) struct File {
    pub(crate) config: Config,
    pub(crate) version: Version,
    pub(crate) source: Source,
}

/// Digits of a version.
const VERSION_DIGITS: usize = 12;

fn version(content: &Result<Vec<u8>, Report>) -> Version {
    let hash = match content {
        Ok(bytes) => digest(&SHA256, bytes),
        Err(report) => digest(&SHA256, report.to_string().as_bytes()),
    };
    let digits: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    digits.chars().take(VERSION_DIGITS).collect()
}

impl Source {
    /// The file at `path`.
    pub(crate) fn new(path: &Path, options: &Options) -> Self {
        Self { path: path.to_owned(), options: options.clone() }
    }

    /// For one of several services, which need not have every secret of the file: none, or those of
    /// `provider`.
    pub(crate) fn shared(args: &FileArgs, provider: Option<&str>) -> Self {
        let options = check::options(&args.strictness);
        let only = provider.map(|name| ProviderName::from(name.to_ascii_lowercase().as_str()));
        let variable = options.variable.filter(|_| only.is_some());
        Self::new(&args.config, &Options { variable, only, ..options })
    }

    /// Where it stands.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What stands there now.
    pub(crate) fn read(&self) -> Content {
        let bytes = weir_config::read(&self.path);
        Content { version: version(&bytes), bytes }
    }

    /// What `content` says, and what was noticed. The failure says everything that is wrong with it.
    pub(crate) fn judge(&self, content: &Content) -> Result<Loaded, Failure> {
        let bytes = content.bytes.as_ref().map_err(Clone::clone)?;
        let loaded = weir_config::judge(&self.path, bytes, &self.options)?;
        if loaded.config.providers.is_empty() {
            let path = self.path.display();
            return Err(format!("{path} has no provider that this build serves").into());
        }
        Ok(loaded)
    }

    /// The file for a process that starts with it; what was noticed goes to standard error.
    pub(crate) fn load(self) -> Result<File, Failure> {
        let content = self.read();
        let refused = |why| format!("{} cannot be used\n{why}", self.path.display());
        let loaded = self.judge(&content).map_err(refused)?;
        noticed(&loaded).iter().for_each(|line| eprint(line));
        Ok(File { config: loaded.config, version: content.version, source: self })
    }
}
