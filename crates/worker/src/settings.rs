//! What a worker is told about its provider. Plain values: whoever reads the configuration makes
//! them.

use std::time::Duration;

use weir_provider::Vendor;
use weir_types::{KeyName, KeyRules, ProviderName, Secret};

/// One provider.
#[derive(Debug, Clone)]
pub struct Settings {
    /// As the configuration names it.
    pub provider: ProviderName,
    /// Facts about the vendor; for a custom provider those of the vendor whose format it speaks.
    pub vendor: &'static Vendor,
    /// `network_config.base_url`; wins over the vendor's. Keys may carry their own.
    pub base_url: Option<String>,
    /// Set for `custom_provider_config`.
    pub custom: Option<Custom>,
    /// In declared order, disabled ones left out.
    pub keys: Vec<KeySettings>,
    /// Sent with every call, unless the call has a header of that name already.
    pub extra_headers: Vec<(String, Secret)>,
    /// Limits in time.
    pub timeouts: Timeouts,
    /// A request body is not longer.
    pub request_bytes_max: usize,
    /// A whole answer is not longer; streams have no such limit.
    pub answer_bytes_max: usize,
    /// How the provider is reached.
    pub upstream: weir_upstream::Settings,
}

/// One key.
#[derive(Debug, Clone)]
pub struct KeySettings {
    /// Its name.
    pub name: KeyName,
    /// What is sent; `None` where the configuration gives nothing.
    pub secret: Option<Secret>,
    /// This key's own URL (`ollama_key_config.url` and the like).
    pub base_url: Option<String>,
    /// What the vendor's addresses need of this key: `region`, `project`, `api_version`.
    pub variables: Vec<(String, String)>,
    /// Models and aliases.
    pub rules: KeyRules,
    /// Why the key cannot be used, if something it refers to is missing. Without secrets.
    pub unusable: Option<String>,
}

/// Limits in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For one attempt: a whole answer, or a stream up to its first content.
    pub attempt: Duration,
    /// For a stream up to its first content, where that is to be shorter.
    pub first_token: Option<Duration>,
    /// Between two reads of a stream after its first content.
    pub stream_idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            attempt: Duration::from_secs(30),
            first_token: None,
            stream_idle: Duration::from_secs(60),
        }
    }
}

/// What `custom_provider_config` adds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Custom {
    /// Names as in [`weir_types::Operation::config_name`]; `None`: all.
    pub allowed_requests: Option<Vec<String>>,
    /// Such a name and a path or a whole URL.
    pub path_overrides: Vec<(String, String)>,
    /// Keys need no secret.
    pub is_key_less: bool,
    /// Streams end with a finish reason, without `[DONE]`.
    pub does_not_send_done_marker: bool,
}

/// Settings that cannot work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("provider {provider}: {why}")]
pub struct SettingsError {
    /// Whose settings.
    pub provider: ProviderName,
    /// What is wrong, without secrets.
    pub why: String,
}
