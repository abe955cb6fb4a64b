//! What a request asks for, whatever format it came in: the sim's own small plan.
//!
//! It holds no more than an answer depends on. Formats write it (`wire/*/request.rs`), `answer`
//! reads it. Pure.

use std::borrow::Cow;

use serde_json::Value;

use crate::answer::events::Events;
use crate::refusal::Refusal;

/// A request that was understood.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) model: Cow<'a, str>,
    pub(crate) stream: bool,
    pub(crate) task: Task<'a>,
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Task<'a> {
    Chat(Chat<'a>),
    /// Counts the tokens of so many bytes.
    Count(usize),
    Embed(Embed<'a>),
    Rerank(Rerank),
    /// An answer that the format has made.
    Media(Ready),
}

/// An answer that follows from the request, as bytes.
#[derive(Debug)]
pub(crate) struct Ready {
    /// Its content type.
    pub(crate) kind: &'static str,
    pub(crate) body: Vec<u8>,
    /// It comes in pieces, repeated up to the length that is asked for.
    pub(crate) is_long: bool,
    /// The same as a stream, where there is one.
    pub(crate) events: Option<Events>,
}

impl Ready {
    pub(crate) fn document(document: &Value) -> Self {
        Self::plain("application/json", document.to_string())
    }

    pub(crate) fn plain(kind: &'static str, text: String) -> Self {
        Self { kind, body: text.into_bytes(), is_long: false, events: None }
    }
}

/// A text or calls are wanted.
#[derive(Debug)]
pub(crate) struct Chat<'a> {
    /// The JSON that the answer follows from, and that the prompt's tokens are counted by.
    pub(crate) question: Cow<'a, str>,
    pub(crate) words: Words<'a>,
    /// The tools that may be called.
    pub(crate) tools: Vec<Tool>,
    pub(crate) choice: Choice,
    /// Several calls at a time are allowed.
    pub(crate) parallel: bool,
    /// The schema that an answer in words must fit; `null` for any JSON.
    pub(crate) form: Option<Value>,
    pub(crate) tokens_max: Option<usize>,
    /// Answers to one question.
    pub(crate) choices: u32,
    /// A stream says how many tokens there were.
    pub(crate) usage: bool,
    /// A stream has each call in one piece, under an id of nine letters and digits.
    pub(crate) whole_calls: bool,
    /// The model's thoughts are asked for.
    pub(crate) thinks: bool,
    /// They are sent without their words.
    pub(crate) hides_thoughts: bool,
    /// What sealed thoughts are sent with.
    pub(crate) seal: Option<String>,
    /// Something in the prompt is marked for the cache.
    pub(crate) cached: bool,
    /// Members that the answer repeats of the request.
    pub(crate) echo: Option<Box<Value>>,
}

impl<'a> Chat<'a> {
    /// A plain question; formats change what they know more about.
    pub(crate) fn new(question: Cow<'a, str>, words: Words<'a>) -> Self {
        Self {
            question,
            words,
            tools: Vec::new(),
            choice: Choice::Auto,
            parallel: true,
            form: None,
            tokens_max: None,
            choices: 1,
            usage: false,
            whole_calls: false,
            thinks: false,
            hides_thoughts: false,
            seal: None,
            cached: false,
            echo: None,
        }
    }
}

/// The end of a conversation.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct LastWords {
    /// The last thing the user said.
    pub(crate) user: String,
    /// The last turn is a tool's answer.
    pub(crate) after_tool: bool,
}

/// The end of a conversation, read at once or only when it is needed.
#[derive(Debug)]
pub(crate) enum Words<'a> {
    Known(LastWords),
    Unread(&'a str, fn(&str) -> Result<LastWords, Refusal>),
}

impl Words<'_> {
    /// # Errors
    /// The refusal of what is read only now.
    pub(crate) fn read(&self) -> Result<LastWords, Refusal> {
        match self {
            Words::Known(words) => Ok(words.clone()),
            Words::Unread(raw, read) => read(raw),
        }
    }
}

/// A tool on offer.
#[derive(Debug, Clone)]
pub(crate) struct Tool {
    pub(crate) name: String,
    /// JSON Schema of its arguments, `null` if there is none.
    pub(crate) schema: Value,
}

/// Whether tools are to be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Choice {
    None,
    Auto,
    /// Some tool.
    Required,
    /// This tool.
    Named(String),
}

/// Vectors are wanted.
#[derive(Debug)]
pub(crate) struct Embed<'a> {
    pub(crate) inputs: Vec<Cow<'a, str>>,
    /// `None`: as the settings say.
    pub(crate) dimensions: Option<usize>,
    /// In the order they were asked for.
    pub(crate) encodings: Vec<Encoding>,
}

/// How numbers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Float,
    Base64,
    Int8,
    Uint8,
    Binary,
    Ubinary,
}

/// Documents are to be sorted by how well they fit.
#[derive(Debug)]
pub(crate) struct Rerank {
    pub(crate) query: String,
    pub(crate) documents: Vec<String>,
    pub(crate) top: Option<usize>,
    pub(crate) echo: bool,
    /// The documents as they came, where answers name or repeat them so.
    pub(crate) records: Vec<Value>,
}
