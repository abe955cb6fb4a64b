//! How a pool's limits are kept while a request is served. Nobody but the router decides it.

/// Whether limits are exact at present.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum QuotaMode {
    /// The quota store answers: limits hold over all routers.
    #[default]
    Exact,
    /// The store is lost: this router serves its share of every limit.
    Share,
    /// The store is lost: new requests are refused.
    Refuse,
}

impl QuotaMode {
    /// Every mode.
    pub const ALL: [Self; 3] = [Self::Exact, Self::Share, Self::Refuse];

    /// Stable label for metrics, headers and the wire.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Share => "share",
            Self::Refuse => "refuse",
        }
    }

    /// The inverse of [`QuotaMode::label`].
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.label() == label)
    }
}
