//! A stream's bytes on their way through: cut into events, held back up to the commit point,
//! passed on in large pieces after it.
//!
//! No I/O and no time here. Holds at most [`HELD_EVENTS_MAX`] events or [`HELD_BYTES_MAX`] bytes, of
//! a stream that has to prove its pace [`PROVED_EVENTS_MAX`] or [`PROVED_BYTES_MAX`]; a stream that
//! says nothing for longer is committed as it is.

mod finishes;
mod proof;
mod same;
#[cfg(test)]
mod tests;
mod translated;

use std::borrow::Cow;
use std::collections::VecDeque;

use bytes::Bytes;
use weir_dialect::lenient::without_nan;
use weir_dialect::{Depth, Garbage};
use weir_framing::{Decoder, Frame, FrameError, Framing};
use weir_types::{Operation, Usage};

use crate::settings::Pace;
use crate::way::Way;
use finishes::Finishes;
use proof::Proof;
use same::Same;
use translated::Translated;

const HELD_EVENTS_MAX: usize = 64;
const HELD_BYTES_MAX: usize = 256 * 1024;
const PROVED_EVENTS_MAX: usize = 512;
const PROVED_BYTES_MAX: usize = 1 << 20;

/// What a chunk brought.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// More is to come.
    More,
    /// The event that ends streams of this format.
    Done,
    /// The stream is of no further use.
    Broken(Broken),
}

/// What a stream said since it was last asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Nothing that is whole.
    #[default]
    Nothing,
    /// Only what keeps a connection open: comments, and events without anything of the answer
    /// (`ping`, `keepalive`, empty deltas).
    Comments,
    /// Something of the answer, as far as events are read.
    Event,
}

/// Why a stream is of no further use.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The provider says that it failed; the event's data.
    Error(Bytes),
    /// An event makes no sense.
    Garbage(&'static str),
}

impl From<Garbage> for Broken {
    fn from(garbage: Garbage) -> Self {
        Self::Garbage(garbage.0)
    }
}

impl From<FrameError> for Broken {
    fn from(error: FrameError) -> Self {
        Self::Garbage(match error {
            FrameError::TooLong => "an event is too long (network_config.max_event_size_mb)",
            FrameError::Malformed(why) => why,
        })
    }
}

/// One stream.
#[expect(clippy::large_enum_variant, reason = "it lives in a box already, and most are the same")]
pub(crate) enum Events {
    Same(Same),
    Translated(Box<Translated>),
}

/// How a stream is framed at the provider and for the client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Framings {
    pub(crate) provider: Framing,
    pub(crate) client: Framing,
    /// No event of the provider's is longer.
    pub(crate) event_bytes_max: usize,
}

impl Framings {
    fn decoder(self) -> Decoder {
        Decoder::limited(self.provider, self.event_bytes_max)
    }
}

impl Events {
    /// The stream of a request for `operation` that went `way`, which is held until it has shown its `pace`; `None`
    /// if streams of these formats cannot be translated.
    pub(crate) fn new(
        way: &Way,
        operation: Operation,
        framings: Framings,
        pace: Option<Pace>,
    ) -> Option<Self> {
        let characters = pace.map(Pace::characters);
        Some(match way {
            Way::Same { format, choices, .. } => {
                let proof = characters.map(|count| Proof::new(count, format.stream_reader()));
                let mut held = Held::new(proof);
                held.reads_all = !is_text(operation);
                Self::Same(Same::new(*format, operation, *choices, framings, held))
            }
            Way::Translated(translation) => {
                let held = Held::new(characters.map(|count| Proof::new(count, None)));
                Self::Translated(Box::new(Translated::new(translation, framings, held)?))
            }
        })
    }

    /// Takes a chunk; what may be passed on goes to `out`.
    pub(crate) fn take(&mut self, chunk: Bytes, out: &mut VecDeque<Bytes>) -> Step {
        match self {
            Self::Same(same) => same.take(chunk, out),
            Self::Translated(translated) => translated.take(chunk, out),
        }
    }

    /// The connection has ended in good order; a last event may lack its end.
    pub(crate) fn finish(&mut self, out: &mut VecDeque<Bytes>) -> Step {
        match self {
            Self::Same(same) => same.finish(out),
            Self::Translated(translated) => translated.finish(out),
        }
    }

    /// All is said, only the event that ends streams of this format is missing: gives out what is
    /// held, and that event.
    pub(crate) fn complete(&mut self, out: &mut VecDeque<Bytes>) -> Step {
        match self {
            Self::Same(same) => same.complete(out),
            Self::Translated(translated) => translated.complete(out),
        }
    }

    fn held(&self) -> &Held {
        match self {
            Self::Same(same) => &same.held,
            Self::Translated(translated) => &translated.held,
        }
    }

    /// The commit point has passed.
    pub(crate) fn is_committed(&self) -> bool {
        self.held().is_committed
    }

    /// The first characters have come, and the stream has yet to show its pace.
    pub(crate) fn is_proving(&self) -> bool {
        self.held().proof.as_ref().is_some_and(Proof::is_running)
    }

    /// How much is kept of an event that is not complete.
    pub(crate) fn carried(&self) -> usize {
        match self {
            Self::Same(same) => same.decoder.carried(),
            Self::Translated(translated) => translated.decoder.carried(),
        }
    }

