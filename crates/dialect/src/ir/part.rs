//! What messages and answers are made of.

use serde_json::Value;
use weir_types::Dialect;

/// One block of a message or of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// What it is.
    pub body: PartBody,
    /// The prompt up to here is worth keeping for later requests.
    pub cache: Option<CacheMark>,
}

/// What a block is.
#[derive(Debug, Clone, PartialEq)]
pub enum PartBody {
    /// Text. `annotations`: citations and the like, in the form of OpenAI chat's `annotations`
    /// (`{"type": "url_citation", "url_citation": {…}}`) where a reader can bring them into it, else
    /// as the format has them.
    Text {
        /// The text.
        text: String,
        /// What the text refers to.
        annotations: Vec<Value>,
    },
    /// The model declines to answer, in its own words.
    Refusal(String),
    /// A JSON value; only inside of tool results.
    Json(Value),
    /// An image.
    Image(Image),
    /// A document to be read: PDF, text, a web page.
    Document(Document),
    /// Speech or another sound.
    Audio(Media),
    /// A film.
    Video(Media),
    /// The model calls a tool.
    ToolCall(ToolCall),
    /// What a tool answered.
    ToolResult(ToolResult),
    /// What the model thought before it answered.
    Thinking(Thinking),
    /// A block that only `dialect` knows, as it stands there.
    Foreign {
        /// Whose it is.
        dialect: Dialect,
        /// The block.
        raw: Value,
    },
}

/// "Keep the prompt up to here."
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CacheMark {
    /// For how long, as in `5m` or `1h`; `None`: for as long as the provider does by itself.
    pub ttl: Option<String>,
}

/// Where the bytes of a medium are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// To be fetched by the provider; `http:`, `https:`, `gs:`, `s3:`.
    Url(String),
    /// In the request.
    Base64 {
        /// As in `image/png`; empty if the format does not say.
        media_type: String,
        /// Standard base64 with padding.
        data: String,
    },
    /// Plain text in place of bytes.
    Text(String),
    /// A file that the provider keeps, by that provider's name of it.
    File {
        /// Whose name it is.
        dialect: Dialect,
        /// The name.
        id: String,
    },
}

/// Bytes with a place to fetch them from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// Where the bytes are.
    pub source: Source,
    /// As in `audio/wav`; `None` where neither the format nor the source says.
    pub media_type: Option<String>,
}

/// An image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Where it is.
    pub source: Source,
    /// OpenAI's `detail`: `auto`, `low`, `high`.
    pub detail: Option<String>,
}

/// A document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Where it is.
    pub source: Source,
    /// Its name or title.
    pub title: Option<String>,
    /// What is to be known of it beside its text.
    pub context: Option<String>,
    /// Whether the answer is to cite it.
    pub citations: Option<bool>,
}

/// What only its maker can read: a signature, encrypted reasoning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The format that it came in; no other is given it.
    pub origin: Dialect,
    /// As it came.
    pub data: String,
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolCall {
    /// Ties the result to the call; empty where the format has no ids.
    pub id: String,
    /// The tool.
    pub name: String,
    /// The arguments as JSON text, an object; never empty: no arguments are `{}`. Of a custom tool:
    /// plain text.
    pub arguments: String,
    /// A tool that takes plain text.
    pub is_custom: bool,
    /// A thought signature that belongs to this call.
    pub signature: Option<Sealed>,
}

/// The result of a call.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolResult {
    /// [`ToolCall::id`] of the call.
    pub call_id: String,
    /// The tool, where the format repeats it; see also [`super::Chat::tool_name`].
    pub name: Option<String>,
    /// Text, JSON, images, documents.
    pub parts: Vec<Part>,
    /// Whether the tool failed, if that is said.
    pub is_error: Option<bool>,
}

/// A block of reasoning. Blocks are never merged, reordered or dropped for being empty while they
/// carry a signature.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Thinking {
    /// In words; may be empty.
    pub text: String,
    /// Proves that the model wrote it.
    pub signature: Option<Sealed>,
    /// The reasoning itself, readable for its maker only.
    pub redacted: Option<Sealed>,
    /// The format's own id of the block.
    pub id: Option<String>,
    /// The words are a summary and not the reasoning itself.
    pub is_summary: bool,
}

/// What a format calls a block that only it knows: its `type`, or its one member where blocks have
/// none.
#[must_use]
pub fn block_name(raw: &Value) -> &str {
    let named = raw.get("type").and_then(Value::as_str);
    let first = || raw.as_object()?.keys().next().map(String::as_str);
    named.or_else(first).unwrap_or("block")
}

impl Part {
    /// A block without a cache mark.
    #[must_use]
    pub const fn new(body: PartBody) -> Self {
        Self { body, cache: None }
    }

    /// A block of plain text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(PartBody::Text { text: text.into(), annotations: Vec::new() })
    }
}

impl Source {
    /// Reads a URL, taking a `data:` URL apart.
    #[must_use]
    pub fn from_url(url: &str) -> Self {
        let taken = url.strip_prefix("data:").and_then(|rest| rest.split_once(','));
        if let Some((head, data)) = taken
            && let Some(media_type) = head.strip_suffix(";base64")
        {
            // Parameters (`;charset=…`) are not part of the type.
            let media_type = media_type.split(';').next().unwrap_or_default();
            return Self::Base64 { media_type: media_type.to_owned(), data: data.to_owned() };
        }
        Self::Url(url.to_owned())
    }

    /// As a URL; `None` for text and files.
    #[must_use]
    pub fn to_url(&self) -> Option<String> {
        match self {
            Self::Url(url) => Some(url.clone()),
            Self::Base64 { media_type, data } => Some(format!("data:{media_type};base64,{data}")),
            Self::Text(_) | Self::File { .. } => None,
        }
    }
}
