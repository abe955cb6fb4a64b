//! `github_copilot_key_config`.

use schemars::JsonSchema;

use crate::pem;
use crate::reader::Field;
use crate::reference::SecretRef;
use crate::text;

/// A GitHub App that may call Copilot, for keys without a value.
#[derive(Debug, Clone, Default, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct GithubCopilotKey {
    /// The app's id, digits.
    pub app_id: SecretRef,
    /// The installation's id, digits.
    pub installation_id: SecretRef,
    /// The repository's id, digits.
    pub repository_id: SecretRef,
    /// The app's private key, PEM.
    pub private_key: SecretRef,
    /// GitHub's domain where it is not github.com.
    pub github_domain: SecretRef,
}

pub(super) fn read(field: &Field<'_>) -> Option<GithubCopilotKey> {
    let mut section = field.section()?;
    let copilot = GithubCopilotKey {
        app_id: section.judged("app_id", text::digits),
        installation_id: section.judged("installation_id", text::digits),
        repository_id: section.judged("repository_id", text::digits),
        private_key: section.secret("private_key", pem::private_key),
        github_domain: section.reference("github_domain"),
    };
    section.finish();
    Some(copilot)
}
