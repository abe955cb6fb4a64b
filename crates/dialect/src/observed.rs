//! What is seen of a stream that is passed on as it came: enough for the commit point, for an honest
//! end and for the count of tokens. Knows no format.

use weir_types::Usage;

/// How closely an event is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// All of it.
    Full,
    /// As cheaply as an honest end allows.
    Skim,
}

/// What an event is to a stream that is passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing that a reader would miss: a role, an empty delta, usage alone.
    Preamble,
    /// Text, reasoning, a tool call, audio, a refusal.
    Content,
    /// The provider says that it failed.
    Error,
    /// The event that ends a stream of this format.
    Done,
}

/// What an event says of the stream it is part of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// What it is.
    pub kind: Kind,
    /// The choices that it speaks of, as far as it was looked at, and the finish reason of each
    /// that it ends.
    pub choices: Vec<(u32, Option<String>)>,
    /// Tokens of the whole answer so far.
    pub usage: Option<Usage>,
    /// What the answer is called, where a provider may be asked for it again.
    pub id: Option<String>,
}

impl Observed {
    /// An event that is of no interest but for its kind.
    #[must_use]
    pub const fn plain(kind: Kind) -> Self {
        Self { kind, choices: Vec::new(), usage: None, id: None }
    }

    /// The finish reason of the first of its choices that has one.
    #[must_use]
    pub fn finish(&self) -> Option<&str> {
        self.choices.iter().find_map(|(_, finish)| finish.as_deref())
    }
}
