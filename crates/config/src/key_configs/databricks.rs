//! `databricks_key_config`.

use schemars::JsonSchema;

use super::together;
use crate::endpoint;
use crate::reader::Field;
use crate::reference::SecretRef;
use crate::text;

/// A Databricks workspace, and who calls it if the key has no value.
#[derive(Debug, Clone, Default, JsonSchema)]
#[schemars(deny_unknown_fields, extend("x-required" = ["workspace_url"]))]
pub struct DatabricksKey {
    /// The workspace's address; `https://` may be left out.
    pub workspace_url: SecretRef,
    /// Which of the two APIs is called. Default: `auto`.
    #[schemars(with = "Option<ApiFormat>")]
    pub api_format: ApiFormat,
    /// Service principal; with `client_secret`.
    pub client_id: SecretRef,
    /// The service principal's secret.
    pub client_secret: SecretRef,
    /// Whether request tags are passed on.
    #[schemars(with = "Option<bool>")]
    pub forward_gateway_tags: bool,
}

/// Databricks' two APIs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum ApiFormat {
    /// AI gateway for model names with a dot, else model serving.
    #[default]
    Auto,
    /// Model serving endpoints.
    ModelServing,
    /// AI gateway.
    AiGateway,
}

const FORMATS: [(&str, ApiFormat); 3] = [
    ("auto", ApiFormat::Auto),
    ("model_serving", ApiFormat::ModelServing),
    ("ai_gateway", ApiFormat::AiGateway),
];

pub(super) fn read(field: &Field<'_>) -> Option<DatabricksKey> {
    let mut section = field.section()?;
    let expected = "the workspace's address, as https://dbc-1234.cloud.databricks.com";
    let databricks = DatabricksKey {
        workspace_url: section.needed("workspace_url", expected, endpoint::workspace),
        api_format: section.choice("api_format", &FORMATS).unwrap_or_default(),
        client_id: section.reference("client_id"),
        client_secret: section.secret("client_secret", text::line),
        forward_gateway_tags: section.unacted_flag("forward_gateway_tags"),
    };
    let parts = [
        ("client_id", !databricks.client_id.is_none()),
        ("client_secret", !databricks.client_secret.is_none()),
    ];
    together(&section, &parts, "a service principal is named by both");
    section.finish();
    Some(databricks)
}
