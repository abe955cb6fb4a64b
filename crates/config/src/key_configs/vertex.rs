//! `vertex_key_config`.

use schemars::JsonSchema;

use crate::aliases::{self, Alias};
use crate::reader::Field;
use crate::reference::SecretRef;
use crate::report::Draft;

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
}

pub(super) fn read(field: &Field<'_>, aliases: &mut Vec<Alias>) -> Option<VertexKey> {
    let mut section = field.section()?;
    let vertex = VertexKey {
        project_id: section.needed("project_id", "a Google Cloud project id", |_| Ok(())),
        region: section.needed("region", "a region, as \"us-central1\" or \"global\"", |_| Ok(())),
        project_number: section.reference("project_number"),
        auth_credentials: section.secret("auth_credentials"),
        force_single_region: section.flag("force_single_region").unwrap_or_default(),
    };
    if let Some(field) = section.field("auth_credentials")
        && vertex.auth_credentials.literal().is_some_and(is_broken)
    {
        let draft = Draft::error("not a service account");
        let expected = "the JSON text of a service account, plain or in base64";
        field.report(draft.expected(expected).found("text that starts like JSON and is not"));
    }
    aliases::read_deployments(&mut section, aliases);
    section.finish();
    Some(vertex)
}

fn is_broken(text: &str) -> bool {
    let text = text.trim_start();
    text.starts_with('{') && serde_json::from_str::<serde::de::IgnoredAny>(text).is_err()
}
