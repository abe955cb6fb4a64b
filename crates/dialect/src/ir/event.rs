//! What a stream says, piece by piece.
//!
//! A reader gives events in this order, whatever its format does: one [`Event::Start`], then for
//! every part [`Event::PartStart`], any number of [`Event::Delta`], [`Event::PartEnd`]; then a
//! [`Event::Finish`] per choice, at most one [`Event::Usage`] after the last of them that matters,
//! and [`Event::End`]. Parts of one choice do not overlap and are numbered from 0 without gaps.

use serde_json::Value;
use weir_types::Usage;

use super::answer::{Finish, FinishReason};
use super::error::{Error, ErrorKind};
use super::part::{Media, Sealed};

/// A piece of a stream.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The answer begins.
    Start {
        /// The provider's id of it; empty if it gives none.
        id: String,
        /// The model as the provider names it; empty if it does not.
        model: String,
        /// Seconds since 1970, if said.
        created: Option<u64>,
        /// What is known of the tokens already; all zero if nothing is.
        usage: Usage,
    },
    /// A part begins.
    PartStart {
        /// Which of the answers.
        choice: u32,
        /// Which of its parts.
        part: u32,
        /// What it is.
        start: PartStart,
    },
    /// A part goes on.
    Delta {
        /// Which of the answers.
        choice: u32,
        /// Which of its parts.
        part: u32,
        /// What is added.
        delta: Delta,
        /// In the form of OpenAI chat's `logprobs`.
        logprobs: Option<Value>,
    },
    /// A part is complete.
    PartEnd {
        /// Which of the answers.
        choice: u32,
        /// Which of its parts.
        part: u32,
    },
    /// One of the answers is complete.
    Finish {
        /// Which.
        choice: u32,
        /// Why.
        finish: Finish,
    },
    /// Tokens of the whole answer so far: set, never added.
    Usage(Usage),
    /// The provider says that it failed. Nothing follows.
    Error(Error),
    /// All is said. Nothing follows.
    End,
}

/// What a part is that begins.
#[derive(Debug, Clone, PartialEq)]
pub enum PartStart {
    /// Text.
    Text,
    /// The model declines, in words.
    Refusal,
    /// Reasoning in words.
    Thinking {
        /// The format's own id of the block.
        id: Option<String>,
        /// The words are a summary.
        is_summary: bool,
    },
    /// Reasoning that only its maker can read; complete.
    Redacted(Sealed),
    /// A tool is called; the arguments follow.
    ToolCall {
        /// Ties the result to the call.
        id: String,
        /// The tool.
        name: String,
        /// A tool that takes plain text.
        is_custom: bool,
    },
    /// Sound; base64 pieces follow.
    Audio {
        /// The format's own id of it.
        id: Option<String>,
    },
    /// An image; complete.
    Image(Media),
    /// A block that only its format knows; complete.
    Foreign {
        /// Whose it is.
        dialect: weir_types::Dialect,
        /// The block.
        raw: Value,
    },
}

/// What is added to a part.
#[derive(Debug, Clone, PartialEq)]
pub enum Delta {
    /// To a text, a refusal or reasoning.
    Text(String),
    /// The signature of reasoning, or of a tool call.
    Signature(Sealed),
    /// A piece of a tool call's arguments, as JSON text.
    Arguments(String),
    /// What the text refers to, as in [`super::PartBody::Text`].
    Annotation(Value),
    /// A piece of sound, base64.
    Audio(String),
    /// What is said in the sound.
    Transcript(String),
}

impl Event {
    /// The end of one of the answers; the end of all if the provider broke it off.
    #[must_use]
    pub fn ending(choice: u32, finish: Finish) -> Self {
        let FinishReason::Error(word) = finish.reason else {
            return Self::Finish { choice, finish };
        };
        let mut error = Error::new(0, format!("the provider broke its answer off: {word}"));
        if word.eq_ignore_ascii_case("timeout") {
            error.kind = ErrorKind::Timeout;
        }
        error.label = word;
        Self::Error(error)
    }

    /// Whether a reader of the stream would miss it: the first such event is the commit point.
    #[must_use]
    pub const fn is_content(&self) -> bool {
        match self {
            Self::Delta { delta, .. } => match delta {
                Delta::Text(text) | Delta::Arguments(text) | Delta::Transcript(text) => {
                    !text.is_empty()
                }
                Delta::Signature(_) | Delta::Annotation(_) | Delta::Audio(_) => true,
            },
            Self::PartStart { start, .. } => matches!(
                start,
                PartStart::Redacted(_)
                    | PartStart::ToolCall { .. }
                    | PartStart::Image(_)
                    | PartStart::Foreign { .. }
            ),
            Self::Finish { .. } => true,
            Self::Start { .. }
            | Self::PartEnd { .. }
            | Self::Usage(_)
            | Self::Error(_)
            | Self::End => false,
        }
    }
}
