//! What a request wants of a vendor's routes, beside an address.
//!
//! Knows no configuration: whoever reads one says what it chooses.

use weir_dialect::families::Family;
use weir_types::{Dialect, Form, Operation};

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// What.
    pub operation: Operation,
    /// As a stream.
    pub stream: bool,
    /// The format that the client speaks.
    pub dialect: Dialect,
    /// In which form of it.
    pub form: Form,
    /// The provider's name of the model.
    pub model: &'a str,
    /// Whose model it is.
    pub family: Family,
    /// What the configuration chooses for it.
    pub choices: Choices,
}

/// Something that a vendor offers in two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// Conversations through its Anthropic-style endpoints, instead of its OpenAI-style ones.
    AnthropicEndpoints,
    /// Models that are deployments of the customer's own, instead of everybody's.
    Deployments,
}

/// Which way the configuration chooses; `None`: it says nothing, and either way will do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Choices {
    /// For [`Choice::AnthropicEndpoints`].
    pub anthropic_endpoints: Option<bool>,
    /// For [`Choice::Deployments`].
    pub deployments: Option<bool>,
}

impl Choices {
    /// What is chosen for `choice`.
    #[must_use]
    pub const fn get(&self, choice: Choice) -> Option<bool> {
        match choice {
            Choice::AnthropicEndpoints => self.anthropic_endpoints,
            Choice::Deployments => self.deployments,
        }
    }
}
