//! Wire formats and the kinds of endpoint they have.

/// A wire format, on the client's or the provider's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dialect {
    /// OpenAI's chat completions family: chat, completions, embeddings, models.
    OpenAi,
}

impl Dialect {
    /// Stable lower-case label for metrics, traces and the wire.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
        }
    }

    /// The inverse of [`Dialect::label`].
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        (label == "openai").then_some(Self::OpenAi)
    }
}

/// What a request asks a provider to do. Whether the answer is streamed is told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Operation {
    /// Chat completions.
    Chat,
    /// Text completions (the older prompt form).
    Completion,
    /// Embedding vectors.
    Embedding,
    /// The list of models; carries no model.
    ListModels,
}

impl Operation {
    /// Every operation this build knows.
    pub const ALL: [Self; 4] = [Self::Chat, Self::Completion, Self::Embedding, Self::ListModels];

    /// Stable label; the spelling of OpenTelemetry's `gen_ai.operation.name` where it has one.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Completion => "text_completion",
            Self::Embedding => "embeddings",
            Self::ListModels => "list_models",
        }
    }

    /// The inverse of [`Operation::label`].
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.label() == label)
    }

    /// The name that `custom_provider_config.allowed_requests` uses for this operation.
    #[must_use]
    pub const fn config_name(self, stream: bool) -> &'static str {
        match (self, stream) {
            (Self::Chat, false) => "chat_completion",
            (Self::Chat, true) => "chat_completion_stream",
            (Self::Completion, false) => "text_completion",
            (Self::Completion, true) => "text_completion_stream",
            (Self::Embedding, _) => "embedding",
            (Self::ListModels, _) => "list_models",
        }
    }

    /// Whether a request of this kind names a model.
    #[must_use]
    pub const fn has_model(self) -> bool {
        !matches!(self, Self::ListModels)
    }
}
