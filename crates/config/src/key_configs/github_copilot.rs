//! `github_copilot_key_config`.

use schemars::JsonSchema;

use crate::pem;
use crate::reader::{Field, Section};
use crate::reference::SecretRef;
use crate::report::Draft;

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
        app_id: section.checked("app_id", digits),
        installation_id: section.checked("installation_id", digits),
        repository_id: section.checked("repository_id", digits),
        private_key: private_key(&mut section),
        github_domain: section.reference("github_domain"),
    };
    section.finish();
    Some(copilot)
}

fn private_key(section: &mut Section<'_>) -> SecretRef {
    let secret = section.secret("private_key");
    if let (Some(text), Some(field)) = (secret.literal(), section.field("private_key"))
        && let Err(draft) = pem::private_key(text)
    {
        field.report(draft);
    }
    secret
}

fn digits(text: &str) -> Result<(), Draft> {
    if text.chars().all(|c| c.is_ascii_digit()) {
        return Ok(());
    }
    Err(Draft::error("not an id").expected("digits only").found("other characters"))
}
