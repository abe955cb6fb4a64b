//! `azure_key_config`.

use schemars::JsonSchema;

use super::together;
use crate::aliases::{self, Alias};
use crate::endpoint;
use crate::reader::Field;
use crate::reference::SecretRef;
use crate::text;

/// Where an Azure resource is, and who calls it if the key has no value.
#[derive(Debug, Clone, Default, JsonSchema)]
#[schemars(deny_unknown_fields, extend("x-required" = ["endpoint"]))]
#[schemars(transform = aliases::add_deployments)]
pub struct AzureKey {
    /// The resource's address, as `https://NAME.openai.azure.com`.
    pub endpoint: SecretRef,
    /// Entra service principal; with `client_secret` and `tenant_id`.
    pub client_id: SecretRef,
    /// The service principal's secret.
    pub client_secret: SecretRef,
    /// The service principal's tenant.
    pub tenant_id: SecretRef,
    /// Scopes of the token. Default: `https://cognitiveservices.azure.com/.default`.
    #[schemars(with = "Option<Vec<String>>")]
    pub scopes: Vec<String>,
    /// Version of the older API; the newer one has none.
    pub api_version: SecretRef,
}

pub(super) fn read(field: &Field<'_>, aliases: &mut Vec<Alias>) -> Option<AzureKey> {
    let mut section = field.section()?;
    let expected = "the resource's address, as https://NAME.openai.azure.com";
    let azure = AzureKey {
        endpoint: section.needed("endpoint", expected, endpoint::https),
        client_id: section.reference("client_id"),
        client_secret: section.secret("client_secret", text::line),
        tenant_id: section.reference("tenant_id"),
        scopes: section.texts("scopes").unwrap_or_default(),
        api_version: section.reference("api_version"),
    };
    aliases::read_deployments(&mut section, aliases);
    let parts = [
        ("client_id", !azure.client_id.is_none()),
        ("client_secret", !azure.client_secret.is_none()),
        ("tenant_id", !azure.tenant_id.is_none()),
    ];
    together(&section, &parts, "a service principal is named by all three");
    section.finish();
    Some(azure)
}
