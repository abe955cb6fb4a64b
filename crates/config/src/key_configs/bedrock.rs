//! `bedrock_key_config` and `bedrock_mantle_key_config`.

use schemars::JsonSchema;

use super::buckets::{self, Buckets};
use super::together;
use crate::aliases::{self, Alias};
use crate::arn;
use crate::reader::{Field, Section};
use crate::reference::SecretRef;
use crate::text;

/// Where Bedrock is called, and as whom if the key has no value.
#[derive(Debug, Clone, Default, JsonSchema)]
#[schemars(deny_unknown_fields, extend("x-required" = ["region"]))]
#[schemars(transform = aliases::add_deployments)]
pub struct BedrockKey {
    /// AWS region, as `us-east-1`.
    pub region: SecretRef,
    /// Access key id; with `secret_key`. Without both: the process's own AWS identity.
    pub access_key: SecretRef,
    /// Secret access key.
    pub secret_key: SecretRef,
    /// Token of temporary credentials.
    pub session_token: SecretRef,
    /// Prefix of model ARNs.
    pub arn: SecretRef,
    /// Role to assume on top.
    pub role_arn: SecretRef,
    /// External id for the role.
    pub external_id: SecretRef,
    /// Session name for the role.
    pub session_name: SecretRef,
    /// Project that calls are accounted to.
    pub project_id: SecretRef,
    /// Where batch files are kept.
    pub batch_s3_config: Option<Buckets>,
}

impl BedrockKey {
    /// Whether it names a bucket.
    pub(crate) fn has_buckets(&self) -> bool {
        self.batch_s3_config.as_ref().is_some_and(|s3| !s3.buckets.is_empty())
    }
}

/// Where Bedrock's OpenAI- and Anthropic-style endpoints are called, and as whom.
#[derive(Debug, Clone, Default, JsonSchema)]
#[schemars(deny_unknown_fields, extend("x-required" = ["region"]))]
pub struct BedrockMantleKey {
    /// AWS region, as `us-east-1`.
    pub region: SecretRef,
    /// Access key id; with `secret_key`. Without both: the process's own AWS identity.
    pub access_key: SecretRef,
    /// Secret access key.
    pub secret_key: SecretRef,
    /// Token of temporary credentials.
    pub session_token: SecretRef,
    /// Role to assume on top.
    pub role_arn: SecretRef,
    /// External id for the role.
    pub external_id: SecretRef,
    /// Session name for the role.
    pub session_name: SecretRef,
    /// Project that calls are accounted to.
    pub project_id: SecretRef,
}

const REGION: &str = "an AWS region, as \"us-east-1\"";

pub(super) fn read(field: &Field<'_>, aliases: &mut Vec<Alias>) -> Option<BedrockKey> {
    let mut section = field.section()?;
    let bedrock = BedrockKey {
        region: section.needed("region", REGION, text::region),
        access_key: section.secret("access_key", text::credential),
        secret_key: section.secret("secret_key", text::line),
        session_token: section.secret("session_token", text::credential),
        arn: section.judged("arn", arn::kind),
        role_arn: section.reference("role_arn"),
        external_id: section.reference("external_id"),
        session_name: section.reference("session_name"),
        project_id: section.reference("project_id"),
        batch_s3_config: section.field("batch_s3_config").and_then(|field| buckets::read(&field)),
    };
    aliases::read_deployments(&mut section, aliases);
    both(&section, &bedrock.access_key, &bedrock.secret_key);
    section.finish();
    Some(bedrock)
}

pub(super) fn read_mantle(field: &Field<'_>) -> Option<BedrockMantleKey> {
    let mut section = field.section()?;
    let mantle = BedrockMantleKey {
        region: section.needed("region", REGION, text::region),
        access_key: section.secret("access_key", text::credential),
        secret_key: section.secret("secret_key", text::line),
        session_token: section.secret("session_token", text::credential),
        role_arn: section.reference("role_arn"),
        external_id: section.reference("external_id"),
        session_name: section.reference("session_name"),
        project_id: section.reference("project_id"),
    };
    both(&section, &mantle.access_key, &mantle.secret_key);
    section.finish();
    Some(mantle)
}

fn both(section: &Section<'_>, access_key: &SecretRef, secret_key: &SecretRef) {
    let parts = [("access_key", !access_key.is_none()), ("secret_key", !secret_key.is_none())];
    together(section, &parts, "with neither, the process's own AWS identity is used");
}
