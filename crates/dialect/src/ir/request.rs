//! What a client asks for.

use serde_json::{Map, Number, Value};
use weir_types::Dialect;

use super::effort::Reasoning;
use super::part::{CacheMark, Part, PartBody};

/// A request that can be translated.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// A turn of a conversation.
    Chat(Box<Chat>),
    /// How many tokens such a turn's prompt has.
    CountTokens(Box<Chat>),
    /// Embedding vectors.
    Embedding(Embedding),
    /// Documents by relevance.
    Rerank(Rerank),
}

/// A turn of a conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct Chat {
    /// The format that it was read from.
    pub source: Dialect,
    /// The model, as the target writes it.
    pub model: String,
    /// The conversation so far. System and developer messages stand where the client put them; those
    /// of formats that have them apart stand first.
    pub messages: Vec<Message>,
    /// What the model may call.
    pub tools: Vec<Tool>,
    /// Whether it may, must, or must not.
    pub tool_choice: Option<ToolChoice>,
    /// Whether several calls may come at once.
    pub parallel_tool_calls: Option<bool>,
    /// The client speaks OpenAI chat's older `functions` and reads `function_call` in the answer.
    pub legacy_functions: bool,
    /// How the next token is chosen, and when to stop.
    pub sampling: Sampling,
    /// Thinking before the answer.
    pub reasoning: Option<Reasoning>,
    /// The form of the answer.
    pub output: Option<OutputFormat>,
    /// OpenAI's `verbosity`: low, medium, high.
    pub verbosity: Option<String>,
    /// Whether the answer is streamed.
    pub stream: bool,
    /// Whether a stream is to report usage, where the client can say so.
    pub stream_usage: Option<bool>,
    /// Who the end user is.
    pub user: Option<String>,
    /// For the provider's records.
    pub metadata: Map<String, Value>,
    /// In OpenAI's words: auto, default, flex, priority, fast. Readers of other formats translate.
    pub service_tier: Option<String>,
    /// Whether the provider may keep the answer.
    pub store: Option<bool>,
    /// What kinds of output are wanted: `text`, `audio`, `image`.
    pub modalities: Vec<String>,
    /// Keep the whole prompt.
    pub cache: Option<CacheMark>,
    /// Features in trial that the client asks for in the body, by Anthropic's names for them. Whoever
    /// translates takes them and tells the provider as it wants to be told.
    pub features: Vec<String>,
    /// The member that means something kept at the provider, or done by it alone
    /// (`previous_response_id`, `background`), or that protects somebody (`guardrailConfig`):
    /// without it the request would be another, so no other format may take it. Whoever translates
    /// refuses it, not the writers. The member itself is in `extra` or a [`PartBody::Foreign`].
    pub needs_state: Option<&'static str>,
    /// Members that only the source format has, by name.
    pub extra: Extra,
}

/// Members that only [`Chat::source`] knows, as they stand there. A writer of the same format puts
/// them back; to any other each is a loss.
pub type Extra = Map<String, Value>;

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Whoever runs the application, in most formats.
    System,
    /// The same in OpenAI's newer words; as [`Role::System`] elsewhere.
    Developer,
    /// The user. Tool results may stand among the parts.
    User,
    /// The model.
    Assistant,
    /// Tools: every part is a [`PartBody::ToolResult`].
    Tool,
}

/// One message.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said, in order.
    pub parts: Vec<Part>,
    /// OpenAI's `name` of a participant.
    pub name: Option<String>,
}

/// A tool.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    /// What it is.
    pub body: ToolBody,
    /// The prompt up to here is worth keeping.
    pub cache: Option<CacheMark>,
}

/// What a tool is.
#[derive(Debug, Clone, PartialEq)]
pub enum ToolBody {
    /// A function of the client's.
    Function {
        /// Its name.
        name: String,
        /// What it does.
        description: Option<String>,
        /// Its arguments as JSON Schema; `None`: it takes none.
        parameters: Option<Value>,
        /// Whether calls must match the schema.
        strict: Option<bool>,
    },
    /// A tool of the client's that takes plain text.
    Custom {
        /// Its name.
        name: String,
        /// What it does.
        description: Option<String>,
        /// A grammar for the text, in OpenAI's form.
        format: Option<Value>,
    },
    /// A tool that the provider itself runs, as the format has it. No other provider has the same.
    Hosted {
        /// Whose it is.
        dialect: Dialect,
        /// What errors and losses call it.
        name: String,
        /// The definition.
        raw: Value,
    },
}