    /// Reads events in full until one of them says something: what is only skimmed may be empty.
    pub(crate) fn look_closely(&mut self) {
        match self {
            Self::Same(same) => same.held.looks_closely = true,
            Self::Translated(translated) => translated.held.looks_closely = true,
        }
    }

    /// What has been said since the last time.
    pub(crate) fn heard(&mut self) -> Heard {
        match self {
            Self::Same(same) => std::mem::take(&mut same.held.heard),
            Self::Translated(translated) => std::mem::take(&mut translated.held.heard),
        }
    }

    /// Every answer that was asked for has its finish reason.
    pub(crate) fn is_finished(&self) -> bool {
        match self {
            Self::Same(same) => same.finishes.all(),
            Self::Translated(translated) => translated.finishes.all(),
        }
    }

    /// Every answer that has begun has its finish reason.
    pub(crate) fn may_end(&self) -> bool {
        match self {
            Self::Same(same) => same.finishes.all_begun(),
            // Its reader knows better: some formats say at the very end what they have begun.
            Self::Translated(_) => true,
        }
    }

    /// Tokens and the first finish reason, as far as they have been seen.
    pub(crate) fn sum(&self) -> (Usage, Option<&str>) {
        match self {
            Self::Same(same) => (same.usage, same.finishes.first()),
            Self::Translated(translated) => (translated.usage, translated.finishes.first()),
        }
    }

    /// What the answer is called, if its first events have said it.
    pub(crate) fn id(&mut self) -> Option<String> {
        match self {
            Self::Same(same) => same.id.take(),
            Self::Translated(_) => None,
        }
    }

    /// What the translation could not carry so far.
    pub(crate) fn losses(&mut self) -> weir_dialect::ir::Losses {
        match self {
            Self::Same(_) => weir_dialect::ir::Losses::default(),
            Self::Translated(translated) => translated.losses(),
        }
    }
}

/// `frame` as a reader of JSON takes it; `None`: it is nothing else already.
fn readable<'a>(frame: &'a Frame<'_>) -> Option<Frame<'a>> {
    match without_nan(frame.data.as_deref()?) {
        Cow::Borrowed(_) => None,
        data @ Cow::Owned(_) => Some(Frame {
            raw: frame.raw,
            name: frame.name,
            data: Some(data),
            is_exception: frame.is_exception,
        }),
    }
}

/// Whether answers are text in many small events.
const fn is_text(operation: Operation) -> bool {
    matches!(operation, Operation::Chat | Operation::Completion | Operation::Responses)
}

/// Whether a frame only keeps the connection open: it has no data, or empty ones.
fn is_comment(frame: &Frame<'_>) -> bool {
    !frame.is_exception && frame.data.is_none()
}

/// What is held back before the commit point.
struct Held {
    pieces: Vec<Bytes>,
    bytes: usize,
    is_committed: bool,
    heard: Heard,
    /// Whether events are read in full until one says something.
    looks_closely: bool,
    /// Every event is read in full: what ends an answer is not told by the few names that are looked
    /// for where events are many.
    reads_all: bool,
    /// Set where content alone is not enough.
    proof: Option<Proof>,
}

impl Held {
    fn new(proof: Option<Proof>) -> Self {
        Self {
            pieces: Vec::new(),
            bytes: 0,
            is_committed: false,
            heard: Heard::default(),
            looks_closely: false,
            reads_all: false,
            proof,
        }
    }

    /// How closely the next event is to be read.
    fn depth(&self, finishes: &Finishes) -> Depth {
        let skims =
            self.is_committed && !finishes.are_many() && !self.looks_closely && !self.reads_all;
        if skims { Depth::Skim } else { Depth::Full }
    }

    /// A comment has come.
    fn hears_comment(&mut self) {
        if self.heard == Heard::Nothing {
            self.heard = Heard::Comments;
        }
    }

    /// An event has come that was read so closely; whether it `says` anything.
    fn hears(&mut self, says: bool, depth: Depth) {
        if !says {
            return self.hears_comment();
        }
        self.heard = Heard::Event;
        self.looks_closely &= depth == Depth::Skim;
    }

    /// Holds a piece, or passes it on after the commit point.
    fn add(&mut self, piece: Bytes, commits: bool, out: &mut VecDeque<Bytes>) {
        if self.is_committed {
            out.push_back(piece);
            return;
        }
        self.bytes += piece.len();
        self.pieces.push(piece);
        let (events_max, bytes_max) = match &self.proof {
            None => (HELD_EVENTS_MAX, HELD_BYTES_MAX),
            Some(_) => (PROVED_EVENTS_MAX, PROVED_BYTES_MAX),
        };
        if self.pieces.len() >= events_max || self.bytes > bytes_max {
            self.commit(out);
        } else if commits {
            self.content(out);
        }
    }

    /// Content has come: the commit point, unless more of it is wanted.
    fn content(&mut self, out: &mut VecDeque<Bytes>) {
        if self.proof.as_ref().is_none_or(Proof::is_over) {
            self.commit(out);
        }
    }

    /// Gives out what is held.
    fn commit(&mut self, out: &mut VecDeque<Bytes>) {
        self.is_committed = true;
        self.proof = None;
        out.extend(self.pieces.drain(..));
    }
}

const ENDS_WITHIN: &str = "the stream ends within an event";
