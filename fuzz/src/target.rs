//! The targets by name.

use weir_types::{Dialect, Framing};

use crate::{formats, plain};

/// What bytes of a format are read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Request,
    Answer,
    Stream,
    Error,
}

/// A reader.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    Format(Dialect, Kind),
    Framing(Framing),
    /// Forms with files.
    Form,
    /// Files in chunks, as Amazon's clients send them.
    AwsChunks,
    Json,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Request, Self::Answer, Self::Stream, Self::Error];

    /// As it stands in a target's name.
    const fn label(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Answer => "answer",
            Self::Stream => "stream",
            Self::Error => "error",
        }
    }

    /// The folder of its fixtures.
    pub(crate) const fn folder(self) -> &'static str {
        match self {
            Self::Request => "requests",
            Self::Answer => "answers",
            Self::Stream => "streams",
            Self::Error => "errors",
        }
    }
}

/// Every target.
pub(crate) fn all() -> Vec<Target> {
    let kinds = |dialect: &Dialect| Kind::ALL.map(|kind| Target::Format(*dialect, kind));
    let formats = Dialect::ALL.iter().flat_map(kinds);
    formats.chain(Framing::ALL.map(Target::Framing)).chain([Target::Form, Target::AwsChunks, Target::Json]).collect()
}

impl Target {
    /// As `WEIR_FUZZ_TARGET` has it.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Format(dialect, kind) => format!("{}/{}", folder(*dialect), kind.label()),
            Self::Framing(framing) => format!("framing/{}", framing.label()),
            Self::Form => "form".to_owned(),
            Self::AwsChunks => "aws_chunks".to_owned(),
            Self::Json => "json".to_owned(),
        }
    }

    /// Reads `data`.
    pub(crate) fn feed(&self, data: &[u8]) {
        match self {
            Self::Format(dialect, Kind::Request) => formats::request(*dialect, data),
            Self::Format(dialect, Kind::Answer) => formats::answer(*dialect, data),
            Self::Format(dialect, Kind::Stream) => formats::stream(*dialect, data),
            Self::Format(dialect, Kind::Error) => formats::error(*dialect, data),
            Self::Framing(framing) => plain::framing(*framing, data),
            Self::Form => plain::form(data),
            Self::AwsChunks => plain::aws_chunks(data),
            Self::Json => plain::json(data),
        }
    }
}

/// The folder of a format.
pub(crate) fn folder(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::OpenAiChat => "openai_chat",
        other => other.label(),
    }
}
