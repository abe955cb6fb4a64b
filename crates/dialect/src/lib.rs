//! Wire formats of chat, embedding and model endpoints, behind one trait.
//!
//! [`format()`] gives a format by name; [`Format`] says what all of them can do. Each has a folder of
//! its own and knows no other; what they have in common stands beside the folders: the form between
//! formats ([`ir`]), lazy JSON ([`json`]), what the edge reads ([`peek`]), what changes on the way to
//! a provider of the same format ([`patch`]). No I/O, no clock, no logging.

mod anthropic_messages;
pub mod batches;
mod bedrock_converse;
mod bedrock_invoke;
pub mod buckets;
mod cohere_chat;
mod custom;
pub mod families;
pub mod fault;
pub mod fields;
pub mod fit;
pub mod form;
mod format;
mod gemini_generate;
pub mod ir;
pub mod json;
pub mod lenient;
mod media;
pub mod models;
pub mod names;
mod observed;
mod openai_chat;
mod openai_error;
mod openai_responses;
pub mod patch;
pub mod peek;
#[cfg(feature = "probe")]
mod probe;
mod quirks;
pub mod receipt;
mod replicate_predictions;
pub mod schema;
pub mod sealed;
mod state;
pub mod stored;
#[cfg(test)]
mod tests;
mod unfold;
mod whole;

use weir_types::Dialect;

pub use fault::{AnswerFault, Garbage, RequestFault};
pub use format::{
    AnswerFacts, Asked, Depth, ErrorBody, Format, Kind, Observed, Place, StreamReader,
    StreamWriter, Target, Written,
};
pub use models::Models;
pub use patch::{Patch, Patched};
pub use peek::{PathFacts, Peeked};
pub use quirks::{ModelDrops, Quirks};
pub use receipt::{Next, Receipt};
pub use replicate_predictions::is_version;
pub use unfold::unfold;

/// Bedrock's bodies are its models' makers', its errors its own.
static BEDROCK_INVOKE: bedrock_invoke::BedrockInvoke = bedrock_invoke::BedrockInvoke {
    claude: &anthropic_messages::AnthropicMessages,
    host: &bedrock_converse::BedrockConverse,
};

/// The format called `dialect`.
#[must_use]
pub fn format(dialect: Dialect) -> &'static dyn Format {
    match dialect {
        Dialect::OpenAiChat => &openai_chat::OpenAiChat,
        Dialect::OpenAiResponses => &openai_responses::OpenAiResponses,
        Dialect::AnthropicMessages => &anthropic_messages::AnthropicMessages,
        Dialect::GeminiGenerate => &gemini_generate::GeminiGenerate,
        Dialect::BedrockConverse => &bedrock_converse::BedrockConverse,
        Dialect::BedrockInvoke => &BEDROCK_INVOKE,
        Dialect::CohereChat => &cohere_chat::CohereChat,
        Dialect::ReplicatePredictions => &replicate_predictions::ReplicatePredictions,
        #[cfg(feature = "probe")]
        Dialect::Probe => &probe::Probe,
    }
}
