//! What a failure means for what is tried next, and whose it is.
//!
//! "Another key may help" and "another provider may help" are two answers of a class; what is learned
//! of a key's health depends on the side as well.

/// What a failed attempt means for the plan: retry, rotate, fall back or give up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureClass {
    /// May work again soon: reset connections, 500 502 503 504 529.
    Transient,
    /// No connection came about: nothing was sent, and the server is not there for anybody.
    Unreachable,
    /// This key is used too much for this model now.
    RateLimited,
    /// This key is refused whatever it asks for.
    Credential,
    /// The account of this key has no quota or no money left.
    QuotaExhausted,
    /// This key cannot reach this model.
    ModelMissing,
    /// No head, or no first token, in time.
    Silent,
    /// The prompt does not fit this model.
    ContextLength,
    /// An answer that claims success and cannot be used, or a redirect. It may have been billed: this
    /// provider is not asked again.
    Unusable,
    /// Right in itself, but not here: this provider does not do it, does not know the address, or not
    /// for a caller from where we are. Another one may.
    Elsewhere,
    /// Refused, and nothing says why: it may be the key, the model or what was asked. Another key may
    /// help; nothing is learned of this one.
    Refused,
    /// The caller's own mistake, or content the provider refuses.
    Caller,
    /// Broken after content had been passed on.
    Cut,
    /// The client went away.
    ClientGone,
    /// Another attempt of the same request spoke first; nobody failed.
    Cancelled,
}

impl FailureClass {
    /// Every class.
    pub const ALL: [Self; 15] = [
        Self::Transient,
        Self::Unreachable,
        Self::RateLimited,
        Self::Credential,
        Self::QuotaExhausted,
        Self::ModelMissing,
        Self::Silent,
        Self::ContextLength,
        Self::Unusable,
        Self::Elsewhere,
        Self::Refused,
        Self::Caller,
        Self::Cut,
        Self::ClientGone,
        Self::Cancelled,
    ];

    /// Stable label for metrics, traces and the wire.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Unreachable => "unreachable",
            Self::RateLimited => "rate_limited",
            Self::Credential => "credential",
            Self::QuotaExhausted => "quota_exhausted",
            Self::ModelMissing => "model_missing",
            Self::Silent => "silent",
            Self::ContextLength => "context_length",
            Self::Unusable => "unusable",
            Self::Elsewhere => "elsewhere",
            Self::Refused => "refused",
            Self::Caller => "caller",
            Self::Cut => "cut",
            Self::ClientGone => "client_gone",
            Self::Cancelled => "cancelled",
        }
    }

    /// The inverse of [`FailureClass::label`].
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.label() == label)
    }

    /// Whether the same request may succeed with another key of the same provider, or later.
    #[must_use]
    pub const fn another_key_may_help(self) -> bool {
        match self {
            Self::Transient
            | Self::Unreachable
            | Self::RateLimited
            | Self::Credential
            | Self::QuotaExhausted
            | Self::ModelMissing
            | Self::Silent
            | Self::Refused
            | Self::Cut => true,
            Self::ContextLength
            | Self::Unusable
            | Self::Elsewhere
            | Self::Caller
            | Self::ClientGone
            | Self::Cancelled => false,
        }
    }

    /// Whether the key itself is refused, whatever it asks for.
    #[must_use]
    pub const fn refuses_key(self) -> bool {
        matches!(self, Self::Credential | Self::QuotaExhausted)
    }

    /// Whether waiting can help: what failed is a matter of time, not of the request or of a key.
    #[must_use]
    pub const fn may_pass(self) -> bool {
        matches!(
            self,
            Self::Transient | Self::Unreachable | Self::RateLimited | Self::Silent | Self::Cut
        )
    }

    /// Whether the server is unwell, whoever asks: so many of these in a row are an outage.
    #[must_use]
    pub const fn is_servers(self) -> bool {
        matches!(self, Self::Transient | Self::Unreachable | Self::Silent | Self::Cut)
    }

    /// Whether the same request may succeed with another provider or another model.
    #[must_use]
    pub const fn another_provider_may_help(self) -> bool {
        !matches!(self, Self::Caller | Self::ClientGone | Self::Cancelled)
    }
}

/// Whose a failure is. It decides what is learned from it: only a provider's own failures say
/// anything about the health of its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The client's: its request, or its leaving.
    Client,
    /// Ours, or of what lies between our services and to the provider: links, proxies, permits.
    Gateway,
    /// The provider's.
    Provider,
}

impl Side {
    /// Every side.
    pub const ALL: [Self; 3] = [Self::Client, Self::Gateway, Self::Provider];

    /// Stable label for traces and the wire.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Gateway => "gateway",
            Self::Provider => "provider",
        }
    }

    /// The inverse of [`Side::label`].
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|side| side.label() == label)
    }
}
