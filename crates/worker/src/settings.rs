//! What a worker is told about its provider. Plain values: whoever reads the configuration makes
//! them.

use std::time::Duration;

use weir_dialect::buckets::Bucket;
use weir_provider::{Choices, Family, Vendor};
use weir_types::{KeyName, KeyRules, ProviderName, Secret};
use weir_upstream::{AwsIdentity, AzureIdentity, GoogleIdentity, OAuthClient};

use crate::memory::Memory;

/// One provider.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// Sent with every call, in place of any other header of that name.
    pub extra_headers: Vec<(String, Secret)>,
    /// What must not be seen besides the keys' credentials: of headers, of the proxy.
    pub hidden: Vec<Secret>,
    /// Headers that the operator lets clients send to any provider; a `*` at the end stands for any
    /// ending.
    pub header_allowlist: Vec<String>,
    /// Which features in trial that clients ask for go on, by the beginnings of their names; what is
    /// not said here the vendor's row says.
    pub beta_overrides: Vec<(String, bool)>,
    /// Limits in time.
    pub timeouts: Timeouts,
    /// How its servers are asked how they are; `None`: they are not.
    pub health_check: Option<HealthCheck>,
    /// A request body is not longer.
    pub request_bytes_max: usize,
    /// A whole answer is not longer; streams have no such limit.
    pub answer_bytes_max: usize,
    /// An event of a stream is not longer.
    pub event_bytes_max: usize,
    /// Of a stream that is to be complete before it begins no more is held back.
    pub held_bytes_max: usize,
    /// What all answers that are held may take together; shared by the workers of a process.
    pub memory: Memory,
    /// How the provider is reached.
    pub upstream: weir_upstream::Settings,
}

/// One key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySettings {
    /// Its name.
    pub name: KeyName,
    /// Who calls with it.
    pub credential: Credential,
    /// This key's own URL (`ollama_key_config.url` and the like).
    pub base_url: Option<String>,
    /// What the vendor's addresses need of this key: `region`, `project`, `api_version`.
    pub variables: Vec<(String, String)>,
    /// Models and aliases.
    pub rules: KeyRules,
    /// What is known of models that are no alias.
    pub model: ModelSettings,
    /// What is known of the aliases, in the order of `rules.aliases`; [`KeySettings::model`] for
    /// those that are missing.
    pub aliases: Vec<ModelSettings>,
    /// Models that are called in another way; of several that fit one the first counts.
    pub variants: Vec<Variant>,
    /// Where it keeps files, if its vendor has no place for them.
    pub storage: Storage,
    /// Why the key cannot be used, if something it refers to is missing. Without secrets.
    pub unusable: Option<String>,
}

/// Where a key keeps files, and who works on them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Storage {
    /// Its buckets, in the order of the configuration.
    pub buckets: Vec<Bucket>,
    /// The role as which batches are worked off, where a request names none.
    pub role: Option<String>,
}

/// What the configuration says of a model beside its names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelSettings {
    /// Whose it is; `None`: the provider's name of it tells.
    pub family: Option<Family>,
    /// The name by which rules of models are found; `None`: the provider's.
    pub known_as: Option<String>,
    /// Which of the vendor's interfaces it is asked through.
    pub choices: Choices,
}

/// How some of a key's models are called, where that differs from the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// Which models.
    pub models: Models,
    /// Another URL than the key's.
    pub base_url: Option<String>,
    /// Win over the key's of the same names.
    pub variables: Vec<(String, String)>,
    /// What the provider is told instead of the model's name.
    pub model: Option<String>,
}

/// Some models of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Models {
    /// What this alias of the key stands for.
    Alias(String),
    /// Those whose names at the provider begin with one of these.
    Beginning(&'static [&'static str]),
}

/// What a key shows to its provider. How, the vendor's routes say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Credential {
    /// Nothing.
    #[default]
    None,
    /// A value, as it is.
    Secret(Secret),
    /// AWS's signature.
    Aws(AwsIdentity),
    /// A token of Azure's directory.
    Azure(AzureIdentity),
    /// A token that an OAuth server grants.
    OAuth(OAuthClient),
    /// Google's: a key where routes take one, and tokens of an identity.
    Google {
        /// An API key.
        api_key: Option<Secret>,
        /// Whose tokens.
        identity: Option<GoogleIdentity>,
    },
}

impl Credential {
    /// What stands in it that must not be seen.
    #[must_use]
    pub fn secrets(&self) -> Vec<Secret> {
        match self {
            Self::None => Vec::new(),
            Self::Secret(secret) => vec![secret.clone()],
            Self::Aws(identity) => identity.secrets(),
            Self::Azure(identity) => identity.secrets(),
            Self::OAuth(client) => vec![client.client_secret.clone()],
            Self::Google { api_key, identity } => {
                let identity = identity.as_ref().map(GoogleIdentity::secrets);
                api_key.iter().cloned().chain(identity.into_iter().flatten()).collect()
            }
        }
    }

    /// Whether it shows tokens or keys that are fetched, and change.
    pub(crate) const fn fetches(&self) -> bool {
        !matches!(self, Self::None | Self::Secret(_))
    }

    /// Whether there is nothing to show.
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::None => true,
            Self::Secret(secret) => secret.expose().is_empty(),
            Self::Google { api_key, identity } => api_key.is_none() && identity.is_none(),
            Self::Aws(_) | Self::Azure(_) | Self::OAuth(_) => false,
        }
    }
}

/// Limits in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For one attempt: a whole answer, or a stream up to its first content.
    pub attempt: Duration,
    /// For a stream up to its first content, where that is another one.
    pub first_token: Option<Duration>,
    /// Between two reads of a stream after its first content.
    pub stream_idle: Duration,
    /// How fast a stream has to begin.
    pub pace: Option<Pace>,
    /// As long as that comments may keep a stream alive that says nothing else.
    pub stream_comments: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            attempt: Duration::from_secs(30),
            first_token: None,
            stream_idle: Duration::from_secs(60),
            pace: None,
            stream_comments: Duration::from_secs(600),
        }
    }
}

/// The slowest beginning of a stream that is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// More than 0.
    pub characters_per_second: u32,
    /// How long it may be measured, in whole seconds.
    pub window: Duration,
}

impl Pace {
    /// Enough to know, whatever the window.
    const CHARACTERS_MAX: u64 = 256;
    /// Networks do not give characters evenly.
    const TIME_MIN: Duration = Duration::from_millis(100);

    /// So many characters show it.
    pub(crate) fn characters(self) -> usize {
        let whole = u64::from(self.characters_per_second) * self.window.as_secs();
        usize::try_from(whole.min(Self::CHARACTERS_MAX)).unwrap_or(usize::MAX)
    }

    /// In this time, from the first of them on.
    pub(crate) fn time(self) -> Duration {
        let characters = u32::try_from(self.characters()).unwrap_or(u32::MAX);
        let exact = Duration::from_secs(1) * characters / self.characters_per_second.max(1);
        exact.max(Self::TIME_MIN)
    }
}

/// How servers are asked how they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// Where, from the server's root on; begins with `/`.
    pub path: String,
    /// The pause between two looks.
    pub interval: Duration,
    /// A look takes no longer.
    pub timeout: Duration,
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
    /// Usage comes after the finish reason, however long that takes.
    pub wait_for_usage: bool,
}
