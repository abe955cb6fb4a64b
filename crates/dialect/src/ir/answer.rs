//! What a provider answers.

use serde_json::Value;
use weir_types::Usage;

use super::part::Part;
use super::request::Extra;
use crate::fault::AnswerFault;

/// An answer that can be translated.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// A turn of a conversation.
    Chat(ChatAnswer),
    /// The tokens of a prompt.
    Tokens(u64),
    /// Embedding vectors.
    Embedding(EmbeddingAnswer),
    /// Documents by relevance.
    Rerank(RerankAnswer),
}

/// A turn of a conversation.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ChatAnswer {
    /// The provider's id of it; empty if it gives none.
    pub id: String,
    /// The model as the provider names it; empty if it does not.
    pub model: String,
    /// Seconds since 1970, if said.
    pub created: Option<u64>,
    /// At least one, by index.
    pub choices: Vec<Choice>,
    /// Tokens.
    pub usage: Usage,
    /// In OpenAI's words.
    pub service_tier: Option<String>,
    /// Members that only the format has that it was read from.
    pub extra: Extra,
}

/// One of the answers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Choice {
    /// From 0.
    pub index: u32,
    /// What is said, in order.
    pub parts: Vec<Part>,
    /// Why it ended.
    pub finish: Option<Finish>,
    /// In the form of OpenAI chat's `logprobs`.
    pub logprobs: Option<Value>,
}

/// The end of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finish {
    /// Why.
    pub reason: FinishReason,
    /// The stop text that was met.
    pub stop_sequence: Option<String>,
}

/// Why an answer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FinishReason {
    /// All is said.
    Stop,
    /// A stop text was met.
    StopSequence,
    /// The token limit was met.
    Length,
    /// Tools are to be called.
    ToolCalls,
    /// Content was withheld by a filter.
    ContentFilter,
    /// The model declines.
    Refusal,
    /// The model pauses and goes on when the answer is sent back (Anthropic's `pause_turn`).
    Pause,
    /// The context window is full.
    ContextWindow,
    /// The provider failed; its own word for it. Readers make an error of the whole answer or
    /// stream ([`Event::ending`](super::Event::ending)), so that no
    /// client takes what came of it for an answer.
    Error(String),
    /// Something that no other format has a word for, as the provider writes it.
    Other(String),
}

impl Finish {
    /// An end for which the reason says all.
    #[must_use]
    pub const fn new(reason: FinishReason) -> Self {
        Self { reason, stop_sequence: None }
    }
}

impl ChatAnswer {
    /// The answer, unless its provider broke off one of its choices.
    ///
    /// # Errors
    /// It did; says so in the provider's word.
    pub(crate) fn unless_broken(self) -> Result<Self, AnswerFault> {
        let broken = self.choices.iter().find_map(|choice| match &choice.finish.as_ref()?.reason {
            FinishReason::Error(word) => Some(word.clone()),
            _ => None,
        });
        broken.map_or(Ok(self), |word| Err(AnswerFault::Broken(word)))
    }
}

impl FinishReason {
    /// This reason, made true: an answer that calls tools ends in [`FinishReason::ToolCalls`]
    /// although its provider says that all is said.
    #[must_use]
    pub fn with_calls(self, has_calls: bool) -> Self {
        match self {
            Self::Stop if has_calls => Self::ToolCalls,
            other => other,
        }
    }
}

/// Embedding vectors.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EmbeddingAnswer {
    /// The provider's id of it; empty if it gives none.
    pub id: String,
    /// The model as the provider names it; empty if it does not.
    pub model: String,
    /// One per input and encoding, in the order of the inputs.
    pub vectors: Vec<Vector>,
    /// Tokens.
    pub usage: Usage,
}

/// One vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Vector {
    /// Which input it is of.
    pub index: usize,
    /// As in [`super::Embedding::encodings`].
    pub encoding: String,
    /// An array of numbers, or base64 text.
    pub value: Value,
}

/// Documents by relevance.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RerankAnswer {
    /// The provider's id of it; empty if it gives none.
    pub id: String,
    /// The model as the provider names it; empty if it does not.
    pub model: String,
    /// The best first.
    pub results: Vec<Ranked>,
    /// The provider has more of them than it gave at once.
    pub is_partial: bool,
    /// Tokens.
    pub usage: Usage,
}

impl RerankAnswer {
    /// Why some documents are not in an answer, for whoever wanted all.
    pub const PARTIAL: &str = "the provider did not give all of them at once; ask for fewer";
}

/// One document's place.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranked {
    /// Its place in the request.
    pub index: u64,
    /// From 0 to 1.
    pub score: f64,
    /// The document, if it was to be repeated.
    pub document: Option<Value>,
}
