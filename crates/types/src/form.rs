//! Forms of a wire format, by name: where clients of one format send or read the same thing in
//! different ways. What is different is the format's; which path is in which form the edge's.

/// A form of a wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Form {
    /// What most clients send and read.
    #[default]
    Usual,
    /// One text and one vector, where the usual form has several (Gemini's `embedContent`).
    Single,
    /// Mistral's form of OpenAI's chat completions.
    Mistral,
    /// Files as objects at places in buckets, as S3 has them.
    Objects,
}

impl Form {
    /// Every form.
    pub const ALL: [Self; 4] = [Self::Usual, Self::Single, Self::Mistral, Self::Objects];

    /// Stable label for the wire between our services; empty for the usual one.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Usual => "",
            Self::Single => "single",
            Self::Mistral => "mistral",
            Self::Objects => "objects",
        }
    }

    /// The inverse of [`Form::label`].
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.label() == label)
    }
}
