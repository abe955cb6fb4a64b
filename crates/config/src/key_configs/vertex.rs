//! `vertex_key_config`.

use schemars::JsonSchema;

use super::buckets::{self, Buckets};
use crate::aliases::{self, Alias};
use crate::reader::Field;
use crate::reference::SecretRef;
use crate::text;

/// Where Vertex AI is called, and as whom if the key has no value.
#[derive(Debug, Clone, Default, JsonSchema)]
#[schemars(deny_unknown_fields, extend("x-required" = ["project_id", "region"]))]
#[schemars(transform = aliases::add_deployments)]
pub struct VertexKey {
    /// Google Cloud project id.
    pub project_id: SecretRef,
    /// Region, as `us-central1`, or `global`.
    pub region: SecretRef,
    /// The project's number; needed for fine-tuned models.
    pub project_number: SecretRef,
    /// Service account: its JSON text, plain or in base64. Empty: the process's own identity.
    pub auth_credentials: SecretRef,
    /// Use the region as it is written.
    #[schemars(with = "Option<bool>")]
    pub force_single_region: bool,
    /// Where batch files are kept.
    pub batch_gcs_config: Option<Buckets>,
}

impl VertexKey {
    /// Whether it names a bucket.
    pub(crate) fn has_buckets(&self) -> bool {
        self.batch_gcs_config.as_ref().is_some_and(|gcs| !gcs.buckets.is_empty())
    }
}

pub(super) fn read(field: &Field<'_>, aliases: &mut Vec<Alias>) -> Option<VertexKey> {
    let mut section = field.section()?;
    let vertex = VertexKey {
        project_id: section.needed("project_id", "a Google Cloud project id", text::line),
        region: section.needed(
            "region",
            "a region, as \"us-central1\" or \"global\"",
            text::region,
        ),
        project_number: section.reference("project_number"),
        auth_credentials: section.secret("auth_credentials", text::service_account),
        force_single_region: section.flag("force_single_region").unwrap_or_default(),
        batch_gcs_config: section.field("batch_gcs_config").and_then(|field| buckets::read(&field)),
    };
    aliases::read_deployments(&mut section, aliases);
    section.finish();
    Some(vertex)
}
