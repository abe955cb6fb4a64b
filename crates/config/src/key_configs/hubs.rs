//! `replicate_key_config` and `huggingface_key_config`: hubs of many models.

use schemars::JsonSchema;

use crate::aliases::{self, Alias};
use crate::reader::Field;

/// How Replicate is called.
#[derive(Debug, Clone, Copy, Default, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(transform = aliases::add_deployments)]
pub struct ReplicateKey {
    /// Whether models are deployments of one's own.
    #[schemars(with = "Option<bool>")]
    pub use_deployments_endpoint: bool,
}

/// Holds `deployments` in older files; nothing else.
#[derive(Debug, Clone, Copy, Default, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(transform = aliases::add_deployments)]
pub struct HuggingfaceKey {}

pub(super) fn read_replicate(field: &Field<'_>, aliases: &mut Vec<Alias>) -> Option<ReplicateKey> {
    let mut section = field.section()?;
    let use_deployments_endpoint = section.flag("use_deployments_endpoint").unwrap_or_default();
    aliases::read_deployments(&mut section, aliases);
    section.finish();
    Some(ReplicateKey { use_deployments_endpoint })
}

pub(super) fn read_huggingface(
    field: &Field<'_>,
    aliases: &mut Vec<Alias>,
) -> Option<HuggingfaceKey> {
    let mut section = field.section()?;
    aliases::read_deployments(&mut section, aliases);
    section.finish();
    Some(HuggingfaceKey {})
}
