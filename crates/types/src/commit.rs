//! When a stream begins for the client: the words that clients, configuration and services use for
//! it. What each of them costs and saves is the worker's and the router's.

/// When a stream begins for the client. Until then a failure can be had again with another key or
/// provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Commit {
    /// With its first content.
    #[default]
    First,
    /// When it is complete.
    Complete,
}

impl Commit {
    /// Both.
    pub const ALL: [Self; 2] = [Self::First, Self::Complete];

    /// The word for it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Complete => "complete",
        }
    }

    /// The inverse of [`Commit::label`].
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|commit| commit.label() == label)
    }
}
