//! `*_key_config`: what a key needs besides its value, per provider.
//!
//! A block on a key of another provider is refused, as nothing would read it. A custom provider's
//! keys take the blocks of its base.

mod azure;
mod bedrock;
mod buckets;
mod databricks;
mod github_copilot;
mod hosts;
mod hubs;
mod vertex;

use schemars::JsonSchema;

use crate::aliases::Alias;
use crate::key::Context;
use crate::reader::{Field, Section};
use crate::report::Draft;

pub use azure::AzureKey;
pub use bedrock::{BedrockKey, BedrockMantleKey};
pub use buckets::{Bucket, Buckets};
pub use databricks::{ApiFormat, DatabricksKey};
pub use github_copilot::GithubCopilotKey;
pub use hosts::{UrlKey, VllmKey};
pub use hubs::{HuggingfaceKey, ReplicateKey};
pub use vertex::VertexKey;

/// The provider-specific parts of a key; at most one is there.
#[derive(Debug, Clone, Default, JsonSchema)]
pub struct KeyBlocks {
    /// Azure OpenAI.
    pub azure_key_config: Option<AzureKey>,
    /// AWS Bedrock.
    pub bedrock_key_config: Option<BedrockKey>,
    /// AWS Bedrock's OpenAI- and Anthropic-style endpoints.
    pub bedrock_mantle_key_config: Option<BedrockMantleKey>,
    /// Google Vertex AI.
    pub vertex_key_config: Option<VertexKey>,
    /// vLLM: one key per served model.
    pub vllm_key_config: Option<VllmKey>,
    /// Ollama.
    pub ollama_key_config: Option<UrlKey>,
    /// SGLang.
    pub sgl_key_config: Option<UrlKey>,
    /// Replicate.
    pub replicate_key_config: Option<ReplicateKey>,
    /// Hugging Face, older files only.
    pub huggingface_key_config: Option<HuggingfaceKey>,
    /// Databricks.
    pub databricks_key_config: Option<DatabricksKey>,
    /// GitHub Copilot.
    pub github_copilot_key_config: Option<GithubCopilotKey>,
}

/// The blocks of a key; `aliases` receives their `deployments`.
pub(crate) fn read(
    key: &mut Section<'_>,
    context: &Context<'_>,
    aliases: &mut Vec<Alias>,
) -> KeyBlocks {
    let vendor = context.vendor;
    let mut blocks = Blocks { key, vendor };
    KeyBlocks {
        azure_key_config: blocks
            .take("azure", "azure_key_config", true, |f| azure::read(f, aliases)),
        bedrock_key_config: blocks
            .take("bedrock", "bedrock_key_config", true, |f| bedrock::read(f, aliases)),
        bedrock_mantle_key_config: blocks.take(
            "bedrock_mantle",
            "bedrock_mantle_key_config",
            true,
            bedrock::read_mantle,
        ),
        vertex_key_config: blocks
            .take("vertex", "vertex_key_config", true, |f| vertex::read(f, aliases)),
        vllm_key_config: blocks.take("vllm", "vllm_key_config", true, hosts::read_vllm),
        ollama_key_config: blocks.take_url("ollama", "ollama_key_config", context),
        sgl_key_config: blocks.take_url("sgl", "sgl_key_config", context),
        replicate_key_config: blocks
            .take("replicate", "replicate_key_config", false, |f| hubs::read_replicate(f, aliases)),
        huggingface_key_config: blocks.take("huggingface", "huggingface_key_config", false, |f| {
            hubs::read_huggingface(f, aliases)
        }),
        databricks_key_config: blocks.take(
            "databricks",
            "databricks_key_config",
            true,
            databricks::read,
        ),
        github_copilot_key_config: blocks.take(
            "github-copilot",
            "github_copilot_key_config",
            false,
            github_copilot::read,
        ),
    }
}

struct Blocks<'k, 'a> {
    key: &'k mut Section<'a>,
    vendor: &'k str,
}

impl<'a> Blocks<'_, 'a> {
    /// The block `name` of keys of `owner`.
    fn take<T>(
        &mut self,
        owner: &str,
        name: &'static str,
        required: bool,
        read: impl FnOnce(&Field<'a>) -> Option<T>,
    ) -> Option<T> {
        if owner != self.vendor {
            self.key.refuse(name, &[owner], self.vendor);
            return None;
        }
        match self.key.field(name) {
            Some(field) => read(&field),
            None => {
                if required {
                    self.key.missing(name, &format!("an object; a key of {owner} needs it"));
                }
                None
            }
        }
    }

    /// A block that holds a URL only. Files older than the block have the URL in
    /// `network_config.base_url`.
    fn take_url(
        &mut self,
        owner: &str,
        name: &'static str,
        context: &Context<'_>,
    ) -> Option<UrlKey> {
        let older = context.base_url.filter(|url| !url.is_none());
        let block = self.take(owner, name, older.is_none(), |field| hosts::read(field, older));
        let older_only = block.is_none() && owner == self.vendor && self.key.field(name).is_none();
        let fallback = || older.map(|url| UrlKey { url: url.clone() });
        if older_only { fallback() } else { block }
    }
}

/// Notes that of several fields that need each other only some are there.
fn together(section: &Section<'_>, names: &[(&str, bool)], why: &str) {
    let present = names.iter().filter(|(_, there)| *there).count();
    if present == 0 || present == names.len() {
        return;
    }
    let missing: Vec<&str> =
        names.iter().filter(|(_, there)| !there).map(|(name, _)| *name).collect();
    let all: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
    let draft = Draft::error("incomplete credentials");
    section.report(
        draft
            .expected(format!("all of {} or none of them", all.join(", ")))
            .found(format!("no {}", missing.join(", no ")))
            .help(why),
    );
}
