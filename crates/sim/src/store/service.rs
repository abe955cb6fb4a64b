//! Which service a call about what is stored is meant for. Knows paths and headers, no documents.

use super::{gcs, gemini, jobs, objects, steps, vertex};
use crate::call::Call;
use crate::wire::{self, Wire};

/// Who has such things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    OpenAi,
    Responses,
    Anthropic,
    Mistral,
    Gemini,
    /// Amazon's S3.
    Objects,
    /// Amazon's Bedrock.
    Jobs,
    /// Google's.
    CloudStorage,
    /// Jobs of Google's Vertex AI.
    Vertex,
}

impl Service {
    /// Whose door a call comes to; `None`: it is about something else.
    pub(super) fn of(call: &Call<'_>) -> Option<Self> {
        if objects::are_meant(call) {
            return Some(Self::Objects);
        }
        if gcs::are_meant(call.path) {
            return Some(Self::CloudStorage);
        }
        if vertex::are_meant(call.path) {
            return Some(Self::Vertex);
        }
        if jobs::are_meant(call.path) {
            return Some(Self::Jobs);
        }
        if gemini::steps(call.path).is_some() {
            return Some(Self::Gemini);
        }
        let (before, steps) = steps(call.path)?;
        Some(match steps.first() {
            _ if is_anthropics(call, &steps) => Self::Anthropic,
            Some(&"responses") => Self::Responses,
            _ if before.ends_with("/mistral") => Self::Mistral,
            _ => Self::OpenAi,
        })
    }

    pub(super) fn wire(self) -> &'static dyn Wire {
        match self {
            Self::OpenAi | Self::Mistral => &wire::openai::OpenAi,
            Self::Responses => &wire::responses::Responses,
            Self::Gemini | Self::CloudStorage | Self::Vertex => &wire::gemini::Gemini,
            Self::Anthropic => &wire::anthropic::Anthropic,
            Self::Objects => &wire::s3::S3,
            Self::Jobs => &wire::bedrock::Bedrock,
        }
    }
}

fn is_anthropics(call: &Call<'_>, steps: &[&str]) -> bool {
    steps.starts_with(&["messages"]) || call.headers.contains_key("anthropic-version")
}
