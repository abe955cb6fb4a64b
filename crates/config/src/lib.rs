//! `config.json`: loaded, checked, explained.
//!
//! One file configures every process. This crate turns its text into plain typed settings with the
//! defaults applied, or into a report of all that is wrong with it, each problem with its line,
//! column, JSON path and what to do. It does not know the rooms: `weir` hands each its part.
//!
//! `source` makes a tree with positions from the text, `reader` walks it and collects problems,
//! one file per section reads that section, and the same structs describe the format (`schema`).
//! Secrets stay references until the process that needs one asks for it (`SecretRef::resolve`).

mod aliases;
mod arn;
mod builtin;
mod client;
mod config;
mod custom;
mod endpoint;
mod environment;
mod governance;
mod ignored;
mod key;
mod key_configs;
mod models;
mod names;
mod network;
mod options;
mod pem;
mod places;
mod pool;
mod pricing;
mod prompt_cache;
mod provider;
mod proxy;
mod quota_store;
mod reader;
mod reference;
mod report;
mod scalar;
mod schema;
mod source;
mod suggest;
mod text;
mod unacted;

use std::path::Path;

pub use aliases::{Alias, ModelFamily};
pub use arn::Arn;
pub use builtin::{BUILTIN_PROVIDERS, is_builtin};
pub use client::{Client, HOST_EXPECTED, HeaderFilter, is_allowed_host};
pub use config::{Config, Version};
pub use custom::{BaseProvider, Custom, Requests};
pub use environment::{ProxyVariables, from_environment, process_variable};
pub use governance::{Governance, HASH as CLIENT_KEY_HASH, ProviderConfig, VirtualKey};
pub use key::{Key, STORING};
pub use key_configs::{
    ApiFormat, AzureKey, BedrockKey, BedrockMantleKey, Bucket, Buckets, DatabricksKey,
    GithubCopilotKey, HuggingfaceKey, KeyBlocks, ReplicateKey, UrlKey, VertexKey, VllmKey,
};
pub use network::{HealthCheck, Network, ThroughputGuard};
pub use options::Options;
pub use pool::Pool;
pub use pricing::{MatchType, PricingOverride};
pub use prompt_cache::{InjectionPoint, PromptCache};
pub use provider::{OpenAi, Provider};
pub use proxy::{Proxy, ProxyType};
pub use quota_store::{OnLoss, QuotaStore};
pub use reference::{SecretRef, ValueFault, Variable};
pub use report::{Problem, Report, Severity, TOLD_MAX, told};
pub use schema::schema;

/// The largest file that is read, in bytes.
pub const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// A configuration that may be used, and what was noticed about it.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings, defaults applied.
    pub config: Config,
    /// What works differently from what the file may lead one to expect, in file order.
    pub warnings: Vec<Problem>,
    /// Sections of the format that Weir does not use, as paths, in file order.
    pub ignored: Vec<String>,
}

/// Reads and checks the file at `path`.
///
/// # Errors
/// Everything that is wrong with the file, or that it cannot be read.
pub fn load(path: &Path, options: &Options) -> Result<Loaded, Report> {
    judge(path, &read(path)?, options)
}

/// What stands in the file at `path` now.
///
/// # Errors
/// It cannot be read, or is too long.
pub fn read(path: &Path) -> Result<Vec<u8>, Report> {
    let name = path.display().to_string();
    source::read(path).map_err(|problem| Report::of_file(&name, problem))
}

/// Checks `bytes`, which stood in the file at `path`.
///
/// # Errors
/// Everything that is wrong with them.
pub fn judge(path: &Path, bytes: &[u8], options: &Options) -> Result<Loaded, Report> {
    let name = path.display().to_string();
    let text = source::utf8(&name, bytes)?;
    parse(&name, text, options)
}

/// Checks `text`, called `name` in messages.
///
/// # Errors
/// Everything that is wrong with the text, warnings included.
pub fn parse(name: &str, text: &str, options: &Options) -> Result<Loaded, Report> {
    let source = source::Source::parse(name, text)?;
    let reader = reader::Reader::new(&source, options);
    let config = config::read(&reader);
    reader.conclude(config)
}
