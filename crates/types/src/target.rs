//! What a request is for, before any provider or key is chosen.

use crate::{KeyName, Operation, ProviderName};

/// What a request is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A model, wherever it is served.
    Model {
        /// As the client wrote it: `provider/model` or a bare name.
        name: String,
        /// Only this key may serve the first choice.
        pin: Option<String>,
    },
    /// A provider as a whole, or every provider.
    Provider {
        /// Which one; `None`: all.
        name: Option<String>,
        /// Only this key may serve it.
        pin: Option<String>,
    },
    /// Something that one key of one provider has stored. Whoever holds its id has read provider and
    /// key from it, if it says them.
    Resource {
        /// Where it is; `None`: the id does not say.
        provider: Option<ProviderName>,
        /// Whose it is; `None`: the only key that can have it, if there is only one.
        key: Option<KeyName>,
        /// The provider's own id of it.
        id: String,
    },
    /// Something at a place that several keys of a provider may reach.
    Place {
        /// Where it is; `None`: wherever there is such a place.
        provider: Option<String>,
        /// Only this key may serve it.
        pin: Option<String>,
        /// `bucket/name`, or `bucket/` and what names begin with.
        place: String,
    },
}

impl Target {
    /// The model as the client wrote it; empty where none is named.
    #[must_use]
    pub fn model(&self) -> &str {
        match self {
            Self::Model { name, .. } => name,
            Self::Provider { .. } | Self::Resource { .. } | Self::Place { .. } => "",
        }
    }

    /// The key that the client asks for.
    #[must_use]
    pub fn pin(&self) -> Option<&str> {
        match self {
            Self::Model { pin, .. } | Self::Provider { pin, .. } | Self::Place { pin, .. } => {
                pin.as_deref()
            }
            Self::Resource { key, .. } => key.as_deref(),
        }
    }

    /// Whether requests of `operation` are for such a thing. What is made of something stored is asked
    /// of the key that has that.
    #[must_use]
    pub const fn fits(&self, operation: Operation) -> bool {
        use crate::Addressee;
        let facts = operation.facts();
        match (self, facts.addressee) {
            (Self::Model { .. }, Addressee::Model)
            | (Self::Provider { .. }, Addressee::Provider)
            | (Self::Resource { .. }, Addressee::Resource) => true,
            (Self::Resource { .. }, Addressee::Provider) | (Self::Place { .. }, _) => {
                facts.batch_keys_only
            }
            _ => false,
        }
    }
}
