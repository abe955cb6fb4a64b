//! Wire formats, by name. What they are is `weir-dialect`'s.

macro_rules! dialects {
    ($($(#[$doc:meta])* $name:ident = $label:literal $(if $feature:literal)?;)*) => {
        /// A wire format, on the client's or the provider's side.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Dialect {
            $($(#[$doc])* $(#[cfg(feature = $feature)])? $name,)*
        }

        impl Dialect {
            /// Every format.
            pub const ALL: &'static [Self] =
                &[$($(#[cfg(feature = $feature)])? Self::$name,)*];

            /// Stable lower-case label for metrics, traces and the wire.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $($(#[cfg(feature = $feature)])? Self::$name => $label,)* }
            }
        }
    };
}

dialects! {
    /// OpenAI's chat completions family: chat, completions, embeddings, rerank, models.
    OpenAiChat = "openai";
    /// OpenAI's Responses.
    OpenAiResponses = "openai_responses";
    /// Anthropic's Messages.
    AnthropicMessages = "anthropic_messages";
    /// Google's generateContent, of Gemini and of Vertex AI.
    GeminiGenerate = "gemini_generate";
    /// Amazon Bedrock's Converse.
    BedrockConverse = "bedrock_converse";
    /// Amazon Bedrock's InvokeModel, whose bodies are in the words of the model's maker.
    BedrockInvoke = "bedrock_invoke";
    /// Cohere's API, version 2.
    CohereChat = "cohere_chat";
    /// Replicate's predictions.
    ReplicatePredictions = "replicate_predictions";
    /// A format that nobody speaks: tests show with it what a format has to bring along.
    Probe = "probe" if "probe";
}

impl Dialect {
    /// The inverse of [`Dialect::label`].
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|dialect| dialect.label() == label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_survive_the_wire() {
        for &dialect in Dialect::ALL {
            assert_eq!(Dialect::from_label(dialect.label()), Some(dialect));
        }
        assert_eq!(Dialect::from_label("OpenAI"), None);
    }
}
