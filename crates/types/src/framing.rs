//! How the events of a stream are told apart on the wire, by name. How they are cut and written is
//! `weir-framing`'s.

/// The framing of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Framing {
    /// Server-sent events.
    #[default]
    Sse,
    /// Amazon's binary event stream.
    EventStream,
    /// Amazon's binary event stream whose events carry those of another format, encoded.
    EventChunks,
    /// One JSON array whose elements are the events.
    JsonArray,
    /// One JSON document a line.
    Ndjson,
}

impl Framing {
    /// Every framing.
    pub const ALL: [Self; 5] =
        [Self::Sse, Self::EventStream, Self::EventChunks, Self::JsonArray, Self::Ndjson];

    /// Stable label for the wire between our services.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Sse => "sse",
            Self::EventStream => "event_stream",
            Self::EventChunks => "event_chunks",
            Self::JsonArray => "json_array",
            Self::Ndjson => "ndjson",
        }
    }

    /// The inverse of [`Framing::label`].
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|framing| framing.label() == label)
    }

    /// The media type of a stream that is framed so.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Sse => "text/event-stream",
            Self::EventStream | Self::EventChunks => "application/vnd.amazon.eventstream",
            Self::JsonArray => "application/json",
            Self::Ndjson => "application/x-ndjson",
        }
    }
}
