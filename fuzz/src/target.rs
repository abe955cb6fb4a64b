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
    /// What a neighbour sends on a framed link.
    Link(Link),
}

/// In what of a link chance has its hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    /// Its bytes.
    Frames,
    /// What is in its frames.
    Messages,
    /// Which frames come, in which order, and what is done at this end.
    Peer,
}

impl Link {
    const ALL: [Self; 3] = [Self::Frames, Self::Messages, Self::Peer];

    /// As it stands in a target's name.
    const fn label(self) -> &'static str {
        match self {
            Self::Frames => "frames",
            Self::Messages => "messages",
            Self::Peer => "peer",
        }
    }

    fn feed(self, data: &[u8]) {
        let held = match self {
            Self::Frames => weir_rpc::chance::frames(data),
            Self::Messages => weir_rpc::chance::messages(data),
            Self::Peer => weir_rpc::chance::peer(data),
        };
        assert_eq!(held, Ok(()));
    }
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
    let plain = [Target::Form, Target::AwsChunks, Target::Json];
    let framings = Framing::ALL.map(Target::Framing);
    formats.chain(framings).chain(plain).chain(Link::ALL.map(Target::Link)).collect()
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
            Self::Link(link) => format!("link/{}", link.label()),
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
            Self::Link(link) => link.feed(data),
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