/// Whether tools are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolChoice {
    /// As the model likes.
    Auto,
    /// None may be called.
    None,
    /// At least one must be called.
    Required,
    /// This one must be called.
    Function(String),
    /// Only these may be called, and one must be if `required`.
    Allowed {
        /// Whether one must be called.
        required: bool,
        /// Their names.
        names: Vec<String>,
    },
}

/// How the next token is chosen, and when to stop.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sampling {
    /// Most tokens of the answer, reasoning included.
    pub max_output_tokens: Option<u64>,
    /// Randomness.
    pub temperature: Option<Number>,
    /// Only the most probable tokens that together have this probability.
    pub top_p: Option<Number>,
    /// Only so many of the most probable tokens.
    pub top_k: Option<u64>,
    /// Against tokens that occur often.
    pub frequency_penalty: Option<Number>,
    /// Against tokens that occur.
    pub presence_penalty: Option<Number>,
    /// For answers that can be repeated.
    pub seed: Option<i64>,
    /// Texts that end the answer.
    pub stop: Vec<String>,
    /// How many answers are wanted.
    pub n: Option<u32>,
    /// Whether the tokens' probabilities are wanted.
    pub logprobs: Option<bool>,
    /// Of how many of the most probable tokens.
    pub top_logprobs: Option<u32>,
    /// OpenAI's token id → bias.
    pub logit_bias: Option<Value>,
}

/// The form of the answer.
#[derive(Debug, Clone, PartialEq)]
pub enum OutputFormat {
    /// Free text.
    Text,
    /// Any JSON object.
    JsonObject,
    /// JSON that a schema describes.
    JsonSchema {
        /// Its name, if the format has one.
        name: Option<String>,
        /// What it is for.
        description: Option<String>,
        /// JSON Schema.
        schema: Value,
        /// Whether the answer must match.
        strict: Option<bool>,
    },
}

/// Texts to be turned into vectors.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding {
    /// The format that it was read from.
    pub source: Dialect,
    /// The model, as the target writes it.
    pub model: String,
    /// What is to be embedded, in order.
    pub inputs: Vec<EmbeddingInput>,
    /// Length of the vectors.
    pub dimensions: Option<u64>,
    /// `float`, `base64`; Cohere also `int8`, `uint8`, `binary`, `ubinary`.
    pub encodings: Vec<String>,
    /// What the vectors are for, in Cohere's words: `search_document`, `search_query`,
    /// `classification`, `clustering`.
    pub purpose: Option<String>,
    /// Who the end user is.
    pub user: Option<String>,
    /// Members that only the source format has.
    pub extra: Extra,
}

/// One thing to be embedded.
#[derive(Debug, Clone, PartialEq)]
pub enum EmbeddingInput {
    /// Text.
    Text(String),
    /// Token ids.
    Tokens(Vec<u64>),
    /// An image.
    Image(super::Source),
}

/// Documents to be ordered.
#[derive(Debug, Clone, PartialEq)]
pub struct Rerank {
    /// The format that it was read from.
    pub source: Dialect,
    /// The model, as the target writes it.
    pub model: String,
    /// What is looked for.
    pub query: String,
    /// The documents: texts or objects.
    pub documents: Vec<Value>,
    /// How many of the best to return.
    pub top_n: Option<u64>,
    /// Whether the documents are to be repeated in the answer.
    pub return_documents: Option<bool>,
    /// Members that only the source format has.
    pub extra: Extra,
}

impl Chat {
    /// A turn with nothing in it.
    #[must_use]
    pub fn new(source: Dialect) -> Self {
        Self {
            source,
            model: String::new(),
            messages: Vec::new(),
            tools: Vec::new(),
            tool_choice: None,
            parallel_tool_calls: None,
            legacy_functions: false,
            sampling: Sampling::default(),
            reasoning: None,
            output: None,
            verbosity: None,
            stream: false,
            stream_usage: None,
            user: None,
            metadata: Map::new(),
            service_tier: None,
            store: None,
            modalities: Vec::new(),
            cache: None,
            features: Vec::new(),
            needs_state: None,
            extra: Extra::new(),
        }
    }

    /// The tool that the call `id` called, for formats whose results repeat the name.
    #[must_use]
    pub fn tool_name(&self, id: &str) -> Option<&str> {
        let parts = self.messages.iter().rev().flat_map(|message| &message.parts);
        parts.into_iter().find_map(|part| match &part.body {
            PartBody::ToolCall(call) if call.id == id => Some(call.name.as_str()),
            _ => None,
        })
    }
}
